/* One session of the pool: a connection, the protocol on it, and the messages that pass. */
#include <stdio.h>

#include "core/log.h"
#include "core/mem.h"
#include "net/session_pool_private.h"

static void work_later(struct pool_session *s)
{
    struct courier *c = s->destination->courier;
    if (list_empty(&s->work))
        list_add_first(&c->work, &s->work);
    pool_work_soon(c);
}

static void ready_remove(struct pool_session *s)
{
    if (list_empty(&s->ready))
        return;
    ASSERT(s->destination->ready_count > 0);
    list_remove(&s->ready);
    s->destination->ready_count--;
}

/* At the front: the session used last is used next, so that surplus ones grow old and go. */
static void ready_add(struct pool_session *s)
{
    ready_remove(s);
    list_add_first(&s->destination->ready, &s->ready);
    s->destination->ready_count++;
}

static void soon_set(struct pool_session *s, bool soon)
{
    struct pool_destination *d = s->destination;
    d->soon_count += (size_t)soon - (size_t)s->soon;
    s->soon = soon;
}

static const struct mx_target *target_of(const struct pool_session *s)
{
    return &s->targets->targets[s->target];
}

/* ---------------------------------------------------------------- what the client tells us */

static struct smtp_client_message *on_next_message(void *owner)
{
    struct pool_session *s = owner;
    struct courier_job *job = pool_next_job(s);
    if (!job) {
        soon_set(s, false);
        ready_add(s);
        return NULL;
    }
    s->taken++;
    soon_set(s, s->taken != s->route->messages_max);
    job->taken_ms = loop_now_ms(s->destination->courier->loop);
    job->attempt->peer = target_of(s)->at;
    (void)bytes_to_cstr(bytes_of(target_of(s)->host), job->attempt->host,
                        sizeof job->attempt->host);
    pool_trace_message(s, job);
    return &job->message;
}

static void on_rcpt(void *owner, struct smtp_client_message *m, size_t rcpt,
                    const struct mail_status *status)
{
    (void)owner;
    struct courier_job *job = CONTAINER_OF(m, struct courier_job, message);
    if (!mail_status_ok(status))
        job->attempt->results[rcpt] = mail_status_copy(job->arena, status);
}

/* A connection that was used before and ends without one word about a message was stale: the
 * message has not been tried, and gets another connection once. */
static bool was_stale(const struct pool_session *s, const struct courier_job *job, bool ambiguous)
{
    return smtp_client_want(s->client) == SMTP_CLIENT_WANT_CLOSE && !ambiguous &&
           job->message.rcpts_answered == 0 && s->answered > 0 && !job->returned &&
           !s->destination->courier->stopping;
}

static void on_message_done(void *owner, struct smtp_client_message *m,
                            const struct mail_status *status, bool ambiguous)
{
    struct pool_session *s = owner;
    struct courier_job *job = CONTAINER_OF(m, struct courier_job, message);
    if (was_stale(s, job, ambiguous)) {
        pool_return_job(s, job);
        return;
    }
    s->answered++;
    pool_answered(s->destination, job);
    job->attempt->ambiguous = ambiguous;
    job->attempt->dsn_passed = smtp_client_dsn_offered(s->client);
    courier_job_finish(job, status);
}

static void on_open(void *owner)
{
    struct pool_session *s = owner;
    s->phase = POOL_OPEN;
    s->destination->opening_count--;
    s->targets->avoid_until_ms[s->target] = 0;
}

