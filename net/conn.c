/* A connection in clear: reading, writing, backlog, closing. */
#include "net/conn.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/mem.h"
#include "net/conn_private.h"

static void conn_free(struct conn *c)
{
    if (c->watched)
        loop_watch_remove(c->loop, &c->watch);
    if (c->watch.fd >= 0)
        (void)close(c->watch.fd);
    loop_task_cancel(c->loop, &c->task);
    timer_cancel(&c->linger);
    conn_tls_free(c);
    buf_free(&c->in);
    buf_free(&c->out);
    mem_free(c);
}

static void conn_enter(struct conn *c)
{
    ASSERT(!c->busy);
    c->busy = true;
}

static void conn_leave(struct conn *c)
{
    if (c->state == CONN_ENDED && c->handshake_failed && !c->dead && c->ops->on_handshake)
        c->ops->on_handshake(c->owner, false);
    if (c->state == CONN_ENDED && !c->dead) {
        c->ops->on_closed(c->owner, c->reason, c->text);
        c->dead = true;
    }
    c->busy = false;
    if (c->dead)
        conn_free(c);
}

void conn_end(struct conn *c, enum err reason, const char *text)
{
    if (c->state == CONN_ENDED)
        return;
    c->handshake_failed = c->state == CONN_HANDSHAKE;
    c->state = CONN_ENDED;
    c->reason = reason;
    c->text = text;
    if (!c->busy)
        loop_defer(c->loop, &c->task);
}

void conn_end_after_input(struct conn *c, enum err reason, const char *text)
{
    if (c->ending)
        return;
    c->ending = true;
    c->reason = reason;
    c->text = text;
}

void conn_end_errno(struct conn *c, int errnum)
{
    conn_end(c, err_from_errno(errnum), strerrordesc_np(errnum));
}

/* ------------------------------------------------------------------ output */

/* The peer may have said why before it went: its last words are read before the end. */
static void conn_break(struct conn *c, int errnum)
{
    if (c->broken)
        return;
    c->broken = true;
    c->reason = err_from_errno(errnum);
    c->text = strerrordesc_np(errnum);
    c->readable = true;
    buf_free(&c->out);
    loop_defer(c->loop, &c->task);
}

static size_t conn_send(struct conn *c, const struct iovec *iov, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
    ssize_t n;

    do
        n = sendmsg(c->watch.fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN)
        conn_break(c, errno);
    return n < 0 ? 0 : (size_t)n;
}

void conn_flush(struct conn *c)
{
    struct bytes out = buf_bytes(&c->out);

    if (out.len == 0)
        return;
    buf_consume(&c->out, conn_send(c, &(struct iovec){(void *)out.ptr, out.len}, 1));
    if (buf_len(&c->out) == 0)
        buf_free(&c->out);
}

bool conn_put(struct conn *c, const struct iovec *iov, int count)
{
    bool first = buf_len(&c->out) == 0;
    /* Longer lists than the kernel takes are copied into one piece. */
    size_t sent = first && count <= IOV_MAX ? conn_send(c, iov, count) : 0;

    for (int i = 0; i < count && !c->broken; i++) {
        size_t skip = sent < iov[i].iov_len ? sent : iov[i].iov_len;

        sent -= skip;
        if (skip < iov[i].iov_len &&
            buf_append(&c->out, bytes_make((const char *)iov[i].iov_base + skip,
                                           iov[i].iov_len - skip)) != ERR_OK)
            conn_end(c, ERR_LIMIT, "the peer does not read");
    }
    if (first && count > IOV_MAX)
        conn_flush(c);
    return !c->broken && c->state != CONN_ENDED;
}

static bool conn_output_fits(const struct conn *c, const struct iovec *iov, int count)
{
    size_t room = buf_len(&c->out) < CONN_OUTPUT_MAX ? CONN_OUTPUT_MAX - buf_len(&c->out) : 0;

    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len > room)
            return false;
        room -= iov[i].iov_len;
    }
    return true;
}

