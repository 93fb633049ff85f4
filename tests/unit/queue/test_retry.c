/* queue/retry: a destination that cannot be reached, a message told 4xx, jitter spreads, stored
 * times. */
#include "queue/retry.h"

#include "core/err.h"
#include "core/rand.h"

#include "queue_settings.h"
#include "unit.h"

#define MINUTE 60000ULL

/* At least the interval, at most a sixteenth more. */
static void check_near(uint64_t delay_ms, uint64_t interval_ms)
{
    CHECK(delay_ms >= interval_ms);
    CHECK(delay_ms <= interval_ms + interval_ms / 16);
}

static const struct dest_row {
    const char *name;
    uint32_t glitches, transients, failures;
    uint64_t interval_ms;
} dest_rows[] = {
    {"first failure is a glitch", 4, 6, 1, MINUTE},
    {"last glitch", 4, 6, 4, MINUTE},
    {"first transient", 4, 6, 5, 5 * MINUTE},
    {"last transient", 4, 6, 10, 5 * MINUTE},
    {"then the long interval", 4, 6, 11, 10 * MINUTE},
    {"for ever", 4, 6, UINT32_MAX, 10 * MINUTE},
    {"no glitches", 0, 6, 1, 5 * MINUTE},
    {"no glitches, no transients", 0, 0, 1, 10 * MINUTE},
    {"counts that overflow 32 bits", UINT32_MAX, UINT32_MAX, UINT32_MAX, MINUTE},
};

static void test_destination(void)
{
    struct retry_settings s;
    for (size_t i = 0; i < ARRAY_SIZE(dest_rows); i++) {
        unit_row(dest_rows[i].name);
        s = TEST_RETRY_SETTINGS;
        s.glitch_retry_count = dest_rows[i].glitches;
        s.transient_failure_retry_count = dest_rows[i].transients;
        for (int n = 0; n < 100; n++)
            check_near(retry_destination_delay(&s, dest_rows[i].failures),
                       dest_rows[i].interval_ms);
    }
}

static void test_message(void)
{
    struct retry_settings s = TEST_RETRY_SETTINGS;
    for (uint32_t attempts = 1; attempts < 100; attempts++)
        check_near(retry_message_delay(&s), 5 * MINUTE);
    s.message_retry_interval_ms = 0;
    CHECK(retry_message_delay(&s) > 0);
}

static void test_jitter(void)
{
    struct retry_settings s;
    uint64_t least = UINT64_MAX, most = 0;
    s = TEST_RETRY_SETTINGS;
    rand_seed(1);
    for (int i = 0; i < 1000; i++) {
        uint64_t delay_ms = retry_message_delay(&s);
        least = delay_ms < least ? delay_ms : least;
        most = delay_ms > most ? delay_ms : most;
    }
    CHECK(most - least > 15000); /* of 18,750 */
}

static const struct until_row {
    const char *name;
    int64_t at_ms, now_ms;
    uint64_t delay_ms;
} until_rows[] = {
    {"past", 999, 1000, 0},
    {"now", 1000, 1000, 0},
    {"to come", 61000, 1000, 60000},
    {"before 1970", -1000, -61000, 60000},
    {"clock was set back a year", 31536000000, 0, 10 * MINUTE + 10 * MINUTE / 16 + 1},
    {"garbage from the disk", INT64_MAX, -1, 10 * MINUTE + 10 * MINUTE / 16 + 1},
    {"garbage of the other sign", INT64_MIN, INT64_MAX, 0},
};

static void test_until(void)
{
    struct retry_settings s = TEST_RETRY_SETTINGS;
    for (size_t i = 0; i < ARRAY_SIZE(until_rows); i++) {
        unit_row(until_rows[i].name);
        CHECK_U64(retry_delay_until(&s, until_rows[i].at_ms, until_rows[i].now_ms),
                  until_rows[i].delay_ms);
    }
}

UNIT_MAIN("queue/retry", {"a destination that cannot be reached", test_destination},
          {"a message told 4xx", test_message}, {"jitter spreads", test_jitter},
          {"stored times", test_until})
