#include <stdio.h>

#include "core/mem.h"
#include "net/session_pool_private.h"

/* Which session gets which job, and when another connection is worth opening. */

void pool_dirty(struct pool_destination *d)
{
    struct courier *c = d->courier;
    if (!d->dirty) {
        d->dirty = true;
        d->next_dirty = c->dirty;
        c->dirty = d;
    }
    courier_work_soon(c);
}

struct courier_job *pool_next_job(struct pool_session *s)
{
    struct pool_destination *d = s->destination;
    struct courier_job *job = s->taken == 0 ? pool_queue_pop(&d->returned) : NULL;
    if (job == NULL) {
        job = pool_queue_pop(&d->waiting);
    }
    if (job != NULL) {
        d->job_count--;
    }
    return job;
}

void pool_return_job(struct pool_session *s, struct courier_job *job)
{
    struct pool_destination *d = s->destination;
    for (size_t i = 0; i < job->message.envelope->rcpt_count; i++) {
        job->attempt->results[i] = (struct mail_status){0};
    }
    job->returned = true;
    pool_queue_push(&d->returned, job);
    d->job_count++;
    pool_dirty(d);
}

/* Jobs that come while these are being told are not touched. */
void pool_fail_jobs(struct pool_destination *d, const struct mail_status *status,
                    const struct pool_failure *failure)
{
    struct pool_queue queues[2] = {d->returned, d->waiting};
    d->returned = (struct pool_queue){0};
    d->waiting = (struct pool_queue){0};
    d->job_count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
        struct courier_job *job;
        while ((job = pool_queue_pop(&queues[i])) != NULL) {
            job->attempt->host_failed = failure != NULL && !mail_status_permanent(status);
            if (failure != NULL) {
                job->attempt->peer = failure->at;
                (void)bytes_to_cstr(bytes_of(failure->host), job->attempt->host,
                                    sizeof job->attempt->host);
            }
            courier_job_finish(job, status);
        }
    }
}

/* 451 4.4.0 with what the first target said; a host that never takes mail is believed when it is
 * all that a domain's MXs offer (RFC 7504 4), never of a smart host that somebody configured. */
static struct mail_status failure_status(const struct pool_session *s, char *text, size_t size)
{
    const struct pool_failure *f = &s->failure;
    if (s->targets == NULL || (f->refuses_mail && s->route->domain != NULL)) {
        return f->status;
    }
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
    for (const struct pool_session *s = d->sessions; s != NULL; s = s->next) {
        bool ended = s->client != NULL && smtp_client_want(s->client) == SMTP_CLIENT_WANT_CLOSE;
        if (s != but && (s->phase < POOL_OPEN || (s->phase == POOL_OPEN && !ended))) {
            return true;
        }
    }
    return false;
}

/* No fresh session comes soon for the returned jobs: any will do. */
static void let_any_session(struct pool_destination *d)
{
    struct courier_job *job;
    while ((job = pool_queue_pop(&d->returned)) != NULL) {
        pool_queue_push(&d->waiting, job);
    }
}

void pool_gave_up(struct pool_session *s)
{
    struct pool_destination *d = s->destination;
    char text[2 * POOL_FAILURE_TEXT_SIZE];
    struct pool_failure failure = s->failure;
    struct mail_status status = failure_status(s, text, sizeof text);
    if (status.text.ptr == s->failure.text) {
        status.text.ptr = failure.text;
    }
    bool last = !others_left(d, s);
    pool_session_free(&s);
    pool_targets_unref(&d->targets);
    if (last) {
        pool_fail_jobs(d, &status, &failure);
        return;
    }
    d->hold_until_ms = loop_now_ms(d->courier->loop) + POOL_HOLD_MS;
    let_any_session(d);
}

/* The newest eighth counts for as much as is needed to notice a change within a few messages. */
void pool_answered(struct pool_destination *d, const struct courier_job *job)
{
    uint64_t took_16 = 16 * (loop_now_ms(d->courier->loop) - job->taken_ms);
    d->answer_ms_16 += took_16 / 8;
    d->answer_ms_16 -= d->answer_ms_16 / 8;
}

/* How many of the jobs may be left to sessions that will ask for one in a moment: what those can
 * carry within POOL_QUICK_MS. Such a job travels in writes and reads that are made anyway, where a
 * session of its own would make two of each; it waits for the answers to those before it. */
static size_t left_to_busy(const struct pool_destination *d)
{
    uint64_t each = 16 * POOL_QUICK_MS / (d->answer_ms_16 + 16);
    return d->soon_count * (size_t)(each < POOL_LEFT_MAX ? each : POOL_LEFT_MAX);
}

static void feed_hungry(struct pool_destination *d, bool patient)
{
    for (size_t n = d->hungry_count; n > 0 && d->hungry != NULL && d->waiting.head != NULL; n--) {
        if (patient && d->job_count <= left_to_busy(d)) {
            struct loop *loop = d->courier->loop;
            if (!timer_armed(&d->patience)) {
                timer_set(loop_timers(loop), &d->patience, loop_now_ms(loop) + POOL_QUICK_MS);
            }
            return;
        }
        pool_session_feed(d->hungry);
    }
}

void pool_lose_patience(struct timer *t)
{
    feed_hungry(CONTAINER_OF(t, struct pool_destination, patience), false);
}

/* One connection for each job that no session took, up to the limit. */
static void open_more(struct pool_destination *d)
{
    size_t most = d->route->connections_max > 0 ? d->route->connections_max : 1;
    bool held = loop_now_ms(d->courier->loop) < d->hold_until_ms && others_left(d, NULL);
    if (d->session_count >= most && d->opening_count == 0 && d->returned.head != NULL) {
        let_any_session(d);
        feed_hungry(d, true);
    }
    size_t served = d->opening_count + left_to_busy(d);
    size_t wanted = d->job_count > served ? d->job_count - served : 0;
    for (; wanted > 0 && !held && d->session_count < most && d->job_count > 0; wanted--) {
        pool_resolve(pool_session_new(d));
    }
}

static void quit_idle(struct pool_destination *d)
{
    for (struct pool_session *s = d->sessions; s != NULL; s = s->next) {
        if (s->phase == POOL_OPEN && s->idle) {
            pool_session_quit(s);
        }
    }
}

void pool_pump(struct pool_destination *d)
{
    static const struct mail_status stopping = {451, {4, 3, 2}, {"Delivery is shutting down", 25}};
    struct courier *c = d->courier;
    feed_hungry(d, true);
    if (c->draining) {
        quit_idle(d);
        if (d->session_count == 0) {
            pool_fail_jobs(d, &stopping, NULL);
        }
    } else if (d->job_count > 0) {
        open_more(d);
    }
    if (d->job_count == 0 && d->session_count == 0 && !d->resolving && !d->dirty) {
        courier_destination_free(c, d);
    }
}

void pool_destination_stop(struct pool_destination *d)
{
    static const struct mail_status stopping = {451, {4, 3, 2}, {"Delivery is shutting down", 25}};
    if (d->resolution != NULL) {
        mx_cancel(&d->resolution);
    }
    d->resolving = false;
    while (d->sessions != NULL) {
        struct pool_session *s = d->sessions;
        pool_session_free(&s);
    }
    pool_fail_jobs(d, &stopping, NULL);
}
