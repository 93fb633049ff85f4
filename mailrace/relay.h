/* mailrace/relay.h - the object graph: everything that a running relay is made of.
 *
 * Main thread: relay_start, relay_reload, relay_stop. Other threads reach the rules through
 * relay_rules_get() in a read section (core/snapshot.h) and everything else through mailboxes.
 */
#ifndef MAILRACE_RELAY_H
#define MAILRACE_RELAY_H

#include <stdatomic.h>

#include "config/conf.h"
#include "core/snapshot.h"
#include "core/thread.h"
#include "net/tls.h"
#include "policy/ruleset.h"
#include "policy/source_table.h"
#include "queue/sched.h"
#include "queue/spool.h"

#include "mailrace/requeue.h"

struct auth_pool;
struct outbound;
struct protocol_log;
struct worker;

/* Sessions on one receive connector: counted by name, so that a reload forgets nothing. */
struct relay_count {
    struct relay_count *next;
    atomic_uint_fast64_t sessions;
    char name[];
};

/* What is published: immutable, replaced as a whole by a reload, kept while anybody holds it. */
struct relay_rules {
    atomic_uint references;
    uint64_t generation; /* differs from that of all others */
    struct conf *conf;
    struct ruleset *rules;
    struct tls_context *tls_server; /* NULL: no certificate */
    struct relay_count **counts;    /* by connector index */
};

struct relay {
    char *file;
    struct snapshot *published; /* struct relay_rules */
    uint64_t generation;        /* of the rules made last; main thread only */
    struct spool *spool;
    struct loop *sched_loop;
    struct sched *sched;
    struct thread sched_thread;
    struct requeue requeue;
    struct outbound *outbound;
    struct auth_pool *auth_pool;
    struct worker **workers;
    unsigned worker_count;
    struct endpoint *bindings; /* what the workers listen on now */
    size_t binding_count;
    struct relay_count *counts; /* main thread only */
    struct source_table *sources;
    struct protocol_log *protocol_log; /* NULL: none */
    atomic_uint_fast64_t sessions;     /* in all */
};

/* CONF and RULES are taken over. Binds, opens the spool, drops privileges, starts every thread.
 * On failure nothing runs and WHY names the thing. */
MUST_USE enum err relay_start(struct conf *conf, struct ruleset *rules, struct relay **out,
                              struct err_detail *why);
/* Reads the file again and swaps the rules; a faulty file changes nothing. Logs what it did. */
MUST_USE enum err relay_reload(struct relay *relay);
/* 421 to open sessions, deliveries under way finish, at most TIMEOUT_MS; then all threads end. */
void relay_stop(struct relay **relay, uint64_t timeout_ms);

/* Inside a read section only. */
const struct relay_rules *relay_rules_get(const struct relay *relay);
/* For more than a read section: the rules as they are now, until released. Any thread. */
struct relay_rules *relay_rules_hold(struct relay *relay);
void relay_rules_release(struct relay_rules **rules);

#endif
