/* policy/iptree.h - from a client's address to the receive connector that serves it.
 *
 * A radix tree of eight bits a step above the sorted borders of the ranges; IPv4 has a root of its
 * own. It never changes once built: look-ups take no lock and write nothing. To change the rules,
 * build another tree and publish it (core/snapshot.h). A large tree takes about 20 bytes a range
 * for IPv4 and 45 for IPv6, for any bounds.
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

/* Entries may nest or overlap as they like: of those that hold an address the smallest wins, and of
 * equal ones the first. Copies what it needs. */
struct iptree *iptree_build(const struct iptree_entry *entries, size_t count);
void iptree_free(struct iptree **tree);
/* Value of the smallest range that holds ADDR, or IPTREE_NONE. Any thread; allocates nothing. */
uint32_t iptree_lookup(const struct iptree *tree, const struct ipaddr *addr);
size_t iptree_memory_bytes(const struct iptree *tree);

#endif
