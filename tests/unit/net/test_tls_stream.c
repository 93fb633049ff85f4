/* net/tls_stream: there and back, no handshake. */
#include "net/tls_stream.h"

#include <sys/socket.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>

#include "tls_rig.h"

/* A server on a thread: shakes hands, answers one read with the same octets, and goes. */
struct echo {
    struct raw_tls tls;
    const struct tls_files *files;
    int fd;
    bool silent;     /* says something else than TLS */
    bool rude;       /* goes without a closing alert */
    size_t repeated; /* times that the octets come back */
};

static void *echo_run(void *arg)
{
    struct echo *e = arg;
    char text[64];
    if (e->silent) {
        (void)!write(e->fd, "454 not now\r\n", 13);
        close(e->fd);
        return NULL;
    }
    raw_tls_open(&e->tls, e->fd, e->files);
    int n = SSL_read(e->tls.ssl, text, sizeof text);
    for (size_t i = 0; n > 0 && i < e->repeated; i++)
        (void)SSL_write(e->tls.ssl, text, n);
    if (!e->rude)
        (void)SSL_shutdown(e->tls.ssl);
    raw_tls_close(&e->tls);
    return NULL;
}

/* The client's end; the thread has the other. */
static int echo_start(struct echo *e, pthread_t *thread)
{
    int fds[2];
    (void)signal(SIGPIPE, SIG_IGN); /* as every user of it does */
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    e->fd = fds[1];
    CHECK(pthread_create(thread, NULL, echo_run, e) == 0);
    return fds[0];
}

static void test_there_and_back(void)
{
    static const struct {
        const char *name;
        bool rude;
        size_t repeated;
        ssize_t end;
    } rows[] = {
        {"closing alert", false, 1, 0},
        {"more than one read", false, 50, 0},
        {"cut off", true, 1, -1},
    };
    struct tls_files files;
    tls_files_make(&files);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct echo e = {.files = &files, .rude = rows[i].rude, .repeated = rows[i].repeated};
        struct tls_context *ctx = tls_rig_client();
        pthread_t thread;
        unit_row(rows[i].name);
        int fd = echo_start(&e, &thread);
        struct tls_stream *s = tls_stream_open(ctx, fd);
        if (CHECK(s)) {
            char back[512];
            size_t len = 0, wanted = 8 * rows[i].repeated;
            CHECK(tls_stream_write(s, "EHLO x\r\n", 8));
            for (ssize_t n = 1; n > 0 && len<wanted; len += n> 0 ? (size_t)n : 0)
                n = tls_stream_read(s, back + len, sizeof back - len);
            CHECK_U64(len, wanted);
            CHECK(memcmp(back + wanted - 8, "EHLO x\r\n", 8) == 0);
            CHECK(tls_stream_read(s, back, sizeof back) == rows[i].end);
        }
        tls_stream_free(&s);
        CHECK(!s);
        tls_stream_free(&s);
        close(fd);
        pthread_join(thread, NULL);
        tls_context_unref(&ctx);
    }
    tls_files_remove(&files);
}

static void test_no_handshake(void)
{
    struct tls_context *ctx = tls_rig_client();
    struct echo e = {.silent = true};
    pthread_t thread;
    int fd = echo_start(&e, &thread);
    CHECK(!tls_stream_open(ctx, fd));
    CHECK_U64(ERR_peek_error(), 0);
    close(fd);
    pthread_join(thread, NULL);
    tls_context_unref(&ctx);
}

UNIT_MAIN("net/tls_stream", {"there and back", test_there_and_back},
          {"no handshake", test_no_handshake})
