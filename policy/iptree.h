/* policy/iptree.h - from a client's address to the receive connector that serves it.
 *
 * A radix tree of several bits a step over 128-bit addresses, IPv4 at ::ffff:0:0/96. It never
 * changes once built: look-ups take no lock and write nothing. To change the rules, build another
 * tree and publish it (core/snapshot.h). When two ranges yield the same prefix, the smaller range
 * owns it.
 */
#ifndef POLICY_IPTREE_H
#define POLICY_IPTREE_H

#include <stddef.h>
#include <stdint.h>

#include "core/ipaddr.h"
#include "policy/iprange.h"

struct iptree;
#define IPTREE_NONE UINT32_MAX

struct iptree_entry {
    struct iprange range;
    uint32_t value; /* the caller's: index of connector and range */
};

/* Entries may nest; the caller has refused partial overlaps. Copies what it needs. */
struct iptree *iptree_build(const struct iptree_entry *entries, size_t count);
void iptree_free(struct iptree **tree);
/* Value of the smallest range that holds ADDR, or IPTREE_NONE. Any thread; allocates nothing. */
uint32_t iptree_lookup(const struct iptree *tree, const struct ipaddr *addr);
size_t iptree_memory_bytes(const struct iptree *tree);

#endif
