/* The option table of everything but the connectors: one row gives a key its type, place, range,
 * default, reload class and documentation, and writes the reference page too.
 */
#include "config/conf_private.h"

#include <stddef.h>

#define ROW(section, k, t, member, lo, hi, std, text)                                              \
    {                                                                                              \
        .key = (k), .type = (t), .offset = offsetof(struct section, member), .min = (lo),          \
        .max = (hi), .standard = (std), .help = (text)                                             \
    }
#define RESTART_ROW(section, k, t, member, lo, hi, std, text)                                      \
    {                                                                                              \
        .key = (k), .type = (t), .offset = offsetof(struct section, member), .min = (lo),          \
        .max = (hi), .standard = (std), .help = (text), .reload = CONF_RESTART                     \
    }
#define DAYS 86400000ull

static void take_level(struct conf_reading *r, const struct conf_option *option,
                       const struct conf_value *value, const char *path, void *target)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    struct conf *conf = target;
    (void)option;
    for (size_t i = 0; value->type == CONF_VALUE_TEXT && i < ARRAY_SIZE(names); i++)
        if (strcmp(value->text, names[i]) == 0) {
            conf->log.level = (enum log_level)i;
            return;
        }
    conf_fault(r, value->where, path,
               "one of \"error\", \"warning\", \"info\", \"debug\" is allowed");
}

static void take_format(struct conf_reading *r, const struct conf_option *option,
                        const struct conf_value *value, const char *path, void *target)
{
    struct conf *conf = target;
    (void)option;
    if (value->type == CONF_VALUE_TEXT && strcmp(value->text, "text") == 0)
        conf->log.format = LOG_FORMAT_TEXT;
    else if (value->type == CONF_VALUE_TEXT && strcmp(value->text, "json") == 0)
        conf->log.format = LOG_FORMAT_JSON;
    else
        conf_fault(r, value->where, path, "one of \"text\", \"json\" is allowed");
}

static void take_minimum(struct conf_reading *r, const struct conf_option *option,
                         const struct conf_value *value, const char *path, void *target)
{
    struct conf *conf = target;
    (void)option;
    if (value->type == CONF_VALUE_TEXT &&
        (strcmp(value->text, "1.2") == 0 || strcmp(value->text, "1.3") == 0))
        conf->tls.minimum = value->text;
    else
        conf_fault(r, value->where, path, "one of \"1.2\", \"1.3\" is allowed");
}

static void take_durability(struct conf_reading *r, const struct conf_option *option,
                            const struct conf_value *value, const char *path, void *target)
{
    (void)option, (void)target;
    if (value->type != CONF_VALUE_TEXT || strcmp(value->text, "fsync") != 0)
        conf_fault(r, value->where, path,
                   "\"fsync\" is the only mode that acknowledges a message "
                   "after it is on durable storage, and the only one there is");
}

static void take_writers(struct conf_reading *r, const struct conf_option *option,
                         const struct conf_value *value, const char *path, void *target)
{
    (void)option, (void)target;
    conf_warn(r, value->where, path,
              "is not used any more: one writer takes all messages in, and what several logs hold "
              "from before is delivered");
}

static void take_servers(struct conf_reading *r, const struct conf_option *option,
                         const struct conf_value *value, const char *path, void *target)
{
    struct conf *conf = target;
    (void)option;
    if (!conf_texts(r, value, path))
        return;
    const char **servers = ARENA_NEW_ARRAY(r->arena, const char *, value->count);
    for (size_t i = 0; i < value->count; i++) {
        struct ipaddr addr;
        struct endpoint at;
        struct bytes text = bytes_of(value->items[i].text);
        if (ipaddr_parse(text, &addr) != ERR_OK && endpoint_parse(text, &at) != ERR_OK)
            conf_fault(r, value->items[i].where, path, "\"%s\": IP or IP:PORT is allowed",
                       value->items[i].text);
        servers[i] = value->items[i].text;
    }
    conf->dns.servers = servers;
    conf->dns.server_count = value->count;
}

