/* Both drafts in one allocation, as a tree. */
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
        bytes += drafts[i].nodes.count * sizeof(struct iptree_node) +
                 drafts[i].children.count * sizeof(iptree_child);
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
            take(&at, drafts[i].nodes.items, sizeof(struct iptree_node), drafts[i].nodes.count);
    tree->high = take(&at, NULL, sizeof *tree->high, draft_segments(&drafts[1]));
    tree->low = take(&at, NULL, sizeof *tree->low, draft_segments(&drafts[1]));
    tree->keys = take(&at, NULL, sizeof *tree->keys, draft_segments(&drafts[0]));
    for (int i = 0; i < 2; i++) {
        struct iptree_family *family = &tree->families[i];
        family->root = drafts[i].root;
        family->children =
            take(&at, drafts[i].children.items, sizeof *family->children, drafts[i].children.count);
        family->values = take(&at, NULL, sizeof *family->values, draft_segments(&drafts[i]));
    }
    ASSERT(at <= (char *)tree + tree->memory_bytes);
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
