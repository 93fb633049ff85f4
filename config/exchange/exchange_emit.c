/* The configuration: libconfig text, each part under a comment that says where it came from. */
#include "config/exchange/exchange_private.h"

#include <stdio.h>

#define NAME_OCTETS_MAX  64
#define SOURCES_SHOWN    6
#define SOMEWHERE        "192.0.2.1" /* RFC 5737: an address for examples */
#define ALL_IPV4_PORT_25 "0.0.0.0:25"

struct emitter {
    struct exchange_import *im;
    struct exchange_object *object;
    FILE *out;
};

/* --- Lines --- */

static void write_key(const struct emitter *e, const char *key, const char *value,
                      const char *comment)
{
    fprintf(e->out, "        %s = %s;%s%s\n", key, value, comment ? "    # " : "",
            comment ? comment : "");
}

/* A value may have lines of its own. */
static void write_commented_key(const struct emitter *e, const char *key, const char *value)
{
    fprintf(e->out, "        #%s = ", key);
    for (; *value; value++) {
        putc(*value, e->out);
        if (*value == '\n')
            fputs("        #", e->out);
    }
    fputs(";\n", e->out);
}

/* What only differs from our default in how it is written says nothing. */
static bool is_standard(const struct emitter *e, const char *key, const char *value)
{
    const char *standard = NULL;
    if (!exchange_key_known(e->object->kind, key, &standard) || !standard)
        return false;
    struct bytes text = bytes_of(value);
    if (text.len >= 2 && text.ptr[0] == '"')
        text = bytes_sub(text, 1, text.len - 2);
    return bytes_equal(text, bytes_of(standard));
}

/* Live, or as a comment with the reason. True: live. */
static bool write_checked(const struct emitter *e, const struct exchange_setting *s,
                          const char *key, const char *value)
{
    struct err_detail why = {""};
    const char *standard, *reason = why.text;
    bool known = exchange_key_known(e->object->kind, key, &standard);
    if (known && exchange_value_accepted(e->object->kind, key, value, &why)) {
        write_key(e, key, value, s->origin);
        return true;
    }
    if (!known)
        reason = arena_printf(&e->im->arena, "this version has no %s", key);
    exchange_note(e->im, e->object, s->where, "-%s %s: %s", s->name,
                  exchange_printable(&e->im->arena, value), reason);
    write_commented_key(e, key, value);
    return false;
}

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

static void write_rights(const struct emitter *e, const char *key, rights_mask mask)
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

