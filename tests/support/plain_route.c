/* A route with a key and nothing else. */
#include "plain_route.h"

#include <string.h>

#include "core/mem.h"

static atomic_uint held;

static void plain_route_free(struct route *route)
{
    mem_free(route);
    atomic_fetch_sub(&held, 1);
}

struct route *plain_route_new(struct bytes key)
{
    struct route *route = mem_zalloc(sizeof *route + key.len + 1);
    memcpy(route + 1, key.ptr, key.len);
    atomic_init(&route->refs, 1);
    route->release = plain_route_free;
    route->key = (char *)(route + 1);
    atomic_fetch_add(&held, 1);
    return route;
}

unsigned plain_routes_held(void)
{
    return atomic_load(&held);
}
