/* net/conn: octet_by_octet, vectors, back_pressure, big_input, kept_input, kept_to_the_brim,
 * end_of_file, reset, last_words, abort_inside, abort_of_kept, abort_with_work_queued,
 * close_inside, close_waits_for_output, close_does_not_wait_for_ever, close_with_unread_input,
 * stale, connect, connect_failures, connect_given_up. */
#include "net/conn.h"

#include "core/clock.h"
#include "net/listen.h"

#include "conn_rig.h"

static void test_octet_by_octet(void)
{
    static const char text[] = "EHLO client.example\r\nQUIT\r\n";
    struct conn_rig r;

    conn_rig_open(&r);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        CHECK(write(r.peer, text + i, 1) == 1);
        conn_rig_settle(&r);
    }
    CHECK_BYTES(buf_bytes(&r.got), bytes_of(text));
    CHECK_U64(r.inputs, sizeof text - 1);
    CHECK_U64(conn_input_waiting(r.c), 0);
    CHECK(r.closed == 0 && r.connected == 0 && r.writable == 0);
    conn_rig_close(&r);
}

static void test_vectors(void)
{
    enum { MANY = 2500 }; /* more than the kernel takes at once */
    struct iovec iov[MANY] = {0};
    char got[MANY + 1];
    struct conn_rig r;

    conn_rig_open(&r);
    iov[0] = (struct iovec){(void *)"250 ", 4};
    iov[2] = (struct iovec){(void *)"ok\r\n", 4};
    CHECK(conn_writev(r.c, iov, 3) == ERR_OK);
    CHECK(conn_rig_peer_read(&r, got, sizeof got) == 8);
    CHECK_STR(got, "250 ok\r\n");
    for (size_t i = 0; i < MANY; i++)
        iov[i] = (struct iovec){(void *)"abcdefghij" + i % 10, 1};
    CHECK(conn_writev(r.c, iov, MANY) == ERR_OK);
    CHECK(conn_rig_peer_read(&r, got, sizeof got) == MANY);
    CHECK(memcmp(got, "abcdefghijabcdefghij", 20) == 0 && got[MANY - 1] == 'j');
    CHECK_U64(conn_output_waiting(r.c), 0);
    conn_rig_close(&r);
}

/* Writes until the limit, then lets the peer read little by little. */
static void test_back_pressure(void)
{
    enum { PIECE = 50000, TOTAL = 4 * 1024 * 1024 };
    char *sent = conn_rig_pattern(TOTAL), *got = malloc(TOTAL);
    size_t written = 0, read_len = 0, waiting;
    struct conn_rig r;
    enum err e;

    conn_rig_open(&r);
    while ((e = conn_rig_write(&r, bytes_make(sent + written, PIECE))) == ERR_OK)
        written += PIECE;
    CHECK(e == ERR_LIMIT);
    waiting = conn_output_waiting(r.c);
    CHECK(waiting <= 1024 * 1024 && waiting + PIECE > 1024 * 1024);
    CHECK(conn_rig_write(&r, bytes_make(sent, 1024 * 1024 + 1)) == ERR_LIMIT);
    CHECK_U64(conn_output_waiting(r.c), waiting); /* nothing of it was kept */
    conn_rig_settle(&r);
    while (read_len < written && r.closed == 0) {
        ssize_t n = recv(r.peer, got + read_len, 7001, 0);

        if (n > 0)
            read_len += (size_t)n;
        else if (!loop_turn(r.loop, 0))
            break;
        if (r.writable == 0)
            CHECK(conn_output_waiting(r.c) > 0);
    }
    CHECK_U64(read_len, written);
    CHECK(memcmp(sent, got, written) == 0);
    CHECK_U64(r.writable, 1);
    CHECK_U64(conn_output_waiting(r.c), 0);
    CHECK(conn_rig_write(&r, BYTES("x")) == ERR_OK);
    free(sent);
    free(got);
    conn_rig_close(&r);
}

