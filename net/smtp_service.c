/* A server session on a connection: bytes in, replies out, TLS, timeouts, closing. */
#include "net/smtp_service.h"

#include "core/mem.h"
#include "net/conn.h"
#include "net/smtp_server_private.h"

#define LINGER_MS          2000
#define OUTPUT_WAITING_MAX (64 * 1024) /* a peer that does not read is not read either */

struct smtp_service {
    struct loop *loop;
    struct conn *conn;
    struct smtp_server *server;
    struct tls_context *tls;
    struct timer timer;
    struct loop_task task; /* what an op asked for: done when it has returned */
    void (*on_closed)(void *owner, enum err reason, const char *text);
    void *owner;
    bool busy; /* inside the session, perhaps inside an op */
    bool held; /* the connection keeps input that was not taken */
    bool handshaking;
    bool closing; /* nothing more goes to the session */
    bool ended;
    bool abort_asked, shutdown_asked;
};

/* ---- the end ---------------------------------------------------------------------------- */

/* The owner may still look at the session in on_closed, but its transaction is gone by then. */
static void end(struct smtp_service *s, enum err reason, const char *text)
{
    s->ended = true;
    timer_cancel(&s->timer);
    loop_task_cancel(s->loop, &s->task);
    conn_abort(&s->conn);
    smtp_server_forget(s->server);
    s->on_closed(s->owner, reason, text);
    smtp_server_free(&s->server);
    tls_context_unref(&s->tls);
    mem_free(s);
}

static void ask_abort(struct smtp_service *s)
{
    s->abort_asked = true;
    loop_defer(s->loop, &s->task);
}

/* ---- between session and connection ----------------------------------------------------- */

static void flush(struct smtp_service *s)
{
    struct buf *out = smtp_server_output(s->server);
    if (!buf_len(out))
        return;
    /* Other failures are the connection's: it closes by itself. */
    if (conn_write(s->conn, buf_bytes(out)) == ERR_LIMIT)
        ask_abort(s);
    buf_free(out); /* an idle session holds none */
}

/* The timer stays where it is while the deadline moves away: it looks again when it fires. */
static void arm(struct smtp_service *s)
{
    uint64_t deadline = smtp_server_deadline_ms(s->server);
    if (deadline != TIMER_NEVER && (!timer_armed(&s->timer) || deadline < s->timer.due_ms))
        timer_set(loop_timers(s->loop), &s->timer, deadline);
}

/* CVE-2011-0411: what came behind STARTTLS in clear is not even kept for the handshake. */
static bool start_tls(struct smtp_service *s)
{
    if (conn_input_waiting(s->conn)) {
        smtp_server_tls_refused(s->server);
        return false;
    }
    flush(s);
    s->handshaking = true;
    if (conn_start_tls(s->conn, s->tls, NULL) != ERR_OK)
        ask_abort(s);
    return true;
}

static void close_after_output(struct smtp_service *s)
{
    s->closing = true;
    timer_cancel(&s->timer);
    conn_close_after_output(s->conn, LINGER_MS);
}

/* After everything that may have moved the session. One write for all replies of a batch; those
 * before the end of a message wait for that one too, which is near. */
static void settle(struct smtp_service *s)
{
    if (smtp_server_want(s->server) == SMTP_SERVER_WANT_HANDSHAKE &&
        (s->handshaking || start_tls(s))) {
        arm(s);
        return;
    }
    if (!smtp_server_committing(s->server))
        flush(s);
    if (smtp_server_want(s->server) == SMTP_SERVER_WANT_CLOSE)
        close_after_output(s);
    else
        arm(s);
}

static size_t on_input(void *owner, struct bytes in)
{
    struct smtp_service *s = owner;
    if (s->closing)
        return in.len;
    s->held = conn_output_waiting(s->conn) > OUTPUT_WAITING_MAX;
    if (s->held)
        return 0;
    s->busy = true;
    size_t used = smtp_server_input(s->server, in);
    s->busy = false;
    s->held = used < in.len;
    settle(s);
    return s->closing ? in.len : used;
}

static void on_writable(void *owner)
{
    struct smtp_service *s = owner;
    if (s->held && smtp_server_want(s->server) == SMTP_SERVER_WANT_INPUT)
        conn_resume(s->conn);
}

static void on_handshake(void *owner, bool ok)
{
    struct smtp_service *s = owner;
    if (!ok || s->closing) /* then on_closed is next */
        return;
    s->handshaking = false;
    s->busy = true;
    smtp_server_tls_started(s->server, conn_tls(s->conn));
    s->busy = false;
    settle(s);
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    struct smtp_service *s = owner;
    s->conn = NULL;
    end(s, reason, text);
}

static const struct conn_ops conn_ops = {
    .on_input = on_input,
    .on_handshake = on_handshake,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

/* ---- time and tasks --------------------------------------------------------------------- */

static void on_due(struct timer *t)
{
    struct smtp_service *s = CONTAINER_OF(t, struct smtp_service, timer);
    s->busy = true;
    smtp_server_timeout(s->server); /* does nothing when it has been moved */
    s->busy = false;
    settle(s);
}

static void shut_down(struct smtp_service *s)
{
    s->busy = true;
    smtp_server_shutdown(s->server);
    s->busy = false;
    settle(s);
}

static void run_task(struct loop_task *task)
{
    struct smtp_service *s = CONTAINER_OF(task, struct smtp_service, task);
    if (s->abort_asked)
        end(s, ERR_CLOSED, "aborted");
    else if (s->shutdown_asked && !s->closing)
        shut_down(s);
}

/* ---- what owners call ------------------------------------------------------------------- */

struct smtp_service *smtp_service_start(
    struct loop *loop, int fd, const struct smtp_server_settings *settings,
    const struct smtp_server_facts *first_facts, struct tls_context *tls,
    const struct mail_status *refusal, const struct smtp_server_ops *ops, void *owner,
    void (*closed)(void *owner, enum err reason, const char *text))
{
    struct smtp_service *s = MEM_NEW(struct smtp_service);
    struct smtp_server_settings own = *settings;
    if (!tls)
        own.extensions &= ~(unsigned)SMTP_EXTENSION_STARTTLS;
    s->loop = loop;
    s->owner = owner;
    s->on_closed = closed;
    s->tls = tls ? tls_context_ref(tls) : NULL;
    s->timer.on_due = on_due;
    s->task.run = run_task;
    s->conn = conn_accepted(loop, fd, &conn_ops, s);
    s->server = smtp_server_new(&own, first_facts, ops, owner);
    smtp_server_greet(s->server, refusal);
    settle(s);
    return s;
}

struct smtp_server *smtp_service_session(struct smtp_service *s)
{
    return s->server;
}

void smtp_service_answer(struct smtp_service *s, const struct mail_status *status)
{
    ASSERT(!s->busy);
    s->busy = true;
    smtp_server_answer(s->server, status);
    s->busy = false;
    if (s->held && smtp_server_want(s->server) == SMTP_SERVER_WANT_INPUT) {
        /* Pipelined commands wait: their replies leave with this one (RFC 2920 3.2). */
        conn_resume(s->conn);
        arm(s);
        return;
    }
    settle(s);
}

void smtp_service_shutdown(struct smtp_service *s)
{
    if (s->closing || s->ended)
        return;
    s->shutdown_asked = true;
    if (s->busy)
        loop_defer(s->loop, &s->task);
    else
        shut_down(s);
}

void smtp_service_abort(struct smtp_service *s)
{
    if (s->ended)
        return;
    if (s->busy)
        ask_abort(s);
    else
        end(s, ERR_CLOSED, "aborted");
}
