/* net/header_scan: stray octets, exchange fields, rows, no local name, long, name length. */
#include "net/header_scan.h"

#include "core/mem.h"

#include "unit.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static const struct scan_row {
    const char *name;
    struct bytes text;
    size_t octets;
    unsigned received, local_hops;
    const char *message_id;
    bool has_date, has_message_id, has_from, ended;
} scan_rows[] = {
    {"ordinary", B("Date: x\r\nFrom: a\r\nMessage-ID: <1@a>\r\n\r\nReceived: no\r\n"), 37, 0, 0,
     "<1@a>", true, true, true, true},
    {"empty message", B(""), 0, 0, 0, "", false, false, false, false},
    {"no header", B("\r\nFrom: a\r\n"), 0, 0, 0, "", false, false, false, true},
    {"no empty line yet", B("From: a\r\n"), 9, 0, 0, "", false, false, true, false},
    {"cut off in a name", B("From: a\r\nDat"), 12, 0, 0, "", false, false, true, false},
    {"not a header at all", B("Hello, world\r\nFrom: a\r\n"), 0, 0, 0, "", false, false, false,
     true},
    {"body without an empty line", B("From: a\r\nHello there\r\nDate: x\r\n"), 9, 0, 0, "", false,
     false, true, true},
    {"line of a mailbox file", B("From a@b Mon\r\nFrom: a\r\n"), 0, 0, 0, "", false, false, false,
     true},
    {"colon first", B(": a\r\nFrom: a\r\n"), 0, 0, 0, "", false, false, false, true},
    {"folded line first", B(" a\r\nFrom: a\r\n"), 0, 0, 0, "", false, false, false, true},
    {"names without case", B("dAtE: x\r\nFROM:a\r\nmessage-id:<2@b>\r\n\r\n"), 35, 0, 0, "<2@b>",
     true, true, true, true},
    {"blank before the colon", B("Date : x\r\nFrom\t: a\r\n\r\n"), 20, 0, 0, "", true, false, true,
     true},
    {"like a name and longer", B("Dates: x\r\nFro: a\r\nX-From: b\r\n\r\n"), 29, 0, 0, "", false,
     false, false, true},
    {"names inside a folded line", B("X: a\r\n Date: b\r\n\tReceived: c\r\n\r\n"), 30, 0, 0, "",
     false, false, false, true},
    {"hops", B("Received: a\r\nReceived: b\r\n c\r\nX-Received: d\r\nreceived: e\r\n\r\n"), 58, 3,
     0, "", false, false, false, true},
    {"local hops",
     B("Received: from a by relay.example with SMTP\r\n"
       "Received: from b\r\n\tby Relay.EXAMPLE;\r\n\tdate\r\n"
       "Received: from c by other.example\r\n\r\n"),
     125, 3, 2, "", false, false, false, true},
    {"local hop at the end of its line", B("Received: by relay.example\r\nX: y\r\n\r\n"), 34, 1, 1,
     "", false, false, false, true},
    {"local hop behind a fold", B("Received: from a by\r\n relay.example\r\n\r\n"), 37, 1, 1, "",
     false, false, false, true},
    {"one hop a field", B("Received: by relay.example by relay.example x\r\n\r\n"), 47, 1, 1, "",
     false, false, false, true},
    {"our name, but longer", B("Received: by relay.example.org x\r\n\r\n"), 34, 1, 0, "", false,
     false, false, true},
    {"our name, but shorter", B("Received: by relay.exampl x\r\n\r\n"), 29, 1, 0, "", false, false,
     false, true},
    {"our name elsewhere", B("Received: from relay.example (by relay.example) nearby x\r\n\r\n"),
     58, 1, 0, "", false, false, false, true},
    {"word ending in by", B("Received: standby relay.example x\r\n\r\n"), 35, 1, 0, "", false,
     false, false, true},
    {"word beginning with by", B("Received: bye relay.example x\r\n\r\n"), 31, 1, 0, "", false,
     false, false, true},
    {"by of another field", B("X: by relay.example\r\n\r\n"), 21, 0, 0, "", false, false, false,
     true},
    {"name not taken over into the next field",
     B("Received: x by\r\nReceived: relay.example x\r\n\r\n"), 43, 2, 0, "", false, false, false,
     true},
    {"almost, then really", B("Received: by relay.x by relay.example x\r\n\r\n"), 41, 1, 1, "",
     false, false, false, true},
    {"folded Message-ID", B("Message-ID:\r\n <3@c>\r\n\r\n"), 21, 0, 0, "<3@c>", false, true, false,
     true},
    {"Message-ID with text around", B("Message-ID: <4@d> (x)\r\n y\r\n\r\n"), 27, 0, 0, "<4@d>",
     false, true, false, true},
    {"Message-ID without brackets", B("Message-ID: 5@e f\r\n\r\n"), 19, 0, 0, "5@e", false, true,
     false, true},
    {"second Message-ID", B("Message-ID: <6@f>\r\nMessage-ID: <7@g>\r\n\r\n"), 38, 0, 0, "<6@f>",
     false, true, false, true},
    {"empty Message-ID", B("Message-ID:\r\nX: <8@h>\r\n\r\n"), 23, 0, 0, "", false, true, false,
     true},
    {"hostile Message-ID", B("Message-ID: <a\x01\xff\0b>\r\n\r\n"), 21, 0, 0, "<a???b>", false,
     true, false, true},
    {"S-21 LF alone ends a line", B("X: a\n\nFrom: b\r\n"), 5, 0, 0, "", false, false, false, true},
    {"CR without LF at a line start", B("X: a\r\n\rFrom: b\r\n"), 6, 0, 0, "", false, false, false,
     true},
    {"S-22 CR within a value", B("X: a\rFrom: b\r\nDate: c\r\n\r\n"), 23, 0, 0, "", true, false,
     false, true},
    {"NUL in a name", B("X: a\r\nFr\0om: b\r\n"), 6, 0, 0, "", false, false, false, true},
    {"8-bit in a name", B("X: a\r\nFr\xc3\xa4: b\r\n"), 6, 0, 0, "", false, false, false, true},
    {"name and nothing behind it", B("X: a\r\nDate\r\n"), 6, 0, 0, "", false, false, false, true},
};

