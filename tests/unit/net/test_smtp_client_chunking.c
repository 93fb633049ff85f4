/* Text by BDAT: the statements of RFC 3030 about a client, one row a dialogue. */
#include "smtp_client_rig.h"

#include <stdio.h>

/* clang-format off */
#define BDAT       .with = {.chunking = true}
#define CHUNKS     "250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250 CHUNKING\r\n"
#define LOCK_STEP  "250-mx\r\n250 CHUNKING\r\n"
#define FIRST      "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 4 LAST\r\nhi\r\n"
#define SECOND     "MAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nBDAT 4 LAST\r\nho\r\n"
#define TAKEN      "250 s\r\n250 r\r\n250 ok\r\n"
#define MAIL3      .msgs = {M("a@x", "b@y", "hi\r\n"), M("a@x", "c@y", "ho\r\n"), M("", "e@y", "hu\r\n")}
#define THIRD      "MAIL FROM:<>\r\nRCPT TO:<e@y>\r\nBDAT 4 LAST\r\nhu\r\n"
#define BINARY(t)       M("a@x", "b@y", t, .body = MAIL_BODY_BINARYMIME, \
                         .notes = SMTP_DATA_BARE_LF | SMTP_DATA_BARE_CR | SMTP_DATA_8BIT)
/* clang-format on */

