/* tests/unit/queue/sched_fixture.h - a scheduler between a spool that lives in RAM (fake_spool.h)
 * and a world that answers when the test says so, on the virtual clock.
 */
#ifndef TESTS_SCHED_FIXTURE_H
#define TESTS_SCHED_FIXTURE_H

#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"
#include "queue/sched.h"

#include "fake_spool.h"
#include "unit.h"

#define START_MS 1700000000000
#define SECOND   1000LL
#define MINUTE   (60 * SECOND)
#define HOUR     (60 * MINUTE)
#define JOBS_MAX 500

extern struct world {
    struct loop *loop;
    struct sched *sched;
    struct sched_settings settings;
    struct sched_job *jobs[JOBS_MAX]; /* under way, oldest first */
    size_t job_count;
    unsigned routes_asked;
    bool new_routes; /* "none." has one now, and "a.test" goes by "new" */
} world;

/* Until nothing happens any more at this moment. */
void settle_down(void);

/* The clock goes on by MS, and all that is due on the way happens. */
void pass(int64_t ms);

/* Ends the I-th job under way with RESULTS, one a recipient. */
void answer(size_t i, const struct mail_status *results, bool host_failed);

extern const struct mail_status OK[RCPTS_MAX];
extern const struct mail_status LATER[];
extern const struct mail_status NEVER[];
extern const struct mail_status DEAD[];

void begin(void);
void finish(void);

/* From SENDER to up to eight recipients, separated by blanks. Returns the id. */
uint64_t submit_as(const char *sender, const char *to, uint8_t notify, uint64_t octets);

uint64_t submit(const char *to);

/* A crash: what was in RAM is gone, what the spool has comes again. */
void restart(void);

struct sched_stats stats(void);

#endif
