/* net/smtp_trace: plain, all clauses, no name given, mapped client, with, hostile, long. */
#include "net/smtp_trace.h"

#include <stdlib.h>
#include <time.h>

#include "unit.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

#define STAMP_MS 1381230664123 /* 2013-10-08T11:11:04.123Z */

static const struct tls_info tls13 = {"TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, false};

static struct smtp_trace trace_make(const char *client)
{
    struct smtp_trace t = {.helo = BYTES("pc.example"),
                           .by = BYTES("relay.example"),
                           .id = 17,
                           .esmtp = true,
                           .received_at_ms = STAMP_MS};

    CHECK(ipaddr_parse(bytes_of(client), &t.client) == ERR_OK);
    return t;
}

static void trace_check(const struct smtp_trace *t, const char *wanted)
{
    struct arena arena;

    setenv("TZ", "UTC", 1);
    tzset();
    arena_init(&arena, 0);
    CHECK_BYTES(smtp_trace_received(&arena, t), bytes_of(wanted));
    arena_free(&arena);
}

static void test_plain(void)
{
    struct smtp_trace t = trace_make("192.0.2.1");

    trace_check(&t, "Received: from pc.example ([192.0.2.1])\r\n"
                    "\tby relay.example with ESMTP\r\n"
                    "\tid 17;\r\n"
                    "\tTue, 08 Oct 2013 11:11:04 +0000\r\n");
}

static void test_all_clauses(void)
{
    struct smtp_trace t = trace_make("2001:db8::1");

    t.tls = &tls13;
    t.authenticated = true;
    t.single_rcpt = BYTES("a@b.example");
    t.id = UINT64_MAX;
    trace_check(&t, "Received: from pc.example ([IPv6:2001:db8::1])\r\n"
                    "\tby relay.example with ESMTPSA\r\n"
                    "\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384)\r\n"
                    "\tid 18446744073709551615\r\n"
                    "\tfor <a@b.example>;\r\n"
                    "\tTue, 08 Oct 2013 11:11:04 +0000\r\n");
}

static void test_no_name_given(void)
{
    struct smtp_trace t = trace_make("192.0.2.1");

    t.helo = BYTES_EMPTY;
    t.esmtp = false;
    trace_check(&t, "Received: from [192.0.2.1] ([192.0.2.1])\r\n"
                    "\tby relay.example with SMTP\r\n"
                    "\tid 17;\r\n"
                    "\tTue, 08 Oct 2013 11:11:04 +0000\r\n");
}

/* A mapped address is the IPv4 address it holds. */
static void test_mapped_client(void)
{
    struct smtp_trace t = trace_make("::ffff:192.0.2.1");
    struct arena arena;

    arena_init(&arena, 0);
    struct bytes got = smtp_trace_received(&arena, &t);
    CHECK(bytes_starts_nocase(got, BYTES("Received: from pc.example ([192.0.2.1])\r\n")));
    arena_free(&arena);
}

/* RFC 3848, RFC 6531 4.3. */
static void test_with(void)
{
    static const struct {
        const char *with;
        bool esmtp, tls, authenticated, smtputf8;
    } rows[] = {
        {" with SMTP\r\n", false, false, false, false},
        {" with SMTP\r\n", false, true, false, false},
        {" with ESMTP\r\n", true, false, false, false},
        {" with ESMTPA\r\n", true, false, true, false},
        {" with ESMTPS\r\n", true, true, false, false},
        {" with ESMTPSA\r\n", true, true, true, false},
        {" with UTF8SMTP\r\n", true, false, false, true},
        {" with UTF8SMTPA\r\n", true, false, true, true},
        {" with UTF8SMTPS\r\n", true, true, false, true},
        {" with UTF8SMTPSA\r\n", true, true, true, true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_trace t = trace_make("192.0.2.1");
        struct arena arena;
        unit_row(rows[i].with);
        t.esmtp = rows[i].esmtp;
        t.tls = rows[i].tls ? &tls13 : NULL;
        t.authenticated = rows[i].authenticated;
        t.smtputf8 = rows[i].smtputf8;
        arena_init(&arena, 0);
        struct bytes got = smtp_trace_received(&arena, &t);
        CHECK(memmem(got.ptr, got.len, rows[i].with, strlen(rows[i].with)));
        CHECK(!memmem(got.ptr, got.len, "version=", 8) == !rows[i].tls);
        arena_free(&arena);
    }
}

/* Whatever was said: lines end in CRLF and nothing else, continue with a tab, hold no control or
 * 8-bit byte and at most 998 octets, and there is one Received field with its clauses. */
static void shape_check(struct bytes got)
{
    struct bytes line;
    struct bytes rest = got;
    unsigned lines = 0;

    CHECK(bytes_ends_nocase(got, BYTES("\r\n")));
    while (bytes_split(rest, '\n', &line, &rest)) {
        CHECK(line.len >= 1 && line.len <= 999 && line.ptr[line.len - 1] == '\r');
        CHECK(lines++ == 0 ? bytes_starts_nocase(line, BYTES("Received: from "))
                           : line.ptr[0] == '\t');
        for (size_t i = lines > 1; i + 1 < line.len; i++)
            CHECK(line.ptr[i] >= ' ' && line.ptr[i] < 0x7F);
    }
    CHECK_U64(line.len, 0);
}

static void test_hostile(void)
{
    static const struct {
        const char *name;
        struct bytes helo, rcpt;
        const char *from;
        bool has_for;
    } rows[] = {
        {"CRLF", B("a\r\nSubject: b"), B("a@b"), "from a??Subject:?b (", true},
        {"comment", B("a (b) c"), B("a@b"), "from a??b??c (", true},
        {"open comment", B("((("), B("a@b"), "from ??? (", true},
        {"clauses", B("a by b;c,<d>\"\\"), B("a@b"), "from a?by?b?c??d??? (", true},
        {"NUL and 8-bit", B("a\0\xff\x7f"), B("a@b"), "from a??? (", true},
        {"FOR with CRLF", B("a"), B("a@b\r\nX: y"), "from a (", false},
        {"FOR beyond ASCII", B("a"), B("\xc3\xa4@b"), "from a (", false},
        {"FOR with a quoted blank", B("a"), B("\"a b\"@c"), "from a (", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_trace t = trace_make("192.0.2.1");
        struct arena arena;
        unit_row(rows[i].name);
        t.helo = rows[i].helo;
        t.single_rcpt = rows[i].rcpt;
        arena_init(&arena, 0);
        struct bytes got = smtp_trace_received(&arena, &t);
        shape_check(got);
        CHECK(memmem(got.ptr, got.len, rows[i].from, strlen(rows[i].from)));
        CHECK(!memmem(got.ptr, got.len, "\tfor <", 6) == !rows[i].has_for);
        arena_free(&arena);
    }
}

static void test_long(void)
{
    char text[5000];
    struct smtp_trace t = trace_make("2001:db8:1111:2222:3333:4444:5555:6666");
    struct arena arena;

    memset(text, 'x', sizeof text);
    arena_init(&arena, 0);
    for (size_t len = 200; len <= sizeof text; len += 50) {
        t.helo = t.by = t.single_rcpt = bytes_make(text, len);
        shape_check(smtp_trace_received(&arena, &t));
    }
    arena_free(&arena);
}

UNIT_MAIN("net/smtp_trace", {"plain", test_plain}, {"all clauses", test_all_clauses},
          {"no name given", test_no_name_given}, {"mapped client", test_mapped_client},
          {"with", test_with}, {"hostile", test_hostile}, {"long", test_long})