static const struct row ROWS[] = {
    {"one message, one write", BDAT, MAIL1,
     .steps = {HELLO, S(CHUNKS, FIRST), S(TAKEN, ""), DO(QUIT, "QUIT\r\n"), S("221 bye\r\n", "")},
     .log = "open r0.0=250 d0=250 end=221/0.0.0"},
    {"one message, one write", BDAT,
     .msgs = {M("a@x", "b@y", ""), M("a@x", "b@y", ".\r\n..", .notes = SMTP_DATA_DOT_LINE)},
     .steps = {HELLO,
               S(CHUNKS, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 0 LAST\r\n"
                         "RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 5 LAST\r\n.\r\n.."),
               S(TAKEN, ""), S("250 reset\r\n" TAKEN, "")},
     .log = "open r0.0=250 d0=250 r1.0=250 d1=250"},
    {"one message, one write", BDAT, .msgs = {M("a@x", "b@y", "\xe9\r\n", .notes = SMTP_DATA_8BIT)},
     .steps = {HELLO,
               S(CHUNKS,
                 "MAIL FROM:<a@x> BODY=8BITMIME\r\nRCPT TO:<b@y>\r\nBDAT 3 LAST\r\n\xe9\r\n")},
     .log = "open"},

    /* At most two messages are out; each step is one read and one write. */
    {"steady state", BDAT, MAIL3,
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND), S(TAKEN, "RSET\r\n" THIRD),
               S("250 reset\r\n" TAKEN, ""), S("250 reset\r\n" TAKEN, "")},
     .log = "open r0.0=250 d0=250 r1.0=250 d1=250 r2.0=250 d2=250"},
    {"steady state", BDAT, MAIL3,
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND), S("250 s\r\n250 r\r\n", ""),
               S("250 ok\r\n250 reset\r\n250 s\r\n250 r\r\n", "RSET\r\n" THIRD),
               S("250 ok\r\n250 reset\r\n" TAKEN, "")},
     .log = "open r0.0=250 d0=250 r1.0=250 d1=250 r2.0=250 d2=250"},
    {"messages_max", .with = {.chunking = true, .messages_max = 1}, MAIL2,
     .steps = {HELLO, S(CHUNKS, FIRST "QUIT\r\n"), S(TAKEN "221 bye\r\n", "")},
     .log = "open r0.0=250 d0=250 end=221/0.0.0"},
    {"lock-step", BDAT, MAIL2,
     .steps = {HELLO, S(LOCK_STEP, "MAIL FROM:<a@x>\r\n"), S("250 s\r\n", "RCPT TO:<b@y>\r\n"),
               S("250 r\r\n", "BDAT 4 LAST\r\nhi\r\n"), S("250 ok\r\n", "MAIL FROM:<a@x>\r\n")},
     .log = "open r0.0=250 d0=250"},
    {"by DATA", BDAT, MAIL1, .steps = {HELLO, S(PIPE, ENVELOPE), S(ACCEPTED, "hi\r\n.\r\n")},
     .log = "open r0.0=250"},
    {"by DATA", MAIL1, .steps = {HELLO, S(CHUNKS, ENVELOPE), S(ACCEPTED, "hi\r\n.\r\n")},
     .log = "open r0.0=250"},
    {"by DATA", BDAT, /* S-31: what would have to be changed on its way has no known size */
     .msgs = {M("a@x", "b@y", "hi\r\n"), M("a@x", "b@y", "a\n.\rb", .notes = SMTP_DATA_BARE_LF),
              M("a@x", "c@y", "ho\r\n")},
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" ENVELOPE), S(TAKEN, ""),
               S("250 reset\r\n" ACCEPTED, "a\r\n.. b\r\n.\r\n" SECOND), S("250 ok\r\n" TAKEN, "")},
     .log = "open r0.0=250 d0=250 r1.0=250 d1=250 r2.0=250 d2=250"},

    {"MAIL refused", BDAT, MAIL2,
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND),
               S("550 s\r\n503 r\r\n503 b\r\n250 reset\r\n" TAKEN, "")},
     .log = "open r0.0=550 d0=550 r1.0=250 d1=250"},
    {"MAIL refused", BDAT, MAIL2, /* in time, so that nothing else is sent */
     .steps = {HELLO, S(LOCK_STEP, "MAIL FROM:<a@x>\r\n"), S("450 s\r\n", "MAIL FROM:<a@x>\r\n")},
     .log = "open r0.0=450 d0=450"},
    {"MAIL refused", BDAT, MAIL1, /* and all the rest taken: nobody gets anything */
     .steps = {HELLO, S(CHUNKS, FIRST), S("550 s\r\n250 r\r\n250 ok\r\n", "")},
     .log = "open r0.0=550 d0=550"},
    {"RCPT refused", BDAT, MAIL2,
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND),
               S("250 s\r\n550 r\r\n554 none\r\n250 reset\r\n" TAKEN, "")},
     .log = "open r0.0=550 d0=554 r1.0=250 d1=250"},
    {"RCPT refused", BDAT, MAIL1,
     .steps = {HELLO, S(CHUNKS, FIRST), S("250 s\r\n550 r\r\n250 delivered to nobody\r\n", "")},
     .log = "open r0.0=550 d0=554"},
    {"RCPT refused", BDAT, MAIL2,
     .steps = {HELLO, S(LOCK_STEP, "MAIL FROM:<a@x>\r\n"), S("250 s\r\n", "RCPT TO:<b@y>\r\n"),
               S("550 r\r\n", "RSET\r\n"), S("250 reset\r\n", "MAIL FROM:<a@x>\r\n")},
     .log = "open r0.0=550 d0=554"},
    {"some recipients refused", BDAT, .msgs = {M("a@x", "b@y c@y d@y", "hi\r\n")},
     .steps = {HELLO,
               S(CHUNKS, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nRCPT TO:<d@y>\r\n"
                         "BDAT 4 LAST\r\nhi\r\n"),
               S("250 s\r\n250 r\r\n450 r\r\n552 many\r\n250 ok\r\n", "")},
     .log = "open r0.0=250 r0.1=450 r0.2=452 d0=250"},
    {"some recipients refused", BDAT, .msgs = {M("a@x", "b\r@y c@y d\n@y", "hi\r\n")},
     .steps = {HELLO, S(CHUNKS, "MAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nBDAT 4 LAST\r\nhi\r\n"),
               S(TAKEN, "")},
     .log = "open r0.0=553 r0.1=250 r0.2=553 d0=250"},
    {"BDAT refused", BDAT, MAIL2,
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND),
               S("250 s\r\n250 r\r\n452 full\r\n250 reset\r\n250 s\r\n250 r\r\n552 big\r\n", "")},
     .log = "open r0.0=250 d0=452 r1.0=250 d1=552"},
    {"BDAT refused", BDAT, MAIL2, /* what a failed chunk left at the peer is taken back */
     .steps = {HELLO, S(LOCK_STEP, "MAIL FROM:<a@x>\r\n"), S("250 s\r\n", "RCPT TO:<b@y>\r\n"),
               S("250 r\r\n", "BDAT 4 LAST\r\nhi\r\n"), S("500 what\r\n", "RSET\r\n"),
               S("250 reset\r\n", "MAIL FROM:<a@x>\r\n")},
     .log = "open r0.0=250 d0=500"},
    {"RSET refused", BDAT, MAIL2,
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND), S(TAKEN "500 what\r\n", "")},
     .log = "open r0.0=250 d0=250 r1.0=451 d1=451? end=451/4.5.0"},
    {"senseless replies", BDAT, MAIL1,
     .steps = {HELLO, S(CHUNKS, FIRST), S("250 s\r\n250 r\r\n354 go\r\n", "")},
     .log = "open r0.0=250 d0=451? end=451/4.5.0"},
    {"senseless replies", BDAT, MAIL1, .steps = {HELLO, S(CHUNKS, FIRST), S("354 s\r\n", "")},
     .log = "open r0.0=451 d0=451? end=451/4.5.0"},
    {"senseless replies", BDAT, MAIL1,
     .steps = {HELLO, S(CHUNKS, FIRST), S(TAKEN "250 ok\r\n", "")},
     .log = "open r0.0=250 d0=250 end=451/4.5.0"},

    /* From the last octet on only a reply makes certain, for both messages. */
    {"lost", BDAT, MAIL2, .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND), DO(LOST, "")},
     .log = "open r0.0=451 d0=451? r1.0=451 d1=451? end=451/4.4.2"},
    {"lost", BDAT, MAIL2,
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND), S(TAKEN "250 reset\r\n250 s\r\n", ""),
               DO(LOST, "")},
     .log = "open r0.0=250 d0=250 r1.0=451 d1=451? end=451/4.4.2"},
    {"lost", BDAT, MAIL1,
     .steps = {HELLO, S(CHUNKS, FIRST), S("250 s\r\n550 r\r\n", ""), DO(LOST, "")},
     .log = "open r0.0=550 d0=451 end=451/4.4.2"},
    {"lost", BDAT, .msgs = {M("a@x", "b@y c\r@y", "hi\r\n")},
     .steps = {HELLO, S(CHUNKS, FIRST), S("250 s\r\n550 r\r\n", ""), DO(LOST, "")},
     .log = "open r0.0=550 r0.1=553 d0=451 end=451/4.4.2"},
    {"lost", BDAT, MAIL1, .steps = {HELLO, S(CHUNKS, FIRST), S("550 s\r\n", ""), DO(LOST, "")},
     .log = "open r0.0=550 d0=550 end=451/4.4.2"},
    {"lost", BDAT, MAIL1,
     .steps = {HELLO, S(LOCK_STEP, "MAIL FROM:<a@x>\r\n"), S("250 s\r\n", "RCPT TO:<b@y>\r\n"),
               DO(LOST, "")},
     .log = "open r0.0=451 d0=451 end=451/4.4.2"},
    {"timeout", BDAT, MAIL1,
     .steps = {HELLO, S(CHUNKS, FIRST), AFTER(299999, ""), S("250 s\r\n250 r\r\n", ""),
               AFTER(599999, ""), AFTER(1, "")},
     .log = "open r0.0=250 d0=451? end=451/4.4.2"},
    {"421", BDAT, MAIL2,
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND), S("421 4.3.2 down\r\n", "")},
     .log = "open r0.0=421 d0=421 r1.0=421 d1=421 end=421/4.3.2"},
    {"421", BDAT, MAIL2,
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND), S("250 s\r\n250 r\r\n421 down\r\n", "")},
     .log = "open r0.0=250 d0=421 r1.0=421 d1=421 end=421/0.0.0"},
    {"421", BDAT, MAIL2,
     .steps = {HELLO, S(CHUNKS, FIRST "RSET\r\n" SECOND), S(TAKEN "421 down\r\n", "")},
     .log = "open r0.0=250 d0=250 r1.0=421 d1=421 end=421/0.0.0"},
    {"unreadable text", BDAT, /* the chunk stays open until the message ahead has its answer */
     .msgs = {M("a@x", "b@y", "hi\r\n"), M("a@x", "c@y", "ho\r\n", .unreadable = true)},
     .steps = {HELLO,
               S(CHUNKS, FIRST "RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nBDAT 4 LAST\r\n"),
               S("250 s\r\n250 r\r\n", ""), S("250 ok\r\n", "")},
     .log = "open r0.0=250 d0=250 r1.0=451 d1=451 end=451/4.3.0"},

    {"C-124", BDAT, .msgs = {BINARY("a\nb\r.c\n.\r\r\n.\r\n\xe9\r")},
     .steps = {HELLO,
               S(CHUNKS, "MAIL FROM:<a@x> BODY=BINARYMIME\r\nRCPT TO:<b@y>\r\nBDAT 16 LAST\r\n"
                         "a\nb\r.c\n.\r\r\n.\r\n\xe9\r"),
               S(TAKEN, "")},
     .log = "open r0.0=250 d0=250"},
    {"C-124", BDAT, .msgs = {BINARY("a\n"), M("a@x", "c@y", "ho\r\n")},
     .steps = {HELLO, S("250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n", SECOND)},
     .log = "open r0.0=554 d0=554"},
    {"C-124", BDAT, .msgs = {BINARY("a\n")},
     .steps = {HELLO, S("250-mx\r\n250-8BITMIME\r\n250 BINARYMIME\r\n", "")},
     .log = "open r0.0=554 d0=554"},
    {"C-124", BDAT, .msgs = {BINARY("a\n")}, .steps = {HELLO, S(PLAIN, "")},
     .log = "open r0.0=554 d0=554"},
    {"C-124", .msgs = {BINARY("a\n")}, .steps = {HELLO, S(CHUNKS, "")},
     .log = "open r0.0=554 d0=554"},
};

