/* The sink on real sockets: it takes everything, and goes wrong exactly as its observer decides. */
#include "bench/sink/smtp_sink.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "core/thread.h"
#include "unit.h"

#define MESSAGE "MAIL FROM:<a@src.test>\r\nRCPT TO:<b@dst.test>\r\nDATA\r\n"

/* What the observer decides at one phase, and what it saw; the sink's thread writes it, and the
 * test reads it when that has ended. */
static struct rig {
    enum smtp_sink_phase phase;
    struct smtp_sink_answer answer;
    unsigned opened, closed, begun, ended, strangers, asked[SMTP_SINK_DOT + 1];
    uint64_t octets;
    char domains[200];
    struct smtp_sink *sink;
    struct tls_context *tls;
    int fd;
    char got[65536];
    size_t got_len;
} rig;

static void *on_open(void *owner)
{
    rig.opened++;
    return owner;
}

static void on_begin(void *session)
{
    (void)session;
    rig.begun++;
}

static void on_text(void *session, struct bytes text)
{
    (void)session;
    rig.octets += text.len;
}

static void on_end(void *session)
{
    (void)session;
    rig.ended++;
}

static void on_close(void *session)
{
    rig.strangers += session != &rig;
    rig.closed++;
}

static void decide(void *session, const struct smtp_sink_question *question,
                   struct smtp_sink_answer *answer)
{
    size_t used = strlen(rig.domains);
    (void)session;
    rig.strangers += !ipaddr_is_loopback(&question->client->addr);
    rig.asked[question->phase]++;
    (void)snprintf(rig.domains + used, sizeof rig.domains - used, BYTES_FMT "|",
                   BYTES_ARG(question->domain));
    if (question->phase == rig.phase)
        *answer = rig.answer;
}

static const struct smtp_sink_observer observer = {&rig,   on_open,  on_begin, on_text,
                                                   on_end, on_close, decide};

static void start(enum smtp_sink_phase phase, const struct smtp_sink_answer *answer)
{
    struct err_detail why = {""};
    struct smtp_sink_settings settings = {.threads = 1, .observer = &observer, .tls = rig.tls};
    struct tls_context *tls = rig.tls;
    rig = (struct rig){.phase = phase, .answer = *answer, .tls = tls, .fd = -1};
    CHECK(endpoint_parse(BYTES("127.0.0.1:0"), &settings.at) == ERR_OK);
    CHECK(smtp_sink_start_with(&settings, &rig.sink, &why) == ERR_OK);
}

static void dial(void)
{
    struct sockaddr_storage sa;
    struct endpoint at = smtp_sink_address(rig.sink);
    socklen_t len = endpoint_to_sockaddr(&at, &sa);
    rig.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(rig.fd >= 0 && connect(rig.fd, (struct sockaddr *)&sa, len) == 0);
    rig.got_len = 0;
}

static void say(const char *text)
{
    size_t len = strlen(text);
    CHECK(send(rig.fd, text, len, MSG_NOSIGNAL) == (ssize_t)len);
}

/* True: so many lines have come; false: the connection ended before. */
static bool hear(unsigned lines)
{
    unsigned seen = 0;
    for (;;) {
        for (size_t i = seen = 0; i < rig.got_len; i++)
            seen += rig.got[i] == '\n';
        rig.got[rig.got_len] = '\0';
        if (seen >= lines)
            return true;
        ssize_t n = recv(rig.fd, rig.got + rig.got_len, sizeof rig.got - 1 - rig.got_len, 0);
        if (n <= 0)
            return false;
        rig.got_len += (size_t)n;
    }
}

static void stop(void)
{
    if (rig.fd >= 0)
        CHECK(close(rig.fd) == 0);
    smtp_sink_stop(&rig.sink);
    CHECK_U64(rig.opened, rig.closed);
    CHECK_U64(rig.strangers, 0);
}

/* ---- ways to go wrong ------------------------------------------------------------------- */

static void test_takes_everything(void)
{
    struct smtp_sink_counts counts;
    start(SMTP_SINK_CONNECT, &(struct smtp_sink_answer){.lines_before = BYTES_EMPTY});
    dial();
    CHECK(hear(1));
    say("HELO c.test\r\n" MESSAGE);
    CHECK(hear(5));
    say("Subject: x\r\n\r\n.\r\nQUIT\r\n");
    CHECK(hear(7));
    CHECK(!hear(8));
    CHECK(strstr(rig.got, "\n250 2.6.0 "));
    smtp_sink_read(rig.sink, &counts);
    CHECK_U64(counts.messages, 1);
    CHECK_U64(counts.connections, 1);
    CHECK_U64(counts.handshakes, 0);
    stop();
    CHECK_U64(rig.begun, 1);
    CHECK_U64(rig.ended, 1);
    CHECK_U64(rig.octets, 14);
    CHECK_STR(rig.domains, "|src.test|dst.test|dst.test|dst.test|");
}

