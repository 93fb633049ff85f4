/* Where a message ends: smuggling, BDAT, clients that do not wait. */
#include "smtp_server_rig.h"

#include <stdio.h>

/* ---- S-01 to S-25: smuggling ------------------------------------------------------------ */

#define SMUGGLED                                                                                   \
    "MAIL FROM:<admin@victim.example>\r\nRCPT TO:<t@ours.example>\r\nDATA\r\n"                     \
    "Subject: b\r\n\r\ny\r\n.\r\n"

struct smuggle {
    const char *name;
    struct bytes seq;
    const char *reply; /* to the whole text */
};
#define SEQ(literal)                                                                               \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* 550: stray octets. 250: none, and the end is the last line alone. */
static const struct smuggle smuggles[] = {
    {"S-01 LF.LF", SEQ("\n.\n"), "550 5.5.2"},
    {"S-02 LF.CRLF", SEQ("\n.\r\n"), "550 5.5.2"},
    {"S-03 CRLF.LF", SEQ("\r\n.\n"), "550 5.5.2"},
    {"S-04 CR.CR", SEQ("\r.\r"), "550 5.5.2"},
    {"S-05 CR.LF", SEQ("\r.\n"), "550 5.5.2"},
    {"S-06 LF.CR", SEQ("\n.\r"), "550 5.5.2"},
    {"S-07 CR.CRLF", SEQ("\r.\r\n"), "550 5.5.2"},
    {"S-08 CRLF.CR", SEQ("\r\n.\r"), "550 5.5.2"},
    {"S-09 CRLF NUL.CRLF", SEQ("\r\n\0.\r\n"), "550 5.5.2"},
    {"S-10 CRLF. NUL CRLF", SEQ("\r\n.\0\r\n"), "550 5.5.2"},
    {"S-11 CRLF.CRCRLF", SEQ("\r\n.\r\r\n"), "550 5.5.2"},
    {"S-12 CRCRLF.CRCRLF", SEQ("\r\r\n.\r\r\n"), "550 5.5.2"},
    {"S-13 a blank before the dot", SEQ("\r\n .\r\n"), "250 2.6.0"},
    {"S-14 a blank behind the dot", SEQ("\r\n. \r\n"), "250 2.6.0"},
    {"S-15 a tab behind the dot", SEQ("\r\n.\t\r\n"), "250 2.6.0"},
    {"S-16 VT", SEQ("\r\n\x0b.\r\n"), "250 2.6.0"},
    {"S-16 FF", SEQ("\r\n.\x0c\r\n"), "250 2.6.0"},
    {"S-16 SUB", SEQ("\x1a\r\n\x1a.\r\n"), "250 2.6.0"},
    {"S-16 NEL", SEQ("\x85.\x85"), "250 2.6.0"},
    {"S-16 LS", SEQ("\xe2\x80\xa8.\xe2\x80\xa8"), "250 2.6.0"},
    {"S-17 IAC", SEQ("\r\n\xff.\r\n"), "250 2.6.0"},
    {"S-20 two dots", SEQ("\r\n..\r\n"), "250 2.6.0"},
    {"S-21 a header ended by LFs", SEQ("\n\n"), "550 5.5.2"},
    {"S-22 a CR within a header", SEQ("\r\nReceived: x\ry\r\n"), "550 5.5.2"},
};

/* Whatever stands in SEQ: one message or none, and nothing in it was taken for a command. */
static void smuggle_once(const struct smuggle *row, size_t (*send)(struct rig *, struct bytes))
{
    struct rig *r = rig_new();
    bool refused = row->reply[0] == '5';
    rig_start(r);
    rig_to_data(r);
    send(r, BYTES("Subject: a\r\n\r\nx"));
    send(r, row->seq);
    send(r, BYTES(SMUGGLED));
    rig_expect(r, row->reply);
    CHECK_U64(r->mails, 1);
    CHECK_U64(r->rcpts, 1);
    CHECK_U64(r->commits, !refused);
    CHECK_U64(r->aborts, refused);
    rig_say(r, "NOOP\r\n", "250");
    rig_done(r);
}

static void test_smuggling(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(smuggles); i++) {
        unit_row(smuggles[i].name);
        smuggle_once(&smuggles[i], rig_send);
        smuggle_once(&smuggles[i], rig_send_bytewise);
    }
}

/* S-18: a line end at every border of a buffer that somebody might have. */
static void test_smuggling_borders(void)
{
    static const size_t sizes[] = {1,    511,   512,   1000,  4095,  4096,
                                   4097, 16383, 16384, 16385, 65535, 65537};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct rig *r = rig_new();
        char *text = mem_alloc(sizes[i]);
        memset(text, 'x', sizes[i]);
        rig_start(r);
        rig_to_data(r);
        rig_send(r, bytes_make(text, sizes[i]));
        rig_send(r, BYTES("\r\n"));
        rig_expect(r, "");
        rig_send(r, BYTES(".\r\n" RIG_MAIL));
        rig_expect(r, "250 2.6.0\n250 2.1.0");
        CHECK_U64(r->octets, sizes[i] + 2);
        mem_free(text);
        rig_done(r);
    }
}