static void test_rows(void)
{
    size_t found = 0;
    clock_virtual_start(1000000, 0);
    for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++) {
        if (strcmp(ROWS[i].id, unit_test_name()) == 0) {
            char name[64];
            snprintf(name, sizeof name, "%s, row %zu", ROWS[i].id, found++);
            unit_row(name);
            client_row_run(&ROWS[i], false);
            client_row_run(&ROWS[i], true);
        }
    }
    CHECK(found > 0);
    clock_virtual_end();
}

/* ---- what a row cannot say -------------------------------------------------------------- */

static const struct row ONE = {.id = "", BDAT, MAIL1}, TWO = {.id = "", BDAT, MAIL2};

static void say_to(struct world *w, struct buf *out, const char *in)
{
    smtp_client_input(w->client, bytes_of(in));
    smtp_client_fill(w->client, out);
}

static void open_session(struct world *w, const struct row *row, struct buf *out)
{
    world_start(w, row);
    say_to(w, out, "220 mx\r\n");
    buf_clear(out);
    say_to(w, out, CHUNKS);
}

static uint64_t text_read_at;

static bool text_read(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    CHECK_U64(at, text_read_at);
    CHECK(at + len <= m->octets);
    memset(to, 'x', len);
    text_read_at = at + len;
    return true;
}

