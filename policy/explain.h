/* policy/explain.h - tells which connector takes a client and why, what it may do, and the way its
 * mail would go, by running ruleset_select() and decide() and writing down what they said.
 */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include <stdbool.h>
#include <stdio.h>

#include "policy/ruleset.h"

struct explain_query {
    struct ipaddr from;
    struct endpoint to; /* port 0: the first binding of any connector */
    const char *user;   /* --auth; NULL: none */
    bool tls;
    const char *sender; /* NULL: not asked */
    const char *rcpt;
    const char *header_from; /* an address in the message's From or Sender */
};

/* Writes to OUT (text or JSON). Returns true if everything asked was accepted. */
bool explain(const struct ruleset *rules, const struct explain_query *query, bool json, FILE *out);

#endif
