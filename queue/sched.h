/* queue/sched.h - when each message goes, and how many at once to one destination.
 *
 * One scheduler, on its own loop's thread. It holds a few dozen bytes a message, never a body; the
 * schedule is in the spool's outcome records, so a restart continues exactly. It opens no socket
 * and reads no clock but core/clock.h: the simulation runs weeks of it in seconds.
 *
 * A destination (a smart host list, a domain by MX) has a window of jobs under way. When it cannot
 * be reached the whole destination waits (one probe, not one a message); when a message is told
 * 4xx that message waits.
 */
#ifndef QUEUE_SCHED_H
#define QUEUE_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/ipaddr.h"
#include "core/loop.h"
#include "core/mail.h"
#include "queue/retry.h"
#include "queue/spool.h"

struct sched;

/* spool_meta.notes of our reports: a line begins with a dot. Must be SMTP_DATA_DOT_LINE of
 * net/smtp_data.h, which this folder does not know; who knows both asserts it. */
#define SCHED_NOTE_DOT_LINE 16u

struct sched_settings { /* copied */
    struct retry_settings retry;
    size_t window_max;    /* jobs under way to one destination: max_per_domain_outbound_connections
                           * times what one connection holds in its pipeline */
    size_t jobs_max;      /* under way in all */
    const char *hostname; /* for reports */
    const char *postmaster; /* From of reports: postmaster@<default accepted domain> */
};

/* A way out, as the owner knows it. Counted by references, immutable. */
struct sched_route {
    const char *key; /* destination */
    void *owner_route;
};

struct sched_job {            /* given to deliver(), given back by sched_finished() */
    struct mailbox_item item; /* free for the owner's hop to its thread; sched's on the way back */
    void *owner;              /* free for the owner */
    struct spool_ref ref;
    struct sched_route route;
    const uint32_t *rcpts; /* indexes in the message's envelope */
    size_t rcpt_count;
    /* The owner fills these before sched_finished(). */
    struct arena arena;
    struct mail_status *results; /* one a recipient of the job, in arena */
    struct endpoint peer;
    char host[256];                /* remote MTA that answered, "" if none */
    bool host_failed;              /* the destination failed, not the message */
    bool ambiguous;                /* P3b: may have been delivered all the same */
    bool peer_has_dsn;             /* the next hop took over DSN duties (RFC 3461 5.2.1) */
    bool unreadable;               /* the spool could not give the message: quarantine it */
    struct sched_message *message; /* the scheduler's own */
};

struct sched_ops { /* all on the scheduler's thread */
    /* The way to DOMAIN for a message of OCTETS; true and ROUTE (a reference) or false and STATUS:
     * 4xx waits as unreachable, 5xx fails the recipient. Asked anew before every attempt. */
    bool (*route)(void *owner, struct bytes domain, uint64_t octets, struct sched_route *route,
                  struct mail_status *status);
    void (*route_release)(void *owner, struct sched_route *route);
    /* Start it; must not call back before it returns. */
    void (*deliver)(void *owner, struct sched_job *job);
};

struct sched *sched_new(struct loop *loop, const struct sched_settings *settings,
                        struct spool *spool, const struct sched_ops *ops, void *owner);
/* Nobody submits any more. Jobs still under way are forgotten with their memory: the spool has
 * their messages. Before its loop and its spool are freed. */
void sched_free(struct sched **sched);

/* Message M is durable: takes a copy of what it needs of ENVELOPE. OUTCOME: of a message found at
 * the start, or NULL. Any thread. */
void sched_submit(struct sched *sched, const struct spool_ref *ref,
                  const struct mail_envelope *envelope, const struct spool_meta *meta,
                  const struct spool_outcome *outcome);
/* The job is over: results are filled. Any thread. JOB is the scheduler's again. */
void sched_finished(struct sched *sched, struct sched_job *job);

/* Scheduler's thread (send a mailbox item). */
void sched_drain(struct sched *sched); /* starts nothing new */
size_t sched_jobs_under_way(const struct sched *sched);
void sched_retry_all(struct sched *sched); /* now: routes changed, or the administrator asks */
struct sched_stats {
    uint64_t messages, jobs_under_way, destinations, destinations_waiting;
    uint64_t delivered_rcpts, failed_rcpts, deferrals, reports;
};
void sched_stats_read(const struct sched *sched, struct sched_stats *out); /* any thread */

#endif
