/* Sending: routes for the scheduler, and its jobs on the delivery threads. */
#include "mailrace/outbound.h"

#include <inttypes.h>
#include <stdio.h>

#include "config/conf.h"
#include "core/hash.h"
#include "core/header_class.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/log.h"
#include "core/thread.h"
#include "net/courier.h"
#include "net/smtp_data.h"

#include "mailrace/message_notes.h"
#include "mailrace/outbound_route.h"
#include "mailrace/outbound_text.h"
#include "mailrace/protocol_log.h"
#include "mailrace/rules.h"

_Static_assert(SCHED_NOTE_DOT_LINE == SMTP_DATA_DOT_LINE, "the queue's note is the session's");

struct delivery { /* one thread */
    struct outbound *outbound;
    struct loop *loop;
    struct courier *courier;
    struct thread thread;
    char name[16];
};

struct delivery_pool {
    struct delivery *threads;
    unsigned count;
    unsigned next; /* scheduler's thread */
};

struct outbound {
    const struct outbound_services *services;
    struct tls_context *tls;
    struct delivery_pool smart_host, mx;
};

/* One job on its delivery thread; in the job's arena. */
struct outbound_job {
    struct courier_job courier;
    struct delivery *delivery;
    struct sched_job *job;
    struct spool_message message;
    struct mail_envelope envelope; /* only the job's recipients */
    struct outbound_text text;     /* what is sent, when it is not all of the message */
};

/* --- Routes: asked by the scheduler, on its thread --- */

static struct route *on_route(void *owner, struct bytes domain, uint64_t octets,
                              struct mail_status *status)
{
    struct outbound *o = owner;
    struct rules *rules = rules_hold(o->services->rules);
    struct send_choice found = ruleset_route(rules->ruleset, domain, octets);
    if (found.connector)
        return outbound_route_new(rules, found.connector, domain, o->smart_host.count);
    *status =
        found.too_big
            ? MAIL_STATUS(552, 5, 3, 4, "Message size exceeds fixed maximum message size")
            : MAIL_STATUS(451, 4, 4, 0,
                          "A matching connector cannot be found to route the external recipient");
    rules_release(&rules);
    return NULL;
}

/* All jobs of a domain go to one thread, so that they share its connections; a smart host has
 * connections on every thread of its pool. */
static struct delivery *choose_delivery(struct outbound *o, const struct route *route)
{
    bool smart_host = outbound_route_by_smart_host(route);
    struct delivery_pool *pool = smart_host ? &o->smart_host : &o->mx;
    uint64_t i = smart_host ? pool->next++
                            : hash_mix(hash_bytes(HASH_START, bytes_of(route->connection_key)));
    ASSERT(pool->count > 0);
    return &pool->threads[i % pool->count];
}

/* --- A job: from here on the delivery thread --- */

static void finish(struct outbound_job *oj)
{
    spool_message_close(&oj->message);
    sched_finished(oj->delivery->outbound->services->sched, oj->job);
}

static void on_delivered(struct courier_job *courier)
{
    struct outbound_job *oj = CONTAINER_OF(courier, struct outbound_job, courier);
    ASSERT(oj->job->attempt.results);
    finish(oj);
}

static bool read_text(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    struct courier_job *courier = CONTAINER_OF(m, struct courier_job, message);
    struct outbound_job *oj = CONTAINER_OF(courier, struct outbound_job, courier);
    return spool_read_text(&oj->message, at, to, len) == ERR_OK;
}

static bool read_filtered(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    struct courier_job *courier = CONTAINER_OF(m, struct courier_job, message);
    struct outbound_job *oj = CONTAINER_OF(courier, struct outbound_job, courier);
    return outbound_text_read(&oj->text, at, to, len) == ERR_OK;
}

/* The classes that this message may have to lose on this route. Its trace header is always there;
 * the others only if inbound saw any. */
static unsigned classes_to_strip(const struct outbound_job *oj)
{
    unsigned present = HEADER_CLASS_ROUTING;
    if (oj->message.meta.notes & MESSAGE_NOTE_EXCHANGE_FIELDS)
        present |= HEADER_CLASS_ORGANIZATION | HEADER_CLASS_FOREST;
    return oj->job->route->stripped_classes & present;
}

/* The text of the message as the next hop may see it; ERR_OK: it can be sent. */
static enum err prepare_text(struct outbound_job *oj)
{
    struct smtp_client_message *m = &oj->courier.message;
    const struct rewrite_set *rewrites = outbound_route_rewrites(oj->job->route);
    unsigned classes = classes_to_strip(oj);
    m->octets = oj->message.meta.octets;
    m->notes = oj->message.meta.notes;
    m->read = read_text;
    if (classes == 0 && !rewrites)
        return ERR_OK;
    enum err e = outbound_text_make(&oj->text, &oj->message, classes, rewrites, &oj->job->arena);
    m->octets = oj->text.octets;
    m->read = read_filtered;
    return e;
}

