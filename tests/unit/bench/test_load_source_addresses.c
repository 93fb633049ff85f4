/* bench/load_source_addresses: parsing, all differ. */
#include "bench/load_source_addresses.h"

#include "unit.h"

static void test_parsing(void)
{
    static const struct {
        const char *text;
        enum err e;
        const char *first, *last;
    } rows[] = {
        {"1", ERR_OK, "127.0.0.1", "127.0.0.1"},
        {"2", ERR_OK, "127.0.0.1", "127.128.0.0"},
        {"1000@127.0.0.0/8", ERR_OK, "127.0.0.1", "127.255.189.160"},
        {"16777214", ERR_OK, "127.0.0.1", "127.255.255.254"},
        {"6@127.1.2.3/29", ERR_OK, "127.1.2.1", "127.1.2.6"},
        {"2@127.1.2.3/30", ERR_OK, "127.1.2.1", "127.1.2.2"},
        {"254@192.0.2.0/24", ERR_OK, "192.0.2.1", "192.0.2.254"},
        {"", ERR_SYNTAX, NULL, NULL},
        {"0", ERR_SYNTAX, NULL, NULL},
        {"-1", ERR_SYNTAX, NULL, NULL},
        {"16777215", ERR_SYNTAX, NULL, NULL},
        {"7@127.1.2.0/29", ERR_SYNTAX, NULL, NULL},
        {"1@127.1.2.0/31", ERR_SYNTAX, NULL, NULL},
        {"1@127.0.0.0/7", ERR_SYNTAX, NULL, NULL},
        {"1@127.0.0.0", ERR_SYNTAX, NULL, NULL},
        {"1@::1/16", ERR_SYNTAX, NULL, NULL},
        {"1@", ERR_SYNTAX, NULL, NULL},
        {"@127.0.0.0/8", ERR_SYNTAX, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct source_addresses a = {0};
        char text[IPADDR_TEXT_SIZE];
        unit_row(rows[i].text);
        CHECK_U64(source_addresses_parse(bytes_of(rows[i].text), &a), rows[i].e);
        if (rows[i].e != ERR_OK)
            continue;
        struct ipaddr first = source_addresses_get(&a, 0);
        struct ipaddr last = source_addresses_get(&a, a.count - 1);
        struct ipaddr again = source_addresses_get(&a, a.count);
        CHECK_STR(ipaddr_format(&first, text), rows[i].first);
        CHECK_STR(ipaddr_format(&last, text), rows[i].last);
        CHECK(ipaddr_equal(&first, &again));
    }
}

static void test_all_differ(void)
{
    struct source_addresses a;
    bool grows = true;
    CHECK_U64(source_addresses_parse(BYTES("4000"), &a), ERR_OK);
    for (uint64_t i = 1; i < 4000; i++) {
        struct ipaddr one = source_addresses_get(&a, i - 1), next = source_addresses_get(&a, i);
        grows = grows && ipaddr_compare(&one, &next) < 0 && ipaddr_is_loopback(&next);
    }
    CHECK(grows);
}

UNIT_MAIN("bench/load_source_addresses", {"parsing", test_parsing}, {"all differ", test_all_differ})
