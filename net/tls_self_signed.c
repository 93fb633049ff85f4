/* A server's certificate that is made on the spot and never lies on a disk. */
#include "net/tls.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "net/tls_private.h"

#define VALID_S (10L * 365 * 24 * 3600)

static bool name_set(X509 *certificate, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1;
}

static X509 *certificate_new(EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    if (certificate && X509_set_version(certificate, 2) == 1 && /* 2 is version 3: RFC 5280 4.1 */
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S) &&
        X509_set_pubkey(certificate, key) == 1 && name_set(certificate, name) &&
        X509_sign(certificate, key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* A file without a name, so that the key never lies on a disk. -1: could not be written. */
static int memory_file(EVP_PKEY *key, X509 *certificate)
{
    int fd = memfd_create("certificate", MFD_CLOEXEC);
    BIO *bio = fd < 0 ? NULL : BIO_new_fd(fd, BIO_NOCLOSE);
    bool written =
        bio && (certificate ? PEM_write_bio_X509(bio, certificate)
                            : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) == 1;
    BIO_free(bio);
    if (!written && fd >= 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static enum err context_from(int certificate, int key, struct tls_context **out,
                             struct err_detail *why)
{
    char paths[2][32];
    const struct tls_settings settings = {.certificate = paths[0], .key = paths[1]};
    (void)snprintf(paths[0], sizeof paths[0], "/proc/self/fd/%d", certificate);
    (void)snprintf(paths[1], sizeof paths[1], "/proc/self/fd/%d", key);
    return tls_context_server(&settings, out, why);
}

enum err tls_context_self_signed(const char *name, struct tls_context **out, struct err_detail *why)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key ? certificate_new(key, name) : NULL;
    int files[2] = {-1, -1};
    enum err e = ERR_IO;
    *out = NULL;
    if (certificate) {
        files[0] = memory_file(key, certificate);
        files[1] = memory_file(key, NULL);
    }
    if (files[0] >= 0 && files[1] >= 0)
        e = context_from(files[0], files[1], out, why);
    else
        (void)err_set(why, e, "cannot make a certificate: %s", tls_reason_take());
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (files[i] >= 0)
            (void)close(files[i]);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return e;
}