/* A whole message, said without waiting but for the 354; what is answered at its end. */
static void test_answers(void)
{
    static const struct {
        const char *name;
        enum smtp_sink_phase phase;
        enum smtp_sink_move move;
        const char *reply; /* the last line that comes, or NULL: nothing after the 354 */
        bool ended, closes;
    } rows[] = {
        {"reply at mail", SMTP_SINK_MAIL, SMTP_SINK_REPLY, "450 4.2.1 later", false, false},
        {"reply at rcpt", SMTP_SINK_RCPT, SMTP_SINK_REPLY, "450 4.2.1 later", false, false},
        {"reply at data", SMTP_SINK_DATA, SMTP_SINK_REPLY, "450 4.2.1 later", false, false},
        {"reply at dot", SMTP_SINK_DOT, SMTP_SINK_REPLY, "450 4.2.1 later", false, false},
        {"closed at mail", SMTP_SINK_MAIL, SMTP_SINK_CLOSE, NULL, false, true},
        {"closed at rcpt", SMTP_SINK_RCPT, SMTP_SINK_CLOSE, NULL, false, true},
        {"closed at data", SMTP_SINK_DATA, SMTP_SINK_CLOSE, NULL, false, true},
        {"closed at dot", SMTP_SINK_DOT, SMTP_SINK_CLOSE, NULL, false, true},
        {"taken and closed", SMTP_SINK_DOT, SMTP_SINK_TAKE_AND_CLOSE, NULL, true, true},
    };
    static const char *const steps[] = {"MAIL FROM:<a@src.test>\r\n", "RCPT TO:<b@dst.test>\r\n",
                                        "DATA\r\n", "Subject: x\r\n\r\n.\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_sink_answer answer = {.move = rows[i].move,
                                          .status = MAIL_STATUS(450, 4, 2, 1, "later"),
                                          .lines_before = BYTES("450-4.2.1 not now\r\n")};
        unit_row(rows[i].name);
        start(rows[i].phase, &answer);
        dial();
        CHECK(hear(1));
        say("HELO c.test\r\n");
        CHECK(hear(2));
        unsigned lines = 2, last = (unsigned)(rows[i].phase - SMTP_SINK_MAIL);
        for (unsigned step = 0; step < last; step++) {
            say(steps[step]);
            CHECK(hear(++lines));
        }
        say(steps[last]);
        CHECK(hear(lines + 2) == (rows[i].reply ? true : false));
        if (rows[i].reply) {
            CHECK(strstr(rig.got, "450-4.2.1 not now\r\n450 4.2.1 later\r\n"));
            say("RSET\r\n");
            CHECK(hear(lines + 3));
        }
        stop();
        CHECK_U64(rig.ended, rows[i].ended);
    }
}

static void test_at_connect(void)
{
    static const struct {
        const char *name;
        struct smtp_sink_answer answer;
        const char *greeting; /* NULL: none */
    } rows[] = {
        {"reset", {.move = SMTP_SINK_RESET}, NULL},
        {"closed", {.move = SMTP_SINK_CLOSE}, NULL},
        {"refused",
         {.move = SMTP_SINK_REPLY, .status = MAIL_STATUS_INIT(421, 0, 0, 0, "4.7.0 busy")},
         "421 4.7.0 busy\r\n"},
        {"late", {.delay_ms = 30}, "220 sink.example "},
        {"slow", {.bytes_per_s = 1000}, "220 sink.example "},
        {"late and slow", {.delay_ms = 30, .bytes_per_s = 1000}, "220 sink.example "},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        start(SMTP_SINK_CONNECT, &rows[i].answer);
        dial();
        CHECK(hear(1) == (rows[i].greeting ? true : false));
        if (rows[i].greeting)
            CHECK(strncmp(rig.got, rows[i].greeting, strlen(rows[i].greeting)) == 0);
        stop();
        CHECK_U64(rig.opened, 1);
    }
}

