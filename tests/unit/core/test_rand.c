/* core/rand: seeded, below, threads. */
#include "core/rand.h"

#include <pthread.h>

#include "unit.h"

static void test_seeded(void)
{
    uint64_t first[8];
    bool same = true, differs = false;
    rand_seed(42);
    for (size_t i = 0; i < ARRAY_SIZE(first); i++)
        first[i] = rand_u64();
    rand_seed(42);
    for (size_t i = 0; i < ARRAY_SIZE(first); i++)
        same = same && rand_u64() == first[i];
    rand_seed(43);
    for (size_t i = 0; i < ARRAY_SIZE(first); i++)
        differs = differs || rand_u64() != first[i];
    CHECK(same);
    CHECK(differs);
}

static void test_below(void)
{
    static const struct {
        const char *name;
        uint64_t bound;
    } rows[] = {
        {"one", 1}, {"two", 2}, {"three", 3}, {"ten", 10}, {"a power of two", 64}, {"large", 97},
    };
    rand_seed(7);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        unsigned counts[100] = {0};
        bool inside = true;
        for (int k = 0; k < 100000; k++) {
            uint64_t n = rand_below(rows[i].bound);
            inside = inside && n < rows[i].bound;
            counts[n % 100]++;
        }
        CHECK(inside);
        /* Evenly, within a fifth of what is to be expected. */
        unsigned expected = (unsigned)(100000 / rows[i].bound);
        for (uint64_t n = 0; n < rows[i].bound; n++)
            CHECK(counts[n] > expected - expected / 5 && counts[n] < expected + expected / 5 + 1);
    }
    unit_row("all but one");
    for (int k = 0; k < 100; k++)
        CHECK(rand_below(UINT64_MAX) < UINT64_MAX);
}

static void *draw(void *out)
{
    *(uint64_t *)out = rand_u64();
    return NULL;
}

/* Threads seed themselves, each differently; chance alone fails this once in 2^64. */
static void test_threads(void)
{
    uint64_t drawn[2] = {0, 0};
    for (size_t i = 0; i < 2; i++) {
        pthread_t id;
        CHECK(pthread_create(&id, NULL, draw, &drawn[i]) == 0);
        CHECK(pthread_join(id, NULL) == 0);
    }
    CHECK(drawn[0] != drawn[1]);
}

UNIT_MAIN("core/rand", {"seeded", test_seeded}, {"below", test_below}, {"threads", test_threads})
