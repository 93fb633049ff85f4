/* The option table of everything but connectors and domains. */
#include <stddef.h>

#include "config/conf_private.h"

#define AT(member)             CONF_AT(struct conf, member)
#define ARRAY_AT(member, more) CONF_ARRAY_AT(struct conf, member, more)
#define DAYS                   UINT64_C(86400000)
#define KIB                    (UINT64_C(1) << 10)
#define MIB                    (UINT64_C(1) << 20)
#define GIB                    (UINT64_C(1) << 30)
#define TIB                    (UINT64_C(1) << 40)

/* A key without a default, or with one; what follows are further members of its row. */
#define ROW(k, t, place, std, text, ...)                                                           \
    {                                                                                              \
        .key = (k), .type = (t), place, .standard = (std), .help = (text), __VA_ARGS__             \
    }
#define RESTART       .reload = CONF_RESTART
#define RANGE(lo, hi) .min = (lo), .max = (hi)

static const struct choice LOG_LEVELS[] = {{"error", LOG_ERROR},
                                           {"warning", LOG_WARNING},
                                           {"info", LOG_INFO},
                                           {"debug", LOG_DEBUG},
                                           {NULL, 0}};
static const struct choice LOG_FORMATS[] = {
    {"text", LOG_FORMAT_TEXT}, {"json", LOG_FORMAT_JSON}, {NULL, 0}};
static const struct choice TLS_MINIMA[] = {{"1.2", 0}, {"1.3", 0}, {NULL, 0}};
static const struct choice DURABILITIES[] = {{"fsync", 0}, {NULL, 0}};

static enum err parse_server(struct conf_reading *r, const char *text, void *to,
                             struct err_detail *why)
{
    struct ipaddr addr;
    struct endpoint at;
    (void)r, (void)why;
    if (ipaddr_parse(bytes_of(text), &addr) != ERR_OK &&
        endpoint_parse(bytes_of(text), &at) != ERR_OK)
        return ERR_SYNTAX;
    *(const char **)to = text;
    return ERR_OK;
}
static const struct conf_element SERVER = {.type = "IP or IP:PORT",
                                           .allowed = "IP or IP:PORT is allowed",
                                           .size = sizeof(const char *),
                                           .parse = parse_server};

static const struct conf_option RUNTIME_OPTIONS[] = {
    ROW("workers", CONF_NUMBER, AT(workers), "0", "receiving threads; 0: one a CPU", RANGE(0, 256),
        RESTART),
    ROW("smart_host_threads", CONF_NUMBER, AT(smart_host_threads), "0",
        "delivery threads for smart hosts; 0: one for every four CPUs", RANGE(0, 256), RESTART),
    ROW("mx_threads", CONF_NUMBER, AT(mx_threads), "0",
        "delivery threads for delivery by MX; 0: one for every four CPUs", RANGE(0, 256), RESTART),
    ROW("batch_scheduling", CONF_FLAG, AT(batch_scheduling), "true",
        "a thread that is woken waits for its turn instead of interrupting another "
        "(SCHED_BATCH): more mail where the relay fills the CPUs, no difference on idle ones; "
        "false where other programs fill them",
        RESTART),
    ROW("max_connection_rate_per_minute", CONF_NUMBER, AT(max_connection_rate_per_minute),
        "unlimited", "new connections a minute, all connectors together; beyond: 421",
        RANGE(1, UINT32_MAX), .unlimited = true),
};
static const struct conf_section RUNTIME = {
    .name = "runtime", .options = RUNTIME_OPTIONS, .count = ARRAY_SIZE(RUNTIME_OPTIONS)};

static const struct conf_option SPOOL_OPTIONS[] = {
    ROW("path", CONF_TEXT, AT(spool.path), "/var/spool/mailrace",
        "the spool's directory: ours, mode 0700, made if it is not there", RANGE(1, 4000), RESTART),
    ROW("segment_size", CONF_OCTETS, AT(spool.segment_size_bytes), "32MB",
        "of one preallocated segment file", RANGE(MIB, GIB), RESTART),
    ROW("inline_max", CONF_OCTETS, AT(spool.inline_max_bytes), "128KB",
        "larger messages get a file of their own", RANGE(4 * KIB, 64 * MIB), RESTART),
    ROW("min_free", CONF_OCTETS, AT(spool.min_free_bytes), "256MB",
        "with less free space on the spool's disk, MAIL is answered 452", RANGE(0, 1024 * TIB)),
    {.key = "writers",
     .type = CONF_REMOVED,
     .standard = "",
     .help =
         "one writer takes all messages in, and what several logs hold from before is delivered"},
    ROW("durability", CONF_TEXT, AT(durability), "fsync",
        "a message is acknowledged after it is on durable storage: the only mode there is",
        .choices = DURABILITIES),
};
static const struct conf_section SPOOL = {
    .name = "spool", .options = SPOOL_OPTIONS, .count = ARRAY_SIZE(SPOOL_OPTIONS)};

