/* config/conf_units: sizes, durations. */
#include "config/conf.h"

#include "unit.h"

#define REFUSED UINT64_MAX

struct row {
    const char *text;
    uint64_t wanted;
};

static void test_sizes(void)
{
    static const struct row rows[] = {
        {"0", 0},
        {"65536", 65536},
        {"64KB", 65536},
        {"64 kb", 65536},
        {"36MB", 37748736},
        {"1GB", 1ull << 30},
        {"2TB", 2ull << 40},
        {"17B", 17},
        {"", REFUSED},
        {"KB", REFUSED},
        {"-1", REFUSED},
        {"1.5MB", REFUSED},
        {"1XB", REFUSED},
        {"9223372036854775807TB", REFUSED},
        {"99999999999999999999", REFUSED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t bytes = 0;
        unit_row(rows[i].text);
        enum err e = conf_parse_size(bytes_of(rows[i].text), &bytes);
        CHECK_U64(e == ERR_OK ? bytes : REFUSED, rows[i].wanted);
    }
}

static void test_durations(void)
{
    static const struct row rows[] = {
        {"30s", 30000},           {"5m", 300000},       {"4h", 14400000},
        {"2d", 172800000},        {"250ms", 250},       {"0s", 0},
        {"00:10:00", 600000},     {"00:10", 600000},    {"2.00:00:00", 172800000},
        {"1.02:03:04", 93784000}, {"", REFUSED},        {"5", REFUSED},
        {"5 parsecs", REFUSED},   {"-5s", REFUSED},     {"00:60:00", REFUSED},
        {"24:00:00", REFUSED},    {"1:2:3:4", REFUSED}, {"99999999999999d", REFUSED},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t ms = 0;
        unit_row(rows[i].text);
        enum err e = conf_parse_duration(bytes_of(rows[i].text), &ms);
        CHECK_U64(e == ERR_OK ? ms : REFUSED, rows[i].wanted);
    }
}

UNIT_MAIN("config/conf_units", {"sizes", test_sizes}, {"durations", test_durations})