/* The other direction, more than one read at a time. */
static void test_big_input(void)
{
    enum { TOTAL = 3 * 1024 * 1024 };
    char *sent = conn_rig_pattern(TOTAL);
    size_t written = 0;
    struct conn_rig r;

    conn_rig_open(&r);
    while (written < TOTAL) {
        ssize_t n = send(r.peer, sent + written, TOTAL - written, MSG_NOSIGNAL);

        if (n > 0)
            written += (size_t)n;
        conn_rig_settle(&r);
    }
    CHECK_BYTES(buf_bytes(&r.got), bytes_make(sent, TOTAL));
    free(sent);
    conn_rig_close(&r);
}

static void test_kept_input(void)
{
    struct conn_rig r;

    conn_rig_open(&r);
    r.take_max = 6;
    conn_rig_send(&r, "DATA\r\nMAIL\r\nQUIT\r\n");
    conn_rig_settle(&r);
    CHECK_BYTES(buf_bytes(&r.got), BYTES("DATA\r\n"));
    CHECK_U64(conn_input_waiting(r.c), 12);
    conn_rig_send(&r, "more");
    conn_rig_settle(&r);
    CHECK_U64(r.inputs, 1); /* not read meanwhile */
    r.inside = true;
    conn_resume(r.c);
    r.inside = false;
    conn_rig_settle(&r);
    CHECK_BYTES(buf_bytes(&r.got), BYTES("DATA\r\nMAIL\r\n"));
    CHECK_U64(conn_input_waiting(r.c), 6);
    r.take_max = SIZE_MAX;
    conn_resume(r.c);
    conn_rig_settle(&r);
    CHECK_BYTES(buf_bytes(&r.got), BYTES("DATA\r\nMAIL\r\nQUIT\r\nmore"));
    CHECK_U64(conn_input_waiting(r.c), 0);
    conn_resume(r.c); /* nothing to do */
    CHECK(!loop_turn(r.loop, 0));
    conn_rig_close(&r);
}

/* All that one read can bring is kept, and the end of file waits behind it. */
static void test_kept_to_the_brim(void)
{
    enum { TOTAL = 150000 };
    char *sent = conn_rig_pattern(TOTAL);
    struct conn_rig r;

    conn_rig_open(&r);
    r.take_max = 0;
    CHECK(send(r.peer, sent, TOTAL, MSG_NOSIGNAL) == TOTAL);
    CHECK(shutdown(r.peer, SHUT_WR) == 0);
    conn_rig_settle(&r);
    CHECK_U64(conn_input_waiting(r.c), 64 * 1024);
    conn_resume(r.c);
    conn_rig_settle(&r);
    CHECK_U64(conn_input_waiting(r.c), 64 * 1024);
    CHECK(r.inputs == 2 && r.closed == 0);
    r.take_max = SIZE_MAX;
    conn_resume(r.c);
    conn_rig_settle(&r);
    CHECK_BYTES(buf_bytes(&r.got), bytes_make(sent, TOTAL));
    CHECK(r.closed == 1 && r.reason == ERR_CLOSED);
    free(sent);
    conn_rig_close(&r);
}

static void test_end_of_file(void)
{
    struct conn_rig r;

    conn_rig_open(&r);
    conn_rig_send(&r, "QUIT\r\n");
    (void)close(r.peer);
    r.peer = -1;
    conn_rig_settle(&r);
    CHECK_BYTES(buf_bytes(&r.got), BYTES("QUIT\r\n"));
    CHECK(r.closed == 1 && r.reason == ERR_CLOSED);
    CHECK_STR(r.text, "closed by the peer");
    conn_rig_close(&r);
}

/* Two TCP sockets joined over loopback; ours is the first. */
static void tcp_pair(int fds[2])
{
    struct endpoint any, at;
    struct sockaddr_storage sa;
    int listening;

    CHECK(endpoint_parse(BYTES("127.0.0.1:0"), &any) == ERR_OK);
    CHECK(listen_open(&any, &listening, NULL) == ERR_OK);
    at = listen_address(listening);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(fds[1], (struct sockaddr *)&sa, endpoint_to_sockaddr(&at, &sa)) == 0);
    fds[0] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(fds[0] >= 0);
    (void)close(listening);
}

static void tcp_rig_open(struct conn_rig *r)
{
    int fds[2];

    conn_rig_prepare(r);
    tcp_pair(fds);
    r->peer = fds[1];
    r->c = conn_accepted(r->loop, fds[0], &conn_rig_ops, r);
}

