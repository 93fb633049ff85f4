/* OpenSSL contexts for both sides, their certificates, and sessions to resume. */
#include "net/tls.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/bytes.h"
#include "core/ipaddr.h"
#include "core/mem.h"
#include "net/tls_private.h"

struct tls_context {
    atomic_uint refs;
    bool server;
    SSL_CTX *ssl;
};

/* RFC 9325 4.1 and 4.2: forward secrecy, authenticated peers, no legacy families. */
#define SERVER_CIPHERS "HIGH:!aNULL:!eNULL:!kRSA:!PSK:!SRP:!DSS:!CAMELLIA:!ARIA:!AESCCM:@SECLEVEL=2"
/* Any encryption beats none where no peer is authenticated (RFC 7435 3): old keys of peers do too.
 */
#define CLIENT_CIPHERS "DEFAULT:!eNULL:@SECLEVEL=0"

static const char *error_text(unsigned long code)
{
    const char *text = NULL;

    if (code == 0)
        return "unknown error";
    text = ERR_SYSTEM_ERROR(code) ? strerrordesc_np(ERR_GET_REASON(code))
                                  : ERR_reason_error_string(code);
    return text ? text : "unknown error";
}

const char *tls_reason_take(void)
{
    unsigned long code = ERR_peek_error();

    ERR_clear_error();
    return error_text(code);
}

/* "cannot load the private key /etc/x.key: key values mismatch": a file that is not there keeps
 * its kind, all else about its content is ERR_SYNTAX. */
static enum err file_error(struct err_detail *why, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error();

    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(code))
        return err_set_errno(why, ERR_GET_REASON(code), "cannot load the %s %s", what, file);
    return err_set(why, ERR_SYNTAX, "cannot load the %s %s: %s", what, file, error_text(code));
}

/* Without it OpenSSL would ask at the terminal. ASKED: a bool or NULL, whether it would have. */
static int no_passphrase(char *to, int size, int writing, void *asked)
{
    (void)to;
    (void)size;
    (void)writing;
    if (asked)
        *(bool *)asked = true;
    return -1;
}

/* Compares it with the certificate too. */
static enum err private_key_load(SSL_CTX *ssl, const char *file, struct err_detail *why)
{
    bool asked = false;
    bool loaded;

    SSL_CTX_set_default_passwd_cb_userdata(ssl, &asked);
    loaded = SSL_CTX_use_PrivateKey_file(ssl, file, SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
    if (loaded)
        return ERR_OK;
    if (!asked)
        return file_error(why, "private key", file);
    ERR_clear_error();
    return err_set(why, ERR_SYNTAX,
                   "cannot load the private key %s: it is locked by a passphrase, store it without",
                   file);
}

/* RFC 7301 3.2: who offers protocols, none of them ours, has come to the wrong service. Called
 * only when the client offers any. */
static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char known[] = {4, 's', 'm', 't', 'p'};

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto((unsigned char **)out, out_len, known, sizeof known, in, in_len) ==
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static enum err minimum_version(const char *text, int *version, struct err_detail *why)
{
    if (!text || strcmp(text, "1.2") == 0)
        *version = TLS1_2_VERSION;
    else if (strcmp(text, "1.3") == 0)
        *version = TLS1_3_VERSION;
    else
        return err_set(why, ERR_SYNTAX, "TLS version \"%s\" is not supported: give 1.2 or 1.3",
                       text);
    return ERR_OK;
}

static enum err context_prepare(SSL_CTX *ssl, const struct tls_settings *settings,
                                const char *ciphers, struct err_detail *why)
{
    int version = 0;
    enum err e = minimum_version(settings->minimum, &version, why);

    if (e != ERR_OK)
        return e;
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Tickets are enough to resume; a cache would be shared by all threads under a lock. */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    if (SSL_CTX_set_min_proto_version(ssl, version) != 1 ||
        SSL_CTX_set_max_proto_version(ssl, 0) != 1 || SSL_CTX_set_cipher_list(ssl, ciphers) != 1)
        return err_set(why, ERR_IO, "cannot set up TLS: %s", tls_reason_take());
    return ERR_OK;
}

static enum err server_prepare(SSL_CTX *ssl, const struct tls_settings *settings,
                               struct err_detail *why)
{
    static const unsigned char id[] = "mailrace";
    enum err e = context_prepare(ssl, settings, SERVER_CIPHERS, why);

    if (e != ERR_OK)
        return e;
    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_alpn_select_cb(ssl, alpn_select, NULL);
    if (SSL_CTX_set_session_id_context(ssl, id, sizeof id - 1) != 1 ||
        SSL_CTX_set_num_tickets(ssl, 1) != 1 || SSL_CTX_set_max_early_data(ssl, 0) != 1 ||
        SSL_CTX_set_dh_auto(ssl, 1) != 1)
        return err_set(why, ERR_IO, "cannot set up TLS: %s", tls_reason_take());
    if (SSL_CTX_use_certificate_chain_file(ssl, settings->certificate) != 1)
        return file_error(why, "certificate", settings->certificate);
    return private_key_load(ssl, settings->key, why);
}

static enum err client_prepare(SSL_CTX *ssl, const struct tls_settings *settings,
                               struct err_detail *why)
{
    const char *trust = settings->trust_file;
    enum err e = context_prepare(ssl, settings, CLIENT_CIPHERS, why);

