/* queue/sched: straight through, one job a destination, the route depends on size, drain, a
 * message waits, three fates, a failure is reported, a crash before the report, who is told
 * what, the next hop has DSN, no such domain, expiry behind a dead destination, expiry without a
 * route, the clock jumps, times after a restart, settled before the crash, unreadable
 * messages, a job without results, other threads, freed while busy. */
#include "sched_fixture.h"

#include "core/thread.h"

/* --- Straight through --- */

static void test_straight(void)
{
    begin();
    uint64_t id = submit("a@A.test");
    CHECK_U64(world.job_count, 1);
    CHECK_U64(world.jobs[0]->ref.id, id);
    CHECK_STR(world.jobs[0]->route->key, "a.test");
    CHECK_U64(stats().messages, 1);
    CHECK_U64(stats().jobs_under_way, 1);
    answer(0, OK, false);
    CHECK(disk.kept[id].done);
    CHECK_U64(disk.reads + disk.kept[id].outcomes + disk.commits, 0); /* no disk but the "done" */
    CHECK_U64(stats().messages + stats().jobs_under_way, 0);
    CHECK_U64(stats().delivered_rcpts, 1);
    submit("b@a.test");
    CHECK_U64(world.routes_asked, 1);
    finish();
}

static const struct parts_row {
    const char *name, *to;
    size_t jobs, first_rcpts;
} parts_rows[] = {
    {"one", "a@a.test", 1, 1},
    {"one domain (C-069)", "a@a.test b@A.TEST c@a.test", 1, 3},
    {"two domains, one smart host", "a@sh1.test b@sh2.test", 1, 2},
    {"two destinations", "a@a.test b@b.test", 2, 1},
    {"interleaved", "a@a.test b@b.test c@a.test d@b.test e@sh.test", 3, 2},
    {"postmaster alone", "postmaster", 1, 1},
};

static void test_parts(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(parts_rows); i++) {
        unit_row(parts_rows[i].name);
        begin();
        uint64_t id = submit(parts_rows[i].to);
        CHECK_U64(world.job_count, parts_rows[i].jobs);
        CHECK_U64(world.jobs[0]->attempt.rcpt_count, parts_rows[i].first_rcpts);
        for (size_t n = parts_rows[i].jobs; n > 0; n--) {
            CHECK(!disk.kept[id].done);
            answer(n - 1, OK, false);
        }
        CHECK(disk.kept[id].done);
        CHECK_U64(disk.commits, 0);
        CHECK_U64(stats().delivered_rcpts, disk.kept[id].envelope.rcpt_count);
        finish();
    }
}

/* The route for two sizes is the route for all between; beyond, the owner is asked. */
static void test_route_by_size(void)
{
    begin();
    submit_as("s@x", "a@sh.test", 0, 100);
    submit_as("s@x", "a@sh.test", 0, 900);
    unsigned asked = world.routes_asked;
    submit_as("s@x", "a@sh.test", 0, 500);
    CHECK_U64(world.routes_asked, asked);
    submit_as("s@x", "a@sh.test", 0, 2000);
    CHECK(world.routes_asked > asked);
    CHECK_STR(world.jobs[2]->route->key, "smart");
    CHECK_STR(world.jobs[3]->route->key, "smart-big");
    submit_as("s@x", "a@sh.test", 0, 500);
    CHECK_STR(world.jobs[4]->route->key, "smart");
    finish();
}

static void test_drain(void)
{
    begin();
    submit("a@a.test");
    sched_drain(world.sched);
    uint64_t second = submit("b@b.test");
    CHECK_U64(sched_jobs_under_way(world.sched), 1);
    answer(0, OK, false);
    pass(HOUR);
    CHECK_U64(sched_jobs_under_way(world.sched), 0);
    CHECK(!disk.kept[second].done);
    CHECK_U64(stats().messages, 1);
    finish();
}

/* --- Later --- */