static void take_server_permissions(struct conf_reading *r, const struct conf_option *option,
                                    const struct conf_value *value, const char *path, void *target)
{
    struct conf *conf = target;
    (void)option;
    conf->rules.server_permissions =
        conf_read_permissions(r, value, path, &conf->rules.server_permission_count);
}

static const struct conf_option RUNTIME_OPTIONS[] = {
    RESTART_ROW(conf, "workers", CONF_UINT, workers, 0, 256, "0",
                "receiving threads; 0: one a CPU"),
    RESTART_ROW(conf, "smart_host_threads", CONF_UINT, smart_host_threads, 0, 256, "0",
                "delivery threads for smart hosts; 0: one for every four CPUs"),
    RESTART_ROW(conf, "mx_threads", CONF_UINT, mx_threads, 0, 256, "0",
                "delivery threads for delivery by MX; 0: one for every four CPUs"),
    RESTART_ROW(
        conf, "batch_scheduling", CONF_FLAG, batch_scheduling, 0, 0, "true",
        "a thread that is woken waits for its turn instead of interrupting another "
        "(SCHED_BATCH): more mail where the relay fills the CPUs, no difference on idle ones; "
        "false where other programs fill them"),
    {.key = "max_connection_rate_per_minute",
     .type = CONF_COUNT,
     .unlimited = true,
     .min = 1,
     .max = UINT32_MAX,
     .offset = offsetof(struct conf, max_connection_rate_per_minute),
     .standard = "unlimited",
     .help = "new connections a minute, all connectors together; beyond: 421"},
};
static const struct conf_section RUNTIME = {"runtime", RUNTIME_OPTIONS,
                                            ARRAY_SIZE(RUNTIME_OPTIONS)};

static const struct conf_option SPOOL_OPTIONS[] = {
    RESTART_ROW(conf, "path", CONF_TEXT, spool.path, 1, 4000, "/var/spool/mailrace",
                "the spool's directory: ours, mode 0700, made if it is not there"),
    RESTART_ROW(conf, "segment_size", CONF_SIZE, spool.segment_size_bytes, 1 << 20, 1ull << 30,
                "32MB", "of one preallocated segment file"),
    RESTART_ROW(conf, "inline_max", CONF_SIZE, spool.inline_max_bytes, 4096, 64 << 20, "128KB",
                "larger messages get a file of their own"),
    RESTART_ROW(conf, "min_free", CONF_SIZE, spool.min_free_bytes, 0, 1ull << 50, "256MB",
                "with less free space on the spool's disk, MAIL is answered 452"),
    {.key = "writers",
     .type = CONF_CUSTOM,
     .custom = take_writers,
     .help = "removed: one writer takes all messages in"},
    {.key = "durability",
     .type = CONF_CUSTOM,
     .custom = take_durability,
     .standard = "fsync",
     .help = "a message is acknowledged after it is on durable storage"},
};
static const struct conf_section SPOOL = {"spool", SPOOL_OPTIONS, ARRAY_SIZE(SPOOL_OPTIONS)};

