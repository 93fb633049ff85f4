/* Connectors and accepted domains: lists of groups, each read by its own option table. Names of
 * keys are Exchange's properties in snake_case.
 */
#include "config/conf_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

/* A connector while it is read: ranges wait until classful_masks is known. */
struct receive_draft {
    struct receive_connector c;
    bool classful_masks, all_ranges; /* the latter unless it has its own */
    bool binary_mime_written;
    const struct conf_value *ranges;
    const struct conf_value *ranges_file;
    const char *path;
};

/* --- Values that are more than a number or a text --- */

static void take_bindings(struct conf_reading *r, const struct conf_option *option,
                          const struct conf_value *value, const char *path, void *target)
{
    struct receive_draft *draft = target;
    (void)option;
    if (!conf_texts(r, value, path))
        return;
    struct endpoint *bindings = ARENA_NEW_ARRAY(r->arena, struct endpoint, value->count);
    for (size_t i = 0; i < value->count; i++)
        if (endpoint_parse(bytes_of(value->items[i].text), &bindings[i]) != ERR_OK)
            conf_fault(
                r, value->items[i].where, path,
                "\"%s\": IPv4:PORT or [IPv6]:PORT is allowed, \"0.0.0.0:25\" for all addresses",
                value->items[i].text);
    draft->c.bindings = bindings;
    draft->c.binding_count = value->count;
}

static void take_ranges(struct conf_reading *r, const struct conf_option *option,
                        const struct conf_value *value, const char *path, void *target)
{
    struct receive_draft *draft = target;
    (void)option;
    if (conf_texts(r, value, path))
        draft->ranges = value;
}

static void take_ranges_file(struct conf_reading *r, const struct conf_option *option,
                             const struct conf_value *value, const char *path, void *target)
{
    struct receive_draft *draft = target;
    (void)option;
    if (value->type == CONF_VALUE_TEXT)
        draft->ranges_file = value;
    else
        conf_fault(r, value->where, path, "a file name in quotes is allowed");
}

/* Bits from a list of names. */
static unsigned take_bits(struct conf_reading *r, const struct conf_value *value, const char *path,
                          enum err (*parse)(struct bytes text, unsigned *out), const char *allowed)
{
    unsigned bits = 0;
    bool none = false;
    if (!conf_texts(r, value, path))
        return 0;
    for (size_t i = 0; i < value->count; i++) {
        unsigned bit = 0;
        if (parse(bytes_of(value->items[i].text), &bit) != ERR_OK)
            conf_fault(r, value->items[i].where, path, "\"%s\" is unknown: allowed are %s",
                       value->items[i].text, allowed);
        none = none || bit == 0;
        bits |= bit;
    }
    if (none && value->count > 1)
        conf_fault(r, value->where, path, "\"None\" stands alone");
    return bits;
}

static void take_groups(struct conf_reading *r, const struct conf_option *option,
                        const struct conf_value *value, const char *path, void *target)
{
    struct receive_draft *draft = target;
    (void)option;
    draft->c.permission_groups = take_bits(
        r, value, path, rights_group_parse,
        "None, AnonymousUsers, ExchangeUsers, ExchangeServers, ExchangeLegacyServers, Partners");
    if (draft->c.permission_groups & RIGHTS_GROUP_CUSTOM)
        conf_fault(r, value->where, path, "Custom is only ever shown: add `permissions` entries");
}

static void take_auth(struct conf_reading *r, const struct conf_option *option,
                      const struct conf_value *value, const char *path, void *target)
{
    struct receive_draft *draft = target;
    (void)option;
    draft->c.auth_mechanism_written = true;
    draft->c.auth_mechanism =
        take_bits(r, value, path, receive_connector_auth_parse,
                  "None, Tls, BasicAuth, BasicAuthRequireTLS, Integrated, ExchangeServer, "
                  "ExternalAuthoritative");
    const unsigned unavailable = RECEIVE_AUTH_INTEGRATED | RECEIVE_AUTH_EXCHANGE_SERVER;
    if (draft->c.auth_mechanism & unavailable)
        conf_warn(r, value->where, path,
                  "Integrated and ExchangeServer are not offered by this version: nobody can log "
                  "on by them");
}

