/* tests/support/plain_route.h - a route with a key and nothing else, for what does not follow it.
 */
#ifndef TESTS_PLAIN_ROUTE_H
#define TESTS_PLAIN_ROUTE_H

#include "core/bytes.h"
#include "core/route.h"

/* A reference. */
struct route *plain_route_new(struct bytes key);
/* How many there are. */
unsigned plain_routes_held(void);

#endif