static void test_reset(void)
{
    struct linger abrupt = {.l_onoff = 1};
    struct conn_rig r;

    tcp_rig_open(&r);
    conn_rig_settle(&r);
    CHECK(setsockopt(r.peer, SOL_SOCKET, SO_LINGER, &abrupt, sizeof abrupt) == 0);
    (void)close(r.peer);
    r.peer = -1;
    while (r.closed == 0)
        loop_turn(r.loop, 1000);
    CHECK(r.reason == ERR_CLOSED);
    CHECK_STR(r.text, "Connection reset by peer");
    CHECK_U64(r.inputs, 0);
    conn_rig_close(&r);
}

/* The peer said why and went; we find out by writing, and hear it nevertheless. */
static void test_last_words(void)
{
    struct conn_rig r;

    conn_rig_open(&r);
    conn_rig_settle(&r);
    conn_rig_send(&r, "421 4.3.2 closing\r\n");
    (void)close(r.peer);
    r.peer = -1;
    CHECK(conn_rig_write(&r, BYTES("MAIL FROM:<a@b>\r\n")) == ERR_CLOSED);
    CHECK(conn_rig_write(&r, BYTES("RCPT TO:<a@b>\r\n")) == ERR_CLOSED);
    CHECK_U64(r.closed, 0);
    conn_rig_settle(&r);
    CHECK_BYTES(buf_bytes(&r.got), BYTES("421 4.3.2 closing\r\n"));
    CHECK_U64(r.closed, 1);
    CHECK(r.reason == ERR_CLOSED);
    conn_rig_close(&r);
}

static void then_abort(struct conn_rig *r)
{
    conn_abort(&r->c);
}

static void then_reply_and_close(struct conn_rig *r)
{
    CHECK(conn_write(r->c, BYTES("221 bye\r\n")) == ERR_OK);
    conn_close_after_output(r->c, 1000);
    CHECK(conn_write(r->c, BYTES("more")) == ERR_CLOSED);
}

static void test_abort_inside(void)
{
    static const struct {
        const char *name;
        size_t take_max;
    } rows[] = {{"all taken", SIZE_MAX}, {"some left", 1}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct conn_rig r;
        char byte[2];

        unit_row(rows[i].name);
        conn_rig_open(&r);
        r.take_max = rows[i].take_max;
        r.then = then_abort;
        conn_rig_send(&r, "hello");
        conn_rig_settle(&r);
        CHECK(!r.c && r.inputs == 1 && r.closed == 0);
        CHECK(conn_rig_peer_read(&r, byte, sizeof byte) == -1);
        conn_rig_close(&r);
    }
}

static void test_abort_of_kept(void)
{
    struct conn_rig r;

    conn_rig_open(&r);
    r.take_max = 1;
    conn_rig_send(&r, "hello");
    conn_rig_settle(&r);
    r.then = then_abort;
    conn_resume(r.c);
    conn_rig_settle(&r);
    CHECK(!r.c && r.inputs == 2 && r.closed == 0);
    conn_rig_close(&r);
}

static void test_abort_with_work_queued(void)
{
    struct conn_rig r;

    conn_rig_open(&r);
    conn_close_after_output(r.c, 1000);
    conn_abort(&r.c);
    CHECK(!loop_turn(r.loop, 0));
    CHECK_U64(r.closed, 0);
    conn_rig_close(&r);
    conn_rig_open(&r);
    r.abort_when_closed = true;
    conn_close_after_output(r.c, 1000);
    conn_rig_settle(&r);
    CHECK_U64(r.closed, 1);
    conn_rig_close(&r);
}

static void test_close_inside(void)
{
    static const struct {
        const char *name;
        size_t take_max;
    } rows[] = {{"all taken", SIZE_MAX}, {"some left", 1}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct conn_rig r;
        char got[32];

        unit_row(rows[i].name);
        conn_rig_open(&r);
        r.take_max = rows[i].take_max;
        r.then = then_reply_and_close;
        conn_rig_send(&r, "QUIT\r\n");
        conn_rig_settle(&r);
        CHECK(conn_rig_peer_read(&r, got, sizeof got) == 9);
        CHECK_STR(got, "221 bye\r\n");
        CHECK(conn_rig_peer_read(&r, got, sizeof got) == -1);
        CHECK(r.closed == 1 && r.reason == ERR_OK && r.inputs == 1);
        conn_rig_close(&r);
    }
}