/* Keeps the first failure for the jobs' statuses, and steers later connections elsewhere. */
static void target_failed(struct pool_session *s, const struct mail_status *status)
{
    struct courier *c = s->destination->courier;
    struct pool_failure *f = &s->failure;
    const struct mx_target *t = target_of(s);
    bool refuses = status->code == 521 || status->code == 556;
    f->refuses_mail = refuses && (f->status.code == 0 || f->refuses_mail);
    if (f->status.code == 0) {
        f->status = *status;
        f->at = t->at;
        (void)bytes_to_cstr(status->text, f->text, sizeof f->text);
        f->status.text = bytes_of(f->text);
        (void)bytes_to_cstr(bytes_of(t->host), f->host, sizeof f->host);
    }
    s->targets->avoid_until_ms[s->target] = loop_now_ms(c->loop) + POOL_TARGET_AVOID_MS;
    LOG(LOG_INFO, "host_failed", LOG_STR("destination", s->route->connection_key),
        LOG_STR("connector", s->route->connector), LOG_STR("host", t->host),
        LOG_ENDPOINT("peer", &t->at), LOG_U64("code", status->code),
        LOG_BYTES("reply", status->text));
}

static void on_end(void *owner, const struct mail_status *status)
{
    struct pool_session *s = owner;
    s->good_bye = status->code == 221;
    if (s->phase == POOL_GREETING &&
        !(smtp_client_tls_failed(s->client) && !s->clear && s->route->tls == ROUTE_TLS_MAY))
        target_failed(s, status);
}

static void on_protocol(void *owner, char event, struct bytes line)
{
    pool_trace_line(owner, event, line);
}

#define CLIENT_OPS                                                                                 \
    .next_message = on_next_message, .on_rcpt = on_rcpt, .on_message_done = on_message_done,       \
    .on_open = on_open, .on_end = on_end

static const struct smtp_client_ops SILENT_OPS = {CLIENT_OPS};
static const struct smtp_client_ops TRACED_OPS = {CLIENT_OPS, .on_protocol = on_protocol};

/* --------------------------------------------------------------------------- output, timer */

/* One fill, one write. What the socket does not take is kept by the connection, and then nothing
 * more is asked for before on_writable. */
static void flush(struct pool_session *s)
{
    struct buf *out = &s->destination->courier->out;
    for (unsigned i = 0; i < POOL_FILLS_A_TURN; i++) {
        if (conn_output_waiting(s->conn) > 0)
            return;
        buf_clear(out);
        smtp_client_fill(s->client, out);
        if (buf_len(out) == 0 || smtp_client_want(s->client) == SMTP_CLIENT_WANT_CLOSE)
            return;
        if (conn_write(s->conn, buf_bytes(out)) != ERR_OK) {
            smtp_client_lost(s->client, "cannot write");
            return;
        }
        if (buf_len(out) < POOL_OUTPUT_BYTES / 4)
            return; /* all that there was */
    }
    work_later(s);
}

static uint64_t idle_ms(const struct pool_session *s)
{
    uint64_t ms = s->destination->courier->settings.idle_timeout_ms;
    uint64_t route_ms = s->route->inactivity_timeout_ms;
    return route_ms > 0 && route_ms < ms ? route_ms : ms;
}

static void timer_update(struct pool_session *s)
{
    struct loop *loop = s->destination->courier->loop;
    bool idle = smtp_client_idle(s->client);
    if (idle && !s->idle) {
        s->due_ms = loop_now_ms(loop) + idle_ms(s);
        ready_add(s);
    }
    s->idle = idle;
    uint64_t due = idle ? s->due_ms : smtp_client_deadline_ms(s->client);
    if (due != TIMER_NEVER)
        timer_set(loop_timers(loop), &s->timer, due);
}

/* After anything that may have moved the client: its output, its timer, its end. */
static void follow(struct pool_session *s)
{
    if (smtp_client_want(s->client) == SMTP_CLIENT_WANT_IO && s->conn)
        flush(s);
    switch (smtp_client_want(s->client)) {
    case SMTP_CLIENT_WANT_IO:
        break;
    case SMTP_CLIENT_WANT_HANDSHAKE:
        if (!s->handshaking)
            work_later(s);
        break;
    case SMTP_CLIENT_WANT_CLOSE:
        ready_remove(s);
        soon_set(s, false);
        timer_cancel(&s->timer);
        work_later(s);
        return;
    }
    timer_update(s);
}

static void session_quit(struct pool_session *s)
{
    ready_remove(s);
    smtp_client_quit(s->client);
    follow(s);
}

