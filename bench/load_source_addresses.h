/* bench/load_source_addresses.h - the addresses that connections come from: many clients on one
 * machine, to which all of 127.0.0.0/8 belongs.
 */
#ifndef BENCH_LOAD_SOURCE_ADDRESSES_H
#define BENCH_LOAD_SOURCE_ADDRESSES_H

#include "core/ipaddr.h"

struct source_addresses {
    uint32_t first;      /* of the network */
    uint64_t usable;     /* addresses between its first and its last one */
    unsigned long count; /* that are used; 0: whatever the kernel picks */
};

/* "1000", "1000@127.0.0.0/8": IPv4, /8 to /30. */
MUST_USE enum err source_addresses_parse(struct bytes text, struct source_addresses *out);
/* Address I modulo COUNT: they are spread evenly over the network. */
struct ipaddr source_addresses_get(const struct source_addresses *a, uint64_t i);

#endif
