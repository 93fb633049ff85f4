/* Connections in memory. What one end writes lies at the other until its loop's turn. */
#include "fake_net.h"

#include "core/buf.h"
#include "core/list.h"
#include "core/mem.h"
#include "core/rand.h"

#define LISTENERS_MAX 320
#define PENDING_MAX   4
#define FIRST_FD      (1 << 20) /* far above every descriptor: a mistake closes none */
#define OURS          "192.0.2.1"

struct conn {
    struct cds_list_head link;
    struct loop *loop;
    const struct conn_ops *ops;
    void *owner;
    struct conn *peer; /* NULL: gone */
    struct endpoint local, remote;
    struct buf in; /* come, and not taken */
    struct loop_task task;
    bool connecting, held, wrote, closing;
    bool *gone;      /* set when it is freed inside on_input */
    enum err reason; /* why it ends, when the task runs; ERR_AGAIN: it does not */
    const char *text;
};

static struct {
    bool made;
    struct cds_list_head conns;
    struct {
        struct endpoint at;
        fake_net_accept accept; /* NULL: free */
        void *owner;
    } listeners[LISTENERS_MAX];
    struct conn *pending[PENDING_MAX];
    unsigned cut_odds;
} net;

static void make(void)
{
    if (!net.made)
        list_init(&net.conns);
    net.made = true;
}

/* --- The network --- */

void fake_net_unlisten(const struct endpoint *at)
{
    for (size_t i = 0; i < LISTENERS_MAX; i++)
        if (net.listeners[i].accept && endpoint_equal(&net.listeners[i].at, at))
            net.listeners[i].accept = NULL;
}

void fake_net_listen(const struct endpoint *at, fake_net_accept accept, void *owner)
{
    size_t i = 0;
    fake_net_unlisten(at);
    while (i < LISTENERS_MAX && net.listeners[i].accept)
        i++;
    ASSERT(i < LISTENERS_MAX);
    net.listeners[i].at = *at;
    net.listeners[i].accept = accept;
    net.listeners[i].owner = owner;
}

void fake_net_cuts(unsigned odds)
{
    net.cut_odds = odds;
}

static void end_soon(struct conn *c, enum err reason, const char *text)
{
    if (c->reason != ERR_AGAIN)
        return;
    c->reason = reason;
    c->text = text;
    loop_defer(c->loop, &c->task);
}

void fake_net_cut_all(void)
{
    make();
    LIST_EACH (c, &net.conns, struct conn, link)
        end_soon(c, ERR_CLOSED, "cut");
}

void fake_net_reset(void)
{
    make();
    ASSERT(list_empty(&net.conns));
    memset(net.listeners, 0, sizeof net.listeners);
    net.cut_odds = 0;
}

/* --- One end --- */

static void leave(struct conn *c)
{
    if (c->peer) {
        c->peer->peer = NULL;
        if (!c->peer->closing)
            end_soon(c->peer, ERR_CLOSED, "closed by the peer");
    }
    if (c->gone)
        *c->gone = true;
    loop_task_cancel(c->loop, &c->task);
    list_remove(&c->link);
    buf_free(&c->in);
    mem_free(c);
}

static void end(struct conn *c)
{
    const struct conn_ops *ops = c->ops;
    void *owner = c->owner;
    enum err reason = c->reason;
    const char *text = c->text;
    leave(c);
    ops->on_closed(owner, reason, text);
}

/* What lies here goes to the owner, who may abort the connection meanwhile. False: it did. */
static bool offer(struct conn *c)
{
    bool gone = false;
    while (!c->held && !c->closing && buf_len(&c->in)) {
        c->gone = &gone;
        size_t used = c->ops->on_input(c->owner, buf_bytes(&c->in));
        if (gone)
            return false;
        c->gone = NULL;
        c->held = used < buf_len(&c->in);
        buf_consume(&c->in, used);
    }
    return true;
}

static void run(struct loop_task *task)
{
    struct conn *c = CONTAINER_OF(task, struct conn, task);
    if (c->connecting && c->reason == ERR_AGAIN) {
        c->connecting = false;
        loop_defer(c->loop, &c->task);
        if (c->ops->on_connected)
            c->ops->on_connected(c->owner);
        return;
    }
    if (c->reason != ERR_OK && !offer(c))
        return;
    if (c->reason != ERR_AGAIN && !(c->held && c->reason == ERR_CLOSED)) {
        end(c);
        return;
    }
    bool wrote = c->wrote;
    c->wrote = false;
    if (wrote && c->ops->on_writable)
        c->ops->on_writable(c->owner);
}

static struct conn *conn_new(struct loop *loop, const struct conn_ops *ops, void *owner)
{
    struct conn *c = MEM_NEW(struct conn);
    make();
    c->loop = loop;
    c->ops = ops;
    c->owner = owner;
    c->task.run = run;
    c->reason = ERR_AGAIN;
    buf_init(&c->in, SIZE_MAX);
    list_add(&net.conns, &c->link);
    return c;
}

