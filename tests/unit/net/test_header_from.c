/* net/header_from: forms of a mailbox list, an address that is too long, kept by the header
 * scanner. */
#include "net/header_from.h"

#include <stdio.h>

#include "net/header_scan.h"
#include "unit.h"

/* All addresses, each followed by "|"; an unreadable one is "|" alone. */
static void addresses(struct bytes value, char *to, size_t size)
{
    char address[HEADER_FROM_ADDRESS_MAX];
    size_t len, used = 0;
    to[0] = '\0';
    while (header_from_next(&value, address, &len) && used < size)
        used += (size_t)snprintf(to + used, size - used, "%.*s|", (int)len, address);
}

static void test_forms(void)
{
    static const struct {
        const char *name, *value, *wanted;
    } rows[] = {
        {"bare", " a@b.example\r\n", "a@b.example|"},
        {"in brackets", "Ann <a@b.example>", "a@b.example|"},
        {"quoted name", "\"Doe, Ann\" <a@b.example>", "a@b.example|"},
        {"escaped quote in a name", "\"A \\\" <x@y>\" <a@b.example>", "a@b.example|"},
        {"name with an address in quotes", "\"ceo@ours.example\" <a@b.example>", "a@b.example|"},
        {"comments", "(x <c@d>) a(1)@(2)b.example (Ann, (too))", "a@b.example|"},
        {"comment behind brackets", "<a@b.example> (Ann)", "a@b.example|"},
        {"two", "a@b.example, Bob <c@d.example>", "a@b.example|c@d.example|"},
        {"folded", " Ann\r\n <a@b.example>,\r\n\tc@d.example", "a@b.example|c@d.example|"},
        {"group", "Us: a@b.example, <c@d.example>;", "a@b.example|c@d.example|"},
        {"empty group", "undisclosed:;", ""},
        {"nothing", "  \r\n", ""},
        {"only commas", ",,,", ""},
        {"source route", "<@x,@y:a@b.example>", "a@b.example|"},
        {"quoted local part", "\"a b\"@b.example", "\"a b\"@b.example|"},
        {"quoted local part with a comma", "<\"a,b>\"@b.example>", "\"a,b>\"@b.example|"},
        {"blanks about the at sign", "a @ b.example", "a@b.example|"},
        {"NUL in it", "a@b.exam\x01ple", "a@b.example|"},
        {"empty brackets", "Ann <>", "|"},
        {"two pairs of brackets", "<a@b.example> <ceo@ours.example>",
         "a@b.example|ceo@ours.example|"},
        {"brackets that never close", "x <ceo@ours.example", "ceo@ours.example|"},
        {"quote that never closes", "\"x <ceo@ours.example>", "ceo@ours.example|"},
        {"comment that never closes", "(x <ceo@ours.example>", "ceo@ours.example|"},
        {"quote that never closes before another", "\"x, ceo@ours.example", "x|ceo@ours.example|"},
        {"quote behind", "ceo@ours.example \"", "ceo@ours.example|"},
        {"quote in front", "\"ceo@ours.example", "ceo@ours.example|"},
        {"parenthesis behind", "ceo@ours.example )", "ceo@ours.example|"},
        {"parenthesis that never closes behind", "ceo@ours.example (", "ceo@ours.example|"},
        {"backslash behind", "ceo@ours.example\\", "ceo@ours.example|"},
        {"quotes about the domain", "ceo@\"ours.example\"", "ceo@ours.example|"},
        {"literal", "ceo@[192.0.2.1]", "ceo@[192.0.2.1]|"},
        {"quote closed by a later field", "\"x, \"y\" <ceo@ours.example>", "ceo@ours.example|"},
        {"no address at all", "Ann", "Ann|"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char found[1000];
        unit_row(rows[i].name);
        addresses(bytes_of(rows[i].value), found, sizeof found);
        CHECK_STR(found, rows[i].wanted);
    }
}

static void test_too_long(void)
{
    char value[HEADER_FROM_ADDRESS_MAX + 20], found[1000];
    memset(value, 'x', sizeof value);
    addresses(bytes_make(value, HEADER_FROM_ADDRESS_MAX), found, sizeof found);
    CHECK_U64(strlen(found), HEADER_FROM_ADDRESS_MAX + 1);
    addresses(bytes_make(value, HEADER_FROM_ADDRESS_MAX + 1), found, sizeof found);
    CHECK_STR(found, "|");
    memcpy(value + sizeof value - 5, "<a@b>", 5); /* a long name is no long address */
    addresses(bytes_make(value, sizeof value), found, sizeof found);
    CHECK_STR(found, "a@b|");
}

/* What the scanner keeps of a header, whole and octet by octet. */
static void test_kept_by_the_scanner(void)
{
    static const struct {
        const char *name, *header, *wanted;
        size_t room;
        bool cut;
    } rows[] = {
        {"one", "Subject: x\r\nFrom: Ann <a@b>\r\nTo: x@y\r\n\r\nFrom: c@d\r\n", "a@b|", 100,
         false},
        {"any case", "fRoM:a@b\r\n\r\n", "a@b|", 100, false},
        {"blank before the colon", "From : a@b\r\n\r\n", "a@b|", 100, false},
        {"two fields", "From: a@b\r\nX: y\r\nFrom: c@d\r\n\r\n", "a@b|c@d|", 100, false},
        {"a quote open in the first", "From: \"a\r\nFrom: c@d\r\n\r\n", "a|c@d|", 100, false},
        {"a quote open in the first, closed in the second", "From: \"\r\nFrom: c@d \"\r\n\r\n",
         "|c@d|", 100, false},
        {"a comment open in the first", "From: a@b (\r\nSender: c@d )\r\n\r\n", "a@b|c@d|", 100,
         false},
        {"Sender", "Sender: c@d\r\nFrom: a@b\r\n\r\n", "c@d|a@b|", 100, false},
        {"Sender alone", "Sender: c@d\r\n\r\n", "c@d|", 100, false},
        {"not Resent-Sender", "Resent-Sender: c@d\r\nSenders: e@f\r\n\r\n", "", 100, false},
        {"folded", "From: Ann\r\n\t<a@b>,\r\n c@d\r\nX: y\r\n\r\n", "a@b|c@d|", 100, false},
        {"none", "To: a@b\r\n\r\n", "", 100, false},
        {"cut", "From: a@b, c@d\r\n\r\n", "a@b|", 6, true},
    };
    for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
        size_t row = i / 2;
        char from[100], found[1000];
        struct header_scan scan = {
            .local_name = BYTES("x"), .from = from, .from_max = rows[row].room};
        struct bytes header = bytes_of(rows[row].header);
        unit_row(rows[row].name);
        for (size_t at = 0; i % 2 && at < header.len; at++)
            header_scan_feed(&scan, bytes_sub(header, at, 1));
        if (i % 2 == 0)
            header_scan_feed(&scan, header);
        addresses(bytes_make(from, scan.from_len), found, sizeof found);
        CHECK_STR(found, rows[row].wanted);
        CHECK(scan.from_cut == rows[row].cut);
    }
}

UNIT_MAIN("net/header_from", {"forms of a mailbox list", test_forms},
          {"an address that is too long", test_too_long},
          {"kept by the header scanner", test_kept_by_the_scanner})
