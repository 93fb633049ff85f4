/* policy/explain_query.h - what an explanation is asked for. */
#ifndef POLICY_EXPLAIN_QUERY_H
#define POLICY_EXPLAIN_QUERY_H

#include <stdbool.h>

#include "core/ipaddr.h"

struct explain_query {
    struct ipaddr from;
    struct endpoint to; /* port 0: the first binding of any connector */
    const char *user;   /* --auth; NULL: none */
    bool tls;
    bool certificate;   /* the relay has one: without, no STARTTLS */
    const char *sender; /* NULL: not asked */
    const char *rcpt;
    const char *header_from; /* an address in the message's From or Sender */
};

#endif
