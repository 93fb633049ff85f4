/* What goes through a pipeline, and what its properties say: to filters, to $_ in a loop and to
 * variables that hold connectors.
 */
#include "config/exchange/exchange_item_private.h"

#include "config/exchange/exchange_key_private.h"
#include "core/vector.h"

void exchange_targets_add(struct exchange_importer *im, struct exchange_targets *targets,
                          struct exchange_item item)
{
    *VECTOR_ADD_IN(&im->arena, targets) = item;
}

const char *exchange_item_shown(struct exchange_importer *im, const struct exchange_item *item)
{
    if (!item->object)
        return arena_printf(&im->arena, "\"%s\"", exchange_printable(&im->arena, item->text));
    return arena_printf(&im->arena, "%s%s \"%s\"", item->permission ? "a permission on " : "",
                        exchange_kind_name(item->object->kind),
                        exchange_printable(&im->arena, item->object->name));
}

/* --- Permissions --- */

/* As Get-ADPermission shows them. */
static const char *user_of(const struct exchange_permission *p)
{
    static const char *const users[RIGHTS_PRINCIPAL_COUNT] = {
        [RIGHTS_ANONYMOUS] = "NT AUTHORITY\\ANONYMOUS LOGON",
        [RIGHTS_AUTHENTICATED_USERS] = "NT AUTHORITY\\Authenticated Users",
        [RIGHTS_EXTERNALLY_SECURED_SERVERS] = "MS Exchange\\Externally Secured Servers",
        [RIGHTS_EXCHANGE_SERVERS] = "MS Exchange\\Hub Transport Servers",
        [RIGHTS_PARTNER_SERVERS] = "MS Exchange\\Partner Servers",
        [RIGHTS_LEGACY_SERVERS] = "MS Exchange\\Legacy Exchange Servers",
    };
    return p->principal < RIGHTS_PRINCIPAL_COUNT ? users[p->principal] : p->user;
}

static bool permission_texts(struct exchange_importer *im, const struct exchange_item *item,
                             const char *property, struct exchange_texts *out)
{
    const struct exchange_permission *p = item->permission;
    const char *text = NULL;
    if (exchange_same(property, "User"))
        text = user_of(p);
    else if (exchange_same(property, "ExtendedRights"))
        text = rights_name((enum rights_right)(p->allow | p->deny));
    else if (exchange_same(property, "Deny"))
        text = p->deny ? "true" : "false";
    else if (exchange_same(property, "IsInherited"))
        text = "false";
    else if (exchange_same(property, "AccessRights"))
        text = "ExtendedRight";
    else if (exchange_same(property, "Identity"))
        text = item->object->name;
    if (text)
        exchange_texts_add(&im->arena, out, text);
    return text;
}

/* --- Objects --- */

/* "SMTP:contoso.com;1", as Exchange shows what was given as contoso.com. */
static void add_space(struct exchange_importer *im, const char *text, struct exchange_texts *out)
{
    exchange_texts_add(&im->arena, out,
                       arena_printf(&im->arena, "%s%s%s", strchr(text, ':') ? "" : "SMTP:", text,
                                    strchr(text, ';') ? "" : ";1"));
}

static bool is_known_empty(enum exchange_form form)
{
    return form == EXCHANGE_TEXT || form == EXCHANGE_TEXTS || form == EXCHANGE_BINDINGS ||
           form == EXCHANGE_RANGES || form == EXCHANGE_SPACES || form == EXCHANGE_HOSTS ||
           form == EXCHANGE_ADDRESS || form == EXCHANGE_CREDENTIAL;
}

/* What a new object has as long as no command changes it. */
static bool standard_texts(struct exchange_importer *im, const struct exchange_object *o,
                           const struct exchange_property *p, struct exchange_texts *out)
{
    const char *standard = p->standard;
    if (!o->created)
        return false;
    if (is_known_empty(p->form))
        return true;
    if (p->key && strcmp(p->key, "enabled") == 0)
        standard = "true";
    else if ((!standard || !*standard) &&
             (!p->key || !exchange_key_known(o->kind, p->key, &standard) || !standard))
        return false;
    exchange_texts_add(&im->arena, out, standard);
    return true;
}

static bool setting_texts(struct exchange_importer *im, const struct exchange_object *o,
                          const char *property, struct exchange_texts *out)
{
    const struct exchange_property *p = exchange_property_find(o->kind, property);
    const struct exchange_setting *s = p ? exchange_setting_find(o, p) : NULL;
    if (!p || p->form == EXCHANGE_DROP || p->form == EXCHANGE_INTERNAL || p->form == EXCHANGE_USAGE)
        return false;
    if (!s)
        return standard_texts(im, o, p, out);
    if (p->form == EXCHANGE_WORDS || p->form == EXCHANGE_SMART_AUTH) {
        /* Flags are one text: "AnonymousUsers, ExchangeServers". */
        if (s->values.count)
            exchange_texts_add(&im->arena, out,
                               exchange_texts_joined(&im->arena, &s->values, ", "));
        return true;
    }
    for (size_t i = 0; i < s->values.count; i++)
        if (p->form == EXCHANGE_SPACES)
            add_space(im, s->values.items[i], out);
        else
            exchange_texts_add(&im->arena, out, s->values.items[i]);
    return true;
}

static const char *identity_of(struct exchange_importer *im, const struct exchange_object *o)
{
    return o->server ? arena_printf(&im->arena, "%s\\%s", o->server, o->name) : o->name;
}

bool exchange_item_texts(struct exchange_importer *im, const struct exchange_item *item,
                         const char *property, struct exchange_texts *out)
{
    const struct exchange_object *o = item->object;
    if (!o) {
        if (!*property)
            exchange_texts_add(&im->arena, out, item->text);
        return !*property;
    }
    if (item->permission)
        return permission_texts(im, item, property, out);
    if (!*property || exchange_same(property, "Identity")) {
        exchange_texts_add(&im->arena, out, identity_of(im, o));
    } else if (exchange_same(property, "Name")) {
        exchange_texts_add(&im->arena, out, o->name);
    } else if (exchange_same(property, "Server") && o->kind == EXCHANGE_RECEIVE) {
        if (!o->server)
            return false;
        exchange_texts_add(&im->arena, out, o->server);
    } else {
        return setting_texts(im, o, property, out);
    }
    return true;
}
