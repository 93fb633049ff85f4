/* mailrace/relay.h - the object graph: everything that a running relay is made of.
 *
 * Main thread. Other threads know parts of it alone: those that they were given.
 */
#ifndef MAILRACE_RELAY_H
#define MAILRACE_RELAY_H

#include <stdatomic.h>

#include "config/conf.h"
#include "core/thread.h"
#include "policy/ruleset.h"
#include "policy/source_table.h"
#include "queue/sched.h"
#include "queue/spool.h"

#include "mailrace/bindings.h"
#include "mailrace/inbound.h"
#include "mailrace/outbound.h"
#include "mailrace/requeue.h"
#include "mailrace/rules.h"

struct auth_pool;
struct protocol_log;
struct worker;

struct relay {
    char *file;
    struct rules_place *rules;
    struct spool *spool;
    struct loop *sched_loop;
    struct sched *sched;
    struct thread sched_thread;
    struct requeue requeue;
    struct outbound *outbound;
    struct outbound_services delivery;
    struct auth_pool *auth_pool;
    struct worker **workers;
    unsigned worker_count;
    struct bindings bindings;
    struct source_table *sources;
    struct protocol_log *protocol_log; /* NULL: none */
    atomic_uint_fast64_t sessions;     /* in all */
};

/* CONF and RULES are taken over. Binds, opens the spool, drops privileges, starts every thread.
 * On failure nothing runs and WHY names the thing. */
MUST_USE enum err relay_start(struct conf *conf, struct ruleset *rules, struct relay **out,
                              struct err_detail *why);
/* 421 to open sessions, deliveries under way finish, at most TIMEOUT_MS; then all threads end. */
void relay_stop(struct relay **relay, uint64_t timeout_ms);

#endif