static const struct conf_option QUEUE_OPTIONS[] = {
    RESTART_ROW(conf, "message_expiration_timeout", CONF_DURATION,
                retry.message_expiration_timeout_ms, 1000, 90 * DAYS, "2d",
                "then the sender gets a non-delivery report"),
    RESTART_ROW(conf, "delay_notification_timeout", CONF_DURATION,
                retry.delay_notification_timeout_ms, 1000, 30 * DAYS, "4h",
                "then the sender is told of the delay, once"),
    RESTART_ROW(conf, "message_retry_interval", CONF_DURATION, retry.message_retry_interval_ms,
                1000, DAYS, "5m", "between attempts of one message that was answered 4xx"),
    RESTART_ROW(conf, "glitch_retry_count", CONF_U32, retry.glitch_retry_count, 0, 15, "4",
                "first attempts to reach a destination again"),
    RESTART_ROW(conf, "glitch_retry_interval", CONF_DURATION, retry.glitch_retry_interval_ms, 1000,
                DAYS, "1m", "between these"),
    RESTART_ROW(conf, "transient_failure_retry_count", CONF_U32,
                retry.transient_failure_retry_count, 0, 15, "6", "attempts after these"),
    RESTART_ROW(conf, "transient_failure_retry_interval", CONF_DURATION,
                retry.transient_failure_retry_interval_ms, 1000, DAYS / 2, "5m", "between these"),
    RESTART_ROW(conf, "outbound_connection_failure_retry_interval", CONF_DURATION,
                retry.outbound_connection_failure_retry_interval_ms, 1000, 20 * DAYS, "10m",
                "between all later attempts to reach a destination"),
    RESTART_ROW(conf, "max_per_domain_outbound_connections", CONF_COUNT,
                max_per_domain_outbound_connections, 1, 10000, "20",
                "connections to one destination"),
};
static const struct conf_section QUEUE = {"queue", QUEUE_OPTIONS, ARRAY_SIZE(QUEUE_OPTIONS)};

static const struct conf_option LOG_OPTIONS[] = {
    {.key = "level",
     .type = CONF_CUSTOM,
     .custom = take_level,
     .standard = "info",
     .help = "error, warning, info or debug"},
    {.key = "format",
     .type = CONF_CUSTOM,
     .custom = take_format,
     .standard = "text",
     .help = "text (key=value) or json, one event a line on standard error"},
    RESTART_ROW(conf, "protocol_path", CONF_TEXT, protocol_path, 1, 4000, "",
                "directory of the protocol logs of connectors with protocol_logging_level "
                "\"Verbose\": made if it is not there, mode 0750"),
    ROW(conf, "protocol_max_file_size", CONF_SIZE, protocol_limits.file_bytes, 1 << 20, 1ull << 40,
        "10MB", "of one file of a protocol log: then another begins"),
    {.key = "protocol_max_directory_size",
     .type = CONF_SIZE,
     .unlimited = true,
     .min = 1 << 20,
     .max = 1ull << 50,
     .offset = offsetof(struct conf, protocol_limits.all_bytes),
     .standard = "250MB",
     .help = "of all files of one protocol log: beyond, the oldest are deleted"},
    {.key = "protocol_max_age",
     .type = CONF_DURATION,
     .unlimited = true,
     .min = 3600000,
     .max = 3650 * DAYS,
     .offset = offsetof(struct conf, protocol_limits.age_ms),
     .standard = "30d",
     .help = "of a file of a protocol log: older ones are deleted"},
};
static const struct conf_section LOG_SECTION = {"log", LOG_OPTIONS, ARRAY_SIZE(LOG_OPTIONS)};

static const struct conf_option ADMIN_OPTIONS[] = {
    {.key = "socket",
     .type = CONF_CUSTOM,
     .custom = conf_refuse,
     .standard = "",
     .help = "the control socket is not available in this version: remove the key"},
    {.key = "listen",
     .type = CONF_CUSTOM,
     .custom = conf_refuse,
     .standard = "",
     .help = "metrics over TCP are not available in this version: remove the key"},
};
static const struct conf_section ADMIN = {"admin", ADMIN_OPTIONS, ARRAY_SIZE(ADMIN_OPTIONS)};

static const struct conf_option TLS_OPTIONS[] = {
    ROW(conf, "certificate", CONF_TEXT, tls.certificate, 1, 4000, "",
        "PEM file of the server's certificate, leaf first; relative to this file; without it "
        "STARTTLS is not offered"),
    ROW(conf, "key", CONF_TEXT, tls.key, 1, 4000, "",
        "PEM file of its private key; relative to this file"),
    {.key = "minimum",
     .type = CONF_CUSTOM,
     .custom = take_minimum,
     .standard = "1.2",
     .help = "lowest TLS version, both ways"},
    ROW(conf, "trust_file", CONF_TEXT, tls.trust_file, 0, 4000, "",
        "PEM file of trusted authorities; relative to this file; empty: the system's"),
};
static const struct conf_section TLS = {"tls", TLS_OPTIONS, ARRAY_SIZE(TLS_OPTIONS)};

