/* Receive connectors: Exchange's properties under their snake_case names. */
#include <stddef.h>

#include "config/conf_private.h"
#include "core/mem.h"

/* A connector while it is read: ranges wait until classful_masks is known. */
struct receive_draft {
    struct receive_connector c;      /* first: it is what is kept */
    unsigned usage;                  /* read by receive_start() */
    bool classful_masks, all_ranges; /* the latter unless it has its own */
    bool binary_mime_written;
    const struct conf_value *ranges, *ranges_file;
    const char *ranges_file_name;
};

static const struct choice SIZES[] = {{"Enabled", RECEIVE_SIZE_ENABLED},
                                      {"Disabled", RECEIVE_SIZE_DISABLED},
                                      {"EnabledWithoutValue", RECEIVE_SIZE_WITHOUT_VALUE},
                                      {NULL, 0}};
static const struct choice RATE_SOURCES[] = {{"None", RECEIVE_RATE_NONE},
                                             {"IPAddress", RECEIVE_RATE_IP_ADDRESS},
                                             {"User", RECEIVE_RATE_USER},
                                             {"All", RECEIVE_RATE_ALL},
                                             {NULL, 0}};
const struct choice CONF_PROTOCOL_LEVELS[] = {{"None", false}, {"Verbose", true}, {NULL, 0}};

/* --- Values that are more than a number or a text --- */

static enum err parse_binding(struct conf_reading *r, const char *text, void *to,
                              struct err_detail *why)
{
    (void)r, (void)why;
    return endpoint_parse(bytes_of(text), to);
}
static const struct conf_element BINDING = {
    .type = "address and port",
    .allowed = "IPv4:PORT or [IPv6]:PORT is allowed, \"0.0.0.0:25\" for all addresses",
    .size = sizeof(struct endpoint),
    .parse = parse_binding,
};

static enum err parse_banner(struct conf_reading *r, const char *banner, void *to,
                             struct err_detail *why)
{
    struct bytes text = bytes_of(banner);
    bool ok = text.len <= 480 && bytes_starts_nocase(text, BYTES("220")) &&
              (text.len == 3 || text.ptr[3] == ' ');
    (void)r, (void)why;
    for (size_t i = 0; i < text.len; i++)
        ok = ok && text.ptr[i] >= ' ' && text.ptr[i] <= '~';
    if (!ok)
        return ERR_SYNTAX;
    *(const char **)to = banner;
    return ERR_OK;
}
static const struct conf_element BANNER = {
    .type = "text",
    .allowed = "a text that begins with \"220 \", printable ASCII, at most 480 characters, is "
               "allowed",
    .size = sizeof(const char *),
    .parse = parse_banner,
};

static void keep_ranges(struct conf_reading *r, const struct conf_value *value, const char *path,
                        void *target)
{
    (void)r, (void)path;
    ((struct receive_draft *)target)->ranges = value;
}

static void keep_ranges_file(struct conf_reading *r, const struct conf_value *value,
                             const char *path, void *target)
{
    (void)r, (void)path;
    ((struct receive_draft *)target)->ranges_file = value;
}

static enum err find_group(struct bytes name, uint32_t *value)
{
    const struct choice *group = choice_find(RIGHTS_GROUPS, name);
    if (group)
        *value = group->value;
    return group ? ERR_OK : ERR_SYNTAX;
}

static void refuse_custom(struct conf_reading *r, const struct conf_value *value, const char *path,
                          void *target)
{
    if (((const struct receive_draft *)target)->c.permission_groups & RIGHTS_GROUP_CUSTOM)
        conf_fault(r, value->where, path, "Custom is only ever shown: add `permissions` entries");
}

static void check_mechanisms(struct conf_reading *r, const struct conf_value *value,
                             const char *path, void *target)
{
    struct receive_draft *draft = target;
    const unsigned unavailable = RECEIVE_AUTH_INTEGRATED | RECEIVE_AUTH_EXCHANGE_SERVER;
    draft->c.auth_mechanism_written = true;
    if (draft->c.auth_mechanism & unavailable) {
        conf_warn(r, value->where, path,
                  "Integrated and ExchangeServer are not offered by this version: no client can "
                  "log on by them");
    }
}