enum err conn_writev(struct conn *c, const struct iovec *iov, int count)
{
    if (c->state == CONN_CONNECTING || c->state == CONN_HANDSHAKE)
        return ERR_AGAIN;
    if (c->state != CONN_OPEN || c->broken)
        return ERR_CLOSED;
    if (!conn_output_fits(c, iov, count))
        return ERR_LIMIT;
    if (c->tls)
        return conn_tls_writev(c, iov, count);
    return conn_put(c, iov, count) ? ERR_OK : ERR_CLOSED;
}

enum err conn_write(struct conn *c, struct bytes bytes)
{
    struct iovec iov = {(void *)bytes.ptr, bytes.len};

    return conn_writev(c, &iov, 1);
}

size_t conn_output_waiting(const struct conn *c)
{
    return buf_len(&c->out);
}

/* ------------------------------------------------------------------- input */

size_t conn_receive(struct conn *c, char *to, size_t size)
{
    ssize_t n = recv(c->watch.fd, to, size, 0);

    if (n > 0) {
        /* A short read has emptied the socket: what comes later is a new edge (epoll(7)). */
        if ((size_t)n < size && !c->hung_up && !c->broken)
            c->readable = false;
        return (size_t)n;
    }
    if (n == 0)
        conn_end(c, ERR_CLOSED, c->tls ? "closed without close_notify" : "closed by the peer");
    else if (errno == EAGAIN)
        c->readable = false;
    else if (errno != EINTR)
        conn_end_errno(c, errno);
    return 0;
}

/* TLS began inside on_input, and IN had more: never to be taken for what comes under TLS. */
static bool conn_left_in_clear(struct conn *c, size_t left)
{
    if (c->state != CONN_HANDSHAKE || left == 0)
        return false;
    conn_end(c, ERR_SYNTAX, "input in clear after the start of TLS");
    return true;
}

void conn_offer(struct conn *c, struct bytes in)
{
    size_t taken = c->ops->on_input(c->owner, in);
    enum err e = ERR_OK;

    ASSERT(taken <= in.len);
    if (c->dead || c->state == CONN_ENDED || conn_left_in_clear(c, in.len - taken))
        return;
    if (taken < in.len && c->state == CONN_OPEN) {
        e = buf_append(&c->in, bytes_from(in, taken));
        c->paused = true;
    }
    ASSERT(e == ERR_OK); /* nothing is read while something is kept */
}

/* The buffer is taken aside, so that the owner may close or start TLS inside the callback. */
static void conn_offer_kept(struct conn *c)
{
    struct buf kept = c->in;
    struct bytes in = buf_bytes(&kept);
    size_t taken;

    buf_init(&c->in, CONN_KEPT_MAX);
    taken = c->ops->on_input(c->owner, in);
    ASSERT(taken <= in.len);
    buf_consume(&kept, taken);
    if (!c->dead && c->state == CONN_OPEN && buf_len(&kept) > 0) {
        c->in = kept;
        c->paused = true;
        return;
    }
    if (!c->dead)
        (void)conn_left_in_clear(c, buf_len(&kept));
    buf_free(&kept);
}

static bool conn_reads(const struct conn *c)
{
    return !c->dead && !c->paused && (c->state == CONN_OPEN || c->state == CONN_HANDSHAKE);
}

/* One read an entry, so that a fast peer does not hold the others up. */
static void conn_input(struct conn *c)
{
    if (conn_reads(c) && buf_len(&c->in) > 0)
        conn_offer_kept(c);
    if (conn_reads(c) && c->readable && !c->ending) {
        if (c->tls) {
            conn_tls_receive(c);
        } else {
            char *scratch = loop_scratch(c->loop);
            size_t n = conn_receive(c, scratch, CONN_KEPT_MAX);

            if (n > 0)
                conn_offer(c, bytes_make(scratch, n));
        }
    }
    if (!conn_reads(c))
        return;
    if (buf_len(&c->in) > 0 || (c->readable && !c->ending))
        loop_defer(c->loop, &c->task);
    else if (c->ending)
        conn_end(c, c->reason, c->text);
}

void conn_resume(struct conn *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    loop_defer(c->loop, &c->task);
}

size_t conn_input_waiting(const struct conn *c)
{
    return buf_len(&c->in);
}

