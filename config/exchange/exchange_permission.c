/* Add-ADPermission, Remove-ADPermission and Get-ADPermission. */
#include "config/exchange/exchange_permission_private.h"

/* Typographic dashes came along with the quotes. */
static struct bytes plain_dashes(struct arena *arena, const char *text)
{
    char *to = arena_strdup(arena, text);
    size_t len = 0;
    for (size_t i = 0; text[i];) {
        bool dash =
            strncmp(text + i, "\xE2\x80", 2) == 0 && text[i + 2] >= '\x90' && text[i + 2] <= '\x95';
        to[len++] = dash ? '-' : text[i];
        i += dash ? 3 : 1;
    }
    return bytes_make(to, len);
}

static rights_mask parse_rights(struct exchange_importer *im, struct exchange_object *object,
                                const struct exchange_argument *a)
{
    rights_mask mask = 0;
    for (size_t i = 0; i < a->values.count; i++) {
        struct bytes head, rest = plain_dashes(&im->arena, a->values.items[i]);
        bool more = true;
        while (more) {
            enum rights_right right;
            more = bytes_split(rest, ',', &head, &rest);
            head = bytes_trim(head);
            if (rights_parse(head, &right) == ERR_OK)
                mask |= (rights_mask)right;
            else if (head.len)
                exchange_note(im, &object->notes, a->where,
                              "-ExtendedRights %s: there is no such right here",
                              exchange_printable(&im->arena, arena_bytes(&im->arena, head).ptr));
        }
    }
    return mask;
}

static struct exchange_permission *permission_of(struct exchange_importer *im,
                                                 struct exchange_object *object, const char *user,
                                                 const char *where)
{
    enum rights_principal principal;
    struct bytes name = BYTES_EMPTY, text = plain_dashes(&im->arena, user);
    if (rights_principal_parse(text, &principal, &name) != ERR_OK) {
        size_t slash = bytes_rfind(text, '\\');
        principal = RIGHTS_USER;
        name = slash == BYTES_NOT_FOUND ? text : bytes_from(text, slash + 1);
        exchange_note(im, &object->notes, where,
                      "user %s: taken as \"user:" BYTES_FMT "\"; write group: if it is one",
                      exchange_printable(&im->arena, user), BYTES_ARG(bytes_sub(name, 0, 100)));
    }
    name = arena_bytes(&im->arena, name);
    EXCHANGE_PERMISSIONS_EACH (p, object)
        if (p->principal == principal && bytes_equal_nocase(bytes_of(p->name), name))
            return p;
    struct exchange_permission *p = ARENA_NEW(&im->arena, struct exchange_permission);
    *p = (struct exchange_permission){
        .user = user, .where = where, .principal = principal, .name = name.len ? name.ptr : NULL};
    list_add(&object->permissions, &p->link);
    return p;
}

static void change(struct exchange_permission *p, rights_mask mask, bool is_deny, bool is_remove)
{
    if (is_remove && is_deny) {
        p->deny &= ~mask;
    } else if (is_remove) {
        p->allow &= ~mask;
        p->remove |= mask;
    } else if (is_deny) {
        p->deny |= mask;
    } else {
        p->allow |= mask;
        p->remove &= ~mask;
    }
}

struct wish {
    const struct exchange_argument *user, *rights, *identity;
    bool deny, inherited;
};

static bool is_true(const struct exchange_argument *a)
{
    return a->is_switch || (a->values.count && exchange_same(a->values.items[0], "true"));
}

static void note_parameter(struct exchange_importer *im, struct exchange_object *object,
                           const struct exchange_argument *a)
{
    const char *value = a->values.count ? a->values.items[0] : "";
    if (bytes_starts_nocase(BYTES("AccessRights"), bytes_of(a->name)) &&
        exchange_same(value, "ExtendedRight"))
        return;
    exchange_note(im, &object->notes, a->where,
                  "-%s%s%s: only -User, -ExtendedRights and -Deny count here",
                  exchange_printable(&im->arena, a->name), *value ? " " : "",
                  exchange_printable(&im->arena, value));
}

static struct wish read_wish(const struct exchange_command *c)
{
    const struct exchange_argument *deny = exchange_argument_find(c, "Deny", 2);
    const struct exchange_argument *inherited = exchange_argument_find(c, "IsInherited", 3);
    return (struct wish){
        .user = exchange_argument_find(c, "User", 1),
        .rights = exchange_argument_find(c, "ExtendedRights", 1),
        .identity = exchange_argument_find(c, "Identity", 2),
        .deny = deny && is_true(deny),
        .inherited = inherited && is_true(inherited),
    };
}