static const struct conf_option DNS_OPTIONS[] = {
    {.key = "servers",
     .type = CONF_CUSTOM,
     .custom = take_servers,
     .standard = "[]",
     .help = "resolvers, IP or IP:PORT; none: the system's"},
    RESTART_ROW(conf, "dnssec_validation_enabled", CONF_FLAG, dns.dnssec_validation, 0, 0, "true",
                "validate answers with the root's trust anchor"),
    RESTART_ROW(conf, "allow_special_targets", CONF_FLAG, allow_special_targets, 0, 0, "false",
                "let MX records lead to loopback, link-local and private addresses"),
    RESTART_ROW(conf, "mx_port", CONF_PORT, mx_port, 1, 65535, "25", "port of servers found by MX"),
};
static const struct conf_section DNS = {"dns", DNS_OPTIONS, ARRAY_SIZE(DNS_OPTIONS)};

static const struct conf_option USERS_OPTIONS[] = {
    {.key = "file",
     .type = CONF_CUSTOM,
     .custom = conf_take_users_file,
     .standard = "",
     .help = "who may log on: name:crypt(3) hash[:groups[:allowed senders]], one a line, written "
             "by `mailrace user`; relative to this file; closed to others (mode 0640)"},
};
static const struct conf_section USERS = {"users", USERS_OPTIONS, ARRAY_SIZE(USERS_OPTIONS)};

#define GROUP(k, s)                                                                                \
    {                                                                                              \
        .key = (k), .type = CONF_GROUP, .section = &(s)                                            \
    }
static const struct conf_option ROOT_OPTIONS[] = {
    RESTART_ROW(conf, "hostname", CONF_TEXT, hostname, 1, 255, "the machine's FQDN",
                "our name: banner, EHLO, Received, reports"),
    RESTART_ROW(conf, "user", CONF_TEXT, user, 1, 64, "",
                "who to become after the ports are bound"),
    GROUP("runtime", RUNTIME),
    GROUP("spool", SPOOL),
    GROUP("queue", QUEUE),
    GROUP("log", LOG_SECTION),
    GROUP("admin", ADMIN),
    GROUP("tls", TLS),
    GROUP("dns", DNS),
    GROUP("users", USERS),
    {.key = "accepted_domains",
     .type = CONF_CUSTOM,
     .custom = conf_take_domains,
     .section = &CONF_DOMAIN,
     .standard = "()",
     .help = "domains that we take mail for"},
    {.key = "address_rewrite_entries",
     .type = CONF_CUSTOM,
     .custom = conf_take_rewrites,
     .section = &CONF_REWRITE,
     .standard = "()",
     .help = "internal addresses that the outside sees as others: in MAIL FROM and in the header's "
             "sender and recipient fields, and back in RCPT TO"},
    {.key = "server_permissions",
     .type = CONF_CUSTOM,
     .custom = take_server_permissions,
     .section = &CONF_SERVER_PERMISSION,
     .standard = "()",
     .help = "rights that every receive connector inherits: what its own groups and permissions "
             "say comes first"},
    {.key = "receive_connectors",
     .type = CONF_CUSTOM,
     .custom = conf_take_receive,
     .section = &CONF_RECEIVE,
     .standard = "()",
     .help = "who may bring mail, and what they may do"},
    {.key = "send_connectors",
     .type = CONF_CUSTOM,
     .custom = conf_take_send,
     .section = &CONF_SEND,
     .standard = "()",
     .help = "the ways out"},
    {.key = "tls_certificates",
     .type = CONF_CUSTOM,
     .custom = conf_refuse,
     .standard = "",
     .help = "certificates by name are not available in this version: use tls.certificate"},
};
const struct conf_section CONF_ROOT = {"", ROOT_OPTIONS, ARRAY_SIZE(ROOT_OPTIONS)};