static void test_message_waits(void)
{
    begin();
    uint64_t id = submit("a@a.test");
    answer(0, LATER, false);
    CHECK_U64(disk.kept[id].outcome.attempts, 1);
    CHECK_U64(disk.kept[id].rcpts[0].state, MAIL_RCPT_PENDING);
    CHECK_BYTES(disk.kept[id].rcpts[0].status.text, BYTES("Later"));
    int64_t next = disk.kept[id].outcome.next_attempt_at_ms;
    CHECK(next >= START_MS + 5 * MINUTE && next <= START_MS + 5 * MINUTE * 17 / 16);
    CHECK_U64(disk.reads, 0);
    submit("b@a.test"); /* the destination itself is well */
    CHECK_U64(world.job_count, 1);
    answer(0, OK, false);
    pass(next - START_MS - 1);
    CHECK_U64(world.job_count, 0);
    pass(1);
    CHECK_U64(world.job_count, 1);
    answer(0, OK, false);
    CHECK(disk.kept[id].done);
    CHECK_U64(stats().deferrals, 1);
    finish();
}

/* C-086 */
static void test_three_fates(void)
{
    const struct mail_status mixed[] = {NEVER[0], OK[0], LATER[0]};
    begin();
    uint64_t id = submit("a@a.test b@a.test c@a.test");
    answer(0, mixed, false);
    struct kept *k = &disk.kept[id];
    CHECK_U64(k->outcome.rcpt_count, 3);
    CHECK_U64(k->rcpts[0].state, MAIL_RCPT_FAILED);
    CHECK_U64(k->rcpts[1].state, MAIL_RCPT_DELIVERED);
    CHECK_U64(k->rcpts[2].state, MAIL_RCPT_PENDING);
    CHECK_U64(disk.commits, 1);
    CHECK(strstr(last_report, "a@a.test"));
    CHECK(!strstr(last_report, "c@a.test"));
    answer(0, OK, false); /* the report */
    pass(6 * MINUTE);
    CHECK_U64(world.job_count, 1);
    CHECK_U64(world.jobs[0]->attempt.rcpt_count, 1);
    CHECK_U64(world.jobs[0]->attempt.rcpts[0], 2);
    restart(); /* and after a crash too */
    CHECK_U64(world.job_count, 1);
    CHECK_U64(world.jobs[0]->attempt.rcpt_count, 1);
    CHECK_U64(world.jobs[0]->attempt.rcpts[0], 2);
    answer(0, OK, false);
    CHECK(k->done);
    CHECK_U64(disk.commits, 1);
    finish();
}

/* --- Never --- */

static void test_failed(void)
{
    begin();
    uint64_t id = submit("a@a.test");
    disk.commit_err = ERR_NOSPACE;
    answer(0, NEVER, false);
    CHECK_U64(disk.commits, 1);
    CHECK(!disk.kept[id].done); /* not before its report is durable */
    pass(30 * SECOND);
    CHECK_U64(disk.commits, 1);
    disk.commit_err = ERR_OK;
    pass(40 * SECOND);
    CHECK_U64(disk.commits, 2);
    CHECK(disk.kept[id].done);
    CHECK_U64(world.job_count, 1);
    CHECK_STR(world.jobs[0]->route->key, "from.test");
    uint64_t report = world.jobs[0]->ref.id;
    CHECK(disk.kept[report].meta.is_dsn);
    CHECK_U64(disk.kept[report].envelope.sender.len, 0);
    CHECK(strstr(last_report, "Diagnostic-Code: smtp; 550 5.1.1 Unknown\r\n"));
    answer(0, NEVER, false); /* C-063: nothing follows a report */
    CHECK(disk.kept[report].done);
    CHECK_U64(disk.commits, 2);
    CHECK_U64(stats().messages, 0);
    CHECK_U64(stats().reports, 1);
    finish();
}

static void test_failed_crash(void)
{
    begin();
    uint64_t id = submit("a@a.test");
    disk.commit_err = ERR_IO;
    answer(0, NEVER, false);
    disk.commit_err = ERR_OK;
    restart();
    CHECK_U64(world.job_count, 1);
    CHECK_U64(world.jobs[0]->ref.id, id);
    answer(0, NEVER, false);
    CHECK(disk.kept[id].done);
    finish();
}

