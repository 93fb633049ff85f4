/* The TLS half of a connection: handshake, records in and out, the closing alert. */
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/mem.h"
#include "net/conn_private.h"
#include "net/tls_private.h"

/* The socket is read here and OpenSSL is given memory: a read brings up to 48 KiB of records, all
 * are decrypted at once and handed over as one piece. What is left of a record stays in OpenSSL,
 * so that nothing is ever waiting there without an edge. One whole record may be completed by
 * the first bytes of a read: hence plain text has room for one more. */
enum {
    RECORD_MAX = 16 * 1024,
    CIPHER_MAX = 48 * 1024,
    PLAIN_MAX = CIPHER_MAX + RECORD_MAX,
};
_Static_assert(CIPHER_MAX + PLAIN_MAX <= LOOP_SCRATCH_BYTES, "both fit the scratch");
_Static_assert((int)PLAIN_MAX <= (int)CONN_KEPT_MAX, "what the owner leaves can be kept");

struct conn_tls {
    SSL *ssl;
    const char *cipher; /* received and not yet taken by OpenSSL; only during a receive */
    size_t cipher_len;
    bool begun;
    bool established;
    bool failed; /* OpenSSL forbids any further use */
    bool corked; /* records gather in the output: one system call for all of them */
    struct tls_info info;
};

