/* How a connection begins: accepted, or connecting. */
#include "net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "core/mem.h"
#include "net/conn_private.h"

static struct conn *conn_new(struct loop *loop, int fd, const struct conn_ops *ops, void *owner)
{
    struct conn *c = MEM_NEW(struct conn);

    c->loop = loop;
    c->watch = (struct loop_watch){.fd = fd, .on_ready = conn_ready};
    c->task.run = conn_task;
    c->linger.on_due = conn_linger_due;
    c->ops = ops;
    c->owner = owner;
    c->text = "";
    buf_init(&c->in, CONN_KEPT_MAX);
    buf_init(&c->out, CONN_OUTPUT_MAX + CONN_OUTPUT_SLACK);
    return c;
}

static void conn_watch(struct conn *c)
{
    enum err e = loop_watch_add(c->loop, &c->watch);

    if (e == ERR_OK)
        c->watched = true;
    else
        conn_end(c, e, "cannot watch the socket");
}

struct conn *conn_accepted(struct loop *loop, int fd, const struct conn_ops *ops, void *owner)
{
    struct conn *c = conn_new(loop, fd, ops, owner);

    c->state = CONN_OPEN;
    conn_watch(c);
    return c;
}

static bool source_given(const struct ipaddr *source)
{
    return source && !ipaddr_equal(source, &IPADDR_V4_ANY) && !ipaddr_equal(source, &IPADDR_V6_ANY);
}

/* 0 or errno. The port of a bound source is left to connect(), which may then use one port for
 * several destinations. */
static int conn_socket_connect(struct conn *c, const struct endpoint *to,
                               const struct ipaddr *source)
{
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(to, &sa);
    int one = 1;

    c->watch.fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->watch.fd < 0 || setsockopt(c->watch.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
        return errno;
    if (source_given(source)) {
        struct endpoint from = {.addr = *source, .scope = to->scope};
        struct sockaddr_storage local;
        socklen_t local_len = endpoint_to_sockaddr(&from, &local);

        (void)setsockopt(c->watch.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(c->watch.fd, (struct sockaddr *)&local, local_len) != 0)
            return errno;
    }
    if (connect(c->watch.fd, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS)
        return errno;
    return 0;
}

struct conn *conn_connect(struct loop *loop, const struct endpoint *to, const struct ipaddr *source,
                          const struct conn_ops *ops, void *owner)
{
    struct conn *c = conn_new(loop, -1, ops, owner);
    int errnum;

    c->state = CONN_CONNECTING;
    c->peer = *to;
    errnum = conn_socket_connect(c, to, source);
    if (errnum)
        conn_end_errno(c, errnum);
    else
        conn_watch(c);
    return c;
}

struct endpoint conn_peer(const struct conn *c)
{
    struct endpoint e = c->peer;
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;

    if (e.port == 0 && getpeername(c->watch.fd, (struct sockaddr *)&sa, &len) == 0)
        endpoint_from_sockaddr((struct sockaddr *)&sa, &e);
    return e;
}

struct endpoint conn_local(const struct conn *c)
{
    struct endpoint e = {0};
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;

    if (getsockname(c->watch.fd, (struct sockaddr *)&sa, &len) == 0)
        endpoint_from_sockaddr((struct sockaddr *)&sa, &e);
    return e;
}
