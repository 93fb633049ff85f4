/* bench/load_histogram: percentiles, empty, beyond all buckets, merge, since. */
#include "bench/load_histogram.h"

#include "core/mem.h"

#include "unit.h"

/* Within the width of a bucket, 1/64 of its lower edge. */
static bool about(uint64_t actual, uint64_t wanted)
{
    return actual >= wanted && actual <= wanted + wanted / 64 + 1;
}

static void test_percentiles(void)
{
    static const struct {
        const char *name;
        uint64_t first, last; /* each once */
        double percent;
        uint64_t wanted;
    } rows[] = {
        {"median of 1..1000", 1, 1000, 50, 500},
        {"p90 of 1..1000", 1, 1000, 90, 900},
        {"p99 of 1..1000", 1, 1000, 99, 990},
        {"p99.9 of 1..1000", 1, 1000, 99.9, 999},
        {"all of 1..1000", 1, 1000, 100, 1000},
        {"one value, any percentile", 77777, 77777, 50, 77777},
        {"nothing took any time", 0, 0, 99, 0},
        {"small ones are exact", 0, 63, 50, 31},
        {"an hour", 3600000000u, 3600000099u, 50, 3600000050u},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct load_histogram *h = MEM_NEW(struct load_histogram);
        unit_row(rows[i].name);
        for (uint64_t us = rows[i].first; us <= rows[i].last; us++)
            load_histogram_add(h, us);
        CHECK(about(load_histogram_percentile(h, rows[i].percent), rows[i].wanted));
        CHECK_U64(h->total, rows[i].last - rows[i].first + 1);
        CHECK_U64(h->max_us, rows[i].last);
        CHECK(load_histogram_percentile(h, 99.9) <= h->max_us);
        mem_free(h);
    }
}

static void test_empty(void)
{
    struct load_histogram *h = MEM_NEW(struct load_histogram);
    CHECK_U64(load_histogram_percentile(h, 99), 0);
    CHECK_U64(h->max_us, 0);
    mem_free(h);
}

static void test_beyond_all_buckets(void)
{
    struct load_histogram *h = MEM_NEW(struct load_histogram);
    load_histogram_add(h, UINT64_MAX);
    load_histogram_add(h, 1);
    CHECK_U64(h->total, 2);
    CHECK_U64(h->max_us, UINT64_MAX);
    CHECK_U64(load_histogram_percentile(h, 50), 1);
    mem_free(h);
}

/* Two threads' histograms are as good as one. */
static void test_merge(void)
{
    struct load_histogram *both = MEM_NEW(struct load_histogram),
                          *one = MEM_NEW(struct load_histogram),
                          *sum = MEM_NEW(struct load_histogram);
    for (uint64_t us = 0; us < 5000; us++) {
        load_histogram_add(both, us * us);
        load_histogram_add(one, us * us);
        if (us % 2 == 1) { /* ONE has the even ones when it is added the first time */
            load_histogram_merge(sum, one);
            *one = (struct load_histogram){0};
        }
    }
    CHECK_U64(sum->total, both->total);
    CHECK_U64(sum->sum_us, both->sum_us);
    CHECK_U64(sum->max_us, both->max_us);
    CHECK(memcmp(sum->counts, both->counts, sizeof sum->counts) == 0);
    mem_free(both);
    mem_free(one);
    mem_free(sum);
}

static void test_since(void)
{
    struct load_histogram *h = MEM_NEW(struct load_histogram),
                          *copy = MEM_NEW(struct load_histogram),
                          *since = MEM_NEW(struct load_histogram);
    for (uint64_t us = 1; us <= 100000; us += 7)
        load_histogram_add(h, us);
    *copy = *h;
    load_histogram_since(h, copy, since);
    CHECK_U64(since->total, 0);
    CHECK_U64(since->max_us, 0);
    for (uint64_t us = 1; us <= 1000; us++)
        load_histogram_add(h, us);
    load_histogram_since(h, copy, since);
    CHECK_U64(since->total, 1000);
    CHECK_U64(since->sum_us, 500500);
    CHECK(about(since->max_us, 1000));
    CHECK(about(load_histogram_percentile(since, 50), 500));
    mem_free(h);
    mem_free(copy);
    mem_free(since);
}

UNIT_MAIN("bench/load_histogram", {"percentiles", test_percentiles}, {"empty", test_empty},
          {"beyond all buckets", test_beyond_all_buckets}, {"merge", test_merge},
          {"since", test_since})
