/* mailrace/inbound.h - the first half of a message's life: from a client's connection to a
 * committed record and its 250. Decides by the published rules, stores in the spool, tells the
 * scheduler. Runs on its worker's thread and never blocks.
 */
#ifndef MAILRACE_INBOUND_H
#define MAILRACE_INBOUND_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/ipaddr.h"
#include "core/list.h"

struct auth_pool;
struct auth_throttle;
struct loop;
struct protocol_log;
struct rules_place;
struct sched;
struct source_table;
struct spool;

/* All that the sessions of one worker need of the rest. In place, and everything in it alive, as
 * long as a session is. */
struct inbound_services {
    /* The same for all workers. */
    const struct rules_place *rules;
    struct spool *spool;
    struct sched *sched;
    struct source_table *sources;
    struct auth_pool *auth_pool;
    struct protocol_log *protocol_log; /* NULL: none */
    atomic_uint_fast64_t *sessions_in_all;
    unsigned workers; /* each grants its share of max_connection_rate_per_minute */
    /* The worker's own. */
    struct loop *loop;
    struct auth_throttle *throttle; /* of its own connections */
    struct cds_list_head sessions;  /* struct inbound */
    double connections_left;        /* of this minute's share */
    uint64_t refilled_ms;
};

/* Names its metrics: once, before threads. */
void inbound_init(void);
/* A connection was accepted: selects the connector and serves it, or refuses it. Takes FD over. */
void inbound_accept(struct inbound_services *services, int fd, const struct endpoint *peer,
                    const struct endpoint *local);
/* 421 to every session; a commit under way is answered first. */
void inbound_shutdown_all(struct inbound_services *services);
/* Cuts every session, now. */
void inbound_abort_all(struct inbound_services *services);

#endif
