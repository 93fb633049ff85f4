/* queue/sched_private.h - the scheduler's own shapes. All of it lives on the loop's thread, but
 * for a submission on its way.
 *
 * message: what the spool holds, until its last recipient is settled. Almost all have recipients
 *     in one domain only and are "narrow": no memory beside struct sched_message. A message whose
 *     recipients part ways gets a struct sched_wide.
 * group: what of a message goes one way together: waiting in a destination's queue, or for its own
 *     time, or under way in one job. The first group is in the message.
 * dest: a destination, with its queue, its window and its bad days.
 * domain: a recipient domain, its name held once, with the route it had last.
 */
#ifndef QUEUE_SCHED_PRIVATE_H
#define QUEUE_SCHED_PRIVATE_H

#include <stdatomic.h>

#include "core/timer.h"
#include "queue/sched.h"
#include "queue/sched_index.h"
#include "queue/settle.h"

/* --- A seeded hash table of embedded nodes --- */

struct sched_node {
    struct sched_node *next;
    uint64_t hash;
};
struct sched_table {
    struct sched_node **buckets;
    size_t mask, count;
    uint64_t seed[2];
};
void sched_table_init(struct sched_table *t);
void sched_table_free(struct sched_table *t); /* the nodes are the owner's */
uint64_t sched_table_hash(const struct sched_table *t, struct bytes key);
void sched_table_add(struct sched_table *t, struct sched_node *node);
void sched_table_remove(struct sched_table *t, struct sched_node *node);

/* --- Shapes --- */

enum sched_place {
    SCHED_NOWHERE,
    SCHED_READY,    /* in its destination's queue */
    SCHED_DEFERRED, /* waits for its own time */
    SCHED_JOB,
    SCHED_HELD, /* in a list of the caller's */
};

struct sched_group {
    struct sched_group *next, *prev; /* in the destination's queue, or among the deferred */
    struct timer timer;      /* deferred: its time; ready: when to look whether it waits too long */
    struct sched_dest *dest; /* ready and in a job */
    uint32_t attempts;
    uint8_t place; /* enum sched_place */
    bool extra;    /* in a struct sched_extra, not in the message */
    bool no_route; /* deferred: its domains had no route at the last attempt */
};

struct sched_groups {
    struct sched_group *head, *tail;
    size_t count;
};

enum sched_flag {
    SCHED_NO_REPORT = 1,     /* from <>, a report itself: nobody to tell */
    SCHED_WANTS_SUCCESS = 2, /* some recipient has NOTIFY=SUCCESS: the envelope is read at settle */
    SCHED_DELAY_TOLD = 4,    /* or nobody wants to be told */
    SCHED_DELAY_TELLING = 64, /* that report is not durable yet */
    SCHED_SETTLED = 8,        /* narrow: no recipient waits */
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
    struct sched_extra *next;
};

struct sched_rcpt {
    struct sched_domain *domain;
    struct sched_group *group; /* NULL: settled */
    struct mail_status status; /* text is our own copy; code 0: untouched */
    uint8_t state;             /* enum spool_rcpt_state */
    bool unreported;           /* settled, but the report is not durable yet */
};

struct sched_wide {
    struct sched_extra *extras;
    struct sched_rcpt rcpts[];
};

/* A route by count: a domain and the jobs hold it. */
struct sched_way {
    struct sched_route route;
    uint32_t refs;
};

struct sched_domain {
    struct sched_node node;
    struct sched_domain *idle_next, *idle_prev;
    uint64_t idle_since_ms;
    struct sched_way *way;
    struct sched_dest *dest;
    uint64_t octets_min, octets_max; /* the route was this for messages of both sizes */
    uint32_t generation, refs;
    uint32_t len;
    char name[];
};

struct sched_dest {
    struct sched_node node;
    uint64_t serial;                          /* in the order they came */
    struct sched_dest *ring_next, *ring_prev; /* those that may start a job; NULL: not in it */
    struct sched *sched;
    struct sched_groups queue;
    struct timer timer;
    struct sched_group *gather; /* only while one message is parted into groups */
    size_t jobs;
    uint32_t refs; /* queued groups, jobs, domains */
    uint32_t failures;
    uint32_t epoch; /* of the window: failures of an earlier one count once only */
    bool waiting;   /* it could not be reached: nothing starts but a probe when it is due */
    bool probe_due;
    int64_t failed_at_ms, next_attempt_at_ms; /* wall clock */
    struct mail_status last;                  /* why; text is our own copy */
    char *key;                                /* behind it, in the same piece of memory */
};

struct sched_work { /* a job and what is ours of it */
    struct sched_job job;
    struct sched *sched;
    struct sched_group *group;
    struct sched_dest *dest;
    struct sched_way *way;
    struct sched_work *next, *prev; /* under way; next also in the pool */
    uint32_t epoch;
};

struct sched_counters { /* written by the scheduler's thread only */
    _Atomic uint64_t messages, jobs_under_way, destinations, destinations_waiting;
    _Atomic uint64_t delivered_rcpts, failed_rcpts, deferrals, reports;
};

