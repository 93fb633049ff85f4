/* bench/load_knee: searches, a peer that changes its mind. */
#include "bench/load_knee.h"

#include "unit.h"

/* A peer that holds every rate up to CAPACITY. */
static void test_searches(void)
{
    static const struct {
        const char *name;
        unsigned long first, capacity, steps_max;
    } rows[] = {
        {"far above the first rate", 500, 12345, 12},
        {"just above it", 500, 501, 8},
        {"just it", 500, 500, 8},
        {"just below it", 500, 499, 8},
        {"far below it", 500, 3, 14},
        {"one", 500, 1, 14},
        {"none", 500, 0, 14},
        {"the first rate is 1", 1, 1000, 20},
        {"more than is ever tried", 500, LOAD_KNEE_RATE_MAX * 2ul, 20},
        {"as much as is ever tried", LOAD_KNEE_RATE_MAX, LOAD_KNEE_RATE_MAX, 2},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct load_knee k;
        unsigned long steps = 0, tried_max = 0;
        unit_row(rows[i].name);
        load_knee_start(&k, rows[i].first);
        CHECK_U64(k.rate, rows[i].first);
        for (; k.rate && steps < 100; steps++) {
            tried_max = k.rate > tried_max ? k.rate : tried_max;
            CHECK(k.rate != k.low && k.rate != k.high);
            load_knee_note(&k, k.rate <= rows[i].capacity);
        }
        CHECK(steps <= rows[i].steps_max);
        CHECK(tried_max <= LOAD_KNEE_RATE_MAX);
        CHECK(k.low <= rows[i].capacity);
        CHECK(k.high == 0 || k.high > rows[i].capacity);
        if (k.high > 0 && k.low > 0)
            CHECK(k.high - k.low <= 1 || (k.high - k.low) * 100 <= k.low * LOAD_KNEE_PERCENT);
        if (rows[i].capacity == 0)
            CHECK(k.low == 0 && k.high == 1);
        else
            CHECK(k.low > 0);
    }
}

/* A rate that held once and then did not: the search ends all the same, between what it saw. */
static void test_a_peer_that_changes_its_mind(void)
{
    for (unsigned pattern = 0; pattern < 1u << 12; pattern++) {
        struct load_knee k;
        unsigned steps = 0;
        load_knee_start(&k, 1000);
        for (; k.rate && steps < 100; steps++)
            load_knee_note(&k, pattern >> steps % 12 & 1);
        if (!CHECK(steps < 100) || !CHECK(k.high == 0 || k.low < k.high))
            return;
    }
}

UNIT_MAIN("bench/load_knee", {"searches", test_searches},
          {"a peer that changes its mind", test_a_peer_that_changes_its_mind})