static void test_close_waits_for_output(void)
{
    enum { TOTAL = 1000000 };
    char *sent = conn_rig_pattern(TOTAL), *got = malloc(TOTAL);
    size_t read_len = 0;
    struct conn_rig r;

    conn_rig_open(&r);
    CHECK(conn_rig_write(&r, bytes_make(sent, TOTAL)) == ERR_OK);
    r.inside = true;
    conn_close_after_output(r.c, 60000);
    r.inside = false;
    conn_rig_settle(&r);
    CHECK_U64(r.closed, 0);
    for (ssize_t n = 1; n != 0;) {
        n = recv(r.peer, got + read_len, TOTAL - read_len, 0);
        if (n > 0)
            read_len += (size_t)n;
        conn_rig_settle(&r);
    }
    CHECK_U64(read_len, TOTAL);
    CHECK(memcmp(sent, got, TOTAL) == 0);
    CHECK(r.closed == 1 && r.reason == ERR_OK && r.writable == 0);
    free(sent);
    free(got);
    conn_rig_close(&r);
}

static void test_close_does_not_wait_for_ever(void)
{
    char *sent = conn_rig_pattern(1000000);
    struct conn_rig r;

    clock_virtual_start(1000, 0);
    conn_rig_open(&r);
    CHECK(conn_rig_write(&r, bytes_make(sent, 1000000)) == ERR_OK);
    conn_close_after_output(r.c, 5000);
    conn_rig_settle(&r);
    clock_virtual_advance(4999);
    loop_turn(r.loop, 0);
    CHECK_U64(r.closed, 0);
    clock_virtual_advance(1);
    loop_turn(r.loop, 0);
    CHECK(r.closed == 1 && r.reason == ERR_OK);
    conn_rig_close(&r);
    clock_virtual_end();
    free(sent);
}

static void then_refuse(struct conn_rig *r)
{
    CHECK(conn_write(r->c, BYTES("554 5.7.1 go away\r\n")) == ERR_OK);
    conn_close_after_output(r->c, 60000);
}

/* What the peer sent and we did not want must not become a reset that swallows the reply. */
static void test_close_with_unread_input(void)
{
    enum { TOTAL = 300000 };
    char *sent = conn_rig_pattern(TOTAL), got[64];
    struct conn_rig r;
    ssize_t n;

    tcp_rig_open(&r);
    r.then = then_refuse;
    CHECK(send(r.peer, sent, TOTAL, MSG_NOSIGNAL) == TOTAL);
    CHECK(shutdown(r.peer, SHUT_WR) == 0);
    while (r.closed == 0)
        loop_turn(r.loop, 1000);
    CHECK(r.reason == ERR_OK && r.inputs == 1);
    n = recv(r.peer, got, sizeof got - 1, 0);
    got[n > 0 ? n : 0] = '\0';
    CHECK_STR(got, "554 5.7.1 go away\r\n");
    CHECK(recv(r.peer, got, 1, 0) == 0);
    free(sent);
    conn_rig_close(&r);
}

static void test_stale(void)
{
    struct conn_rig r;

    conn_rig_open(&r);
    conn_rig_settle(&r);
    CHECK(!conn_is_stale(r.c));
    conn_rig_send(&r, "4"); /* not seen by the loop yet */
    CHECK(conn_is_stale(r.c));
    conn_rig_settle(&r);
    CHECK(!conn_is_stale(r.c));
    (void)close(r.peer);
    r.peer = -1;
    CHECK(conn_is_stale(r.c));
    conn_rig_close(&r);
}

static int listening_open(struct endpoint *at)
{
    struct endpoint any;
    int fd;

    CHECK(endpoint_parse(BYTES("127.0.0.1:0"), &any) == ERR_OK);
    CHECK(listen_open(&any, &fd, NULL) == ERR_OK);
    *at = listen_address(fd);
    return fd;
}