/* In the middle of a chunk of 1,000,000 octets, whose BDAT waited for the replies. */
static void open_within_chunk(struct world *w, struct buf *out)
{
    world_start(w, &TWO);
    w->mails[0].message.octets = 1000000;
    w->mails[0].message.read = text_read;
    text_read_at = 0;
    buf_clear(out);
    say_to(w, out, "220 mx\r\n");
    buf_clear(out);
    say_to(w, out, CHUNKS);
    CHECK_BYTES(buf_bytes(out), BYTES("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n"));
    buf_clear(out);
    say_to(w, out, "250 s\r\n250 r\r\n");
    CHECK(bytes_starts_nocase(buf_bytes(out), BYTES("BDAT 1000000 LAST\r\nxxx")));
    CHECK(text_read_at > 0 && text_read_at < 1000000);
}

/* Nobody can have taken a chunk that did not arrive whole. */
static void test_within_chunk(void)
{
    static const struct {
        const char *name, *in, *log;
    } rows[] = {
        {"lost", NULL, "open r0.0=250 d0=451 end=451/4.4.2"},
        {"refused", "552 5.3.4 big\r\n", "open r0.0=250 d0=552 end=552/5.3.4"},
        {"421", "421 4.3.2 down\r\n", "open r0.0=250 d0=421 end=421/4.3.2"},
        {"taken before it was sent", "250 ok\r\n", "open r0.0=250 d0=451 end=451/4.5.0"},
    };
    struct buf out;
    buf_init(&out, 128 * 1024);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct world w;
        unit_row(rows[i].name);
        open_within_chunk(&w, &out);
        if (rows[i].in)
            smtp_client_input(w.client, bytes_of(rows[i].in));
        else
            smtp_client_lost(w.client, "connection reset");
        CHECK_STR(w.log, rows[i].log);
        smtp_client_free(&w.client);
    }
    buf_free(&out);
}

