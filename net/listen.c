/* Listening sockets: opened, accepted from in batches, paused when descriptors run out. */
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"

enum {
    BACKLOG = 4096, /* cut to net.core.somaxconn */
    ACCEPTS_MAX = 64,
    PAUSE_MS = 1000,
};

struct listener {
    struct loop *loop;
    struct loop_watch watch;
    struct timer pause;
    struct endpoint local;
    bool wildcard; /* each connection has a local address of its own */
    bool busy;     /* in on_accept */
    bool dead;     /* stopped there: freed after it */
    int reserve_fd;
    void (*on_accept)(void *owner, int fd, const struct endpoint *peer,
                      const struct endpoint *local);
    void *owner;
};

/* False with errno. An IPv6 socket takes IPv6 only: bindings to :: and 0.0.0.0 are two. */
static bool socket_bind(int fd, const struct endpoint *at, bool shared)
{
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(at, &sa);
    int one = 1;

    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
           (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0) &&
           (sa.ss_family != AF_INET6 ||
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0) &&
           bind(fd, (struct sockaddr *)&sa, len) == 0;
}

static int socket_open(const struct endpoint *at)
{
    int family = ipaddr_is_v4(&at->addr) ? AF_INET : AF_INET6;
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static enum err open_error(const struct endpoint *at, int fd, struct err_detail *why)
{
    char text[ENDPOINT_TEXT_SIZE];
    enum err e = err_set_errno(why, errno, "cannot listen on %s", endpoint_format(at, text));

    if (fd >= 0)
        (void)close(fd);
    return e;
}

enum err listen_open(const struct endpoint *at, int *fd, struct err_detail *why)
{
    *fd = socket_open(at);
    if (*fd >= 0 && socket_bind(*fd, at, true) && listen(*fd, BACKLOG) == 0)
        return ERR_OK;
    enum err e = open_error(at, *fd, why);
    *fd = -1;
    return e;
}

enum err listen_check_free(const struct endpoint *at, struct err_detail *why)
{
    int fd = socket_open(at);

    if (fd < 0 || !socket_bind(fd, at, false))
        return open_error(at, fd, why);
    (void)close(fd);
    return ERR_OK;
}

struct endpoint listen_address(int fd)
{
    struct endpoint e = {0};
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;

    if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
        endpoint_from_sockaddr((struct sockaddr *)&sa, &e);
    return e;
}

static void reserve_open(struct listener *l)
{
    if (l->reserve_fd < 0)
        l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_free(struct listener *l)
{
    loop_watch_remove(l->loop, &l->watch);
    timer_cancel(&l->pause);
    (void)close(l->watch.fd);
    if (l->reserve_fd >= 0)
        (void)close(l->reserve_fd);
    mem_free(l);
}

/* The reserved descriptor goes to the first in the queue, to be told why there is no answer. */
static void shortage_answer(struct listener *l)
{
    static const char busy[] = "421 4.3.2 Too many connections\r\n";
    int fd;

    if (l->reserve_fd < 0)
        return;
    (void)close(l->reserve_fd);
    l->reserve_fd = -1;
    fd = accept4(l->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        /* A courtesy: whether it arrives changes nothing here. */
        (void)!send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL);
        (void)close(fd);
    }
    reserve_open(l);
}

/* Whatever is short stays so for a while, and a level-triggered listener would spin. */
static void listener_pause(struct listener *l, int errnum)
{
    LOG(LOG_WARNING, "accept_paused", LOG_ENDPOINT("local", &l->local),
        LOG_STR("reason", strerrordesc_np(errnum)), LOG_U64("pause_ms", PAUSE_MS));
    if (errnum == EMFILE || errnum == ENFILE)
        shortage_answer(l);
    loop_watch_modify(l->loop, &l->watch, 0);
    timer_set(loop_timers(l->loop), &l->pause, loop_now_ms(l->loop) + PAUSE_MS);
}

static void pause_due(struct timer *t)
{
    struct listener *l = CONTAINER_OF(t, struct listener, pause);

    reserve_open(l);
    loop_watch_modify(l->loop, &l->watch, EPOLLIN);
}

static void accepted(struct listener *l, int fd, const struct sockaddr_storage *sa)
{
    struct endpoint peer, local = l->local;

    endpoint_from_sockaddr((const struct sockaddr *)sa, &peer);
    if (l->wildcard)
        local = listen_address(fd);
    l->on_accept(l->owner, fd, &peer, &local);
}

/* What accept(2) reports about one connection, or about the network it came by, says nothing of
 * the next one. */
static bool error_is_of_one(int errnum)
{
    switch (errnum) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

static void listener_ready(struct loop_watch *w, uint32_t events)
{
    struct listener *l = CONTAINER_OF(w, struct listener, watch);

    (void)events;
    l->busy = true;
    for (unsigned i = 0; i < ACCEPTS_MAX && !l->dead; i++) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof sa;
        int fd = accept4(w->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            accepted(l, fd, &sa);
        } else if (errno == EAGAIN) {
            break;
        } else if (!error_is_of_one(errno)) {
            listener_pause(l, errno);
            break;
        }
    }
    l->busy = false;
    if (l->dead)
        listener_free(l);
}

struct listener *listener_start(struct loop *loop, int fd,
                                void (*on_accept)(void *owner, int fd, const struct endpoint *peer,
                                                  const struct endpoint *local),
                                void *owner)
{
    struct listener *l = MEM_NEW(struct listener);
    int one = 1;
    enum err e;

    l->loop = loop;
    l->watch = (struct loop_watch){.fd = fd, .on_ready = listener_ready};
    l->pause.on_due = pause_due;
    l->local = listen_address(fd);
    l->wildcard = ipaddr_equal(&l->local.addr, &IPADDR_V4_ANY) ||
                  ipaddr_equal(&l->local.addr, &IPADDR_V6_ANY);
    l->reserve_fd = -1;
    l->on_accept = on_accept;
    l->owner = owner;
    reserve_open(l);
    /* Inherited by every connection: one call here for one call each. Without it replies only
     * come later. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    e = loop_watch_add_events(loop, &l->watch, EPOLLIN);
    ASSERT(e == ERR_OK);
    return l;
}

void listener_stop(struct listener **l)
{
    if (!*l)
        return;
    (*l)->dead = true;
    if (!(*l)->busy)
        listener_free(*l);
    *l = NULL;
}