/* S-23: a lone dot behind a very long line without an end is no line. */
static void test_smuggling_long_line(void)
{
    static const size_t sizes[] = {998, 1000, 1001, 2048, 65536};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct rig *r = rig_new();
        char *text = mem_alloc(sizes[i]);
        memset(text, 'x', sizes[i]);
        rig_start(r);
        rig_to_data(r);
        rig_send(r, bytes_make(text, sizes[i]));
        rig_send(r, BYTES(".\r\n" SMUGGLED));
        rig_expect(r, "250 2.6.0");
        CHECK_U64(r->mails, 1);
        CHECK_U64(r->commits, 1);
        mem_free(text);
        rig_done(r);
    }
}

static void test_normalize(void)
{
    struct rig *r = rig_new();
    r->settings.normalize_bare_linefeed = true;
    rig_start(r);
    rig_to_data(r);
    rig_say(r, "a\n.\nMAIL FROM:<x@y>\rz\r\n.\r\n", "250 2.6.0");
    CHECK_U64(r->mails, 1);
    CHECK_BYTES(buf_bytes(&r->text), BYTES("a\r\n.\r\nMAIL FROM:<x@y> z\r\n"));
    rig_say(r, RIG_MAIL, "250");
    rig_say(r, RIG_RCPT, "250");
    rig_say(r, "DATA\r\n", "354");
    rig_send(r, BYTES("a\0b\r\n.\r\n"));
    rig_expect(r, "550 5.5.2"); /* a NUL has nothing it could become */
    rig_done(r);
}

static void test_synchronisation(void)
{
    unit_row("S-24 commands behind the end from a client that was offered PIPELINING");
    struct rig *r = rig_new();
    rig_start(r);
    rig_to_data(r);
    rig_say(r, "x\r\n.\r\n" RIG_MAIL, "250 2.6.0\n250 2.1.0");
    rig_done(r);

    static const char *const unasked[] = {"EHLO x\r\n", "HELO x\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(unasked); i++) {
        unit_row("S-24 from one that was not");
        r = rig_new();
        r->settings.extensions &= i ? ~0u : ~(unsigned)SMTP_EXTENSION_PIPELINING;
        rig_start(r);
        rig_say(r, unasked[i], "*");
        rig_say(r, RIG_MAIL, "250");
        rig_say(r, RIG_RCPT, "250");
        rig_say(r, "DATA\r\n", "354");
        rig_say(r, "x\r\n.\r\n" RIG_MAIL, "554 5.5.0");
        CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
        CHECK_U64(r->commits, 0);
        CHECK_U64(r->aborts, 1);
        CHECK_BYTES(buf_bytes(&r->refused), BYTES("DATA 554\n"));
        rig_done(r);
    }
    unit_row("S-24 but a lone QUIT is let through");
    r = rig_new();
    rig_start(r);
    rig_say(r, "HELO x\r\n", "*");
    rig_say(r, RIG_MAIL, "250");
    rig_say(r, RIG_RCPT, "250");
    rig_say(r, "DATA\r\n", "354");
    rig_say(r, "x\r\n.\r\nQUIT\r\n", "250 2.6.0\n221");
    CHECK_U64(r->commits, 1);
    rig_done(r);

    unit_row("S-25 text behind DATA while the owner still thinks");
    r = rig_new();
    rig_start(r);
    rig_to_rcpt(r);
    r->later = r->hold = true;
    rig_say(r, "DATA\r\nFrom: x\r\n", "554 5.5.0");
    CHECK_U64(r->begins, 0);
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    rig_done(r);
}

/* ---- B-01 to B-11: BDAT ----------------------------------------------------------------- */

static void test_bdat_octet_by_octet(void)
{
    static const char text[] = "Subject: x\r\n\ty\r\n\r\n.\r\n..\r\n";
    struct rig *r = rig_new();
    rig_start(r);
    rig_to_rcpt(r);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        char chunk[32];
        snprintf(chunk, sizeof chunk, "BDAT 1\r\n%c", text[i]);
        rig_say(r, chunk, "250 2.6.0 CHUNK received OK, 1 octets");
    }
    rig_say(r, "BDAT 0 LAST\r\n", "250 2.6.0 Queued");
    CHECK_BYTES(buf_bytes(&r->text), BYTES(text));
    rig_done(r);
}

