/* net/conn_tls: begin, echo, vector, back_pressure, octet_by_octet, early_input, endings,
 * garbage_for_client_hello, injection, clear_output_goes_first, closing_says_close_notify,
 * abort_inside, write_to_nobody, end. */
#include "net/conn.h"

#include "conn_rig.h"
#include "tls_rig.h"

static struct tls_files files;

/* Our side is server and the peer bare OpenSSL; the handshake is done. */
struct meeting {
    struct conn_rig r;
    struct raw_tls raw;
    struct tls_context *ctx;
};

static void meeting_open(struct meeting *m)
{
    int done = 0;

    conn_rig_open(&m->r);
    m->ctx = tls_rig_server(&files, "1.2");
    raw_tls_open(&m->raw, m->r.peer, NULL);
    CHECK(conn_start_tls(m->r.c, m->ctx, NULL) == ERR_OK);
    for (int i = 0; i < 20 && done != 1; i++) {
        conn_rig_settle(&m->r);
        done = SSL_do_handshake(m->raw.ssl);
    }
    conn_rig_settle(&m->r);
    CHECK(done == 1 && m->r.handshakes == 1);
}

static void meeting_close(struct meeting *m)
{
    raw_tls_close(&m->raw);
    m->r.peer = -1;
    tls_context_unref(&m->ctx);
    conn_rig_close(&m->r);
}

static void meeting_send(struct meeting *m, const char *text)
{
    CHECK(SSL_write(m->raw.ssl, text, (int)strlen(text)) == (int)strlen(text));
}

/* Two of our own, joined by a socket pair on one loop; what comes to the server goes back. */
struct pair {
    struct conn_rig server, client;
    struct tls_context *server_ctx, *client_ctx;
};

static size_t echo_input(void *owner, struct bytes in)
{
    struct conn_rig *r = owner;

    conn_rig_called(r);
    r->inputs++;
    return conn_write(r->c, in) == ERR_OK ? in.len : 0;
}

static void echo_writable(void *owner)
{
    struct conn_rig *r = owner;

    r->writable++;
    conn_resume(r->c);
}

static const struct conn_ops echo_ops = {.on_input = echo_input,
                                         .on_handshake = conn_rig_handshake,
                                         .on_writable = echo_writable,
                                         .on_closed = conn_rig_closed};

static void pair_open(struct pair *p)
{
    int fds[2];

    conn_rig_prepare(&p->server);
    conn_rig_prepare(&p->client);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    p->server.c = conn_accepted(p->server.loop, fds[0], &echo_ops, &p->server);
    p->client.c = conn_accepted(p->server.loop, fds[1], &conn_rig_ops, &p->client);
    p->server_ctx = tls_rig_server(&files, "1.2");
    p->client_ctx = tls_rig_client();
    p->server.inside = true;
    CHECK(conn_start_tls(p->server.c, p->server_ctx, NULL) == ERR_OK);
    CHECK(conn_start_tls(p->client.c, p->client_ctx, "relay.example") == ERR_OK);
    CHECK(conn_start_tls(p->client.c, p->client_ctx, NULL) == ERR_CLOSED);
    p->server.inside = false;
    CHECK(conn_rig_write(&p->client, BYTES("x")) == ERR_AGAIN);
    CHECK(!conn_tls(p->client.c));
    conn_rig_settle(&p->server);
    CHECK(p->server.handshakes == 1 && p->client.handshakes == 1);
    CHECK_STR(conn_tls(p->client.c)->version, "TLSv1.3");
    CHECK_STR(conn_tls(p->client.c)->cipher, conn_tls(p->server.c)->cipher);
}

static void pair_close(struct pair *p)
{
    conn_abort(&p->client.c);
    conn_abort(&p->server.c);
    tls_context_unref(&p->server_ctx);
    tls_context_unref(&p->client_ctx);
    conn_rig_close(&p->client);
    conn_rig_close(&p->server);
}

