/* AUTH in a server session: lengths, orders, TLS, time, and what must never leak. */
#include "net/smtp_auth.h"
#include "smtp_server_auth_rig.h"

static struct rig *start(enum rig_change change)
{
    struct rig *r = rig_new();
    auth_change(r, change);
    r->settings.protocol_errors_max = SIZE_MAX;
    r->settings.logon_failures_max = 0;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    return r;
}

/* "AUTH PLAIN " or nothing, and As up to OCTETS in all. */
static void say_octets(struct rig *r, const char *before, size_t octets, const char *reply,
                       size_t (*send)(struct rig *, struct bytes))
{
    struct buf line;
    buf_init(&line, 1 << 20);
    CHECK(buf_append(&line, bytes_of(before)) == ERR_OK);
    while (buf_len(&line) < octets)
        CHECK(buf_append(&line, BYTES("A")) == ERR_OK);
    CHECK(buf_append(&line, BYTES("\r\n")) == ERR_OK);
    send(r, buf_bytes(&line));
    rig_expect(r, reply);
    buf_free(&line);
}

/* Zeros alone are no PLAIN message: read to its end it is malformed, and not too long. */
static void test_line_length(void)
{
    size_t (*const sends[])(struct rig *, struct bytes) = {rig_send, rig_send_bytewise};
    for (size_t i = 0; i < ARRAY_SIZE(sends); i++) {
        struct rig *r = start(CHANGE_NONE);
        unit_row(i ? "octet by octet" : "in one piece");
        rig_say(r, "AUTH PLAIN\r\n", "334 ");
        say_octets(r, "", SMTP_AUTH_LINE_MAX, "501 5.5.2 Malformed", sends[i]);
        rig_say(r, "AUTH PLAIN\r\n", "334 ");
        say_octets(r, "", SMTP_AUTH_LINE_MAX + 1, "500 5.5.6 Line too long", sends[i]);
        rig_say(r, "NOOP\r\n", "250 "); /* the exchange is over */
        say_octets(r, "AUTH PLAIN ", SMTP_AUTH_LINE_MAX - 1, "501 5.5.2 Malformed", sends[i]);
        say_octets(r, "AUTH PLAIN ", SMTP_AUTH_LINE_MAX + 1, "500 5.5.2 Line too long", sends[i]);
        say_octets(r, "NOOP ", 4000, "500 5.5.2 Line too long", sends[i]);
        rig_done(r);
    }
}

/* A name of the greatest length, then one octet more. */
static void test_longest_name(void)
{
    static const size_t lengths[] = {SMTP_AUTH_USER_MAX, SMTP_AUTH_USER_MAX + 1};
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        char name[SMTP_AUTH_USER_MAX + 1], coded[SMTP_AUTH_USER_MAX * 2];
        struct rig *r = start(CHANGE_FAIL);
        memset(name, 'n', sizeof name);
        size_t len = smtp_auth_encode(bytes_make(name, lengths[i]), coded);
        rig_say(r, "AUTH LOGIN\r\n", USER_PROMPT);
        rig_send(r, bytes_make(coded, len));
        rig_say(r, "\r\n", PASS_PROMPT);
        rig_say(r, SECRET "\r\n", FAILURE);
        CHECK_U64(strlen(r->user), i == 0 ? lengths[i] : 0);
        CHECK_STR(r->password, i == 0 ? "secret" : "");
        rig_done(r);
    }
}

/* CVE-2011-1720: nothing of one attempt may be left for the next, whatever their order. */
static void test_any_order(void)
{
    static const struct {
        const char *send, *reply;
    } attempts[] = {
        {"AUTH PLAIN " ANN_SECRET "\r\n", FAILURE},
        {"AUTH LOGIN\r\n" ANN "\r\n" SECRET "\r\n", USER_PROMPT "\n" PASS_PROMPT "\n" FAILURE},
        {"AUTH LOGIN " ANN "\r\n*\r\n", PASS_PROMPT "\n501 5.7.0"},
        {"AUTH PLAIN\r\n*\r\n", "334 \n501 5.7.0"},
        {"AUTH CRAM-MD5\r\n", UNKNOWN},
        {"AUTH PLAIN QQ=\r\n", "501 5.5.2"},
        {"AUTH LOGIN\r\n" ANN "\r\nx\r\n", USER_PROMPT "\n" PASS_PROMPT "\n501 5.5.2"},
    };
    struct rig *r = start(CHANGE_FAIL);
    for (size_t i = 0; i < 100; i++) {
        size_t which = (i * i + i / 7) % ARRAY_SIZE(attempts);
        unit_row(attempts[which].send);
        if (!rig_say(r, attempts[which].send, attempts[which].reply))
            break;
        CHECK(smtp_server_facts(r->s)->user.len == 0);
    }
    r->on_auth = (struct mail_status){0};
    rig_say(r, "AUTH PLAIN " ANN_SECRET "\r\n", SUCCESS);
    CHECK_BYTES(smtp_server_facts(r->s)->user, BYTES("ann"));
    rig_done(r);
}

