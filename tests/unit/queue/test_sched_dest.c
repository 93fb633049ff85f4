/* queue/sched_dest: the window, destinations in turn, a destination waits, failures of one
 * window, no route, routes change, idle destinations. */
#include "sched_fixture.h"

#include "plain_route.h"

static void test_window(void)
{
    begin();
    for (int i = 0; i < 50; i++)
        submit("a@a.test");
    CHECK_U64(world.job_count, 10);
    uint64_t last = 0;
    for (int i = 0; i < 50; i++) {
        CHECK(world.jobs[0]->ref.id > last); /* first come, first served */
        last = world.jobs[0]->ref.id;
        answer(0, OK, false);
    }
    CHECK_U64(disk.dones, 50);
    CHECK_U64(world.job_count, 0);
    finish();
}

static void test_fair(void)
{
    begin();
    sched_free(&world.sched);
    world.settings.jobs_max = 4;
    restart();
    for (int i = 0; i < 20; i++)
        submit("a@a.test");
    submit("b@b.test");
    submit("c@c.test");
    CHECK_U64(world.job_count, 4);
    size_t other = 0;
    for (int i = 0; i < 3; i++) {
        answer(0, OK, false);
        CHECK_U64(world.job_count, 4);
        other += strcmp(world.jobs[world.job_count - 1]->route->key, "a.test") != 0;
    }
    CHECK_U64(other, 2);
    finish();
}

/* C-068, R-12: a thousand messages, one probe. */
static void test_destination_waits(void)
{
    begin();
    for (int i = 0; i < 1000; i++)
        submit("a@a.test");
    for (int i = 0; i < 10; i++)
        answer(0, DEAD, true);
    CHECK_U64(world.job_count, 0);
    CHECK_U64(stats().destinations_waiting, 1);
    submit("b@b.test");
    answer(0, OK, false);
    pass(59 * SECOND);
    CHECK_U64(world.job_count, 0);
    static const int64_t waits[] = {1, 1, 1, 5, 5, 5, 5, 5, 5, 10, 10};
    for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
        pass(i == 0 ? 5 * SECOND : 0);
        CHECK_U64(world.job_count, 1);
        answer(0, DEAD, true);
        pass(waits[i] * MINUTE - 1);
        CHECK_U64(world.job_count, 0);
        pass(waits[i] * MINUTE / 16 + 1);
    }
    CHECK_U64(world.job_count, 1);
    answer(0, LATER, false); /* it answers: all others may go */
    CHECK_U64(world.job_count, 10);
    CHECK_U64(stats().destinations_waiting, 0);
    finish();
}

/* Two failures of one window are one; a success among them opens it again. */
static void test_epochs(void)
{
    begin();
    for (int i = 0; i < 3; i++)
        submit("a@a.test");
    answer(0, DEAD, true);
    CHECK_U64(stats().destinations_waiting, 1);
    answer(0, OK, false);
    CHECK_U64(stats().destinations_waiting, 0);
    CHECK_U64(world.job_count, 2); /* the first one again */
    answer(0, DEAD, true);         /* sent before the success */
    CHECK_U64(stats().destinations_waiting, 0);
    answer(0, DEAD, true);
    CHECK_U64(stats().destinations_waiting, 1);
    pass(2 * MINUTE);
    while (world.job_count)
        answer(0, OK, false);
    CHECK_U64(disk.dones, 3);
    finish();
}

static void test_unreachable(void)
{
    begin();
    uint64_t id = submit("a@none.test");
    uint64_t other = submit("b@none.test c@b.test");
    CHECK_U64(world.job_count, 1);
    answer(0, OK, false);
    CHECK_U64(disk.kept[id].outcome.attempts, 1);
    CHECK_U64(disk.kept[other].outcome.rcpt_count, 2);
    unsigned asked = world.routes_asked;
    pass(2 * MINUTE);
    CHECK(world.routes_asked > asked);
    CHECK_U64(world.job_count, 0);
    world.new_routes = true;
    sched_retry_all(world.sched);
    settle_down();
    CHECK_U64(world.job_count, 2);
    answer(0, OK, false);
    answer(0, OK, false);
    CHECK(disk.kept[id].done && disk.kept[other].done);
    finish();
}

static void test_routes_change(void)
{
    begin();
    for (int i = 0; i < 5; i++)
        submit(i % 2 ? "a@a.test" : "a@a.test b@b.test");
    while (world.job_count)
        answer(0, DEAD, true);
    CHECK_U64(stats().destinations_waiting, 2);
    world.new_routes = true;
    sched_retry_all(world.sched);
    settle_down();
    CHECK_U64(world.job_count, 6); /* five by the new way, a probe of b.test */
    size_t by_new = 0;
    for (size_t i = 0; i < world.job_count; i++)
        by_new += strcmp(world.jobs[i]->route->key, "new") == 0;
    CHECK_U64(by_new, 5);
    while (world.job_count)
        answer(0, OK, false);
    CHECK_U64(disk.dones, 5);
    finish();
}

static void test_idle(void)
{
    begin();
    submit("a@a.test");
    answer(0, OK, false);
    CHECK_U64(stats().destinations, 1);
    pass(2 * MINUTE);
    CHECK_U64(stats().destinations, 1);
    pass(2 * MINUTE);
    CHECK_U64(stats().destinations, 0);
    CHECK_U64(plain_routes_held(), 0);
    finish();
}

UNIT_MAIN("queue/sched_dest", {"the window", test_window}, {"destinations in turn", test_fair},
          {"a destination waits", test_destination_waits}, {"failures of one window", test_epochs},
          {"no route", test_unreachable}, {"routes change", test_routes_change},
          {"idle destinations", test_idle})
