/* mailrace/outbound_route.h - from a send connector and a domain to the route (core/route.h) that
 * scheduler and couriers share. Scheduler's thread.
 */
#ifndef MAILRACE_OUTBOUND_ROUTE_H
#define MAILRACE_OUTBOUND_ROUTE_H

#include "core/route.h"
#include "mailrace/rules.h"
#include "policy/rewrite.h"
#include "policy/send_connector.h"

/* How mail for DOMAIN goes by C, which is one of RULES. A reference. RULES, which is taken over,
 * is held only while the route needs its rewrites; the rest is copied. COURIERS: how many share
 * the connections of a smart host. */
struct route *outbound_route_new(struct rules *rules, const struct send_connector *c,
                                 struct bytes domain, size_t couriers);

static inline bool outbound_route_by_smart_host(const struct route *route)
{
    return !route->domain;
}

static inline const struct rewrite_set *outbound_route_rewrites(const struct route *route)
{
    return route->rewrites;
}

#endif
