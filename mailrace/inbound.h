/* mailrace/inbound.h - the first half of a message's life: from a client's connection to a
 * committed record and its 250. Decides by the published rules, stores in the spool, tells the
 * scheduler. Runs on its worker's thread and never blocks.
 */
#ifndef MAILRACE_INBOUND_H
#define MAILRACE_INBOUND_H

#include "core/ipaddr.h"

struct inbound;
struct worker;

/* Names its metrics: once, before threads. */
void inbound_init(void);
/* A connection was accepted: selects the connector and serves it, or refuses it. Takes FD over. */
void inbound_accept(struct worker *worker, int fd, const struct endpoint *peer,
                    const struct endpoint *local);
void inbound_shutdown(struct inbound *in); /* 421, unless a commit is under way: then after it */
void inbound_abort(struct inbound *in);    /* now */

/* The worker's list. */
struct inbound *inbound_next(const struct inbound *in);
struct inbound_link {
    struct inbound *next, **link;
};
struct inbound_link *inbound_link(struct inbound *in);

#endif
