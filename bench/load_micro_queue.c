/* The queue of the micro benchmarks: filled through the spool's front door, a few thousand messages
 * a sync; scheduler, courier and feeder are threads of their own. */
#include "bench/load_micro_queue.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/thread.h"

#include "bench/load.h"
#include "bench/load_micro.h"
#include "bench/load_micro_directory.h"

enum {
    MESSAGES = 1000000,
    MESSAGES_MIN = 1000,
    FULL_NS = 200000000, /* from here on all of them */
    FILL_WINDOW = 4096,
    FILL_OCTETS = 512,
    DESTINATIONS = 100,
    FEED_WINDOW = 200,
    FEED_OCTETS = 4096,
    WARM_UP_MS = 100,
};

struct micro_queue_threads {
    struct thread scheduler, courier;
    struct mailbox_item courier_stop;
    bool courier_stopped;
};

struct micro_feeder {
    struct thread thread;
    struct micro_queue *q;
    struct mailbox *home;
    unsigned under_way;
    atomic_bool stop;
    _Atomic uint64_t delivered;
    char text[FEED_OCTETS];
};

static struct micro_queue *queue;

static void sleep_until_mail(struct mailbox *mb)
{
    if (mailbox_run(mb) || !mailbox_sleep_begin(mb))
        return;
    struct pollfd fd = {.fd = mailbox_fd(mb), .events = POLLIN};
    (void)poll(&fd, 1, 100);
    mailbox_sleep_end(mb);
}

/* --- The courier --- */

static void route_release(struct route *route)
{
    mem_free(route);
}

struct route *micro_route_new(struct bytes key)
{
    struct route *route = mem_zalloc(sizeof *route + key.len + 1);
    memcpy(route + 1, key.ptr, key.len);
    atomic_init(&route->refs, 1);
    route->release = route_release;
    route->key = (char *)(route + 1);
    return route;
}

static struct route *on_route(void *owner, struct bytes domain, uint64_t octets,
                              struct mail_status *status)
{
    (void)owner;
    (void)octets;
    (void)status;
    return micro_route_new(domain);
}

static void on_delivered(struct mailbox_item *item)
{
    queue->feeder->under_way--;
    mem_free(item);
}

/* On the courier's thread. */
static void on_job(struct mailbox_item *item)
{
    struct sched_job *job = CONTAINER_OF(item, struct sched_job, item);
    struct spool_message m;
    if (spool_read_recent(queue->spool, &job->ref, &job->arena, &m, NULL) == ERR_OK)
        spool_message_close(&m);
    else
        job->unreadable = true;
    job->attempt.results =
        ARENA_NEW_ARRAY(&job->arena, struct mail_status, job->attempt.rcpt_count);
    for (size_t i = 0; i < job->attempt.rcpt_count; i++)
        job->attempt.results[i] = MAIL_STATUS(250, 2, 0, 0, "Ok");
    sched_finished(queue->sched, job);
    atomic_fetch_add_explicit(&queue->feeder->delivered, 1, memory_order_relaxed);
    struct mailbox_item *delivered = MEM_NEW(struct mailbox_item);
    delivered->run = on_delivered;
    mailbox_send(queue->feeder->home, delivered);
}

static void on_deliver(void *owner, struct sched_job *job)
{
    struct micro_queue *q = owner;
    job->item.run = on_job;
    mailbox_send(q->courier, &job->item);
}

static void on_courier_stop(struct mailbox_item *item)
{
    struct micro_queue_threads *threads =
        CONTAINER_OF(item, struct micro_queue_threads, courier_stop);
    threads->courier_stopped = true;
}

static void courier_run(void *arg)
{
    struct micro_queue *q = arg;
    while (!q->threads->courier_stopped)
        sleep_until_mail(q->courier);
}

static void scheduler_run(void *loop)
{
    loop_run(loop);
}

/* --- Filling --- */

struct filling {
    struct micro_queue *q;
    struct mailbox *home;
    unsigned under_way;
    enum err failed;
};

struct filled {
    struct filling *filling;
    struct mail_rcpt rcpt;
    struct mail_envelope envelope;
    struct spool_meta meta;
    char sender[48], to[48];
};