static void note_binary_mime(struct conf_reading *r, const struct conf_value *value,
                             const char *path, void *target)
{
    (void)r, (void)value, (void)path;
    ((struct receive_draft *)target)->binary_mime_written = true;
}

/* Its text comes by BDAT or not at all (RFC 3030 3). Unwritten it goes with chunking_enabled. */
static void check_binary_mime(struct conf_reading *r, const char *where, const char *path,
                              struct receive_draft *draft)
{
    struct receive_connector *c = &draft->c;
    if (c->binary_mime_enabled && draft->binary_mime_written && !c->chunking_enabled) {
        conf_fault(r, where, arena_printf(r->arena, "%s.binary_mime_enabled", path),
                   "needs chunking_enabled: RFC 3030 has BINARYMIME only with CHUNKING");
    }
    c->binary_mime_enabled = c->binary_mime_enabled && c->chunking_enabled;
}

/* --- The table --- */

#define AT(member)             CONF_AT(struct receive_draft, member)
#define ARRAY_AT(member, more) CONF_ARRAY_AT(struct receive_draft, member, more)
#define RANGE(lo, hi)          .min = (lo), .max = (hi)
#define ROW(k, t, place, std, text, ...)                                                           \
    {                                                                                              \
        .key = (k), .type = (t), place, .standard = (std), .help = (text), __VA_ARGS__             \
    }
/* Its default is no harm: people paste what Get-ReceiveConnector shows. */
#define ONLY(k, std, why)                                                                          \
    {                                                                                              \
        .key = (k), .type = CONF_UNAVAILABLE, .standard = (std), .help = (why)                     \
    }
#define STAND_ALONE "does not apply to a stand-alone relay: remove the key"
#define NOT_IN_THIS "is not available in this version: remove the key"
#define DAY_MS      UINT64_C(86400000)

