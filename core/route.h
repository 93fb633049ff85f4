/* core/route.h - how mail gets to one destination.
 *
 * Made in one place (mailrace/outbound_route.h) from a send connector and a domain; afterwards
 * nothing in it changes. The scheduler, its jobs, a courier and its sessions share it by count, on
 * any thread, and each may outlive a reload of the rules that it was made from.
 */
#ifndef CORE_ROUTE_H
#define CORE_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/ipaddr.h"

enum route_tls { ROUTE_TLS_NEVER, ROUTE_TLS_MAY, ROUTE_TLS_ENCRYPT }; /* of STARTTLS */

struct route {
    atomic_uint refs;                     /* see below */
    void (*release)(struct route *route); /* the last reference is gone: frees it */

    const char *key; /* the scheduler's destination: "smarthost:partner", "mx:example.com" */
    const char *connection_key; /* jobs with the same share connections */
    const char *connector;      /* send connector's name, for logs */

    const char *domain; /* by MX; NULL: smart hosts */
    const char *const *smart_hosts;
    size_t smart_host_count;
    uint16_t port;
    struct ipaddr source; /* IPADDR_V4_ANY: any */

    const char *helo; /* NULL: the courier's */
    bool force_helo;
    bool chunking; /* BDAT where it is offered */
    enum route_tls tls;
    size_t messages_max;    /* a connection */
    size_t connections_max; /* to this destination from one courier */
    uint64_t inactivity_timeout_ms;
    bool protocol_logged; /* counts for connections that are made from now on */

    /* The owner's: opaque to queue and net. */
    unsigned stripped_classes; /* header fields that the next hop does not get (header_class.h) */
    const void *rewrites;      /* addresses that change on the way; NULL: none */
    void *owner;               /* what REWRITES lives in */
};

/* Another reference. */
static inline struct route *route_ref(struct route *route)
{
    atomic_fetch_add_explicit(&route->refs, 1, memory_order_relaxed);
    return route;
}

/* Gives a reference back; NULL is none. */
static inline void route_unref(struct route **route)
{
    struct route *r = *route;
    *route = NULL;
    if (!r)
        return;
    unsigned before = atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1)
        r->release(r);
}

#endif
