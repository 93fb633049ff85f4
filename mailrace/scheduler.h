/* mailrace/scheduler.h - what the main thread asks of the scheduler: it is done on its thread. */
#ifndef MAILRACE_SCHEDULER_H
#define MAILRACE_SCHEDULER_H

#include "config/conf.h"
#include "core/loop.h"
#include "queue/sched.h"

/* What CONF and RULESET say of the queue; texts are theirs, or in ARENA. */
struct sched_settings scheduler_settings(const struct conf *conf, const struct ruleset *ruleset,
                                         struct arena *arena);
/* LOOP: the scheduler's. Each returns at once. */
void scheduler_drain(struct sched *sched, struct loop *loop);
/* New settings, and new routes for what waits: it is tried at once. */
void scheduler_follow(struct sched *sched, struct loop *loop, const struct conf *conf,
                      const struct ruleset *ruleset);

#endif
