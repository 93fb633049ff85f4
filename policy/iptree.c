/* The shape. Ranges are flattened first: the whole address space of a family becomes a sorted run
 * of segments, each with the value of the smallest range that holds it. N ranges make at most
 * 2N + 1 segments, however they nest and whatever their bounds, where their prefixes could be 62
 * (IPv4) or 254 (IPv6) times N. Above the segments stands a radix tree of eight bits a step:
 * a node's bitmap marks the bytes at which its next child begins, and the child's place is the
 * number of marks up to the byte (a population count). A child is another node or a bucket, a
 * handful of segments that is searched at once. Octets in which all segments below a node agree
 * are skipped, and compared in one go.
 *
 * Everything lies in one allocation, nodes first, each in a cache line of its own.
 */
#include "policy/iptree.h"

#include <string.h>
#include <sys/mman.h>

#include "core/mem.h"
#include "policy/iptree_private.h"

static size_t draft_segments(const struct iptree_draft *d)
{
    return d->segment_count + d->bucket_max;
}

/* The next COUNT elements of SIZE bytes of the allocation, filled from FROM if there is one. */
static void *take(char **at, const void *from, size_t size, size_t count)
{
    void *to = *at;
    if (from && count > 0)
        memcpy(to, from, count * size);
    *at += count * size;
    return to;
}

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/* In a large tree a random address misses the translation cache several times, and that is most of
 * its time; with huge pages it does not. Advice only: without, the tree is slower and no less
 * right. */
static void advise_huge_pages(char *memory, size_t bytes)
{
    size_t skip = (HUGE_PAGE_BYTES - (uintptr_t)memory % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    if (bytes < skip + HUGE_PAGE_BYTES)
        return;
    size_t whole = (bytes - skip) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    (void)madvise(memory + skip, whole, MADV_HUGEPAGE);
}

static struct iptree *iptree_allocate(const struct iptree_draft drafts[2], char **at)
{
    size_t bytes = sizeof(struct iptree) + IPTREE_NODE_ALIGN +
                   draft_segments(&drafts[0]) * 2 * sizeof(uint32_t) +
                   draft_segments(&drafts[1]) * (2 * sizeof(uint64_t) + sizeof(uint32_t));
    for (int i = 0; i < 2; i++)
        bytes += drafts[i].node_count * sizeof(struct iptree_node) +
                 drafts[i].child_count * sizeof(iptree_child);
    struct iptree *tree = mem_alloc(bytes);
    advise_huge_pages((char *)tree, bytes);
    *tree = (struct iptree){.memory_bytes = bytes};
    *at = (char *)(tree + 1);
    *at += (IPTREE_NODE_ALIGN - (uintptr_t)*at % IPTREE_NODE_ALIGN) % IPTREE_NODE_ALIGN;
    return tree;
}

/* Widest elements first, so that all are aligned. */
static struct iptree *iptree_assemble(const struct iptree_draft drafts[2])
{
    char *at;
    struct iptree *tree = iptree_allocate(drafts, &at);
    for (int i = 0; i < 2; i++)
        tree->families[i].nodes =
            take(&at, drafts[i].nodes, sizeof(struct iptree_node), drafts[i].node_count);
    tree->high = take(&at, NULL, sizeof *tree->high, draft_segments(&drafts[1]));
    tree->low = take(&at, NULL, sizeof *tree->low, draft_segments(&drafts[1]));
    tree->keys = take(&at, NULL, sizeof *tree->keys, draft_segments(&drafts[0]));
    for (int i = 0; i < 2; i++) {
        struct iptree_family *family = &tree->families[i];
        family->root = drafts[i].root;
        family->children =
            take(&at, drafts[i].children, sizeof *family->children, drafts[i].child_count);
        family->values = take(&at, NULL, sizeof *family->values, draft_segments(&drafts[i]));
    }
    return tree;
}

static void iptree_fill(struct iptree *tree, const struct iptree_draft drafts[2])
{
    for (size_t i = 0; i < draft_segments(&drafts[0]); i++) {
        tree->keys[i] = (uint32_t)(drafts[0].segments[i].first >> 96);
        tree->families[0].values[i] = drafts[0].segments[i].value;
    }
    for (size_t i = 0; i < draft_segments(&drafts[1]); i++) {
        iptree_number first = drafts[1].segments[i].first;
        tree->high[i] = (uint64_t)(first >> 64);
        tree->low[i] = (uint64_t)first;
        tree->families[1].values[i] = drafts[1].segments[i].value;
    }
}

struct iptree *iptree_build(const struct iptree_entry *entries, size_t count)
{
    struct iptree_draft drafts[2];
    for (int i = 0; i < 2; i++)
        iptree_draft_make(&drafts[i], entries, count, i == 0);
    struct iptree *tree = iptree_assemble(drafts);
    iptree_fill(tree, drafts);
    for (int i = 0; i < 2; i++)
        iptree_draft_free(&drafts[i]);
    return tree;
}

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
