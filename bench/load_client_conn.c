/* A session's connection: its state, what is written, what comes in, and how it ends. */
#include "bench/load_client.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"

#include "bench/load_client_private.h"

/* At once to the connection, which keeps a copy of what the socket does not take: so of a large
 * text hardly anything is ever copied. */
enum { SLICE_BYTES = 256 * 1024, LINGER_MS = 1000 };

uint64_t load_client_timed(struct load_client *c, enum load_phase phase, uint64_t since_ns)
{
    uint64_t now_ns = clock_mono_ns();
    load_histogram_add(&c->shared->phases[phase], (now_ns - since_ns) / 1000);
    return now_ns;
}

void load_client_enter(struct load_client *c, enum load_client_state state)
{
    const struct load_client_row *row = &c->rows[state];
    struct loop *loop = c->shared->loop;
    ASSERT(state < LOAD_CLIENT_STATES);
    c->state = state;
    LOG(LOG_DEBUG, "load_client_state", LOG_STR("state", row->phrase));
    if (row->timeout_s) /* else the last one stays armed, which costs less, and is ignored */
        timer_set(loop_timers(loop), &c->timer, loop_now_ms(loop) + row->timeout_s * 1000u);
    if (row->send)
        row->send(c);
}

/* --- What is written --- */

void load_client_put(struct load_client *c, struct bytes bytes)
{
    if (bytes.len == 0)
        return;
    ASSERT(c->out_count < LOAD_CLIENT_OUTPUT_MAX);
    c->out[c->out_count++] = (struct iovec){(void *)bytes.ptr, bytes.len};
}

void load_client_put_end(struct load_client *c)
{
    c->out_end = c->out_count - 1;
}

static void output_clear(struct load_client *c)
{
    c->out_at = c->out_count = 0;
    c->out_end = -1;
}

/* Takes the next SLICE_BYTES of the output. Returns how many pieces. */
static int slice_take(struct load_client *c, struct iovec slice[LOAD_CLIENT_OUTPUT_MAX])
{
    size_t room = SLICE_BYTES;
    int count = 0;
    while (c->out_at < c->out_count && room > 0) {
        struct iovec *piece = &c->out[c->out_at];
        size_t len = piece->iov_len < room ? piece->iov_len : room;
        slice[count++] = (struct iovec){piece->iov_base, len};
        room -= len;
        piece->iov_base = (char *)piece->iov_base + len;
        piece->iov_len -= len;
        if (piece->iov_len == 0)
            c->out_at++;
    }
    return count;
}

/* From here on it may arrive. */
static void text_ends(struct load_client *c)
{
    c->out_end = -1;
    c->current->end_sent = true;
    c->current->end_at_ns = clock_mono_ns();
}

void load_client_flush(struct load_client *c)
{
    struct iovec slice[LOAD_CLIENT_OUTPUT_MAX];
    while (c->out_at < c->out_count && c->conn && conn_output_waiting(c->conn) == 0) {
        int count = slice_take(c, slice);
        if (c->out_end >= 0 && c->out_at > c->out_end)
            text_ends(c);
        if (conn_writev(c->conn, slice, count) != ERR_OK)
            return; /* the connection says why, from the loop */
    }
    if (c->out_at == c->out_count)
        output_clear(c);
}

void load_client_take(struct load_client *c, struct load_client_message *m)
{
    m->mail_at_ns = m->end_at_ns = 0;
    m->rcpts_sent = m->rcpts_answered = m->rcpts_accepted = 0;
    m->mail_refused = m->data_sent = m->text_put = m->end_sent = false;
    if (!c->current)
        c->current = m;
    else
        c->ahead = m;
}

/* --- The end of a connection --- */

/* A session that was not in the middle of anything. */
void load_client_closed(struct load_client *c)
{
    conn_abort(&c->conn);
    timer_cancel(&c->timer);
    output_clear(c);
    load_client_enter(c, LOAD_CLIENT_NONE);
    if (c->ending)
        c->shared->ops->on_end(c);
    else
        c->shared->ops->on_free(c);
}

static void tell_all(struct load_client *c, const struct mail_status *status, bool refused)
{
    const struct load_client_ops *ops = c->shared->ops;
    struct load_client_message *current = c->current, *ahead = c->ahead;
    struct load_client_result result = {.lost = true, .status = status};
    c->current = c->ahead = NULL;
    c->refusal.code = 0;
    if (!current) {
        ops->on_failure(c, status);
        return;
    }
    result.fate = refused ? LOAD_REFUSED : current->end_sent ? LOAD_UNKNOWN : LOAD_UNSENT;
    ops->on_done(c, current, &result);
    result.fate = LOAD_UNSENT;
    if (ahead)
        ops->on_done(c, ahead, &result);
}

void load_client_fail(struct load_client *c, const struct mail_status *status, bool refused)
{
    bool goodbye = c->state == LOAD_CLIENT_QUIT || c->state == LOAD_CLIENT_CLOSING;
    conn_abort(&c->conn);
    load_client_enter(c, LOAD_CLIENT_NONE);
    if (!goodbye)
        tell_all(c, status, refused);
    load_client_closed(c);
}

/* RFC 3463 X.4.2: the connection. */
void load_client_fail_with(struct load_client *c, const char *fmt, ...)
{
    char text[320];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct mail_status status = {451, {4, 4, 2}, bytes_of(text)};
    load_client_fail(c, &status, false);
}

void load_client_close(struct load_client *c)
{
    load_client_enter(c, LOAD_CLIENT_CLOSING);
    conn_close_after_output(c->conn, LINGER_MS);
}

