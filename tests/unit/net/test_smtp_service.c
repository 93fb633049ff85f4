/* The session on a real socket: batches, TLS, waiting for answers, time, and every way to end. */
#include "net/smtp_service.h"

#include <unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/mem.h"
#include "tls_rig.h"

#define RAW "220 relay.example ESMTP"

enum question { QUESTION_NONE, QUESTION_MAIL, QUESTION_END };

static struct rig {
    struct loop *loop;
    struct smtp_service *service;
    int client;
    struct smtp_server_settings settings;
    struct tls_context *tls;
    enum question later; /* answered by the test */
    struct mail_status waiting;
    bool abort_in_mail, shutdown_in_mail;
    unsigned mails, commits, aborts, closed, tls_started;
    bool helo_seen_at_close;
    enum err reason;
    uint64_t octets;
    char got[1 << 16]; /* what the client has read */
    size_t got_len;
    bool eof;
} rig;

static enum smtp_server_verdict answer(enum question q, struct mail_status *status)
{
    rig.waiting = *status;
    return rig.later == q ? SMTP_SERVER_LATER : SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict on_mail(void *owner, const struct mail_envelope *envelope,
                                        struct mail_status *status)
{
    (void)owner, (void)envelope;
    rig.mails++;
    if (rig.abort_in_mail)
        smtp_service_abort(rig.service);
    if (rig.shutdown_in_mail)
        smtp_service_shutdown(rig.service);
    return answer(QUESTION_MAIL, status);
}

static enum smtp_server_verdict on_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                        struct bytes domain, struct mail_status *status)
{
    (void)owner, (void)rcpt, (void)domain, (void)status;
    return SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict on_begin(void *owner, struct mail_status *status)
{
    (void)owner, (void)status;
    return SMTP_SERVER_ANSWERED;
}

static bool on_text(void *owner, struct bytes text, struct mail_status *status)
{
    (void)owner, (void)status;
    rig.octets += text.len;
    return true;
}

static enum smtp_server_verdict on_end(void *owner, struct mail_status *status)
{
    (void)owner;
    rig.commits++;
    return answer(QUESTION_END, status);
}

static void on_abort(void *owner)
{
    (void)owner;
    CHECK_U64(rig.closed, 0);
    rig.aborts++;
}

static void on_tls(void *owner)
{
    (void)owner;
    CHECK(smtp_server_facts(smtp_service_session(rig.service))->tls->version[0] == 'T');
    rig.tls_started++;
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    (void)owner, (void)text;
    rig.closed++;
    rig.reason = reason;
    rig.helo_seen_at_close = smtp_server_facts(smtp_service_session(rig.service))->helo.len > 0;
}

static const struct smtp_server_ops ops = {on_mail, on_rcpt, on_begin, on_text, on_end, on_abort,
                                           NULL,    on_tls,  NULL,     NULL,    NULL,   NULL};

/* Two ends of a TCP connection over loopback. */
static void connect_pair(int *server, int *client)
{
    struct sockaddr_storage sa;
    struct endpoint at;
    CHECK(endpoint_parse(BYTES("127.0.0.1:0"), &at) == ERR_OK);
    socklen_t len = endpoint_to_sockaddr(&at, &sa);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listening, (struct sockaddr *)&sa, len) == 0 && listen(listening, 1) == 0);
    CHECK(getsockname(listening, (struct sockaddr *)&sa, &len) == 0);
    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(*client, (struct sockaddr *)&sa, len) == 0);
    *server = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(*server >= 0 && fcntl(*client, F_SETFL, O_NONBLOCK) == 0);
    CHECK(close(listening) == 0);
}

static void rig_new(void)
{
    clock_virtual_start(1000, 1700000000000);
    rig = (struct rig){.settings = {.fqdn = BYTES("relay.example"),
                                    .banner = BYTES_EMPTY,
                                    .extensions = 0xff,
                                    .message_size_max = 1 << 30,
                                    .rcpts_max = 100,
                                    .protocol_errors_max = 5,
                                    .address_max = 571,
                                    .inactivity_timeout_ms = 300000,
                                    .connection_timeout_ms = 600000}};
    CHECK(loop_new(&rig.loop, NULL) == ERR_OK);
}