static const struct report_row {
    const char *name, *sender, *to;
    uint8_t notify;
    const struct mail_status *result;
    unsigned reports, reads;
} report_rows[] = {
    {"default", "s@x.test", "a@a.test", 0, NEVER, 1, 2},
    {"NEVER", "s@x.test", "a@a.test", MAIL_NOTIFY_NEVER, NEVER, 0, 1},
    {"null sender", "", "a@a.test", MAIL_NOTIFY_FAILURE, NEVER, 0, 1},
    {"SUCCESS of a failure", "s@x.test", "a@a.test", MAIL_NOTIFY_SUCCESS, NEVER, 0, 1},
    {"SUCCESS", "s@x.test", "a@a.test", MAIL_NOTIFY_SUCCESS, OK, 1, 2},
    {"FAILURE, delivered", "s@x.test", "a@a.test", MAIL_NOTIFY_FAILURE, OK, 0, 0},
    {"SUCCESS from <>", "", "a@a.test", MAIL_NOTIFY_SUCCESS, OK, 0, 0},
    {"two at once", "s@x.test", "a@a.test b@a.test", 0, NEVER, 1, 2},
};

static void test_reports(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(report_rows); i++) {
        const struct report_row *row = &report_rows[i];
        unit_row(row->name);
        begin();
        uint64_t id = submit_as(row->sender, row->to, row->notify, 100);
        answer(0, row->result, false);
        CHECK_U64(disk.commits, row->reports);
        CHECK_U64(disk.reads, row->reads);
        CHECK(disk.kept[id].done);
        finish();
    }
}

static void test_dsn_passed(void)
{
    begin();
    uint64_t id = submit_as("s@x.test", "a@a.test", MAIL_NOTIFY_SUCCESS, 100);
    world.jobs[0]->attempt.dsn_passed = true;
    answer(0, OK, false);
    CHECK(disk.kept[id].done);
    CHECK_U64(disk.reads + disk.commits, 0);
    finish();
}

static void test_no_domain(void)
{
    begin();
    uint64_t id = submit("a@bad.test");
    CHECK(disk.kept[id].done);
    CHECK_U64(disk.commits, 1);
    CHECK(strstr(last_report, "Status: 5.1.2\r\n"));
    CHECK(!strstr(last_report, "Remote-MTA"));
    finish();
}

/* --- Too late --- */

/* Answers every job for as long: as if nothing but DOMAIN was dead. */
static void pass_dead(const char *domain, int64_t ms, int64_t step_ms)
{
    for (int64_t t = 0; t < ms; t += step_ms) {
        for (size_t n = world.job_count; n > 0; n--) {
            bool dead = strcmp(world.jobs[0]->route->key, domain) == 0;
            answer(0, dead ? DEAD : OK, dead);
        }
        pass(step_ms);
    }
}

static void test_expires(void)
{
    begin();
    uint64_t ids[30];
    for (int i = 0; i < 30; i++)
        ids[i] = submit("a@a.test");
    pass_dead("a.test", 4 * HOUR - 10 * MINUTE, 10 * SECOND);
    CHECK_U64(stats().reports, 0);
    pass_dead("a.test", 30 * MINUTE, 10 * SECOND);
    CHECK_U64(stats().reports, 30); /* N-06: each once */
    CHECK(strstr(last_report, "Action: delayed"));
    CHECK(disk.kept[ids[29]].outcome.delay_notified);
    restart(); /* what was told stays told */
    pass_dead("a.test", 43 * HOUR, 10 * SECOND);
    CHECK_U64(stats().reports, 0);
    CHECK_U64(stats().failed_rcpts, 0);
    pass_dead("a.test", 2 * HOUR, 10 * SECOND);
    CHECK_U64(stats().reports, 30);
    CHECK_U64(stats().failed_rcpts, 30);
    CHECK(strstr(last_report, "Status: 4.4.7\r\n"));
    for (int i = 0; i < 30; i++)
        CHECK(disk.kept[ids[i]].done);
    CHECK_U64(stats().messages, 0);
    finish();
}

