/* mailrace-load micro: TLS, both ends on one thread's loop, over a pair of sockets. */
#include "bench/load_micro.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/mem.h"
#include "net/conn.h"
#include "bench/sink/smtp_sink.h"

enum { RECORDS_WAITING_MAX = 256 * 1024, RECORD_BYTES = 16 * 1024, TURNS_MAX = 10000 };

struct tls_end {
    struct conn *conn;
    unsigned handshakes;
    uint64_t received;
    bool resumed, closed;
};

struct tls_bench {
    struct loop *loop;
    struct tls_context *server, *client;
    struct tls_session *session; /* of the last connection; NULL: none, or not wanted */
    struct tls_end ends[2];      /* who is connected to, who connects */
};

static size_t on_input(void *owner, struct bytes in)
{
    struct tls_end *end = owner;
    micro_keep(in.ptr);
    end->received += in.len;
    return in.len;
}

static void on_handshake(void *owner, bool ok)
{
    struct tls_end *end = owner;
    end->handshakes += ok;
    end->resumed = ok && conn_tls(end->conn)->resumed;
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    struct tls_end *end = owner;
    (void)reason;
    (void)text;
    end->conn = NULL;
    end->closed = true;
}

static enum err meet(struct tls_bench *b, struct err_detail *why)
{
    static const struct conn_ops ops = {
        .on_input = on_input, .on_handshake = on_handshake, .on_closed = on_closed};
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return err_set(why, ERR_IO, "socketpair: %s", strerror(errno));
    for (size_t i = 0; i < 2; i++) {
        b->ends[i] = (struct tls_end){0};
        b->ends[i].conn = conn_accepted(b->loop, fds[i], &ops, &b->ends[i]);
    }
    enum err e = conn_start_tls(b->ends[0].conn, b->server, NULL);
    if (e == ERR_OK)
        e = conn_start_tls(b->ends[1].conn, b->client, "micro.test");
    if (e == ERR_OK && b->session)
        conn_tls_resume(b->ends[1].conn, b->session);
    for (unsigned turn = 0; e == ERR_OK && turn < TURNS_MAX; turn++) {
        if (b->ends[0].handshakes && b->ends[1].handshakes)
            return ERR_OK;
        if (b->ends[0].closed || b->ends[1].closed)
            break;
        (void)loop_turn(b->loop, 1);
    }
    return err_set(why, e == ERR_OK ? ERR_CLOSED : e, "the handshake failed");
}

static void part(struct tls_bench *b)
{
    for (size_t i = 0; i < 2; i++)
        if (b->ends[i].conn)
            conn_abort(&b->ends[i].conn);
}

/* With close_notify: a session that ends without is not resumed. */
static void part_politely(struct tls_bench *b)
{
    if (b->ends[1].conn)
        conn_close_after_output(b->ends[1].conn, 100);
    for (unsigned turn = 0; b->ends[1].conn && turn < TURNS_MAX; turn++)
        (void)loop_turn(b->loop, 1);
    part(b);
}

/* --- What is measured --- */

/* What the server gives for the next time comes behind the handshake. */
static struct tls_session *session_of(struct tls_bench *b)
{
    struct tls_session *session = NULL;
    for (unsigned turn = 0; !session && turn < 8; turn++) {
        session = conn_tls_session(b->ends[1].conn);
        if (!session)
            (void)loop_turn(b->loop, 0);
    }
    return session;
}

/* RESUMED: the first gives the session that all others offer. */
static enum err handshakes(struct tls_bench *b, uint64_t ns, bool resumed,
                           struct micro_figures *out, struct err_detail *why)
{
    uint64_t count = 0, spent = 0, began = clock_mono_ns();
    while (clock_mono_ns() - began < ns || count == 0) {
        bool first = resumed && !b->session;
        uint64_t at = clock_mono_ns();
        enum err e = meet(b, why);
        if (e != ERR_OK)
            return e;
        spent += first ? 0 : clock_mono_ns() - at;
        count += !first;
        if (!first && b->ends[1].resumed != resumed)
            return err_set(why, ERR_IO, "the session was %sresumed", resumed ? "not " : "");
        if (first) {
            b->session = session_of(b);
            if (!b->session)
                return err_set(why, ERR_IO, "the server gave no session");
        }
        part_politely(b);
    }
    out->value = micro_rate(count, spent);
    return ERR_OK;
}

static enum err records(struct tls_bench *b, uint64_t ns, struct micro_figures *out,
                        struct err_detail *why)
{
    enum err e = meet(b, why);
    char *record = mem_zalloc(RECORD_BYTES);
    uint64_t began = clock_mono_ns(), now = began;
    while (e == ERR_OK && now - began < ns) {
        while (e == ERR_OK && conn_output_waiting(b->ends[1].conn) < RECORDS_WAITING_MAX)
            e = conn_write(b->ends[1].conn, bytes_make(record, RECORD_BYTES));
        (void)loop_turn(b->loop, 1);
        now = clock_mono_ns();
        if (b->ends[0].closed || b->ends[1].closed)
            e = err_set(why, ERR_CLOSED, "the connection was closed");
    }
    out->value = micro_rate(b->ends[0].received, now - began) / 1e9;
    part(b);
    mem_free(record);
    return e;
}

enum tls_what { TLS_FULL, TLS_RESUMED, TLS_RECORDS };

static enum err measure(const struct micro_row *row, uint64_t ns, struct micro_figures *out,
                        struct err_detail *why)
{
    struct tls_bench b = {0};
    enum err e = loop_new(&b.loop, why);
    if (e == ERR_OK)
        e = tls_context_self_signed("micro.test", &b.server, why);
    if (e == ERR_OK)
        e = tls_context_client(&(struct tls_settings){.minimum = "1.2"}, &b.client, why);
    if (e == ERR_OK)
        e = row->kind == TLS_RECORDS ? records(&b, ns, out, why)
                                     : handshakes(&b, ns, row->kind == TLS_RESUMED, out, why);
    part(&b);
    if (b.session)
        tls_session_free(&b.session);
    if (b.server)
        tls_context_unref(&b.server);
    if (b.client)
        tls_context_unref(&b.client);
    if (b.loop)
        loop_free(&b.loop);
    return e;
}

static const struct micro_row ROWS[] = {
    {.name = "tls-full",
     .unit = "handshakes/s",
     .about = "P-256 certificate; both ends' work on one thread",
     .measure = measure,
     .kind = TLS_FULL},
    {.name = "tls-resumed",
     .unit = "handshakes/s",
     .about = "the same with a session of an earlier connection",
     .measure = measure,
     .kind = TLS_RESUMED},
    {.name = "tls-records",
     .unit = "GB/s",
     .about = "16 KiB at a time, encrypted and decrypted on one thread",
     .measure = measure,
     .kind = TLS_RECORDS},
};
const struct micro_rows micro_tls = {ROWS, ARRAY_SIZE(ROWS)};
