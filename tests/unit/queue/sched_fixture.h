/* sched_fixture.h - a scheduler between a spool that lives in RAM and a world that answers when
 * the test says so, on the virtual clock. Included by one file a program: it takes the place of
 * the spool's functions.
 */
#ifndef TESTS_SCHED_FIXTURE_H
#define TESTS_SCHED_FIXTURE_H

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rand.h"
#include "core/thread.h"
#include "queue/sched.h"

#include "unit.h"

#define START_MS  1700000000000
#define SECOND    1000LL
#define MINUTE    (60 * SECOND)
#define HOUR      (60 * MINUTE)
#define KEPT_MAX  2000
#define RCPTS_MAX 8

/* --- The spool --- */

struct kept { /* a message in the spool, its number is the id */
    struct mail_envelope envelope;
    struct spool_meta meta;
    bool used, done, quarantined;
    unsigned outcomes;
    struct spool_outcome outcome;
    struct spool_rcpt_outcome rcpts[RCPTS_MAX];
};

static struct {
    struct arena arena;
    struct kept kept[KEPT_MAX];
    uint64_t next_id;
    unsigned reads, commits, dones;
    enum err commit_err, read_err;
} disk;

struct spool_txn {
    struct mailbox_item item;
    struct mailbox *home;
    uint64_t id, octets;
    struct arena arena;
    spool_done done;
    void *owner;
    enum err err;
    char head[6000]; /* how the text begins */
};
static char last_report[6000];

static struct spool_ref keep(const struct mail_envelope *envelope, const struct spool_meta *meta,
                             uint64_t id)
{
    struct kept *k = &disk.kept[id];
    ASSERT(id < KEPT_MAX);
    mail_envelope_copy(&disk.arena, envelope, &k->envelope);
    k->meta = *meta;
    k->meta.message_id = arena_bytes(&disk.arena, meta->message_id);
    k->used = true;
    return (struct spool_ref){.id = id};
}

struct spool_txn *spool_begin(struct spool *spool, struct mailbox *home)
{
    (void)spool;
    struct spool_txn *txn = MEM_NEW(struct spool_txn);
    txn->home = home;
    txn->id = disk.next_id++;
    arena_init(&txn->arena, 0);
    return txn;
}

uint64_t spool_txn_id(const struct spool_txn *txn)
{
    return txn->id;
}

enum err spool_append(struct spool_txn *txn, struct bytes text)
{
    if (txn->octets + text.len < sizeof txn->head)
        memcpy(txn->head + txn->octets, text.ptr, text.len);
    txn->octets += text.len;
    return ERR_OK;
}

static void on_committed(struct mailbox_item *item)
{
    struct spool_txn *txn = CONTAINER_OF(item, struct spool_txn, item);
    struct spool_committed result = {.err = txn->err, .ref = {.id = txn->id}};
    if (txn->err)
        disk.kept[txn->id].used = false;
    txn->done(txn->owner, &result);
    arena_free(&txn->arena);
    mem_free(txn);
}

void spool_commit(struct spool_txn *txn, const struct mail_envelope *envelope,
                  const struct spool_meta *meta, spool_done done, void *owner)
{
    CHECK_U64(meta->octets, txn->octets);
    keep(envelope, meta, txn->id);
    memcpy(last_report, txn->head, sizeof last_report);
    last_report[sizeof last_report - 1] = '\0';
    disk.commits++;
    txn->err = disk.commit_err;
    txn->done = done;
    txn->owner = owner;
    txn->item.run = on_committed;
    mailbox_send(txn->home, &txn->item);
}

void spool_abort(struct spool_txn **txn)
{
    arena_free(&(*txn)->arena);
    mem_free(*txn);
    *txn = NULL;
}

enum err spool_read(struct spool *spool, const struct spool_ref *ref, struct arena *arena,
                    struct spool_message *out, struct err_detail *why)
{
    (void)spool;
    disk.reads++;
    if (disk.read_err)
        return err_set(why, disk.read_err, "the test says so");
    *out = (struct spool_message){.ref = *ref, .meta = disk.kept[ref->id].meta};
    mail_envelope_copy(arena, &disk.kept[ref->id].envelope, &out->envelope);
    return ERR_OK;
}

enum err spool_read_text(const struct spool_message *m, uint64_t at, char *to, size_t len)
{
    (void)m;
    for (size_t i = 0; i < len; i++)
        to[i] = "x\r\n"[(at + i) % 3];
    return ERR_OK;
}

void spool_message_close(struct spool_message *m)
{
    (void)m;
}

void spool_outcome_write(struct spool *spool, const struct spool_ref *ref,
                         const struct spool_outcome *outcome)
{
    struct kept *k = &disk.kept[ref->id];
    (void)spool;
    CHECK(k->used && !k->done && !k->quarantined);
    CHECK(outcome->rcpt_count <= k->envelope.rcpt_count);
    k->outcomes++;
    k->outcome = *outcome;
    for (size_t i = 0; i < outcome->rcpt_count; i++) {
        k->rcpts[i] = outcome->rcpts[i];
        k->rcpts[i].status = mail_status_copy(&disk.arena, &outcome->rcpts[i].status);
    }
    k->outcome.rcpts = k->rcpts;
}

void spool_message_done(struct spool *spool, const struct spool_ref *ref)
{
    struct kept *k = &disk.kept[ref->id];
    (void)spool;
    CHECK(k->used && !k->done && !k->quarantined);
    k->done = true;
    disk.dones++;
}

void spool_message_quarantine(struct spool *spool, const struct spool_ref *ref, const char *why)
{
    struct kept *k = &disk.kept[ref->id];
    (void)spool;
    CHECK(why != NULL && k->used && !k->done && !k->quarantined);
    k->quarantined = true;
}