static void rig_start(const struct mail_status *refusal)
{
    struct smtp_server_facts facts = {.session_id = 1};
    int server;
    connect_pair(&server, &rig.client);
    rig.service = smtp_service_start(rig.loop, server, &rig.settings, &facts, rig.tls, refusal,
                                     &ops, NULL, on_closed);
}

static void rig_done(void)
{
    if (!rig.closed)
        smtp_service_abort(rig.service);
    CHECK_U64(rig.closed, 1);
    if (rig.client >= 0)
        CHECK(close(rig.client) == 0);
    while (loop_turn(rig.loop, 0))
        continue;
    loop_free(&rig.loop);
    tls_context_unref(&rig.tls);
    clock_virtual_end();
}

static void read_client(void)
{
    ssize_t n;
    while (rig.client >= 0 && (n = recv(rig.client, rig.got + rig.got_len,
                                        sizeof rig.got - 1 - rig.got_len, 0)) >= 0) {
        rig.eof = rig.eof || n == 0;
        if (n == 0)
            break;
        rig.got_len += (size_t)n;
    }
    rig.got[rig.got_len] = '\0';
}

/* Turns the loop until the client has read LINES lines, or the session has closed. */
static void turn(unsigned lines)
{
    unsigned patience = lines ? 1000 : 20; /* without LINES: until all is quiet */
    for (unsigned idle = 0; idle < patience; idle++) {
        unsigned seen = 0;
        while (loop_turn(rig.loop, 0))
            idle = 0;
        read_client();
        for (size_t i = 0; i < rig.got_len; i++)
            seen += rig.got[i] == '\n';
        if ((lines && seen >= lines) || (rig.eof && rig.closed))
            break;
        if (rig.client >= 0)
            (void)poll(&(struct pollfd){.fd = rig.client, .events = POLLIN}, 1, rig.eof ? 1 : 3);
    }
}

static void forget_read(void)
{
    rig.got_len = 0;
    rig.got[0] = '\0';
}

