/* The object graph: made in order, started, and taken down in the other order. */
#include "mailrace/relay.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "policy/source_table.h"

#include "mailrace/auth_pool.h"
#include "mailrace/outbound.h"
#include "mailrace/privdrop.h"
#include "mailrace/protocol_log.h"
#include "mailrace/scheduler.h"
#include "mailrace/worker.h"

/* Sources with a session at one time, all connectors together: 4 MiB. */
#define RELAY_SOURCES (256 * 1024)

/* --- Start --- */

static void sched_run(void *arg)
{
    loop_gather(arg);
    loop_run(arg);
}

static enum err start_delivery(struct relay *relay, const struct conf *conf,
                               const struct ruleset *rules, struct err_detail *why)
{
    struct arena arena;
    arena_init(&arena, 0);
    const struct sched_settings settings = scheduler_settings(conf, rules, &arena);
    relay->delivery = (struct outbound_services){
        .rules = relay->rules, .spool = relay->spool, .protocol_log = relay->protocol_log};
    enum err e = outbound_new(&relay->delivery, conf, &relay->outbound, why);
    if (e == ERR_OK)
        e = loop_new(&relay->sched_loop, why);
    if (e == ERR_OK) {
        relay->sched = sched_new(relay->sched_loop, &settings, relay->spool, &OUTBOUND_SCHED_OPS,
                                 relay->outbound);
        relay->delivery.sched = relay->sched;
        requeue_start(&relay->requeue, relay->sched_loop, relay->sched, relay->spool);
        e = spool_start(relay->spool, why);
    }
    if (e == ERR_OK)
        e = outbound_start(relay->outbound, why);
    if (e == ERR_OK)
        e = thread_start(&relay->sched_thread, "scheduler", sched_run, relay->sched_loop, why);
    arena_free(&arena);
    return e;
}

static enum err make_workers(struct relay *relay, unsigned count, struct err_detail *why)
{
    relay->workers = MEM_NEW_ARRAY(struct worker *, count);
    for (unsigned i = 0; i < count; i++) {
        enum err e = worker_new(i, &relay->workers[i], why);
        if (e != ERR_OK)
            return e;
        relay->worker_count = i + 1;
    }
    relay->bindings.workers = relay->workers;
    relay->bindings.worker_count = relay->worker_count;
    return ERR_OK;
}

