/* tests/unit/net/conn_rig.h - an owner of a connection that writes down all it is told and does
 * what its test wants, and the bare socket at the other end. */
#ifndef TESTS_CONN_RIG_H
#define TESTS_CONN_RIG_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/loop.h"
#include "net/conn.h"

#include "unit.h"

struct conn_rig {
    struct loop *loop;
    struct conn *c;
    int peer; /* non-blocking, the test's */
    struct buf got;
    size_t take_max; /* of one on_input */
    unsigned inputs, connected, writable, handshakes, handshake_failures, closed;
    enum err reason;
    char text[96];
    bool inside; /* a call of the test's into conn: no callback may come */
    unsigned inside_callbacks;
    void (*then)(struct conn_rig *r); /* run inside on_input */
    bool abort_when_closed;
};

static inline void conn_rig_called(struct conn_rig *r)
{
    r->inside_callbacks += r->inside;
}

static inline size_t conn_rig_input(void *owner, struct bytes in)
{
    struct conn_rig *r = owner;
    size_t len = in.len < r->take_max ? in.len : r->take_max;

    conn_rig_called(r);
    r->inputs++;
    CHECK(in.len > 0);
    CHECK(buf_append(&r->got, bytes_sub(in, 0, len)) == ERR_OK);
    if (r->then)
        r->then(r);
    return len;
}

static inline void conn_rig_connected(void *owner)
{
    struct conn_rig *r = owner;

    conn_rig_called(r);
    r->connected++;
}

static inline void conn_rig_handshake(void *owner, bool ok)
{
    struct conn_rig *r = owner;

    conn_rig_called(r);
    r->handshakes += ok;
    r->handshake_failures += !ok;
}

static inline void conn_rig_writable(void *owner)
{
    struct conn_rig *r = owner;

    conn_rig_called(r);
    r->writable++;
}

static inline void conn_rig_closed(void *owner, enum err reason, const char *text)
{
    struct conn_rig *r = owner;

    conn_rig_called(r);
    r->closed++;
    r->reason = reason;
    (void)bytes_to_cstr(bytes_of(text), r->text, sizeof r->text);
    if (r->abort_when_closed)
        conn_abort(&r->c);
    r->c = NULL;
}

static const struct conn_ops conn_rig_ops = {
    .on_input = conn_rig_input,
    .on_connected = conn_rig_connected,
    .on_handshake = conn_rig_handshake,
    .on_writable = conn_rig_writable,
    .on_closed = conn_rig_closed,
};

static inline void conn_rig_prepare(struct conn_rig *r)
{
    *r = (struct conn_rig){.peer = -1, .take_max = SIZE_MAX};
    CHECK(loop_new(&r->loop, NULL) == ERR_OK);
    buf_init(&r->got, 64 * 1024 * 1024);
}

static inline void conn_rig_open(struct conn_rig *r)
{
    int fds[2];

    conn_rig_prepare(r);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    r->peer = fds[1];
    r->c = conn_accepted(r->loop, fds[0], &conn_rig_ops, r);
}

static inline void conn_rig_close(struct conn_rig *r)
{
    CHECK_U64(r->inside_callbacks, 0);
    conn_abort(&r->c);
    if (r->peer >= 0)
        (void)close(r->peer);
    buf_free(&r->got);
    loop_free(&r->loop);
}

/* Turns until nothing happens. */
static inline void conn_rig_settle(struct conn_rig *r)
{
    for (int i = 0; i < 1000 && loop_turn(r->loop, 0); i++)
        ;
}

static inline void conn_rig_send(struct conn_rig *r, const char *text)
{
    CHECK(send(r->peer, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static inline enum err conn_rig_write(struct conn_rig *r, struct bytes b)
{
    enum err e;

    r->inside = true;
    e = conn_write(r->c, b);
    r->inside = false;
    return e;
}

/* What lies at the peer's, up to SIZE-1 octets; -1 at the end of file. */
static inline ssize_t conn_rig_peer_read(struct conn_rig *r, char *to, size_t size)
{
    ssize_t n = recv(r->peer, to, size - 1, 0);

    to[n > 0 ? n : 0] = '\0';
    return n == 0 ? -1 : n < 0 ? 0 : n;
}

/* Octets in which a lost, doubled or swapped one shows. */
static inline char *conn_rig_pattern(size_t len)
{
    char *p = malloc(len);

    for (size_t i = 0; p && i < len; i++)
        p[i] = (char)((i * 2654435761u) >> 13);
    return p;
}

#endif