static void on_due(struct timer *t)
{
    struct load_client *c = CONTAINER_OF(t, struct load_client, timer);
    const struct load_client_row *row = &c->rows[c->state];
    if (row->timeout_s)
        load_client_fail_with(c, "Timed out after %u s while %s", row->timeout_s, row->phrase);
}

/* --- What the connection says --- */

/* A reply to what was not written yet; but a peer may answer the beginning of a pipelined group
 * with an end (a text, or more recipients) that still waits for the socket. */
static bool is_early(const struct load_client *c)
{
    const struct load_client_message *m = c->current;
    if (c->out_at == c->out_count)
        return false;
    if (c->state != LOAD_CLIENT_MAIL && c->state != LOAD_CLIENT_RCPT)
        return true;
    return !m->data_sent && m->rcpts_answered + 1 >= m->rcpts_sent;
}

static void on_reply(struct load_client *c, const struct mail_status *status)
{
    const struct load_client_row *row = &c->rows[c->state];
    if (c->state == LOAD_CLIENT_READY) { /* mostly 421: it has waited long enough */
        conn_abort(&c->conn);
        load_client_enter(c, LOAD_CLIENT_NONE);
    } else if (status->code == 421 && c->state != LOAD_CLIENT_QUIT) {
        load_client_fail(c, status, c->state >= LOAD_CLIENT_MAIL);
    } else if (!row->on_reply || is_early(c)) {
        load_client_fail_with(c, "A reply that nothing waits for while %s", row->phrase);
    } else {
        row->on_reply(c, status);
    }
}

static size_t on_input(void *owner, struct bytes in)
{
    struct load_client *c = owner;
    size_t at = 0;
    while (at < in.len && c->conn && c->state != LOAD_CLIENT_CLOSING) {
        struct mail_status status;
        size_t used;
        enum err e = smtp_reply_read(&c->parser, bytes_from(in, at), &used, &status);
        at += used;
        c->input_left = in.len - at;
        if (e == ERR_OK)
            on_reply(c, &status);
        else if (e != ERR_AGAIN)
            load_client_fail_with(c, "Malformed reply while %s", c->rows[c->state].phrase);
    }
    return in.len;
}

/* The share of RESUME_PERCENT, evenly spread over the connections. */
static bool resumes_next(struct load_client_shared *shared)
{
    shared->resume_sum += shared->resume_percent;
    if (shared->resume_sum < 100)
        return false;
    shared->resume_sum -= 100;
    return shared->tls_session;
}

void load_client_start_tls(struct load_client *c)
{
    struct load_client_shared *shared = c->shared;
    if (conn_start_tls(c->conn, shared->tls, NULL) != ERR_OK) {
        load_client_fail_with(c, "TLS cannot be started");
        return;
    }
    if (resumes_next(shared))
        conn_tls_resume(c->conn, shared->tls_session);
    c->phase_at_ns = clock_mono_ns();
    load_client_enter(c, LOAD_CLIENT_HANDSHAKE);
}

static void on_connected(void *owner)
{
    struct load_client *c = owner;
    c->phase_at_ns = load_client_timed(c, LOAD_PHASE_CONNECT, c->phase_at_ns);
    if (c->shared->settings->security == LOAD_CLIENT_SECURITY_IMPLICIT)
        load_client_start_tls(c);
    else
        load_client_enter(c, LOAD_CLIENT_BANNER);
}

static void on_handshake(void *owner, bool ok)
{
    struct load_client *c = owner;
    struct load_client_shared *shared = c->shared;
    if (!ok)
        return; /* on_closed follows, and says why */
    c->phase_at_ns = load_client_timed(c, LOAD_PHASE_TLS, c->phase_at_ns);
    c->encrypted = true;
    load_count(&shared->handshakes, 1);
    load_count(&shared->resumed, conn_tls(c->conn)->resumed);
    load_client_enter(c, shared->settings->security == LOAD_CLIENT_SECURITY_IMPLICIT
                             ? LOAD_CLIENT_BANNER
                             : LOAD_CLIENT_EHLO);
}

static void on_writable(void *owner)
{
    load_client_flush(owner);
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    struct load_client *c = owner;
    (void)reason;
    c->conn = NULL;
    if (c->state == LOAD_CLIENT_READY)
        load_client_enter(
            c, LOAD_CLIENT_NONE); /* the peer need not keep it: made again when it is wanted */
    else
        load_client_fail_with(c, "Connection lost while %s: %s", c->rows[c->state].phrase, text);
}

static const struct conn_ops CONN_OPS = {
    .on_input = on_input,
    .on_connected = on_connected,
    .on_handshake = on_handshake,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

/* --- The beginning --- */

void load_client_unconnected(struct load_client *c)
{
    c->timer.on_due = on_due;
    c->parser.owner = c;
    output_clear(c);
}

void load_client_connect(struct load_client *c)
{
    struct ipaddr source;
    bool given = c->shared->ops->source_address(c, &source);
    load_count(&c->shared->connections, 1);
    c->parser.complete = true; /* nothing of the last connection is left in it */
    c->peer = (struct smtp_extensions){0};
    c->encrypted = c->reset_needed = false;
    c->phase_at_ns = clock_mono_ns();
    load_client_enter(c, LOAD_CLIENT_CONNECT);
    c->conn = conn_connect(c->shared->loop, &c->shared->settings->to, given ? &source : NULL,
                           &CONN_OPS, c);
}
