/* queue_world.h - what sim_queue.c plays against: a disk that can lose its power, destinations that
 * come and go, and the oracle that notes what each recipient got. Included by that file alone.
 */
#ifndef TESTS_QUEUE_WORLD_H
#define TESTS_QUEUE_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/rand.h"
#include "queue/sched.h"

#define START_MS   1700000000000
#define MINUTE     60000LL
#define HOUR       (60 * MINUTE)
#define DAY        (24 * HOUR)
#define DESTS      12
#define SENDERS    4 /* domains that reports go to: dead for hours at most */
#define MESSAGES   2500
#define RCPTS_MAX  4
#define TEXT_MAX   7000
#define INLINE_MAX 4096 /* so that some bodies are files of their own */
#define RECENT     4    /* turns within which an outcome may not be durable yet */

struct scenario {
    const char *name;
    int messages;
    unsigned down_percent;               /* of the time, for destinations */
    unsigned temp_percent, perm_percent; /* of the answers */
    unsigned ambiguous_percent;
    unsigned crash_odds;        /* one in so many turns; 0: never */
    bool quiet_crashes;         /* only when all is durable: then every time is exact */
    unsigned disk_full_percent; /* of the time */
};

/* --- The oracle --- */

struct rcpt {
    int dest;
    uint8_t notify;
    int delivered, failed_reports, delay_reports, relayed_reports;
    bool refused;     /* with 5xx */
    bool report_lost; /* its report was itself refused */
};

struct message {
    bool accepted, null_sender;
    bool ambiguous, crashed; /* may come twice */
    int64_t accepted_at_ms;
    uint64_t last_turn;
    int64_t told_later_ms; /* one recipient: when it was told 4xx, 0: it was not */
    uint32_t attempts;
    size_t rcpt_count;
    struct rcpt rcpts[RCPTS_MAX];
};

struct dest {
    bool down;
    int64_t flip_at_ms;
    int64_t failed_at_ms;  /* 0: reached since */
    int64_t reached_at_ms; /* the first time after a failure */
};

struct transfer { /* a job on its way */
    struct timer timer;
    struct transfer *next;
    struct sched_job *job;
    int64_t begun_at_ms;
};

extern struct sim {
    const struct scenario *scenario;
    struct loop *loop;
    struct spool *spool;
    struct spool_settings settings;
    struct io io;
    bool io_dead, crashing;
    struct sched *sched;
    struct sched_settings sched_settings;
    struct message *messages;
    int sent;
    struct dest dests[DESTS + SENDERS];
    struct transfer *transfers;
    struct timer arrival;
    uint64_t turn;
    unsigned crashes, wrong;
    uint64_t jobs;
} sim;

void wrong(const char *what, int message, int rcpt);

bool chance(unsigned percent);

/* --- The disk: real files, but no power --- */

ssize_t io_pwritev_(struct io *io, int fd, const struct iovec *iov, int count, off_t at);

/* What was written stays: a crash here ends the process, not the machine. */
int io_sync(struct io *io, int fd);

int io_unlinkat_(struct io *io, int dirfd, const char *name, int flags);

int io_renameat_(struct io *io, int olddir, const char *old, int newdir, const char *name);

/* --- The world --- */

struct route *on_route(void *owner, struct bytes domain, uint64_t octets,
                       struct mail_status *status);

size_t make_text(int message, char to[TEXT_MAX]);

/* "m12r3@d4.test" */
bool parse_address(const char *text, int *message, int *rcpt);

void on_deliver(void *owner, struct sched_job *job);

#endif