static enum err start_workers(struct relay *relay, struct err_detail *why)
{
    enum err started = auth_pool_new(0, &relay->auth_pool, why);
    if (started == ERR_OK)
        started = auth_pool_start(relay->auth_pool, why);
    if (started != ERR_OK)
        return started;
    struct inbound_services services = {
        .rules = relay->rules,
        .spool = relay->spool,
        .sched = relay->sched,
        .sources = relay->sources,
        .auth_pool = relay->auth_pool,
        .protocol_log = relay->protocol_log,
        .sessions_in_all = &relay->sessions,
        .workers = relay->worker_count,
    };
    for (unsigned i = 0; i < relay->worker_count; i++) {
        enum err e = worker_start(relay->workers[i], &services, why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static enum err recover(struct relay *relay, const struct conf *conf, struct err_detail *why)
{
    uint64_t began_ms = clock_mono_ms();
    struct spool_stats stats;
    enum err e = spool_open(&conf->spool, io_system, &relay->spool, why);
    if (e != ERR_OK)
        return e;
    spool_stats_read(relay->spool, &stats);
    LOG(LOG_INFO, "recovered", LOG_STR("path", conf->spool.path),
        LOG_U64("messages", stats.live_messages), LOG_U64("segments", stats.segments),
        LOG_U64("set_aside", stats.quarantined), LOG_U64("ms", clock_mono_ms() - began_ms));
    return ERR_OK;
}

static enum err open_protocol_log(struct relay *relay, const struct conf *conf,
                                  struct err_detail *why)
{
    struct protocol_log_settings settings = {
        .path = conf->protocol_path,
        .user = conf->user,
        .server = conf->hostname,
        .limits = conf->protocol_limits,
    };
    return protocol_log_open(&settings, &relay->protocol_log, why);
}

/* For this thread and all that it starts. Where it is refused mail flows all the same. */
static void schedule_in_batches(void)
{
    static const struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_BATCH, &none) != 0)
        LOG(LOG_WARNING, "batch_scheduling_refused", LOG_STR("error", strerrordesc_np(errno)));
}

/* Ports first, as long as we may; then nothing of root is left; then files and threads. */
static enum err start(struct relay *relay, struct conf *conf, struct ruleset *rules,
                      struct err_detail *why)
{
    struct rules *published;
    relay->rules = rules_place_new();
    enum err e = rules_make(relay->rules, conf, rules, &published, why);
    if (e != ERR_OK)
        return e;
    rules_publish(relay->rules, published);
    e = make_workers(relay, conf->workers, why);
    if (e == ERR_OK)
        e = bindings_follow(&relay->bindings, rules, why);
    if (e == ERR_OK && conf->protocol_path)
        e = open_protocol_log(relay, conf, why);
    if (e == ERR_OK)
        e = privdrop(conf->user, why);
    if (e == ERR_OK)
        e = recover(relay, conf, why);
    if (e == ERR_OK && conf->batch_scheduling)
        schedule_in_batches();
    if (e == ERR_OK)
        e = log_start(why);
    if (e == ERR_OK && relay->protocol_log)
        e = protocol_log_start(relay->protocol_log, why);
    if (e == ERR_OK)
        e = start_delivery(relay, conf, rules, why);
    return e == ERR_OK ? start_workers(relay, why) : e;
}

enum err relay_start(struct conf *conf, struct ruleset *rules, struct relay **out,
                     struct err_detail *why)
{
    struct relay *relay = MEM_NEW(struct relay);
    relay->file = mem_strdup(conf->file);
    log_configure(&conf->log);
    inbound_init();
    relay->sources = source_table_new(RELAY_SOURCES);
    enum err e = start(relay, conf, rules, why);
    if (e != ERR_OK) {
        relay_stop(&relay, 0);
        return e;
    }
    *out = relay;
    return ERR_OK;
}

/* --- Stop --- */

static bool wait_until(uint64_t deadline_ms, bool (*over)(struct relay *), struct relay *relay)
{
    while (!over(relay)) {
        if (clock_mono_ms() >= deadline_ms)
            return false;
        usleep(5000);
    }
    return true;
}

static bool sessions_over(struct relay *relay)
{
    return atomic_load_explicit(&relay->sessions, memory_order_relaxed) == 0;
}

static bool jobs_over(struct relay *relay)
{
    struct sched_stats stats;
    sched_stats_read(relay->sched, &stats);
    return stats.jobs_under_way == 0;
}

static void drain(struct relay *relay, uint64_t timeout_ms)
{
    uint64_t deadline_ms = clock_mono_ms() + timeout_ms;
    for (unsigned i = 0; i < relay->worker_count; i++)
        worker_drain(relay->workers[i]);
    bool in = wait_until(deadline_ms, sessions_over, relay);
    scheduler_drain(relay->sched, relay->sched_loop);
    bool out = wait_until(deadline_ms, jobs_over, relay);
    LOG(LOG_INFO, "drained", LOG_STR("sessions", in ? "all closed" : "some cut"),
        LOG_STR("deliveries", out ? "all finished" : "some broken off, they are tried again"));
}

void relay_stop(struct relay **relay_at, uint64_t timeout_ms)
{
    struct relay *relay = *relay_at;
    if (!relay)
        return;
    if (relay->sched_thread.started && timeout_ms)
        drain(relay, timeout_ms);
    for (unsigned i = 0; i < relay->worker_count; i++)
        worker_stop(relay->workers[i]);
    if (relay->auth_pool)
        auth_pool_stop(relay->auth_pool);
    if (relay->outbound)
        outbound_stop(relay->outbound);
    if (relay->sched_thread.started)
        loop_stop(relay->sched_loop);
    thread_join(&relay->sched_thread);
    requeue_stop(&relay->requeue);
    if (relay->spool)
        spool_stop(relay->spool);
    /* Completions of the last group wait in the workers' mailboxes: run by loop_free(). */
    for (unsigned i = 0; i < relay->worker_count; i++)
        worker_free(&relay->workers[i]);
    auth_pool_free(&relay->auth_pool);
    sched_free(&relay->sched);
    loop_free(&relay->sched_loop);
    outbound_free(&relay->outbound);
    spool_free(&relay->spool);
    protocol_log_stop(&relay->protocol_log);
    log_stop();
    rules_place_free(&relay->rules);
    source_table_free(&relay->sources);
    mem_free(relay->workers);
    bindings_free(&relay->bindings);
    mem_free(relay->file);
    mem_free(relay);
    *relay_at = NULL;
}
