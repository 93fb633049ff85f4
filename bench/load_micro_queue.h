/* bench/load_micro_queue.h - a long queue for the micro benchmarks: a spool on the disk, a
 * scheduler that knows all its messages, a courier that takes all it is given and sends it nowhere.
 * Made once for all rows.
 */
#ifndef BENCH_LOAD_MICRO_QUEUE_H
#define BENCH_LOAD_MICRO_QUEUE_H

#include <stdint.h>

#include "core/err.h"
#include "core/loop.h"
#include "core/route.h"
#include "queue/sched.h"
#include "queue/spool.h"

struct micro_feeder;
struct micro_queue {
    char path[4096];
    struct spool *spool;
    struct sched *sched;
    struct loop *loop; /* the scheduler's */
    struct mailbox *courier;
    struct micro_feeder *feeder;
    struct micro_queue_threads *threads;
};

/* A route with a key and nothing else. */
struct route *micro_route_new(struct bytes key);

/* 1,000,000 messages that wait for destinations which cannot be reached; fewer where a repetition
 * of NS is shorter than a fifth of a second. */
MUST_USE enum err micro_queue_get(uint64_t ns, struct micro_queue **out, struct err_detail *why);
MUST_USE enum err micro_queue_close(struct err_detail *why); /* nothing if there is none */

/* Messages of 4 KiB come beside them, 200 under way at a time, and are delivered. */
MUST_USE enum err micro_queue_feed(struct micro_queue *q, struct err_detail *why);
uint64_t micro_queue_delivered(const struct micro_queue *q);
void micro_queue_feed_end(struct micro_queue *q);

#endif
