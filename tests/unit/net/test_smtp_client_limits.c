/* Timeouts, windows, floods and what a session is known by. */
#include "core/timer.h"

#include <stdio.h>
#include "smtp_client_rig.h"

/* A session with one message list of ROW, in the state that INPUT leaves it in. */
static void start_at(struct world *w, const struct row *row, struct buf *out, const char *const *in)
{
    world_start(w, row);
    for (; *in; in++) {
        smtp_client_input(w->client, bytes_of(*in));
        smtp_client_fill(w->client, out);
    }
}

static const struct row ONE = {.id = "", MAIL1};
static const char *const TO_ENVELOPE[] = {"220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n", NULL};

/* C-072: no timeout is shorter than RFC 5321 4.5.3.2 says; C-073: each can be set. */
static void test_timeouts(void)
{
    static const struct {
        const char *name, *in;
        struct smtp_client_timeouts set;
        uint64_t standard_ms;
    } rows[] = {
        {"banner", NULL, {.banner = 7}, 300000},     {"hello", "220 mx\r\n", {.hello = 7}, 300000},
        {"mail", "250 mx\r\n", {.mail = 7}, 300000}, {"rcpt", "250 s\r\n", {.rcpt = 7}, 300000},
        {"data", "250 r\r\n", {.data = 7}, 120000},  {"end", "354 go\r\n", {.end = 7}, 600000},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (int set = 0; set < 2; set++) {
            struct row row = ONE;
            struct world w;
            struct buf out;
            unit_row(rows[i].name);
            buf_init(&out, 65536);
            row.with.timeouts = set ? rows[i].set : (struct smtp_client_timeouts){0};
            world_start(&w, &row);
            for (size_t k = 1; k <= i; k++) {
                smtp_client_input(w.client, bytes_of(rows[k].in));
                smtp_client_fill(w.client, &out);
            }
            CHECK_U64(smtp_client_deadline_ms(w.client),
                      clock_mono_ms() + (set ? 7 : rows[i].standard_ms));
            smtp_client_free(&w.client);
            buf_free(&out);
        }
    }
    CHECK_U64(SMTP_CLIENT_TIMEOUTS_DEFAULT.text, 180000);
}

/* C-115: 1,000 recipients never have more replies under way than 64 KiB can hold. */
static void test_window(void)
{
    enum { RCPTS = 1000 };
    static struct mail_rcpt rcpts[RCPTS];
    struct mail_envelope envelope = {.sender = BYTES("a@x"), .rcpts = rcpts, .rcpt_count = RCPTS};
    struct world w;
    struct buf out;
    buf_init(&out, 128 * 1024);
    for (size_t i = 0; i < RCPTS; i++)
        rcpts[i].address = BYTES("somebody@example.com");
    start_at(&w, &(struct row){.id = ""}, &out, TO_ENVELOPE);
    mail_make(&w.mails[0], &ONE.msgs[0], 0);
    w.mails[0].message.envelope = &envelope;
    w.count = 1;
    w.next = 0;
    smtp_client_kick(w.client);
    size_t answered = 0, most = 0, written = 0;
    while (answered < RCPTS + 1) {
        buf_clear(&out);
        smtp_client_fill(w.client, &out);
        struct bytes sent = buf_bytes(&out);
        for (size_t at = 0; (at = bytes_find(sent, '\n', at)) != BYTES_NOT_FOUND; at++)
            written++;
        most = written - answered > most ? written - answered : most;
        if (!CHECK(written > answered))
            break;
        smtp_client_input(w.client, BYTES("250 2.1.5 fine\r\n"));
        answered++;
        w.len = 0;
    }
    CHECK(most > 1 && most * 512 <= 64 * 1024);
    CHECK_U64(w.mails[0].message.rcpts_accepted, RCPTS);
    smtp_client_free(&w.client);
    buf_free(&out);
}

static uint64_t text_read_at;

static bool text_read(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    CHECK_U64(at, text_read_at);
    CHECK(at + len <= m->octets);
    for (size_t i = 0; i < len; i++)
        to[i] = "0123456789abcd\r\n"[(at + i) % 16];
    text_read_at = at + len;
    return true;
}

