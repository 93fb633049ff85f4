/* mailrace/requeue.h - what the spool held at the start goes to the scheduler bit by bit, on
 * the scheduler's thread, while new mail comes in and goes out already.
 */
#ifndef MAILRACE_REQUEUE_H
#define MAILRACE_REQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/mailbox.h"

struct loop;
struct sched;
struct spool;

struct requeue {
    struct mailbox_item item;
    struct loop *loop; /* the scheduler's */
    struct sched *sched;
    struct spool *spool;
    uint64_t began_ms, messages;
    bool over;    /* all were handed over */
    bool stopped; /* set when the scheduler's thread has ended */
};

/* SCHED's loop need not run yet. R lives as long as the loop. */
void requeue_start(struct requeue *r, struct loop *loop, struct sched *sched, struct spool *spool);
/* The rest stays in the spool for the next start. */
void requeue_stop(struct requeue *r);

#endif
