/* core/metrics: register, add, threads. */
#include "core/metrics.h"

#include <pthread.h>

#include "unit.h"

static void test_register(void)
{
    size_t before = metrics_count();
    metrics_id a = metrics_counter("test_a_total", "A things.");
    metrics_id b = metrics_gauge("test_b", "B things.");
    CHECK(a != b);
    CHECK_U64(metrics_counter("test_a_total", "A things."), a);
    CHECK_U64(metrics_count(), before + 2);
    CHECK_STR(metrics_describe(a).name, "test_a_total");
    CHECK_STR(metrics_describe(a).help, "A things.");
    CHECK(metrics_describe(a).kind == METRICS_COUNTER);
    CHECK(metrics_describe(b).kind == METRICS_GAUGE);
}

static void test_add(void)
{
    metrics_id c = metrics_counter("test_c_total", ""), g = metrics_gauge("test_g", "");
    CHECK_U64(metrics_read(c), 0);
    metrics_add(c, 1);
    metrics_add(c, 41);
    metrics_add(g, 5);
    metrics_add(g, -7);
    CHECK_U64(metrics_read(c), 42);
    CHECK(metrics_read(g) == -2);
}

enum { THREADS = 4, ADDS = 10000 };
static metrics_id shared;

static void *add_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < ADDS; i++)
        metrics_add(shared, 1);
    return NULL;
}

/* Ended threads count, and those that come after them count on. */
static void test_threads(void)
{
    shared = metrics_counter("test_shared_total", "");
    for (int round = 1; round <= 3; round++) {
        pthread_t ids[THREADS];
        int64_t last = metrics_read(shared);
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_create(&ids[i], NULL, add_many, NULL) == 0);
        for (int i = 0; i < 100; i++) {
            int64_t now = metrics_read(shared);
            CHECK(now >= last);
            last = now;
        }
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_join(ids[i], NULL) == 0);
        CHECK_U64(metrics_read(shared), round * THREADS * ADDS);
    }
}

UNIT_MAIN("core/metrics", {"register", test_register}, {"add", test_add}, {"threads", test_threads})
