/* Which session gets which job, and when another connection is worth opening. */
#include <stdio.h>

#include "core/hash.h"
#include "core/mem.h"
#include "net/session_pool_private.h"

/* 451 4.4.0 with what the first target said; a host that never takes mail is believed when it is
 * all that a domain's MXs offer (RFC 7504 4), never of a configured smart host. */
static struct mail_status failure_status(const struct pool_session *s, char *text, size_t size)
{
    const struct pool_failure *f = &s->failure;
    if (!s->targets || (f->refuses_mail && s->route->domain))
        return f->status;
    char at[ENDPOINT_TEXT_SIZE];
    char reply[POOL_FAILURE_TEXT_SIZE];
    (void)mail_status_format(&f->status, reply, sizeof reply);
    (void)snprintf(text, size, "%s (%s) said: \"%s\"; %s", f->host, endpoint_format(&f->at, at),
                   reply,
                   s->targets->count > 1 ? "its alternatives did not help either"
                                         : "there is no alternative host");
    return (struct mail_status){451, {4, 4, 0}, bytes_of(text)};
}

/* Another session of D that may still carry mail. */
static bool others_left(const struct pool_destination *d, const struct pool_session *but)
{
    LIST_EACH (s, &d->sessions, const struct pool_session, link) {
        bool ended = s->client && smtp_client_want(s->client) == SMTP_CLIENT_WANT_CLOSE;
        if (s != but && (s->phase < POOL_OPEN || (s->phase == POOL_OPEN && !ended)))
            return true;
    }
    return false;
}

/* How many of the jobs may be left to sessions that will ask for one in a moment: what those can
 * carry within POOL_QUICK_MS. Such a job travels in writes and reads that are made anyway, where a
 * session of its own would make two of each; it waits for the answers to those before it. */
static size_t left_to_busy(const struct pool_destination *d)
{
    uint64_t each = 16 * POOL_QUICK_MS / (d->answer_ms_16 + 16);
    return d->soon_count * (size_t)(each < POOL_LEFT_MAX ? each : POOL_LEFT_MAX);
}

static void feed_ready(struct pool_destination *d, bool patient)
{
    for (size_t n = d->ready_count; n > 0 && !list_empty(&d->ready) && !list_empty(&d->waiting);
         n--) {
        if (patient && d->job_count <= left_to_busy(d)) {
            struct loop *loop = d->courier->loop;
            if (!timer_armed(&d->patience))
                timer_set(loop_timers(loop), &d->patience, loop_now_ms(loop) + POOL_QUICK_MS);
            return;
        }
        pool_session_feed(LIST_FIRST(&d->ready, struct pool_session, ready));
    }
}

static void lose_patience(struct timer *t)
{
    feed_ready(CONTAINER_OF(t, struct pool_destination, patience), false);
}

/* --- Destinations --- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
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
    for (size_t i = 0; same && i < a->smart_host_count; i++)
        same = same_text(a->smart_hosts[i], b->smart_hosts[i]);
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

static struct pool_destination *find(const struct courier *c, struct bytes key, uint64_t hash)
{
    TABLE_EACH (node, &c->destinations, hash) {
        struct pool_destination *d = CONTAINER_OF(node, struct pool_destination, node);
        if (bytes_equal(bytes_of(d->route->connection_key), key))
            return d;
    }
    return NULL;
}

struct pool_destination *pool_destination_of(struct courier *c, struct route *route)
{
    struct bytes key = bytes_of(route->connection_key);
    uint64_t hash = hash_mix(hash_bytes(HASH_START, key)); /* we make the keys */
    struct pool_destination *d = find(c, key, hash);
    if (!d) {
        d = MEM_NEW(struct pool_destination);
        d->courier = c;
        d->rotation = c->rotation++;
        d->answer_ms_16 = 4 * 16 * POOL_QUICK_MS; /* some quick answers show it to be quick */
        d->patience.on_due = lose_patience;
        list_init(&d->changed);
        list_init(&d->waiting);
        list_init(&d->returned);
        list_init(&d->sessions);
        list_init(&d->ready);
        table_add(&c->destinations, &d->node, hash);
    }
    take_route(d, route);
    return d;
}

static void destination_free(struct pool_destination *d)
{
    ASSERT(d->session_count == 0 && d->job_count == 0);
    table_remove(&d->courier->destinations, &d->node);
    list_remove(&d->changed);
    timer_cancel(&d->patience);
    pool_targets_unref(&d->targets);
    route_unref(&d->route);
    mem_free(d);
}

/* --- Sessions for its jobs --- */

void pool_gave_up(struct pool_session *s)
{
    struct pool_destination *d = s->destination;
    char text[2 * POOL_FAILURE_TEXT_SIZE];
    struct pool_failure failure = s->failure;
    struct mail_status status = failure_status(s, text, sizeof text);
    if (status.text.ptr == s->failure.text)
        status.text.ptr = failure.text;
    bool last = !others_left(d, s);
    pool_session_free(&s);
    pool_targets_unref(&d->targets);
    if (last) {
        pool_fail_jobs(d, &status, &failure);
        return;
    }
    d->hold_until_ms = loop_now_ms(d->courier->loop) + POOL_HOLD_MS;
    pool_let_any_session(d);
}

/* One connection for each job that no session took, up to the limit. */
static void open_more(struct pool_destination *d)
{
    size_t most = d->route->connections_max > 0 ? d->route->connections_max : 1;
    bool held = loop_now_ms(d->courier->loop) < d->hold_until_ms && others_left(d, NULL);
    if (d->session_count >= most && d->opening_count == 0 && !list_empty(&d->returned)) {
        pool_let_any_session(d);
        feed_ready(d, true);
    }
    size_t served = d->opening_count + left_to_busy(d);
    size_t wanted = d->job_count > served ? d->job_count - served : 0;
    for (; wanted > 0 && !held && d->session_count < most && d->job_count > 0; wanted--)
        pool_resolve(pool_session_new(d));
}

void pool_pump(struct pool_destination *d)
{
    feed_ready(d, true);
    if (d->job_count > 0)
        open_more(d);
    if (d->job_count == 0 && d->session_count == 0 && !d->resolving && list_empty(&d->changed))
        destination_free(d);
}

void pool_destination_stop(struct pool_destination *d)
{
    static const struct mail_status stopping =
        MAIL_STATUS_INIT(451, 4, 3, 2, "Delivery is shutting down");
    if (d->resolution)
        mx_cancel(&d->resolution);
    d->resolving = false;
    struct pool_session *s;
    while ((s = LIST_FIRST(&d->sessions, struct pool_session, link)))
        pool_session_free(&s);
    pool_fail_jobs(d, &stopping, NULL);
    destination_free(d);
}