static void take_permissions(struct conf_reading *r, const struct conf_option *option,
                             const struct conf_value *value, const char *path, void *target)
{
    struct receive_draft *draft = target;
    (void)option;
    draft->c.permissions = conf_read_permissions(r, value, path, &draft->c.permission_count);
}

static void take_rate_source(struct conf_reading *r, const struct conf_option *option,
                             const struct conf_value *value, const char *path, void *target)
{
    static const char *const names[] = {"None", "IPAddress", "User", "All"};
    struct receive_draft *draft = target;
    (void)option;
    struct bytes text = bytes_of(value->type == CONF_VALUE_TEXT ? value->text : "");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (bytes_equal_nocase(text, bytes_of(names[i]))) {
            draft->c.message_rate_source = (enum receive_connector_rate_source)i;
            return;
        }
    conf_fault(r, value->where, path,
               "one of \"None\", \"IPAddress\", \"User\", \"All\" is allowed");
}

bool conf_read_verbose(struct conf_reading *r, const struct conf_value *value, const char *path)
{
    struct bytes text = bytes_of(value->type == CONF_VALUE_TEXT ? value->text : "");
    bool verbose = bytes_equal_nocase(text, BYTES("Verbose"));
    if (!verbose && !bytes_equal_nocase(text, BYTES("None")))
        conf_fault(r, value->where, path, "one of \"None\", \"Verbose\" is allowed");
    return verbose;
}

static void take_protocol_logging(struct conf_reading *r, const struct conf_option *option,
                                  const struct conf_value *value, const char *path, void *target)
{
    struct receive_draft *draft = target;
    (void)option;
    draft->c.protocol_logging_verbose = conf_read_verbose(r, value, path);
}

static void take_size_enabled(struct conf_reading *r, const struct conf_option *option,
                              const struct conf_value *value, const char *path, void *target)
{
    struct receive_draft *draft = target;
    (void)option;
    const char *text = value->type == CONF_VALUE_TEXT ? value->text : "";
    draft->c.size_enabled = strcasecmp(text, "Disabled") != 0;
    draft->c.size_without_value = strcasecmp(text, "EnabledWithoutValue") == 0;
    if (strcasecmp(text, "Enabled") != 0 && draft->c.size_enabled && !draft->c.size_without_value)
        conf_fault(r, value->where, path,
                   "one of \"Enabled\", \"Disabled\", \"EnabledWithoutValue\" is allowed");
}

static void take_binary_mime(struct conf_reading *r, const struct conf_option *option,
                             const struct conf_value *value, const char *path, void *target)
{
    struct receive_draft *draft = target;
    (void)option;
    if (value->type != CONF_VALUE_FLAG)
        conf_fault(r, value->where, path, "true or false is allowed");
    draft->c.binary_mime_enabled = value->flag;
    draft->binary_mime_written = true;
}

/* Its text comes by BDAT or not at all (RFC 3030 3). Unwritten it goes with chunking_enabled. */
static void check_binary_mime(struct conf_reading *r, const char *where, const char *path,
                              struct receive_draft *draft)
{
    struct receive_connector *c = &draft->c;
    if (c->binary_mime_enabled && draft->binary_mime_written && !c->chunking_enabled)
        conf_fault(r, where, arena_printf(r->arena, "%s.binary_mime_enabled", path),
                   "needs chunking_enabled: RFC 3030 has BINARYMIME only with "
                   "CHUNKING");
    c->binary_mime_enabled = c->binary_mime_enabled && c->chunking_enabled;
}