static const struct conf_option OPTIONS[] = {
    ROW("name", CONF_TEXT, AT(c.name), "", "unique; in every log line", RANGE(1, 64),
        .required = true),
    ROW("enabled", CONF_FLAG, AT(c.enabled), "true", "false: does not listen"),
    ROW("comment", CONF_TEXT, AT(c.comment), "", "for humans", RANGE(0, 1000)),
    ROW("usage", CONF_CHOICE, AT(usage), "",
        "sets permission_groups and auth_mechanism as New-ReceiveConnector -Usage does, for "
        "Internal "
        "and Client the bindings, for Internet the remote_ip_ranges; what stands beside it "
        "overrides it",
        .choices = CONF_USAGES),
    ROW("bindings", CONF_LIST, ARRAY_AT(c.bindings, c.binding_count), "",
        "local addresses and ports, \"0.0.0.0:25\", \"[::]:25\"", .element = &BINDING),
    ROW("remote_ip_ranges", CONF_LIST, AT(ranges), "",
        "clients: \"192.0.2.1\", \"10.0.0.0/8\", \"10.2.0.0(255.255.0.0)\", \"first-last\", IPv6 "
        "alike",
        .then = keep_ranges),
    ROW("remote_ip_ranges_file", CONF_FILE, AT(ranges_file_name), "",
        "more of them, one a line, # comments; relative to this file", RANGE(1, 4000),
        .then = keep_ranges_file),
    ROW("classful_masks", CONF_FLAG, AT(classful_masks), "false",
        "a bare network address gets its class's mask, as in the 2007 console"),
    ROW("permission_groups", CONF_BITS, AT(c.permission_groups), "[]",
        "what the members of Exchange's groups may do", .choices = RIGHTS_GROUPS + 1,
        .find = find_group, .then = refuse_custom),
    ROW("auth_mechanism", CONF_BITS, AT(c.auth_mechanism), "[ \"Tls\" ]",
        "how clients may encrypt and prove who they are", .choices = RECEIVE_AUTH_MECHANISMS,
        .then = check_mechanisms),
    ROW("permissions", CONF_SECTIONS, ARRAY_AT(c.permissions, c.permission_count), "()",
        "rights beyond the groups", .section = &CONF_PERMISSION),
    ROW("open_relay", CONF_FLAG, AT(c.open_relay), "false",
        "I know that this lets the whole Internet relay anonymously"),
    ROW("auth_stamps_enabled", CONF_FLAG, AT(c.auth_stamps_enabled), "false",
        "adds X-MS-Exchange-Organization-AuthAs, -AuthSource and -AuthMechanism, which a next "
        "hop sees only where a send connector's permissions give "
        "ms-Exch-Send-Headers-Organization"),
    ROW("fqdn", CONF_TEXT, AT(c.fqdn), "hostname", "name in banner, EHLO and Received",
        RANGE(1, 255), .computed = true),
    ROW("banner", CONF_PARSED, AT(c.banner), "", "the whole greeting line, beginning with 220",
        .element = &BANNER),
    ROW("require_tls", CONF_FLAG, AT(c.require_tls), "false", "530 to mail before STARTTLS"),
    ROW("require_ehlo_domain", CONF_FLAG, AT(c.require_ehlo_domain), "false",
        "EHLO without an argument ends the session"),
    ROW("bare_linefeed_rejection_enabled", CONF_FLAG, AT(c.bare_linefeed_rejection_enabled), "true",
        "550 to a message with a bare CR or LF; false: they are normalised"),
    ROW("size_enabled", CONF_CHOICE, AT(c.size_enabled), "Enabled",
        "RFC 1870; what EHLO says of SIZE", .choices = SIZES),
    ROW("pipelining_enabled", CONF_FLAG, AT(c.pipelining_enabled), "true", "RFC 2920"),
    ROW("delivery_status_notification_enabled", CONF_FLAG,
        AT(c.delivery_status_notification_enabled), "true", "RFC 3461"),
    ROW("enhanced_status_codes_enabled", CONF_FLAG, AT(c.enhanced_status_codes_enabled), "true",
        "RFC 2034"),
    ROW("eight_bit_mime_enabled", CONF_FLAG, AT(c.eight_bit_mime_enabled), "true", "RFC 6152"),
    ROW("chunking_enabled", CONF_FLAG, AT(c.chunking_enabled), "true", "RFC 3030"),
    ROW("smtp_utf8_enabled", CONF_FLAG, AT(c.smtp_utf8_enabled), "true", "RFC 6531"),
    ROW("long_addresses_enabled", CONF_FLAG, AT(c.long_addresses_enabled), "false",
        "XLONGADDR: addresses of up to 1860 octets and command lines of up to 8000; else 571"),
    ROW("default_domain", CONF_TEXT, AT(c.default_domain), "",
        "an accepted domain: completes senders and recipients that have none, postmaster too; "
        "without it they are refused, and <postmaster> goes to the default accepted domain",
        RANGE(1, 255)),
    ROW("orar_enabled", CONF_FLAG, AT(c.orar_enabled), "false",
        "XORAR: an alternate recipient, ORAR= of RCPT, is kept and passed on to a next hop that "
        "offers XORAR too; nothing is delivered to it here"),
    ROW("binary_mime_enabled", CONF_FLAG, AT(c.binary_mime_enabled), "true",
        "RFC 3030 BINARYMIME, which needs chunking_enabled: what next hops do not take is returned "
        "to the sender, never converted",
        .then = note_binary_mime),
    ROW("reject_reserved_top_level_recipient_domains", CONF_FLAG,
        AT(c.reject_reserved_top_level_recipient_domains), "false",
        "550 5.1.4 to recipients in test, example, invalid and localhost (RFC 2606)"),
    ROW("reject_reserved_second_level_recipient_domains", CONF_FLAG,
        AT(c.reject_reserved_second_level_recipient_domains), "false",
        "550 5.1.5 to recipients in example.com, example.net and example.org (RFC 2606)"),
    ROW("reject_single_label_recipient_domains", CONF_FLAG,
        AT(c.reject_single_label_recipient_domains), "false",
        "550 5.1.6 to recipients in domains without a dot"),
    ROW("max_message_size", CONF_OCTETS, AT(c.max_message_size_bytes), "36MB", "552 5.3.4 beyond",
        RANGE(65536, INT32_MAX)),
    ROW("max_header_size", CONF_OCTETS, AT(c.max_header_size_bytes), "256KB",
        "all header fields together; 552 5.3.4 beyond, and the session ends", RANGE(1, INT32_MAX)),
    ROW("max_hop_count", CONF_NUMBER, AT(c.max_hop_count), "30",
        "Received fields; 554 5.4.6 beyond", RANGE(1, 500)),
    ROW("max_local_hop_count", CONF_NUMBER, AT(c.max_local_hop_count), "8",
        "of these, by us; 0: not counted", RANGE(0, 50)),
    ROW("max_recipients_per_message", CONF_NUMBER, AT(c.max_recipients_per_message), "200",
        "452 4.5.3 beyond, the earlier ones stand; 262144 at the most. That alone binds trusted "
        "servers, which are those with ms-Exch-Bypass-Message-Size-Limit and "
        "ms-Exch-Accept-Headers-Organization both, as ExchangeServers have",
        RANGE(1, 512000)),
    ROW("max_protocol_errors", CONF_NUMBER, AT(c.max_protocol_errors), "5",
        "unknown, malformed and out-of-order commands before 421", RANGE(0, INT32_MAX),
        .unlimited = true),
    ROW("max_logon_failures", CONF_NUMBER, AT(c.max_logon_failures), "3",
        "failed AUTH before 421; 0: never", RANGE(0, 10)),
    ROW("max_inbound_connection", CONF_NUMBER, AT(c.max_inbound_connection), "5000",
        "sessions at a time; 421 4.3.2 beyond", RANGE(1, INT32_MAX), .unlimited = true),
    ROW("max_inbound_connection_per_source", CONF_NUMBER, AT(c.max_inbound_connection_per_source),
        "20", "of these, from one address; 421 4.3.2 beyond", RANGE(1, 10000), .unlimited = true),
    ROW("max_inbound_connection_percentage_per_source", CONF_NUMBER,
        AT(c.max_inbound_connection_percentage_per_source), "2",
        "of the sessions still free, for one address; the tighter of the two limits counts",
        RANGE(1, 100)),
    ROW("message_rate_limit", CONF_NUMBER, AT(c.message_rate_limit), "unlimited",
        "messages a minute from one source; 421 4.4.2 beyond", RANGE(1, INT32_MAX),
        .unlimited = true),
    ROW("message_rate_source", CONF_CHOICE, AT(c.message_rate_source), "IPAddress",
        "what one source is: the address, the user (without a logon: the sender), the whole "
        "connector; None: no limit",
        .choices = RATE_SOURCES),
    ROW("protocol_logging_level", CONF_CHOICE, AT(c.protocol_logging_verbose), "None",
        "Verbose: every command and reply goes to the protocol log, see log.protocol_path",
        .choices = CONF_PROTOCOL_LEVELS),
    ROW("connection_timeout", CONF_DURATION, AT(c.connection_timeout_ms), "10m",
        "life of a session, busy or not; more than the next", RANGE(1000, DAY_MS)),
    ROW("connection_inactivity_timeout", CONF_DURATION, AT(c.connection_inactivity_timeout_ms),
        "5m", "between two commands", RANGE(1000, DAY_MS)),
    ROW("tarpit_interval", CONF_DURATION, AT(c.tarpit_interval_ms), "5s",
        "delay before a refusal to an unauthenticated client; 0s: none", RANGE(0, 600000)),
    ROW("auth_tarpit_interval", CONF_DURATION, AT(c.auth_tarpit_interval_ms), "5s",
        "delay before the 535 to a failed AUTH; 0s: none", RANGE(0, 600000)),
    ONLY("tls_certificate_name", "",
         "a certificate by name " NOT_IN_THIS " and use tls.certificate"),
    ONLY("tls_domain_capabilities", "", "a right by client certificate " NOT_IN_THIS),
    ONLY("domain_secure_enabled", "false", "mutual TLS " NOT_IN_THIS),
    ONLY("enable_auth_gssapi", "false", "AUTH GSSAPI " NOT_IN_THIS),
    ONLY("extended_protection_policy", "None",
         "channel binding needs Integrated, which " NOT_IN_THIS),
    ONLY("suppress_x_anonymous_tls", "false",
         "X-ANONYMOUSTLS is never offered; this key " STAND_ALONE),
    ONLY("advertise_client_settings", "false", STAND_ALONE),
    ONLY("service_discovery_fqdn", "", STAND_ALONE),
    ONLY("transport_role", "", STAND_ALONE),
    ONLY("max_acknowledgement_delay", "",
         "an acknowledgement that waits for delivery " NOT_IN_THIS),
};

