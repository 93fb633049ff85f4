/* core/ipaddr: parse, order, kinds, endpoint, sockaddr. */
#include "core/ipaddr.h"

#include <netinet/in.h>

#include "unit.h"

static struct ipaddr addr_of(const char *text)
{
    struct ipaddr a = IPADDR_V6_ANY;
    CHECK_U64(ipaddr_parse(bytes_of(text), &a), ERR_OK);
    return a;
}

static void test_parse(void)
{
    static const struct {
        const char *name;
        struct bytes text;
        const char *formatted; /* NULL: refused */
    } rows[] = {
        {"IPv4", BYTES("192.0.2.1"), "192.0.2.1"},
        {"IPv4 any", BYTES("0.0.0.0"), "0.0.0.0"},
        {"IPv6", BYTES("2001:DB8:0:0:0:0:0:1"), "2001:db8::1"},
        {"IPv6 any", BYTES("::"), "::"},
        {"longest run is cut", BYTES("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1"},
        {"mapped is IPv4", BYTES("::ffff:192.0.2.1"), "192.0.2.1"},
        {"mapped in hex", BYTES("::ffff:c000:201"), "192.0.2.1"},
        {"longest text", BYTES("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"),
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"empty", BYTES(""), NULL},
        {"three parts", BYTES("192.0.2"), NULL},
        {"too large", BYTES("192.0.2.256"), NULL},
        {"leading zero", BYTES("192.0.2.01"), NULL},
        {"hex", BYTES("0x7f.0.0.1"), NULL},
        {"number", BYTES("2130706433"), NULL},
        {"port", BYTES("192.0.2.1:25"), NULL},
        {"brackets", BYTES("[::1]"), NULL},
        {"zone", BYTES("fe80::1%eth0"), NULL},
        {"prefix", BYTES("192.0.2.0/24"), NULL},
        {"NUL inside", BYTES("192.0.2.1\0x"), NULL},
        {"blank after", BYTES("192.0.2.1 "), NULL},
        {"too long", BYTES("0000000000000000000000000000000000000000000000000000"), NULL},
        {"two runs", BYTES("1::2::3"), NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct ipaddr a;
        char text[IPADDR_TEXT_SIZE];
        enum err e = ipaddr_parse(rows[i].text, &a);
        CHECK_U64(e, rows[i].formatted ? ERR_OK : ERR_SYNTAX);
        if (e == ERR_OK)
            CHECK_STR(ipaddr_format(&a, text), rows[i].formatted);
    }
}

static void test_order(void)
{
    static const char *const ascending[] = {"::",        "::1",       "0.0.0.0",     "127.0.0.1",
                                            "192.0.2.1", "192.0.2.2", "2001:db8::1", "ff02::1"};
    for (size_t i = 0; i < ARRAY_SIZE(ascending); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(ascending); k++) {
            unit_row(ascending[i]);
            struct ipaddr a = addr_of(ascending[i]), b = addr_of(ascending[k]);
            CHECK((ipaddr_compare(&a, &b) < 0) == (i < k));
            CHECK((ipaddr_compare(&a, &b) > 0) == (i > k));
            CHECK(ipaddr_equal(&a, &b) == (i == k));
        }
    }
}

static const struct {
    const char *text;
    bool v4, loopback, special;
} kind_rows[] = {
    {"192.0.2.1", true, false, false},
    {"8.8.8.8", true, false, false},
    {"0.0.0.0", true, false, true},
    {"0.255.255.255", true, false, true},
    {"1.0.0.0", true, false, false},
    {"9.255.255.255", true, false, false},
    {"10.0.0.0", true, false, true},
    {"10.255.255.255", true, false, true},
    {"11.0.0.0", true, false, false},
    {"100.63.255.255", true, false, false},
    {"100.64.0.0", true, false, true},
    {"100.127.255.255", true, false, true},
    {"100.128.0.0", true, false, false},
    {"126.255.255.255", true, false, false},
    {"127.0.0.1", true, true, true},
    {"127.255.255.255", true, true, true},
    {"128.0.0.0", true, false, false},
    {"169.253.255.255", true, false, false},
    {"169.254.169.254", true, false, true},
    {"169.255.0.0", true, false, false},
    {"172.15.255.255", true, false, false},
    {"172.16.0.0", true, false, true},
    {"172.31.255.255", true, false, true},
    {"172.32.0.0", true, false, false},
    {"192.167.255.255", true, false, false},
    {"192.168.0.0", true, false, true},
    {"192.169.0.0", true, false, false},
    {"223.255.255.255", true, false, false},
    {"224.0.0.1", true, false, true},
    {"240.0.0.1", true, false, true},
    {"255.255.255.255", true, false, true},
    {"::ffff:127.0.0.1", true, true, true},
    {"::ffff:10.1.2.3", true, false, true},
    {"::", false, false, true},
    {"::1", false, true, true},
    {"::7f00:1", false, false, true},
    {"2001:db8::1", false, false, false},
    {"2600::1", false, false, false},
    {"fbff::1", false, false, false},
    {"fc00::1", false, false, true},
    {"fdff::1", false, false, true},
    {"fe00::1", false, false, false},
    {"fe80::1", false, false, true},
    {"febf::1", false, false, true},
    {"fec0::1", false, false, true},
    {"ff02::1", false, false, true},
    {"64:ff9b::127.0.0.1", false, false, true},
    {"64:ff9b::8.8.8.8", false, false, false},
    {"2002:7f00:1::", false, false, true},
    {"2002:a00:1::1", false, false, true},
    {"2002:808:808::1", false, false, false},
};

static void test_kinds(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(kind_rows); i++) {
        unit_row(kind_rows[i].text);
        struct ipaddr a = addr_of(kind_rows[i].text);
        CHECK(ipaddr_is_v4(&a) == kind_rows[i].v4);
        CHECK(ipaddr_is_loopback(&a) == kind_rows[i].loopback);
        CHECK(ipaddr_is_special(&a) == kind_rows[i].special);
    }
    CHECK(ipaddr_is_v4(&IPADDR_V4_ANY) && !ipaddr_is_v4(&IPADDR_V6_ANY));
}