static void test_expires_unreachable(void)
{
    begin();
    uint64_t id = submit("a@none.test");
    pass_dead("", 49 * HOUR, MINUTE);
    CHECK(disk.kept[id].done);
    CHECK_U64(stats().failed_rcpts, 1);
    CHECK_U64(disk.commits, 2); /* late, then expired */
    finish();
}

/* no message expires because the clock jumped; it is tried first. */
static void test_clock_jumps(void)
{
    begin();
    uint64_t first = submit("a@a.test"), second = submit("a@a.test");
    answer(0, DEAD, true);
    answer(0, DEAD, true);
    clock_virtual_set_wall(START_MS + 10LL * 365 * 24 * HOUR);
    restart();
    CHECK_U64(stats().failed_rcpts, 0);
    CHECK_U64(world.job_count, 1); /* its time has come; one probe */
    answer(0, DEAD, true);
    CHECK_U64(stats().failed_rcpts, 1); /* tried, and old */
    pass(3 * MINUTE);
    if (world.job_count)
        answer(0, DEAD, true);
    pass(2 * MINUTE);
    CHECK(disk.kept[first].done && disk.kept[second].done);
    clock_virtual_set_wall(START_MS - 10LL * 365 * 24 * HOUR);
    uint64_t third = submit("c@c.test");
    answer(0, LATER, false);
    clock_virtual_set_wall(START_MS - 20LL * 365 * 24 * HOUR);
    restart();
    pass(11 * MINUTE); /* not ten years */
    while (world.job_count)
        answer(0, OK, false);
    CHECK(disk.kept[third].done);
    finish();
}

/* --- After a restart --- */

static void test_restart_exact(void)
{
    begin();
    uint64_t waits = submit("a@a.test"), dead = submit("b@b.test"), fresh = submit("c@b.test");
    answer(0, LATER, false);
    answer(0, DEAD, true);
    int64_t waits_next = disk.kept[waits].outcome.next_attempt_at_ms;
    int64_t dead_next = disk.kept[dead].outcome.next_attempt_at_ms;
    CHECK_U64(disk.kept[fresh].outcomes, 0);
    world.job_count = 0; /* the third job dies with us */
    restart();
    CHECK_U64(world.job_count, 0); /* b.test is known to be dead */
    pass(dead_next - START_MS - 1);
    CHECK_U64(world.job_count, 0);
    pass(1);
    CHECK_U64(world.job_count, 1);
    answer(0, DEAD, true);
    pass(waits_next - clock_wall_ms() - 1);
    while (world.job_count)
        answer(0, DEAD, true);
    pass(1);
    CHECK_U64(world.jobs[world.job_count - 1]->ref.id, waits);
    answer(world.job_count - 1, LATER, false);
    CHECK_U64(disk.kept[waits].outcome.attempts, 2);
    finish();
}

static void test_all_settled_before(void)
{
    begin();
    uint64_t id = submit("a@a.test b@b.test");
    answer(0, OK, false);
    answer(0, LATER, false);
    disk.kept[id].rcpts[0].state = disk.kept[id].rcpts[1].state = MAIL_RCPT_DELIVERED;
    restart();
    CHECK(disk.kept[id].done);
    CHECK_U64(world.job_count, 0);
    finish();
}

/* --- What cannot be read --- */

static void test_unreadable(void)
{
    begin();
    uint64_t id = submit("a@a.test b@b.test");
    world.jobs[0]->unreadable = true;
    answer(0, OK, false);
    CHECK(disk.kept[id].quarantined);
    answer(0, LATER, false); /* its other half comes back to nobody */
    CHECK_U64(stats().messages, 0);
    id = submit("a@a.test");
    disk.read_err = ERR_CORRUPT;
    answer(0, NEVER, false);
    CHECK(disk.kept[id].quarantined);
    CHECK_U64(stats().messages, 0);
    id = submit("a@a.test");
    disk.read_err = ERR_IO; /* perhaps only now */
    answer(0, NEVER, false);
    CHECK(!disk.kept[id].quarantined && !disk.kept[id].done);
    disk.read_err = ERR_OK;
    pass(6 * MINUTE);
    answer(0, NEVER, false);
    CHECK(disk.kept[id].done);
    CHECK_U64(disk.commits, 1);
    finish();
}

