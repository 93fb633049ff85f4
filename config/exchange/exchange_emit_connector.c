/* Connectors: what they need, their permissions, how a send connector logs on and routes. */
#include "config/exchange/exchange_emit_connector_private.h"

#include "config/exchange/exchange_key_private.h"
#include "config/exchange/exchange_permission_private.h"
#include "config/exchange/exchange_value_private.h"

#define SOMEWHERE        "192.0.2.1" /* RFC 5737: an address for examples */
#define ALL_IPV4_PORT_25 "0.0.0.0:25"

/* --- Receive connectors --- */

static bool is_open_to_all(const struct exchange_object *o)
{
    const struct exchange_setting *s = exchange_setting_named(o, "RemoteIPRanges");
    for (size_t i = 0; s && i < s->values.count; i++) {
        struct iprange range;
        if (iprange_parse(bytes_of(s->values.items[i]), false, &range, NULL) == ERR_OK &&
            iprange_is_all(&range))
            return true;
    }
    return false;
}

static void write_rights(const struct exchange_emitter *e, const char *key, rights_mask mask)
{
    const char *separator = " ";
    if (!mask)
        return;
    fprintf(e->out, " %s = [", key);
    for (unsigned i = 0; i < RIGHTS_COUNT; i++) {
        if (!(mask & 1u << i))
            continue;
        fprintf(e->out, "%s\"%s\"", separator, rights_name((enum rights_right)(1u << i)));
        separator = ", ";
    }
    fputs(" ];", e->out);
}

static void write_permission(const struct exchange_emitter *e, const struct exchange_permission *p,
                             rights_mask allow, rights_mask deny, const char *separator)
{
    const char *user = rights_principal_name(p->principal);
    if (p->name)
        user = arena_printf(&e->im->arena, "%s:%s", user, p->name);
    fprintf(e->out, "%s            { user = %s;", separator, exchange_quote(&e->im->arena, user));
    write_rights(e, "allow", allow);
    write_rights(e, "deny", deny);
    fputs(" }", e->out);
}

/* Anonymous relay for every address is refused by check until it is said that it is meant. */
static rights_mask without_open_relay(const struct exchange_emitter *e,
                                      const struct exchange_permission *p, rights_mask allow)
{
    if (p->principal != RIGHTS_ANONYMOUS || !(allow & RIGHTS_ACCEPT_ANY_RECIPIENT) ||
        !is_open_to_all(e->object))
        return allow;
    exchange_note(e->im, &e->object->notes, p->where,
                  "-ExtendedRights ms-Exch-SMTP-Accept-Any-Recipient for Anonymous: with every "
                  "address in remote_ip_ranges it makes an open relay; name the hosts that may "
                  "relay and add it, or set open_relay = true as well");
    return allow & ~(rights_mask)RIGHTS_ACCEPT_ANY_RECIPIENT;
}

static void write_permissions(const struct exchange_emitter *e)
{
    const char *separator = "        permissions = (\n", *standard;
    unsigned groups = exchange_groups_of(e->object);
    bool known = exchange_key_known(e->object->kind, "permissions", &standard);
    EXCHANGE_PERMISSIONS_EACH (p, e->object) {
        rights_mask given = rights_of_groups(groups, p->principal);
        rights_mask allow = p->from_export ? p->allow & ~given : p->allow;
        rights_mask deny = p->deny | (p->remove & given);
        if (known)
            allow = without_open_relay(e, p, allow);
        if (!(allow | deny))
            continue;
        if (!known) {
            exchange_note(e->im, &e->object->notes, p->where,
                          "permission of %s: this version has no permissions here",
                          exchange_printable(&e->im->arena, p->user));
            continue;
        }
        write_permission(e, p, allow, deny, separator);
        separator = ",\n";
    }
    if (*separator == ',')
        fputs("\n        );\n", e->out);
}

bool exchange_emit_receive(const struct exchange_emitter *e)
{
    bool bindings = exchange_emit_named(e, "Bindings"),
         ranges = exchange_emit_named(e, "RemoteIPRanges");
    if (!bindings)
        exchange_emit_key(e, "bindings", "[ \"" ALL_IPV4_PORT_25 "\" ]",
                          "not in the file: complete it");
    if (!ranges)
        exchange_emit_key(e, "remote_ip_ranges", "[ \"" SOMEWHERE "\" ]",
                          "not in the file: name the clients here");
    exchange_emit_settings(e);
    write_permissions(e);
    return !bindings || !ranges;
}

