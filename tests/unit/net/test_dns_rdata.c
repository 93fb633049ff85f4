/* net/dns_rdata: parse MX, parse addresses, names, best MX. */
#include "net/dns_rdata.h"

#include "core/mem.h"
#include "core/rand.h"
#include "unit.h"

/* Three labels of 63 and one of 61 are 255 octets with their lengths and the root. */
static char longest[300], too_long[300], label64[80];

static const struct mx_row {
    const char *name;
    struct bytes rdata;
    enum err e;
    unsigned preference;
    const char *host; /* NULL: only the length matters */
} mx_rows[] = {
    {"plain", BYTES("\0\x0a\2mx\4test\0"), ERR_OK, 10, "mx.test"},
    {"high preference", BYTES("\xff\xff\1a\0"), ERR_OK, 65535, "a"},
    {"the root", BYTES("\0\0\0"), ERR_OK, 0, ""},
    {"underscore and digits", BYTES("\0\1\3_a9\0"), ERR_OK, 1, "_a9"},
    {"255 octets", {longest, 2 + 255}, ERR_OK, 1, NULL},
    {"256 octets", {too_long, 2 + 256}, ERR_CORRUPT, 0, NULL},
    {"nothing", BYTES(""), ERR_CORRUPT, 0, NULL},
    {"one octet", BYTES("\0"), ERR_CORRUPT, 0, NULL},
    {"two octets", BYTES("\0\x0a"), ERR_CORRUPT, 0, NULL},
    {"no end", BYTES("\0\x0a\2mx"), ERR_CORRUPT, 0, NULL},
    {"label beyond the end", BYTES("\0\x0a\5mx\0"), ERR_CORRUPT, 0, NULL},
    {"label to the very end", BYTES("\0\x0a\3mx\0"), ERR_CORRUPT, 0, NULL},
    {"octets after the name", BYTES("\0\x0a\2mx\0x"), ERR_CORRUPT, 0, NULL},
    {"pointer", BYTES("\0\x0a\xc0\x02"), ERR_CORRUPT, 0, NULL},
    {"pointer after a label", BYTES("\0\x0a\2mx\xc0\x02"), ERR_CORRUPT, 0, NULL},
    {"label type 0x40", {label64, 68}, ERR_CORRUPT, 0, NULL},
    {"label type 0x80", BYTES("\0\x0a\x80xx\0"), ERR_CORRUPT, 0, NULL},
    {"dot in a label", BYTES("\0\x0a\3a.b\0"), ERR_CORRUPT, 0, NULL},
    {"NUL in a label", BYTES("\0\x0a\3a\0b\0"), ERR_CORRUPT, 0, NULL},
    {"line feed in a label", BYTES("\0\x0a\3a\nb\0"), ERR_CORRUPT, 0, NULL},
    {"8-bit in a label", BYTES("\0\x0a\3a\xe4z\0"), ERR_CORRUPT, 0, NULL},
};

static void make_long_names(void)
{
    static const char label63[] = "\x3f"
                                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "\0\1", 2);
    for (size_t i = 0; i < 3; i++)
        memcpy(longest + 2 + 64 * i, label63, 64);
    memcpy(too_long, longest, sizeof too_long);
    longest[2 + 192] = 61;
    longest[2 + 254] = 0;
    too_long[2 + 192] = 62;
    too_long[2 + 255] = 0;
    memset(label64, 'a', sizeof label64);
    memcpy(label64, "\0\1\x40", 3);
    label64[67] = 0;
}

static void check_mx(const struct mx_row *row)
{
    /* From the heap, to the byte: the sanitizer sees a read beyond. */
    char *copy = mem_alloc(row->rdata.len);
    memcpy(copy, row->rdata.ptr, row->rdata.len);
    struct dns_mx mx;
    enum err e = dns_parse_mx(bytes_make(copy, row->rdata.len), &mx);
    CHECK_U64(e, row->e);
    if (e == ERR_OK)
        CHECK_U64(mx.preference, row->preference);
    if (e == ERR_OK && row->host)
        CHECK_STR(mx.host, row->host);
    else if (e == ERR_OK)
        CHECK_U64(strlen(mx.host), 253);
    mem_free(copy);
}

static void test_parse_mx(void)
{
    make_long_names();
    for (size_t i = 0; i < ARRAY_SIZE(mx_rows); i++) {
        unit_row(mx_rows[i].name);
        check_mx(&mx_rows[i]);
    }
}

static void test_parse_addr(void)
{
    static const char octets[17] = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1";
    for (size_t len = 0; len <= sizeof octets; len++) {
        struct ipaddr a;
        char text[IPADDR_TEXT_SIZE];
        bool v4 = dns_parse_addr(bytes_make(octets, len), false, &a) == ERR_OK;
        CHECK(v4 == (len == 4));
        if (v4)
            CHECK_STR(ipaddr_format(&a, text), "32.1.13.184");
        bool v6 = dns_parse_addr(bytes_make(octets, len), true, &a) == ERR_OK;
        CHECK(v6 == (len == 16));
        if (v6)
            CHECK_STR(ipaddr_format(&a, text), "2001:db8::1");
    }
}

static void test_name_valid(void)
{
    static const struct {
        const char *name;
        bool valid;
    } rows[] = {
        {"example.com", true},
        {"example.com.", true},
        {"a", true},
        {"_dmarc.x-y.9", true},
        {"", false},
        {".", false},
        {"..", false},
        {"a..b", false},
        {".a", false},
        {"a.b..", false},
        {"a b.c", false},
        {"a\\.b", false},
        {"\xc3\xa4.example", false},
        {"a/b", false},
        {"[192.0.2.1]", false},
        {"*.example", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        CHECK(dns_name_valid(bytes_of(rows[i].name)) == rows[i].valid);
    }
    char name[256];
    memset(name, 'a', sizeof name);
    unit_row("lengths");
    CHECK(dns_name_valid(bytes_make(name, 63)) && !dns_name_valid(bytes_make(name, 64)));
    for (size_t i = 50; i < sizeof name; i += 51)
        name[i] = '.';
    CHECK(dns_name_valid(bytes_make(name, 253)) && !dns_name_valid(bytes_make(name, 254)));
}

/* The hundred best of many, whatever the order they come in. */
static void test_mx_insert(void)
{
    struct dns_mx *best = MEM_NEW_ARRAY(struct dns_mx, DNS_MX_MAX);
    size_t count = 0;
    uint16_t order[1000];
    rand_seed(3);
    for (uint16_t i = 0; i < ARRAY_SIZE(order); i++)
        order[i] = i;
    for (size_t i = ARRAY_SIZE(order); i > 1; i--) {
        size_t k = (size_t)rand_below(i);
        uint16_t t = order[i - 1];
        order[i - 1] = order[k];
        order[k] = t;
    }
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        struct dns_mx mx = {.preference = order[i]};
        count = dns_mx_insert(best, count, &mx);
        CHECK_U64(count, i < DNS_MX_MAX ? i + 1 : DNS_MX_MAX);
    }
    for (size_t i = 0; i < count; i++)
        CHECK_U64(best[i].preference, i);
    mem_free(best);
}

UNIT_MAIN("net/dns_rdata", {"parse MX", test_parse_mx}, {"parse addresses", test_parse_addr},
          {"names", test_name_valid}, {"best MX", test_mx_insert})
