/* queue/sched_index: empty, taken, orders, random, stragglers, far_apart, cursor. */
#include "queue/sched_index.h"

#include "core/mem.h"
#include "core/rand.h"

#include "unit.h"

/* A model beside it: numbers up to MODEL_MAX, each there or not. The thing is the number's place.
 */
enum { MODEL_MAX = 5000 };
static char things[MODEL_MAX];
static bool there[MODEL_MAX];

static void begin(void)
{
    rand_seed(7);
    memset(there, 0, sizeof there);
}

static void add(struct sched_index *index, unsigned n)
{
    CHECK(sched_index_add(index, n, &things[n]) == !there[n]);
    there[n] = true;
}

static void take(struct sched_index *index, unsigned n)
{
    sched_index_remove(index, n, &things[n]);
    there[n] = false;
}

/* All of the model, and nothing else, in order, from cursor to cursor. */
static bool same(const struct sched_index *index, size_t step)
{
    void *page[400];
    unsigned n = 0;
    size_t total = 0;
    for (uint64_t after = 0;;) {
        size_t count = sched_index_after(index, after, page, step);
        for (size_t i = 0; i < count; i++) {
            for (n++; n < MODEL_MAX && !there[n]; n++)
                if (sched_index_find(index, n))
                    return false;
            if (n >= MODEL_MAX || page[i] != &things[n] || sched_index_find(index, n) != page[i])
                return false;
        }
        total += count;
        after = n;
        if (count < step)
            break;
    }
    for (n++; n < MODEL_MAX; n++)
        if (there[n])
            return false;
    return total == index->total;
}

static void test_empty(void)
{
    struct sched_index index = {0};
    void *out[1];
    begin();
    CHECK(!sched_index_find(&index, 1));
    CHECK_U64(sched_index_after(&index, 0, out, 1), 0);
    sched_index_remove(&index, 1, &things[1]);
    add(&index, 1);
    take(&index, 1);
    CHECK_U64(index.count, 0);
    CHECK(same(&index, 1));
    sched_index_free(&index);
    sched_index_free(&index);
}

static void test_taken(void)
{
    struct sched_index index = {0};
    begin();
    add(&index, 5);
    CHECK(!sched_index_add(&index, 5, &things[6]));
    sched_index_remove(&index, 5, &things[6]); /* another's */
    CHECK(sched_index_find(&index, 5) == &things[5]);
    CHECK_U64(index.total, 1);
    sched_index_free(&index);
}

static const struct order_row {
    const char *name;
    unsigned jitter; /* numbers within so many come in any order */
    bool down;
    size_t pages_max; /* for 4,096 numbers, 16 full pages */
} order_rows[] = {
    {"in order", 1, false, 16},
    {"about in order", 64, false, 21},
    {"in reverse", 1, true, 32},
    {"at random", 4096, false, 32},
};

static void test_orders(void)
{
    for (size_t r = 0; r < ARRAY_SIZE(order_rows); r++) {
        const struct order_row *row = &order_rows[r];
        struct sched_index index = {0};
        unsigned numbers[4096];
        unit_row(row->name);
        begin();
        for (unsigned i = 0; i < 4096; i++)
            numbers[i] = row->down ? 4096 - i : i + 1;
        for (unsigned i = 0; i < 4096; i++) {
            unsigned block = i / row->jitter * row->jitter;
            unsigned other = block + (unsigned)(rand_u64() % row->jitter);
            unsigned kept = numbers[i];
            numbers[i] = numbers[other];
            numbers[other] = kept;
        }
        for (unsigned i = 0; i < 4096; i++)
            add(&index, numbers[i]);
        CHECK(same(&index, 100));
        CHECK(index.count <= row->pages_max);
        for (unsigned i = 0; i < 4096; i++)
            take(&index, numbers[i]);
        CHECK_U64(index.count, 0);
        sched_index_free(&index);
    }
}

static void test_random(void)
{
    struct sched_index index = {0};
    begin();
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < 1000; i++) {
            unsigned n = 1 + (unsigned)(rand_u64() % (MODEL_MAX - 1));
            if (rand_u64() % 100 < (round / 10 % 2 ? 20 : 80))
                add(&index, n);
            else
                take(&index, n);
        }
        if (!CHECK(same(&index, 1 + round * 6)))
            break;
    }
    sched_index_free(&index);
}

/* One in 256 stays: they must not hold a page each. */
static void test_stragglers(void)
{
    struct sched_index index = {0};
    begin();
    for (unsigned n = 1; n < MODEL_MAX; n++)
        add(&index, n);
    for (unsigned n = 1; n < MODEL_MAX; n++)
        if (n % 256 != 3)
            take(&index, n);
    CHECK(same(&index, 7));
    CHECK_U64(index.count, 1);
    sched_index_free(&index);
}

/* Ids of several logs: the top octet differs. */
static void test_far_apart(void)
{
    struct sched_index index = {0};
    void *out[8];
    static const uint64_t numbers[] = {
        1, 2, 1 + (1ULL << 32), 2 + (1ULL << 33), (1ULL << 56) + 1, (1ULL << 56) + 2, UINT64_MAX};
    size_t count = ARRAY_SIZE(numbers);
    for (size_t i = 0; i < count; i++)
        CHECK(sched_index_add(&index, numbers[count - 1 - i], &things[count - 1 - i]));
    CHECK_U64(sched_index_after(&index, 0, out, 8), count);
    for (size_t i = 0; i < count; i++) {
        CHECK(out[i] == &things[i]);
        CHECK(sched_index_find(&index, numbers[i]) == &things[i]);
    }
    CHECK_U64(sched_index_after(&index, UINT64_MAX, out, 8), 0);
    CHECK_U64(sched_index_after(&index, (1ULL << 56), out, 8), 3);
    for (size_t i = 0; i < count; i++)
        sched_index_remove(&index, numbers[i], &things[i]);
    CHECK_U64(index.count + index.total, 0);
    sched_index_free(&index);
}

/* Things that are there all the time are met once, others come and go beside them. */
static void test_cursor(void)
{
    struct sched_index index = {0};
    unsigned met[MODEL_MAX] = {0};
    begin();
    for (unsigned n = 3; n < MODEL_MAX; n += 3)
        add(&index, n);
    uint64_t after = 0;
    for (size_t count = 1; count > 0;) {
        void *page[50];
        count = sched_index_after(&index, after, page, 50);
        for (size_t i = 0; i < count; i++) {
            after = (uint64_t)((char *)page[i] - things);
            met[after]++;
        }
        for (unsigned i = 0; i < 200; i++) {
            unsigned n = 1 + (unsigned)(rand_u64() % (MODEL_MAX - 1));
            if (n % 3 == 1)
                add(&index, n);
            else if (n % 3 == 2 || there[n - (n % 3 == 0)])
                take(&index, n % 3 ? n : n - 1);
        }
    }
    for (unsigned n = 1; n < MODEL_MAX; n++)
        CHECK(n % 3 == 0 ? met[n] == 1 : met[n] <= 1);
    sched_index_free(&index);
}

UNIT_MAIN("queue/sched_index", {"empty", test_empty}, {"taken", test_taken},
          {"orders", test_orders}, {"random", test_random}, {"stragglers", test_stragglers},
          {"far_apart", test_far_apart}, {"cursor", test_cursor})
