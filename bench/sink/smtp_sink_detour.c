/* Connections of the sink that are silent, late or slow. */
#include "bench/sink/smtp_sink_private.h"

#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"
#include "net/conn.h"

#define TICK_MS     50
#define LINGER_MS   2000
#define SLOW_RCVBUF 16384 /* else the kernel would take megabytes in our place */

void smtp_sink_detour_stop_all(struct cds_list_head *list)
{
    LIST_EACH_SAFE (d, list, struct smtp_sink_detour, link)
        d->stop(d);
}

void smtp_sink_reset(int fd)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    /* Should it fail the connection closes as others do, which ends it as well. */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    (void)close(fd);
}

/* ---- silent ----------------------------------------------------------------------------- */

struct silence {
    struct smtp_sink_detour detour;
    struct conn *conn;
    void (*gone)(void *owner);
    void *owner;
};

static void silence_end(struct silence *s)
{
    list_remove(&s->detour.link);
    s->gone(s->owner);
    mem_free(s);
}

static void silence_stop(struct smtp_sink_detour *d)
{
    struct silence *s = CONTAINER_OF(d, struct silence, detour);
    conn_abort(&s->conn);
    silence_end(s);
}

static size_t silence_input(void *owner, struct bytes in)
{
    (void)owner;
    return in.len;
}

static void silence_closed(void *owner, enum err reason, const char *text)
{
    (void)reason, (void)text;
    silence_end(owner);
}

void smtp_sink_silence(struct cds_list_head *list, struct loop *loop, int fd,
                       void (*gone)(void *owner), void *owner)
{
    static const struct conn_ops ops = {.on_input = silence_input, .on_closed = silence_closed};
    struct silence *s = MEM_NEW(struct silence);
    s->detour.stop = silence_stop;
    s->gone = gone;
    s->owner = owner;
    s->conn = conn_accepted(loop, fd, &ops, s);
    list_add(list, &s->detour.link);
}

/* ---- late ------------------------------------------------------------------------------- */

/* The peer is not watched meanwhile: if it leaves, that is seen when its turn comes. */
struct delay {
    struct smtp_sink_detour detour;
    struct timer timer;
    struct smtp_sink_later then;
    int fd;
};

static void delay_stop(struct smtp_sink_detour *d)
{
    struct delay *w = CONTAINER_OF(d, struct delay, detour);
    list_remove(&d->link);
    timer_cancel(&w->timer);
    (void)close(w->fd);
    w->then.gone(w->then.owner);
    mem_free(w);
}

static void delay_due(struct timer *t)
{
    struct delay *w = CONTAINER_OF(t, struct delay, timer);
    list_remove(&w->detour.link);
    w->then.go(w->then.owner, w->fd);
    mem_free(w);
}

void smtp_sink_delay(struct cds_list_head *list, struct loop *loop, int fd, uint64_t delay_ms,
                     const struct smtp_sink_later *then)
{
    struct delay *w = MEM_NEW(struct delay);
    w->detour.stop = delay_stop;
    w->timer.on_due = delay_due;
    w->then = *then;
    w->fd = fd;
    list_add(list, &w->detour.link);
    timer_set(loop_timers(loop), &w->timer, loop_now_ms(loop) + delay_ms);
}

/* ---- slow ------------------------------------------------------------------------------- */

/* Between the peer and the session stands a pair of sockets. What the peer sends passes as fast as
 * ALLOWANCE grows, what the session answers at once; so the session needs to know nothing. */
struct pump {
    struct smtp_sink_detour detour;
    struct loop *loop;
    struct conn *peer, *session;
    struct timer tick;
    uint64_t each_tick, allowance;
};

static void pump_free(struct pump *p)
{
    list_remove(&p->detour.link);
    timer_cancel(&p->tick);
    conn_abort(&p->peer);
    conn_abort(&p->session);
    mem_free(p);
}

static void pump_stop(struct smtp_sink_detour *d)
{
    pump_free(CONTAINER_OF(d, struct pump, detour));
}

static void pump_due(struct timer *t)
{
    struct pump *p = CONTAINER_OF(t, struct pump, tick);
    p->allowance = p->each_tick;
    conn_resume(p->peer);
}

/* A session that waits for an answer takes nothing more, and so is nothing pushed at it. A write
 * fails when it is gone: it has closed its end then, which is told below. */
static size_t from_peer(void *owner, struct bytes in)
{
    struct pump *p = owner;
    if (!p->session)
        return in.len;
    size_t room = conn_output_waiting(p->session) ? 0 : (size_t)p->allowance;
    struct bytes piece = bytes_sub(in, 0, room);
    if (piece.len && conn_write(p->session, piece) != ERR_OK)
        return in.len;
    p->allowance -= piece.len;
    if ((piece.len < in.len || !p->allowance) && !timer_armed(&p->tick))
        timer_set(loop_timers(p->loop), &p->tick, loop_now_ms(p->loop) + TICK_MS);
    return piece.len;
}

static size_t from_session(void *owner, struct bytes in)
{
    struct pump *p = owner;
    if (conn_write(p->peer, in) != ERR_OK)
        conn_close_after_output(p->peer, 0);
    return in.len;
}

static void peer_closed(void *owner, enum err reason, const char *text)
{
    struct pump *p = owner;
    (void)reason, (void)text;
    p->peer = NULL;
    pump_free(p);
}

static void session_closed(void *owner, enum err reason, const char *text)
{
    struct pump *p = owner;
    (void)reason, (void)text;
    p->session = NULL;
    conn_close_after_output(p->peer, LINGER_MS);
}

int smtp_sink_slow(struct cds_list_head *list, struct loop *loop, int fd, uint64_t bytes_per_s)
{
    static const struct conn_ops peer_ops = {.on_input = from_peer, .on_closed = peer_closed};
    static const struct conn_ops session_ops = {.on_input = from_session,
                                                .on_closed = session_closed};
    const int small = SLOW_RCVBUF;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return fd;
    /* With the kernel's own size it is slow as well, only less so for short messages. */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    struct pump *p = MEM_NEW(struct pump);
    p->detour.stop = pump_stop;
    p->loop = loop;
    p->tick.on_due = pump_due;
    p->each_tick = bytes_per_s * TICK_MS / 1000;
    if (!p->each_tick)
        p->each_tick = 1;
    p->allowance = p->each_tick;
    p->peer = conn_accepted(loop, fd, &peer_ops, p);
    p->session = conn_accepted(loop, pair[0], &session_ops, p);
    list_add(list, &p->detour.link);
    return pair[1];
}
