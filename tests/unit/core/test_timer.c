/* core/timer: edges, past, moving, callbacks, periodic_catches_up, model. */
#include "core/timer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/rand.h"

#include "unit.h"

struct alarm {
    struct timer timer;
    unsigned fired;
    uint64_t fired_at_ms;
    const uint64_t *now_ms;
};

static void alarm_due(struct timer *t)
{
    struct alarm *a = CONTAINER_OF(t, struct alarm, timer);

    a->fired++;
    a->fired_at_ms = *a->now_ms;
}

static void test_edges(void)
{
    static const struct {
        const char *name;
        uint64_t start_ms, due_ms;
    } rows[] = {
        {"next ms", 0, 1},
        {"last slot of the first level", 0, 63},
        {"first slot of the second", 0, 64},
        {"across a block", 63, 64},
        {"across all blocks", 0xffffffff, 0x100000000},
        {"five minutes", 1000, 301000},
        {"a year", 123456789, 123456789 + 365ULL * 86400 * 1000},
        {"the end of time", 5, TIMER_NEVER - 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t now = rows[i].start_ms;
        struct timer_wheel *wheel = timer_wheel_new(now);
        struct alarm a = {.timer.on_due = alarm_due, .now_ms = &now};

        unit_row(rows[i].name);
        timer_set(wheel, &a.timer, rows[i].due_ms);
        CHECK(timer_wheel_next(wheel) <= rows[i].due_ms);
        now = rows[i].due_ms - 1;
        timer_wheel_advance(wheel, now);
        CHECK(a.fired == 0 && timer_armed(&a.timer));
        CHECK_U64(timer_wheel_next(wheel), rows[i].due_ms);
        now = rows[i].due_ms;
        timer_wheel_advance(wheel, now);
        CHECK(a.fired == 1 && !timer_armed(&a.timer));
        CHECK_U64(timer_wheel_next(wheel), TIMER_NEVER);
        timer_wheel_free(&wheel);
        CHECK(!wheel);
    }
}

static void test_past(void)
{
    uint64_t now = 1000;
    struct timer_wheel *wheel = timer_wheel_new(now);
    struct alarm a = {.timer.on_due = alarm_due, .now_ms = &now};

    timer_set(wheel, &a.timer, 10);
    CHECK_U64(timer_wheel_next(wheel), 1000);
    timer_wheel_advance(wheel, 1000); /* time need not move */
    CHECK_U64(a.fired, 1);
    timer_set(wheel, &a.timer, TIMER_NEVER);
    CHECK(!timer_armed(&a.timer));
    timer_set(wheel, &a.timer, 1001);
    timer_set(wheel, &a.timer, TIMER_NEVER);
    CHECK(!timer_armed(&a.timer));
    CHECK_U64(timer_wheel_next(wheel), TIMER_NEVER);
    timer_wheel_free(&wheel);
}

static void test_moving(void)
{
    uint64_t now = 0;
    struct timer_wheel *wheel = timer_wheel_new(now);
    struct alarm a = {.timer.on_due = alarm_due, .now_ms = &now};

    timer_set(wheel, &a.timer, 100);
    timer_set(wheel, &a.timer, 5000); /* later: lazily */
    now = 4999;
    timer_wheel_advance(wheel, now);
    CHECK_U64(a.fired, 0);
    timer_set(wheel, &a.timer, 9000);
    timer_set(wheel, &a.timer, 5001); /* and back */
    now = 5001;
    timer_wheel_advance(wheel, now);
    CHECK_U64(a.fired, 1);
    timer_set(wheel, &a.timer, 6000);
    timer_cancel(&a.timer);
    timer_cancel(&a.timer);
    now = 7000;
    timer_wheel_advance(wheel, now);
    CHECK_U64(a.fired, 1);
    timer_set(wheel, &a.timer, 8000);
    timer_wheel_free(&wheel);
    CHECK(!timer_armed(&a.timer));
}

/* A callback that frees its object, cancels its neighbour of the same slot, and arms a third. */
struct group {
    struct timer_wheel *wheel;
    struct alarm victim, third;
    uint64_t now_ms;
};
struct killer {
    struct timer timer;
    struct group *group;
};

static void killer_due(struct timer *t)
{
    struct killer *k = CONTAINER_OF(t, struct killer, timer);

    timer_cancel(&k->group->victim.timer);
    timer_set(k->group->wheel, &k->group->third.timer, k->group->now_ms);
    mem_free(k);
}

static void test_callbacks(void)
{
    struct group g = {.now_ms = 10};
    struct killer *k = MEM_NEW(struct killer);

    g.wheel = timer_wheel_new(0);
    g.victim = (struct alarm){.timer.on_due = alarm_due, .now_ms = &g.now_ms};
    g.third = g.victim;
    k->timer.on_due = killer_due;
    k->group = &g;
    /* The latest set of a slot fires first, so that the victim is still to come. */
    timer_set(g.wheel, &g.victim.timer, 10);
    timer_set(g.wheel, &k->timer, 10);
    timer_wheel_advance(g.wheel, 10);
    CHECK_U64(g.victim.fired, 0);
    CHECK_U64(g.third.fired, 0); /* what is set to now waits for the next advance */
    CHECK_U64(timer_wheel_next(g.wheel), 10);
    timer_wheel_advance(g.wheel, 10);
    CHECK_U64(g.third.fired, 1);
    timer_wheel_free(&g.wheel);
}

struct again {
    struct timer timer;
    struct timer_wheel *wheel;
    uint64_t period_ms;
    unsigned fired;
};

static void again_due(struct timer *t)
{
    struct again *a = CONTAINER_OF(t, struct again, timer);

    a->fired++;
    timer_set(a->wheel, t, t->due_ms + a->period_ms);
}

static void test_periodic_catches_up(void)
{
    struct again a = {.timer.on_due = again_due, .period_ms = 7};

    a.wheel = timer_wheel_new(0);
    timer_set(a.wheel, &a.timer, 7);
    for (uint64_t now = 1; now <= 700; now++)
        timer_wheel_advance(a.wheel, now);
    CHECK_U64(a.fired, 100);
    timer_cancel(&a.timer);
    timer_wheel_free(&a.wheel);
}

/* The model: an array of due times and a loop over it. */
enum { MODEL_TIMERS = 64, MODEL_STEPS = 40000 };
struct model {
    struct timer_wheel *wheel;
    uint64_t now_ms;
    struct alarm alarms[MODEL_TIMERS];
    uint64_t due_ms[MODEL_TIMERS]; /* TIMER_NEVER: not armed */
};

static uint64_t model_first(const struct model *m)
{
    uint64_t first = TIMER_NEVER;

    for (size_t i = 0; i < MODEL_TIMERS; i++)
        first = m->due_ms[i] < first ? m->due_ms[i] : first;
    return first;
}

static void model_advance(struct model *m)
{
    static const unsigned shifts[] = {1, 3, 8, 14, 24, 40};
    uint64_t step = rand_below(UINT64_C(1) << shifts[rand_below(ARRAY_SIZE(shifts))]);

    /* Often exactly to where the wheel wants to be woken. */
    if (rand_below(3) == 0 && model_first(m) != TIMER_NEVER)
        m->now_ms = timer_wheel_next(m->wheel) > m->now_ms ? timer_wheel_next(m->wheel) : m->now_ms;
    else
        m->now_ms += step;
    for (size_t i = 0; i < MODEL_TIMERS; i++)
        m->alarms[i].fired = 0;
    timer_wheel_advance(m->wheel, m->now_ms);
    for (size_t i = 0; i < MODEL_TIMERS; i++) {
        bool due = m->due_ms[i] <= m->now_ms;

        if (m->alarms[i].fired != due)
            CHECK_U64(m->alarms[i].fired, due);
        if (due)
            m->due_ms[i] = TIMER_NEVER;
    }
}

static void model_step(struct model *m)
{
    static const unsigned shifts[] = {0, 5, 6, 7, 12, 13, 18, 30, 45};
    size_t i = rand_below(MODEL_TIMERS);
    uint64_t ahead = rand_below((UINT64_C(1) << shifts[rand_below(ARRAY_SIZE(shifts))]) + 1);

    switch (rand_below(4)) {
    case 0:
        timer_cancel(&m->alarms[i].timer);
        m->due_ms[i] = TIMER_NEVER;
        break;
    case 1:
        model_advance(m);
        break;
    default:
        m->due_ms[i] = m->now_ms + ahead;
        if (ahead == 1 && m->now_ms > 5)
            m->due_ms[i] = m->now_ms - 5;
        timer_set(m->wheel, &m->alarms[i].timer, m->due_ms[i]);
    }
    if (timer_armed(&m->alarms[i].timer) != (m->due_ms[i] != TIMER_NEVER))
        CHECK(timer_armed(&m->alarms[i].timer) == (m->due_ms[i] != TIMER_NEVER));
}

static void test_model(void)
{
    const char *given = getenv("TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    struct model m = {.now_ms = 987654321};
    unsigned late = 0;

    printf("seed %llu (TEST_SEED repeats it)\n", (unsigned long long)seed);
    rand_seed(seed);
    m.wheel = timer_wheel_new(m.now_ms);
    for (size_t i = 0; i < MODEL_TIMERS; i++) {
        m.alarms[i] = (struct alarm){.timer.on_due = alarm_due, .now_ms = &m.now_ms};
        m.due_ms[i] = TIMER_NEVER;
    }
    for (unsigned step = 0; step < MODEL_STEPS; step++) {
        uint64_t first, next;

        model_step(&m);
        first = model_first(&m);
        next = timer_wheel_next(m.wheel);
        if (first == TIMER_NEVER ? next != TIMER_NEVER : next > first && next > m.now_ms)
            late++;
    }
    CHECK_U64(late, 0);
    timer_wheel_free(&m.wheel);
}

UNIT_MAIN("core/timer", {"edges", test_edges}, {"past", test_past}, {"moving", test_moving},
          {"callbacks", test_callbacks}, {"periodic_catches_up", test_periodic_catches_up},
          {"model", test_model})
