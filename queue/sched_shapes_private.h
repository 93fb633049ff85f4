/* queue/sched_shapes_private.h - the scheduler's own shapes, and what its files offer each other,
 * from the lowest to the highest: a file calls only what stands above its own section. All of it
 * lives on the loop's thread, but for a submission, which comes from another.
 *
 * message: what the spool holds, until its last recipient is delivered or failed. Almost all have
 *     recipients in one domain only and are "narrow": no memory beside struct sched_message. A
 *     message with recipients that have different destinations or answers gets a struct sched_wide.
 * group: recipients of one message that have one destination. It waits in the destination's queue,
 *     or for its own time, or is under way in one job. The first group is in the message.
 * dest: a destination, with its queue, its window and how often in a row it could not be reached.
 * domain: a recipient domain, its name held once, with the route it had last.
 */
#ifndef QUEUE_SCHED_SHAPES_PRIVATE_H
#define QUEUE_SCHED_SHAPES_PRIVATE_H

#include <stdatomic.h>

#include "core/list.h"
#include "core/loop.h"
#include "core/table.h"
#include "core/timer.h"
#include "queue/sched_index.h"
#include "queue/sched_shapes.h"

enum sched_place {
    SCHED_NOWHERE,
    SCHED_READY,    /* in its destination's queue */
    SCHED_DEFERRED, /* waits for its own time */
    SCHED_JOB,
    SCHED_HELD, /* in a list of the caller's */
};

struct sched_group {
    struct cds_list_head link; /* in the destination's queue, or among the deferred */
    struct timer timer;      /* deferred: its time; ready: when to look whether it waits too long */
    struct sched_dest *dest; /* ready and in a job */
    uint32_t attempts;
    uint8_t place; /* enum sched_place */
    bool extra;    /* in a struct sched_extra, not in the message */
    bool no_route; /* deferred: its domains had no route at the last attempt */
};

enum sched_flag {
    SCHED_NO_REPORT = 1,      /* from <>, or a report itself: no sender to tell */
    SCHED_WANTS_SUCCESS = 2,  /* some recipient has NOTIFY=SUCCESS: settling needs the envelope */
    SCHED_DELAY_TOLD = 4,     /* or no recipient asks for it */
    SCHED_DELAY_TELLING = 64, /* that report is not durable yet */
    SCHED_ENDED = 8,          /* narrow: no recipient waits */
    SCHED_DEAD = 16,          /* quarantined: only what is under way still holds it */
    SCHED_WIDE = 32,
};

struct sched_message {
    struct sched_group group;
    struct sched *sched;
    struct spool_ref ref;
    int64_t received_at_ms;
    uint64_t octets;
    union {
        struct sched_domain *domain; /* narrow */
        struct sched_wide *wide;
    };
    uint32_t rcpt_count;
    uint16_t busy; /* jobs and reports that are under way */
    uint16_t flags;
};
_Static_assert(sizeof(struct sched_message) <= 128, "a queued message costs RAM");

struct sched_extra {
    struct sched_group group;
    struct sched_message *message;
    struct cds_list_head link; /* of the message's */
};

/* A struct mail_rcpt in short: its address is in the spool. */
struct sched_rcpt {
    struct sched_domain *domain;
    struct sched_group *group; /* NULL: delivered or failed */
    struct mail_status status; /* text is our own copy; code 0: untouched */
    uint8_t state;             /* enum mail_rcpt_state */
    uint8_t report;            /* enum mail_report: of its end, and not durable yet */
};

struct sched_wide {
    struct cds_list_head extras;
    struct sched_rcpt rcpts[];
};

struct sched_domain {
    struct table_node node;
    struct cds_list_head idle; /* among those without mail; a list of its own: it has some */
    uint64_t idle_since_ms;
    struct route *route; /* NULL: not asked for yet */
    struct sched_dest *dest;
    uint64_t octets_min, octets_max; /* the route was this for messages of both sizes */
    uint32_t generation, refs;
    uint32_t len;
    char name[];
};