static void test_no_results(void)
{
    begin();
    uint64_t id = submit("a@a.test");
    struct sched_job *job = world.jobs[0];
    world.job_count = 0;
    sched_finished(world.sched, job);
    settle_down();
    CHECK_U64(disk.kept[id].outcome.attempts, 1);
    pass(6 * MINUTE);
    answer(0, OK, false);
    CHECK(disk.kept[id].done);
    finish();
}

/* The workers submit, the delivery threads give back. */
static void submit_many(void *arg)
{
    const struct spool_ref *refs = arg;
    for (size_t i = 0; i < 500; i++) {
        const struct kept *k = &disk.kept[refs[i].id];
        sched_submit(world.sched, &refs[i], &k->envelope, &k->meta, NULL);
    }
}

static void give_back(void *arg)
{
    for (size_t i = 0; i < world.job_count; i++) {
        struct sched_job *job = world.jobs[i];
        job->attempt.results = ARENA_NEW(&job->arena, struct mail_status);
        *job->attempt.results = OK[0];
        sched_finished(arg, job);
    }
}

static void test_other_threads(void)
{
    static struct spool_ref refs[500];
    struct mail_rcpt rcpt = {.address = BYTES("a@a.test"), .orcpt = BYTES_EMPTY};
    struct mail_envelope envelope = {.sender = BYTES("s@x"),
                                     .envid = BYTES_EMPTY,
                                     .auth = BYTES_EMPTY,
                                     .rcpts = &rcpt,
                                     .rcpt_count = 1};
    struct spool_meta meta = {.received_at_ms = START_MS, .message_id = BYTES_EMPTY};
    struct thread thread = {0};
    begin();
    for (size_t i = 0; i < 500; i++)
        refs[i] = keep(&envelope, &meta, disk.next_id++);
    CHECK(thread_start(&thread, "worker", submit_many, refs, NULL) == ERR_OK);
    while (stats().messages < 500)
        loop_turn(world.loop, 1);
    thread_join(&thread);
    settle_down();
    while (world.job_count > 0) {
        size_t jobs = world.job_count;
        CHECK(thread_start(&thread, "delivery", give_back, world.sched, NULL) == ERR_OK);
        thread_join(&thread);
        world.job_count = 0;
        settle_down();
        CHECK(jobs == 10);
    }
    CHECK_U64(disk.dones, 500);
    finish();
}

static void test_freed_while_busy(void)
{
    begin();
    submit("a@a.test b@b.test c@none.test");
    submit("a@a.test");
    answer(0, NEVER, false);
    disk.commit_err = ERR_IO;
    answer(0, NEVER, false);
    submit("d@d.test");
    finish(); /* the sanitizers look for what is left */
    CHECK(!world.sched);
}

UNIT_MAIN("queue/sched", {"straight through", test_straight}, {"one job a destination", test_parts},
          {"the route depends on size", test_route_by_size}, {"drain", test_drain},
          {"a message waits", test_message_waits}, {"three fates", test_three_fates},
          {"a failure is reported", test_failed}, {"a crash before the report", test_failed_crash},
          {"who is told what", test_reports}, {"the next hop has DSN", test_dsn_passed},
          {"no such domain", test_no_domain}, {"expiry behind a dead destination", test_expires},
          {"expiry without a route", test_expires_unreachable},
          {"the clock jumps (R-07)", test_clock_jumps},
          {"times after a restart", test_restart_exact},
          {"settled before the crash", test_all_settled_before},
          {"unreadable messages", test_unreadable}, {"a job without results", test_no_results},
          {"other threads", test_other_threads}, {"freed while busy", test_freed_while_busy})
