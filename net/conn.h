/* net/conn.h - one TCP connection on a loop, in clear or under TLS, behind one interface.
 *
 * Once a handshake has begun nothing is ever read or written in clear again: a close_notify, a
 * TLS error or an end of file without close_notify ends the connection (CVE-2026-45185 class).
 * All calls on the loop's thread. The owner gets on_input, on_writable and on_closed; never from
 * inside its own call of conn_write, always from the loop.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <stdbool.h>
#include <sys/uio.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/ipaddr.h"
#include "core/loop.h"
#include "net/tls.h"

struct conn;

struct conn_ops {
    /* Bytes have come: returns how many it took. The rest is kept (at most 64 KiB) and offered
     * again after conn_resume(); the connection is not read meanwhile. */
    size_t (*on_input)(void *owner, struct bytes in);
    void (*on_connected)(void *owner);          /* conn_connect() succeeded; NULL: not told */
    void (*on_handshake)(void *owner, bool ok); /* conn_start_tls() ended; not ok: closes next */
    void (*on_writable)(void *owner);           /* output has drained; NULL: not told */
    void (*on_closed)(void *owner, enum err reason,
                      const char *text); /* once; conn is gone after */
};

/* Takes FD over (non-blocking, close-on-exec). */
struct conn *conn_accepted(struct loop *loop, int fd, const struct conn_ops *ops, void *owner);
/* Connects; on failure on_closed is called from the loop. SOURCE may be NULL. */
struct conn *conn_connect(struct loop *loop, const struct endpoint *to, const struct ipaddr *source,
                          const struct conn_ops *ops, void *owner);

/* Sends all of IOV now or keeps a copy of what the socket would not take. ERR_LIMIT beyond 1 MiB
 * waiting, this call included (nothing of it is then sent or kept). ERR_AGAIN before on_connected
 * and during a handshake; ERR_CLOSED when the peer is gone (on_closed follows) or we are closing.
 * Bytes go out in order. */
MUST_USE enum err conn_writev(struct conn *c, const struct iovec *iov, int count);
MUST_USE enum err conn_write(struct conn *c, struct bytes bytes);
size_t conn_output_waiting(const struct conn *c);

/* From now on only TLS. Unread input must be empty (the caller checks). SERVER_NAME: SNI, and
 * NULL on the accepting side. */
MUST_USE enum err conn_start_tls(struct conn *c, struct tls_context *tls, const char *server_name);
const struct tls_info *conn_tls(const struct conn *c); /* NULL while in clear */
/* Right after conn_start_tls(), on the connecting side: offers SESSION, which stays the caller's. A
 * peer that does not want it, or a session that is too old, makes it a handshake like any other. */
void conn_tls_resume(struct conn *c, const struct tls_session *session);
/* What a later connection to the same peer may offer: the newest that it has given. The caller's;
 * NULL: there is none (yet: under TLS 1.3 it comes behind the handshake). */
struct tls_session *conn_tls_session(const struct conn *c);

/* Offers kept input again and goes on reading, from the loop. Not from inside on_input. */
void conn_resume(struct conn *c);
/* Input kept but not taken yet: bytes that came before we asked for them. */
size_t conn_input_waiting(const struct conn *c);
/* True if the peer has sent something or closed: a pooled connection is not to be reused. */
bool conn_is_stale(struct conn *c);

/* Closes when the output has gone, or after LINGER_MS; then on_closed(ERR_OK). Input that comes
 * meanwhile is thrown away. */
void conn_close_after_output(struct conn *c, unsigned linger_ms);
/* Now, without a word to the owner; C is gone. */
void conn_abort(struct conn **c);

struct endpoint conn_peer(const struct conn *c);
struct endpoint conn_local(const struct conn *c);

#endif