static void test_connect(void)
{
    static const struct {
        const char *name, *source; /* NULL: none given */
    } rows[] = {{"any", NULL}, {"explicit any", "0.0.0.0"}, {"given", "127.0.0.2"}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct endpoint at, local;
        struct ipaddr source;
        struct conn_rig r;
        int listening = listening_open(&at);

        unit_row(rows[i].name);
        conn_rig_prepare(&r);
        if (rows[i].source)
            CHECK(ipaddr_parse(bytes_of(rows[i].source), &source) == ERR_OK);
        r.c = conn_connect(r.loop, &at, rows[i].source ? &source : NULL, &conn_rig_ops, &r);
        CHECK(conn_rig_write(&r, BYTES("early")) == ERR_AGAIN);
        CHECK_U64(r.connected, 0);
        while (r.connected == 0 && r.closed == 0)
            loop_turn(r.loop, 1000);
        CHECK(r.connected == 1 && r.closed == 0);
        r.peer = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        local = listen_address(r.peer);
        CHECK(conn_peer(r.c).port == at.port && local.port == at.port);
        local = conn_local(r.c);
        CHECK(ipaddr_is_loopback(&local.addr) && local.port != 0);
        CHECK(!rows[i].source || local.addr.octets[15] == source.octets[15] ||
              ipaddr_equal(&source, &IPADDR_V4_ANY));
        CHECK(conn_rig_write(&r, BYTES("hi")) == ERR_OK);
        conn_rig_send(&r, "220 hi\r\n");
        conn_rig_settle(&r);
        CHECK_BYTES(buf_bytes(&r.got), BYTES("220 hi\r\n"));
        (void)close(listening);
        conn_rig_close(&r);
    }
}

static void test_connect_failures(void)
{
    struct endpoint at;
    int listening = listening_open(&at);
    const struct {
        const char *name, *source, *text;
    } rows[] = {
        {"refused", NULL, "Connection refused"},
        {"a source that is not ours", "192.0.2.1", "Cannot assign requested address"},
        {"a source of the other family", "2001:db8::1", "Address family"},
    };

    (void)close(listening); /* nobody listens there now */
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ipaddr source;
        struct conn_rig r;

        unit_row(rows[i].name);
        conn_rig_prepare(&r);
        if (rows[i].source)
            CHECK(ipaddr_parse(bytes_of(rows[i].source), &source) == ERR_OK);
        r.inside = true;
        r.c = conn_connect(r.loop, &at, rows[i].source ? &source : NULL, &conn_rig_ops, &r);
        r.inside = false;
        CHECK_U64(r.closed, 0);
        while (r.closed == 0)
            loop_turn(r.loop, 1000);
        CHECK(r.closed == 1 && r.connected == 0 && r.reason != ERR_OK);
        CHECK(strstr(r.text, rows[i].text));
        conn_rig_close(&r);
    }
}

static void test_connect_given_up(void)
{
    struct endpoint at;
    int listening = listening_open(&at);
    struct conn_rig r;

    conn_rig_prepare(&r);
    r.c = conn_connect(r.loop, &at, NULL, &conn_rig_ops, &r);
    conn_close_after_output(r.c, 10);
    while (r.closed == 0)
        loop_turn(r.loop, 1000);
    CHECK(r.connected == 0 && r.reason == ERR_OK);
    r.c = conn_connect(r.loop, &at, NULL, &conn_rig_ops, &r);
    conn_abort(&r.c);
    conn_rig_settle(&r);
    CHECK_U64(r.closed, 1);
    (void)close(listening);
    conn_rig_close(&r);
}

UNIT_MAIN("net/conn", {"octet_by_octet", test_octet_by_octet}, {"vectors", test_vectors},
          {"back_pressure", test_back_pressure}, {"big_input", test_big_input},
          {"kept_input", test_kept_input}, {"kept_to_the_brim", test_kept_to_the_brim},
          {"end_of_file", test_end_of_file}, {"reset", test_reset}, {"last_words", test_last_words},
          {"abort_inside", test_abort_inside}, {"abort_of_kept", test_abort_of_kept},
          {"abort_with_work_queued", test_abort_with_work_queued},
          {"close_inside", test_close_inside},
          {"close_waits_for_output", test_close_waits_for_output},
          {"close_does_not_wait_for_ever", test_close_does_not_wait_for_ever},
          {"close_with_unread_input", test_close_with_unread_input}, {"stale", test_stale},
          {"connect", test_connect}, {"connect_failures", test_connect_failures},
          {"connect_given_up", test_connect_given_up})
