/* mailrace/outbound_text.h - a message's text as one next hop gets to see it: the spool's,
 * with some header fields left out and some addresses rewritten.
 *
 * Only made where something may have to change: otherwise the spool's text is sent as it is. Holds
 * places in the spool's text, and no text but new addresses. One thread: that of its delivery.
 */
#ifndef MAILRACE_OUTBOUND_TEXT_H
#define MAILRACE_OUTBOUND_TEXT_H

#include "core/arena.h"
#include "policy/rewrite.h"
#include "queue/spool.h"

struct outbound_text {
    const struct spool_message *message; /* must outlive it */
    struct outbound_span *items;         /* a vector, in ARENA */
    size_t count, capacity;
    uint64_t octets; /* what remains */
};

/* Fields of CLASSES (policy/header_firewall.h) go, addresses in what remains of the header change
 * as REWRITES says (NULL: none). ERR_LIMIT: the header has more holes than we keep account of; else
 * what reading the spool said. */
MUST_USE enum err outbound_text_make(struct outbound_text *t, const struct spool_message *message,
                                     unsigned classes, const struct rewrite_set *rewrites,
                                     struct arena *arena);
/* Copies LEN octets of what remains, from AT; they must be there. */
MUST_USE enum err outbound_text_read(const struct outbound_text *t, uint64_t at, char *to,
                                     size_t len);

#endif