static void test_bdat_dots(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    rig_to_rcpt(r);
    rig_say(r, "BDAT 10\r\n.\r\n.\r\n.\r\n.BDAT 2 LAST\r\n\r\n", "250\n250 2.6.0 Queued");
    CHECK_BYTES(buf_bytes(&r->text), BYTES(".\r\n.\r\n.\r\n.\r\n"));
    CHECK(r->notes & SMTP_DATA_DOT_LINE);
    rig_done(r);
}

/* B-03, B-04, B-05 */
static void test_bdat_failed(void)
{
    struct rig *r = rig_new();
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start(r);
    rig_to_rcpt(r);
    r->on_text = rig_status(452, 4, 3, 1, "Full");
    rig_say(r, "BDAT 10\r\nQUIT\r\nQUITBDAT 4\r\nQUIT", "452 4.3.1 Full\n503 5.5.1");
    CHECK_U64(r->aborts, 1);
    static const char *const refused[] = {RIG_MAIL,     RIG_RCPT,   "DATA\r\n",
                                          "VRFY x\r\n", "HELP\r\n", "STARTTLS\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        unit_row(refused[i]);
        rig_say(r, refused[i], "503 5.5.1");
    }
    rig_say(r, "NOOP\r\n", "250");
    r->on_text = rig_status(0, 0, 0, 0, "");
    rig_say(r, RIG_EHLO, "*");
    unit_row("nothing is left of the failed one");
    rig_say(r, "DATA\r\n", "503 5.5.1");
    rig_say(r, RIG_RCPT, "503 5.5.1");
    rig_say(r, RIG_MAIL, "250");
    rig_say(r, "DATA\r\n", "503 5.5.1");

    unit_row("a failed LAST needs no RSET");
    rig_say(r, RIG_RCPT, "250");
    r->on_end = rig_status(451, 4, 3, 0, "Disk");
    rig_say(r, "BDAT 3 LAST\r\na\r\n", "451 4.3.0 Disk");
    rig_say(r, RIG_MAIL, "250");

    unit_row("without a recipient");
    rig_say(r, "BDAT 6 LAST\r\nRSET\r\n", "503 5.5.1");
    rig_say(r, RIG_MAIL, "250");

    unit_row("the owner refuses at the first chunk");
    r->on_begin = rig_status(452, 4, 3, 1, "Insufficient system resources");
    rig_say(r, RIG_RCPT, "250");
    rig_say(r, "BDAT 6\r\nRSET\r\nNOOP\r\n", "452 4.3.1 Insufficient system resources\n250");
    CHECK_U64(r->commits, 0);
    rig_done(r);
}

