/* net/tls_private.h - what net/conn_tls.c needs of a context. */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* A session of CTX, in the role that CTX was made for; NULL when OpenSSL cannot make one.
 * SERVER_NAME is sent as SNI if it is a DNS name; an address or NULL sends none (RFC 6066 3). */
SSL *tls_session_new(struct tls_context *ctx, const char *server_name);
void tls_session_info(const SSL *ssl, struct tls_info *out);
/* The session of a connection that was made; NULL if it cannot be resumed. */
struct tls_session *tls_session_take(SSL *ssl);
void tls_session_offer(SSL *ssl, const struct tls_session *session);

/* The first error in OpenSSL's queue as static text, and the queue is empty after. */
const char *tls_reason_take(void);

#endif