/* A text larger than the output goes out in pieces, each piece once. */
static void test_large_text(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 128 * 1024);
    world_start(&w, &ONE);
    w.mails[0].message.octets = 16 * 100000;
    w.mails[0].message.read = text_read;
    text_read_at = 0;
    for (size_t i = 0; TO_ENVELOPE[i]; i++) {
        smtp_client_input(w.client, bytes_of(TO_ENVELOPE[i]));
        smtp_client_fill(w.client, &out);
    }
    smtp_client_input(w.client, bytes_of(ACCEPTED));
    uint64_t total = 0;
    char last[5] = "";
    unsigned fills = 0;
    do {
        buf_clear(&out);
        smtp_client_fill(w.client, &out);
        total += buf_len(&out);
        fills++;
        if (buf_len(&out) >= 5)
            memcpy(last, buf_bytes(&out).ptr + buf_len(&out) - 5, 5);
    } while (buf_len(&out) > 0);
    CHECK_U64(total, 16 * 100000 + 3);
    CHECK(fills < 20);
    CHECK(memcmp(last, "\r\n.\r\n", 5) == 0);
    smtp_client_input(w.client, BYTES("250 ok\r\n"));
    CHECK_STR(w.log, "open r0.0=250 d0=250");
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* H-01: replies without end, and bytes that trickle in inside each timeout. */
static void test_flood(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 65536);
    start_at(&w, &ONE, &out, (const char *const[]){"220 mx\r\n", NULL});
    for (size_t i = 0; i < 1000 && !w.dead; i++)
        smtp_client_input(w.client, BYTES("250-KEYWORD\r\n"));
    CHECK_STR(w.log, "end=451/4.5.0");
    smtp_client_free(&w.client);

    start_at(&w, &ONE, &out, TO_ENVELOPE);
    for (size_t i = 0; i < 100 && !w.dead; i++) {
        smtp_client_input(w.client, BYTES("250 "
                                          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    }
    CHECK_STR(w.log, "open r0.0=451 d0=451 end=451/4.5.0");
    smtp_client_free(&w.client);

    start_at(&w, &ONE, &out, TO_ENVELOPE);
    for (unsigned i = 0; i < 3 && !w.dead; i++) {
        smtp_client_input(w.client, BYTES("2"));
        clock_virtual_advance(240000);
        smtp_client_timeout(w.client);
    }
    CHECK(w.dead);
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* H-01: a peer may not hold a message for ever by answering each command just in time. */
static void test_total_deadline(void)
{
    struct world w;
    struct buf out;
    struct row row = {.id = "", .msgs = {M("a@x", "b@y c@y d@y e@y f@y g@y h@y i@y", "hi\r\n")}};
    buf_init(&out, 65536);
    row.with.timeouts.rcpt = 20 * 60 * 1000;
    start_at(&w, &row, &out, TO_ENVELOPE);
    smtp_client_input(w.client, BYTES("250 s\r\n"));
    unsigned replies = 0;
    for (; replies < 8 && !w.dead; replies++) {
        clock_virtual_advance(19 * 60 * 1000);
        smtp_client_timeout(w.client);
        smtp_client_input(w.client, BYTES("250 r\r\n"));
    }
    CHECK(w.dead);
    CHECK_U64(replies, 4);
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* H-02: bytes that are no text never come out of a reply. */
static void test_reply_text(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 65536);
    start_at(&w, &ONE, &out, TO_ENVELOPE);
    smtp_client_input(w.client, bytes_make("25\0 x\r\n", 7));
    CHECK_STR(w.log, "open r0.0=451 d0=451 end=451/4.5.0");
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* T-07: whatever a peer says instead of 220, mail that needs TLS never goes in clear. */
static void test_stripping(void)
{
    static const unsigned codes[] = {221, 250, 334, 354, 454, 451, 500, 501, 502, 503, 530, 554};
    static const char *const to_starttls[] = {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", NULL};
    struct buf out;
    buf_init(&out, 65536);
    for (size_t i = 0; i < 2 * ARRAY_SIZE(codes); i++) {
        struct world w;
        struct row row = ONE;
        char reply[32];
        snprintf(reply, sizeof reply, "%u x\r\n", codes[i / 2]);
        unit_row(reply);
        bool may = i % 2 == 0;
        row.with.tls = may ? ROUTE_TLS_MAY : ROUTE_TLS_ENCRYPT;
        start_at(&w, &row, &out, to_starttls);
        buf_clear(&out);
        smtp_client_input(w.client, bytes_of(reply));
        smtp_client_fill(w.client, &out);
        CHECK_BYTES(buf_bytes(&out), may ? BYTES("MAIL FROM:<a@x>\r\n") : BYTES_EMPTY);
        CHECK_STR(w.log, may ? "open" : "end=451/4.7.4");
        smtp_client_free(&w.client);

        world_start(&w, &row);
        buf_clear(&out);
        smtp_client_input(w.client, bytes_of(reply));
        smtp_client_fill(w.client, &out);
        CHECK_U64(buf_len(&out), 0);
        CHECK(w.dead);
        smtp_client_free(&w.client);
    }
    buf_free(&out);
}

/* Freed in the middle of two messages: each gets its verdict, the one with its dot out in doubt. */
static void test_free(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 65536);
    start_at(&w, &(struct row){.id = "", MAIL2}, &out, TO_ENVELOPE);
    smtp_client_input(w.client, bytes_of(ACCEPTED));
    smtp_client_fill(w.client, &out);
    CHECK(strstr(smtp_client_state_phrase(w.client), "may arrive twice"));
    CHECK(!smtp_client_idle(w.client));
    smtp_client_free(&w.client);
    CHECK_STR(w.log, "open r0.0=250 d0=451? r1.0=451 d1=451");
    CHECK(!w.client);
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* What is known of a session: idle, TLS gone wrong, DSN taken on. */
static void test_facts(void)
{
    struct world w;
    struct buf out;
    struct row row = {.id = "", .with = {.tls = ROUTE_TLS_MAY}};
    buf_init(&out, 65536);
    start_at(&w, &row, &out, (const char *const[]){"220 x\r\n", "250-x\r\n250 DSN\r\n", NULL});
    CHECK(smtp_client_idle(w.client));
    CHECK(smtp_client_dsn_offered(w.client));
    CHECK_U64(smtp_client_deadline_ms(w.client), TIMER_NEVER);
    smtp_client_free(&w.client);

    start_at(&w, &row, &out, (const char *const[]){"220 x\r\n", "250-x\r\n250 STARTTLS\r\n", NULL});
    CHECK(!smtp_client_idle(w.client));
    smtp_client_lost(w.client, "reset");
    CHECK(smtp_client_tls_failed(w.client));
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* When the dot went out, not when it was answered; and only for who asked. */
static void test_dot_time(void)
{
    static const struct {
        const char *name;
        bool timed;
    } rows[] = {{"timed", true}, {"not timed", false}};
    struct buf out;
    buf_init(&out, 65536);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct world w;
        unit_row(rows[i].name);
        start_at(&w, &(struct row){.id = "", MAIL1}, &out, TO_ENVELOPE);
        w.mails[0].message.timed = rows[i].timed;
        clock_virtual_advance(7);
        uint64_t dot_at_ns = clock_mono_ns();
        smtp_client_input(w.client, bytes_of(ACCEPTED));
        smtp_client_fill(w.client, &out);
        clock_virtual_advance(5);
        smtp_client_input(w.client, BYTES("250 ok\r\n"));
        CHECK_U64(w.mails[0].done, 1);
        CHECK_U64(w.mails[0].message.dot_at_ns, rows[i].timed ? dot_at_ns : 0);
        smtp_client_free(&w.client);
    }
    buf_free(&out);
}

#define VIRTUAL(name)                                                                              \
    static void name##_at_rest(void)                                                               \
    {                                                                                              \
        clock_virtual_start(1000000, 0);                                                           \
        name();                                                                                    \
        clock_virtual_end();                                                                       \
    }
VIRTUAL(test_timeouts)
VIRTUAL(test_flood)
VIRTUAL(test_total_deadline)
VIRTUAL(test_dot_time)

UNIT_MAIN("net/smtp_client limits", {"C-072 C-073", test_timeouts_at_rest}, {"C-115", test_window},
          {"H-01 flood", test_flood_at_rest}, {"H-01 total deadline", test_total_deadline_at_rest},
          {"H-02 text", test_reply_text}, {"large text", test_large_text},
          {"T-07 codes", test_stripping}, {"free", test_free}, {"facts", test_facts},
          {"time of the final dot", test_dot_time_at_rest})
