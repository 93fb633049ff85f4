/* policy/explain.h - tells which connector takes a client and why, what it may do, and the route of
 * its mail, by running ruleset_select() and decide() and writing down what they said.
 */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include <stdbool.h>
#include <stdio.h>

#include "policy/explain_query.h"
#include "policy/ruleset.h"

/* Writes to OUT (text or JSON). Returns true if everything asked was accepted. */
bool explain(const struct ruleset *rules, const struct explain_query *query, bool json, FILE *out);

#endif