static void scan_check(const struct scan_row *row, size_t first, size_t step)
{
    struct header_scan scan = {.local_name = BYTES("relay.example")};

    for (size_t at = 0; at < row->text.len;) {
        struct bytes piece = bytes_sub(row->text, at, at == 0 ? first : step);
        header_scan_feed(&scan, piece);
        at += piece.len;
    }
    CHECK_U64(scan.octets, row->octets);
    CHECK_U64(scan.received, row->received);
    CHECK_U64(scan.local_hops, row->local_hops);
    CHECK_STR(scan.message_id, row->message_id);
    CHECK_U64(scan.has_date, row->has_date);
    CHECK_U64(scan.has_message_id, row->has_message_id);
    CHECK_U64(scan.has_from, row->has_from);
    CHECK_U64(scan.ended, row->ended);
}

static void test_rows(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(scan_rows); i++) {
        unit_row(scan_rows[i].name);
        for (size_t first = 1; first <= scan_rows[i].text.len + 1; first++)
            scan_check(&scan_rows[i], first, scan_rows[i].text.len + 1);
        scan_check(&scan_rows[i], 1, 1);
        scan_check(&scan_rows[i], 2, 3);
    }
}

static void feed(struct header_scan *scan, const char *text)
{
    header_scan_feed(scan, bytes_of(text));
}

static void test_no_local_name(void)
{
    struct header_scan scan = {.local_name = BYTES_EMPTY};

    feed(&scan, "Received: from a by b\r\nReceived: from a by \r\n\r\n");
    CHECK_U64(scan.received, 2);
    CHECK_U64(scan.local_hops, 0);
}

/* P-15: what a peer makes long costs no memory and is still counted. */
static void test_long(void)
{
    struct header_scan scan = {.local_name = BYTES("relay.example")};
    size_t size = 1 << 20;
    char *text = mem_alloc(size);

    memset(text, 'x', size);
    unit_row("a name of 2 MiB that ends in Date");
    header_scan_feed(&scan, bytes_make(text, size));
    header_scan_feed(&scan, bytes_make(text, size));
    feed(&scan, "Date: x\r\n");
    CHECK(!scan.has_date && !scan.ended);
    CHECK_U64(scan.octets, 2 * size + 9);
    unit_row("a value of 1 MiB");
    feed(&scan, "Subject: ");
    header_scan_feed(&scan, bytes_make(text, size));
    feed(&scan, "\r\n");
    CHECK_U64(scan.octets, 3 * size + 20);
    unit_row("a Message-ID of 1 MiB is cut");
    feed(&scan, "Message-ID: <");
    header_scan_feed(&scan, bytes_make(text, size));
    feed(&scan, ">\r\n");
    CHECK_U64(strlen(scan.message_id), HEADER_SCAN_MESSAGE_ID_MAX - 1);
    CHECK(scan.message_id[0] == '<' && scan.message_id[254] == 'x');
    unit_row("and everything is still seen");
    for (unsigned i = 0; i < 100000; i++)
        feed(&scan, "Received: by relay.example x\r\n");
    feed(&scan, "From: y\r\n\r\n");
    CHECK_U64(scan.received, 100000);
    CHECK_U64(scan.local_hops, 100000);
    CHECK(scan.has_from && scan.ended);
    mem_free(text);
}