static int bio_read(BIO *bio, char *to, size_t size, size_t *got)
{
    struct conn *c = BIO_get_data(bio);
    struct conn_tls *t = c->tls;

    BIO_clear_retry_flags(bio);
    *got = size < t->cipher_len ? size : t->cipher_len;
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, t->cipher, *got);
    t->cipher += *got;
    t->cipher_len -= *got;
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *put)
{
    struct conn *c = BIO_get_data(bio);
    struct iovec iov = {(void *)data, len};

    BIO_clear_retry_flags(bio);
    *put = len;
    if (c->tls->corked)
        return buf_append(&c->out, bytes_make(data, len)) == ERR_OK;
    return conn_put(c, &iov, 1);
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* Made once, by whichever thread is first; lives as long as the program. */
static BIO_METHOD *bio_method;

static void bio_method_make(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");

    if (method && BIO_meth_set_read_ex(method, bio_read) &&
        BIO_meth_set_write_ex(method, bio_write) && BIO_meth_set_ctrl(method, bio_ctrl))
        bio_method = method;
    else
        BIO_meth_free(method);
}

static BIO *bio_new(struct conn *c)
{
    static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
    BIO *bio = NULL;

    if (CRYPTO_THREAD_run_once(&once, bio_method_make) && bio_method)
        bio = BIO_new(bio_method);
    if (bio) {
        BIO_set_data(bio, c);
        BIO_set_init(bio, 1);
    }
    return bio;
}

enum err conn_start_tls(struct conn *c, struct tls_context *tls, const char *server_name)
{
    SSL *ssl;
    BIO *bio;

    if (c->state != CONN_OPEN || c->broken || c->ending)
        return ERR_CLOSED;
    if (c->tls)
        return ERR_EXISTS;
    if (buf_len(&c->in) > 0)
        return ERR_SYNTAX;
    ERR_clear_error();
    ssl = tls_session_new(tls, server_name);
    bio = ssl ? bio_new(c) : NULL;
    if (!bio) {
        SSL_free(ssl);
        ERR_clear_error();
        return ERR_IO;
    }
    SSL_set_bio(ssl, bio, bio);
    c->tls = MEM_NEW(struct conn_tls);
    c->tls->ssl = ssl;
    c->state = CONN_HANDSHAKE;
    loop_defer(c->loop, &c->task);
    return ERR_OK;
}

const struct tls_info *conn_tls(const struct conn *c)
{
    return c->tls && c->tls->established ? &c->tls->info : NULL;
}

void conn_tls_resume(struct conn *c, const struct tls_session *session)
{
    ASSERT(c->tls && !c->tls->begun);
    tls_session_offer(c->tls->ssl, session);
}

struct tls_session *conn_tls_session(const struct conn *c)
{
    return c->tls && c->tls->established ? tls_session_take(c->tls->ssl) : NULL;
}

void conn_tls_free(struct conn *c)
{
    if (!c->tls)
        return;
    SSL_free(c->tls->ssl);
    mem_free(c->tls);
    c->tls = NULL;
}

/* Not while output waits already: its edge is due, and more of it takes no call. */
static void cork(struct conn *c)
{
    c->tls->corked = buf_len(&c->out) == 0;
}

static void uncork(struct conn *c)
{
    if (!c->tls->corked)
        return;
    c->tls->corked = false;
    conn_flush(c);
}

/* ERR_AGAIN: more input is needed. */
static enum err handshake_step(struct conn *c)
{
    struct conn_tls *t = c->tls;
    int done, error;

    ERR_clear_error();
    cork(c);
    done = SSL_do_handshake(t->ssl);
    error = SSL_get_error(t->ssl, done);
    uncork(c); /* the alert too, if it failed */
    if (done == 1) {
        t->established = true;
        tls_session_info(t->ssl, &t->info);
        return ERR_OK;
    }
    if (error == SSL_ERROR_WANT_READ)
        return ERR_AGAIN;
    t->failed = true;
    conn_end(c, ERR_IO, tls_reason_take());
    return ERR_IO;
}

void conn_tls_begin(struct conn *c)
{
    if (c->tls->begun)
        return;
    c->tls->begun = true;
    if (!SSL_is_server(c->tls->ssl))
        (void)handshake_step(c);
}

/* All that was received, into TO; how the TLS stream ended, if it did, is noted. */
static size_t tls_decrypt(struct conn *c, char *to)
{
    struct conn_tls *t = c->tls;
    size_t len = 0, got;

    ERR_clear_error();
    while (SSL_read_ex(t->ssl, to + len, PLAIN_MAX - len, &got) == 1) {
        len += got;
        ASSERT(len < PLAIN_MAX);
    }
    switch (SSL_get_error(t->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        conn_end_after_input(c, ERR_CLOSED, "close_notify");
        break;
    default:
        t->failed = true;
        conn_end_after_input(c, ERR_IO, tls_reason_take());
    }
    return len;
}

/* What came behind the last handshake message waits until the owner knows. */
static void tls_established(struct conn *c, struct bytes early)
{
    enum err e = buf_append(&c->in, early);

    ASSERT(e == ERR_OK);
    c->state = CONN_OPEN;
    if (c->ops->on_handshake)
        c->ops->on_handshake(c->owner, true);
}

void conn_tls_receive(struct conn *c)
{
    struct conn_tls *t = c->tls;
    char *plain = loop_scratch(c->loop);
    char *cipher = plain + PLAIN_MAX;
    size_t len = conn_receive(c, cipher, CIPHER_MAX);
    bool was_established = t->established;

    if (len == 0)
        return;
    t->cipher = cipher;
    t->cipher_len = len;
    if (was_established || handshake_step(c) == ERR_OK) {
        struct bytes in = {plain, tls_decrypt(c, plain)};

        if (!was_established)
            tls_established(c, in);
        else if (in.len > 0)
            conn_offer(c, in);
    }
}

static bool tls_put(struct conn *c, const char *data, size_t len)
{
    struct conn_tls *t = c->tls;
    size_t put;

    ERR_clear_error();
    while (len > 0) {
        if (SSL_write_ex(t->ssl, data, len, &put) != 1) {
            t->failed = true;
            if (!c->broken)
                conn_end(c, ERR_IO, tls_reason_take());
            return false;
        }
        data += put;
        len -= put;
    }
    return true;
}

/* Small pieces share a record. */
static bool tls_put_all(struct conn *c, const struct iovec *iov, int count)
{
    char record[RECORD_MAX];
    size_t filled = 0;

    for (int i = 0; i < count; i++) {
        const char *piece = iov[i].iov_base;
        size_t left = iov[i].iov_len;

        while (left > 0) {
            size_t len = left < RECORD_MAX - filled ? left : RECORD_MAX - filled;

            if (filled == 0 && (len == RECORD_MAX || i == count - 1)) {
                if (!tls_put(c, piece, len))
                    return false;
            } else {
                memcpy(record + filled, piece, len);
                filled += len;
            }
            if (filled == RECORD_MAX) {
                if (!tls_put(c, record, filled))
                    return false;
                filled = 0;
            }
            piece += len;
            left -= len;
        }
    }
    return tls_put(c, record, filled);
}

enum err conn_tls_writev(struct conn *c, const struct iovec *iov, int count)
{
    size_t total = 0;
    bool put;

    if (c->tls->failed)
        return ERR_CLOSED;
    for (int i = 0; i < count; i++)
        total += iov[i].iov_len;
    if (total > RECORD_MAX) /* a single record goes out as it is, not copied */
        cork(c);
    put = tls_put_all(c, iov, count);
    uncork(c);
    return put && !c->broken ? ERR_OK : ERR_CLOSED;
}

void conn_tls_shutdown(struct conn *c)
{
    if (!c->tls->established || c->tls->failed || c->broken)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(c->tls->ssl); /* 0: the peer has yet to answer, which we do not wait for */
    ERR_clear_error();
}