/* Each octet once, none behind it, and the next message right there. */
static void test_large_text(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 128 * 1024);
    open_within_chunk(&w, &out);
    uint64_t total = buf_len(&out) - strlen("BDAT 1000000 LAST\r\n");
    unsigned fills = 1;
    while (total < 1000000 && fills < 100) {
        buf_clear(&out);
        smtp_client_fill(w.client, &out);
        total += buf_len(&out);
        fills++;
    }
    CHECK_U64(text_read_at, 1000000);
    CHECK(fills < 12);
    CHECK_U64(total, 1000000 + strlen("RSET\r\n" SECOND));
    struct bytes behind = BYTES("RSET\r\n" SECOND);
    CHECK_BYTES(bytes_from(buf_bytes(&out), buf_len(&out) - behind.len), behind);
    smtp_client_lost(w.client, "connection reset");
    CHECK_STR(w.log, "open r0.0=250 d0=451? r1.0=451 d1=451? end=451/4.4.2");
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* The last octet counts from when it is in the output, though that is full with it. */
static void test_full_output(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 8192);
    for (uint64_t octets = 3500; octets < 8400; octets += 7) {
        world_start(&w, &ONE);
        w.mails[0].message.octets = octets;
        w.mails[0].message.read = text_read;
        text_read_at = 0;
        buf_clear(&out);
        say_to(&w, &out, "220 mx\r\n");
        buf_clear(&out);
        say_to(&w, &out, CHUNKS);
        CHECK(buf_len(&out) <= 8192);
        bool whole = text_read_at == octets;
        smtp_client_lost(w.client, "connection reset");
        CHECK_STR(w.log, whole ? "open r0.0=451 d0=451? end=451/4.4.2"
                               : "open r0.0=451 d0=451 end=451/4.4.2");
        smtp_client_free(&w.client);
    }
    buf_free(&out);
}

