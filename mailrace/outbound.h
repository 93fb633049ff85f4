/* mailrace/outbound.h - the second half of a message's life: from the scheduler's word to the
 * recipients' answers. Two pools of delivery threads, smart host and MX, so that a slow Internet
 * never holds up the smart host.
 */
#ifndef MAILRACE_OUTBOUND_H
#define MAILRACE_OUTBOUND_H

#include <stdbool.h>

#include "core/err.h"
#include "queue/sched.h"

struct conf;
struct tls_context;
struct outbound;
struct protocol_log;
struct rules_place;
struct spool;

/* What delivery needs of the rest. In place as long as the outbound is. */
struct outbound_services {
    const struct rules_place *rules;
    struct spool *spool;
    struct sched *sched;               /* there before the first job */
    struct protocol_log *protocol_log; /* NULL: none */
};

/* The scheduler's questions are answered by these, with the outbound as owner. */
extern const struct sched_ops OUTBOUND_SCHED_OPS;

MUST_USE enum err outbound_new(const struct outbound_services *services, const struct conf *conf,
                               struct outbound **out, struct err_detail *why);
MUST_USE enum err outbound_start(struct outbound *out, struct err_detail *why);
/* For connections from now on; takes the reference over. Main thread. */
void outbound_tls_set(struct outbound *out, struct tls_context *tls);
/* One turn of every delivery loop, on this thread; false: there was nothing to do. In a simulation
 * instead of outbound_start(). */
bool outbound_turn(struct outbound *out);
/* Sessions QUIT; jobs still under way end with 4.3.2; threads end. */
void outbound_stop(struct outbound *out);
void outbound_free(struct outbound **out);

#endif
