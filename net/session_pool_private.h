/* net/session_pool_private.h - open sessions by destination; private to the courier.
 *
 * A destination has jobs that wait, and sessions. A session that has asked for a message and got
 * none is "ready": the next pump gives it one; a busy one asks by itself, one message ahead.
 * Nothing is torn down inside a callback: sessions that have work left, and destinations where
 * something has changed, are put on the courier's lists and seen to at the end of the loop's turn.
 *
 * From the lowest file to the highest: a file calls only what stands above its own section.
 */
#ifndef NET_SESSION_POOL_PRIVATE_H
#define NET_SESSION_POOL_PRIVATE_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/list.h"
#include "core/loop.h"
#include "core/table.h"
#include "core/timer.h"
#include "net/conn.h"
#include "net/courier_job.h"
#include "net/mx.h"

#define POOL_OUTPUT_BYTES      (128 * 1024)
#define POOL_TARGETS_MS        60000 /* a good resolution is kept for so long */
#define POOL_TARGET_AVOID_MS   60000 /* and a target that failed is tried last for so long */
#define POOL_HOLD_MS           5000  /* no further connections after one failed while others work */
#define POOL_CONNECT_MS        30000 /* when the settings give none */
#define POOL_IDLE_MS           5000
#define POOL_LINGER_MS         1000
#define POOL_QUICK_MS          20 /* so long a job may wait for a session that is under way */
#define POOL_LEFT_MAX          8  /* and no more than so many wait for one */
#define POOL_FILLS_A_TURN      4  /* of 128 KiB: a large message does not starve other sessions */
#define POOL_FAILURE_TEXT_SIZE 512

struct pool_targets {
    unsigned refs;
    uint64_t until_ms;
    size_t first; /* the rotation that they were resolved with */
    size_t count;
    uint64_t avoid_until_ms[MX_TARGETS_MAX];
    struct mx_target targets[MX_TARGETS_MAX];
};

struct pool_destination {
    struct table_node node;
    struct cds_list_head changed; /* to be pumped; a list of its own: no need */
    struct courier *courier;
    struct route *route; /* the newest */
    /* RETURNED jobs had a connection closed under them: they go to fresh sessions only, so that
     * it happens to them once. */
    struct cds_list_head waiting, returned;
    size_t job_count; /* in both */
    struct cds_list_head sessions, ready;
    size_t session_count, opening_count, ready_count;
    size_t soon_count;     /* sessions that will ask for a job as soon as they may send a text */
    uint64_t answer_ms_16; /* of a message, on average, in sixteenths */
    struct timer patience; /* then the jobs that were left to those sessions get any that is free */
    struct pool_targets *targets; /* the last good resolution, or NULL */
    struct mx_resolution *resolution;
    bool resolving;
    size_t rotation; /* grows by one for each connection (round robin) */
    uint64_t hold_until_ms;
};

enum pool_phase {
    POOL_RESOLVING,
    POOL_CONNECTING,
    POOL_GREETING, /* banner, EHLO, TLS */
    POOL_OPEN,
    POOL_CLOSING, /* after 221: until the connection has closed in good order */
};

/* What a target did to us, kept for the first one: it is what the jobs will be told. */
struct pool_failure {
    struct mail_status status; /* code 0: none; text below */
    char text[POOL_FAILURE_TEXT_SIZE];
    char host[MAIL_HOST_SIZE];
    struct endpoint at;
    bool refuses_mail; /* every target so far said 521 or 556 (RFC 7504) */
};

struct pool_session {
    struct cds_list_head link;  /* of the destination's */
    struct cds_list_head ready; /* a list of its own: not ready */
    struct cds_list_head work;  /* of the courier's, at the end of the turn; its own: none */
    struct pool_destination *destination;
    struct route *route;
    struct pool_targets *targets;
    size_t start;   /* index of the target to begin with */
    uint32_t tried; /* targets, as bits */
    size_t target;
    enum pool_phase phase;
    bool clear;       /* TLS went wrong on this target: once more without */
    bool handshaking; /* conn_start_tls() was called */
    bool idle;
    bool soon;              /* counted in soon_count */
    bool good_bye;          /* the peer said 221 */
    size_t taken, answered; /* messages */
    uint64_t due_ms;        /* of connecting, or of being idle */
    struct conn *conn;
    struct smtp_client *client;
    struct timer timer;
    struct pool_failure failure;
    struct pool_trace *trace; /* of this connection; NULL: it is not logged */
};

