/* mailrace-load micro: listing a long queue. A spool with 1,000,000 messages that wait (fewer when
 * less than a second is given), a scheduler that knows them, and a thread that lists them; beside
 * it, if asked for, messages that come, are delivered to a courier which sends them nowhere, and
 * are done.
 */
#include "bench/load_micro.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/thread.h"
#include "queue/listing.h"

#include "bench/load_micro_queue.h"

enum list_what { LIST_KNOWN, LIST_HEADS, LIST_BESIDE };

enum {
    PAGE_WAIT_MS = 10000,
    SLICE_NS = 100000000,
    SLICES_MIN = 4,
    SLICE_MIN_NS = 20000000,
    SLICE_PART_NS = 5000000
};
#define NOTHING_NS 10000000000U /* so long nothing is delivered: the disk may be full */

/* --- The lister --- */

/* What the scheduler knows of all messages; how many there were. */
static enum err list_known(struct micro_queue *q, uint64_t *count, struct err_detail *why)
{
    struct sched_list *list = sched_list_new(q->sched, SCHED_LIST_MESSAGES, NULL, 0);
    while (!list->end) {
        sched_list_ask_only(list, SCHED_LIST_ROWS_MAX);
        if (!sched_list_wait(&list, PAGE_WAIT_MS))
            return err_set(why, ERR_IO, "the scheduler does not answer");
        for (size_t i = 0; i < list->row_count; i++)
            micro_keep(&list->rows[i]);
        *count += list->row_count;
    }
    sched_list_free(&list);
    return ERR_OK;
}

/* The same with their envelopes, until UNTIL_NS at the latest. */
static enum err list_heads(struct micro_queue *q, uint64_t until_ns, uint64_t *count,
                           struct err_detail *why)
{
    struct listing *listing = listing_new(q->sched, q->spool, NULL, 0, 0);
    struct listing_row row;
    enum listing_result result;
    while ((result = listing_next(listing, &row)) == LISTING_ROW) {
        micro_keep(&row);
        if (++*count % 1024 == 0 && clock_mono_ns() >= until_ns)
            break;
    }
    listing_free(&listing);
    if (result == LISTING_UNREADABLE)
        return err_set(why, ERR_CORRUPT, "%s", row.why.text);
    return result == LISTING_STOPPED ? err_set(why, ERR_IO, "the scheduler does not answer")
                                     : ERR_OK;
}

/* Seconds that 1,000,000 messages take. */
static double million(uint64_t count, uint64_t ns)
{
    return count ? (double)ns / 1e9 * 1e6 / (double)count : 0;
}

static enum err measure_alone(struct micro_queue *q, bool heads, uint64_t ns,
                              struct micro_figures *out, struct err_detail *why)
{
    uint64_t began = clock_mono_ns(), count = 0;
    enum err e = ERR_OK;
    do
        e = heads ? list_heads(q, UINT64_MAX, &count, why) : list_known(q, &count, why);
    while (e == ERR_OK && clock_mono_ns() - began < ns);
    out->value = million(count, clock_mono_ns() - began);
    return e;
}

/* --- Beside delivery --- */

struct lister {
    struct thread thread;
    struct micro_queue *q;
    uint64_t until_ns, took_ns, count;
    enum err failed;
};

static void lister_run(void *arg)
{
    struct lister *l = arg;
    struct err_detail why;
    uint64_t began = clock_mono_ns();
    /* Only what delivery leaves of the CPUs, as the thread that lists in the relay. */
    (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
    do
        l->failed = list_heads(l->q, l->until_ns, &l->count, &why);
    while (l->failed == ERR_OK && clock_mono_ns() < l->until_ns);
    l->took_ns = clock_mono_ns() - began;
}

/* Messages delivered within NS, with or without a listing. */
static enum err deliver_for(struct micro_queue *q, uint64_t ns, struct lister *lister,
                            uint64_t *delivered, uint64_t *took_ns, struct err_detail *why)
{
    uint64_t began = clock_mono_ns(), before = micro_queue_delivered(q);
    enum err e = ERR_OK;
    if (lister) {
        lister->until_ns = began + ns;
        e = thread_start(&lister->thread, "lister", lister_run, lister, why);
        if (e != ERR_OK)
            return e;
    }
    do
        (void)nanosleep(&(struct timespec){.tv_nsec = SLICE_PART_NS}, NULL);
    while (clock_mono_ns() - began < ns ||
           (micro_queue_delivered(q) == before && clock_mono_ns() - began < NOTHING_NS));
    *delivered += micro_queue_delivered(q) - before;
    *took_ns += clock_mono_ns() - began;
    if (lister)
        thread_join(&lister->thread);
    return lister && lister->failed != ERR_OK ? err_set(why, lister->failed, "the listing failed")
                                              : ERR_OK;
}

/* Slices in turn, so that what else moves the machine falls on both. */
static enum err measure_beside(struct micro_queue *q, uint64_t ns, struct micro_figures *out,
                               struct err_detail *why)
{
    uint64_t delivered[2] = {0}, took_ns[2] = {0}, listed = 0, listed_ns = 0;
    uint64_t slices = ns / SLICE_NS > SLICES_MIN ? ns / SLICE_NS : SLICES_MIN;
    enum err e = micro_queue_feed(q, why);
    for (uint64_t i = 0; i < slices && e == ERR_OK; i++) {
        struct lister lister = {.q = q};
        bool listing = (i + i / 2) % 2 == 1; /* without, with, with, without, ... */
        e = deliver_for(q, ns / slices > SLICE_MIN_NS ? ns / slices : SLICE_MIN_NS,
                        listing ? &lister : NULL, &delivered[listing], &took_ns[listing], why);
        listed += lister.count;
        listed_ns += lister.took_ns;
    }
    micro_queue_feed_end(q);
    double without = micro_rate(delivered[0], took_ns[0]);
    if (e == ERR_OK && without > 0)
        out->value = 100 * micro_rate(delivered[1], took_ns[1]) / without;
    out->extra = million(listed, listed_ns);
    return e;
}

static enum err measure(const struct micro_row *row, uint64_t ns, struct micro_figures *out,
                        struct err_detail *why)
{
    struct micro_queue *q;
    enum err e = micro_queue_get(ns, &q, why);
    if (e == ERR_OK && row->kind == LIST_BESIDE)
        e = measure_beside(q, ns, out, why);
    else if (e == ERR_OK)
        e = measure_alone(q, row->kind == LIST_HEADS, ns, out, why);
    return e;
}

static const struct micro_row ROWS[] = {
    {.name = "list-known",
     .unit = "s for 1,000,000",
     .about = "what the scheduler knows of each queued message",
     .measure = measure,
     .kind = LIST_KNOWN},
    {.name = "list-heads",
     .unit = "s for 1,000,000",
     .about = "the same with the envelopes, read from the spool",
     .measure = measure,
     .kind = LIST_HEADS},
    {.name = "list-beside",
     .unit = "% of the mail delivered without",
     .extra = "list-beside-listing",
     .extra_unit = "s for 1,000,000",
     .about = "delivery of 4 KiB messages while listing after listing runs",
     .measure = measure,
     .kind = LIST_BESIDE},
};
const struct micro_rows micro_list = {ROWS, ARRAY_SIZE(ROWS)};