    if (e != ERR_OK)
        return e;
    SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    if (trust && *trust && SSL_CTX_load_verify_file(ssl, trust) != 1)
        return file_error(why, "trusted certificates", trust);
    return ERR_OK;
}

static enum err context_new(const struct tls_settings *settings, bool server,
                            struct tls_context **out, struct err_detail *why)
{
    SSL_CTX *ssl;
    enum err e;

    *out = NULL;
    ERR_clear_error();
    ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!ssl)
        return err_set(why, ERR_IO, "cannot set up TLS: %s", tls_reason_take());
    e = server ? server_prepare(ssl, settings, why) : client_prepare(ssl, settings, why);
    if (e != ERR_OK) {
        SSL_CTX_free(ssl);
        return e;
    }
    *out = MEM_NEW(struct tls_context);
    atomic_init(&(*out)->refs, 1);
    (*out)->server = server;
    (*out)->ssl = ssl;
    return ERR_OK;
}

enum err tls_context_server(const struct tls_settings *settings, struct tls_context **out,
                            struct err_detail *why)
{
    *out = NULL;
    if (!settings->certificate || !settings->key)
        return err_set(why, ERR_NOTFOUND, "a TLS server needs a certificate and its private key");
    return context_new(settings, true, out, why);
}

enum err tls_context_client(const struct tls_settings *settings, struct tls_context **out,
                            struct err_detail *why)
{
    return context_new(settings, false, out, why);
}

const char *tls_context_objection(const struct tls_context *ctx, const char *name)
{
    X509 *certificate = SSL_CTX_get0_certificate(ctx->ssl);
    if (!certificate)
        return "there is none";
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        return "it has expired";
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        return "it is not valid yet";
    struct bytes text = bytes_of(name);
    if (text.len > 0 && text.ptr[text.len - 1] == '.')
        text.len--;
    bool named = text.len > 0 && X509_check_host(certificate, text.ptr, text.len, 0, NULL) == 1;
    ERR_clear_error();
    return named ? NULL : "it does not have this name";
}

struct tls_context *tls_context_ref(struct tls_context *ctx)
{
    atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
    return ctx;
}

void tls_context_unref(struct tls_context **ctx)
{
    if (!*ctx)
        return;
    if (atomic_fetch_sub_explicit(&(*ctx)->refs, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free((*ctx)->ssl); /* sessions under way hold it by their own count */
        mem_free(*ctx);
    }
    *ctx = NULL;
}

/* A final dot is not part of the name on the wire (RFC 6066 3). */
static bool server_name_set(SSL *ssl, const char *server_name)
{
    struct bytes name = bytes_of(server_name);
    struct ipaddr addr;
    char text[256];

    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.ptr[0] == '[' || ipaddr_parse(name, &addr) == ERR_OK ||
        !bytes_to_cstr(name, text, sizeof text))
        return true;
    return SSL_set_tlsext_host_name(ssl, text) == 1;
}

SSL *tls_session_new(struct tls_context *ctx, const char *server_name)
{
    SSL *ssl = SSL_new(ctx->ssl);

    if (!ssl)
        return NULL;
    if (ctx->server) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_set_connect_state(ssl);
    if (server_name_set(ssl, server_name))
        return ssl;
    SSL_free(ssl);
    return NULL;
}

void tls_session_info(const SSL *ssl, struct tls_info *out)
{
    *out = (struct tls_info){0};
    (void)snprintf(out->version, sizeof out->version, "%s", SSL_get_version(ssl));
    (void)snprintf(out->cipher, sizeof out->cipher, "%s", SSL_get_cipher_name(ssl));
    out->bits = SSL_get_cipher_bits(ssl, NULL);
    out->resumed = SSL_session_reused(ssl) == 1;
}

struct tls_session {
    SSL_SESSION *ssl;
};

struct tls_session *tls_session_take(SSL *ssl)
{
    SSL_SESSION *session = SSL_get1_session(ssl);
    struct tls_session *taken;

    if (!session || !SSL_SESSION_is_resumable(session)) {
        SSL_SESSION_free(session);
        return NULL;
    }
    taken = MEM_NEW(struct tls_session);
    taken->ssl = session;
    return taken;
}

/* One that OpenSSL has withdrawn meanwhile, as its connection broke, is not offered. */
void tls_session_offer(SSL *ssl, const struct tls_session *session)
{
    if (SSL_SESSION_is_resumable(session->ssl))
        (void)SSL_set_session(ssl, session->ssl);
    ERR_clear_error();
}

void tls_session_free(struct tls_session **session)
{
    if (!*session)
        return;
    SSL_SESSION_free((*session)->ssl);
    mem_free(*session);
    *session = NULL;
}