static void test_endpoint(void)
{
    static const struct {
        const char *name, *text, *formatted;
        int family;
    } rows[] = {
        {"IPv4", "192.0.2.1:25", "192.0.2.1:25", AF_INET},
        {"IPv6", "[2001:db8::1]:65535", "[2001:db8::1]:65535", AF_INET6},
        {"port zero", "0.0.0.0:0", "0.0.0.0:0", AF_INET},
        {"mapped", "[::ffff:192.0.2.1]:25", "192.0.2.1:25", AF_INET},
        {"IPv4 in brackets", "[192.0.2.1]:25", "192.0.2.1:25", AF_INET},
        {"no port", "192.0.2.1", NULL, 0},
        {"empty port", "192.0.2.1:", NULL, 0},
        {"port too large", "192.0.2.1:65536", NULL, 0},
        {"sign", "192.0.2.1:+25", NULL, 0},
        {"IPv6 without brackets", "2001:db8::1:25", NULL, 0},
        {"no address", ":25", NULL, 0},
        {"empty brackets", "[]:25", NULL, 0},
        {"open bracket", "[::1:25", NULL, 0},
        {"name", "localhost:25", NULL, 0},
        {"empty", "", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct endpoint e, back;
        struct sockaddr_storage sa;
        char text[ENDPOINT_TEXT_SIZE];
        enum err err = endpoint_parse(bytes_of(rows[i].text), &e);
        CHECK_U64(err, rows[i].formatted ? ERR_OK : ERR_SYNTAX);
        if (err != ERR_OK)
            continue;
        CHECK_STR(endpoint_format(&e, text), rows[i].formatted);
        socklen_t len = endpoint_to_sockaddr(&e, &sa);
        CHECK(sa.ss_family == rows[i].family);
        CHECK_U64(len, sa.ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                               : sizeof(struct sockaddr_in6));
        endpoint_from_sockaddr((struct sockaddr *)&sa, &back);
        CHECK(endpoint_equal(&e, &back));
        back.port++;
        CHECK(!endpoint_equal(&e, &back));
    }
}

static void test_sockaddr(void)
{
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(587), .sin6_scope_id = 3};
    struct endpoint e;
    in6.sin6_addr.s6_addr[0] = 0xfe;
    in6.sin6_addr.s6_addr[1] = 0x80;
    endpoint_from_sockaddr((struct sockaddr *)&in6, &e);
    CHECK_U64(e.port, 587);
    CHECK_U64(e.scope, 3);
    struct sockaddr_storage back;
    CHECK_U64(endpoint_to_sockaddr(&e, &back), sizeof in6);
    CHECK(memcmp(&back, &in6, sizeof in6) == 0);
    struct sockaddr local = {.sa_family = AF_UNIX};
    endpoint_from_sockaddr(&local, &e);
    CHECK(ipaddr_equal(&e.addr, &IPADDR_V6_ANY) && e.port == 0);
}

UNIT_MAIN("core/ipaddr", {"parse", test_parse}, {"order", test_order}, {"kinds", test_kinds},
          {"endpoint", test_endpoint}, {"sockaddr", test_sockaddr})