/* The other end waits, with a number for a descriptor, until its listener has taken it. */
static void meet(struct conn *c, size_t listener)
{
    size_t i = 0;
    while (i < PENDING_MAX && net.pending[i])
        i++;
    ASSERT(i < PENDING_MAX);
    net.pending[i] = c;
    net.listeners[listener].accept(net.listeners[listener].owner, FIRST_FD + (int)i, &c->local,
                                   &c->remote);
    if (net.pending[i]) /* it was not wanted */
        end_soon(c, ERR_CLOSED, "closed by the peer");
    net.pending[i] = NULL;
}

struct conn *fake_net_connect(struct loop *loop, const struct endpoint *from,
                              const struct endpoint *to, const struct conn_ops *ops, void *owner)
{
    struct conn *c = conn_new(loop, ops, owner);
    c->connecting = true;
    c->local = *from;
    c->remote = *to;
    loop_defer(loop, &c->task);
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        if (net.listeners[i].accept && endpoint_equal(&net.listeners[i].at, to)) {
            meet(c, i);
            return c;
        }
    }
    end_soon(c, ERR_CLOSED, "Connection refused");
    return c;
}

/* --- net/conn.h --- */

struct conn *conn_accepted(struct loop *loop, int fd, const struct conn_ops *ops, void *owner)
{
    ASSERT(fd >= FIRST_FD && fd < FIRST_FD + PENDING_MAX && net.pending[fd - FIRST_FD]);
    struct conn *peer = net.pending[fd - FIRST_FD];
    struct conn *c = conn_new(loop, ops, owner);
    net.pending[fd - FIRST_FD] = NULL;
    c->local = peer->remote;
    c->remote = peer->local;
    c->peer = peer;
    peer->peer = c;
    return c;
}

struct conn *conn_connect(struct loop *loop, const struct endpoint *to, const struct ipaddr *source,
                          const struct conn_ops *ops, void *owner)
{
    struct endpoint from = {.port = 50000};
    bool any =
        !source || ipaddr_equal(source, &IPADDR_V4_ANY) || ipaddr_equal(source, &IPADDR_V6_ANY);
    enum err e = any ? ipaddr_parse(BYTES(OURS), &from.addr) : ERR_OK;
    ASSERT(e == ERR_OK);
    if (!any)
        from.addr = *source;
    return fake_net_connect(loop, &from, to, ops, owner);
}

enum err conn_write(struct conn *c, struct bytes bytes)
{
    if (c->connecting)
        return ERR_AGAIN;
    if (!c->peer || c->closing || c->reason != ERR_AGAIN)
        return ERR_CLOSED;
    bool cut = net.cut_odds && rand_below(net.cut_odds) == 0;
    if (cut)
        bytes.len = (size_t)rand_below(bytes.len + 1);
    enum err e = buf_append(&c->peer->in, bytes);
    ASSERT(e == ERR_OK);
    if (!c->peer->held)
        loop_defer(c->peer->loop, &c->peer->task);
    if (cut) {
        end_soon(c->peer, ERR_CLOSED, "cut");
        end_soon(c, ERR_CLOSED, "cut");
    }
    c->wrote = true;
    loop_defer(c->loop, &c->task);
    return ERR_OK;
}

enum err conn_writev(struct conn *c, const struct iovec *iov, int count)
{
    enum err e = ERR_OK;
    for (int i = 0; i < count && e == ERR_OK; i++)
        e = conn_write(c, bytes_make(iov[i].iov_base, iov[i].iov_len));
    return e;
}

size_t conn_output_waiting(const struct conn *c)
{
    (void)c;
    return 0;
}

enum err conn_start_tls(struct conn *c, struct tls_context *tls, const char *server_name)
{
    (void)c;
    (void)tls;
    (void)server_name;
    return ERR_CLOSED;
}

const struct tls_info *conn_tls(const struct conn *c)
{
    (void)c;
    return NULL;
}

void conn_tls_resume(struct conn *c, const struct tls_session *session)
{
    (void)c;
    (void)session;
}

struct tls_session *conn_tls_session(const struct conn *c)
{
    (void)c;
    return NULL;
}

void conn_resume(struct conn *c)
{
    c->held = false;
    loop_defer(c->loop, &c->task);
}

size_t conn_input_waiting(const struct conn *c)
{
    return c->held ? buf_len(&c->in) : 0;
}

bool conn_is_stale(struct conn *c)
{
    return !c->peer || c->reason != ERR_AGAIN || buf_len(&c->in) > 0;
}

void conn_close_after_output(struct conn *c, unsigned linger_ms)
{
    (void)linger_ms;
    end_soon(c, ERR_OK, "closed");
    c->closing = true;
}

void conn_abort(struct conn **c)
{
    if (*c)
        leave(*c);
    *c = NULL;
}

struct endpoint conn_peer(const struct conn *c)
{
    return c->remote;
}

struct endpoint conn_local(const struct conn *c)
{
    return c->local;
}
