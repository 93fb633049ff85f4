/* net/tls_stream.h - TLS on a blocking socket, for small clients that have no loop (net/conn.h is
 * for all others). One thread. The socket stays the caller's, its timeouts count; SIGPIPE too.
 */
#ifndef NET_TLS_STREAM_H
#define NET_TLS_STREAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/tls.h"

struct tls_stream;

/* Shakes hands on FD as a client. NULL: it failed, or CTX has no client side. */
struct tls_stream *tls_stream_open(struct tls_context *ctx, int fd);
/* As recv(): 0 at the end, -1 when it failed. */
ssize_t tls_stream_read(struct tls_stream *stream, void *to, size_t size);
bool tls_stream_write(struct tls_stream *stream, const void *data, size_t len); /* all of it */
/* Without the closing alert, for protocols that say good-bye themselves. NULL is fine. */
void tls_stream_free(struct tls_stream **stream);

#endif
