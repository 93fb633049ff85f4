/* policy/iptree_private.h - the layout of a tree, and the draft it is built from. */
#ifndef POLICY_IPTREE_PRIVATE_H
#define POLICY_IPTREE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/iptree.h"

/* A look-up compares as many keys as the fullest bucket has, so that no branch depends on them:
 * the keys behind a bucket's own are greater than any address that leads to it, and the arrays end
 * in copies of the last segment. */
#define IPTREE_BUCKET_V4  48
#define IPTREE_BUCKET_V6  24
#define IPTREE_NODE_ALIGN 64

/* A node's index with the upper bit set, or a bucket: its first segment. An address below all of a
 * bucket belongs to the segment before, which exists: no bucket begins with segment 0. */
typedef uint32_t iptree_child;
#define IPTREE_CHILD_IS_NODE 0x80000000u

struct iptree_node {
    uint64_t marks[4];    /* bit B: a child begins at byte value B; bit 0 is set */
    uint32_t children_at; /* of the first child */
    uint32_t segments_at; /* of the first segment below this node */
    uint32_t segments;    /* how many there are */
    uint8_t before[4];    /* marks in the words before */
    uint8_t depth;        /* the octet this node branches on */
    uint8_t skips;        /* octets since the parent's were skipped and need a comparison */
    uint8_t unused[10];
};
_Static_assert(sizeof(struct iptree_node) == IPTREE_NODE_ALIGN, "a node fills one cache line");

struct iptree_family {
    iptree_child root;
    struct iptree_node *nodes;
    iptree_child *children;
    uint32_t *values; /* of the segments */
};

struct iptree {
    size_t memory_bytes;
    struct iptree_family families[2]; /* IPv4, IPv6 */
    uint32_t *keys;                   /* first address of each IPv4 segment */
    uint64_t *high, *low;             /* halves of that of each IPv6 segment */
};

/* An address as a number the first bit being the most significant: IPv4 stands in the upper 32. */
typedef unsigned __int128 iptree_number;

struct iptree_segment {
    iptree_number first;
    uint32_t value;
};

/* One family under construction. Segment 0 begins at address 0; SEGMENTS holds bucket_max copies of
 * the last one beyond SEGMENT_COUNT. */
struct iptree_draft {
    struct iptree_segment *segments;
    size_t segment_count;
    struct {
        struct iptree_node *items;
        size_t count, capacity;
    } nodes;
    struct {
        iptree_child *items;
        size_t count, capacity;
    } children;
    iptree_child root;
    unsigned bucket_max;
};

void iptree_draft_make(struct iptree_draft *draft, const struct iptree_entry *entries, size_t count,
                       bool v4);
void iptree_draft_free(struct iptree_draft *draft);

#endif
