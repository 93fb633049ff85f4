/* net/tls.h - OpenSSL contexts: one certificate for the server side, opportunistic on the other.
 *
 * TLS 1.2 and 1.3; no renegotiation, no compression, no early data (RFC 9325). A context is
 * immutable once made and reference-counted: sessions keep the one they started with.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>

#include "core/err.h"

struct tls_context;
struct tls_session; /* to be resumed by a later connection (RFC 8446 2.2, RFC 5077); one thread's */

struct tls_settings {
    const char *certificate; /* PEM file, leaf first; NULL: no server side */
    const char *key;         /* PEM file */
    const char *minimum;     /* "1.2" or "1.3" */
    const char *trust_file;  /* "" or NULL: the system's */
};

struct tls_info {
    char version[16]; /* "TLSv1.3" */
    char cipher[64];  /* "TLS_AES_256_GCM_SHA384" */
    int bits;
    bool resumed;
};

MUST_USE enum err tls_context_server(const struct tls_settings *settings, struct tls_context **out,
                                     struct err_detail *why);
/* A server's context with a key and a certificate for NAME that are made now, signed by itself and
 * gone with it: for servers with clients that encrypt without verifying (RFC 7435). */
MUST_USE enum err tls_context_self_signed(const char *name, struct tls_context **out,
                                          struct err_detail *why);
/* Encrypts with any peer (opportunistic: no certificate check, RFC 7435). */
MUST_USE enum err tls_context_client(const struct tls_settings *settings, struct tls_context **out,
                                     struct err_detail *why);
/* What a client that knows us as NAME could have against the certificate of a server's context, and
 * that can be seen from here: it has expired, is not valid yet, or has another name. NULL: nothing.
 */
const char *tls_context_objection(const struct tls_context *ctx, const char *name);
struct tls_context *tls_context_ref(struct tls_context *ctx); /* any thread */
void tls_context_unref(struct tls_context **ctx);             /* any thread */
void tls_session_free(struct tls_session **session);

#endif
