/* bench/load_source_pace: constant, poisson. */
#include "bench/load_source_pace.h"

#include "core/rand.h"

#include "unit.h"

enum { START_NS = 1000000007 };

static void on_due(struct source_pace *p)
{
    (void)p;
}

static struct source_pace *make(struct source_pace *p, struct loop *loop, double per_second,
                                bool poisson)
{
    *p = (struct source_pace){.on_due = on_due};
    CHECK_U64(source_pace_init(p, loop, per_second, poisson, NULL), ERR_OK);
    return p;
}

/* The intended times are those of the rate, however many there were. */
static void test_constant(void)
{
    static const struct {
        const char *name;
        double per_second, phase;
        unsigned count;
        uint64_t first_ns, last_ns; /* after the start */
    } rows[] = {
        {"1000 a second", 1000, 0, 10001, 0, 10000000000u},
        {"a third", 1.0 / 3, 0, 4, 0, 9000000000u},
        {"3 a second", 3, 0, 300001, 0, 100000000000000u},
        {"half a step later", 1000, 0.5, 1001, 500000, 1000500000},
        {"ten million", 1e7, 0, 1000001, 0, 100000000},
    };
    struct loop *loop;
    CHECK_U64(loop_new(&loop, NULL), ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct source_pace p;
        unit_row(rows[i].name);
        source_pace_start(make(&p, loop, rows[i].per_second, false), START_NS, rows[i].phase);
        CHECK_U64(p.due_ns, START_NS + rows[i].first_ns);
        for (unsigned k = 1; k < rows[i].count; k++)
            source_pace_advance(&p);
        uint64_t last = START_NS + rows[i].last_ns;
        CHECK(p.due_ns + 10000 > last && p.due_ns < last + 10000);
        source_pace_free(&p);
    }
    loop_free(&loop);
}

/* As many as the rate says in the long run; intervals as spread as they must be: their mean is
 * their standard deviation. */
static void test_poisson(void)
{
    enum { COUNT = 200000 };
    struct source_pace p;
    struct loop *loop;
    double sum = 0, squares = 0;
    bool monotonic = true;
    rand_seed(11);
    CHECK_U64(loop_new(&loop, NULL), ERR_OK);
    source_pace_start(make(&p, loop, 1000, true), START_NS, 0);
    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t before = p.due_ns;
        source_pace_advance(&p);
        monotonic = monotonic && p.due_ns >= before;
        double ms = (double)(p.due_ns - before) / 1e6;
        sum += ms;
        squares += ms * ms;
    }
    double mean = sum / COUNT, variance = squares / COUNT - mean * mean;
    CHECK(monotonic);
    CHECK(mean > 0.98 && mean < 1.02);
    CHECK(variance > 0.95 && variance < 1.05);
    source_pace_free(&p);
    loop_free(&loop);
}

UNIT_MAIN("bench/load_source_pace", {"constant", test_constant}, {"poisson", test_poisson})