static const struct conf_option QUEUE_OPTIONS[] = {
    ROW("message_expiration_timeout", CONF_DURATION, AT(retry.message_expiration_timeout_ms), "2d",
        "then the sender gets a non-delivery report", RANGE(1000, 90 * DAYS)),
    ROW("delay_notification_timeout", CONF_DURATION, AT(retry.delay_notification_timeout_ms), "4h",
        "then the sender is told of the delay, once", RANGE(1000, 30 * DAYS)),
    ROW("message_retry_interval", CONF_DURATION, AT(retry.message_retry_interval_ms), "5m",
        "between attempts of one message that was answered 4xx", RANGE(1000, DAYS)),
    ROW("glitch_retry_count", CONF_NUMBER, AT(retry.glitch_retry_count), "4",
        "first attempts to reach a destination again", RANGE(0, 15)),
    ROW("glitch_retry_interval", CONF_DURATION, AT(retry.glitch_retry_interval_ms), "1m",
        "between these", RANGE(1000, DAYS)),
    ROW("transient_failure_retry_count", CONF_NUMBER, AT(retry.transient_failure_retry_count), "6",
        "attempts after these", RANGE(0, 15)),
    ROW("transient_failure_retry_interval", CONF_DURATION,
        AT(retry.transient_failure_retry_interval_ms), "5m", "between these",
        RANGE(1000, DAYS / 2)),
    ROW("outbound_connection_failure_retry_interval", CONF_DURATION,
        AT(retry.outbound_connection_failure_retry_interval_ms), "10m",
        "between all later attempts to reach a destination", RANGE(1000, 20 * DAYS)),
    ROW("max_per_domain_outbound_connections", CONF_NUMBER, AT(max_per_domain_outbound_connections),
        "20", "connections to one destination", RANGE(1, 10000)),
};
static const struct conf_section QUEUE = {
    .name = "queue", .options = QUEUE_OPTIONS, .count = ARRAY_SIZE(QUEUE_OPTIONS)};

static const struct conf_option LOG_OPTIONS[] = {
    ROW("level", CONF_CHOICE, AT(log.level), "info", "what is logged: this and what is worse",
        .choices = LOG_LEVELS),
    ROW("format", CONF_CHOICE, AT(log.format), "text",
        "key=value or JSON, one event a line on standard error", .choices = LOG_FORMATS),
    ROW("protocol_path", CONF_TEXT, AT(protocol_path), "",
        "directory of the protocol logs of connectors with protocol_logging_level \"Verbose\": "
        "made if it is not there, mode 0750",
        RANGE(1, 4000), RESTART),
    ROW("protocol_max_file_size", CONF_OCTETS, AT(protocol_limits.file_bytes), "10MB",
        "of one file of a protocol log: then another begins", RANGE(MIB, TIB)),
    ROW("protocol_max_directory_size", CONF_OCTETS, AT(protocol_limits.all_bytes), "250MB",
        "of all files of one protocol log: beyond, the oldest are deleted", RANGE(MIB, 1024 * TIB),
        .unlimited = true),
    ROW("protocol_max_age", CONF_DURATION, AT(protocol_limits.age_ms), "30d",
        "of a file of a protocol log: older ones are deleted", RANGE(3600000, 3650 * DAYS),
        .unlimited = true),
};
static const struct conf_section LOG_SECTION = {
    .name = "log", .options = LOG_OPTIONS, .count = ARRAY_SIZE(LOG_OPTIONS)};

#define UNAVAILABLE(k, text)                                                                       \
    {                                                                                              \
        .key = (k), .type = CONF_UNAVAILABLE, .standard = "", .help = (text)                       \
    }
static const struct conf_option ADMIN_OPTIONS[] = {
    UNAVAILABLE("socket", "the control socket is not available in this version: remove the key"),
    UNAVAILABLE("listen", "metrics over TCP are not available in this version: remove the key"),
};
static const struct conf_section ADMIN = {
    .name = "admin", .options = ADMIN_OPTIONS, .count = ARRAY_SIZE(ADMIN_OPTIONS)};

