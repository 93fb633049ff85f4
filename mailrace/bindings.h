/* mailrace/bindings.h - the addresses that the workers listen on: those of the rules in force, one
 * socket a worker and address. Main thread.
 */
#ifndef MAILRACE_BINDINGS_H
#define MAILRACE_BINDINGS_H

#include "core/err.h"
#include "core/ipaddr.h"
#include "policy/ruleset.h"

struct worker;

struct bindings {
    struct worker **workers; /* borrowed */
    unsigned worker_count;
    struct endpoint *list; /* a port that the kernel picked stands here */
    size_t count;
};

/* Listens on the addresses of RULESET, and no longer on others. On failure all stays as it was. */
MUST_USE enum err bindings_follow(struct bindings *b, const struct ruleset *ruleset,
                                  struct err_detail *why);
void bindings_free(struct bindings *b); /* the list; sockets are the workers' */

#endif
