/* An owner of a connection that writes down all it is told, and its peer. */
#include "conn_rig.h"

#include <errno.h>
#include <sys/socket.h>

void conn_rig_called(struct conn_rig *r)
{
    r->inside_callbacks += r->inside;
}

static size_t conn_rig_input(void *owner, struct bytes in)
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

static void conn_rig_connected(void *owner)
{
    struct conn_rig *r = owner;

    conn_rig_called(r);
    r->connected++;
}

void conn_rig_handshake(void *owner, bool ok)
{
    struct conn_rig *r = owner;

    conn_rig_called(r);
    r->handshakes += ok;
    r->handshake_failures += !ok;
}

static void conn_rig_writable(void *owner)
{
    struct conn_rig *r = owner;

    conn_rig_called(r);
    r->writable++;
}

void conn_rig_closed(void *owner, enum err reason, const char *text)
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

const struct conn_ops conn_rig_ops = {
    .on_input = conn_rig_input,
    .on_connected = conn_rig_connected,
    .on_handshake = conn_rig_handshake,
    .on_writable = conn_rig_writable,
    .on_closed = conn_rig_closed,
};

void conn_rig_prepare(struct conn_rig *r)
{
    *r = (struct conn_rig){.peer = -1, .take_max = SIZE_MAX};
    CHECK(loop_new(&r->loop, NULL) == ERR_OK);
    buf_init(&r->got, 64 * 1024 * 1024);
}

void conn_rig_open(struct conn_rig *r)
{
    int fds[2];

    conn_rig_prepare(r);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    r->peer = fds[1];
    r->c = conn_accepted(r->loop, fds[0], &conn_rig_ops, r);
}

void conn_rig_close(struct conn_rig *r)
{
    CHECK_U64(r->inside_callbacks, 0);
    conn_abort(&r->c);
    if (r->peer >= 0)
        (void)close(r->peer);
    buf_free(&r->got);
    loop_free(&r->loop);
}

void conn_rig_settle(struct conn_rig *r)
{
    for (int i = 0; i < 1000 && loop_turn(r->loop, 0); i++)
        ;
}

void conn_rig_send(struct conn_rig *r, const char *text)
{
    CHECK(send(r->peer, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

enum err conn_rig_write(struct conn_rig *r, struct bytes b)
{
    enum err e;

    r->inside = true;
    e = conn_write(r->c, b);
    r->inside = false;
    return e;
}

ssize_t conn_rig_peer_read(struct conn_rig *r, char *to, size_t size)
{
    ssize_t n = recv(r->peer, to, size - 1, 0);

    to[n > 0 ? n : 0] = '\0';
    return n == 0 ? -1 : n < 0 ? 0 : n;
}

char *conn_rig_pattern(size_t len)
{
    char *p = malloc(len);

    for (size_t i = 0; p && i < len; i++)
        p[i] = (char)((i * 2654435761u) >> 13);
    return p;
}