bool conn_is_stale(struct conn *c)
{
    char byte;

    if (c->state != CONN_OPEN || c->ending || c->broken || c->hung_up || buf_len(&c->in) > 0)
        return true;
    return recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* ----------------------------------------------------------------- closing */

/* Closing a socket that holds unread input resets the connection, and the reset may overtake our
 * last words at the peer: then the input is thrown away first. */
static void conn_drain(struct conn *c)
{
    ssize_t n = recv(c->watch.fd, loop_scratch(c->loop), (size_t)LOOP_SCRATCH_BYTES, 0);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        conn_end(c, ERR_OK, "closed");
    else if (n < 0 && errno == EAGAIN)
        c->readable = false;
    else
        loop_defer(c->loop, &c->task);
}

static void conn_closing(struct conn *c)
{
    if (c->broken) {
        conn_end(c, c->reason, c->text);
        return;
    }
    if (c->state == CONN_CLOSING && buf_len(&c->out) == 0) {
        if (!c->readable) {
            conn_end(c, ERR_OK, "closed");
            return;
        }
        c->state = CONN_LINGERING;
        (void)shutdown(c->watch.fd, SHUT_WR); /* fails only if the peer has gone: seen below */
    }
    if (c->state == CONN_LINGERING && c->readable)
        conn_drain(c);
}

void conn_close_after_output(struct conn *c, unsigned linger_ms)
{
    if (c->state == CONN_CONNECTING) {
        conn_end(c, ERR_OK, "closed");
        return;
    }
    if (c->state != CONN_OPEN && c->state != CONN_HANDSHAKE)
        return;
    if (c->tls)
        conn_tls_shutdown(c);
    c->state = CONN_CLOSING;
    buf_free(&c->in);
    timer_set(loop_timers(c->loop), &c->linger, loop_now_ms(c->loop) + linger_ms);
    loop_defer(c->loop, &c->task);
}

void conn_linger_due(struct timer *t)
{
    struct conn *c = CONTAINER_OF(t, struct conn, linger);

    conn_enter(c);
    conn_end(c, ERR_OK, "closed");
    conn_leave(c);
}

void conn_abort(struct conn **c)
{
    if (!*c)
        return;
    (*c)->dead = true;
    if (!(*c)->busy)
        conn_free(*c);
    *c = NULL;
}

/* ----------------------------------------------------------------- entries */

static void conn_connect_ready(struct conn *c, uint32_t events)
{
    int errnum = 0;
    socklen_t len = sizeof errnum;

    if ((events & (EPOLLERR | EPOLLHUP)) &&
        getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
        errnum = errno;
    if (errnum) {
        conn_end_errno(c, errnum);
    } else if (events & EPOLLOUT) {
        c->state = CONN_OPEN;
        if (c->ops->on_connected)
            c->ops->on_connected(c->owner);
    }
}

static void conn_writable(struct conn *c)
{
    bool waited = buf_len(&c->out) > 0;

    conn_flush(c);
    if (waited && buf_len(&c->out) == 0 && c->state == CONN_OPEN && !c->broken &&
        c->ops->on_writable)
        c->ops->on_writable(c->owner);
}

static void conn_progress(struct conn *c)
{
    if (c->dead)
        return;
    if (c->state == CONN_HANDSHAKE)
        conn_tls_begin(c);
    if (c->state == CONN_OPEN || c->state == CONN_HANDSHAKE)
        conn_input(c);
    if (c->dead)
        return;
    if (c->state == CONN_CLOSING || c->state == CONN_LINGERING)
        conn_closing(c);
    else if (c->broken && (!conn_reads(c) || !c->readable || c->ending))
        conn_end(c, c->reason, c->text);
}

void conn_ready(struct loop_watch *w, uint32_t events)
{
    struct conn *c = CONTAINER_OF(w, struct conn, watch);

    conn_enter(c);
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->readable = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->hung_up = true;
    if (c->state == CONN_CONNECTING)
        conn_connect_ready(c, events);
    else if (events & EPOLLOUT)
        conn_writable(c);
    conn_progress(c);
    conn_leave(c);
}

void conn_task(struct loop_task *task)
{
    struct conn *c = CONTAINER_OF(task, struct conn, task);

    conn_enter(c);
    conn_progress(c);
    conn_leave(c);
}
