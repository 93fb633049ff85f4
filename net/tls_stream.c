/* A TLS client on a blocking socket. */
#include "net/tls_stream.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/mem.h"
#include "net/tls_private.h"

struct tls_stream {
    SSL *ssl;
};

struct tls_stream *tls_stream_open(struct tls_context *ctx, int fd)
{
    SSL *ssl = tls_session_new(ctx, NULL);
    ERR_clear_error();
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    struct tls_stream *s = MEM_NEW(struct tls_stream);
    s->ssl = ssl;
    return s;
}

ssize_t tls_stream_read(struct tls_stream *stream, void *to, size_t size)
{
    ERR_clear_error();
    int n = SSL_read(stream->ssl, to, size < INT_MAX ? (int)size : INT_MAX);
    if (n > 0)
        return n;
    return SSL_get_error(stream->ssl, n) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

bool tls_stream_write(struct tls_stream *stream, const void *data, size_t len)
{
    ERR_clear_error();
    return len <= INT_MAX && SSL_write(stream->ssl, data, (int)len) == (int)len;
}

void tls_stream_free(struct tls_stream **stream)
{
    if (!*stream)
        return;
    SSL_free((*stream)->ssl);
    ERR_clear_error();
    mem_free(*stream);
    *stream = NULL;
}
