/* Send connectors: the ways out. */
#include <stddef.h>

#include "config/conf_private.h"

static enum err parse_space(struct conf_reading *r, const char *text, void *to,
                            struct err_detail *why)
{
    struct address_space *space = to;
    struct bytes name = BYTES_EMPTY;
    enum err e = address_space_parse(bytes_of(text), &name, &space->cost, why);
    space->space = arena_bytes(r->arena, name).ptr;
    return e;
}
static const struct conf_element SPACE = {
    .type = "address space", .size = sizeof(struct address_space), .parse = parse_space};

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

static enum err parse_smart_host(struct conf_reading *r, const char *text, void *to,
                                 struct err_detail *why)
{
    (void)r, (void)why;
    if (!smart_host_valid(bytes_of(text)))
        return ERR_SYNTAX;
    *(const char **)to = text;
    return ERR_OK;
}
static const struct conf_element SMART_HOST = {
    .type = "host",
    .allowed = "NAME, NAME:PORT, [IP] or [IP]:PORT is allowed",
    .size = sizeof(const char *),
    .parse = parse_smart_host,
};

static enum err parse_source(struct conf_reading *r, const char *text, void *to,
                             struct err_detail *why)
{
    (void)r, (void)why;
    return ipaddr_parse(bytes_of(text), to);
}
static const struct conf_element SOURCE = {
    .type = "IP address",
    .allowed = "an IP address is allowed, \"0.0.0.0\" for any",
    .size = sizeof(struct ipaddr),
    .parse = parse_source,
};

/* Authentication to smart hosts is not available in this version. */
static const struct choice SMART_HOST_AUTH[] = {
    {"None", false}, {"ExternalAuthoritative", true}, {NULL, 0}};

static void check_permissions(struct conf_reading *r, const struct conf_value *value,
                              const char *path, void *target)
{
    const rights_mask sendable = RIGHTS_SEND_HEADERS_ROUTING | RIGHTS_SEND_HEADERS_ORGANIZATION |
                                 RIGHTS_SEND_HEADERS_FOREST | RIGHTS_SEND_EXCH50;
    const struct send_connector *c = target;
    for (size_t i = 0; i < c->permission_count; i++) {
        if ((c->permissions[i].allow | c->permissions[i].deny) & ~sendable) {
            conf_fault(r, value->items[i].where, path,
                       "only ms-Exch-Send-Headers-Routing, ms-Exch-Send-Headers-Organization, "
                       "ms-Exch-Send-Headers-Forest and ms-Exch-SMTP-Send-Exch50 are rights of a "
                       "next hop");
        }
    }
}

#define AT(member)             CONF_AT(struct send_connector, member)
#define ARRAY_AT(member, more) CONF_ARRAY_AT(struct send_connector, member, more)
#define RANGE(lo, hi)          .min = (lo), .max = (hi)
#define ROW(k, t, place, std, text, ...)                                                           \
    {                                                                                              \
        .key = (k), .type = (t), place, .standard = (std), .help = (text), __VA_ARGS__             \
    }

static const struct conf_option OPTIONS[] = {
    ROW("name", CONF_TEXT, AT(name), "", "unique; breaks the last tie", RANGE(1, 64),
        .required = true),
    ROW("enabled", CONF_FLAG, AT(enabled), "true", "false: not considered"),
    ROW("comment", CONF_TEXT, AT(comment), "", "for humans", RANGE(0, 1000)),
    ROW("address_spaces", CONF_LIST, ARRAY_AT(spaces, space_count), "",
        "\"*\", \"contoso.com\", \"*.contoso.com\" (it and below), \"--\" (accepted domains); "
        "\";COST\"",
        .element = &SPACE),
    ROW("dns_routing_enabled", CONF_FLAG, AT(dns_routing_enabled), "true",
        "by MX; false: through smart_hosts"),
    ROW("smart_hosts", CONF_LIST, ARRAY_AT(smart_hosts, smart_host_count), "[]",
        "NAME, NAME:PORT, [IP], [IP]:PORT; new connections rotate through the list",
        .element = &SMART_HOST),
    ROW("smart_host_auth_mechanism", CONF_CHOICE, AT(externally_secured), "None",
        "ExternalAuthoritative: the next hop is trusted", .choices = SMART_HOST_AUTH,
        .refusal = "authentication to smart hosts is not available in this version"),
    {.key = "authentication_credential",
     .type = CONF_UNAVAILABLE,
     .standard = "",
     .help = "authentication to smart hosts is not available in this version: remove the key"},
    ROW("permissions", CONF_SECTIONS, ARRAY_AT(permissions, permission_count), "()",
        "what Anonymous (the next hop) or ExternallySecuredServers may see: "
        "ms-Exch-Send-Headers-Routing (allowed unless denied), -Organization, -Forest",
        .section = &CONF_PERMISSION, .then = check_permissions),
    ROW("port", CONF_NUMBER, AT(port), "25", "of smart hosts without one", RANGE(1, 65535)),
    ROW("fqdn", CONF_TEXT, AT(fqdn), "hostname", "name in EHLO", RANGE(1, 255), .computed = true),
    ROW("force_helo", CONF_FLAG, AT(force_helo), "false", "HELO instead of EHLO"),
    ROW("require_tls", CONF_FLAG, AT(require_tls), "false", "never in clear"),
    ROW("ignore_starttls", CONF_FLAG, AT(ignore_starttls), "false", "always in clear"),
    ROW("chunking_enabled", CONF_FLAG, AT(chunking_enabled), "true",
        "text by BDAT to hosts that offer CHUNKING (RFC 3030); false: by DATA, and messages in "
        "BINARYMIME are returned"),
    ROW("max_message_size", CONF_OCTETS, AT(max_message_size_bytes), "unlimited",
        "larger messages do not go this way", RANGE(0, INT32_MAX), .unlimited = true),
    ROW("connection_inactivity_timeout", CONF_DURATION, AT(connection_inactivity_timeout_ms), "10m",
        "longest wait for an answer of the peer, where RFC 5321 allows more, and longest life of a "
        "connection without work",
        RANGE(1000, 86400000)),
    ROW("smtp_max_messages_per_connection", CONF_NUMBER, AT(smtp_max_messages_per_connection), "20",
        "then a new connection", RANGE(1, INT32_MAX)),
    ROW("max_connections", CONF_NUMBER, AT(max_connections),
        "queue.max_per_domain_outbound_connections", "at a time, to one destination",
        RANGE(1, 10000), .computed = true),
    ROW("source_ip_address", CONF_PARSED, AT(source_ip_address), "0.0.0.0",
        "our side of the connection", .element = &SOURCE),
    ROW("protocol_logging_level", CONF_CHOICE, AT(protocol_logging_verbose), "None",
        "Verbose: every command and reply goes to the protocol log, see log.protocol_path",
        .choices = CONF_PROTOCOL_LEVELS),
};

static void send_start(struct conf_reading *r, const struct conf_value *group, void *element)
{
    (void)r;
    ((struct send_connector *)element)->origin = group->where;
}

static void send_end(struct conf_reading *r, const struct conf_value *group, const char *path,
                     void *element)
{
    const struct send_connector *c = element;
    if (c->require_tls && c->ignore_starttls)
        conf_fault(r, group->where, path, "require_tls and ignore_starttls contradict each other");
}

const struct conf_section CONF_SEND = {
    .name = "send_connectors[]",
    .options = OPTIONS,
    .count = ARRAY_SIZE(OPTIONS),
    .size = sizeof(struct send_connector),
    .start = send_start,
    .end = send_end,
};