/* The name is compared up to its last kept octet and never cut to one that is known. */
static void test_name_length(void)
{
    struct header_scan scan = {.local_name = BYTES_EMPTY};

    for (size_t len = HEADER_SCAN_NAME_MAX - 2; len <= HEADER_SCAN_NAME_MAX + 2; len++) {
        char name[HEADER_SCAN_NAME_MAX + 8];
        memset(name, 'F', len);
        memcpy(name + len, ": \r\n", 5);
        feed(&scan, name);
        CHECK(!scan.ended && !scan.has_from);
    }
    feed(&scan, "From: x\r\n");
    CHECK(scan.has_from);
}

/* The header of a text that need not be lines. */
static const struct stray_row {
    const char *name;
    struct bytes text;
    bool stray;
} stray_rows[] = {
    {"lines", B("A: b\r\n c\r\nD:\r\n\r\n\n\r\0x\n"), false},
    {"no header, then all sorts", B("\r\n\n\r\0x"), false},
    {"no header at all", B("hello\nthere\0\rx"), false},
    {"a line that is none ends it", B("A: b\r\nhello\nC: d\0\n"), false},
    {"octets beyond ASCII", B("A: \xff\xfe\r\n\r\n"), false},
    {"LF", B("A: b\nC: d\r\n\r\n"), true},
    {"LF as the empty line", B("A: b\r\n\nC: d"), true},
    {"CR in a value", B("A: b\rC: d\r\n\r\n"), true},
    {"CR before a line's end", B("A: b\r\r\n\r\n"), true},
    {"CR at a line start", B("A: b\r\n\rC: d\r\n"), true},
    {"NUL", B("A: b\0\r\n\r\n"), true},
    {"behind a fold", B("A: b\r\n c\n d\r\n\r\n"), true},
};

static void test_stray(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(stray_rows); i++) {
        struct bytes text = stray_rows[i].text;
        unit_row(stray_rows[i].name);
        for (size_t step = 1; step <= text.len; step++) {
            struct header_scan scan = {.local_name = BYTES_EMPTY, .strict = true};
            struct header_scan lax = {.local_name = BYTES_EMPTY};
            for (size_t at = 0; at < text.len; at += step)
                header_scan_feed(&scan, bytes_sub(text, at, step));
            header_scan_feed(&lax, text);
            CHECK_U64(scan.stray, stray_rows[i].stray);
            CHECK_U64(lax.stray, false);
            CHECK_U64(scan.octets, lax.octets);
            CHECK_U64(scan.ended, lax.ended);
        }
    }
}

static const struct exchange_row {
    const char *name, *text;
    bool seen;
} exchange_rows[] = {
    {"none", "X-MS-Has-Attach: 1\r\nX-MS-Exchange-CrossPremises-A: 1\r\n\r\n", false},
    {"organization", "To: a\r\nx-ms-exchange-organization-SCL: 1\r\n\r\n", true},
    {"forest", "X-MS-Exchange-Forest-A: 1\r\nTo: a\r\n\r\n", true},
    {"long name", "X-MS-Exchange-Organization-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: 1\r\n",
     true},
    {"in the body", "To: a\r\n\r\nX-MS-Exchange-Forest-A: 1\r\n", false},
    {"folded", "To: a\r\n X-MS-Exchange-Forest-A: 1\r\n\r\n", false},
};

static void test_exchange_fields(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(exchange_rows); i++) {
        struct header_scan scan = {.local_name = BYTES_EMPTY};
        unit_row(exchange_rows[i].name);
        feed(&scan, exchange_rows[i].text);
        CHECK(scan.exchange_fields == exchange_rows[i].seen);
    }
}

UNIT_MAIN("net/header_scan", {"stray octets", test_stray},
          {"exchange fields", test_exchange_fields}, {"rows", test_rows},
          {"no local name", test_no_local_name}, {"long", test_long},
          {"name length", test_name_length})