static void on_filled(void *owner, const struct spool_committed *result)
{
    struct filled *f = owner;
    struct mail_rcpt rcpt = {.state = MAIL_RCPT_PENDING,
                             .status = MAIL_STATUS(451, 4, 4, 1, "Not reachable")};
    struct spool_outcome outcome = {.attempts = 3,
                                    .next_attempt_at_ms = f->meta.received_at_ms + 3600000,
                                    .rcpts = &rcpt,
                                    .rcpt_count = 1};
    f->filling->under_way--;
    if (result->err == ERR_OK)
        sched_submit(f->filling->q->sched, &result->ref, &f->envelope, &f->meta, &outcome);
    else
        f->filling->failed = result->err;
    mem_free(f);
}

static void fill_one(struct filling *filling, unsigned number)
{
    static const char text[FILL_OCTETS];
    struct filled *f = MEM_NEW(struct filled);
    snprintf(f->sender, sizeof f->sender, "first.last%u@sender.example.net", number);
    snprintf(f->to, sizeof f->to, "someone%u@d%u.recipient.example.org", number,
             number % DESTINATIONS);
    f->filling = filling;
    f->rcpt = (struct mail_rcpt){.address = bytes_of(f->to)};
    f->envelope =
        (struct mail_envelope){.sender = bytes_of(f->sender), .rcpts = &f->rcpt, .rcpt_count = 1};
    f->meta = (struct spool_meta){.received_at_ms = clock_wall_ms(),
                                  .octets = FILL_OCTETS,
                                  .connector = BYTES("Application servers"),
                                  .message_id = BYTES("<0123456789@sender.example.net>")};
    struct spool_txn *txn = spool_begin(filling->q->spool, filling->home);
    enum err e = spool_append(txn, bytes_make(text, sizeof text));
    filling->under_way++;
    spool_commit(txn, &f->envelope, &f->meta, on_filled, f);
    if (e != ERR_OK)
        filling->failed = e;
}

static enum err fill(struct micro_queue *q, uint64_t count, struct err_detail *why)
{
    struct filling filling = {.q = q, .home = mailbox_new()};
    struct sched_stats stats;
    if (!filling.home)
        return err_set(why, ERR_LIMIT, "no descriptor is left");
    for (unsigned i = 0; i < count && filling.failed == ERR_OK; i++) {
        fill_one(&filling, i);
        while (filling.under_way >= FILL_WINDOW)
            sleep_until_mail(filling.home);
    }
    while (filling.under_way)
        sleep_until_mail(filling.home);
    mailbox_free(&filling.home);
    do
        sched_stats_read(q->sched, &stats);
    while (filling.failed == ERR_OK && stats.messages < count);
    return filling.failed == ERR_OK ? ERR_OK : err_set(why, filling.failed, "a commit failed");
}

/* --- Making and ending it --- */

static enum err open_queue(struct micro_queue *q, struct err_detail *why)
{
    static const struct sched_ops ops = {on_route, on_deliver};
    struct spool_settings spool;
    struct sched_settings sched = {.window_max = FEED_WINDOW,
                                   .jobs_max = 10 * FEED_WINDOW,
                                   .hostname = "micro.test",
                                   .postmaster = "postmaster@micro.test"};
    sched.retry = LOAD_RETRY_SETTINGS;
    spool = LOAD_SPOOL_SETTINGS;
    spool.path = q->path;
    spool.min_free_bytes = 0;
    enum err e = spool_open(&spool, io_system, &q->spool, why);
    if (e == ERR_OK)
        e = spool_start(q->spool, why);
    if (e == ERR_OK)
        e = loop_new(&q->loop, why);
    if (e != ERR_OK)
        return e;
    loop_gather(q->loop); /* as in the relay */
    q->sched = sched_new(q->loop, &sched, q->spool, &ops, q);
    q->courier = mailbox_new();
    e = q->courier ? ERR_OK : err_set(why, ERR_LIMIT, "no descriptor is left");
    if (e == ERR_OK)
        e = thread_start(&q->threads->scheduler, "scheduler", scheduler_run, q->loop, why);
    if (e == ERR_OK)
        e = thread_start(&q->threads->courier, "courier", courier_run, q, why);
    return e;
}

