/* The scheduler fed from the spool, a piece a turn. */
#include "mailrace/requeue.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "queue/sched.h"
#include "queue/spool.h"

/* A few milliseconds' worth: deliveries and new messages take their turns in between. */
#define REQUEUE_AT_ONCE 2000

static void submit(void *owner, const struct spool_message *message,
                   const struct spool_outcome *outcome)
{
    struct requeue *r = owner;
    r->messages++;
    sched_submit(r->sched, &message->ref, &message->envelope, &message->meta, outcome);
}

static void run(struct mailbox_item *item)
{
    struct requeue *r = CONTAINER_OF(item, struct requeue, item);
    if (r->stopped)
        return;
    if (r->over) { /* what was submitted last has been scheduled by now */
        LOG(LOG_INFO, "scheduled_all", LOG_U64("messages", r->messages),
            LOG_U64("ms", clock_mono_ms() - r->began_ms));
        return;
    }
    r->over = !spool_recovered_next(r->spool, REQUEUE_AT_ONCE, submit, r);
    mailbox_send(loop_mailbox(r->loop), &r->item);
}

void requeue_start(struct requeue *r, struct loop *loop, struct sched *sched, struct spool *spool)
{
    *r =
        (struct requeue){.loop = loop, .sched = sched, .spool = spool, .began_ms = clock_mono_ms()};
    r->item.run = run;
    mailbox_send(loop_mailbox(loop), &r->item);
}

void requeue_stop(struct requeue *r)
{
    r->stopped = true;
}
