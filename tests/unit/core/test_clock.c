/* core/clock: rfc5322, rfc3339, virtual, real. */
#include "core/clock.h"

#include <stdlib.h>
#include <time.h>

#include "unit.h"

static void use_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void test_rfc5322(void)
{
    /* A second is formatted once a thread: every row has a second of its own. */
    static const struct {
        const char *name, *zone;
        int64_t ms;
        const char *text;
    } rows[] = {
        {"the example of RFC 5321", "UTC-10", 1381230664000, "Tue, 08 Oct 2013 21:11:04 +1000"},
        {"UTC", "UTC0", 1381230665999, "Tue, 08 Oct 2013 11:11:05 +0000"},
        {"half an hour", "XXX-5:30", 1381230666000, "Tue, 08 Oct 2013 16:41:06 +0530"},
        {"west by half an hour", "XXX3:30", 1381230667000, "Tue, 08 Oct 2013 07:41:07 -0330"},
        {"leap day", "UTC0", 1709164800000, "Thu, 29 Feb 2024 00:00:00 +0000"},
        {"the epoch", "UTC0", 0, "Thu, 01 Jan 1970 00:00:00 +0000"},
        {"before the epoch", "UTC0", -1, "Wed, 31 Dec 1969 23:59:59 +0000"},
        {"after 2038", "UTC0", 4102444800000, "Fri, 01 Jan 2100 00:00:00 +0000"},
        {"beyond any year", "UTC0", INT64_MAX, "Thu, 01 Jan 1970 00:00:00 +0000"},
        {"before any year", "UTC0", INT64_MIN, "Thu, 01 Jan 1970 00:00:00 +0000"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        char text[CLOCK_RFC5322_SIZE];
        use_zone(rows[i].zone);
        CHECK_STR(clock_rfc5322(rows[i].ms, text), rows[i].text);
        CHECK_STR(clock_rfc5322(rows[i].ms, text), rows[i].text);
    }
    use_zone("UTC0");
}

static void test_rfc3339(void)
{
    static const struct {
        const char *name;
        int64_t ms;
        const char *text;
    } rows[] = {
        {"plain", 1381230664123, "2013-10-08T11:11:04.123Z"},
        {"same second", 1381230664007, "2013-10-08T11:11:04.007Z"},
        {"next second", 1381230665000, "2013-10-08T11:11:05.000Z"},
        {"back again", 1381230664999, "2013-10-08T11:11:04.999Z"},
        {"the epoch", 0, "1970-01-01T00:00:00.000Z"},
        {"before the epoch", -1, "1969-12-31T23:59:59.999Z"},
        {"last that fits", 253402300799999, "9999-12-31T23:59:59.999Z"},
        {"beyond", 253402300800000, "1970-01-01T00:00:00.000Z"},
    };
    use_zone("XXX-5");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        char text[CLOCK_RFC3339_SIZE];
        CHECK_STR(clock_rfc3339(rows[i].ms, text), rows[i].text);
    }
    use_zone("UTC0");
}

static void test_virtual(void)
{
    clock_virtual_start(5000, 1000000);
    CHECK_U64(clock_mono_ms(), 5000);
    CHECK_U64(clock_wall_ms(), 1000000);
    clock_virtual_advance(250);
    CHECK_U64(clock_mono_ms(), 5250);
    CHECK_U64(clock_mono_ns(), 5250000000u);
    CHECK_U64(clock_wall_ms(), 1000250);
    clock_virtual_set_wall(7);
    CHECK_U64(clock_wall_ms(), 7);
    CHECK_U64(clock_mono_ms(), 5250);
    clock_virtual_end();
    CHECK(clock_wall_ms() > 1600000000000);
}

static void test_real(void)
{
    uint64_t before = clock_mono_ns();
    CHECK(clock_mono_ns() >= before);
    CHECK(clock_mono_ms() >= before / 1000000);
    int64_t wall_s = clock_wall_ms() / 1000, now = (int64_t)time(NULL);
    CHECK(wall_s >= now - 2 && wall_s <= now + 2);
}

UNIT_MAIN("core/clock", {"rfc5322", test_rfc5322}, {"rfc3339", test_rfc3339},
          {"virtual", test_virtual}, {"real", test_real})
