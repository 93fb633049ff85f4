/* queue/sched_list.h - what the scheduler knows of messages and destinations, asked for from any
 * thread, a page at a time.
 *
 * A page is one short step on the scheduler's thread: it looks at so many messages at most, so that
 * delivery waits for a fraction of a millisecond. It may come back with fewer rows than wanted, or
 * none, and END still false: ask again. Messages come in order of their ids, destinations in the
 * order in which the scheduler met them. The cursor is a number: it stays good whatever comes and
 * goes, that of messages also over a restart. What lives during the whole listing is shown exactly
 * once; what comes or goes meanwhile is shown as it was, or left out.
 *
 * The scheduler must outlive what it was asked (sched_free() answers it).
 */
#ifndef QUEUE_SCHED_LIST_H
#define QUEUE_SCHED_LIST_H

#include "core/mailbox.h"
#include "core/task.h"
#include "queue/sched.h"

#define SCHED_LIST_ROWS_MAX 1024

enum sched_list_kind {
    SCHED_LIST_MESSAGES,
    SCHED_LIST_MESSAGE, /* one, with its recipients */
    SCHED_LIST_DESTINATIONS,
};

/* Of a group of recipients: what of it goes to one destination together. */
enum sched_list_status {
    SCHED_LIST_READY,       /* goes as soon as its destination has room */
    SCHED_LIST_ACTIVE,      /* in a job */
    SCHED_LIST_DEFERRED,    /* was told 4xx: waits for its own time */
    SCHED_LIST_UNREACHABLE, /* waits with its destination, or has no route */
    SCHED_LIST_SETTLED,     /* no recipient waits; a report is still being stored */
};
const char *sched_list_status_name(enum sched_list_status status); /* "ready", ... */

struct sched_list_filter {   /* zeros take everything */
    unsigned statuses;       /* bits 1 << enum sched_list_status: of a group, or of a destination */
    const char *destination; /* pattern, core/bytes.h; NULL: any. Of a group, or of a destination */
    const char *domain;      /* pattern; of a recipient, settled or not */
    int64_t received_from_ms, received_until_ms; /* wall clock; until 0: no bound */
    uint64_t octets_min, octets_max;             /* max 0: no bound */
    uint32_t attempts_min, attempts_max;         /* max 0: no bound */
};

struct sched_list_group {
    const char *destination;    /* "": no route, or none looked for since the restart */
    int64_t next_attempt_at_ms; /* wall clock; now or in the past: at once */
    uint32_t attempts;
    enum sched_list_status status;
};
struct sched_list_rcpt {
    uint8_t state;             /* enum mail_rcpt_state */
    struct mail_status status; /* the last answer; code 0: none, or only in the spool's record */
    uint32_t group;            /* while it waits */
};
struct sched_list_row {
    struct spool_ref ref;
    int64_t received_at_ms;
    uint64_t octets;
    unsigned statuses;          /* bits of its groups */
    uint32_t attempts;          /* the most of its groups */
    int64_t next_attempt_at_ms; /* the soonest of its groups, 0: there is none */
    uint32_t rcpt_count;
    uint32_t group_count;
    const struct sched_list_group *groups;
    const struct sched_list_rcpt *rcpts; /* SCHED_LIST_MESSAGE only */
};

struct sched_list_dest {
    const char *destination;
    uint64_t ready, active; /* groups of messages that wait for it, and jobs */
    unsigned statuses;      /* of READY, ACTIVE, UNREACHABLE; 0: only its route is remembered */
    uint32_t failures;      /* in a row */
    int64_t failed_at_ms, next_attempt_at_ms; /* UNREACHABLE; wall clock */
    struct mail_status last;                  /* UNREACHABLE: why */
};

struct sched_list {
    struct task task; /* private */
    struct sched *sched;
    enum sched_list_kind kind;
    struct sched_list_filter filter;
    void (*answered)(void *owner, struct sched_list *list);
    void *owner;
    struct arena own, page;
    size_t rows_max;
    /* The answer, until it is asked again. */
    uint64_t cursor; /* where to go on */
    bool end;        /* there is nothing more */
    size_t row_count;
    struct sched_list_row *rows;   /* messages */
    struct sched_list_dest *dests; /* destinations */
};

/* To begin behind CURSOR, 0: at the first; of SCHED_LIST_MESSAGE the id. FILTER is copied. */
struct sched_list *sched_list_new(struct sched *sched, enum sched_list_kind kind,
                                  const struct sched_list_filter *filter, uint64_t cursor);
/* The asker's thread; not between question and answer, there sched_list_abandon(). */
void sched_list_free(struct sched_list **list);

/* The next page, of at most ROWS. ANSWERED runs on HOME, which is the calling thread's. */
void sched_list_ask(struct sched_list *list, size_t rows, struct mailbox *home,
                    void (*answered)(void *owner, struct sched_list *list), void *owner);
/* Without a mailbox: sched_list_ask_only(), then sched_list_wait(). False: no answer within
 * WAIT_MS; the list is abandoned, *LIST is NULL. */
void sched_list_ask_only(struct sched_list *list, size_t rows);
MUST_USE bool sched_list_wait(struct sched_list **list, unsigned wait_ms);
/* Between question and answer: there will be none. */
void sched_list_abandon(struct sched_list **list);

#endif