enum err micro_queue_close(struct err_detail *why)
{
    struct micro_queue *q = queue;
    if (!q)
        return ERR_OK;
    if (q->threads->courier.started) {
        q->threads->courier_stop.run = on_courier_stop;
        mailbox_send(q->courier, &q->threads->courier_stop);
    }
    thread_join(&q->threads->courier);
    if (q->threads->scheduler.started)
        loop_stop(q->loop);
    thread_join(&q->threads->scheduler);
    sched_free(&q->sched);
    if (q->spool)
        spool_stop(q->spool);
    if (q->courier)
        mailbox_free(&q->courier);
    if (q->loop)
        loop_free(&q->loop);
    spool_free(&q->spool);
    enum err removed = micro_directory_remove(q->path, why);
    mem_free(q->threads);
    mem_free(q);
    queue = NULL;
    return removed;
}

enum err micro_queue_get(uint64_t ns, struct micro_queue **out, struct err_detail *why)
{
    uint64_t count = ns >= FULL_NS ? MESSAGES : MESSAGES * ns / FULL_NS;
    *out = queue;
    if (queue)
        return ERR_OK;
    struct micro_queue *q = MEM_NEW(struct micro_queue);
    enum err e = micro_directory_make(q->path, sizeof q->path, why);
    if (e != ERR_OK) {
        mem_free(q);
        return e;
    }
    q->threads = MEM_NEW(struct micro_queue_threads);
    *out = queue = q;
    e = open_queue(q, why);
    return e == ERR_OK ? fill(q, count > MESSAGES_MIN ? count : MESSAGES_MIN, why) : e;
}

/* --- Messages that come and go --- */

static void on_fed(void *owner, const struct spool_committed *result)
{
    struct micro_feeder *f = owner;
    struct mail_rcpt rcpt = {.address = BYTES("someone@go.test")};
    struct mail_envelope envelope = {
        .sender = BYTES("first.last@sender.example.net"), .rcpts = &rcpt, .rcpt_count = 1};
    struct spool_meta meta = {.received_at_ms = clock_wall_ms(), .octets = FEED_OCTETS};
    if (result->err == ERR_OK)
        sched_submit(f->q->sched, &result->ref, &envelope, &meta, NULL);
    else
        f->under_way--; /* the rate shows it */
}

static void feed_one(struct micro_feeder *f)
{
    struct mail_rcpt rcpt = {.address = BYTES("someone@go.test")};
    struct mail_envelope envelope = {
        .sender = BYTES("first.last@sender.example.net"), .rcpts = &rcpt, .rcpt_count = 1};
    struct spool_meta meta = {.received_at_ms = clock_wall_ms(),
                              .octets = FEED_OCTETS,
                              .connector = BYTES("Application servers")};
    struct spool_txn *txn = spool_begin(f->q->spool, f->home);
    f->under_way++;
    /* A failed append comes back with the commit. */
    (void)!spool_append(txn, bytes_make(f->text, sizeof f->text));
    spool_commit(txn, &envelope, &meta, on_fed, f);
}

static void feeder_run(void *arg)
{
    struct micro_feeder *f = arg;
    while (!atomic_load(&f->stop)) {
        while (f->under_way < FEED_WINDOW)
            feed_one(f);
        sleep_until_mail(f->home);
    }
    while (f->under_way)
        sleep_until_mail(f->home);
}

enum err micro_queue_feed(struct micro_queue *q, struct err_detail *why)
{
    struct timespec warm_up = {.tv_nsec = WARM_UP_MS * 1000000L};
    q->feeder = MEM_NEW(struct micro_feeder);
    q->feeder->q = q;
    q->feeder->home = mailbox_new();
    memset(q->feeder->text, 'x', sizeof q->feeder->text);
    if (!q->feeder->home)
        return err_set(why, ERR_LIMIT, "no descriptor is left");
    enum err e = thread_start(&q->feeder->thread, "feeder", feeder_run, q->feeder, why);
    (void)nanosleep(&warm_up, NULL);
    return e;
}

uint64_t micro_queue_delivered(const struct micro_queue *q)
{
    return atomic_load_explicit(&q->feeder->delivered, memory_order_relaxed);
}

void micro_queue_feed_end(struct micro_queue *q)
{
    atomic_store(&q->feeder->stop, true);
    thread_join(&q->feeder->thread);
    if (q->feeder->home)
        mailbox_free(&q->feeder->home);
    mem_free(q->feeder);
    q->feeder = NULL;
}