static void write_permission(const struct emitter *e, const struct exchange_permission *p,
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

/* Anonymous relay for every address is refused by check until somebody says that it is meant. */
static rights_mask without_open_relay(const struct emitter *e, const struct exchange_permission *p,
                                      rights_mask allow)
{
    if (p->principal != RIGHTS_ANONYMOUS || !(allow & RIGHTS_ACCEPT_ANY_RECIPIENT) ||
        !is_open_to_all(e->object))
        return allow;
    exchange_note(e->im, e->object, p->where,
                  "-ExtendedRights ms-Exch-SMTP-Accept-Any-Recipient for Anonymous: with every "
                  "address in remote_ip_ranges it makes an open relay; name the hosts that may "
                  "relay and add it, or set open_relay = true as well");
    return allow & ~(rights_mask)RIGHTS_ACCEPT_ANY_RECIPIENT;
}

static void write_permissions(const struct emitter *e)
{
    const char *separator = "        permissions = (\n", *standard;
    unsigned groups = exchange_groups_of(e->object);
    bool known = exchange_key_known(e->object->kind, "permissions", &standard);
    for (const struct exchange_permission *p = e->object->permissions; p; p = p->next) {
        rights_mask given = rights_of_groups(groups, p->principal);
        rights_mask allow = p->from_export ? p->allow & ~given : p->allow;
        rights_mask deny = p->deny | (p->remove & given);
        if (known)
            allow = without_open_relay(e, p, allow);
        if (!(allow | deny))
            continue;
        if (!known) {
            exchange_note(e->im, e->object, p->where,
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

/* --- Send connectors --- */

static bool holds(const struct exchange_setting *s, const char *text)
{
    for (size_t i = 0; i < s->values.count; i++)
        if (exchange_same(s->values.items[i], text))
            return true;
    return false;
}

/* A file name out of a connector's name. */
static const char *secret_file(const struct emitter *e)
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
static void write_basic(const struct emitter *e, const struct exchange_setting *s, bool tls)
{
    const struct exchange_setting *required = exchange_setting_named(e->object, "RequireTLS");
    const char *quoted = exchange_quote(&e->im->arena, secret_file(e));
    exchange_note(e->im, e->object, s->where,
                  "-%s %s: the user and the password are not in the file: complete the two lines "
                  "with # before them",
                  s->name, tls ? "BasicAuthRequireTLS" : "BasicAuth");
    write_commented_key(e, "smart_host_auth_mechanism",
                        tls ? "\"BasicAuthRequireTLS\"" : "\"BasicAuth\"");
    write_commented_key(
        e, "authentication_credential",
        arena_printf(&e->im->arena, "{ user = \"...\"; password_file = %s; }", quoted));
    if (tls && !required)
        write_key(e, "require_tls", "true", "as BasicAuthRequireTLS wants");
}

static void write_smart_auth(const struct emitter *e, const struct exchange_setting *s)
{
    bool tls = holds(s, "BasicAuthRequireTLS");
    if (tls || holds(s, "BasicAuth")) {
        write_basic(e, s, tls);
        return;
    }
    const char *value = exchange_value_format(e->im, e->object, s);
    if (value && !(s->from_export && is_standard(e, "smart_host_auth_mechanism", value)))
        (void)write_checked(e, s, "smart_host_auth_mechanism", value);
}

/* Smart hosts exclude routing by MX. */
static void write_routing(const struct emitter *e)
{
    const struct exchange_setting *hosts = exchange_setting_named(e->object, "SmartHosts");
    const struct exchange_setting *dns = exchange_setting_named(e->object, "DNSRoutingEnabled");
    bool by_hosts = hosts && hosts->values.count;
    if (by_hosts && dns && exchange_same(dns->values.items[0], "true"))
        exchange_note(e->im, e->object, dns->where,
                      "-DNSRoutingEnabled $true: with -SmartHosts it is false");
    if (by_hosts)
        write_key(e, "dns_routing_enabled", "false", dns ? NULL : "smart hosts are given");
    else if (dns) {
        const char *value = exchange_value_format(e->im, e->object, dns);
        if (value)
            write_key(e, "dns_routing_enabled", value, NULL);
    }
}

/* --- Settings --- */

/* To log on needs more than the connector: where that is missing the other mechanisms stand. */
static void write_auth(const struct emitter *e, const struct exchange_setting *s, const char *value)
{
    struct exchange_setting rest = *s;
    if (write_checked(e, s, s->property->key, value))
        return;
    rest.values = (struct exchange_texts){0};
    for (size_t i = 0; i < s->values.count; i++)
        if (exchange_same(s->values.items[i], "Tls") ||
            exchange_same(s->values.items[i], "ExternalAuthoritative"))
            exchange_texts_add(&e->im->arena, &rest.values, s->values.items[i]);
    if (rest.values.count)
        write_key(e, s->property->key, exchange_value_format(e->im, e->object, &rest), s->origin);
}

static bool is_special(const struct exchange_property *p)
{
    return p->form == EXCHANGE_CREDENTIAL || p->form == EXCHANGE_SMART_AUTH ||
           (p->key &&
            (strcmp(p->key, "dns_routing_enabled") == 0 || strcmp(p->key, "name") == 0 ||
             strcmp(p->key, "enabled") == 0 || strcmp(p->key, "bindings") == 0 ||
             strcmp(p->key, "remote_ip_ranges") == 0 || strcmp(p->key, "address_spaces") == 0));
}

/* False: the object has not got it. */
static bool write_setting(const struct emitter *e, const struct exchange_setting *s)
{
    const char *key = s->property->key;
    const char *value = s->values.count ? exchange_value_format(e->im, e->object, s) : NULL;
    if (!value)
        return false;
    if (s->from_export && is_standard(e, key, value))
        return true;
    if (strcmp(key, "auth_mechanism") == 0) {
        write_auth(e, s, value);
        return true;
    }
    if (s->property->form != EXCHANGE_BINDINGS && s->property->form != EXCHANGE_RANGES &&
        s->property->form != EXCHANGE_SPACES)
        return write_checked(e, s, key, value);
    write_key(e, key, value, s->origin);
    return true;
}

static bool write_named(const struct emitter *e, const char *property)
{
    const struct exchange_setting *s = exchange_setting_named(e->object, property);
    return s && write_setting(e, s);
}

static void write_settings(const struct emitter *e)
{
    const char *last_key = "";
    for (size_t i = 0; i < EXCHANGE_PROPERTY_COUNT; i++) {
        const struct exchange_property *p = &EXCHANGE_PROPERTIES[i];
        const struct exchange_setting *s = exchange_setting_find(e->object, p);
        if (!s || !p->key || is_special(p) || strcmp(p->key, last_key) == 0)
            continue;
        if (write_setting(e, s))
            last_key = p->key;
    }
}

/* True: what is missing was made up, and the object must not be used as it is. */
static bool write_receive(const struct emitter *e)
{
    bool bindings = write_named(e, "Bindings"), ranges = write_named(e, "RemoteIPRanges");
    if (!bindings)
        write_key(e, "bindings", "[ \"" ALL_IPV4_PORT_25 "\" ]", "not in the file: complete it");
    if (!ranges)
        write_key(e, "remote_ip_ranges", "[ \"" SOMEWHERE "\" ]",
                  "not in the file: name the clients here");
    write_settings(e);
    write_permissions(e);
    return !bindings || !ranges;
}

static bool write_send(const struct emitter *e)
{
    bool spaces = write_named(e, "AddressSpaces");
    const struct exchange_setting *auth =
        exchange_setting_named(e->object, "SmartHostAuthMechanism");
    const struct exchange_setting *credential =
        exchange_setting_named(e->object, "AuthenticationCredential");
    if (!spaces)
        write_key(e, "address_spaces", "[ \"*\" ]", "not in the file: complete it");
    write_settings(e);
    write_routing(e);
    if (auth && auth->values.count)
        write_smart_auth(e, auth);
    if (credential && !(auth && (holds(auth, "BasicAuth") || holds(auth, "BasicAuthRequireTLS"))))
        exchange_note(e->im, e->object, credential->where,
                      "-%s: without BasicAuth or BasicAuthRequireTLS it has no use",
                      credential->name);
    write_permissions(e);
    return !spaces;
}

/* --- Objects --- */

static void write_sources(const struct emitter *e)
{
    size_t shown = 0;
    const char *separator = "    # ";
    for (const struct exchange_note *n = e->object->sources.first; n; n = n->next) {
        if (shown++ == SOURCES_SHOWN) {
            fputs(", ...", e->out);
            break;
        }
        fprintf(e->out, "%s%s at %s", separator, n->text, n->where);
        separator = ", ";
    }
    if (shown)
        putc('\n', e->out);
}

static void write_notes(const struct exchange_notes *notes, const char *indent, FILE *out)
{
    for (const struct exchange_note *n = notes->first; n; n = n->next)
        fprintf(out, "%s# %s: %s\n", indent, n->where, n->text);
}

static const char *name_of(const struct emitter *e)
{
    const struct exchange_setting *domain =
        e->object->kind == EXCHANGE_DOMAIN ? exchange_setting_named(e->object, "DomainName") : NULL;
    const char *name = domain && domain->values.count ? domain->values.items[0] : e->object->name;
    size_t len = strlen(name);
    if (e->object->kind == EXCHANGE_DOMAIN || len <= NAME_OCTETS_MAX)
        return name;
    for (len = NAME_OCTETS_MAX; len && ((unsigned char)name[len] & 0xC0) == 0x80;)
        len--;
    exchange_note(e->im, e->object, e->im->file, "the name is cut to %d octets", NAME_OCTETS_MAX);
    return arena_bytes(&e->im->arena, bytes_make(name, len)).ptr;
}

static void write_object(const struct emitter *e, const char *name)
{
    const struct exchange_setting *enabled = exchange_setting_named(e->object, "Enabled");
    bool made_up = false;
    write_sources(e);
    fputs("    {\n", e->out);
    write_key(e, "name", exchange_quote(&e->im->arena, name), NULL);
    if (e->object->kind == EXCHANGE_RECEIVE)
        made_up = write_receive(e);
    else if (e->object->kind == EXCHANGE_SEND)
        made_up = write_send(e);
    else
        write_settings(e);
    if (made_up) {
        exchange_note(e->im, e->object, e->im->file,
                      "%s \"%s\" is not complete: it is disabled; complete it and remove `enabled`",
                      exchange_kind_name(e->object->kind), name);
        write_key(e, "enabled", "false", "until it is complete");
    } else if (enabled) {
        (void)write_setting(e, enabled);
    }
    write_notes(&e->object->notes, "        ", e->out);
    fputs("    }", e->out);
}

static bool is_whole_entry(const struct exchange_object *o)
{
    const struct exchange_setting *internal = exchange_setting_named(o, "InternalAddress");
    const struct exchange_setting *external = exchange_setting_named(o, "ExternalAddress");
    return internal && internal->values.count && external && external->values.count;
}

/* A name that check would refuse cannot be made up, nor can addresses. */
static bool is_nameable(const struct emitter *e, const char *name)
{
    struct err_detail why = {""};
    bool ok = *name != '\0';
    if (e->object->kind == EXCHANGE_DOMAIN) {
        ok = domain_pattern_check(bytes_of(name), &why) == ERR_OK;
    } else if (e->object->kind == EXCHANGE_REWRITE && !is_whole_entry(e->object)) {
        ok = false;
        (void)err_set(&why, ERR_SYNTAX, "-InternalAddress and -ExternalAddress are wanted");
    }
    if (!ok)
        exchange_note(e->im, NULL, e->im->file, "%s \"%s\": left out: %s",
                      exchange_kind_name(e->object->kind), exchange_printable(&e->im->arena, name),
                      *why.text ? why.text : "no name");
    return ok;
}

static void write_kind(struct exchange_import *im, enum exchange_kind kind, const char *list,
                       FILE *out)
{
    const char *separator = NULL;
    for (struct exchange_object *o = im->objects; o; o = o->next) {
        struct emitter e = {im, o, out};
        const char *name = o->kind == kind ? name_of(&e) : NULL;
        if (!name || !is_nameable(&e, name))
            continue;
        if (separator)
            fputs(separator, out);
        else
            fprintf(out, "\n%s = (\n", list);
        write_object(&e, name);
        separator = ",\n\n";
    }
    if (separator)
        fputs("\n);\n", out);
}

/* Verbose is nothing without a place to write to: check would refuse it. */
static void write_log(struct exchange_import *im, FILE *out)
{
    for (struct exchange_object *o = im->objects; o; o = o->next) {
        const struct exchange_setting *s = exchange_setting_named(o, "ProtocolLoggingLevel");
        if (!s || !holds(s, "Verbose"))
            continue;
        fputs(
            "\n# ProtocolLoggingLevel Verbose. This directory must exist and belong to the relay, "
            "unless it may make it.\n"
            "log = { protocol_path = \"" EXCHANGE_PROTOCOL_PATH "\"; };\n",
            out);
        exchange_note(
            im, NULL, s->where,
            "log.protocol_path is set to %s for the protocol logs: see that it exists and "
            "belongs to the relay",
            EXCHANGE_PROTOCOL_PATH);
        return;
    }
}

void exchange_emit(struct exchange_import *im, FILE *out)
{
    fprintf(
        out,
        "# Made by `mailrace import` from %s. What was not taken over stands as a comment where "
        "it belongs.\n"
        "# Read it, complete it, and ask `mailrace check -c FILE` and `mailrace explain -c "
        "FILE --from IP`.\n"
        "\n"
        "#hostname = \"relay.example.com\";            # default: the machine's own name\n"
        "#spool = { path = \"/var/spool/mailrace\"; };\n"
        "#tls = { certificate = \"...\"; key = \"...\"; };  # Tls in auth_mechanism needs both\n",
        im->file);
    write_log(im, out);
    write_kind(im, EXCHANGE_DOMAIN, "accepted_domains", out);
    write_kind(im, EXCHANGE_RECEIVE, "receive_connectors", out);
    write_kind(im, EXCHANGE_SEND, "send_connectors", out);
    write_kind(im, EXCHANGE_REWRITE, "address_rewrite_entries", out);
    if (im->notes.first)
        fputs("\n# Of no part of it:\n", out);
    write_notes(&im->notes, "", out);
}
