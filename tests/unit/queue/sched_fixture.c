/* A scheduler between a spool in RAM and a world that answers as told. */
#include "sched_fixture.h"

#include "core/log.h"
#include "core/rand.h"
#include "core/thread.h"
#include "plain_route.h"
#include "queue_settings.h"

struct world world;

/* "none.*": no way; "bad.*": never; "sh*": by the smart host; otherwise by itself. */
static struct route *on_route(void *owner, struct bytes domain, uint64_t octets,
                              struct mail_status *status)
{
    (void)owner;
    world.routes_asked++;
    if (bytes_starts_nocase(domain, BYTES("bad."))) {
        *status = MAIL_STATUS(550, 5, 1, 2, "No such domain");
        return NULL;
    }
    if (bytes_starts_nocase(domain, BYTES("none.")) && !world.new_routes) {
        *status = MAIL_STATUS(451, 4, 4, 4, "No route");
        return NULL;
    }
    if (bytes_starts_nocase(domain, BYTES("sh")))
        return plain_route_new(octets > 1000 ? BYTES("smart-big") : BYTES("smart"));
    if (world.new_routes && bytes_equal(domain, BYTES("a.test")))
        return plain_route_new(BYTES("new"));
    return plain_route_new(domain);
}

static void on_deliver(void *owner, struct sched_job *job)
{
    (void)owner;
    CHECK(world.job_count < JOBS_MAX);
    CHECK(!job->attempt.results && job->attempt.rcpt_count > 0 && !job->attempt.host_failed &&
          !job->attempt.host[0]);
    world.jobs[world.job_count++] = job;
}

void settle_down(void)
{
    while (loop_turn(world.loop, 0))
        ;
}

void pass(int64_t ms)
{
    uint64_t until = clock_mono_ms() + (uint64_t)ms;
    settle_down();
    while (clock_mono_ms() < until) {
        uint64_t next = timer_wheel_next(loop_timers(world.loop)), now = clock_mono_ms();
        next = next > until ? until : next <= now ? now + 1 : next;
        clock_virtual_advance(next - now);
        settle_down();
    }
}

void answer(size_t i, const struct mail_status *results, bool host_failed)
{
    struct sched_job *job = world.jobs[i];
    memmove(&world.jobs[i], &world.jobs[i + 1], (world.job_count - i - 1) * sizeof world.jobs[0]);
    world.job_count--;
    job->attempt.results =
        ARENA_NEW_ARRAY(&job->arena, struct mail_status, job->attempt.rcpt_count);
    for (size_t r = 0; r < job->attempt.rcpt_count; r++)
        job->attempt.results[r] = results[host_failed ? 0 : r];
    job->attempt.host_failed = host_failed;
    if (!host_failed)
        bytes_to_cstr(BYTES("mx.test"), job->attempt.host, sizeof job->attempt.host);
    sched_finished(world.sched, job);
    settle_down();
}

const struct mail_status OK[RCPTS_MAX] = {{250, {2, 0, 0}, {"Ok", 2}}, {250, {2, 0, 0}, {"Ok", 2}},
                                          {250, {2, 0, 0}, {"Ok", 2}}, {250, {2, 0, 0}, {"Ok", 2}},
                                          {250, {2, 0, 0}, {"Ok", 2}}, {250, {2, 0, 0}, {"Ok", 2}}};
const struct mail_status LATER[] = {{451, {4, 2, 0}, {"Later", 5}}, {451, {4, 2, 0}, {"Later", 5}}};
const struct mail_status NEVER[] = {{550, {5, 1, 1}, {"Unknown", 7}},
                                    {550, {5, 1, 1}, {"Unknown", 7}}};
const struct mail_status DEAD[] = {{451, {4, 4, 1}, {"Connection refused", 18}}};

void begin(void)
{
    clock_virtual_start(1000, START_MS);
    rand_seed(42);
    log_configure(&(struct log_settings){.level = LOG_ERROR});
    memset(&disk, 0, sizeof disk);
    memset(&world, 0, sizeof world);
    arena_init(&disk.arena, 1 << 16);
    disk.next_id = 1;
    world.settings.retry = TEST_RETRY_SETTINGS;
    world.settings.window_max = 10;
    world.settings.jobs_max = 100;
    world.settings.hostname = "relay.test";
    world.settings.postmaster = "postmaster@relay.test";
    CHECK(loop_new(&world.loop, NULL) == ERR_OK);
    const struct sched_ops ops = {on_route, on_deliver};
    world.sched = sched_new(world.loop, &world.settings, NULL, &ops, NULL);
}

static void drop_sched(void)
{
    sched_free(&world.sched);
    CHECK_U64(plain_routes_held(), 0);
    world.job_count = 0;
}

void finish(void)
{
    drop_sched();
    loop_free(&world.loop);
    arena_free(&disk.arena);
    clock_virtual_end();
}

uint64_t submit_as(const char *sender, const char *to, uint8_t notify, uint64_t octets)
{
    struct mail_rcpt rcpts[RCPTS_MAX] = {{.notify = notify}};
    struct mail_envelope envelope = {
        .sender = bytes_of(sender), .envid = BYTES_EMPTY, .auth = BYTES_EMPTY, .rcpts = rcpts};
    struct spool_meta meta = {.received_at_ms = clock_wall_ms(),
                              .octets = octets,
                              .connector = BYTES_EMPTY,
                              .message_id = BYTES_EMPTY};
    struct bytes left = bytes_of(to), one;
    for (bool more = true; more; envelope.rcpt_count++) {
        more = bytes_split(left, ' ', &one, &left);
        rcpts[envelope.rcpt_count] =
            (struct mail_rcpt){.address = one, .orcpt = BYTES_EMPTY, .notify = notify};
    }
    uint64_t id = disk.next_id++;
    struct spool_ref ref = keep(&envelope, &meta, id);
    sched_submit(world.sched, &ref, &disk.kept[id].envelope, &meta, NULL);
    settle_down();
    return id;
}

uint64_t submit(const char *to)
{
    return submit_as("sender@from.test", to, 0, 100);
}

void restart(void)
{
    const struct sched_ops ops = {on_route, on_deliver};
    drop_sched();
    world.sched = sched_new(world.loop, &world.settings, NULL, &ops, NULL);
    for (uint64_t id = 1; id < disk.next_id; id++) {
        struct kept *k = &disk.kept[id];
        struct spool_ref ref = {.id = id};
        if (k->used && !k->done && !k->quarantined)
            sched_submit(world.sched, &ref, &k->envelope, &k->meta,
                         k->outcomes ? &k->outcome : NULL);
    }
    settle_down();
}

struct sched_stats stats(void)
{
    struct sched_stats s;
    sched_stats_read(world.sched, &s);
    return s;
}
