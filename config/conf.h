/* config/conf.h - the configuration file (libconfig), read, checked and turned into everyone's
 * settings. Knows all parts; only programs know it. Keys and defaults: docs/configuration.md, which
 * the option table (config/conf_option.h) writes.
 */
#ifndef CONFIG_CONF_H
#define CONFIG_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/csv_log.h"
#include "core/err.h"
#include "core/log.h"
#include "net/dns.h"
#include "net/tls.h"
#include "policy/ruleset.h"
#include "queue/sched.h"
#include "queue/spool.h"

struct conf { /* immutable once loaded; text lives in arena */
    struct arena arena;
    const char *file;
    const char *hostname;
    const char *user;                                 /* NULL: the one that started it */
    unsigned workers, smart_host_threads, mx_threads; /* never 0 here */
    bool batch_scheduling;
    uint64_t max_connection_rate_per_minute; /* UINT64_MAX: unlimited */
    struct spool_settings spool;
    const char *durability; /* "fsync" */
    struct retry_settings retry;
    uint64_t max_per_domain_outbound_connections;
    struct log_settings log;
    const char *protocol_path;             /* directory of the protocol logs; NULL: none */
    struct csv_log_limits protocol_limits; /* of either of them */
    const char *admin_socket, *admin_listen;
    struct tls_settings tls;
    struct dns_settings dns;
    bool allow_special_targets;    /* dns.allow_special_targets: MX may lead to loopback: tests */
    uint16_t mx_port;              /* dns.mx_port: 25 */
    const char *users_file;        /* NULL: no logons */
    struct ruleset_settings rules; /* its accounts are held here too */
};

/* One fault or warning: "FILE:LINE: key: what is wrong and what is allowed". */
struct conf_fault {
    const char *where; /* "relay.conf:31" */
    const char *key;   /* "receive_connectors[1].bindings", or "" */
    const char *text;
    bool is_warning;
    /* Not NULL: a warning of conf_reload(): the running value, which stays in force until the next
     * start; TEXT is the new one. */
    const char *running;
};
typedef void (*conf_report)(void *owner, const struct conf_fault *fault);

/* Reads and checks FILE, reports every fault in one run, and builds the ruleset. ERR_OK: CONF and
 * RULES are the caller's. Warnings alone are ERR_OK. */
MUST_USE enum err conf_load(const char *file, conf_report report, void *owner, struct conf **conf,
                            struct ruleset **rules);
/* The same of RUNNING's file, for a relay that runs: what only a restart changes keeps RUNNING's
 * value, and a warning names each such key that has another value in the file. */
MUST_USE enum err conf_reload(const struct conf *running, conf_report report, void *owner,
                              struct conf **conf, struct ruleset **rules);
/* The same from text; FILE names it in messages. Looks at no certificate. */
MUST_USE enum err conf_load_text(const char *text, const char *file, conf_report report,
                                 void *owner, struct conf **conf, struct ruleset **rules);
void conf_free(struct conf **conf);
/* Writes the reference page (Markdown) from the option table. */
void conf_write_reference(FILE *out);
/* The machine's fully qualified name, or its plain one. */
const char *conf_default_hostname(struct arena *arena);

/* "36MB", "64KB", "unlimited"; "30s", "5m", "4h", "2d", "dd.hh:mm:ss". */
MUST_USE enum err conf_parse_size(struct bytes text, uint64_t *bytes);
MUST_USE enum err conf_parse_duration(struct bytes text, uint64_t *ms);

#endif