static void take_banner(struct conf_reading *r, const struct conf_option *option,
                        const struct conf_value *value, const char *path, void *target)
{
    struct receive_draft *draft = target;
    (void)option;
    struct bytes text = bytes_of(value->type == CONF_VALUE_TEXT ? value->text : "");
    bool ok = text.len <= 480 && bytes_starts_nocase(text, BYTES("220")) &&
              (text.len == 3 || text.ptr[3] == ' ');
    for (size_t i = 0; i < text.len; i++)
        ok = ok && text.ptr[i] >= ' ' && text.ptr[i] <= '~';
    if (!ok)
        conf_fault(r, value->where, path,
                   "a text that begins with \"220 \", printable ASCII, at most 480 characters, is "
                   "allowed");
    draft->c.banner = value->text;
}

#define RECEIVE(k, t, member, lo, hi, std, text)                                                   \
    {                                                                                              \
        .key = (k), .type = (t), .offset = offsetof(struct receive_draft, member), .min = (lo),    \
        .max = (hi), .standard = (std), .help = (text)                                             \
    }
#define RECEIVE_LIMIT(k, member, lo, hi, std, text)                                                \
    {                                                                                              \
        .key = (k), .type = CONF_COUNT, .offset = offsetof(struct receive_draft, member),          \
        .min = (lo), .max = (hi), .unlimited = true, .standard = (std), .help = (text)             \
    }
/* Its default is no harm: people paste what Get-ReceiveConnector shows. */
#define ONLY(k, std, why)                                                                          \
    {                                                                                              \
        .key = (k), .type = CONF_CUSTOM, .custom = conf_refuse, .standard = (std), .help = (why)   \
    }
#define REFUSED(k, why)                                                                            \
    {                                                                                              \
        .key = (k), .type = CONF_CUSTOM, .custom = conf_refuse, .standard = "", .help = (why)      \
    }
#define STAND_ALONE "does not apply to a stand-alone relay: remove the key"
#define NOT_IN_THIS "is not available in this version: remove the key"
#define DAY_MS      86400000ull