struct sched_dest {
    struct table_node node;
    uint64_t serial;           /* in the order they came */
    struct cds_list_head ring; /* those that may start a job; a list of its own: it may not */
    struct sched *sched;
    struct cds_list_head queue; /* groups */
    size_t queued;
    struct timer timer;
    struct sched_group *gather; /* only while one message is divided into groups */
    size_t jobs;
    uint32_t refs; /* queued groups, jobs, domains */
    uint32_t failures;
    uint32_t epoch; /* of the window: failures of an earlier one count once only */
    bool waiting;   /* it could not be reached: nothing starts but a probe when it is due */
    bool probe_due;
    int64_t failed_at_ms, next_attempt_at_ms; /* wall clock */
    struct mail_status last;                  /* why; text is our own copy */
    char key[];
};

struct sched_work { /* a job and what is ours of it */
    struct sched_job job;
    struct sched *sched;
    struct sched_group *group;
    struct sched_dest *dest;
    struct cds_list_head link; /* under way, or in the pool */
    uint32_t epoch;
};

struct sched_counters { /* written by the scheduler's thread only */
    _Atomic uint64_t messages, jobs_under_way, destinations, destinations_waiting;
    _Atomic uint64_t delivered_rcpts, failed_rcpts, deferrals, reports;
};

/* What lower files ask of higher ones. */
struct sched_upward {
    void (*group_due)(struct timer *timer); /* of a group: its time has come */
    void (*submit)(struct sched *sched, const struct spool_ref *ref,
                   const struct mail_envelope *envelope, const struct spool_meta *meta,
                   const struct spool_outcome *outcome);
};

struct sched {
    struct loop *loop;
    struct sched_settings settings;
    struct spool *spool;
    struct sched_ops ops;
    void *owner;
    struct sched_upward upward;
    struct table domains, dests;
    struct sched_index messages_by_id, dests_by_serial; /* for sched_list.c */
    uint64_t dest_serial;
    struct cds_list_head idle; /* domains, the longest idle first */
    size_t idle_count;
    struct timer idle_timer;
    struct cds_list_head ring; /* destinations: each has its turn */
    struct cds_list_head deferred;
    struct cds_list_head works, works_pool;
    struct cds_list_head messages_pool;
    size_t messages_pooled;
    struct cds_list_head reports;
    struct loop_task pump;
    uint32_t generation; /* of the owner's routes */
    bool draining;
    struct sched_counters counters;
};

static inline struct sched_message *sched_group_message(struct sched_group *group)
{
    if (group->extra)
        return CONTAINER_OF(group, struct sched_extra, group)->message;
    return CONTAINER_OF(group, struct sched_message, group);
}

static inline uint64_t sched_counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void sched_count(_Atomic uint64_t *counter, int64_t n)
{
    atomic_store_explicit(counter, sched_counted(counter) + (uint64_t)n, memory_order_relaxed);
}

static inline void sched_pump_soon(struct sched *sched)
{
    loop_defer(sched->loop, &sched->pump);
}

/* --- sched_group.c: one group, wherever it is --- */

/* Indexes of its recipients, in ARENA or static. */
const uint32_t *sched_group_rcpts(struct sched_group *group, struct arena *arena, size_t *count);
/* When the sender is due to hear of a message that waits, wall clock: first that it is late, in
 * the end that it has expired. */
int64_t sched_message_word_due_at(const struct sched_message *m);
/* Ready: arms the look at how long it has been waiting. */
void sched_group_watch(struct sched_group *group);
/* When GROUP is tried next, wall clock; NOW and MONO: both clocks. */
int64_t sched_group_next_at(const struct sched_group *group, int64_t now, uint64_t mono);

/* --- sched_dest.c --- */