/* --- Send connectors --- */

/* A file name out of a connector's name. */
static const char *secret_file(const struct exchange_emitter *e)
{
    char *name = arena_strdup(&e->im->arena, e->object->name);
    for (char *c = name; *c; c++) {
        *c = bytes_lower(*c);
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9'))
            *c = '-';
    }
    return arena_printf(&e->im->arena, "/etc/mailrace/%.64s.secret", name);
}

/* Basic authentication without its password is no use: both keys wait for the administrator, and
 * what needs no password, the encryption, is on at once. */
static void write_basic(const struct exchange_emitter *e, const struct exchange_setting *s,
                        bool tls)
{
    const struct exchange_setting *required = exchange_setting_named(e->object, "RequireTLS");
    const char *quoted = exchange_quote(&e->im->arena, secret_file(e));
    exchange_note(e->im, &e->object->notes, s->where,
                  "-%s %s: the user and the password are not in the file: complete the two lines "
                  "with # before them",
                  s->name, tls ? "BasicAuthRequireTLS" : "BasicAuth");
    exchange_emit_commented_key(e, "smart_host_auth_mechanism",
                                tls ? "\"BasicAuthRequireTLS\"" : "\"BasicAuth\"");
    exchange_emit_commented_key(
        e, "authentication_credential",
        arena_printf(&e->im->arena, "{ user = \"...\"; password_file = %s; }", quoted));
    if (tls && !required)
        exchange_emit_key(e, "require_tls", "true", "as BasicAuthRequireTLS wants");
}

static void write_smart_auth(const struct exchange_emitter *e, const struct exchange_setting *s)
{
    bool tls = exchange_texts_hold(&s->values, "BasicAuthRequireTLS");
    if (tls || exchange_texts_hold(&s->values, "BasicAuth")) {
        write_basic(e, s, tls);
        return;
    }
    const char *value = exchange_value_format(e->im, e->object, s);
    if (value &&
        !(s->from_export && exchange_emit_is_standard(e, "smart_host_auth_mechanism", value)))
        (void)exchange_emit_checked(e, s, "smart_host_auth_mechanism", value);
}

/* Smart hosts exclude routing by MX. */
static void write_routing(const struct exchange_emitter *e)
{
    const struct exchange_setting *hosts = exchange_setting_named(e->object, "SmartHosts");
    const struct exchange_setting *dns = exchange_setting_named(e->object, "DNSRoutingEnabled");
    bool by_hosts = hosts && hosts->values.count;
    if (by_hosts && dns && exchange_same(dns->values.items[0], "true"))
        exchange_note(e->im, &e->object->notes, dns->where,
                      "-DNSRoutingEnabled $true: with -SmartHosts it is false");
    if (by_hosts)
        exchange_emit_key(e, "dns_routing_enabled", "false", dns ? NULL : "smart hosts are given");
    else if (dns) {
        const char *value = exchange_value_format(e->im, e->object, dns);
        if (value)
            exchange_emit_key(e, "dns_routing_enabled", value, NULL);
    }
}

bool exchange_emit_send(const struct exchange_emitter *e)
{
    bool spaces = exchange_emit_named(e, "AddressSpaces");
    const struct exchange_setting *auth =
        exchange_setting_named(e->object, "SmartHostAuthMechanism");
    const struct exchange_setting *credential =
        exchange_setting_named(e->object, "AuthenticationCredential");
    if (!spaces)
        exchange_emit_key(e, "address_spaces", "[ \"*\" ]", "not in the file: complete it");
    exchange_emit_settings(e);
    write_routing(e);
    if (auth && auth->values.count)
        write_smart_auth(e, auth);
    if (credential && !(auth && (exchange_texts_hold(&auth->values, "BasicAuth") ||
                                 exchange_texts_hold(&auth->values, "BasicAuthRequireTLS"))))
        exchange_note(e->im, &e->object->notes, credential->where,
                      "-%s: without BasicAuth or BasicAuthRequireTLS it has no use",
                      credential->name);
    write_permissions(e);
    return !spaces;
}