static const struct conf_option RECEIVE_OPTIONS[] = {
    RECEIVE("name", CONF_TEXT, c.name, 1, 64, "", "unique; in every log line"),
    RECEIVE("enabled", CONF_FLAG, c.enabled, 0, 0, "true", "false: does not listen"),
    RECEIVE("comment", CONF_TEXT, c.comment, 0, 1000, "", "for humans"),
    {.key = "usage",
     .type = CONF_CUSTOM,
     .custom = conf_take_usage,
     .standard = "",
     .help = "Internet, Internal, Client, Partner or Custom: sets permission_groups and "
             "auth_mechanism as New-ReceiveConnector -Usage does, for Internal and Client the "
             "bindings, for Internet the remote_ip_ranges; what stands beside it overrides it"},
    {.key = "bindings",
     .type = CONF_CUSTOM,
     .custom = take_bindings,
     .standard = "",
     .help = "local addresses and ports, \"0.0.0.0:25\", \"[::]:25\""},
    {.key = "remote_ip_ranges",
     .type = CONF_CUSTOM,
     .custom = take_ranges,
     .standard = "",
     .help = "clients: \"192.0.2.1\", \"10.0.0.0/8\", \"10.2.0.0(255.255.0.0)\", \"first-last\", "
             "IPv6 alike"},
    {.key = "remote_ip_ranges_file",
     .type = CONF_CUSTOM,
     .custom = take_ranges_file,
     .standard = "",
     .help = "more of them, one a line, # comments; relative to this file"},
    RECEIVE("classful_masks", CONF_FLAG, classful_masks, 0, 0, "false",
            "a bare network address gets its class's mask, as in the 2007 console"),
    {.key = "permission_groups",
     .type = CONF_CUSTOM,
     .custom = take_groups,
     .standard = "[]",
     .help = "AnonymousUsers, ExchangeUsers, ExchangeServers, ExchangeLegacyServers, Partners"},
    {.key = "auth_mechanism",
     .type = CONF_CUSTOM,
     .custom = take_auth,
     .standard = "[ \"Tls\" ]",
     .help = "None, Tls, BasicAuth, BasicAuthRequireTLS, Integrated, ExchangeServer, "
             "ExternalAuthoritative"},
    {.key = "permissions",
     .type = CONF_CUSTOM,
     .custom = take_permissions,
     .standard = "()",
     .help = "rights beyond the groups",
     .section = &CONF_PERMISSION},
    RECEIVE("open_relay", CONF_FLAG, c.open_relay, 0, 0, "false",
            "I know that this lets the whole Internet relay anonymously"),
    RECEIVE("auth_stamps_enabled", CONF_FLAG, c.auth_stamps_enabled, 0, 0, "false",
            "adds X-MS-Exchange-Organization-AuthAs, -AuthSource and -AuthMechanism, which a next "
            "hop sees only where a send connector's permissions give "
            "ms-Exch-Send-Headers-Organization"),
    RECEIVE("fqdn", CONF_TEXT, c.fqdn, 1, 255, "hostname", "name in banner, EHLO and Received"),
    {.key = "banner",
     .type = CONF_CUSTOM,
     .custom = take_banner,
     .standard = "",
     .help = "the whole greeting line, beginning with 220"},
    RECEIVE("require_tls", CONF_FLAG, c.require_tls, 0, 0, "false", "530 to mail before STARTTLS"),
    RECEIVE("require_ehlo_domain", CONF_FLAG, c.require_ehlo_domain, 0, 0, "false",
            "EHLO without an argument ends the session"),
    RECEIVE("bare_linefeed_rejection_enabled", CONF_FLAG, c.bare_linefeed_rejection_enabled, 0, 0,
            "true", "550 to a message with a bare CR or LF; false: they are normalised"),
    {.key = "size_enabled",
     .type = CONF_CUSTOM,
     .custom = take_size_enabled,
     .standard = "Enabled",
     .help = "Enabled, Disabled or EnabledWithoutValue"},
    RECEIVE("pipelining_enabled", CONF_FLAG, c.pipelining_enabled, 0, 0, "true", "RFC 2920"),
    RECEIVE("delivery_status_notification_enabled", CONF_FLAG,
            c.delivery_status_notification_enabled, 0, 0, "true", "RFC 3461"),
    RECEIVE("enhanced_status_codes_enabled", CONF_FLAG, c.enhanced_status_codes_enabled, 0, 0,
            "true", "RFC 2034"),
    RECEIVE("eight_bit_mime_enabled", CONF_FLAG, c.eight_bit_mime_enabled, 0, 0, "true",
            "RFC 6152"),
    RECEIVE("chunking_enabled", CONF_FLAG, c.chunking_enabled, 0, 0, "true", "RFC 3030"),
    RECEIVE("smtp_utf8_enabled", CONF_FLAG, c.smtp_utf8_enabled, 0, 0, "true", "RFC 6531"),
    RECEIVE("long_addresses_enabled", CONF_FLAG, c.long_addresses_enabled, 0, 0, "false",
            "XLONGADDR: addresses of up to 1860 octets and command lines of up to 8000; else 571"),
    RECEIVE("default_domain", CONF_TEXT, c.default_domain, 1, 255, "",
            "an accepted domain: completes senders and recipients that have none, postmaster too; "
            "without it they are refused, and <postmaster> goes to the default accepted domain"),
    RECEIVE(
        "orar_enabled", CONF_FLAG, c.orar_enabled, 0, 0, "false",
        "XORAR: an alternate recipient, ORAR= of RCPT, is kept and passed on to a next hop that "
        "offers XORAR too; nothing here is delivered to him"),
    {.key = "binary_mime_enabled",
     .type = CONF_CUSTOM,
     .custom = take_binary_mime,
     .standard = "true",
     .help = "true or false; RFC 3030 BINARYMIME, which needs chunking_enabled: what next hops do "
             "not take is returned to the sender, never converted"},
    RECEIVE("reject_reserved_top_level_recipient_domains", CONF_FLAG,
            c.reject_reserved_top_level_recipient_domains, 0, 0, "false",
            "550 5.1.4 to recipients in test, example, invalid and localhost (RFC 2606)"),
    RECEIVE("reject_reserved_second_level_recipient_domains", CONF_FLAG,
            c.reject_reserved_second_level_recipient_domains, 0, 0, "false",
            "550 5.1.5 to recipients in example.com, example.net and example.org (RFC 2606)"),
    RECEIVE("reject_single_label_recipient_domains", CONF_FLAG,
            c.reject_single_label_recipient_domains, 0, 0, "false",
            "550 5.1.6 to recipients in domains without a dot"),
    {.key = "max_message_size",
     .type = CONF_SIZE,
     .min = 65536,
     .max = INT32_MAX,
     .offset = offsetof(struct receive_draft, c.max_message_size_bytes),
     .standard = "36MB",
     .help = "552 5.3.4 beyond"},
    {.key = "max_header_size",
     .type = CONF_SIZE,
     .min = 1,
     .max = INT32_MAX,
     .offset = offsetof(struct receive_draft, c.max_header_size_bytes),
     .standard = "256KB",
     .help = "all header fields together; 552 5.3.4 beyond, and the session ends"},
    RECEIVE("max_hop_count", CONF_COUNT, c.max_hop_count, 1, 500, "30",
            "Received fields; 554 5.4.6 beyond"),
    RECEIVE("max_local_hop_count", CONF_COUNT, c.max_local_hop_count, 0, 50, "8",
            "of these, by us; 0: not counted"),
    RECEIVE(
        "max_recipients_per_message", CONF_COUNT, c.max_recipients_per_message, 1, 512000, "200",
        "452 4.5.3 beyond, the earlier ones stand; 262144 at the most. That alone binds trusted "
        "servers, which are those with ms-Exch-Bypass-Message-Size-Limit and "
        "ms-Exch-Accept-Headers-Organization both, as ExchangeServers have"),
    RECEIVE_LIMIT("max_protocol_errors", c.max_protocol_errors, 0, INT32_MAX, "5",
                  "unknown, malformed and out-of-order commands before 421"),
    RECEIVE("max_logon_failures", CONF_COUNT, c.max_logon_failures, 0, 10, "3",
            "failed AUTH before 421; 0: never"),
    RECEIVE_LIMIT("max_inbound_connection", c.max_inbound_connection, 1, INT32_MAX, "5000",
                  "sessions at a time; 421 4.3.2 beyond"),
    RECEIVE_LIMIT("max_inbound_connection_per_source", c.max_inbound_connection_per_source, 1,
                  10000, "20", "of these, from one address; 421 4.3.2 beyond"),
    RECEIVE("max_inbound_connection_percentage_per_source", CONF_COUNT,
            c.max_inbound_connection_percentage_per_source, 1, 100, "2",
            "of the sessions still free, for one address; the tighter of the two limits counts"),
    RECEIVE_LIMIT("message_rate_limit", c.message_rate_limit, 1, INT32_MAX, "unlimited",
                  "messages a minute from one source; 421 4.4.2 beyond"),
    {.key = "message_rate_source",
     .type = CONF_CUSTOM,
     .custom = take_rate_source,
     .standard = "IPAddress",
     .help = "what one source is: IPAddress, User (who logged on, else the sender), All (the "
             "connector) or None (no limit)"},
    {.key = "protocol_logging_level",
     .type = CONF_CUSTOM,
     .custom = take_protocol_logging,
     .standard = "None",
     .help = "None or Verbose: every command and reply goes to the protocol log, see "
             "log.protocol_path"},
    {.key = "connection_timeout",
     .type = CONF_DURATION,
     .min = 1000,
     .max = DAY_MS,
     .offset = offsetof(struct receive_draft, c.connection_timeout_ms),
     .standard = "10m",
     .help = "life of a session, busy or not; more than the next"},
    {.key = "connection_inactivity_timeout",
     .type = CONF_DURATION,
     .min = 1000,
     .max = DAY_MS,
     .offset = offsetof(struct receive_draft, c.connection_inactivity_timeout_ms),
     .standard = "5m",
     .help = "between two commands"},
    {.key = "tarpit_interval",
     .type = CONF_DURATION,
     .min = 0,
     .max = 600000,
     .offset = offsetof(struct receive_draft, c.tarpit_interval_ms),
     .standard = "5s",
     .help = "delay before a refusal to an unauthenticated client; 0s: none"},
    {.key = "auth_tarpit_interval",
     .type = CONF_DURATION,
     .min = 0,
     .max = 600000,
     .offset = offsetof(struct receive_draft, c.auth_tarpit_interval_ms),
     .standard = "5s",
     .help = "delay before the 535 to a failed AUTH; 0s: none"},
    REFUSED("tls_certificate_name",
            "a certificate by name " NOT_IN_THIS " and use tls.certificate"),
    REFUSED("tls_domain_capabilities", "a right by client certificate " NOT_IN_THIS),
    ONLY("domain_secure_enabled", "false", "mutual TLS " NOT_IN_THIS),
    ONLY("enable_auth_gssapi", "false", "AUTH GSSAPI " NOT_IN_THIS),
    ONLY("extended_protection_policy", "None",
         "channel binding needs Integrated, which " NOT_IN_THIS),
    ONLY("suppress_x_anonymous_tls", "false",
         "X-ANONYMOUSTLS is never offered; this key " STAND_ALONE),
    ONLY("advertise_client_settings", "false", STAND_ALONE),
    REFUSED("service_discovery_fqdn", STAND_ALONE),
    REFUSED("transport_role", STAND_ALONE),
    REFUSED("max_acknowledgement_delay", "an acknowledgement that waits for delivery " NOT_IN_THIS),
};
const struct conf_section CONF_RECEIVE = {"receive_connectors[]", RECEIVE_OPTIONS,
                                          ARRAY_SIZE(RECEIVE_OPTIONS)};

