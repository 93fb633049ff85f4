/* Certificates made when they are needed, and a bare OpenSSL peer. */
#include "tls_rig.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/err.h"

static void tls_files_key(const char *file, EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    FILE *f = fopen(file, "w");

    CHECK(f && PEM_write_PrivateKey(f, key, cipher, (const unsigned char *)"secret", cipher ? 6 : 0,
                                    NULL, NULL) == 1);
    if (f)
        (void)fclose(f);
}

static void tls_files_cert(const char *file, EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    FILE *f = fopen(file, "w");

    (void)X509_set_version(x, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    (void)X509_set_pubkey(x, key);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                     (const unsigned char *)"relay.example", -1, -1, 0);
    (void)X509_set_issuer_name(x, name);
    CHECK(X509_sign(x, key, EVP_sha256()) > 0);
    CHECK(f && PEM_write_X509(f, x) == 1);
    if (f)
        (void)fclose(f);
    X509_free(x);
}

void tls_files_make(struct tls_files *t)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    FILE *f;

    snprintf(t->dir, sizeof t->dir, "/tmp/tls-test-XXXXXX");
    CHECK(mkdtemp(t->dir));
    snprintf(t->cert, sizeof t->cert, "%s/cert", t->dir);
    snprintf(t->key, sizeof t->key, "%s/key", t->dir);
    snprintf(t->other_key, sizeof t->other_key, "%s/other", t->dir);
    snprintf(t->locked_key, sizeof t->locked_key, "%s/locked", t->dir);
    snprintf(t->garbage, sizeof t->garbage, "%s/garbage", t->dir);
    snprintf(t->missing, sizeof t->missing, "%s/missing", t->dir);
    tls_files_key(t->key, key, NULL);
    tls_files_key(t->other_key, other, NULL);
    tls_files_key(t->locked_key, key, EVP_aes_128_cbc());
    tls_files_cert(t->cert, key);
    f = fopen(t->garbage, "w");
    CHECK(f && fputs("not a certificate\n", f) >= 0);
    if (f)
        (void)fclose(f);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

void tls_files_remove(const struct tls_files *t)
{
    (void)unlink(t->cert);
    (void)unlink(t->key);
    (void)unlink(t->other_key);
    (void)unlink(t->locked_key);
    (void)unlink(t->garbage);
    (void)rmdir(t->dir);
}

struct tls_context *tls_rig_server(const struct tls_files *t, const char *minimum)
{
    struct tls_settings settings = {.certificate = t->cert, .key = t->key, .minimum = minimum};
    struct tls_context *ctx = NULL;
    struct err_detail why = {""};

    CHECK(tls_context_server(&settings, &ctx, &why) == ERR_OK);
    CHECK_STR(why.text, "");
    return ctx;
}

struct tls_context *tls_rig_client(void)
{
    struct tls_settings settings = {.minimum = "1.2"};
    struct tls_context *ctx = NULL;

    CHECK(tls_context_client(&settings, &ctx, NULL) == ERR_OK);
    return ctx;
}

void raw_tls_open(struct raw_tls *r, int fd, const struct tls_files *server_files)
{
    r->fd = fd;
    r->ctx = SSL_CTX_new(server_files ? TLS_server_method() : TLS_client_method());
    SSL_CTX_set_security_level(r->ctx, 0);
    (void)SSL_CTX_set_min_proto_version(r->ctx, 0);
    if (server_files) {
        CHECK(SSL_CTX_use_certificate_file(r->ctx, server_files->cert, SSL_FILETYPE_PEM) == 1);
        CHECK(SSL_CTX_use_PrivateKey_file(r->ctx, server_files->key, SSL_FILETYPE_PEM) == 1);
    }
    r->ssl = SSL_new(r->ctx);
    (void)SSL_set_fd(r->ssl, fd);
    if (server_files)
        SSL_set_accept_state(r->ssl);
    else
        SSL_set_connect_state(r->ssl);
}

void raw_tls_close(struct raw_tls *r)
{
    SSL_free(r->ssl);
    SSL_CTX_free(r->ctx);
    if (r->fd >= 0)
        (void)close(r->fd);
    r->fd = -1;
}