void pool_session_feed(struct pool_session *s)
{
    ready_remove(s);
    if (s->idle && conn_is_stale(s->conn)) {
        smtp_client_lost(s->client, "closed while open without work");
        pool_trace_end(s, false);
    }
    smtp_client_kick(s->client);
    follow(s);
}

/* ------------------------------------------------------------------ the connection's events */

static size_t on_input(void *owner, struct bytes in)
{
    struct pool_session *s = owner;
    if (s->client) {
        smtp_client_input(s->client, in);
        follow(s);
    }
    return in.len;
}

static struct bytes helo_of(const struct pool_session *s)
{
    const char *own = s->route->helo;
    return bytes_of(own ? own : s->destination->courier->settings.helo);
}

/* Nothing is waited for longer than for a connection without work. */
static struct smtp_client_timeouts timeouts_of(const struct pool_session *s)
{
    struct smtp_client_timeouts t = s->destination->courier->settings.timeouts;
    uint64_t most = s->route->inactivity_timeout_ms;
    uint64_t *const each[] = {&t.banner, &t.hello, &t.mail, &t.rcpt,
                              &t.data,   &t.text,  &t.end,  &t.quit};
    const struct smtp_client_timeouts *d = &SMTP_CLIENT_TIMEOUTS_DEFAULT;
    const uint64_t standard[] = {d->banner, d->hello, d->mail, d->rcpt,
                                 d->data,   d->text,  d->end,  d->quit};
    for (size_t i = 0; i < ARRAY_SIZE(each); i++) {
        uint64_t ms = *each[i] > 0 ? *each[i] : standard[i];
        *each[i] = most > 0 && most < ms ? most : ms;
    }
    return t;
}

static void on_connected(void *owner)
{
    struct pool_session *s = owner;
    const struct route *route = s->route;
    struct courier *c = s->destination->courier;
    bool without = s->clear || (!c->settings.tls && route->tls == ROUTE_TLS_MAY);
    struct smtp_client_settings settings = {
        .helo = helo_of(s),
        .force_helo = route->force_helo,
        .chunking = route->chunking,
        .tls = without ? ROUTE_TLS_NEVER : route->tls,
        .messages_max = route->messages_max,
        .timeouts = timeouts_of(s),
    };
    s->phase = POOL_GREETING;
    pool_trace_connected(s);
    s->client = smtp_client_new(&settings, s->trace ? &TRACED_OPS : &SILENT_OPS, s);
    follow(s);
}

static void on_handshake(void *owner, bool ok)
{
    struct pool_session *s = owner;
    pool_trace_tls(s);
    smtp_client_tls_done(s->client, ok);
    follow(s);
}

static void on_writable(void *owner)
{
    follow(owner);
}

static void not_connected(struct pool_session *s, const char *text)
{
    struct mail_status status = {421, {4, 4, 1}, bytes_of(text)};
    pool_trace_failed(s, text);
    target_failed(s, &status);
    work_later(s);
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    struct pool_session *s = owner;
    (void)reason;
    s->conn = NULL;
    if (s->phase == POOL_CONNECTING) {
        not_connected(s, text);
    } else if (s->phase == POOL_CLOSING) {
        pool_trace_end(s, true);
        work_later(s);
    } else if (s->client) {
        smtp_client_lost(s->client, text);
        pool_trace_end(s, s->good_bye);
        follow(s);
    }
}

