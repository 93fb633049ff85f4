/* The shape. Ranges are flattened first: the whole address space of a family becomes a sorted run
 * of segments, each with the value of the smallest range that holds it. N ranges make at most
 * 2N + 1 segments, however they nest and for any bounds, where their prefixes could be 62
 * (IPv4) or 254 (IPv6) times N. Above the segments stands a radix tree of eight bits a step:
 * a node's bitmap marks the bytes at which its next child begins, and the child's place is the
 * number of marks up to the byte (a population count). A child is another node or a bucket, a
 * handful of segments that is searched at once. Octets in which all segments below a node agree
 * are skipped, and compared in one go.
 *
 * Everything lies in one allocation, nodes first, each in a cache line of its own.
 */
#include "policy/iptree.h"

#include "core/mem.h"
#include "policy/iptree_private.h"

void iptree_free(struct iptree **tree)
{
    mem_free(*tree);
    *tree = NULL;
}

size_t iptree_memory_bytes(const struct iptree *tree)
{
    return tree->memory_bytes;
}

/* In the open: without a processor option the compiler's own is a call. */
static inline unsigned count_ones(uint64_t n)
{
    n -= n >> 1 & 0x5555555555555555u;
    n = (n & 0x3333333333333333u) + (n >> 2 & 0x3333333333333333u);
    n = (n + (n >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)(n * 0x0101010101010101u >> 56);
}

/* The child of NODE that holds BYTE. */
static inline iptree_child child_of(const struct iptree_family *family,
                                    const struct iptree_node *node, unsigned byte)
{
    unsigned word = byte / 64;
    uint64_t upto = node->marks[word] & (UINT64_MAX >> (63 - byte % 64));
    return family->children[node->children_at + node->before[word] + count_ones(upto) - 1];
}

static inline uint32_t load4(const uint8_t *octets)
{
    return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 |
           octets[3];
}

static inline uint64_t load8(const uint8_t *octets)
{
    return (uint64_t)load4(octets) << 32 | load4(octets + 4);
}

static uint32_t lookup4(const struct iptree *tree, const uint8_t *octets)
{
    const struct iptree_family *family = &tree->families[0];
    uint32_t n = load4(octets), below = 0;
    iptree_child child = family->root;
    while (child & IPTREE_CHILD_IS_NODE) {
        const struct iptree_node *node = &family->nodes[child & ~IPTREE_CHILD_IS_NODE];
        if (node->skips) {
            uint32_t key = tree->keys[node->segments_at];
            if ((n ^ key) >> (32 - 8 * node->depth) != 0)
                return family->values[node->segments_at - 1 + (n < key ? 0 : node->segments)];
        }
        child = child_of(family, node, octets[node->depth]);
    }
    __builtin_prefetch(&family->values[child]);
    const uint32_t *keys = &tree->keys[child];
    for (unsigned i = 0; i < IPTREE_BUCKET_V4; i++)
        below += keys[i] <= n;
    return family->values[child - 1 + below];
}

/* Whether segment I of IPv6 agrees with the address in its first BITS bits, 8 to 120. */
static bool shares6(const struct iptree *tree, uint32_t i, uint64_t high, uint64_t low,
                    unsigned bits)
{
    if (bits <= 64)
        return (tree->high[i] ^ high) >> (64 - bits) == 0;
    return tree->high[i] == high && (tree->low[i] ^ low) >> (128 - bits) == 0;
}

/* How many segments of the bucket begin at or before the address. Most are told by their upper
 * half, so that the lower ones are not even fetched. */
static uint32_t bucket_rank6(const struct iptree *tree, uint32_t at, uint64_t high, uint64_t low)
{
    const uint64_t *highs = &tree->high[at];
    uint32_t below = 0;
    for (unsigned i = 0; i < IPTREE_BUCKET_V6; i++)
        below += highs[i] <= high;
    while (below > 0 && highs[below - 1] == high && tree->low[at + below - 1] > low)
        below--;
    return below;
}

static uint32_t lookup6(const struct iptree *tree, const uint8_t *octets)
{
    const struct iptree_family *family = &tree->families[1];
    uint64_t high = load8(octets), low = load8(octets + 8);
    iptree_child child = family->root;
    while (child & IPTREE_CHILD_IS_NODE) {
        const struct iptree_node *node = &family->nodes[child & ~IPTREE_CHILD_IS_NODE];
        uint32_t at = node->segments_at;
        if (node->skips && !shares6(tree, at, high, low, 8u * node->depth)) {
            bool behind = tree->high[at] < high || (tree->high[at] == high && tree->low[at] < low);
            return family->values[at - 1 + (behind ? node->segments : 0)];
        }
        child = child_of(family, node, octets[node->depth]);
    }
    __builtin_prefetch(&family->values[child]);
    return family->values[child - 1 + bucket_rank6(tree, child, high, low)];
}

uint32_t iptree_lookup(const struct iptree *tree, const struct ipaddr *addr)
{
    return ipaddr_is_v4(addr) ? lookup4(tree, addr->octets + 12) : lookup6(tree, addr->octets);
}
