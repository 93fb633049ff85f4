/* mailrace-load micro: the spool alone. Threads commit messages of 4 KiB, each with so many under
 * way, as a worker has that serves as many sessions; what is committed is settled, so that segments
 * are used again.
 */
#include "bench/load.h"
#include "bench/load_micro.h"

#include <poll.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/thread.h"
#include "queue/spool.h"

#include "bench/load_micro_directory.h"

enum { TEXT_OCTETS = 4096, PRODUCERS_MAX = 16 };

struct spool_bench {
    struct spool *spool;
    struct mailbox *settled; /* main: what is to be forgotten */
    uint64_t until_ns;
    char text[TEXT_OCTETS];
};

struct spool_producer {
    struct thread thread;
    struct spool_bench *bench;
    struct mailbox *home;
    unsigned window, under_way;
    uint64_t committed;
    enum err failed;
    struct mailbox_item ended; /* the last that it sends */
    unsigned *left;            /* producers, main's */
};

struct settle_item {
    struct mailbox_item item;
    struct spool *spool;
    struct spool_ref ref;
};

/* On main, which plays the scheduler. */
static void on_settle(struct mailbox_item *item)
{
    struct settle_item *s = CONTAINER_OF(item, struct settle_item, item);
    spool_message_done(s->spool, &s->ref);
    mem_free(s);
}

static void on_committed(void *owner, const struct spool_committed *result)
{
    struct spool_producer *p = owner;
    p->under_way--;
    if (result->err != ERR_OK) {
        p->failed = result->err;
        return;
    }
    p->committed++;
    struct settle_item *s = MEM_NEW(struct settle_item);
    *s = (struct settle_item){.item.run = on_settle, .spool = p->bench->spool, .ref = result->ref};
    mailbox_send(p->bench->settled, &s->item);
}

static void commit_one(struct spool_producer *p)
{
    struct mail_rcpt rcpt = {.address = BYTES("someone@recipient.example.org")};
    struct mail_envelope envelope = {
        .sender = BYTES("first.last@sender.example.net"), .rcpts = &rcpt, .rcpt_count = 1};
    struct spool_meta meta = {
        .received_at_ms = clock_wall_ms(), .octets = TEXT_OCTETS, .connector = BYTES("Bench")};
    struct spool_txn *txn = spool_begin(p->bench->spool, p->home);
    enum err e = spool_append(txn, bytes_make(p->bench->text, TEXT_OCTETS));
    p->under_way++;
    spool_commit(txn, &envelope, &meta, on_committed, p); /* a failed append comes back here too */
    if (e != ERR_OK)
        p->failed = e;
}

static void sleep_until_mail(struct mailbox *mb)
{
    if (mailbox_run(mb) || !mailbox_sleep_begin(mb))
        return;
    struct pollfd fd = {.fd = mailbox_fd(mb), .events = POLLIN};
    (void)poll(&fd, 1, 100);
    mailbox_sleep_end(mb);
}

static void on_ended(struct mailbox_item *item)
{
    struct spool_producer *p = CONTAINER_OF(item, struct spool_producer, ended);
    --*p->left;
}

static void produce(void *arg)
{
    struct spool_producer *p = arg;
    while (p->failed == ERR_OK && clock_mono_ns() < p->bench->until_ns) {
        while (p->under_way < p->window && p->failed == ERR_OK)
            commit_one(p);
        sleep_until_mail(p->home);
    }
    while (p->under_way)
        sleep_until_mail(p->home);
    p->ended.run = on_ended;
    mailbox_send(p->bench->settled, &p->ended);
}

/* Runs the producers to their end; main settles meanwhile. */
static enum err run_producers(struct spool_bench *b, const struct micro_row *row, uint64_t *count,
                              struct err_detail *why)
{
    struct spool_producer producers[PRODUCERS_MAX] = {0};
    unsigned left = 0;
    enum err e = ERR_OK;
    for (unsigned i = 0; i < row->threads && e == ERR_OK; i++) {
        struct spool_producer *p = &producers[i];
        *p = (struct spool_producer){
            .bench = b, .home = mailbox_new(), .window = row->window, .left = &left};
        e = p->home ? thread_start(&p->thread, "producer", produce, p, why)
                    : err_set(why, ERR_LIMIT, "no descriptor is left");
        left += e == ERR_OK;
    }
    while (left)
        sleep_until_mail(b->settled);
    for (unsigned i = 0; i < row->threads; i++) {
        thread_join(&producers[i].thread);
        *count += producers[i].committed;
        if (producers[i].failed != ERR_OK && e == ERR_OK)
            e = err_set(why, producers[i].failed, "a commit failed");
    }
    (void)mailbox_run(b->settled);
    spool_stop(b->spool); /* answers all that it still has */
    for (unsigned i = 0; i < row->threads; i++)
        if (producers[i].home)
            mailbox_free(&producers[i].home);
    return e;
}

static enum err measure_in(const char *path, const struct micro_row *row, uint64_t ns,
                           struct micro_figures *out, struct err_detail *why)
{
    struct spool_bench *b = MEM_NEW(struct spool_bench);
    struct spool_settings settings;
    settings = LOAD_SPOOL_SETTINGS;
    settings.path = path;
    settings.min_free_bytes = 0;
    memset(b->text, 'x', sizeof b->text);
    b->settled = mailbox_new();
    enum err e = b->settled ? spool_open(&settings, io_system, &b->spool, why)
                            : err_set(why, ERR_LIMIT, "no descriptor is left");
    if (e == ERR_OK)
        e = spool_start(b->spool, why);
    if (e == ERR_OK) {
        struct spool_stats before, after;
        uint64_t count = 0, began = clock_mono_ns();
        b->until_ns = began + ns;
        spool_stats_read(b->spool, &before);
        e = run_producers(b, row, &count, why);
        uint64_t took = clock_mono_ns() - began;
        spool_stats_read(b->spool, &after);
        out->value = micro_rate(count, took);
        out->extra = micro_rate(after.syncs - before.syncs, took);
    }
    spool_free(&b->spool);
    if (b->settled)
        mailbox_free(&b->settled);
    mem_free(b);
    return e;
}

static enum err measure(const struct micro_row *row, uint64_t ns, struct micro_figures *out,
                        struct err_detail *why)
{
    char path[4096];
    enum err e = micro_directory_make(path, sizeof path, why);
    if (e != ERR_OK)
        return e;
    e = measure_in(path, row, ns, out, why);
    enum err removed = micro_directory_remove(path, why);
    return e == ERR_OK ? removed : e;
}

static const struct micro_row ROWS[] = {
    {.name = "spool-1",
     .unit = "messages/s",
     .extra = "spool-1-syncs",
     .extra_unit = "syncs/s",
     .about = "one thread, one message under way",
     .measure = measure,
     .threads = 1,
     .window = 1},
    {.name = "spool-50",
     .unit = "messages/s",
     .extra = "spool-50-syncs",
     .extra_unit = "syncs/s",
     .about = "one thread, 50 messages under way",
     .measure = measure,
     .threads = 1,
     .window = 50},
    {.name = "spool-4x50",
     .unit = "messages/s",
     .extra = "spool-4x50-syncs",
     .extra_unit = "syncs/s",
     .about = "four threads, 50 messages under way in each",
     .measure = measure,
     .threads = 4,
     .window = 50},
};
const struct micro_rows micro_spool = {ROWS, ARRAY_SIZE(ROWS)};