/* No host was asked: the same answer for all. */
static void refuse_job(struct outbound_job *oj, enum err e)
{
    struct sched_job *job = oj->job;
    struct mail_attempt *attempt = &job->attempt;
    attempt->results = ARENA_NEW_ARRAY(&job->arena, struct mail_status, attempt->rcpt_count);
    for (size_t i = 0; i < attempt->rcpt_count; i++)
        attempt->results[i] =
            e == ERR_LIMIT
                ? MAIL_STATUS(554, 5, 6, 0,
                              "The message's header has too many fields to be left out")
                : MAIL_STATUS(451, 4, 3, 0, "The message could not be read from the spool");
    finish(oj);
}

static void select_rcpts(struct outbound_job *oj)
{
    const struct mail_envelope *all = &oj->message.envelope;
    const struct mail_attempt *attempt = &oj->job->attempt;
    size_t count = attempt->rcpt_count;
    oj->envelope = *all;
    if (count == all->rcpt_count)
        return;
    struct mail_rcpt *rcpts = ARENA_NEW_ARRAY(&oj->job->arena, struct mail_rcpt, count);
    for (size_t i = 0; i < count; i++)
        rcpts[i] = all->rcpts[attempt->rcpts[i]];
    oj->envelope.rcpts = rcpts;
    oj->envelope.rcpt_count = count;
}

static void rewrite_sender(struct outbound_job *oj, const struct rewrite_set *rewrites)
{
    struct rewrite_result new = rewrite_outbound(rewrites, oj->envelope.sender);
    if (new.entry)
        oj->envelope.sender = bytes_of(arena_printf(&oj->job->arena, BYTES_FMT "@" BYTES_FMT,
                                                    BYTES_ARG(new.local), BYTES_ARG(new.domain)));
}

static bool rcpts_exist(const struct outbound_job *oj)
{
    const struct mail_attempt *attempt = &oj->job->attempt;
    for (size_t i = 0; i < attempt->rcpt_count; i++)
        if (attempt->rcpts[i] >= oj->message.envelope.rcpt_count)
            return false;
    return true;
}

static void run_job(struct mailbox_item *item)
{
    struct sched_job *job = CONTAINER_OF(item, struct sched_job, item);
    struct outbound_job *oj = ARENA_NEW(&job->arena, struct outbound_job);
    const struct rewrite_set *rewrites = outbound_route_rewrites(job->route);
    struct err_detail why;
    oj->job = job;
    oj->delivery = job->owner;
    const struct outbound_services *services = oj->delivery->outbound->services;
    if (spool_read_recent(services->spool, &job->ref, &job->arena, &oj->message, &why) != ERR_OK) {
        LOG(LOG_ERROR, "message_unreadable", LOG_U64("id", job->ref.id),
            LOG_STR("reason", why.text));
        job->unreadable = true;
        sched_finished(services->sched, job);
        return;
    }
    if (!rcpts_exist(oj)) {
        job->unreadable = true;
        finish(oj);
        return;
    }
    select_rcpts(oj);
    if (rewrites)
        rewrite_sender(oj, rewrites);
    enum err e = prepare_text(oj);
    if (e != ERR_OK) {
        refuse_job(oj, e);
        return;
    }
    oj->courier.message.envelope = &oj->envelope;
    oj->courier.route = job->route;
    oj->courier.attempt = &job->attempt;
    oj->courier.id = job->ref.id;
    oj->courier.message_id = oj->message.meta.message_id;
    oj->courier.arena = &job->arena;
    oj->courier.on_done = on_delivered;
    courier_deliver(oj->delivery->courier, &oj->courier);
}

static void on_deliver(void *owner, struct sched_job *job)
{
    struct outbound *o = owner;
    struct delivery *d = choose_delivery(o, job->route);
    job->owner = d;
    job->item.run = run_job;
    mailbox_send(loop_mailbox(d->loop), &job->item);
}

const struct sched_ops OUTBOUND_SCHED_OPS = {
    .route = on_route,
    .deliver = on_deliver,
};

/* --- The protocol log --- */

static void on_note(void *owner, const struct courier_note *note)
{
    struct protocol_log *log = owner;
    struct protocol_log_line line = {
        .connector = bytes_of(note->connector),
        .session_id = note->session_id,
        .sequence = note->sequence,
        .local = note->local,
        .remote = note->remote,
        .event = note->event,
        .data = note->data,
        .context = note->context,
    };
    protocol_log_write(log, PROTOCOL_LOG_SEND, &line);
}