static const struct conn_ops CONN_OPS = {
    .on_input = on_input,
    .on_connected = on_connected,
    .on_handshake = on_handshake,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

static void on_due(struct timer *t)
{
    struct pool_session *s = CONTAINER_OF(t, struct pool_session, timer);
    if (s->phase == POOL_CONNECTING) {
        conn_abort(&s->conn);
        not_connected(s, "connection timed out");
    } else if (s->idle) {
        session_quit(s);
    } else if (s->client) {
        smtp_client_timeout(s->client);
        follow(s);
    }
}

/* -------------------------------------------------------------------------- life of a session */

struct pool_session *pool_session_new(struct pool_destination *d)
{
    struct pool_session *s = MEM_NEW(struct pool_session);
    s->destination = d;
    s->route = route_ref(d->route);
    s->timer.on_due = on_due;
    list_init(&s->ready);
    list_init(&s->work);
    list_add_first(&d->sessions, &s->link);
    d->session_count++;
    d->opening_count++;
    d->courier->session_count++;
    return s;
}

void pool_session_free(struct pool_session **sp)
{
    struct pool_session *s = *sp;
    struct pool_destination *d = s->destination;
    ready_remove(s);
    smtp_client_free(&s->client);
    ready_remove(s);
    soon_set(s, false);
    list_remove(&s->work);
    conn_abort(&s->conn);
    pool_trace_end(s, true);
    timer_cancel(&s->timer);
    list_remove(&s->link);
    d->session_count--;
    d->courier->session_count--;
    if (s->phase < POOL_OPEN) {
        ASSERT(d->opening_count > 0);
        d->opening_count--;
    }
    pool_targets_unref(&s->targets);
    route_unref(&s->route);
    mem_free(s);
    *sp = NULL;
    pool_changed(d);
}

static void connect_to_target(struct pool_session *s)
{
    struct courier *c = s->destination->courier;
    s->phase = POOL_CONNECTING;
    s->handshaking = false;
    s->due_ms = loop_now_ms(c->loop) + c->settings.connect_timeout_ms;
    timer_set(loop_timers(c->loop), &s->timer, s->due_ms);
    pool_trace_attempt(s, &target_of(s)->at);
    s->conn = conn_connect(c->loop, &target_of(s)->at, &s->route->source, &CONN_OPS, s);
}

void pool_session_connect(struct pool_session *s)
{
    size_t target = pool_target_next(s, loop_now_ms(s->destination->courier->loop));
    if (target == SIZE_MAX) {
        s->destination->courier->gave_up(s);
        return;
    }
    ASSERT(target < s->targets->count && !s->conn && !s->client);
    s->target = target;
    s->tried |= (uint32_t)1 << target;
    s->clear = false;
    connect_to_target(s);
}

static void start_tls(struct pool_session *s)
{
    struct courier *c = s->destination->courier;
    s->handshaking = true;
    if (!s->conn || !c->settings.tls || conn_input_waiting(s->conn) > 0 ||
        conn_start_tls(s->conn, c->settings.tls, target_of(s)->host) != ERR_OK)
        smtp_client_tls_done(s->client, false);
    follow(s);
}

/* The client has ended before the session was open: without TLS if that was the trouble and is
 * allowed, else the next target. */
static void try_again(struct pool_session *s)
{
    bool tls_failed = smtp_client_tls_failed(s->client);
    bool clear = tls_failed && !s->clear && s->route->tls == ROUTE_TLS_MAY;
    smtp_client_free(&s->client);
    conn_abort(&s->conn);
    pool_trace_end(s, true);
    if (!clear) {
        pool_session_connect(s);
        return;
    }
    LOG(LOG_WARNING, "tls_failed_going_on_in_clear", LOG_STR("host", target_of(s)->host),
        LOG_ENDPOINT("peer", &target_of(s)->at));
    s->clear = true;
    connect_to_target(s);
}

void pool_session_work(struct pool_session *s)
{
    if (s->phase == POOL_CONNECTING && !s->conn) {
        pool_session_connect(s);
    } else if (s->phase == POOL_CLOSING) {
        if (!s->conn)
            pool_session_free(&s);
    } else if (!s->client) {
        return;
    } else if (smtp_client_want(s->client) == SMTP_CLIENT_WANT_HANDSHAKE) {
        if (!s->handshaking)
            start_tls(s);
    } else if (smtp_client_want(s->client) == SMTP_CLIENT_WANT_IO) {
        follow(s);
    } else if (s->phase == POOL_GREETING) {
        try_again(s);
    } else if (s->good_bye && s->conn) {
        s->phase = POOL_CLOSING;
        conn_close_after_output(s->conn, POOL_LINGER_MS);
    } else {
        pool_session_free(&s);
    }
}
