/* Hostile, malformed and endless commands. */
#include "smtp_server_rig.h"

#include <stdio.h>

/* ---- P: commands ------------------------------------------------------------------------ */

/* P-01 */
static void test_long_lines(void)
{
    static const struct {
        size_t octets;
        const char *reply;
        bool closed;
    } rows[] = {
        {1, "250", false},     {200, "250", false},  {2041, "501", false},
        {2042, "500", false},  {4096, "500", false}, {9000, "500", false},
        {60000, "500", false}, {70000, "500", true}, {1 << 20, "500", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (unsigned bytewise = 0; bytewise < 2 && rows[i].octets < 100000; bytewise++) {
            struct rig *r = rig_new();
            struct buf line;
            r->settings.extensions = 0; /* a greeting of one line */
            buf_init(&line, 2 << 20);
            CHECK(buf_append(&line, BYTES("EHLO ")) == ERR_OK);
            char *to = buf_reserve(&line, rows[i].octets);
            for (size_t j = 0; j < rows[i].octets; j++)
                to[j] = j % 50 == 49 ? '.' : 'e';
            buf_added(&line, rows[i].octets - (rows[i].octets % 50 == 0));
            CHECK(buf_append(&line, BYTES("\r\n")) == ERR_OK);
            rig_start(r);
            (bytewise ? rig_send_bytewise : rig_send)(r, buf_bytes(&line));
            rig_expect(r, rows[i].reply);
            CHECK(rows[i].closed == (smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE));
            if (!rows[i].closed)
                rig_say(r, "NOOP\r\n", "250");
            buf_free(&line);
            rig_done(r);
        }
    }
}

/* P-06 */
static void test_hostile_arguments(void)
{
    static const struct {
        const char *line, *reply;
    } rows[] = {
        {"NOOP ((((((((\r\n", "250"}, {"NOOP \"\\\r\n", "250"},   {"VRFY ((((\"\r\n", "252"},
        {"VRFY \r\n", "501"},         {"HELP %s%n%x\r\n", "214"}, {"NOOP ${run{x}}\r\n", "250"},
        {"NOOP \x01\r\n", "500"},
    };
    struct rig *r = rig_new();
    rig_start(r);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].line);
        rig_say(r, rows[i].line, rows[i].reply);
    }
    rig_done(r);
}

/* P-07 */
static void test_too_many_errors(void)
{
    static const char *const lines[] = {"\r\n", "FOO\r\n", "NOOP\n", RIG_RCPT, "QUIT x\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct rig *r = rig_new();
        unit_row(lines[i]);
        rig_start(r);
        for (unsigned n = 0; n < 5; n++)
            rig_say(r, lines[i], "50");
        rig_say(r, lines[i], "421 4.7.0 Too many errors");
        CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
        CHECK_U64(r->refusals, 6);
        rig_done(r);
    }
}

static void test_what_is_no_error(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL, "250");
    r->on_rcpt = rig_status(550, 5, 7, 1, "Unable to relay");
    for (unsigned i = 0; i < 1000; i++)
        rig_say(r, RIG_RCPT, "550 5.7.1");
    rig_done(r);
}

static void test_junk(void)
{
    static const char *const lines[] = {"NOOP\r\n", "RSET\r\n", "VRFY x\r\n", "HELP\r\n", RIG_EHLO};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct rig *r = rig_new();
        unit_row(lines[i]);
        rig_start(r);
        for (unsigned n = 0; n < 105; n++)
            rig_say(r, lines[i], "*");
        CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_INPUT);
        rig_say(r, lines[i], "421 4.7.0 Too many errors");
        rig_done(r);
    }
    unit_row("a message makes up for it");
    struct rig *r = rig_new();
    rig_start(r);
    for (unsigned n = 0; n < 300; n++) {
        rig_say(r, "RSET\r\n", "250");
        if (n % 50 == 0) {
            rig_to_data(r);
            rig_say(r, ".\r\n", "250");
        }
    }
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_INPUT);
    rig_done(r);
}

/* P-13 */
static void test_size_parameter(void)
{
    static const struct {
        const char *value, *reply;
    } rows[] = {
        {"SIZE=", "501"},
        {"SIZE=-1", "501"},
        {"SIZE", "501"},
        {"SIZE=18446744073709551616", "501"},
        {"SIZE=18446744073709551615", "552 5.3.4"},
        {"SIZE=000000000000000000001", "501"},
        {"SIZE=1 SIZE=2", "501"},
        {"SIZE=1000001", "552 5.3.4"},
        {"SIZE=00001", "250"},
    };
    struct rig *r = rig_new();
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char line[100];
        unit_row(rows[i].value);
        snprintf(line, sizeof line, "MAIL FROM:<a@b> %s\r\n", rows[i].value);
        rig_say(r, line, rows[i].reply);
    }
    CHECK_U64(r->mails, 1);
    rig_done(r);
}