static void apply_to(struct exchange_importer *im, struct exchange_object *o,
                     const struct exchange_command *c, const struct wish *w, bool is_remove)
{
    exchange_object_source(im, o, c);
    for (size_t i = 0; i < c->count; i++) {
        const struct exchange_argument *a = &c->items[i];
        struct bytes name = bytes_of(a->name);
        if (!c->from_export && a != w->user && a != w->rights && a != w->identity &&
            !(name.len >= 2 && bytes_starts_nocase(BYTES("Deny"), name)))
            note_parameter(im, o, a);
    }
    rights_mask mask = parse_rights(im, o, w->rights);
    if (!mask)
        return;
    struct exchange_permission *p = permission_of(im, o, w->user->values.items[0], c->where);
    p->from_export = c->from_export;
    change(p, mask, w->deny, is_remove);
}

/* Identity in the command itself, where nothing is piped into it. */
static void add_identity(struct exchange_importer *im, const struct exchange_command *c,
                         const struct exchange_argument *said, struct exchange_targets *targets)
{
    const char *identity = said && said->values.count ? said->values.items[0] : c->identity;
    struct exchange_object *o = NULL;
    if (identity)
        o = exchange_object_find(im, EXCHANGE_RECEIVE | EXCHANGE_SEND, identity);
    if (identity && !o)
        o = exchange_object_refer(im, EXCHANGE_RECEIVE, identity, c->where);
    if (!identity)
        exchange_fault(im, c->where, "%s: which connector? -Identity is missing", c->name);
    *targets = (struct exchange_targets){.piped = targets->piped};
    if (o)
        exchange_targets_add(im, targets, (struct exchange_item){.object = o});
}

/* A text that is piped in is an identity; only connectors have permissions. */
static struct exchange_object *connector_of(struct exchange_importer *im,
                                            const struct exchange_command *c,
                                            const struct exchange_item *item)
{
    struct exchange_object *o = item->object;
    if (!o)
        o = exchange_object_find(im, EXCHANGE_RECEIVE | EXCHANGE_SEND, item->text);
    if (!item->object && !o)
        o = exchange_object_refer(im, EXCHANGE_RECEIVE, item->text, c->where);
    if (o && !(o->kind & (EXCHANGE_RECEIVE | EXCHANGE_SEND))) {
        exchange_fault(im, c->where, "%s: %s has no permissions", c->name,
                       exchange_item_shown(im, item));
        return NULL;
    }
    return o;
}

/* Get-ADPermission | Remove-ADPermission: each entry says all that the command must know. */
static bool take_entries(struct exchange_importer *im, const struct exchange_command *c,
                         const struct exchange_targets *targets, bool is_remove)
{
    if (!targets->piped || targets->count == 0 || !targets->items[0].permission)
        return false;
    if (!is_remove)
        exchange_fault(im, c->where,
                       "%s: permissions that are copied are not understood: write -User and "
                       "-ExtendedRights",
                       c->name);
    for (size_t i = 0; i < c->count; i++)
        note_parameter(im, targets->items[0].object, &c->items[i]);
    for (size_t i = 0; i < targets->count && is_remove; i++) {
        const struct exchange_permission *entry = targets->items[i].permission;
        struct exchange_object *o = targets->items[i].object;
        exchange_object_source(im, o, c);
        change(permission_of(im, o, entry->user, c->where), entry->allow | entry->deny,
               entry->deny != 0, true);
    }
    return true;
}

void exchange_permission_apply(struct exchange_importer *im, const struct exchange_command *command,
                               struct exchange_targets *targets, bool is_remove)
{
    struct wish w = read_wish(command);
    if (w.inherited || take_entries(im, command, targets, is_remove))
        return; /* an export shows what the parent gives as well */
    if (!w.user || w.user->values.count == 0 || !w.rights || w.rights->values.count == 0) {
        exchange_note(im, NULL, command->where,
                      "%s: without -User and -ExtendedRights there is nothing to take over",
                      command->name);
        return;
    }
    if (w.user->is_expression || w.rights->is_expression) {
        exchange_fault(im, command->where,
                       "%s: -User or -ExtendedRights is not known here: write "
                       "it out",
                       command->name);
        return;
    }
    if (!targets->piped || w.identity || command->identity)
        add_identity(im, command, w.identity, targets);
    for (size_t i = 0; i < targets->count; i++) {
        struct exchange_object *o = connector_of(im, command, &targets->items[i]);
        if (o)
            apply_to(im, o, command, &w, is_remove);
    }
}

