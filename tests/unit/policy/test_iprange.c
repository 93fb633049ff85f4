/* policy/iprange: parse, classful, format, predicates, relation, prefixes, prefixes of random
 * ranges. */
#include "policy/iprange.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/rand.h"
#include "unit.h"

#define V6_ALL_ONES "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

static struct iprange range(const char *text)
{
    struct iprange r = {IPADDR_V4_ANY, IPADDR_V4_ANY};
    CHECK(iprange_parse(bytes_of(text), false, &r, NULL) == ERR_OK);
    return r;
}

static struct ipaddr address(const char *text)
{
    struct ipaddr a = IPADDR_V4_ANY;
    CHECK(ipaddr_parse(bytes_of(text), &a) == ERR_OK);
    return a;
}

static const struct {
    const char *text;
    const char *first; /* NULL: refused */
    const char *last;
} parse_rows[] = {
    {"192.168.1.10", "192.168.1.10", "192.168.1.10"},
    {"  192.168.1.10  ", "192.168.1.10", "192.168.1.10"},
    {"192.168.1.1/24", "192.168.1.0", "192.168.1.255"},
    {"10.0.0.0/8", "10.0.0.0", "10.255.255.255"},
    {"192.0.2.7/32", "192.0.2.7", "192.0.2.7"},
    {"192.0.2.7/31", "192.0.2.6", "192.0.2.7"},
    {"0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
    {"10.2.0.0(255.255.0.0)", "10.2.0.0", "10.2.255.255"},
    {"192.168.1.9 (255.255.255.0)", "192.168.1.0", "192.168.1.255"},
    {"192.168.1.0/255.255.255.128", "192.168.1.0", "192.168.1.127"},
    {"10.0.0.1(255.255.255.255)", "10.0.0.1", "10.0.0.1"},
    {"10.0.0.1(0.0.0.0)", "0.0.0.0", "255.255.255.255"},
    {"192.168.1.1-192.168.1.254", "192.168.1.1", "192.168.1.254"},
    {"192.168.1.1 - 192.168.1.1", "192.168.1.1", "192.168.1.1"},
    {"0.0.0.0-255.255.255.255", "0.0.0.0", "255.255.255.255"},
    {"2001:0DB8::CD3/60", "2001:db8::", "2001:db8:0:f:ffff:ffff:ffff:ffff"},
    {"::/0", "::", V6_ALL_ONES},
    {"::-" V6_ALL_ONES, "::", V6_ALL_ONES},
    {"fe80::39bd:88f7:6969:d223%11", "fe80::39bd:88f7:6969:d223", "fe80::39bd:88f7:6969:d223"},
    {"2001:db8::1/127", "2001:db8::", "2001:db8::1"},
    {"2001:db8::1/128", "2001:db8::1", "2001:db8::1"},
    {"::ffff:10.0.0.5", "10.0.0.5", "10.0.0.5"},
    {"::ffff:10.0.0.5/104", "10.0.0.0", "10.255.255.255"},
    {"", NULL, NULL},
    {"host.example.com", NULL, NULL},
    {"10.0.0.0/33", NULL, NULL},
    {"10.0.0.0/-1", NULL, NULL},
    {"10.0.0.0/", NULL, NULL},
    {"10.0.0.0/8/8", NULL, NULL},
    {"10.0.0.0/4294967304", NULL, NULL},
    {"2001:db8::/129", NULL, NULL},
    {"::ffff:10.0.0.0/95", NULL, NULL},
    {"10.0.0.0(255.0.255.0)", NULL, NULL},
    {"10.0.0.0(255.255.0.0", NULL, NULL},
    {"10.0.0.0()", NULL, NULL},
    {"2001:db8::(255.255.0.0)", NULL, NULL},
    {"192.168.1.110-119", NULL, NULL},
    {"192.168.1.9-192.168.1.1", NULL, NULL},
    {"10.0.0.1-::1", NULL, NULL},
    {"::1-10.0.0.1", NULL, NULL},
    {"10.0.0.1-", NULL, NULL},
    {"-10.0.0.1", NULL, NULL},
    {"10.0.0.1%1", NULL, NULL},
    {"fe80::1%", NULL, NULL},
    {"10.0.0", NULL, NULL},
    {"10.0.0.256", NULL, NULL},
    {"010.0.0.1", NULL, NULL},
};

static void test_parse(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(parse_rows); i++) {
        struct iprange r;
        struct err_detail why = {""};
        unit_row(parse_rows[i].text);
        enum err e = iprange_parse(bytes_of(parse_rows[i].text), false, &r, &why);
        CHECK_U64(e, parse_rows[i].first ? ERR_OK : ERR_SYNTAX);
        if (!parse_rows[i].first) {
            CHECK(strstr(why.text, "allowed:"));
            continue;
        }
        struct ipaddr first = address(parse_rows[i].first), last = address(parse_rows[i].last);
        CHECK(ipaddr_equal(&r.first, &first) && ipaddr_equal(&r.last, &last));
    }
    struct iprange nul;
    CHECK(iprange_parse(BYTES("10.0.0.1\0.5"), false, &nul, NULL) == ERR_SYNTAX);
    char padded[IPRANGE_WRITTEN_MAX + 2];
    memset(padded, ' ', sizeof padded);
    memcpy(padded, "::1", 3);
    padded[IPRANGE_WRITTEN_MAX] = '\0';
    CHECK(iprange_parse(bytes_of(padded), false, &nul, NULL) == ERR_OK);
    padded[IPRANGE_WRITTEN_MAX] = ' ';
    padded[IPRANGE_WRITTEN_MAX + 1] = '\0';
    CHECK(iprange_parse(bytes_of(padded), false, &nul, NULL) == ERR_SYNTAX);
}

