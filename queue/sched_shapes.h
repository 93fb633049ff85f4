/* queue/sched_shapes.h - what the scheduler is told and what it gives out: settings, jobs, and the
 * questions to its owner.
 */
#ifndef QUEUE_SCHED_SHAPES_H
#define QUEUE_SCHED_SHAPES_H

#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/mail.h"
#include "core/mailbox.h"
#include "core/route.h"
#include "queue/retry.h"
#include "queue/spool.h"

struct sched;
struct sched_message;

/* spool_meta.notes of our reports: a line begins with a dot. Must be SMTP_DATA_DOT_LINE of
 * net/smtp_data.h, which this folder does not know; mailrace/, which knows both, asserts it. */
#define SCHED_NOTE_DOT_LINE 16u

struct sched_settings { /* copied */
    struct retry_settings retry;
    size_t window_max;    /* jobs under way to one destination: max_per_domain_outbound_connections
                           * times what one connection holds in its pipeline */
    size_t jobs_max;      /* under way in all */
    const char *hostname; /* for reports */
    const char *postmaster; /* From of reports: postmaster@<default accepted domain> */
};

struct sched_job {            /* given to deliver(), given back by sched_finished() */
    struct mailbox_item item; /* free for the owner's hop to its thread; sched's on the way back */
    void *owner;              /* free for the owner */
    struct spool_ref ref;
    struct route *route;           /* good until sched_finished() */
    struct mail_attempt attempt;   /* its recipients; the owner fills in the rest */
    struct arena arena;            /* for the results and what else lives as long as the job */
    bool unreadable;               /* the spool could not give the message: quarantine it */
    struct sched_message *message; /* the scheduler's own */
};

struct sched_ops { /* all on the scheduler's thread */
    /* How a message of OCTETS gets to DOMAIN: a reference, or NULL and STATUS: 4xx waits as
     * unreachable, 5xx fails the recipient. Asked anew before every attempt. */
    struct route *(*route)(void *owner, struct bytes domain, uint64_t octets,
                           struct mail_status *status);
    /* Start it; must not call back before it returns. */
    void (*deliver)(void *owner, struct sched_job *job);
};

struct sched_stats {
    uint64_t messages, jobs_under_way, destinations, destinations_waiting;
    uint64_t delivered_rcpts, failed_rcpts, deferrals, reports;
};

#endif
