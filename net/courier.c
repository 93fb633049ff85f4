#include "net/courier.h"

#include <string.h>

#include "core/mem.h"
#include "net/session_pool_private.h"

#define BUCKETS_FIRST 64

void pool_queue_push(struct pool_queue *q, struct courier_job *job)
{
    job->next = NULL;
    if (q->head == NULL) {
        q->tail = &q->head;
    }
    *q->tail = job;
    q->tail = &job->next;
}

struct courier_job *pool_queue_pop(struct pool_queue *q)
{
    struct courier_job *job = q->head;
    if (job != NULL) {
        q->head = job->next;
        job->next = NULL;
    }
    return job;
}

void courier_job_finish(struct courier_job *job, const struct mail_status *status)
{
    struct mail_status copy = {0};
    for (size_t i = 0; i < job->message.envelope->rcpt_count; i++) {
        if (job->attempt->results[i].code != 0) {
            continue;
        }
        if (copy.code == 0) {
            copy = mail_status_copy(job->arena, status);
        }
        job->attempt->results[i] = copy;
    }
    job->on_done(job);
}

/* FNV-1a: keys are made by us, from configuration and domain names. */
static uint64_t key_hash(const char *key)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *key != '\0'; key++) {
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    }
    return h;
}

static void buckets_grow(struct courier *c)
{
    size_t count = c->bucket_count * 2;
    struct pool_destination **buckets = MEM_NEW_ARRAY(struct pool_destination *, count);
    for (size_t i = 0; i < c->bucket_count; i++) {
        for (struct pool_destination *d = c->buckets[i], *next; d != NULL; d = next) {
            next = d->next;
            d->next = buckets[d->hash % count];
            buckets[d->hash % count] = d;
        }
    }
    mem_free(c->buckets);
    c->buckets = buckets;
    c->bucket_count = count;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

void pool_targets_unref(struct pool_targets **targets)
{
    struct pool_targets *t = *targets;
    *targets = NULL;
    if (t != NULL && --t->refs == 0) {
        mem_free(t);
    }
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_route(const struct route *a, const struct route *b)
{
    bool same = a->smart_host_count == b->smart_host_count && a->port == b->port &&
                a->force_helo == b->force_helo && a->chunking == b->chunking && a->tls == b->tls &&
                ipaddr_equal(&a->source, &b->source) && a->messages_max == b->messages_max &&
                a->connections_max == b->connections_max &&
                a->inactivity_timeout_ms == b->inactivity_timeout_ms &&
                a->protocol_logged == b->protocol_logged &&
                (!a->protocol_logged || same_text(a->connector, b->connector)) &&
                same_text(a->domain, b->domain) && same_text(a->helo, b->helo);
    for (size_t i = 0; same && i < a->smart_host_count; i++) {
        same = same_text(a->smart_hosts[i], b->smart_hosts[i]);
    }
    return same;
}

/* The newest one is held, so that what an older one was made from can go. A route that differs
 * counts for the connections that are opened from now on. */
static void take_route(struct pool_destination *d, struct route *route)
{
    if (d->route == route)
        return;
    if (d->route && !same_route(d->route, route))
        pool_targets_unref(&d->targets);
    route_unref(&d->route);
    d->route = route_ref(route);
}

/* The destination of ROUTE's connections, made at need. */
static struct pool_destination *destination_of(struct courier *c, struct route *route)
{
    uint64_t hash = key_hash(route->connection_key);
    struct pool_destination *d = c->buckets[hash % c->bucket_count];
    while (d != NULL &&
           !(d->hash == hash && strcmp(d->route->connection_key, route->connection_key) == 0)) {
        d = d->next;
    }
    if (d == NULL) {
        if (c->destination_count >= c->bucket_count) {
            buckets_grow(c);
        }
        d = MEM_NEW(struct pool_destination);
        d->courier = c;
        d->hash = hash;
        d->rotation = c->rotation++;
        d->answer_ms_16 = 4 * 16 * POOL_QUICK_MS; /* some quick answers show it to be quick */
        d->patience.on_due = pool_lose_patience;
        d->next = c->buckets[hash % c->bucket_count];
        c->buckets[hash % c->bucket_count] = d;
        c->destination_count++;
    }
    take_route(d, route);
    return d;
}

void courier_destination_free(struct courier *c, struct pool_destination *d)
{
    struct pool_destination **link = &c->buckets[d->hash % c->bucket_count];
    while (*link != d) {
        link = &(*link)->next;
    }
    *link = d->next;
    timer_cancel(&d->patience);
    c->destination_count--;
    pool_targets_unref(&d->targets);
    route_unref(&d->route);
    mem_free(d);
}

void courier_work_soon(struct courier *c)
{
    if (!c->stopping) {
        loop_defer(c->loop, &c->task);
    }
}

static void courier_work(struct loop_task *task)
{
    struct courier *c = CONTAINER_OF(task, struct courier, task);
    struct pool_session *s = c->work;
    c->work = NULL;
    while (s != NULL) {
        struct pool_session *next = s->work_next;
        s->work_queued = false;
        pool_session_work(s);
        s = next;
    }
    struct pool_destination *d = c->dirty;
    c->dirty = NULL;
    while (d != NULL) {
        struct pool_destination *next = d->next_dirty;
        d->dirty = false;
        pool_pump(d);
        d = next;
    }
}

enum err courier_new(struct loop *loop, const struct courier_settings *settings,
                     struct courier **out, struct err_detail *why)
{
    struct dns *dns;
    enum err e = dns_new(loop, settings->dns, &dns, why);
    if (e != ERR_OK) {
        return e;
    }
    struct courier *c = MEM_NEW(struct courier);
    c->loop = loop;
    c->dns = dns;
    arena_init(&c->arena, 0);
    c->settings = *settings;
    c->settings.dns = NULL;
    c->settings.helo = copy_text(&c->arena, settings->helo);
    c->settings.tls = settings->tls ? tls_context_ref(settings->tls) : NULL;
    if (c->settings.connect_timeout_ms == 0) {
        c->settings.connect_timeout_ms = POOL_CONNECT_MS;
    }
    if (c->settings.idle_timeout_ms == 0) {
        c->settings.idle_timeout_ms = POOL_IDLE_MS;
    }
    c->bucket_count = BUCKETS_FIRST;
    c->buckets = MEM_NEW_ARRAY(struct pool_destination *, c->bucket_count);
    c->task.run = courier_work;
    buf_init(&c->out, POOL_OUTPUT_BYTES);
    *out = c;
    return ERR_OK;
}

void courier_free(struct courier **cp)
{
    struct courier *c = *cp;
    if (c == NULL) {
        return;
    }
    c->stopping = true;
    for (size_t i = 0; i < c->bucket_count; i++) {
        while (c->buckets[i] != NULL) {
            pool_destination_stop(c->buckets[i]);
            courier_destination_free(c, c->buckets[i]);
        }
    }
    loop_task_cancel(c->loop, &c->task);
    dns_free(&c->dns);
    if (c->settings.tls != NULL) {
        tls_context_unref(&c->settings.tls);
    }
    buf_free(&c->out);
    mem_free(c->buckets);
    arena_free(&c->arena);
    mem_free(c);
    *cp = NULL;
}

void courier_deliver(struct courier *c, struct courier_job *job)
{
    ASSERT(!c->stopping);
    ASSERT(job->route->domain != NULL || job->route->smart_host_count > 0);
    job->attempt->results =
        ARENA_NEW_ARRAY(job->arena, struct mail_status, job->message.envelope->rcpt_count);
    job->returned = false;
    job->attempt->host_failed = false;
    job->attempt->ambiguous = false;
    job->attempt->dsn_passed = false;
    job->attempt->host[0] = '\0';
    job->attempt->peer = (struct endpoint){0};
    struct pool_destination *d = destination_of(c, job->route);
    pool_queue_push(&d->waiting, job);
    d->job_count++;
    pool_dirty(d);
}

bool courier_drain(struct courier *c)
{
    c->draining = true;
    for (size_t i = 0; i < c->bucket_count; i++) {
        for (struct pool_destination *d = c->buckets[i]; d != NULL; d = d->next) {
            pool_dirty(d);
        }
    }
    return c->destination_count == 0;
}

size_t courier_connections(const struct courier *c)
{
    return c->session_count;
}