static void test_classful(void)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"192.168.1.0", "192.168.1.0/24"},    {"192.168.1.7", "192.168.1.7"},
        {"172.16.0.0", "172.16.0.0/16"},      {"172.16.1.0", "172.16.1.0"},
        {"10.0.0.0", "10.0.0.0/8"},           {"10.1.0.0", "10.1.0.0"},
        {"224.0.0.0", "224.0.0.0"},           {"0.0.0.0", "0.0.0.0"},
        {"192.168.0.0/25", "192.168.0.0/25"}, {"2001:db8::", "2001:db8::"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct iprange r;
        char text[IPRANGE_TEXT_SIZE];
        unit_row(rows[i].text);
        CHECK(iprange_parse(bytes_of(rows[i].text), true, &r, NULL) == ERR_OK);
        CHECK_STR(iprange_format(&r, text), rows[i].wanted);
    }
}

static void test_format(void)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"192.0.2.1-192.0.2.1", "192.0.2.1"},
        {"192.0.2.0-192.0.2.255", "192.0.2.0/24"},
        {"192.0.2.1-192.0.2.255", "192.0.2.1-192.0.2.255"},
        {"0.0.0.0-255.255.255.255", "0.0.0.0/0"},
        {"::-" V6_ALL_ONES, "::/0"},
        {"2001:DB8::/32", "2001:db8::/32"},
        {"1111:1111:1111:1111:1111:1111:1111:1111-" V6_ALL_ONES,
         "1111:1111:1111:1111:1111:1111:1111:1111-" V6_ALL_ONES},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct iprange r = range(rows[i].text);
        char text[IPRANGE_TEXT_SIZE];
        unit_row(rows[i].text);
        CHECK_STR(iprange_format(&r, text), rows[i].wanted);
    }
}

static void test_predicates(void)
{
    static const struct {
        const char *range, *address;
        bool contains;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"::/0", "2001:db8::1", true},
        {"::/0", "10.0.0.1", false},
        {"0.0.0.0/0", "::1", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct iprange r = range(rows[i].range);
        struct ipaddr a = address(rows[i].address);
        unit_row(rows[i].address);
        CHECK(iprange_contains(&r, &a) == rows[i].contains);
    }
    struct iprange all = range("0.0.0.0/0"), most = range("0.0.0.0-255.255.255.254");
    struct iprange all6 = range("::/0"), half6 = range("::/1"), one = range("::1");
    CHECK(iprange_is_all(&all) && iprange_is_all(&all6));
    CHECK(!iprange_is_all(&most) && !iprange_is_all(&half6) && !iprange_is_all(&one));
    CHECK(iprange_looks_like_network(BYTES("192.168.1.0")));
    CHECK(iprange_looks_like_network(BYTES("2001:db8:1::")));
    CHECK(!iprange_looks_like_network(BYTES("192.168.1.1")));
    CHECK(!iprange_looks_like_network(BYTES("192.168.1.0/24")));
    CHECK(!iprange_looks_like_network(BYTES("2001:db8::1")));
}