static const struct conf_option TLS_OPTIONS[] = {
    ROW("certificate", CONF_FILE, AT(tls.certificate), "",
        "PEM file of the server's certificate, leaf first; relative to this file; without it "
        "STARTTLS is not offered",
        RANGE(1, 4000)),
    ROW("key", CONF_FILE, AT(tls.key), "", "PEM file of its private key; relative to this file",
        RANGE(1, 4000)),
    ROW("minimum", CONF_TEXT, AT(tls.minimum), "1.2",
        "lowest TLS version, both ways; counts for handshakes from then on", .choices = TLS_MINIMA),
    ROW("trust_file", CONF_FILE, AT(tls.trust_file), "",
        "PEM file of trusted authorities; relative to this file; empty: the system's. Without "
        "effect in this version: delivery verifies no certificate",
        RANGE(0, 4000)),
};
static const struct conf_section TLS = {
    .name = "tls", .options = TLS_OPTIONS, .count = ARRAY_SIZE(TLS_OPTIONS)};

static const struct conf_option DNS_OPTIONS[] = {
    ROW("servers", CONF_LIST, ARRAY_AT(dns.servers, dns.server_count), "[]",
        "resolvers; none: the system's", .element = &SERVER, RESTART),
    ROW("dnssec_validation_enabled", CONF_FLAG, AT(dns.dnssec_validation), "true",
        "validate answers with the root's trust anchor", RESTART),
    ROW("allow_special_targets", CONF_FLAG, AT(allow_special_targets), "false",
        "let MX records lead to loopback, link-local and private addresses", RESTART),
    ROW("mx_port", CONF_NUMBER, AT(mx_port), "25", "port of servers found by MX", RANGE(1, 65535)),
};
static const struct conf_section DNS = {
    .name = "dns", .options = DNS_OPTIONS, .count = ARRAY_SIZE(DNS_OPTIONS)};

static const struct conf_option USERS_OPTIONS[] = {
    ROW("file", CONF_FILE, AT(users_file), "",
        "who may log on: name:crypt(3) hash[:groups[:allowed senders]], one a line, written "
        "by `mailrace user`; relative to this file; closed to others (mode 0640)",
        RANGE(1, 4000), .then = conf_read_users),
};
static const struct conf_section USERS = {
    .name = "users", .options = USERS_OPTIONS, .count = ARRAY_SIZE(USERS_OPTIONS)};

#define GROUP(k, s)                                                                                \
    {                                                                                              \
        .key = (k), .type = CONF_GROUP, .standard = "", .section = &(s)                            \
    }
static const struct conf_option ROOT_OPTIONS[] = {
    ROW("hostname", CONF_TEXT, AT(hostname), "the machine's FQDN",
        "our name: banner, EHLO, Received, reports", RANGE(1, 255), RESTART, .computed = true),
    ROW("user", CONF_TEXT, AT(user), "", "the user that the relay runs as once the ports are bound",
        RANGE(1, 64), RESTART),
    GROUP("runtime", RUNTIME),
    GROUP("spool", SPOOL),
    GROUP("queue", QUEUE),
    GROUP("log", LOG_SECTION),
    GROUP("admin", ADMIN),
    GROUP("tls", TLS),
    GROUP("dns", DNS),
    GROUP("users", USERS),
    ROW("accepted_domains", CONF_SECTIONS, ARRAY_AT(rules.domains, rules.domain_count), "()",
        "domains that we take mail for", .section = &CONF_DOMAIN),
    ROW("address_rewrite_entries", CONF_SECTIONS, ARRAY_AT(rules.rewrites, rules.rewrite_count),
        "()",
        "internal addresses that the outside sees as others: in MAIL FROM and in the header's "
        "sender and recipient fields, and back in RCPT TO",
        .section = &CONF_REWRITE),
    ROW("server_permissions", CONF_SECTIONS,
        ARRAY_AT(rules.server_permissions, rules.server_permission_count), "()",
        "rights that every receive connector inherits: what its own groups and permissions say "
        "comes first",
        .section = &CONF_SERVER_PERMISSION),
    ROW("receive_connectors", CONF_SECTIONS, ARRAY_AT(rules.receive, rules.receive_count), "()",
        "who may bring mail, and what they may do", .section = &CONF_RECEIVE),
    ROW("send_connectors", CONF_SECTIONS, ARRAY_AT(rules.send, rules.send_count), "()",
        "the ways out", .section = &CONF_SEND),
    UNAVAILABLE("tls_certificates",
                "certificates by name are not available in this version: use tls.certificate"),
};
const struct conf_section CONF_ROOT = {
    .name = "", .options = ROOT_OPTIONS, .count = ARRAY_SIZE(ROOT_OPTIONS)};
