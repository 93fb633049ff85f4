/* tests/unit/net/tls_rig.h - certificates made when they are needed, and a bare OpenSSL peer on a
 * socket, to do what our own side never would. */
#ifndef TESTS_TLS_RIG_H
#define TESTS_TLS_RIG_H

#include <openssl/ssl.h>

#include "net/tls.h"

#include "unit.h"

struct tls_files {
    char dir[32], cert[48], key[48], other_key[48], locked_key[48], garbage[48], missing[48];
};

void tls_files_make(struct tls_files *t);

void tls_files_remove(const struct tls_files *t);

struct tls_context *tls_rig_server(const struct tls_files *t, const char *minimum);

struct tls_context *tls_rig_client(void);

/* A peer by OpenSSL alone, on FD (non-blocking), as client or server. */
struct raw_tls {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

void raw_tls_open(struct raw_tls *r, int fd, const struct tls_files *server_files);

void raw_tls_close(struct raw_tls *r);

#endif