static void receive_start(struct conf_reading *r, const struct conf_value *group, void *element)
{
    struct receive_draft *draft = element;
    const struct conf_usage *usage = conf_usage_of(group);
    draft->c.origin = group->where;
    if (!usage)
        return;
    draft->all_ranges = usage->all_ranges;
    draft->c.permission_groups = usage->permission_groups;
    draft->c.auth_mechanism = usage->auth_mechanism;
    if (usage->binding) {
        struct endpoint *binding = ARENA_NEW(r->arena, struct endpoint);
        enum err e = endpoint_parse(bytes_of(usage->binding), binding);
        ASSERT(e == ERR_OK);
        draft->c.bindings = binding;
        draft->c.binding_count = 1;
    }
}

/* Every address of the families that the connector binds. */
static void add_all_ranges(struct conf_reading *r, struct conf_ranges *ranges,
                           const struct receive_connector *c, const char *path)
{
    bool v4 = false, v6 = false;
    for (size_t i = 0; i < c->binding_count; i++)
        if (ipaddr_is_v4(&c->bindings[i].addr))
            v4 = true;
        else
            v6 = true;
    if (v4)
        conf_ranges_add(r, ranges, false, "0.0.0.0-255.255.255.255", c->origin, path);
    if (v6)
        conf_ranges_add(r, ranges, false, "::/0", c->origin, path);
}