static void test_parameters(void)
{
    static const struct {
        const char *line, *reply;
    } rows[] = {
        {"MAIL FROM:<a@b> AUTH=<> RET=FULL ENVID=x+2By\r\nRSET\r\n", "250\n250"},
        {"MAIL FROM:<a@b> AUTH=a+0D+0Ab\r\n", "501"},
        {"MAIL FROM:<a@b> AUTH=\r\n", "501"},
        {"MAIL FROM:<a@b> AUTH=\"\r\nRSET\r\n", "250\n250"},
        {"MAIL FROM:<a@b> ENVID=+00\r\n", "501"},
        {"MAIL FROM:<a@b> SMTPUTF8=x\r\n", "501"},
        {"MAIL FROM:<a@b> BODY=9BIT\r\n", "501"},
        {"MAIL FROM:<a@b> BODY=8bitmime SMTPUTF8\r\nRSET\r\n", "250\n250"},
        {"MAIL FROM:<a@b>SIZE=1\r\n", "501"},
        {"MAIL FROM:<a@b> X=Y\r\n", "555"},
    };
    struct rig *r = rig_new();
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].line);
        rig_say(r, rows[i].line, rows[i].reply);
    }
    rig_done(r);

    unit_row("nothing that is not offered");
    r = rig_new();
    r->settings.extensions = SMTP_EXTENSION_ENHANCEDSTATUSCODES;
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    static const char *const unknown[] = {"SIZE=1", "BODY=7BIT", "RET=FULL", "ENVID=x", "SMTPUTF8"};
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
        char line[100];
        unit_row(unknown[i]);
        snprintf(line, sizeof line, "MAIL FROM:<a@b> %s\r\n", unknown[i]);
        rig_say(r, line, "555 5.5.4");
    }
    rig_say(r, RIG_MAIL, "250");
    rig_say(r, "RCPT TO:<c@d> NOTIFY=NEVER\r\n", "555 5.5.4");
    rig_say(r, "RCPT TO:<c@d> ORCPT=rfc822;x\r\n", "555 5.5.4");
    rig_done(r);
}

/* P-17 */
static void test_recipients_bomb(void)
{
    struct rig *r = rig_new();
    r->settings.rcpts_max = 1000;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL, "250");
    for (unsigned i = 0; i < 50000; i++) {
        rig_send(r, BYTES(RIG_RCPT));
        CHECK(bytes_starts_nocase(rig_output(r), i < 1000 ? BYTES("250 ") : BYTES("452 4.5.3 ")));
        buf_clear(smtp_server_output(r->s));
    }
    rig_say(r, "DATA\r\n", "354");
    rig_say(r, ".\r\n", "250");
    CHECK_U64(r->envelope.rcpt_count, 1000);

    unit_row("refused ones are remembered only so far");
    rig_say(r, RIG_MAIL, "250");
    r->on_rcpt = rig_status(550, 5, 7, 1, "No");
    unsigned asked = r->rcpts;
    for (unsigned i = 0; i < 100000; i++) {
        rig_send(r, BYTES(RIG_RCPT));
        buf_clear(smtp_server_output(r->s));
    }
    CHECK(r->rcpts - asked < 50000);
    rig_done(r);
}

/* Exchange's default of recipients, each with a long address, finds room. */
static void test_many_long_recipients(void)
{
    enum { RCPTS = 5000 };
    struct rig *r = rig_new();
    r->settings.rcpts_max = RCPTS;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL, "250");
    for (unsigned i = 0; i < RCPTS; i++) {
        char line[160];
        snprintf(line, sizeof line, "RCPT TO:<%060u@a-host-with-a-name-of-some-length.example>\r\n",
                 i);
        rig_send(r, bytes_of(line));
        if (!CHECK(bytes_starts_nocase(rig_output(r), BYTES("250 "))))
            break;
        buf_clear(smtp_server_output(r->s));
    }
    rig_say(r, "DATA\r\n", "354");
    rig_say(r, ".\r\n", "250");
    CHECK_U64(r->envelope.rcpt_count, RCPTS);
    rig_done(r);
}

/* P-19 */
static void test_old_verbs(void)
{
    static const char *const verbs[] = {"TURN", "SEND", "SOML", "SAML", "EXPN", "ETRN", "DEBUG",
                                        "WIZ",  "VERB", "ONEX", "XADR", "XUSR", "BURL"};
    struct rig *r = rig_new();
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        char line[64];
        unit_row(verbs[i]);
        snprintf(line, sizeof line, "%s '; x\r\n", verbs[i]);
        rig_say(r, line, "50");
    }
    rig_say(r, "NOOP\r\n", "250");
    rig_done(r);
}

static void test_other_protocols(void)
{
    static const char *const lines[] = {"GET / HTTP/1.1\r\nHost: x\r\n", "POST /x HTTP/1.0\r\n",
                                        "CONNECT a:25 HTTP/1.1\r\n",     "put /\r\n",
                                        "Host: relay.example\r\n",       "BREW /pot HTTP/1.1\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct rig *r = rig_new();
        unit_row(lines[i]);
        rig_start(r);
        rig_say(r, lines[i], "554 5.5.0");
        CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
        rig_done(r);
    }
}

/* Replies that nobody reads do not fill the memory. */
static void test_output_limit(void)
{
    struct rig *r = rig_new();
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start(r);
    for (unsigned i = 0; i < 200000 && smtp_server_want(r->s) == SMTP_SERVER_WANT_INPUT; i++)
        rig_send(r, BYTES("FOO\r\n"));
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    CHECK(rig_output(r).len <= 1024 * 1024);
    rig_done(r);
}

UNIT_MAIN("net/smtp_server_cmd", {"P-01 long lines", test_long_lines},
          {"P-06 hostile arguments", test_hostile_arguments},
          {"P-07 too many errors", test_too_many_errors},
          {"refusals by policy are no errors", test_what_is_no_error}, {"junk commands", test_junk},
          {"P-13 SIZE=", test_size_parameter}, {"MAIL and RCPT parameters", test_parameters},
          {"P-17 recipients without end", test_recipients_bomb},
          {"many long recipients", test_many_long_recipients},
          {"P-19 verbs from the past", test_old_verbs},
          {"T-12 other protocols", test_other_protocols}, {"replies unread", test_output_limit})