struct courier {
    struct loop *loop;
    struct courier_settings settings; /* texts are in ARENA */
    struct arena arena;
    struct dns *dns;
    struct table destinations;
    size_t session_count;
    size_t rotation;              /* where the next new destination begins */
    struct cds_list_head changed; /* destinations */
    struct cds_list_head work;    /* sessions */
    struct loop_task task;
    struct buf out; /* shared: what a fill gives is written at once, or kept by the connection */
    bool stopping;
    /* SESSION found no target that works: its jobs are told, and it is freed. Upwards, to
     * session_pool_feed.c. */
    void (*gave_up)(struct pool_session *session);
};

/* --- session_pool_jobs.c: the jobs of a destination, and what is left to the end of the turn ---
 */

void pool_work_soon(struct courier *c);
void pool_changed(struct pool_destination *d); /* pumped at the end of the turn */
void pool_add_job(struct pool_destination *d, struct courier_job *job);
struct courier_job *pool_next_job(struct pool_session *s);
void pool_return_job(struct pool_session *s, struct courier_job *job);
void pool_answered(struct pool_destination *d, const struct courier_job *job);
/* No fresh session comes soon for the returned jobs: any will do. */
void pool_let_any_session(struct pool_destination *d);
/* Everything that waits for D ends with STATUS. */
void pool_fail_jobs(struct pool_destination *d, const struct mail_status *status,
                    const struct pool_failure *failure);

/* --- session_pool_targets.c: which address is next --- */

/* S, which has none, gets those of its destination, and begins one host further on than the
 * session before it. */
void pool_targets_take(struct pool_session *s);
struct pool_targets *pool_targets_new(const struct mx_result *result, size_t first,
                                      uint64_t until_ms);
void pool_targets_unref(struct pool_targets **targets);
/* Index of the target to try next, or SIZE_MAX. */
size_t pool_target_next(const struct pool_session *s, uint64_t now_ms);

/* --- session_pool_trace.c: for a protocol log; without one, or between connections, nothing --- */

void pool_trace_unresolved(struct pool_session *s, struct bytes why);
void pool_trace_attempt(struct pool_session *s, const struct endpoint *to);
void pool_trace_failed(struct pool_session *s, const char *why);
void pool_trace_connected(struct pool_session *s);
void pool_trace_line(struct pool_session *s, char event, struct bytes line);
void pool_trace_tls(struct pool_session *s);
void pool_trace_message(struct pool_session *s, const struct courier_job *job);
void pool_trace_end(struct pool_session *s, bool by_us);

/* --- session_pool_session.c: a connection, and the protocol on it --- */

struct pool_session *pool_session_new(struct pool_destination *d);
void pool_session_free(struct pool_session **s); /* its messages end first */
/* Connects to the next target; gives up when none is left (S is then gone). */
void pool_session_connect(struct pool_session *s);
void pool_session_work(struct pool_session *s); /* off the work list */
void pool_session_feed(struct pool_session *s); /* a ready one */

/* --- session_pool_open.c: names to addresses --- */

/* Gives S targets, at once or when they are resolved, and starts it. */
void pool_resolve(struct pool_session *s);

/* --- session_pool_feed.c: which session gets which job, and when another is opened --- */

/* The destination of ROUTE's connections, made at need. */
struct pool_destination *pool_destination_of(struct courier *c, struct route *route);
/* Feeds ready sessions, opens connections, frees D when nothing is left of it. */
void pool_pump(struct pool_destination *d);
void pool_gave_up(struct pool_session *s);
/* Ends sessions and queries; jobs under way end too. D is freed. */
void pool_destination_stop(struct pool_destination *d);

#endif