/* --- Get-ADPermission --- */

unsigned exchange_groups_of(const struct exchange_object *object)
{
    const struct exchange_setting *s = exchange_setting_named(object, "PermissionGroups");
    unsigned groups = 0;
    for (size_t i = 0; s && i < s->values.count; i++) {
        const struct choice *group = choice_find(RIGHTS_GROUPS, bytes_of(s->values.items[i]));
        groups |= group ? group->value : 0;
    }
    return groups;
}

struct listing {
    struct exchange_importer *im;
    struct exchange_object *object;
    const char *user; /* only of this one; NULL: of all */
    struct exchange_targets *out;
};

/* One entry for each right, as the command shows them. */
static void list_rights(const struct listing *l, const struct exchange_permission *of,
                        rights_mask allow, rights_mask deny)
{
    for (unsigned i = 0; i < 2 * RIGHTS_COUNT; i++) {
        rights_mask right = (rights_mask)(1u << i / 2);
        bool is_deny = i % 2;
        if (!((is_deny ? deny : allow) & right))
            continue;
        struct exchange_permission *entry = ARENA_NEW(&l->im->arena, struct exchange_permission);
        *entry = (struct exchange_permission){.user = of->user,
                                              .where = of->where,
                                              .principal = of->principal,
                                              .name = of->name,
                                              .allow = is_deny ? 0 : right,
                                              .deny = is_deny ? right : 0};
        exchange_targets_add(l->im, l->out,
                             (struct exchange_item){.object = l->object, .permission = entry});
    }
}

static const struct exchange_permission *entry_of(const struct exchange_object *o,
                                                  enum rights_principal principal)
{
    EXCHANGE_PERMISSIONS_EACH (p, o)
        if (p->principal == principal)
            return p;
    return NULL;
}

static bool is_meant(const struct listing *l, enum rights_principal principal, const char *name)
{
    enum rights_principal wanted;
    struct bytes wanted_name = BYTES_EMPTY;
    if (!l->user)
        return true;
    if (rights_principal_parse(plain_dashes(&l->im->arena, l->user), &wanted, &wanted_name) ==
        ERR_OK)
        return principal == wanted && (!name || bytes_equal_nocase(bytes_of(name), wanted_name));
    const char *slash = strrchr(l->user, '\\');
    return name && exchange_same(name, slash ? slash + 1 : l->user);
}

static void list_permissions(const struct listing *l)
{
    unsigned groups = exchange_groups_of(l->object);
    for (unsigned i = 0; i < RIGHTS_PRINCIPAL_COUNT; i++) {
        enum rights_principal principal = (enum rights_principal)i;
        const struct exchange_permission *own = entry_of(l->object, principal),
                                         none_yet = {.user = rights_principal_name(principal),
                                                     .principal = principal};
        rights_mask given = rights_of_groups(groups, principal);
        rights_mask gone = own ? own->remove : 0;
        if (is_meant(l, principal, NULL))
            list_rights(l, own ? own : &none_yet, (given & ~gone) | (own ? own->allow : 0),
                        own ? own->deny : 0);
    }
    EXCHANGE_PERMISSIONS_EACH (p, l->object)
        if (p->name && is_meant(l, p->principal, p->name))
            list_rights(l, p, p->allow, p->deny);
}

void exchange_permission_list(struct exchange_importer *im, const struct exchange_command *command,
                              struct exchange_targets *targets)
{
    const struct exchange_argument *identity = exchange_argument_find(command, "Identity", 2);
    const struct exchange_argument *user = exchange_argument_find(command, "User", 1);
    struct exchange_targets out = {.piped = true};
    if (!targets->piped || identity || command->identity)
        add_identity(im, command, identity, targets);
    for (size_t i = 0; i < command->count; i++)
        if (&command->items[i] != identity && &command->items[i] != user)
            exchange_note(im, NULL, command->items[i].where, "%s -%s: not looked at", command->name,
                          exchange_printable(&im->arena, command->items[i].name));
    for (size_t i = 0; i < targets->count; i++) {
        struct listing l = {im, connector_of(im, command, &targets->items[i]), NULL, &out};
        l.user = user && user->values.count ? user->values.items[0] : NULL;
        if (l.object)
            list_permissions(&l);
    }
    if (out.count == 0)
        exchange_note(im, NULL, command->where, "%s: there is no such permission here",
                      command->name);
    *targets = out;
}
