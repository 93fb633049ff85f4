/* mailrace-load micro: the scheduler alone, on one thread. Messages are submitted, go to a courier
 * that answers 250 at once, and are done; the spool is told and has nothing to do. Once in an empty
 * queue, once beside 1,000,000 messages that wait.
 */
#include "bench/load.h"
#include "bench/load_micro.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/mem.h"
#include "queue/sched.h"
#include "queue/spool.h"

#include "bench/load_micro_directory.h"
#include "bench/load_micro_queue.h"

enum { WAITING = 1000000, WINDOW = 100, WAITING_NS = 200000000, DOMAINS = 100 };

struct sched_bench {
    char path[4096];
    struct spool *spool;
    struct loop *loop;
    struct sched *sched;
    struct sched_job *jobs[WINDOW];
    size_t job_count;
    uint64_t next_id;
};

static struct route *on_route(void *owner, struct bytes domain, uint64_t octets,
                              struct mail_status *status)
{
    (void)owner;
    (void)octets;
    (void)status;
    return micro_route_new(domain);
}

static void on_deliver(void *owner, struct sched_job *job)
{
    struct sched_bench *b = owner;
    ASSERT(b->job_count < WINDOW);
    b->jobs[b->job_count++] = job;
}

static void submit(struct sched_bench *b, const char *to, const struct spool_outcome *outcome)
{
    struct mail_rcpt rcpt = {.address = bytes_of(to)};
    struct mail_envelope envelope = {
        .sender = BYTES("first.last@sender.example.net"), .rcpts = &rcpt, .rcpt_count = 1};
    struct spool_meta meta = {.received_at_ms = clock_wall_ms(), .octets = 4096};
    struct spool_ref ref = {.id = b->next_id++};
    sched_submit(b->sched, &ref, &envelope, &meta, outcome);
}

static void submit_waiting(struct sched_bench *b, uint64_t count)
{
    struct mail_rcpt rcpt = {.state = MAIL_RCPT_PENDING,
                             .status = MAIL_STATUS(451, 4, 4, 1, "Not reachable")};
    struct spool_outcome outcome = {.attempts = 3,
                                    .next_attempt_at_ms = clock_wall_ms() + 3600000,
                                    .rcpts = &rcpt,
                                    .rcpt_count = 1};
    for (uint64_t i = 0; i < count; i++) {
        char to[48];
        snprintf(to, sizeof to, "someone@d%u.example.org", (unsigned)(i % DOMAINS));
        submit(b, to, &outcome);
        if (i % 1024 == 0)
            (void)loop_turn(b->loop, 0);
    }
    while (loop_turn(b->loop, 0))
        ;
}

/* A window of messages, from submission to done. */
static void round_trip(struct sched_bench *b)
{
    for (size_t i = 0; i < WINDOW; i++)
        submit(b, "someone@go.test", NULL);
    while (b->job_count < WINDOW)
        (void)loop_turn(b->loop, 0);
    for (size_t i = 0; i < WINDOW; i++) {
        struct sched_job *job = b->jobs[i];
        job->attempt.results = ARENA_NEW(&job->arena, struct mail_status);
        job->attempt.results[0] = MAIL_STATUS(250, 2, 0, 0, "Ok");
        sched_finished(b->sched, job);
    }
    b->job_count = 0;
    while (loop_turn(b->loop, 0))
        ;
    (void)spool_step(b->spool);
}

static enum err bench_open(struct sched_bench *b, struct err_detail *why)
{
    static const struct sched_ops ops = {on_route, on_deliver};
    struct spool_settings spool;
    struct sched_settings sched = {.window_max = WINDOW,
                                   .jobs_max = WINDOW,
                                   .hostname = "micro.test",
                                   .postmaster = "postmaster@micro.test"};
    sched.retry = LOAD_RETRY_SETTINGS;
    spool = LOAD_SPOOL_SETTINGS;
    spool.path = b->path;
    spool.min_free_bytes = 0;
    enum err e = loop_new(&b->loop, why);
    if (e == ERR_OK)
        e = spool_open(&spool, io_system, &b->spool, why);
    if (e == ERR_OK)
        b->sched = sched_new(b->loop, &sched, b->spool, &ops, b);
    return e;
}

static enum err measure(const struct micro_row *row, uint64_t ns, struct micro_figures *out,
                        struct err_detail *why)
{
    struct sched_bench *b = MEM_NEW(struct sched_bench);
    enum err e = micro_directory_make(b->path, sizeof b->path, why);
    if (e != ERR_OK) {
        mem_free(b);
        return e;
    }
    e = bench_open(b, why);
    if (e == ERR_OK) {
        uint64_t count = 0, waiting = ns >= WAITING_NS ? WAITING : WAITING * ns / WAITING_NS;
        b->next_id = 1;
        submit_waiting(b, row->kind ? waiting : 0);
        uint64_t began = clock_mono_ns();
        for (; clock_mono_ns() - began < ns; count += WINDOW)
            round_trip(b);
        out->value = micro_rate(count, clock_mono_ns() - began);
    }
    sched_free(&b->sched);
    if (b->loop)
        loop_free(&b->loop);
    spool_free(&b->spool);
    enum err removed = micro_directory_remove(b->path, why);
    mem_free(b);
    return e == ERR_OK ? removed : e;
}

static const struct micro_row ROWS[] = {
    {.name = "sched-straight",
     .unit = "messages/s",
     .about = "submitted, delivered to nowhere, done; the queue is empty",
     .measure = measure,
     .kind = 0},
    {.name = "sched-queued",
     .unit = "messages/s",
     .about = "the same beside 1,000,000 messages that wait",
     .measure = measure,
     .kind = 1},
};
const struct micro_rows micro_sched = {.rows = ROWS, .count = ARRAY_SIZE(ROWS)};