static void test_echo(void)
{
    static const struct {
        const char *name;
        size_t len, piece;
    } rows[] = {
        {"one octet", 1, 1},
        {"octet by octet", 300, 1},
        {"one record", 16384, 16384},
        {"a little more", 16385, 16385},
        {"records across pieces", 200000, 10007},
        {"a block of many records", 900000, 900000},
        {"more than the sockets hold", 3000000, 60000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *sent = conn_rig_pattern(rows[i].len);
        struct pair p;

        unit_row(rows[i].name);
        pair_open(&p);
        for (size_t at = 0; at < rows[i].len;) {
            size_t left = rows[i].len - at;
            size_t len = left < rows[i].piece ? left : rows[i].piece;

            CHECK(conn_rig_write(&p.client, bytes_make(sent + at, len)) == ERR_OK);
            at += len;
            conn_rig_settle(&p.server);
        }
        CHECK_BYTES(buf_bytes(&p.client.got), bytes_make(sent, rows[i].len));
        CHECK(p.client.closed == 0 && p.server.closed == 0);
        CHECK_U64(conn_output_waiting(p.client.c) + conn_output_waiting(p.server.c), 0);
        free(sent);
        pair_close(&p);
    }
}

/* Pieces of a vector share records; none is lost at their borders. */
static void test_vector(void)
{
    static const size_t lens[] = {3, 0, 16381, 1, 16384, 5, 40000, 16379};
    struct iovec iov[ARRAY_SIZE(lens)];
    size_t total = 0;
    struct pair p;
    char *sent;

    for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
        total += lens[i];
    sent = conn_rig_pattern(total);
    for (size_t i = 0, at = 0; i < ARRAY_SIZE(lens); at += lens[i++])
        iov[i] = (struct iovec){sent + at, lens[i]};
    pair_open(&p);
    CHECK(conn_writev(p.client.c, iov, (int)ARRAY_SIZE(lens)) == ERR_OK);
    conn_rig_settle(&p.server);
    CHECK_BYTES(buf_bytes(&p.client.got), bytes_make(sent, total));
    free(sent);
    pair_close(&p);
}

static void test_back_pressure(void)
{
    enum { PIECE = 30000 };
    char *sent = conn_rig_pattern(8 * 1024 * 1024), *got = malloc(8 * 1024 * 1024);
    size_t written = 0, read_len = 0;
    struct meeting m;
    enum err e;

    meeting_open(&m);
    while ((e = conn_rig_write(&m.r, bytes_make(sent + written, PIECE))) == ERR_OK)
        written += PIECE;
    CHECK(e == ERR_LIMIT && conn_output_waiting(m.r.c) > 1000000);
    while (read_len < written && m.r.closed == 0) {
        int n = SSL_read(m.raw.ssl, got + read_len, 5000);

        if (n > 0)
            read_len += (size_t)n;
        else
            conn_rig_settle(&m.r);
    }
    CHECK_U64(read_len, written);
    CHECK(memcmp(sent, got, written) == 0);
    CHECK_U64(m.r.writable, 1);
    free(sent);
    free(got);
    meeting_close(&m);
}

/* The ciphertext comes octet by octet, through the handshake too. */
static void test_octet_by_octet(void)
{
    struct conn_rig r;
    struct tls_context *ctx = tls_rig_server(&files, "1.2");
    struct raw_tls raw;
    char record[8192], got[64];
    BIO *to_us = BIO_new(BIO_s_mem()), *to_peer = BIO_new(BIO_s_mem());

    conn_rig_open(&r);
    raw_tls_open(&raw, r.peer, NULL);
    SSL_set_bio(raw.ssl, to_peer, to_us);
    CHECK(conn_start_tls(r.c, ctx, NULL) == ERR_OK);
    for (int round = 0; round < 10; round++) {
        ssize_t n;

        if (SSL_do_handshake(raw.ssl) == 1 && round == 5)
            CHECK(SSL_write(raw.ssl, "EHLO x\r\n", 8) == 8);
        for (int len; (len = BIO_read(to_us, record, 1)) == 1;) {
            CHECK(send(r.peer, record, 1, MSG_NOSIGNAL) == 1);
            conn_rig_settle(&r);
        }
        while ((n = recv(r.peer, record, sizeof record, 0)) > 0)
            CHECK(BIO_write(to_peer, record, (int)n) == n);
    }
    CHECK_U64(r.handshakes, 1);
    CHECK_BYTES(buf_bytes(&r.got), BYTES("EHLO x\r\n"));
    CHECK(conn_rig_write(&r, BYTES("250 x\r\n")) == ERR_OK);
    CHECK(BIO_write(to_peer, record, (int)recv(r.peer, record, sizeof record, 0)) > 0);
    CHECK(SSL_read(raw.ssl, got, sizeof got) == 7);
    raw_tls_close(&raw);
    r.peer = -1;
    tls_context_unref(&ctx);
    conn_rig_close(&r);
}

/* The client's last handshake message and its first command in one segment. */
static void test_early_input(void)
{
    struct conn_rig r;
    struct tls_context *ctx = tls_rig_server(&files, "1.2");
    struct raw_tls raw;

    conn_rig_open(&r);
    raw_tls_open(&raw, r.peer, NULL);
    CHECK(conn_start_tls(r.c, ctx, NULL) == ERR_OK);
    CHECK(SSL_do_handshake(raw.ssl) != 1);
    conn_rig_settle(&r);
    CHECK(SSL_do_handshake(raw.ssl) == 1);
    CHECK(SSL_write(raw.ssl, "EHLO x\r\n", 8) == 8);
    CHECK(r.handshakes == 0 && r.inputs == 0);
    r.take_max = 3;
    conn_rig_settle(&r);
    CHECK_U64(r.handshakes, 1);
    CHECK_BYTES(buf_bytes(&r.got), BYTES("EHL"));
    CHECK_U64(conn_input_waiting(r.c), 5);
    r.take_max = SIZE_MAX;
    conn_resume(r.c);
    conn_rig_settle(&r);
    CHECK_BYTES(buf_bytes(&r.got), BYTES("EHLO x\r\n"));
    raw_tls_close(&raw);
    r.peer = -1;
    tls_context_unref(&ctx);
    conn_rig_close(&r);
}

/* T-09: whatever ends TLS ends the connection, and nothing in clear is read after it. */
static void end_by_close_notify(struct meeting *m)
{
    CHECK(SSL_shutdown(m->raw.ssl) == 0);
}

static void end_by_end_of_file(struct meeting *m)
{
    CHECK(shutdown(m->raw.fd, SHUT_WR) == 0);
}

static void end_by_garbage(struct meeting *m)
{
    CHECK(send(m->raw.fd, "QUIT\r\nQUIT\r\n", 12, MSG_NOSIGNAL) == 12);
}

static void end_by_forged_record(struct meeting *m)
{
    static const char forged[] = "\x17\x03\x03\x00\x20"
                                 "0123456789abcdef0123456789abcdef";

    CHECK(send(m->raw.fd, forged, sizeof forged - 1, MSG_NOSIGNAL) > 0);
}

static void test_endings(void)
{
    static const struct {
        const char *name;
        void (*end)(struct meeting *m);
        enum err reason;
        const char *text;
    } rows[] = {
        {"close_notify", end_by_close_notify, ERR_CLOSED, "close_notify"},
        {"end of file", end_by_end_of_file, ERR_CLOSED, "closed without close_notify"},
        {"garbage", end_by_garbage, ERR_IO, "wrong version number"},
        {"forged record", end_by_forged_record, ERR_IO, "decryption failed or bad record mac"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (size_t take = 0; take <= 1; take++) {
            struct meeting m;

            unit_row(rows[i].name);
            meeting_open(&m);
            m.r.take_max = take ? SIZE_MAX : 2;
            meeting_send(&m, "DATA\r\n");
            rows[i].end(&m);
            (void)send(m.raw.fd, "x in clear\r\n", 12, MSG_NOSIGNAL);
            conn_rig_settle(&m.r);
            if (!take) {
                CHECK_BYTES(buf_bytes(&m.r.got), BYTES("DA"));
                CHECK_U64(m.r.closed, 0); /* what came before it is still to be taken */
                m.r.take_max = SIZE_MAX;
                conn_resume(m.r.c);
                conn_rig_settle(&m.r);
            }
            CHECK_BYTES(buf_bytes(&m.r.got), BYTES("DATA\r\n"));
            CHECK_U64(m.r.closed, 1);
            CHECK_U64(m.r.reason, rows[i].reason);
            CHECK(strstr(m.r.text, rows[i].text));
            meeting_close(&m);
        }
    }
}

static void test_garbage_for_client_hello(void)
{
    static const struct {
        const char *name, *sent;
    } rows[] = {
        {"a command", "EHLO client.example\r\n"},
        {"zeros of a record", "\x16\x03\x01\x00\x02\xff\xff"},
        {"end of file", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct tls_context *ctx = tls_rig_server(&files, "1.2");
        struct conn_rig r;

        unit_row(rows[i].name);
        conn_rig_open(&r);
        CHECK(conn_start_tls(r.c, ctx, NULL) == ERR_OK);
        CHECK(send(r.peer, rows[i].sent, i == 1 ? 7 : strlen(rows[i].sent), MSG_NOSIGNAL) >= 0);
        CHECK(shutdown(r.peer, SHUT_WR) == 0);
        conn_rig_settle(&r);
        CHECK(r.handshakes == 0 && r.handshake_failures == 1 && r.inputs == 0);
        CHECK(r.closed == 1 && r.reason != ERR_OK && r.text[0]);
        tls_context_unref(&ctx);
        conn_rig_close(&r);
    }
}

static struct tls_context *then_ctx;
static enum err then_result;

static void then_start_tls(struct conn_rig *r)
{
    CHECK(conn_write(r->c, BYTES("220 go ahead\r\n")) == ERR_OK);
    then_result = conn_start_tls(r->c, then_ctx, NULL);
}

/* T-01: what came in clear behind the command is never taken for input under TLS. */
static void test_injection(void)
{
    static const struct {
        const char *name;
        bool kept; /* the command itself was offered twice */
    } rows[] = {{"fresh", false}, {"kept", true}};

    then_ctx = tls_rig_server(&files, "1.2");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct conn_rig r;

        unit_row(rows[i].name);
        conn_rig_open(&r);
        if (rows[i].kept) {
            r.take_max = 0;
            conn_rig_send(&r, "STARTTLS\r\nRSET\r\n");
            conn_rig_settle(&r);
            CHECK(conn_start_tls(r.c, then_ctx, NULL) == ERR_SYNTAX);
            conn_resume(r.c);
        } else {
            conn_rig_send(&r, "STARTTLS\r\nRSET\r\n");
        }
        r.take_max = 10;
        r.then = then_start_tls;
        conn_rig_settle(&r);
        CHECK(then_result == ERR_OK);
        CHECK_BYTES(buf_bytes(&r.got), BYTES("STARTTLS\r\n"));
        CHECK(r.closed == 1 && r.reason == ERR_SYNTAX && r.handshakes == 0);
        CHECK_U64(r.handshake_failures, 1);
        conn_rig_close(&r);
    }
    tls_context_unref(&then_ctx);
}

/* The reply in clear still waits when the handshake begins: it goes first. */
static void test_clear_output_goes_first(void)
{
    enum { TOTAL = 700000 };
    char *sent = conn_rig_pattern(TOTAL), *got = malloc(TOTAL);
    struct tls_context *ctx = tls_rig_server(&files, "1.2");
    struct conn_rig r;
    struct raw_tls raw;
    size_t read_len = 0;
    int done = 0;

    conn_rig_open(&r);
    CHECK(conn_rig_write(&r, bytes_make(sent, TOTAL)) == ERR_OK);
    CHECK(conn_output_waiting(r.c) > 0);
    CHECK(conn_start_tls(r.c, ctx, NULL) == ERR_OK);
    raw_tls_open(&raw, r.peer, NULL);
    SSL_set0_rbio(raw.ssl, BIO_new(BIO_s_mem())); /* speaks, but does not listen yet */
    CHECK(SSL_do_handshake(raw.ssl) != 1);
    SSL_set0_rbio(raw.ssl, BIO_new_socket(r.peer, BIO_NOCLOSE));
    conn_rig_settle(&r);
    while (read_len < TOTAL) {
        ssize_t n = recv(r.peer, got + read_len, TOTAL - read_len, 0);

        read_len += n > 0 ? (size_t)n : 0;
        if (!loop_turn(r.loop, 0) && n <= 0)
            break;
    }
    CHECK(read_len == TOTAL && memcmp(sent, got, TOTAL) == 0);
    for (int i = 0; i < 10 && done != 1; i++) {
        conn_rig_settle(&r);
        done = SSL_do_handshake(raw.ssl);
    }
    conn_rig_settle(&r);
    CHECK(done == 1 && r.handshakes == 1);
    free(sent);
    free(got);
    raw_tls_close(&raw);
    r.peer = -1;
    tls_context_unref(&ctx);
    conn_rig_close(&r);
}

static void test_closing_says_close_notify(void)
{
    struct meeting m;
    char got[32];

    meeting_open(&m);
    CHECK(conn_rig_write(&m.r, BYTES("221 bye\r\n")) == ERR_OK);
    conn_close_after_output(m.r.c, 1000);
    conn_rig_settle(&m.r);
    CHECK(m.r.closed == 1 && m.r.reason == ERR_OK);
    CHECK(SSL_read(m.raw.ssl, got, sizeof got) == 9);
    CHECK(SSL_read(m.raw.ssl, got, sizeof got) == 0);
    CHECK(SSL_get_shutdown(m.raw.ssl) & SSL_RECEIVED_SHUTDOWN);
    meeting_close(&m);
}

static void then_abort(struct conn_rig *r)
{
    conn_abort(&r->c);
}

static void test_abort_inside(void)
{
    struct meeting m;

    meeting_open(&m);
    m.r.then = then_abort;
    meeting_send(&m, "hello");
    conn_rig_settle(&m.r);
    CHECK(!m.r.c && m.r.inputs == 1 && m.r.closed == 0);
    meeting_close(&m);
}

/* The peer is gone while we speak. */
static void test_write_to_nobody(void)
{
    struct meeting m;

    meeting_open(&m);
    raw_tls_close(&m.raw);
    CHECK(conn_rig_write(&m.r, BYTES("250 ok\r\n")) == ERR_CLOSED);
    CHECK(conn_rig_write(&m.r, BYTES("250 ok\r\n")) == ERR_CLOSED);
    CHECK_U64(m.r.closed, 0);
    conn_rig_settle(&m.r);
    CHECK(m.r.closed == 1 && m.r.reason != ERR_OK);
    tls_context_unref(&m.ctx);
    m.r.peer = -1;
    conn_rig_close(&m.r);
}

static void test_begin(void)
{
    tls_files_make(&files);
    CHECK(access(files.key, R_OK) == 0);
}

static void test_end(void)
{
    tls_files_remove(&files);
    CHECK(access(files.dir, F_OK) != 0);
}

UNIT_MAIN("net/conn_tls", {"begin", test_begin}, {"echo", test_echo}, {"vector", test_vector},
          {"back_pressure", test_back_pressure}, {"octet_by_octet", test_octet_by_octet},
          {"early_input", test_early_input}, {"endings", test_endings},
          {"garbage_for_client_hello", test_garbage_for_client_hello},
          {"injection", test_injection}, {"clear_output_goes_first", test_clear_output_goes_first},
          {"closing_says_close_notify", test_closing_says_close_notify},
          {"abort_inside", test_abort_inside}, {"write_to_nobody", test_write_to_nobody},
          {"end", test_end})
