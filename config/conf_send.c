/* Send connectors (the ways out) and accepted domains. */
#include "config/conf_private.h"

#include <stddef.h>

static void take_spaces(struct conf_reading *r, const struct conf_option *option,
                        const struct conf_value *value, const char *path, void *target)
{
    struct send_connector *c = target;
    (void)option;
    if (!conf_texts(r, value, path))
        return;
    struct address_space *spaces = ARENA_NEW_ARRAY(r->arena, struct address_space, value->count);
    for (size_t i = 0; i < value->count; i++) {
        struct err_detail why = {""};
        struct bytes space = BYTES_EMPTY;
        if (address_space_parse(bytes_of(value->items[i].text), &space, &spaces[i].cost, &why) !=
            ERR_OK)
            conf_fault(r, value->items[i].where, path, "%s", why.text);
        spaces[i].space = arena_bytes(r->arena, space).ptr;
    }
    c->spaces = spaces;
    c->space_count = value->count;
}

/* "name", "name:port", "[ip]", "[ip]:port". */
static bool smart_host_valid(struct bytes text)
{
    struct bytes host = text, port;
    uint64_t number;
    struct ipaddr addr;
    if (text.len && text.ptr[0] == '[') {
        size_t end = bytes_find(text, ']', 0);
        if (end == BYTES_NOT_FOUND || ipaddr_parse(bytes_sub(text, 1, end - 1), &addr) != ERR_OK)
            return false;
        port = bytes_from(text, end + 1);
        return port.len == 0 ||
               (port.ptr[0] == ':' && bytes_to_u64(bytes_from(port, 1), 65535, &number) == ERR_OK &&
                number);
    }
    if (bytes_split(text, ':', &host, &port) &&
        (bytes_to_u64(port, 65535, &number) != ERR_OK || number == 0))
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = bytes_lower(host.ptr[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
            return false;
    }
    return host.len > 0 && host.len <= 253;
}

static void take_smart_hosts(struct conf_reading *r, const struct conf_option *option,
                             const struct conf_value *value, const char *path, void *target)
{
    struct send_connector *c = target;
    (void)option;
    if (!conf_texts(r, value, path))
        return;
    const char **hosts = ARENA_NEW_ARRAY(r->arena, const char *, value->count);
    for (size_t i = 0; i < value->count; i++) {
        hosts[i] = value->items[i].text;
        if (!smart_host_valid(bytes_of(hosts[i])))
            conf_fault(r, value->items[i].where, path,
                       "\"%s\": NAME, NAME:PORT, [IP] or [IP]:PORT is allowed", hosts[i]);
    }
    c->smart_hosts = hosts;
    c->smart_host_count = value->count;
}

static void take_source(struct conf_reading *r, const struct conf_option *option,
                        const struct conf_value *value, const char *path, void *target)
{
    struct send_connector *c = target;
    (void)option;
    if (value->type != CONF_VALUE_TEXT ||
        ipaddr_parse(bytes_of(value->text), &c->source_ip_address) != ERR_OK)
        conf_fault(r, value->where, path, "an IP address is allowed, \"0.0.0.0\" for any");
}

static void take_smart_host_auth(struct conf_reading *r, const struct conf_option *option,
                                 const struct conf_value *value, const char *path, void *target)
{
    struct send_connector *c = target;
    (void)option;
    const char *text = value->type == CONF_VALUE_TEXT ? value->text : "";
    c->externally_secured = strcmp(text, "ExternalAuthoritative") == 0;
    if (c->externally_secured || strcmp(text, "None") == 0)
        return;
    conf_fault(
        r, value->where, path,
        "\"None\" and \"ExternalAuthoritative\" are allowed: authentication to smart hosts is not "
        "available in this version");
}

static void take_send_permissions(struct conf_reading *r, const struct conf_option *option,
                                  const struct conf_value *value, const char *path, void *target)
{
    const rights_mask sendable = RIGHTS_SEND_HEADERS_ROUTING | RIGHTS_SEND_HEADERS_ORGANIZATION |
                                 RIGHTS_SEND_HEADERS_FOREST | RIGHTS_SEND_EXCH50;
    struct send_connector *c = target;
    (void)option;
    c->permissions = conf_read_permissions(r, value, path, &c->permission_count);
    for (size_t i = 0; i < c->permission_count; i++)
        if ((c->permissions[i].allow | c->permissions[i].deny) & ~sendable)
            conf_fault(r, value->items[i].where, path,
                       "only ms-Exch-Send-Headers-Routing, ms-Exch-Send-Headers-Organization, "
                       "ms-Exch-Send-Headers-Forest and ms-Exch-SMTP-Send-Exch50 are rights of a "
                       "next hop");
}

static void take_send_protocol_logging(struct conf_reading *r, const struct conf_option *option,
                                       const struct conf_value *value, const char *path,
                                       void *target)
{
    struct send_connector *c = target;
    (void)option;
    c->protocol_logging_verbose = conf_read_verbose(r, value, path);
}

static void refuse_credential(struct conf_reading *r, const struct conf_option *option,
                              const struct conf_value *value, const char *path, void *target)
{
    (void)option, (void)target;
    conf_fault(r, value->where, path,
               "authentication to smart hosts is not available in this version: remove the key");
}

#define SEND(k, t, member, lo, hi, std, text)                                                      \
    {                                                                                              \
        .key = (k), .type = (t), .offset = offsetof(struct send_connector, member), .min = (lo),   \
        .max = (hi), .standard = (std), .help = (text)                                             \
    }

static const struct conf_option SEND_OPTIONS[] = {
    SEND("name", CONF_TEXT, name, 1, 64, "", "unique; breaks the last tie"),
    SEND("enabled", CONF_FLAG, enabled, 0, 0, "true", "false: not considered"),
    SEND("comment", CONF_TEXT, comment, 0, 1000, "", "for humans"),
    {.key = "address_spaces",
     .type = CONF_CUSTOM,
     .custom = take_spaces,
     .standard = "",
     .help = "\"*\", \"contoso.com\", \"*.contoso.com\" (it and below), \"--\" (accepted domains); "
             "\";COST\""},
    SEND("dns_routing_enabled", CONF_FLAG, dns_routing_enabled, 0, 0, "true",
         "by MX; false: through smart_hosts"),
    {.key = "smart_hosts",
     .type = CONF_CUSTOM,
     .custom = take_smart_hosts,
     .standard = "[]",
     .help = "NAME, NAME:PORT, [IP], [IP]:PORT; new connections rotate through the list"},
    {.key = "smart_host_auth_mechanism",
     .type = CONF_CUSTOM,
     .custom = take_smart_host_auth,
     .standard = "None",
     .help = "None or ExternalAuthoritative"},
    {.key = "authentication_credential",
     .type = CONF_CUSTOM,
     .custom = refuse_credential,
     .standard = "",
     .help = "not available in this version"},
    {.key = "permissions",
     .type = CONF_CUSTOM,
     .custom = take_send_permissions,
     .standard = "()",
     .help = "what Anonymous (the next hop) or ExternallySecuredServers may see: "
             "ms-Exch-Send-Headers-Routing (allowed unless denied), -Organization, -Forest"},
    SEND("port", CONF_PORT, port, 1, 65535, "25", "of smart hosts without one"),
    SEND("fqdn", CONF_TEXT, fqdn, 1, 255, "hostname", "name in EHLO"),
    SEND("force_helo", CONF_FLAG, force_helo, 0, 0, "false", "HELO instead of EHLO"),
    SEND("require_tls", CONF_FLAG, require_tls, 0, 0, "false", "never in clear"),
    SEND("ignore_starttls", CONF_FLAG, ignore_starttls, 0, 0, "false", "always in clear"),
    SEND("chunking_enabled", CONF_FLAG, chunking_enabled, 0, 0, "true",
         "text by BDAT to hosts that offer CHUNKING (RFC 3030); false: by DATA, and messages in "
         "BINARYMIME are returned"),
    {.key = "max_message_size",
     .type = CONF_SIZE,
     .min = 0,
     .max = INT32_MAX,
     .unlimited = true,
     .offset = offsetof(struct send_connector, max_message_size_bytes),
     .standard = "unlimited",
     .help = "larger messages do not go this way"},
    {.key = "connection_inactivity_timeout",
     .type = CONF_DURATION,
     .min = 1000,
     .max = 86400000,
     .offset = offsetof(struct send_connector, connection_inactivity_timeout_ms),
     .standard = "10m",
     .help = "longest wait for an answer of the peer, where RFC 5321 allows more, "
             "and longest life of a connection without work"},
    SEND("smtp_max_messages_per_connection", CONF_COUNT, smtp_max_messages_per_connection, 1,
         INT32_MAX, "20", "then a new connection"),
    SEND("max_connections", CONF_COUNT, max_connections, 1, 10000,
         "queue.max_per_domain_outbound_connections", "at a time, to one destination"),
    {.key = "source_ip_address",
     .type = CONF_CUSTOM,
     .custom = take_source,
     .standard = "0.0.0.0",
     .help = "our side of the connection"},
    {.key = "protocol_logging_level",
     .type = CONF_CUSTOM,
     .custom = take_send_protocol_logging,
     .standard = "None",
     .help = "None or Verbose: every command and reply goes to the protocol log, see "
             "log.protocol_path"},
};
const struct conf_section CONF_SEND = {"send_connectors[]", SEND_OPTIONS, ARRAY_SIZE(SEND_OPTIONS)};

static void send_start(struct conf_reading *r, const struct conf_value *group, void *element)
{
    struct send_connector *c = element;
    (void)r;
    send_connector_defaults(c);
    c->max_connections = 0; /* filled from the queue's setting at the end */
    c->origin = group->where;
}

static void send_end(struct conf_reading *r, const struct conf_value *group, const char *path,
                     void *element)
{
    const struct send_connector *c = element;
    if (!c->name)
        conf_fault(r, group->where, path, "`name` is missing");
    if (c->require_tls && c->ignore_starttls)
        conf_fault(r, group->where, path, "require_tls and ignore_starttls contradict each other");
}

void conf_take_send(struct conf_reading *r, const struct conf_option *option,
                    const struct conf_value *value, const char *path, void *target)
{
    static const struct conf_list kind = {&CONF_SEND, sizeof(struct send_connector), send_start,
                                          send_end};
    struct conf *conf = target;
    (void)option;
    conf->rules.send = conf_take_list(r, value, path, &kind, &conf->rules.send_count);
}

/* --- Accepted domains --- */

static void take_type(struct conf_reading *r, const struct conf_option *option,
                      const struct conf_value *value, const char *path, void *target)
{
    struct accepted_domain *d = target;
    (void)option;
    if (value->type != CONF_VALUE_TEXT ||
        domain_type_parse(bytes_of(value->text), &d->type) != ERR_OK)
        conf_fault(r, value->where, path,
                   "one of \"Authoritative\", \"InternalRelay\", \"ExternalRelay\" is allowed");
}

static const struct conf_option DOMAIN_OPTIONS[] = {
    {.key = "name",
     .type = CONF_TEXT,
     .offset = offsetof(struct accepted_domain, name),
     .min = 1,
     .max = 256,
     .standard = "",
     .help = "contoso.com, or *.contoso.com"},
    {.key = "type",
     .type = CONF_CUSTOM,
     .custom = take_type,
     .standard = "Authoritative",
     .help = "Authoritative, InternalRelay or ExternalRelay"},
    {.key = "default",
     .type = CONF_FLAG,
     .offset = offsetof(struct accepted_domain, is_default),
     .standard = "false",
     .help = "gives postmaster its domain"},
    {.key = "match_sub_domains",
     .type = CONF_FLAG,
     .offset = offsetof(struct accepted_domain, match_subdomains),
     .standard = "false",
     .help = "its subdomains too"},
    {.key = "recipients_file",
     .type = CONF_CUSTOM,
     .custom = conf_take_recipients_file,
     .standard = "",
     .help = "Authoritative only: who exists, an address or a local part a line, # comments; 550 "
             "5.1.1 to all others; relative to this file"},
};
const struct conf_section CONF_DOMAIN = {"accepted_domains[]", DOMAIN_OPTIONS,
                                         ARRAY_SIZE(DOMAIN_OPTIONS)};

static void domain_start(struct conf_reading *r, const struct conf_value *group, void *element)
{
    (void)r;
    ((struct accepted_domain *)element)->origin = group->where;
}

static void domain_end(struct conf_reading *r, const struct conf_value *group, const char *path,
                       void *element)
{
    if (!((const struct accepted_domain *)element)->name)
        conf_fault(r, group->where, path, "`name` is missing");
}

void conf_take_domains(struct conf_reading *r, const struct conf_option *option,
                       const struct conf_value *value, const char *path, void *target)
{
    static const struct conf_list kind = {&CONF_DOMAIN, sizeof(struct accepted_domain),
                                          domain_start, domain_end};
    struct conf *conf = target;
    (void)option;
    conf->rules.domains = conf_take_list(r, value, path, &kind, &conf->rules.domain_count);
}
