/* The file read again while the relay runs: the new rules are made aside and published whole. */
#include "mailrace/reload.h"

#include <string.h>

#include "core/kill_point.h"
#include "core/log.h"

#include "mailrace/protocol_log.h"
#include "mailrace/relay.h"

static void report_fault(void *owner, const struct conf_fault *fault)
{
    (void)owner;
    LOG(fault->is_warning ? LOG_WARNING : LOG_ERROR,
        fault->is_warning ? "config_warning" : "config_fault", LOG_STR("where", fault->where),
        LOG_STR("key", fault->key), LOG_STR("text", fault->text));
}

static void warn_restart(bool changed, const char *key)
{
    if (changed)
        LOG(LOG_WARNING, "reload_needs_restart", LOG_STR("key", key),
            LOG_STR("effect", "the old value stays in force until the relay is restarted"));
}

static void warn_fixed_settings(const struct conf *old, const struct conf *new_conf)
{
    warn_restart(strcmp(old->spool.path, new_conf->spool.path) != 0, "spool.path");
    warn_restart(old->workers != new_conf->workers, "runtime.workers");
    warn_restart(old->smart_host_threads != new_conf->smart_host_threads,
                 "runtime.smart_host_threads");
    warn_restart(old->mx_threads != new_conf->mx_threads, "runtime.mx_threads");
    warn_restart(strcmp(old->protocol_path ? old->protocol_path : "",
                        new_conf->protocol_path ? new_conf->protocol_path : "") != 0,
                 "log.protocol_path");
    warn_restart(strcmp(old->hostname, new_conf->hostname) != 0, "hostname");
}

enum err reload(struct relay *relay)
{
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    struct rules *published = NULL;
    struct err_detail why = {""};
    enum err e = conf_load(relay->file, report_fault, NULL, &conf, &rules);
    if (e != ERR_OK) {
        LOG(LOG_ERROR, "reload_refused", LOG_STR("file", relay->file),
            LOG_STR("effect", "the configuration that was in force stays in force"));
        return e;
    }
    e = rules_make(relay->rules, conf, rules, &published, &why);
    if (e == ERR_OK)
        e = bindings_follow(&relay->bindings, rules, &why);
    if (e != ERR_OK) {
        rules_release(&published);
        LOG(LOG_ERROR, "reload_refused", LOG_STR("file", relay->file), LOG_STR("reason", why.text),
            LOG_STR("effect", "the configuration that was in force stays in force"));
        return e;
    }
    log_configure(&conf->log);
    if (relay->protocol_log)
        protocol_log_limit(relay->protocol_log, &conf->protocol_limits);
    KILL_POINT("reload_bound");
    struct rules *old = rules_hold(relay->rules);
    warn_fixed_settings(old->conf, conf);
    rules_release(&old);
    rules_publish(relay->rules, published);
    KILL_POINT("reload_published");
    relay_ask_scheduler(relay, sched_retry_all); /* queued mail follows the new routes at once */
    LOG(LOG_INFO, "reloaded", LOG_STR("file", relay->file));
    return ERR_OK;
}