/* --- Threads --- */

static void delivery_run(void *arg)
{
    struct delivery *d = arg;
    loop_run(d->loop);
}

static enum err pool_new(struct outbound *o, struct delivery_pool *pool, const char *name,
                         unsigned count, const struct courier_settings *settings,
                         struct err_detail *why)
{
    pool->threads = MEM_NEW_ARRAY(struct delivery, count);
    pool->count = count;
    for (unsigned i = 0; i < count; i++) {
        struct delivery *d = &pool->threads[i];
        d->outbound = o;
        snprintf(d->name, sizeof d->name, "%s %u", name, i % 1000);
        enum err e = loop_new(&d->loop, why);
        if (e == ERR_OK)
            e = courier_new(d->loop, settings, &d->courier, why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

enum err outbound_new(const struct outbound_services *services, const struct conf *conf,
                      struct outbound **out, struct err_detail *why)
{
    struct outbound *o = MEM_NEW(struct outbound);
    *out = o;
    o->services = services;
    enum err e = tls_context_client(&conf->tls, &o->tls, why);
    if (e != ERR_OK)
        return e;
    struct courier_settings settings = {
        .helo = conf->hostname,
        .dns = &conf->dns,
        .tls = o->tls,
        .timeouts = SMTP_CLIENT_TIMEOUTS_DEFAULT,
        .connect_timeout_ms = 30 * 1000,
        .idle_timeout_ms = 5 * 1000,
        .allow_special_targets = conf->allow_special_targets,
        .on_note = services->protocol_log ? on_note : NULL,
        .owner = services->protocol_log,
    };
    e = pool_new(o, &o->smart_host, "smarthost", conf->smart_host_threads, &settings, why);
    if (e == ERR_OK)
        e = pool_new(o, &o->mx, "mx", conf->mx_threads, &settings, why);
    return e;
}

/* --- New TLS settings: each delivery thread gets a reference --- */

struct tls_change {
    struct mailbox_item item;
    struct delivery *delivery;
    struct tls_context *tls;
};

static void run_tls_change(struct mailbox_item *item)
{
    struct tls_change *change = CONTAINER_OF(item, struct tls_change, item);
    if (change->delivery->courier)
        courier_tls_set(change->delivery->courier, change->tls);
    tls_context_unref(&change->tls);
    mem_free(change);
}

static void send_tls(struct delivery_pool *pool, struct tls_context *tls)
{
    for (unsigned i = 0; i < pool->count; i++) {
        struct tls_change *change = MEM_NEW(struct tls_change);
        change->item.run = run_tls_change;
        change->delivery = &pool->threads[i];
        change->tls = tls_context_ref(tls);
        mailbox_send(loop_mailbox(pool->threads[i].loop), &change->item);
    }
}

void outbound_tls_set(struct outbound *o, struct tls_context *tls)
{
    tls_context_unref(&o->tls);
    o->tls = tls;
    send_tls(&o->smart_host, tls);
    send_tls(&o->mx, tls);
}

static enum err pool_start(struct delivery_pool *pool, struct err_detail *why)
{
    for (unsigned i = 0; i < pool->count; i++) {
        struct delivery *d = &pool->threads[i];
        enum err e = thread_start(&d->thread, d->name, delivery_run, d, why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

enum err outbound_start(struct outbound *o, struct err_detail *why)
{
    enum err e = pool_start(&o->smart_host, why);
    return e == ERR_OK ? pool_start(&o->mx, why) : e;
}

static bool pool_turn(struct delivery_pool *pool)
{
    bool any = false;
    for (unsigned i = 0; i < pool->count; i++)
        any = loop_turn(pool->threads[i].loop, 0) || any;
    return any;
}

bool outbound_turn(struct outbound *o)
{
    bool any = pool_turn(&o->smart_host);
    return pool_turn(&o->mx) || any;
}

static void pool_stop(struct delivery_pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        if (pool->threads[i].thread.started)
            loop_stop(pool->threads[i].loop);
        thread_join(&pool->threads[i].thread);
        courier_free(&pool->threads[i].courier);
        while (loop_turn(pool->threads[i].loop, 0))
            continue;
    }
}

void outbound_stop(struct outbound *o)
{
    pool_stop(&o->smart_host);
    pool_stop(&o->mx);
}

static void pool_free(struct delivery_pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        courier_free(&pool->threads[i].courier);
        loop_free(&pool->threads[i].loop);
    }
    mem_free(pool->threads);
}

void outbound_free(struct outbound **outbound)
{
    struct outbound *o = *outbound;
    if (!o)
        return;
    pool_free(&o->smart_host);
    pool_free(&o->mx);
    tls_context_unref(&o->tls);
    mem_free(o);
    *outbound = NULL;
}