static void send_client(const char *text)
{
    CHECK(send(rig.client, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* Sends, and reads WANTED lines; checks that the reply begins so. */
static void say(const char *text, unsigned lines, const char *starts)
{
    forget_read();
    send_client(text);
    turn(lines);
    if (!CHECK(bytes_starts_nocase(bytes_of(rig.got), bytes_of(starts))))
        fprintf(stderr, "  got: %s\n", rig.got);
}

static void say_hello(void)
{
    turn(1);
    CHECK(bytes_starts_nocase(bytes_of(rig.got), BYTES(RAW)));
    say("HELO client.example\r\n", 1, "250 relay.example Hello ");
}

static void say_ehlo(void)
{
    turn(1);
    say("EHLO client.example\r\n", rig.tls ? 9 : 8, "250-relay.example Hello ");
}

/* ---- tests ------------------------------------------------------------------------------ */

static void test_message(void)
{
    rig_new();
    rig_start(NULL);
    say_hello();
    say("MAIL FROM:<a@b>\r\n", 1, "250 2.1.0");
    say("RCPT TO:<c@d>\r\n", 1, "250 2.1.5");
    say("DATA\r\n", 1, "354 ");
    say("Subject: x\r\n\r\ny\r\n.\r\n", 1, "250 2.6.0");
    CHECK_U64(rig.octets, 17);
    say("QUIT\r\n", 1, "221 2.0.0");
    turn(0);
    CHECK(rig.eof && rig.closed == 1);
    CHECK(rig.helo_seen_at_close);
    CHECK_U64(rig.aborts, 0);
    rig_done();
}

static void test_refusal(void)
{
    struct mail_status busy = MAIL_STATUS(421, 4, 3, 2, "Service not available");
    rig_new();
    rig_start(&busy);
    turn(0);
    CHECK_STR(rig.got, "421 Service not available\r\n");
    CHECK(rig.eof && rig.closed == 1);
    rig_done();
}

static void test_pipelined_while_waiting(void)
{
    rig_new();
    rig.later = QUESTION_END;
    rig_start(NULL);
    say_ehlo();
    say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    forget_read();
    send_client("x\r\n.\r\nMAIL FROM:<e@f>\r\nRCPT TO:<g@h>\r\nDATA\r\n");
    turn(0);
    CHECK_STR(rig.got, "");
    CHECK_U64(rig.commits, 1);
    CHECK_U64(rig.mails, 1);
    smtp_service_answer(rig.service, &rig.waiting);
    turn(4);
    CHECK_STR(rig.got, "250 2.6.0 Queued mail for delivery\r\n250 2.1.0 Sender OK\r\n"
                       "250 2.1.5 Recipient OK\r\n"
                       "354 Start mail input; end with <CRLF>.<CRLF>\r\n");
    CHECK_U64(rig.mails, 2);
    forget_read();
    send_client("y\r\n.\r\n");
    turn(0);
    smtp_service_answer(rig.service, &rig.waiting);
    turn(1);
    CHECK_STR(rig.got, "250 2.6.0 Queued mail for delivery\r\n");
    rig_done();
    CHECK_U64(rig.aborts, 0);
}

static void test_answer_later(void)
{
    rig_new();
    rig.later = QUESTION_MAIL;
    rig_start(NULL);
    say_hello();
    forget_read();
    send_client("MAIL FROM:<a@b>\r\n");
    turn(0);
    CHECK_STR(rig.got, "");
    smtp_service_answer(rig.service, &rig.waiting);
    turn(1);
    CHECK_STR(rig.got, "250 2.1.0 Sender OK\r\n");
    say("RCPT TO:<c@d>\r\n", 1, "250 2.1.5");
    rig_done();
    CHECK_U64(rig.aborts, 1);
}

static void test_lost(void)
{
    rig_new();
    rig_start(NULL);
    say_hello();
    say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    send_client("half");
    CHECK(close(rig.client) == 0);
    rig.client = -1;
    turn(0);
    CHECK_U64(rig.closed, 1);
    CHECK_U64(rig.aborts, 1);
    CHECK_U64(rig.commits, 0);
    CHECK(rig.reason != ERR_OK);
    rig_done();
}

static void test_lost_while_waiting(void)
{
    rig_new();
    rig.later = QUESTION_END;
    rig_start(NULL);
    say_hello();
    say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    send_client(".\r\n");
    turn(0);
    CHECK_U64(rig.commits, 1);
    CHECK(close(rig.client) == 0);
    rig.client = -1;
    turn(0);
    CHECK_U64(rig.closed, 1);
    CHECK_U64(rig.aborts, 1);
    rig_done();
}

static void test_timeouts(void)
{
    unit_row("inactivity");
    rig_new();
    rig_start(NULL);
    say_hello();
    clock_virtual_advance(200000);
    say("NOOP\r\n", 1, "250");
    forget_read();
    clock_virtual_advance(200000); /* the timer fires where it stood: too early, and waits on */
    turn(0);
    CHECK_STR(rig.got, "");
    clock_virtual_advance(100001);
    turn(0);
    CHECK_STR(rig.got, "451 4.7.0 Timeout waiting for client input\r\n");
    CHECK(rig.eof && rig.closed == 1);
    rig_done();

    unit_row("in the text");
    rig_new();
    rig_start(NULL);
    say_hello();
    say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    forget_read();
    clock_virtual_advance(300001);
    turn(0);
    CHECK_STR(rig.got, "451 4.7.0 Timeout waiting for client input\r\n");
    CHECK_U64(rig.aborts, 1);
    rig_done();

    unit_row("never while a message is being committed");
    rig_new();
    rig.later = QUESTION_END;
    rig_start(NULL);
    say_hello();
    say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    forget_read();
    send_client(".\r\n");
    turn(0);
    clock_virtual_advance(900000);
    turn(0);
    CHECK_STR(rig.got, "");
    smtp_service_answer(rig.service, &rig.waiting);
    turn(0);
    CHECK_STR(rig.got, "250 2.6.0 Queued mail for delivery\r\n"
                       "421 4.4.2 Connection timeout, closing transmission channel\r\n");
    CHECK(rig.eof && rig.closed == 1);
    rig_done();
}

static void test_shutdown(void)
{
    rig_new();
    rig_start(NULL);
    say_hello();
    forget_read();
    smtp_service_shutdown(rig.service);
    smtp_service_shutdown(rig.service);
    turn(0);
    CHECK_STR(rig.got, "421 4.3.2 Service not available, closing transmission channel\r\n");
    CHECK(rig.eof && rig.closed == 1);
    rig_done();

    unit_row("from within a callback");
    rig_new();
    rig.shutdown_in_mail = true;
    rig_start(NULL);
    say_hello();
    say("MAIL FROM:<a@b>\r\n", 2, "250 2.1.0 Sender OK\r\n421 4.3.2");
    turn(0);
    CHECK_U64(rig.closed, 1);
    CHECK_U64(rig.aborts, 1);
    rig_done();
}

static void test_abort(void)
{
    unit_row("from outside: at once");
    rig_new();
    rig_start(NULL);
    say_hello();
    say("MAIL FROM:<a@b>\r\n", 1, "250");
    smtp_service_abort(rig.service);
    CHECK_U64(rig.closed, 1);
    CHECK_U64(rig.aborts, 1);
    turn(0);
    CHECK(rig.eof);
    rig_done();

    unit_row("from within a callback: when it has returned");
    rig_new();
    rig.abort_in_mail = true;
    rig_start(NULL);
    say_hello();
    send_client("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
    turn(0);
    CHECK(rig.eof && rig.closed == 1);
    CHECK_U64(rig.aborts, 1);
    rig_done();
}

/* A peer that sends and never reads is not read for ever either. */
static void test_peer_does_not_read(void)
{
    static char line[] = "RCPT TO:<c@d.example>\r\n";
    size_t sent = 0, idle = 0;
    rig_new();
    rig.settings.rcpts_max = 1;
    rig_start(NULL);
    say_hello();
    say("MAIL FROM:<a@b>\r\n", 1, "250");
    while (sent < 64u << 20 && idle < 100) {
        ssize_t n = send(rig.client, line, sizeof line - 1, MSG_NOSIGNAL);
        idle = n == (ssize_t)sizeof line - 1 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        if (n != (ssize_t)sizeof line - 1)
            while (loop_turn(rig.loop, 0))
                continue;
    }
    CHECK(sent < 64u << 20);
    CHECK_U64(rig.closed, 0);
    forget_read();
    for (unsigned i = 0; i < 20 || rig.got_len; i++) { /* it reads at last: all goes on */
        forget_read();
        turn(1);
    }
    clock_virtual_advance(300001);
    turn(0);
    CHECK_U64(rig.closed, 1);
    rig_done();
}

static void test_idle_memory(void)
{
    enum { COUNT = 100 };
    static struct smtp_server *sessions[COUNT];
    struct smtp_server_facts facts = {.session_id = 1};
    rig_new();
    size_t before = mallinfo2().uordblks;
    for (size_t i = 0; i < COUNT; i++) {
        sessions[i] = smtp_server_new(&rig.settings, &facts, &ops, NULL);
        smtp_server_greet(sessions[i], NULL);
        CHECK(smtp_server_input(sessions[i], BYTES("HELO x.example\r\n")) == 16);
        CHECK(smtp_server_input(sessions[i], BYTES("MAIL FROM:<a@b>\r\nRSET\r\n")) == 23);
        buf_free(smtp_server_output(sessions[i]));
    }
    CHECK((mallinfo2().uordblks - before) / COUNT < 1280); /* nothing counted under a sanitizer */
    for (size_t i = 0; i < COUNT; i++)
        smtp_server_free(&sessions[i]);
    rig_start(NULL);
    rig_done();
}

/* ---- TLS -------------------------------------------------------------------------------- */

static struct tls_files files;

/* Drives OpenSSL's side while the loop turns; false: it failed. */
static bool shake(struct raw_tls *raw)
{
    for (unsigned i = 0; i < 500; i++) {
        int rc = SSL_do_handshake(raw->ssl);
        if (rc == 1)
            return true;
        int e = SSL_get_error(raw->ssl, rc);
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            return false;
        while (loop_turn(rig.loop, 0))
            continue;
        (void)poll(&(struct pollfd){.fd = raw->fd, .events = POLLIN}, 1, 5);
    }
    return false;
}

static void say_tls(struct raw_tls *raw, const char *text, unsigned lines, const char *starts)
{
    char got[4096] = "";
    size_t len = 0;
    CHECK(SSL_write(raw->ssl, text, (int)strlen(text)) == (int)strlen(text));
    for (unsigned i = 0; i < 500; i++) {
        unsigned seen = 0;
        while (loop_turn(rig.loop, 0))
            continue;
        int n = SSL_read(raw->ssl, got + len, (int)(sizeof got - 1 - len));
        len += n > 0 ? (size_t)n : 0;
        got[len] = '\0';
        for (size_t j = 0; j < len; j++)
            seen += got[j] == '\n';
        if (seen >= lines)
            break;
        (void)poll(&(struct pollfd){.fd = raw->fd, .events = POLLIN}, 1, 5);
    }
    if (!CHECK(bytes_starts_nocase(bytes_of(got), bytes_of(starts))))
        fprintf(stderr, "  got: %s\n", got);
    CHECK(!strstr(got, "STARTTLS"));
}

static void rig_tls(void)
{
    rig_new();
    tls_files_make(&files);
    rig.tls = tls_rig_server(&files, "1.2");
    rig_start(NULL);
}

static void rig_tls_done(void)
{
    rig_done();
    tls_files_remove(&files);
}

static void test_starttls(void)
{
    struct raw_tls raw;
    rig_tls();
    say_ehlo();
    CHECK(strstr(rig.got, "250-STARTTLS\r\n") != NULL);
    say("STARTTLS\r\n", 1, "220 2.0.0 SMTP server ready");
    raw_tls_open(&raw, rig.client, NULL);
    CHECK(shake(&raw));
    say_tls(&raw, "MAIL FROM:<a@b>\r\n", 1, "503 5.5.2");
    CHECK_U64(rig.tls_started, 1);
    say_tls(&raw, "EHLO client.example\r\n", 8, "250-relay.example");
    say_tls(&raw, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    say_tls(&raw, "x\r\n.\r\n", 1, "250 2.6.0");
    say_tls(&raw, "QUIT\r\n", 1, "221");
    raw_tls_close(&raw);
    rig.client = -1;
    turn(0);
    CHECK_U64(rig.closed, 1);
    rig_tls_done();
}

static void test_starttls_injection(void)
{
    unit_row("T-01 in one segment");
    rig_tls();
    say_ehlo();
    forget_read();
    send_client("STARTTLS\r\nRSET\r\n");
    turn(0);
    CHECK(bytes_starts_nocase(bytes_of(rig.got), BYTES("554 5.5.0")));
    CHECK(rig.eof && rig.closed == 1 && rig.tls_started == 0);
    rig_tls_done();

    unit_row("T-02 behind our 220");
    rig_tls();
    say_ehlo();
    say("STARTTLS\r\n", 1, "220");
    forget_read();
    send_client("EHLO x\r\nMAIL FROM:<a@b>\r\n");
    turn(0);
    CHECK(!strstr(rig.got, "250")); /* at most a TLS alert */
    CHECK(rig.closed == 1 && rig.tls_started == 0);
    CHECK_U64(rig.mails, 0);
    rig_tls_done();
}

static void test_handshake_timeout(void)
{
    rig_tls();
    say_ehlo();
    say("STARTTLS\r\n", 1, "220");
    forget_read();
    clock_virtual_advance(29999);
    turn(0);
    CHECK_U64(rig.closed, 0);
    clock_virtual_advance(2);
    turn(0);
    CHECK(!strstr(rig.got, "451")); /* nothing in clear */
    clock_virtual_advance(10000);
    turn(0);
    CHECK_U64(rig.closed, 1);
    rig_tls_done();
}

static void test_without_certificate(void)
{
    rig_new();
    rig_start(NULL);
    say_ehlo();
    CHECK(!strstr(rig.got, "STARTTLS"));
    say("STARTTLS\r\n", 1, "502 5.5.1");
    rig_done();
}

UNIT_MAIN("net/smtp_service", {"a message", test_message}, {"a refusal", test_refusal},
          {"pipelined commands wait for the answer", test_pipelined_while_waiting},
          {"an answer that comes later", test_answer_later}, {"a lost client", test_lost},
          {"a client lost while its message is committed", test_lost_while_waiting},
          {"timeouts", test_timeouts}, {"shutdown", test_shutdown}, {"abort", test_abort},
          {"a peer that does not read", test_peer_does_not_read},
          {"an idle session is small", test_idle_memory}, {"STARTTLS", test_starttls},
          {"T-01 T-02 bytes that come before TLS", test_starttls_injection},
          {"T-08 a handshake that never ends", test_handshake_timeout},
          {"no certificate, no STARTTLS", test_without_certificate})