static void test_starttls_forgets(void)
{
    static const struct tls_info tls = {.version = "TLSv1.3", .cipher = "X"};
    struct rig *r = start(CHANGE_NONE);
    rig_say(r, "AUTH PLAIN " ANN_SECRET "\r\n", SUCCESS);
    CHECK_BYTES(smtp_server_facts(r->s)->user, BYTES("ann"));
    rig_say(r, "STARTTLS\r\n", "220 ");
    smtp_server_tls_started(r->s, &tls);
    CHECK(smtp_server_facts(r->s)->user.len == 0);
    rig_say(r, RIG_EHLO,
            "250-relay\n250-SIZE\n250-PIPELINING\n250-DSN\n250-ENHANCED\n"
            "250-AUTH LOGIN PLAIN\n250-8BITMIME\n250-CHUNKING\n250 SMTPUTF8");
    rig_say(r, "AUTH PLAIN " ANN_SECRET "\r\n", SUCCESS);
    CHECK_U64(r->auths, 2);
    rig_done(r);
}

static void test_after_tls_only(void)
{
    static const struct tls_info tls = {.version = "TLSv1.3", .cipher = "X"};
    struct rig *r = start(CHANGE_TLS_FIRST);
    rig_say(r, "STARTTLS\r\n", "220 ");
    smtp_server_tls_started(r->s, &tls);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, "AUTH PLAIN " ANN_SECRET "\r\n", SUCCESS);
    rig_done(r);
}

/* A client that does not wait for the reply to AUTH says secrets as if they were commands. */
static void test_nothing_shown(void)
{
    static const char *const lines[] = {"AUTH PLAIN " ANN_SECRET "\n",
                                        "AUTH PLAIN\r " ANN_SECRET "\r\n",
                                        "AUTH\tPLAIN " ANN_SECRET "\r\n",
                                        "AUTHPLAIN " ANN_SECRET "\r\n",
                                        "AUTH " ANN_SECRET "\r\n",
                                        "AUTH NTLM\r\n" ANN_SECRET "\r\n" SECRET "\r\n",
                                        ANN_SECRET "\r\n",
                                        "secret\r\n",
                                        "AUTH PLAIN " ANN_SECRET " x\r\n",
                                        "AUTH PLAIN " ANN_SECRET "\r\n",
                                        "AUTH LOGIN\r\n" ANN "\r\nsecret\r\n"};
    struct rig *r = start(CHANGE_FAIL);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        unit_row(lines[i]);
        rig_send(r, bytes_of(lines[i]));
        CHECK(buf_len(smtp_server_output(r->s)) > 0);
        buf_clear(smtp_server_output(r->s));
    }
    CHECK(r->refusals > 8);
    CHECK(!auth_secret_shown(r));
    rig_done(r);
}

/* Commands that say nothing secret are shown as ever, before an AUTH and after it. */
static void test_ordinary_lines_shown(void)
{
    struct rig *r = start(CHANGE_FAIL);
    rig_say(r, "FOO bar\r\n", "500 ");
    CHECK(strstr(buf_bytes(&r->told).ptr, "FOObar"));
    rig_say(r, "AUTH PLAIN " ANN_SECRET "\r\n", FAILURE);
    rig_say(r, "MAIL FROM:<bad\r\n", "501 ");
    CHECK(buf_append(&r->told, bytes_make("", 1)) == ERR_OK);
    CHECK(strstr(buf_bytes(&r->told).ptr, "MAILFROM:<bad"));
    rig_done(r);
}

static void test_shutdown_and_timeout(void)
{
    struct rig *r = start(CHANGE_NONE);
    r->later = r->hold = true;
    rig_send(r, BYTES("AUTH PLAIN " ANN_SECRET "\r\nNOOP\r\n"));
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_ANSWER);
    CHECK_STR(smtp_server_state_phrase(r->s), "checking a password");
    clock_virtual_advance(3600000);
    smtp_server_timeout(r->s); /* the owner's turn: nothing runs out */
    smtp_server_shutdown(r->s);
    rig_expect(r, "");
    rig_answer(r);
    rig_expect(r, SUCCESS "\n421 4.3.2");
    rig_done(r);
    r = start(CHANGE_NONE);
    rig_say(r, "AUTH LOGIN\r\n", USER_PROMPT);
    clock_virtual_advance(300000);
    smtp_server_timeout(r->s);
    rig_expect(r, "451 4.7.0 Timeout waiting for client input");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    rig_done(r);
}

/* What the owner says instead of yes and no. */
static void test_other_answers(void)
{
    struct rig *r = start(CHANGE_NONE);
    r->on_auth = rig_status(454, 4, 7, 0, "Temporary authentication failure");
    for (unsigned i = 0; i < 5; i++) /* counts for nothing */
        rig_say(r, "AUTH PLAIN " ANN_SECRET "\r\n", "454 4.7.0 Temporary");
    r->on_auth = rig_status(421, 4, 7, 0, "Away");
    rig_say(r, "AUTH PLAIN " ANN_SECRET "\r\n", "421 4.7.0");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    rig_done(r);
}

