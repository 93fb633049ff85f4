/* net/conn_private.h - a connection from inside: net/conn.c moves bytes and keeps the states,
 * net/conn_open.c makes them, net/conn_tls.c turns bytes into TLS and back.
 *
 * Every entry is from the loop (ready, task, linger); callbacks to the owner are made only there,
 * between conn_enter() and conn_leave(). After each callback C may be DEAD or in another state.
 */
#ifndef NET_CONN_PRIVATE_H
#define NET_CONN_PRIVATE_H

#include <sys/types.h>

#include "core/buf.h"
#include "net/conn.h"

enum {
    CONN_KEPT_MAX = 64 * 1024,
    CONN_OUTPUT_MAX = 1024 * 1024,
    /* TLS adds a few per cent to what was asked, and alerts and key updates of its own. */
    CONN_OUTPUT_SLACK = 128 * 1024,
};

enum conn_state {
    CONN_CONNECTING,
    CONN_OPEN,
    CONN_HANDSHAKE,
    CONN_CLOSING,   /* output is going, input is ignored */
    CONN_LINGERING, /* our side is shut; what the peer still sends is thrown away */
    CONN_ENDED,     /* on_closed is due, from the loop */
};

struct conn_tls;

struct conn {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_task task;
    struct timer linger;
    const struct conn_ops *ops;
    void *owner;
    enum conn_state state;
    bool watched;
    bool busy;     /* inside an entry from the loop */
    bool dead;     /* aborted while busy: the entry frees it */
    bool readable; /* an edge came and the socket was not read empty since */
    bool hung_up;  /* the end of input is in the socket: a short read is not its last */
    bool paused;   /* the owner left input and has not resumed */
    bool ending;   /* nothing is read any more; ends once the kept input is taken */
    bool handshake_failed;
    bool broken; /* a write failed: ends after a last look at the input */
    enum err reason;
    const char *text; /* static */
    struct buf in;    /* kept for the owner */
    struct buf out;   /* waiting for the socket; not empty only while a writable edge is due */
    struct endpoint peer;
    struct conn_tls *tls;
};

/* The connection is over: on_closed follows from the loop. The first reason stays. */
void conn_end(struct conn *c, enum err reason, const char *text);
void conn_end_errno(struct conn *c, int errnum);
/* As conn_end(), but first the owner gets what it has not taken yet. */
void conn_end_after_input(struct conn *c, enum err reason, const char *text);

/* The entries from the loop. */
void conn_ready(struct loop_watch *w, uint32_t events);
void conn_task(struct loop_task *task);
void conn_linger_due(struct timer *t);

/* Reads once into TO; 0: nothing now, or the connection has ended. */
size_t conn_receive(struct conn *c, char *to, size_t size);
/* Hands IN to the owner and keeps what it leaves. */
void conn_offer(struct conn *c, struct bytes in);
/* Bytes for the socket as they are: what it does not take now is kept. False: it broke. */
bool conn_put(struct conn *c, const struct iovec *iov, int count);
void conn_flush(struct conn *c);

/* Reads the socket once and goes on with the handshake or hands over what it decrypts. */
void conn_tls_receive(struct conn *c);
/* The first flight of the side that speaks first. */
void conn_tls_begin(struct conn *c);
MUST_USE enum err conn_tls_writev(struct conn *c, const struct iovec *iov, int count);
/* Says close_notify. */
void conn_tls_shutdown(struct conn *c);
void conn_tls_free(struct conn *c);

#endif