static void test_binary_octets(void)
{
    static const char text[] = "\0\n\0\r\0.\n\r\n.\n\xff";
    struct row row = {.id = "", BDAT, .msgs = {BINARY(text)}};
    struct world w;
    struct buf out;
    row.msgs[0].octets = sizeof text - 1;
    row.msgs[0].notes |= SMTP_DATA_NUL;
    buf_init(&out, 65536);
    open_session(&w, &row, &out);
    struct bytes sent = buf_bytes(&out);
    CHECK(sent.len > sizeof text);
    CHECK_BYTES(bytes_from(sent, sent.len - (sizeof text - 1)), bytes_make(text, sizeof text - 1));
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* After a rest the peer may be gone: whether it is there shows before a text is in doubt. */
static void test_after_rest(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 65536);
    world_start(&w, &(const struct row){.id = "", BDAT, MAIL3});
    w.count = 1;
    say_to(&w, &out, "220 mx\r\n");
    say_to(&w, &out, CHUNKS);
    say_to(&w, &out, TAKEN);
    CHECK(smtp_client_idle(w.client));
    w.count = 3;
    buf_clear(&out);
    smtp_client_kick(w.client);
    smtp_client_fill(w.client, &out);
    CHECK_BYTES(buf_bytes(&out), BYTES("MAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\n"));
    buf_clear(&out);
    say_to(&w, &out, "250 s\r\n250 r\r\n");
    CHECK_BYTES(buf_bytes(&out), BYTES("BDAT 4 LAST\r\nho\r\nRSET\r\n" THIRD));
    smtp_client_free(&w.client);

    world_start(&w, &TWO);
    w.count = 1;
    say_to(&w, &out, "220 mx\r\n");
    say_to(&w, &out, CHUNKS);
    say_to(&w, &out, TAKEN);
    w.count = 2;
    smtp_client_kick(w.client);
    smtp_client_fill(w.client, &out);
    smtp_client_lost(w.client, "closed");
    CHECK_STR(w.log, "open r0.0=250 d0=250 r1.0=451 d1=451 end=451/4.4.2");
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* C-115: with a chunk behind them too. */
static void test_window(void)
{
    enum { RCPTS = 300 };
    static struct mail_rcpt rcpts[RCPTS];
    struct mail_envelope envelope = {.sender = BYTES("a@x"), .rcpts = rcpts, .rcpt_count = RCPTS};
    struct world w;
    struct buf out;
    size_t written = 0, answered = 0, most = 0;
    buf_init(&out, 128 * 1024);
    for (size_t i = 0; i < RCPTS; i++)
        rcpts[i].address = BYTES("somebody@example.com");
    world_start(&w, &ONE);
    w.mails[0].message.envelope = &envelope;
    say_to(&w, &out, "220 mx\r\n");
    buf_clear(&out);
    say_to(&w, &out, CHUNKS);
    for (; answered < RCPTS + 2; answered++) {
        struct bytes sent = buf_bytes(&out);
        for (size_t at = 0; (at = bytes_find(sent, '\n', at)) != BYTES_NOT_FOUND; at++)
            written++;
        most = written - answered > most ? written - answered : most;
        if (!CHECK(written > answered))
            break;
        buf_clear(&out);
        w.len = 0;
        say_to(&w, &out, "250 ok\r\n");
    }
    CHECK_U64(written, RCPTS + 2 + 1); /* MAIL, BDAT and the text's only line */
    CHECK(most > 100 && most * 512 <= 64 * 1024);
    CHECK_U64(w.mails[0].done, 1);
    smtp_client_free(&w.client);
    buf_free(&out);
}

static void test_last_octet_time(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 65536);
    clock_virtual_start(1000000, 0);
    world_start(&w, &ONE);
    w.mails[0].message.timed = true;
    say_to(&w, &out, "220 mx\r\n");
    clock_virtual_advance(7);
    uint64_t sent_at_ns = clock_mono_ns();
    say_to(&w, &out, CHUNKS);
    clock_virtual_advance(5);
    say_to(&w, &out, TAKEN);
    CHECK_U64(w.mails[0].done, 1);
    CHECK_U64(w.mails[0].message.dot_at_ns, sent_at_ns);
    smtp_client_free(&w.client);
    clock_virtual_end();
    buf_free(&out);
}

UNIT_MAIN("net/smtp_client chunking", {"one message, one write", test_rows},
          {"steady state", test_rows}, {"messages_max", test_rows}, {"lock-step", test_rows},
          {"by DATA", test_rows}, {"MAIL refused", test_rows}, {"RCPT refused", test_rows},
          {"some recipients refused", test_rows}, {"BDAT refused", test_rows},
          {"RSET refused", test_rows}, {"senseless replies", test_rows}, {"lost", test_rows},
          {"timeout", test_rows}, {"421", test_rows}, {"unreadable text", test_rows},
          {"C-124", test_rows}, {"within a chunk", test_within_chunk},
          {"large text", test_large_text}, {"full output", test_full_output},
          {"C-124 octets", test_binary_octets}, {"after a rest", test_after_rest},
          {"C-115", test_window}, {"time of the last octet", test_last_octet_time})