static void test_bdat_sizes(void)
{
    static const struct {
        const char *argument, *reply;
        bool closed;
    } rows[] = {
        {"18446744073709551615", "552 5.3.4", true},
        {"18446744073709551616", "501 5.5.4", false},
        {"-1", "501 5.5.4", false},
        {"+5", "501 5.5.4", false},
        {"0x10", "501 5.5.4", false},
        {"1e3", "501 5.5.4", false},
        {"", "501 5.5.4", false},
        {"9999999999999999999999999999999999999999", "501 5.5.4", false},
        {"4294967296", "552 5.3.4", true},
        {"5 FIRST", "501 5.5.4", false},
        {"00000000000000000000 LAST", "250 2.6.0", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rig *r = rig_new();
        char line[100];
        unit_row(rows[i].argument);
        snprintf(line, sizeof line, "BDAT %s\r\n", rows[i].argument);
        rig_start(r);
        rig_to_rcpt(r);
        rig_say(r, line, rows[i].reply);
        CHECK(rows[i].closed == (smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE));
        rig_done(r);
    }
}

static void test_bdat_limits(void)
{
    unit_row("one octet too many, over several chunks");
    struct rig *r = rig_new();
    r->settings.message_size_max = 10;
    rig_start(r);
    rig_to_rcpt(r);
    rig_say(r, "BDAT 6\r\nabcdef", "250");
    rig_say(r, "BDAT 4\r\nghi\r", "250");
    rig_say(r, "BDAT 1 LAST\r\n\n", "552 5.3.4");
    rig_say(r, "NOOP\r\n", "250");
    CHECK_U64(r->commits, 0);
    rig_done(r);

    unit_row("what is dropped between two messages is limited too");
    r = rig_new();
    r->settings.message_size_max = 10;
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    char *megabyte = mem_zalloc(1024 * 1024);
    rig_say(r, "BDAT 1048576\r\n", "");
    rig_send(r, bytes_make(megabyte, 1024 * 1024));
    rig_expect(r, "503 5.5.1");
    rig_say(r, "BDAT 11\r\n", "503 5.5.1");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    mem_free(megabyte);
    rig_done(r);
}

/* B-07: what a session holds does not grow with the number of its chunks. */
static void test_bdat_flood(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    rig_to_rcpt(r);
    for (unsigned i = 0; i < 100000; i++) {
        rig_send(r, BYTES("BDAT 1\r\nx"));
        buf_clear(smtp_server_output(r->s));
    }
    CHECK(smtp_server_output(r->s)->capacity <= 4096);
    rig_say(r, "BDAT 0 LAST\r\n", "250 2.6.0");
    CHECK_U64(r->octets, 100000);
    CHECK(r->notes & SMTP_DATA_NO_FINAL_CRLF);
    CHECK(r->notes & SMTP_DATA_LONG_LINE); /* B-08: and nothing waited for its end */
    rig_done(r);
}

/* B-09, B-11 */
static void test_bdat_ends(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    rig_to_rcpt(r);
    rig_say(r, "BDAT 0\r\n", "250 2.6.0 CHUNK received OK, 0 octets");
    rig_say(r, "BDAT 0\r\n", "250");
    rig_say(r, "BDAT 0 LAST\r\n", "250 2.6.0 Queued");
    CHECK_U64(r->octets, 0);
    rig_say(r, RIG_MAIL, "250");
    rig_say(r, RIG_RCPT, "250");
    rig_say(r, "BDAT 100 LAST\r\ncut", "");
    smtp_server_free(&r->s);
    CHECK_U64(r->commits, 1);
    CHECK_U64(r->aborts, 1);
    rig_done(r);
}

/* S-32: the reader's state goes across chunks. */
static void test_bdat_seams(void)
{
    static const char text[] = "ab\r\n.\r\ncd\r\n\r\n";
    for (size_t a = 0; a < sizeof text; a++) {
        for (size_t b = a; b < sizeof text; b++) {
            struct rig *r = rig_new();
            char all[200];
            size_t len = sizeof text - 1, x = a < len ? a : len, y = b < len ? b : len;
            snprintf(all, sizeof all, "BDAT %zu\r\n%.*sBDAT %zu\r\n%.*sBDAT %zu LAST\r\n%s", x,
                     (int)x, text, y - x, (int)(y - x), text + x, len - y, text + y);
            rig_start(r);
            rig_to_rcpt(r);
            rig_say(r, all, "250\n250\n250 2.6.0 Queued");
            CHECK_BYTES(buf_bytes(&r->text), BYTES(text));
            rig_done(r);
        }
    }
}

static void test_bdat_bare_lf(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    rig_to_rcpt(r);
    rig_say(r, "BDAT 7\r\nab\n.\r\nMNOOP\r\n", "550 5.5.2 Bare CR or LF not allowed\n250");
    rig_say(r, "RSET\r\n", "250");
    rig_say(r, RIG_MAIL, "250");
    rig_say(r, RIG_RCPT, "250");
    unit_row("a CR at the very end");
    rig_say(r, "BDAT 3 LAST\r\nab\r", "550 5.5.2");
    CHECK_U64(r->commits, 0);
    rig_done(r);
}

static void test_bdat_not_offered(void)
{
    struct rig *r = rig_new();
    r->settings.extensions &= ~(unsigned)SMTP_EXTENSION_CHUNKING;
    rig_start(r);
    rig_to_rcpt(r);
    rig_say(r, "BDAT 6\r\nQUIT\r\nNOOP\r\n", "502 5.5.1\n250");
    rig_done(r);
    r = rig_new();
    rig_start(r);
    rig_say(r, "BDAT 6\r\nQUIT\r\nNOOP\r\n", "503 5.5.2 Send hello first\n250");
    rig_done(r);
}

UNIT_MAIN("net/smtp_server_data",
          {"S-01 to S-22 no sequence ends a message but CRLF.CRLF", test_smuggling},
          {"S-18 line ends at buffer borders", test_smuggling_borders},
          {"S-23 a dot behind a long line", test_smuggling_long_line},
          {"S-01 stray octets made harmless where configured", test_normalize},
          {"S-24 S-25 clients that do not wait", test_synchronisation},
          {"B-01 chunks of one octet", test_bdat_octet_by_octet},
          {"B-02 dots in chunks", test_bdat_dots},
          {"B-03 B-04 B-05 failed chunks", test_bdat_failed}, {"B-06 chunk sizes", test_bdat_sizes},
          {"B-06 chunk limits", test_bdat_limits}, {"B-07 B-08 a flood of chunks", test_bdat_flood},
          {"B-09 B-11 empty and broken chunks", test_bdat_ends},
          {"S-32 all seams between chunks", test_bdat_seams},
          {"S-31 stray octets in chunks", test_bdat_bare_lf},
          {"BDAT that was not offered", test_bdat_not_offered})