/* --- Ranges, once everything else is known --- */

struct range_list {
    struct receive_connector_range *ranges;
    size_t count, capacity;
};

static void add_range(struct conf_reading *r, struct range_list *list, bool classful,
                      const char *text, const char *where, const char *path)
{
    struct err_detail why = {""};
    struct iprange range;
    if (iprange_parse(bytes_of(text), classful, &range, &why) != ERR_OK) {
        conf_fault(r, where, path, "%s", why.text);
        return;
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 16;
        list->ranges = mem_realloc(list->ranges, list->capacity * sizeof *list->ranges);
    }
    list->ranges[list->count++] = (struct receive_connector_range){range, text, where};
}

/* NULL and a fault: it is no file that may say who is let in. */
static FILE *open_ranges_file(struct conf_reading *r, const char *where, const char *path,
                              const char *name)
{
    struct stat st;
    FILE *in = NULL;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO holds nobody up */
    if (fd < 0 || fstat(fd, &st) != 0)
        conf_fault(r, where, path, "%s: cannot be read: %s", name, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        conf_fault(r, where, path, "%s: not a plain file", name);
    else if (st.st_mode & S_IWOTH)
        conf_fault(r, where, path, "%s: anybody may write to it: chmod o-w it first", name);
    else if (!(in = fdopen(fd, "r")))
        conf_fault(r, where, path, "%s: cannot be read: %s", name, strerror(errno));
    if (!in && fd >= 0)
        close(fd);
    return in;
}

static void read_ranges_file(struct conf_reading *r, struct range_list *list,
                             const struct receive_draft *draft)
{
    const struct conf_value *v = draft->ranges_file;
    const char *path = arena_printf(r->arena, "%s.remote_ip_ranges_file", draft->path);
    const char *name =
        v->text[0] == '/' ? v->text : arena_printf(r->arena, "%s/%s", r->directory, v->text);
    FILE *in = open_ranges_file(r, v->where, path, name);
    if (!in)
        return;
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    for (unsigned number = 1; (len = getline(&line, &size, in)) >= 0; number++) {
        struct bytes text = bytes_make(line, (size_t)len), comment;
        bytes_split(text, '#', &text, &comment);
        while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
            text.len--;
        text = arena_bytes(r->arena, bytes_trim(text));
        const char *where = arena_printf(r->arena, "%s:%u", v->text, number);
        if (bytes_find(text, '\0', 0) != BYTES_NOT_FOUND)
            conf_fault(r, where, path, "holds a NUL byte");
        else if (text.len)
            add_range(r, list, draft->classful_masks, text.ptr, where, path);
    }
    if (ferror(in))
        conf_fault(r, v->where, path, "%s: cannot be read to its end: %s", name, strerror(errno));
    free(line); /* getline's own */
    fclose(in);
}

static void receive_start(struct conf_reading *r, const struct conf_value *group, void *element)
{
    struct receive_draft *draft = element;
    const struct conf_usage *usage = conf_usage_of(group);
    receive_connector_defaults(&draft->c);
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
static void add_all_ranges(struct conf_reading *r, struct range_list *list,
                           const struct receive_draft *draft)
{
    bool v4 = false, v6 = false;
    for (size_t i = 0; i < draft->c.binding_count; i++)
        if (ipaddr_is_v4(&draft->c.bindings[i].addr))
            v4 = true;
        else
            v6 = true;
    if (v4)
        add_range(r, list, false, "0.0.0.0-255.255.255.255", draft->c.origin, draft->path);
    if (v6)
        add_range(r, list, false, "::/0", draft->c.origin, draft->path);
}

static void receive_end(struct conf_reading *r, const struct conf_value *group, const char *path,
                        void *element)
{
    struct receive_draft *draft = element;
    struct range_list list = {0};
    draft->path = path;
    if (!draft->c.name)
        conf_fault(r, group->where, path, "`name` is missing");
    check_binary_mime(r, group->where, path, draft);
    for (size_t i = 0; draft->ranges && i < draft->ranges->count; i++)
        add_range(r, &list, draft->classful_masks, draft->ranges->items[i].text,
                  draft->ranges->items[i].where,
                  arena_printf(r->arena, "%s.remote_ip_ranges", path));
    if (draft->ranges_file)
        read_ranges_file(r, &list, draft);
    if (draft->all_ranges && !draft->ranges && !draft->ranges_file)
        add_all_ranges(r, &list, draft);
    struct receive_connector_range *ranges =
        ARENA_NEW_ARRAY(r->arena, struct receive_connector_range, list.count);
    for (size_t i = 0; i < list.count; i++)
        ranges[i] = list.ranges[i];
    draft->c.ranges = ranges;
    draft->c.range_count = list.count;
    mem_free(list.ranges);
}

void conf_take_receive(struct conf_reading *r, const struct conf_option *option,
                       const struct conf_value *value, const char *path, void *target)
{
    static const struct conf_list kind = {&CONF_RECEIVE, sizeof(struct receive_draft),
                                          receive_start, receive_end};
    struct conf *conf = target;
    size_t count = 0;
    (void)option;
    const struct receive_draft *drafts = conf_take_list(r, value, path, &kind, &count);
    struct receive_connector *connectors =
        ARENA_NEW_ARRAY(r->arena, struct receive_connector, count);
    for (size_t i = 0; i < count; i++)
        connectors[i] = drafts[i].c;
    conf->rules.receive = connectors;
    conf->rules.receive_count = count;
}