/* Those that are held when the sink stops; and one whose peer leaves first. */
static void test_held_ones_end_with_it(void)
{
    static const struct smtp_sink_answer rows[] = {
        {.move = SMTP_SINK_SILENCE},
        {.delay_ms = 3600 * 1000},
        {.bytes_per_s = 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        start(SMTP_SINK_CONNECT, &rows[i]);
        for (unsigned n = 0; n < 2; n++) {
            struct smtp_sink_counts counts;
            dial();
            say("EHLO c.test\r\n");
            do /* it was accepted */
                smtp_sink_read(rig.sink, &counts);
            while (counts.connections <= n);
            if (n == 0)
                CHECK(close(rig.fd) == 0);
        }
        stop();
        CHECK_U64(rig.opened, 2);
        CHECK_U64(rig.ended, 0);
    }
}

/* Through the slow way every octet passes, in order, both ways. */
static void test_slow_is_whole(void)
{
    static char text[200002];
    start(SMTP_SINK_CONNECT, &(struct smtp_sink_answer){.bytes_per_s = 4 << 20});
    dial();
    CHECK(hear(1));
    say("HELO c.test\r\n" MESSAGE);
    CHECK(hear(5));
    for (size_t i = 0; i < sizeof text - 2; i++)
        text[i] = i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : 'x';
    say(text);
    say(".\r\nQUIT\r\n");
    CHECK(hear(7));
    CHECK(!hear(8));
    CHECK(strstr(rig.got, "\n221 "));
    stop();
    CHECK_U64(rig.octets, 200000);
    CHECK_U64(rig.ended, 1);
}

/* ---- TLS -------------------------------------------------------------------------------- */

static void start_tls(void)
{
    dial();
    CHECK(hear(1));
    say("EHLO c.test\r\n");
    for (unsigned lines = 2; !strstr(rig.got, "\r\n250 ") && hear(lines); lines++)
        continue;
    CHECK(strstr(rig.got, "250-STARTTLS\r\n"));
    rig.got_len = 0;
    say("STARTTLS\r\n");
}

static void with_self_signed(void (*run)(void))
{
    struct err_detail why;
    CHECK(tls_context_self_signed("sink.test", &rig.tls, &why) == ERR_OK);
    run();
    tls_context_unref(&rig.tls);
}

static void run_tls(void)
{
    struct smtp_sink_counts counts;
    char name[64] = "";
    start(SMTP_SINK_CONNECT, &(struct smtp_sink_answer){.lines_before = BYTES_EMPTY});
    start_tls();
    CHECK(hear(1));
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    CHECK(SSL_set_fd(ssl, rig.fd) == 1 && SSL_connect(ssl) == 1);
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    CHECK(X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                    sizeof name) > 0);
    CHECK_STR(name, "sink.test");
    CHECK(X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0);
    CHECK(X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0);
    CHECK(SSL_write(ssl, "HELO c.test\r\n", 13) == 13);
    CHECK(SSL_read(ssl, rig.got, 16) > 0 && strncmp(rig.got, "250 ", 4) == 0);
    smtp_sink_read(rig.sink, &counts);
    CHECK_U64(counts.handshakes, 1);
    X509_free(certificate);
    SSL_free(ssl);
    SSL_CTX_free(context);
    stop();
    CHECK_U64(rig.asked[SMTP_SINK_STARTTLS], 1);
}

static void test_tls(void)
{
    with_self_signed(run_tls);
}

static void run_tls_later(void)
{
    start(SMTP_SINK_STARTTLS,
          &(struct smtp_sink_answer){.move = SMTP_SINK_REPLY,
                                     .status = MAIL_STATUS(454, 4, 7, 0, "no TLS now")});
    start_tls();
    CHECK(hear(1));
    CHECK_STR(rig.got, "454 4.7.0 no TLS now\r\n");
    say(MESSAGE); /* and goes on in clear */
    CHECK(hear(4));
    stop();
}

static void run_tls_cut(void)
{
    start(SMTP_SINK_STARTTLS, &(struct smtp_sink_answer){.move = SMTP_SINK_CLOSE});
    start_tls();
    CHECK(!hear(2));
    CHECK(strncmp(rig.got, "220 ", 4) == 0);
    stop();
}

static void test_tls_fails(void)
{
    with_self_signed(run_tls_later);
    with_self_signed(run_tls_cut);
}

UNIT_MAIN("bench/sink/smtp_sink", {"takes everything", test_takes_everything},
          {"answers", test_answers}, {"at connect", test_at_connect},
          {"held ones end with it", test_held_ones_end_with_it},
          {"slow is whole", test_slow_is_whole}, {"TLS", test_tls}, {"TLS fails", test_tls_fails})
