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

#include "core/loop.h"
#include "queue/sched_shapes.h"

struct sched *sched_new(struct loop *loop, const struct sched_settings *settings,
                        struct spool *spool, const struct sched_ops *ops, void *owner);
/* No more is submitted. Jobs still under way are forgotten with their memory: the spool has their
 * messages. Before its loop and its spool are freed. */
void sched_free(struct sched **sched);

/* Message M is durable: takes a copy of what it needs of ENVELOPE. OUTCOME: of a message found at
 * the start, or NULL. Any thread. */
void sched_submit(struct sched *sched, const struct spool_ref *ref,
                  const struct mail_envelope *envelope, const struct spool_meta *meta,
                  const struct spool_outcome *outcome);
/* The job is over: its attempt is filled in. Any thread. JOB is the scheduler's again. */
void sched_finished(struct sched *sched, struct sched_job *job);

/* Scheduler's thread (send a mailbox item). */
void sched_drain(struct sched *sched);     /* starts nothing new */
void sched_retry_all(struct sched *sched); /* now: routes changed, or the administrator asks */
/* From now on; what waits already keeps its time. jobs_max must stay what it was. */
void sched_settings_set(struct sched *sched, const struct sched_settings *settings);
/* Any thread. */
size_t sched_jobs_under_way(const struct sched *sched);
void sched_stats_read(const struct sched *sched, struct sched_stats *out);

#endif