static void test_message_size_follows_identity(void)
{
    struct rig *r = start(CHANGE_NONE);
    rig_say(r, "MAIL FROM:<a@b.example> SIZE=2000000\r\n", "552 5.3.4");
    rig_say(r, "AUTH PLAIN " ANN_SECRET "\r\n", SUCCESS);
    smtp_server_message_size_set(r->s, UINT64_MAX);
    rig_say(r, "MAIL FROM:<a@b.example> SIZE=2000000\r\n", "250 ");
    rig_done(r);
}

/* All that a protocol log sees of a session with a logon: neither secrets nor text. */
static void test_protocol_lines(void)
{
    static const char said[] = "EHLO c.example\r\nAUTH LOGIN\r\n" ANN "\r\n" SECRET "\r\n" SECRET
                               "\r\nmail FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
                               "DATA\r\n";
    static const char text[] = "not for a log\r\n.\r\n";
    static const char wanted[] = "<AUTH LOGIN\n>" USER_PROMPT "\n<(hidden)\n>" PASS_PROMPT
                                 "\n<(hidden)\n>" SUCCESS "\n<(hidden)\n"
                                 ">500 5.3.3 Unrecognized command\n<mail FROM:<a@b.example>\n";
    struct rig r;
    char expected[sizeof wanted];
    size_t len = 0;
    for (const char *c = wanted; *c; c++)
        if (*c != '\r')
            expected[len++] = *c;
    expected[len] = '\0';
    rig_init(&r);
    r.settings.extensions |= AUTH_BITS;
    rig_start(&r);
    rig_send(&r, BYTES(said));
    rig_send(&r, BYTES(text));
    CHECK(strstr(r.protocol, expected));
    CHECK(strstr(r.protocol, "<DATA\n>354 "));
    CHECK(strstr(r.protocol, "<EHLO c.example\n>250-relay.example Hello "));
    CHECK(strncmp(r.protocol, ">220 relay.example ", 19) == 0);
    CHECK(!strstr(r.protocol, SECRET) && !strstr(r.protocol, "not for"));
    rig_end(&r);
}

/* Exchange: TarpitInterval. What the client says meanwhile waits. */
static void test_unknown_mechanism_waits(void)
{
    struct rig *r = start(CHANGE_NONE);
    r->tarpit = r->hold = true;
    rig_say(r, RIG_EHLO, "*");
    CHECK_U64(rig_send(r, BYTES("AUTH NTLM TlRM\r\nNOOP\r\n")), 6);
    CHECK_U64(smtp_server_want(r->s), SMTP_SERVER_WANT_ANSWER);
    rig_expect(r, "");
    CHECK_U64(r->refusals, 0);
    r->tarpit = false;
    rig_answer(r);
    rig_expect(r, UNKNOWN);
    CHECK_U64(r->refusals, 1);
    CHECK_BYTES(buf_bytes(&r->refused), BYTES("AUTH 504\n"));
    rig_say(r, "AUTH PLAIN " ANN_SECRET "\r\n", SUCCESS);
    rig_done(r);
}

/* Each of them counts as an error. */
static void test_unknown_mechanism_counts(void)
{
    enum { ERRORS_MAX = 3 };
    struct rig *r = rig_new();
    r->settings.protocol_errors_max = ERRORS_MAX;
    r->settings.extensions |= SMTP_EXTENSION_AUTH_PLAIN;
    r->tarpit = true;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    for (size_t i = 0; i < ERRORS_MAX; i++)
        rig_say(r, "AUTH NTLM\r\n", UNKNOWN);
    rig_say(r, "AUTH NTLM\r\n", "421 4.7.0");
    CHECK_U64(smtp_server_want(r->s), SMTP_SERVER_WANT_CLOSE);
    rig_done(r);
}

UNIT_MAIN("net/smtp_server_auth", {"A-08 a protocol log", test_protocol_lines},
          {"A-02 12,288 octets and no more", test_line_length},
          {"A-02 the longest name", test_longest_name},
          {"A-04 any order, 100 times", test_any_order},
          {"A-06 STARTTLS forgets who it was", test_starttls_forgets},
          {"A-07 offered after TLS", test_after_tls_only},
          {"A-08 no secret is ever shown", test_nothing_shown},
          {"A-08 other lines are", test_ordinary_lines_shown},
          {"shutdown and timeout", test_shutdown_and_timeout},
          {"other answers", test_other_answers},
          {"an unknown mechanism waits", test_unknown_mechanism_waits},
          {"an unknown mechanism counts", test_unknown_mechanism_counts},
          {"the identity's message size", test_message_size_follows_identity})