/* A reference. */
struct sched_dest *sched_dest_get(struct sched *sched, const char *key);
void sched_dest_put(struct sched_dest *dest);
/* GROUP, which is nowhere, to the end of the queue. */
void sched_dest_queue(struct sched_dest *dest, struct sched_group *group);
/* GROUP, which is in its destination's queue, out of it. DEST may be gone. */
void sched_dest_unqueue(struct sched_group *group);
/* Learns from a job of EPOCH. */
void sched_dest_failed(struct sched_dest *dest, uint32_t epoch, const struct mail_status *why);
void sched_dest_reached(struct sched_dest *dest);
/* What a message that waits here since before a restart tells of the destination. */
void sched_dest_restore(struct sched_dest *dest, uint32_t failures, int64_t next_at_ms);
void sched_dest_probe_now(struct sched_dest *dest);
void sched_dest_update(struct sched_dest *dest); /* may it start a job? */

/* --- sched_domain.c --- */

/* A reference. NAME in lower case. */
struct sched_domain *sched_domain_get(struct sched *sched, struct bytes name);
void sched_domain_put(struct sched *sched, struct sched_domain *domain);
/* The destination now, which domain->route then leads to; NULL with STATUS when there is none. */
struct sched_dest *sched_domain_route(struct sched *sched, struct sched_domain *domain,
                                      uint64_t octets, struct mail_status *status);
void sched_domains_free(struct sched *sched);

/* --- sched_message.c --- */

/* REF is the message's for good. */
struct sched_message *sched_message_new(struct sched *sched, const struct spool_ref *ref);
struct sched_wide *sched_wide_new(uint32_t rcpt_count);
/* A narrow message that waits. */
void sched_message_widen(struct sched_message *m);
bool sched_message_waits(const struct sched_message *m);
/* Done, or the outcome so far (RCPTS: of a narrow message), or nothing while it need not. M may
 * be gone. */
void sched_message_record(struct sched_message *m, const struct mail_rcpt *rcpts, size_t count);
void sched_message_quarantine(struct sched_message *m, const char *why);
/* Frees it if nothing holds it. */
void sched_message_release(struct sched_message *m);
void sched_messages_free_pool(struct sched *sched);
void sched_rcpt_note(struct sched_rcpt *rcpt, const struct mail_status *status);
struct sched_group *sched_group_new(struct sched_message *m);
/* Out of wherever it waits; it stays a group. */
void sched_group_take(struct sched_group *group);
void sched_group_drop(struct sched_group *group);
/* Nowhere, or ready: waits for its own time. */
void sched_group_defer(struct sched_group *group, uint64_t delay_ms);

/* --- sched_report.c --- */

struct sched_report;
/* Of those of RCPTS that one is due for, if any; copied. M stays busy until it is durable. */
void sched_report_start(struct sched_message *m, const struct mail_rcpt *rcpts, size_t count,
                        const char *host);
void sched_reports_free(struct sched *sched);

/* --- sched_settle.c --- */

/* What ATTEMPT's answers mean for GROUP, which is nowhere, or in DEST's queue when only DEST was
 * tried, for another. DEST NULL: there was no route. GROUP and its message may be gone afterwards.
 */
void sched_group_settle(struct sched_group *group, const struct mail_attempt *attempt,
                        struct sched_dest *dest);
void sched_log_delivered(const struct sched_message *m, const struct mail_attempt *attempt,
                         const struct sched_dest *dest, const struct mail_status *status);

/* --- sched_route.c --- */

struct sched_restore {
    uint32_t failures;
    int64_t next_at_ms;
};
/* GROUP, which is nowhere, to where its recipients go now. RESTORE: for sched_dest_restore(), or
 * NULL. GROUP and its message may be gone afterwards. */
void sched_group_route(struct sched_group *group, const struct sched_restore *restore);
/* The route for the next job of GROUP, which DEST was about to start: a reference. NULL: it has
 * another destination now, and was queued there. */
struct route *sched_group_route_to(struct sched_group *group, struct sched_dest *dest);
void sched_group_due(struct timer *timer);

/* --- sched_job.c --- */

void sched_pump(struct loop_task *task);
void sched_jobs_forget(struct sched *sched); /* all that are under way, and the pool */

/* --- sched_submit.c has sched_submit(), sched.c the rest of sched.h --- */

#endif