static void test_relation(void)
{
    static const struct {
        const char *a, *b;
        enum iprange_relation relation;
        const char *common;
    } rows[] = {
        {"10.0.0.0/24", "10.0.1.0/24", IPRANGE_DISJOINT, NULL},
        {"10.0.0.0/24", "10.0.0.0/24", IPRANGE_EQUAL, "10.0.0.0/24"},
        {"10.0.0.0/25", "10.0.0.0/24", IPRANGE_INSIDE, "10.0.0.0/25"},
        {"10.0.0.128/25", "10.0.0.0/24", IPRANGE_INSIDE, "10.0.0.128/25"},
        {"10.0.0.0/24", "10.0.0.7", IPRANGE_AROUND, "10.0.0.7"},
        {"10.0.0.1-10.0.0.9", "10.0.0.5-10.0.0.20", IPRANGE_OVERLAP, "10.0.0.5-10.0.0.9"},
        {"10.0.0.5-10.0.0.20", "10.0.0.1-10.0.0.9", IPRANGE_OVERLAP, "10.0.0.5-10.0.0.9"},
        {"10.0.0.1-10.0.0.9", "10.0.0.9-10.0.0.20", IPRANGE_OVERLAP, "10.0.0.9"},
        {"0.0.0.0/0", "::/0", IPRANGE_DISJOINT, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct iprange a = range(rows[i].a), b = range(rows[i].b), common;
        char text[IPRANGE_TEXT_SIZE];
        unit_row(rows[i].a);
        CHECK_U64(iprange_relation(&a, &b, &common), rows[i].relation);
        CHECK_U64(iprange_relation(&a, &b, NULL), rows[i].relation);
        if (rows[i].common)
            CHECK_STR(iprange_format(&common, text), rows[i].common);
    }
}

static unsigned __int128 number(const struct ipaddr *a)
{
    unsigned __int128 n = 0;
    for (size_t i = 0; i < 16; i++)
        n = n << 8 | a->octets[i];
    return n;
}

/* Prefixes follow each other without a gap from first to last, each is aligned, and no two
 * neighbours could be one: then there are no fewer. */
static void check_prefixes(const struct iprange *r)
{
    struct iprange_prefix prefixes[IPRANGE_PREFIXES_MAX];
    size_t count = iprange_to_prefixes(r, prefixes);
    unsigned __int128 next = number(&r->first);
    bool tiled = true, minimal = true;
    for (size_t i = 0; i < count; i++) {
        unsigned host = 128 - prefixes[i].bits;
        unsigned __int128 size = host == 128 ? 0 : (unsigned __int128)1 << host;
        unsigned __int128 at = number(&prefixes[i].addr);
        tiled = tiled && at == next && (at & (size - 1)) == 0;
        if (i > 0 && prefixes[i].bits == prefixes[i - 1].bits)
            minimal = minimal && (at & size) == 0;
        next = at + size;
    }
    CHECK(tiled && minimal);
    CHECK(next == number(&r->last) + 1);
}

static void test_prefixes(void)
{
    static const struct {
        const char *range;
        size_t count;
    } rows[] = {
        {"0.0.0.0/0", 1},
        {"10.0.0.0/8", 1},
        {"10.0.0.1", 1},
        {"192.168.1.110-192.168.1.119", 2},
        {"0.0.0.1-255.255.255.254", 62},
        {"::/0", 1},
        {"::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 254},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct iprange r = range(rows[i].range);
        struct iprange_prefix prefixes[IPRANGE_PREFIXES_MAX];
        unit_row(rows[i].range);
        CHECK_U64(iprange_to_prefixes(&r, prefixes), rows[i].count);
        check_prefixes(&r);
    }
}

static void test_prefixes_of_random_ranges(void)
{
    uint64_t seed = (uint64_t)time(NULL);
    char row[64];
    snprintf(row, sizeof row, "seed %llu", (unsigned long long)seed);
    printf("%s\n", row);
    unit_row(row);
    rand_seed(seed);
    for (int i = 0; i < 5000; i++) {
        bool v4 = rand_below(2);
        struct iprange r = {IPADDR_V4_ANY, IPADDR_V4_ANY};
        if (!v4) /* 2000::/4: clear of the mapped block */
            r.first.octets[0] = r.last.octets[0] = 0x20;
        for (size_t k = 16 - 1 - rand_below(v4 ? 4 : 14); k < 16; k++) {
            r.first.octets[k] = (uint8_t)rand_below(256);
            r.last.octets[k] = (uint8_t)rand_below(256);
        }
        if (ipaddr_compare(&r.first, &r.last) > 0)
            r = (struct iprange){r.last, r.first};
        check_prefixes(&r);
    }
}

UNIT_MAIN("policy/iprange", {"parse", test_parse}, {"classful", test_classful},
          {"format", test_format}, {"predicates", test_predicates}, {"relation", test_relation},
          {"prefixes", test_prefixes},
          {"prefixes of random ranges", test_prefixes_of_random_ranges})
