/* Add-ADPermission and Remove-ADPermission, and the templates of new receive connectors. */
#include "config/exchange_private.h"

/* --- Usage --- */

struct usage {
    const char *name;
    const char *bindings, *ranges, *groups, *auth;
};

/* New-ReceiveConnector -Usage: what each sets at creation; NULL must be given. */
static const struct usage USAGES[] = {
    {"Custom", NULL, NULL, "None", "Tls"},
    {"Internet", NULL, "0.0.0.0-255.255.255.255", "AnonymousUsers", "Tls"},
    {"Internal", "0.0.0.0:25", NULL, "ExchangeServers,ExchangeLegacyServers", "Tls,ExchangeServer"},
    {"Client", "0.0.0.0:587", NULL, "ExchangeUsers",
     "Tls,BasicAuth,BasicAuthRequireTLS,Integrated"},
    {"Partner", NULL, NULL, "Partners", "Tls"},
};

static const struct usage *find_usage(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(USAGES); i++)
        if (exchange_same(USAGES[i].name, name))
            return &USAGES[i];
    return NULL;
}

static const struct usage *chosen_usage(struct exchange_import *im, struct exchange_object *object,
                                        const struct exchange_command *c)
{
    const struct usage *usage = NULL;
    for (size_t i = 0; i < c->count; i++) {
        const struct exchange_argument *a = &c->arguments[i];
        const char *other;
        const struct exchange_property *p =
            exchange_property_find(EXCHANGE_RECEIVE, a->name, true, &other);
        if (!p || p->form != EXCHANGE_USAGE)
            continue;
        const char *text =
            exchange_same(p->name, "Usage") ? (a->values.count ? a->values.items[0] : "") : p->name;
        const struct usage *found = find_usage(text);
        if (!found)
            exchange_note(im, object, a->where,
                          "-Usage %s: one of Custom, Internet, Internal, Client, Partner is "
                          "allowed; Custom is assumed",
                          exchange_printable(&im->arena, text));
        else if (usage && usage != found)
            exchange_note(im, object, a->where, "-%s: %s is said already; this one counts", p->name,
                          usage->name);
        usage = found ? found : usage;
    }
    return usage ? usage : &USAGES[0];
}

static void preset(struct exchange_import *im, struct exchange_object *object, const char *property,
                   const char *text, const char *origin)
{
    const char *other;
    const struct exchange_property *p =
        exchange_property_find(EXCHANGE_RECEIVE, property, false, &other);
    struct exchange_argument a = {.name = property, .where = object->sources.first->where};
    if (!text)
        return;
    exchange_texts_add(&im->arena, &a.values, text);
    exchange_setting_take(im, object, p, &a, false);
    exchange_setting_find(object, p)->origin = origin;
}

void exchange_usage_apply(struct exchange_import *im, struct exchange_object *object,
                          const struct exchange_command *command)
{
    const struct usage *usage = chosen_usage(im, object, command);
    const char *origin = arena_printf(&im->arena, "usage %s", usage->name);
    preset(im, object, "Bindings", usage->bindings, origin);
    preset(im, object, "RemoteIPRanges", usage->ranges, origin);
    preset(im, object, "PermissionGroups", usage->groups, origin);
    preset(im, object, "AuthMechanism", usage->auth, origin);
}

/* --- Permissions --- */

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

static rights_mask parse_rights(struct exchange_import *im, struct exchange_object *object,
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
                exchange_note(im, object, a->where,
                              "-ExtendedRights %s: there is no such right here",
                              exchange_printable(&im->arena, arena_bytes(&im->arena, head).ptr));
        }
    }
    return mask;
}

static struct exchange_permission *permission_of(struct exchange_import *im,
                                                 struct exchange_object *object, const char *user,
                                                 const char *where)
{
    enum rights_principal principal;
    struct bytes name = BYTES_EMPTY, text = plain_dashes(&im->arena, user);
    struct exchange_permission **at = &object->permissions;
    if (rights_principal_parse(text, &principal, &name) != ERR_OK) {
        size_t slash = bytes_rfind(text, '\\');
        principal = RIGHTS_USER;
        name = slash == BYTES_NOT_FOUND ? text : bytes_from(text, slash + 1);
        exchange_note(im, object, where,
                      "user %s: taken as \"user:" BYTES_FMT "\"; write group: if it is one",
                      exchange_printable(&im->arena, user), BYTES_ARG(bytes_sub(name, 0, 100)));
    }
    name = arena_bytes(&im->arena, name);
    for (; *at; at = &(*at)->next)
        if ((*at)->principal == principal && bytes_equal_nocase(bytes_of((*at)->name), name))
            return *at;
    *at = ARENA_NEW(&im->arena, struct exchange_permission);
    **at = (struct exchange_permission){
        .user = user, .where = where, .principal = principal, .name = name.len ? name.ptr : NULL};
    return *at;
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

static void note_parameter(struct exchange_import *im, struct exchange_object *object,
                           const struct exchange_argument *a)
{
    const char *value = a->values.count ? a->values.items[0] : "";
    if (bytes_starts_nocase(BYTES("AccessRights"), bytes_of(a->name)) &&
        exchange_same(value, "ExtendedRight"))
        return;
    exchange_note(im, object, a->where, "-%s%s%s: only -User, -ExtendedRights and -Deny count here",
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

static void apply_to(struct exchange_import *im, struct exchange_object *o,
                     const struct exchange_command *c, const struct wish *w, bool is_remove)
{
    exchange_notes_add(&im->arena, &o->sources, c->where, c->from_export ? "export" : c->name);
    for (size_t i = 0; i < c->count; i++) {
        const struct exchange_argument *a = &c->arguments[i];
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
static void add_identity(struct exchange_import *im, const struct exchange_command *c,
                         const struct wish *w, struct exchange_targets *targets)
{
    const char *identity =
        w->identity && w->identity->values.count ? w->identity->values.items[0] : c->identity;
    struct exchange_object *o = NULL;
    if (identity)
        o = exchange_object_find(im, EXCHANGE_RECEIVE | EXCHANGE_SEND, identity);
    if (identity && !o)
        o = exchange_object_refer(im, EXCHANGE_RECEIVE, identity, c->where);
    if (!identity)
        exchange_fault(im, c->where, "%s: which connector? -Identity is missing", c->name);
    if (!o)
        return;
    targets->items = ARENA_NEW(&im->arena, struct exchange_object *);
    targets->items[0] = o;
    targets->count = targets->capacity = 1;
}

void exchange_permission_apply(struct exchange_import *im, const struct exchange_command *command,
                               struct exchange_targets *targets, bool is_remove)
{
    struct wish w = read_wish(command);
    if (w.inherited)
        return; /* an export shows what the parent gives as well */
    if (!w.user || w.user->values.count == 0 || !w.rights || w.rights->values.count == 0) {
        exchange_note(im, NULL, command->where,
                      "%s: without -User and -ExtendedRights there is nothing to take over",
                      command->name);
        return;
    }
    if (!targets->piped)
        add_identity(im, command, &w, targets);
    for (size_t i = 0; i < targets->count; i++)
        apply_to(im, targets->items[i], command, &w, is_remove);
}