/* --- The world --- */

#define JOBS_MAX 500

static struct {
    struct loop *loop;
    struct sched *sched;
    struct sched_settings settings;
    struct sched_job *jobs[JOBS_MAX]; /* under way, oldest first */
    size_t job_count;
    unsigned routes_asked;
    int routes_held;
    bool new_routes; /* "none." has one now, and "a.test" goes by "new" */
} world;

/* "none.*": no way; "bad.*": never; "sh*": by the smart host; otherwise by itself. */
static bool on_route(void *owner, struct bytes domain, uint64_t octets, struct sched_route *route,
                     struct mail_status *status)
{
    (void)owner;
    world.routes_asked++;
    if (bytes_starts_nocase(domain, BYTES("bad."))) {
        *status = MAIL_STATUS(550, 5, 1, 2, "No such domain");
        return false;
    }
    if (bytes_starts_nocase(domain, BYTES("none.")) && !world.new_routes) {
        *status = MAIL_STATUS(451, 4, 4, 4, "No route");
        return false;
    }
    char *key = mem_zalloc(domain.len + 20);
    memcpy(key, domain.ptr, domain.len);
    if (bytes_starts_nocase(domain, BYTES("sh")))
        strncpy(key, octets > 1000 ? "smart-big" : "smart", domain.len + 19);
    if (world.new_routes && bytes_equal(domain, BYTES("a.test")))
        strncpy(key, "new", domain.len + 19);
    *route = (struct sched_route){.key = key, .owner_route = key};
    world.routes_held++;
    return true;
}

static void on_route_release(void *owner, struct sched_route *route)
{
    (void)owner;
    CHECK(route->key == route->owner_route);
    mem_free(route->owner_route);
    world.routes_held--;
}

static void on_deliver(void *owner, struct sched_job *job)
{
    (void)owner;
    CHECK(world.job_count < JOBS_MAX);
    CHECK(job->results == NULL && job->rcpt_count > 0 && !job->host_failed && !job->host[0]);
    world.jobs[world.job_count++] = job;
}

/* Until nothing happens any more at this moment. */
static void settle_down(void)
{
    while (loop_turn(world.loop, 0))
        ;
}

static void pass(int64_t ms)
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

static void answer(size_t i, const struct mail_status *results, bool host_failed)
{
    struct sched_job *job = world.jobs[i];
    memmove(&world.jobs[i], &world.jobs[i + 1], (world.job_count - i - 1) * sizeof world.jobs[0]);
    world.job_count--;
    job->results = ARENA_NEW_ARRAY(&job->arena, struct mail_status, job->rcpt_count);
    for (size_t r = 0; r < job->rcpt_count; r++)
        job->results[r] = results[host_failed ? 0 : r];
    job->host_failed = host_failed;
    if (!host_failed)
        bytes_to_cstr(BYTES("mx.test"), job->host, sizeof job->host);
    sched_finished(world.sched, job);
    settle_down();
}

static const struct mail_status OK[RCPTS_MAX] = {
    {250, {2, 0, 0}, {"Ok", 2}}, {250, {2, 0, 0}, {"Ok", 2}}, {250, {2, 0, 0}, {"Ok", 2}},
    {250, {2, 0, 0}, {"Ok", 2}}, {250, {2, 0, 0}, {"Ok", 2}}, {250, {2, 0, 0}, {"Ok", 2}}};
static const struct mail_status LATER[] = {{451, {4, 2, 0}, {"Later", 5}},
                                           {451, {4, 2, 0}, {"Later", 5}}};
static const struct mail_status NEVER[] = {{550, {5, 1, 1}, {"Unknown", 7}},
                                           {550, {5, 1, 1}, {"Unknown", 7}}};
static const struct mail_status DEAD[] = {{451, {4, 4, 1}, {"Connection refused", 18}}};

static void begin(void)
{
    clock_virtual_start(1000, START_MS);
    rand_seed(42);
    log_configure(&(struct log_settings){.level = LOG_ERROR});
    memset(&disk, 0, sizeof disk);
    memset(&world, 0, sizeof world);
    arena_init(&disk.arena, 1 << 16);
    disk.next_id = 1;
    retry_settings_defaults(&world.settings.retry);
    world.settings.window_max = 10;
    world.settings.jobs_max = 100;
    world.settings.hostname = "relay.test";
    world.settings.postmaster = "postmaster@relay.test";
    CHECK(loop_new(&world.loop, NULL) == ERR_OK);
    const struct sched_ops ops = {on_route, on_route_release, on_deliver};
    world.sched = sched_new(world.loop, &world.settings, NULL, &ops, NULL);
}

static void drop_sched(void)
{
    sched_free(&world.sched);
    CHECK_U64(world.routes_held, 0);
    world.job_count = 0;
}

static void finish(void)
{
    drop_sched();
    loop_free(&world.loop);
    arena_free(&disk.arena);
    clock_virtual_end();
}

/* From SENDER to up to eight recipients, separated by blanks. Returns the id. */
static uint64_t submit_as(const char *sender, const char *to, uint8_t notify, uint64_t octets)
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

static uint64_t submit(const char *to)
{
    return submit_as("sender@from.test", to, 0, 100);
}

/* A crash: what was in RAM is gone, what the spool has comes again. */
static void restart(void)
{
    const struct sched_ops ops = {on_route, on_route_release, on_deliver};
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

static struct sched_stats stats(void)
{
    struct sched_stats s;
    sched_stats_read(world.sched, &s);
    return s;
}

#endif