struct sched {
    struct loop *loop;
    struct sched_settings settings;
    struct spool *spool;
    struct sched_ops ops;
    void *owner;
    struct sched_table domains, dests;
    struct sched_index messages_by_id, dests_by_serial; /* for sched_list.c */
    uint64_t dest_serial;
    struct sched_domain *idle_head, *idle_tail;
    size_t idle_count;
    struct timer idle_timer;
    struct sched_dest ring; /* only its links */
    struct sched_groups deferred;
    struct sched_work *works, *works_pool;
    struct sched_message *messages_pool;
    size_t messages_pooled;
    struct sched_report *reports;
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

static inline void sched_count(_Atomic uint64_t *counter, int64_t n)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + (uint64_t)n, memory_order_relaxed);
}

/* --- sched_domain.c --- */

/* A reference. NAME in lower case. */
struct sched_domain *sched_domain_get(struct sched *sched, struct bytes name);
void sched_domain_put(struct sched *sched, struct sched_domain *domain);
/* The destination now, which domain->way then leads to; NULL with STATUS when there is none. */
struct sched_dest *sched_domain_route(struct sched *sched, struct sched_domain *domain,
                                      uint64_t octets, struct mail_status *status);
void sched_way_put(struct sched *sched, struct sched_way *way);
void sched_domains_free(struct sched *sched);

/* --- sched_dest.c --- */

void sched_groups_add(struct sched_groups *groups, struct sched_group *group);
void sched_groups_remove(struct sched_groups *groups, struct sched_group *group);
/* A reference. */
struct sched_dest *sched_dest_get(struct sched *sched, const char *key);
void sched_dest_put(struct sched_dest *dest);
/* GROUP, which is nowhere, to the end of the queue. */
void sched_dest_queue(struct sched_dest *dest, struct sched_group *group);
/* Learns from a job of EPOCH. */
void sched_dest_failed(struct sched_dest *dest, uint32_t epoch, const struct mail_status *why);
void sched_dest_reached(struct sched_dest *dest);
/* What a message that waits here since before a restart tells of the destination. */
void sched_dest_restore(struct sched_dest *dest, uint32_t failures, int64_t next_at_ms);
void sched_dest_probe_now(struct sched_dest *dest);
void sched_dest_update(struct sched_dest *dest); /* may it start a job? */
void sched_pump_soon(struct sched *sched);
void sched_pump(struct loop_task *task);

/* --- sched_message.c --- */

/* REF is the message's for good. */
struct sched_message *sched_message_new(struct sched *sched, const struct spool_ref *ref);
struct sched_wide *sched_wide_new(uint32_t rcpt_count);
/* A narrow message that waits. */
void sched_message_widen(struct sched_message *m);
bool sched_message_waits(const struct sched_message *m);
/* Done, or the outcome so far (RCPTS: of a narrow message), or nothing while it need not. M may
 * be gone. */
void sched_message_record(struct sched_message *m, const struct spool_rcpt_outcome *rcpts,
                          size_t count);
void sched_message_quarantine(struct sched_message *m, const char *why);
/* Frees it if nothing holds it. */
void sched_message_release(struct sched_message *m);
struct sched_group *sched_group_new(struct sched_message *m);
/* Out of wherever it waits; it stays a group. */
void sched_group_take(struct sched_group *group);
void sched_group_drop(struct sched_group *group);
/* Nowhere, or ready: waits for its own time. */
void sched_group_defer(struct sched_group *group, uint64_t delay_ms);
/* Ready: arms the look at how long it has been waiting. */
void sched_group_watch(struct sched_group *group);
/* Indexes of its recipients, in ARENA or static. */
const uint32_t *sched_group_rcpts(struct sched_group *group, struct arena *arena, size_t *count);
void sched_group_due(struct timer *timer);
/* When GROUP is tried next, wall clock; NOW and MONO: both clocks. */
int64_t sched_group_next_at(const struct sched_group *group, int64_t now, uint64_t mono);
void sched_rcpt_note(struct sched_rcpt *rcpt, const struct mail_status *status);

/* --- sched_route.c --- */

struct sched_restore {
    uint32_t failures;
    int64_t next_at_ms;
};
/* GROUP, which is nowhere, to where its recipients go now. RESTORE: for sched_dest_restore(), or
 * NULL. GROUP and its message may be gone afterwards. */
void sched_group_route(struct sched_group *group, const struct sched_restore *restore);
/* The way for the next job of GROUP, which its destination was about to start; NULL: it went
 * elsewhere. A reference. */
struct sched_way *sched_group_way(struct sched_group *group, struct sched_dest *dest);

/* --- sched_settle.c --- */

struct sched_attempt {
    const uint32_t *rcpts;
    const struct mail_status *results; /* one a recipient */
    size_t count;
    const char *host;        /* "": none answered */
    struct sched_dest *dest; /* NULL: no route */
    bool host_failed, ambiguous, peer_has_dsn;
    bool only_waited; /* nothing was tried for this group: its destination has failed again */
};
/* GROUP is nowhere, or ready when it only waited. GROUP and its message may be gone afterwards. */
void sched_group_settle(struct sched_group *group, const struct sched_attempt *attempt);
void sched_log_delivered(const struct sched_message *m, const struct sched_attempt *attempt,
                         const struct mail_status *status);

/* --- sched_report.c --- */

struct sched_report;
struct sched_report_rcpt {
    uint32_t rcpt;
    enum settle_report kind;
    struct mail_status status;
    bool remote; /* the host said it */
};
/* Copies. M stays busy until the report is durable. */
void sched_report_start(struct sched_message *m, const struct sched_report_rcpt *rcpts,
                        size_t count, const char *host);
void sched_reports_free(struct sched *sched);

#endif
