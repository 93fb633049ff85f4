/* A reload: check everything, then change everything. */
#include "mailrace/reload.h"

#include "core/kill_point.h"
#include "core/log.h"

#include "mailrace/protocol_log.h"
#include "mailrace/relay.h"
#include "mailrace/scheduler.h"

static void report_fault(void *owner, const struct conf_fault *fault)
{
    (void)owner;
    if (fault->running) {
        LOG(LOG_WARNING, "reload_needs_restart", LOG_STR("key", fault->key),
            LOG_STR("running", fault->running), LOG_STR("configured", fault->text),
            LOG_STR("effect", "the old value stays in force until the relay is restarted"));
        return;
    }
    LOG(fault->is_warning ? LOG_WARNING : LOG_ERROR,
        fault->is_warning ? "config_warning" : "config_fault", LOG_STR("where", fault->where),
        LOG_STR("key", fault->key), LOG_STR("text", fault->text));
}

static enum err refused(const struct relay *relay, enum err e, const char *reason)
{
    LOG(LOG_ERROR, "reload_refused", LOG_STR("file", relay->file), LOG_STR("reason", reason),
        LOG_STR("effect", "the configuration that was in force stays in force"));
    return e;
}

/* What a reload swaps in, once nothing can fail any more. */
struct fresh {
    struct rules *rules;
    struct tls_context *tls_client;
};

static enum err load(struct relay *relay, struct conf **conf, struct ruleset **ruleset)
{
    struct rules *running = rules_hold(relay->rules);
    enum err e = conf_reload(running->conf, report_fault, NULL, conf, ruleset);
    rules_release(&running);
    return e == ERR_OK ? e : refused(relay, e, "the file is faulty");
}

static enum err prepare(struct relay *relay, struct fresh *fresh)
{
    struct conf *conf = NULL;
    struct ruleset *ruleset = NULL;
    struct err_detail why = {""};
    enum err e = load(relay, &conf, &ruleset);
    if (e != ERR_OK)
        return e;
    e = rules_make(relay->rules, conf, ruleset, &fresh->rules, &why);
    if (e == ERR_OK)
        e = tls_context_client(&fresh->rules->conf->tls, &fresh->tls_client, &why);
    if (e == ERR_OK)
        e = bindings_follow(&relay->bindings, fresh->rules->ruleset, &why);
    if (e == ERR_OK)
        return ERR_OK;
    tls_context_unref(&fresh->tls_client);
    rules_release(&fresh->rules);
    return refused(relay, e, why.text);
}

enum err reload(struct relay *relay)
{
    struct fresh fresh = {NULL, NULL};
    enum err e = prepare(relay, &fresh);
    if (e != ERR_OK)
        return e;
    const struct conf *conf = fresh.rules->conf; /* good until the next reload */
    log_configure(&conf->log);
    if (relay->protocol_log)
        protocol_log_limit(relay->protocol_log, &conf->protocol_limits);
    spool_min_free_set(relay->spool, conf->spool.min_free_bytes);
    outbound_tls_set(relay->outbound, fresh.tls_client);
    KILL_POINT("reload_bound");
    rules_publish(relay->rules, fresh.rules);
    KILL_POINT("reload_published");
    scheduler_follow(relay->sched, relay->sched_loop, conf, fresh.rules->ruleset);
    LOG(LOG_INFO, "reloaded", LOG_STR("file", relay->file));
    return ERR_OK;
}
