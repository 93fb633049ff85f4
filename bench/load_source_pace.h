/* bench/load_source_pace.h - the open loop's clock: when each message is meant to start.
 *
 * The intended times are fixed by rate and start alone; that an answer is late moves none of them.
 * Only the next one is kept: a message that is overdue is the next one until
 * it is begun, so that what waits needs no queue. One thread's: that of the loop.
 */
#ifndef BENCH_LOAD_SOURCE_PACE_H
#define BENCH_LOAD_SOURCE_PACE_H

#include "core/loop.h"

struct source_pace {
    uint64_t due_ns; /* monotonic: of the next message */
    double due;      /* the same, since the start, with what a nanosecond cuts off */
    uint64_t start_ns;
    double interval_ns; /* on average */
    bool poisson;       /* intervals are random, as from many senders that know nothing of others */
    struct loop *loop;
    struct loop_watch watch; /* a timerfd: the loop's own timers know milliseconds only */
    uint64_t armed_ns;       /* what it waits for; 0: nothing */
    void (*on_due)(struct source_pace *p);
};

/* PER_SECOND > 0. PHASE, 0 to 1: how much of the first interval passes before the first message. */
MUST_USE enum err source_pace_init(struct source_pace *p, struct loop *loop, double per_second,
                                   bool poisson, struct err_detail *why);
void source_pace_start(struct source_pace *p, uint64_t start_ns, double phase);
void source_pace_free(struct source_pace *p);

/* The next message has been begun: on to the one after. */
void source_pace_advance(struct source_pace *p);
/* Calls on_due once, when the next message's time has come. */
void source_pace_wait(struct source_pace *p);

#endif