static void take_ranges(struct conf_reading *r, struct receive_draft *draft, const char *path)
{
    struct conf_ranges ranges = {0};
    const char *key = arena_printf(r->arena, "%s.remote_ip_ranges", path);
    for (size_t i = 0; draft->ranges && i < draft->ranges->count; i++) {
        conf_ranges_add(r, &ranges, draft->classful_masks, draft->ranges->items[i].text,
                        draft->ranges->items[i].where, key);
    }
    if (draft->ranges_file) {
        conf_ranges_read(r, &ranges, draft->classful_masks, draft->ranges_file,
                         arena_printf(r->arena, "%s.remote_ip_ranges_file", path));
    }
    if (draft->all_ranges && !draft->ranges && !draft->ranges_file)
        add_all_ranges(r, &ranges, &draft->c, path);
    struct receive_connector_range *kept =
        ARENA_NEW_ARRAY(r->arena, struct receive_connector_range, ranges.count);
    for (size_t i = 0; i < ranges.count; i++)
        kept[i] = ranges.items[i];
    draft->c.ranges = kept;
    draft->c.range_count = ranges.count;
    mem_free(ranges.items);
}

static void receive_end(struct conf_reading *r, const struct conf_value *group, const char *path,
                        void *element)
{
    check_binary_mime(r, group->where, path, element);
    take_ranges(r, element, path);
}

const struct conf_section CONF_RECEIVE = {
    .name = "receive_connectors[]",
    .options = OPTIONS,
    .count = ARRAY_SIZE(OPTIONS),
    .size = sizeof(struct receive_draft),
    .kept = sizeof(struct receive_connector),
    .start = receive_start,
    .end = receive_end,
};
