/* The draft of a tree: sort, flatten by a sweep, then put the radix index on top. */
#include "policy/iptree_private.h"

#include <stdlib.h>

#include "core/mem.h"
#include "core/vector.h"

struct span {
    iptree_number first, last;
    uint32_t value;
    uint32_t order; /* place among the entries: the earlier of two equal ranges wins */
};

static iptree_number number_of(const struct ipaddr *a, bool v4)
{
    iptree_number n = 0;
    for (size_t i = v4 ? 12 : 0; i < sizeof a->octets; i++)
        n = n << 8 | a->octets[i];
    return v4 ? n << 96 : n;
}

/* For IPv4 the 96 bits behind an address are part of it: first has zeros there, last ones. */
static iptree_number span_tail(bool v4)
{
    return v4 ? ((iptree_number)1 << 96) - 1 : 0;
}

static int span_compare_first(const void *left, const void *right)
{
    const struct span *a = left, *b = right;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static bool span_is_smaller(const struct span *a, const struct span *b)
{
    iptree_number x = a->last - a->first, y = b->last - b->first;
    return x != y ? x < y : a->order < b->order;
}

static struct span *spans_of_family(const struct iptree_entry *entries, size_t count, bool v4,
                                    size_t *out)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += ipaddr_is_v4(&entries[i].range.first) == v4;
    struct span *spans = MEM_NEW_ARRAY(struct span, found + 1);
    *out = found;
    found = 0;
    for (size_t i = 0; i < count; i++) {
        const struct iptree_entry *e = &entries[i];
        if (ipaddr_is_v4(&e->range.first) == v4)
            spans[found++] =
                (struct span){number_of(&e->range.first, v4),
                              number_of(&e->range.last, v4) | span_tail(v4), e->value, (uint32_t)i};
    }
    qsort(spans, found, sizeof *spans, span_compare_first);
    return spans;
}

/* Spans that hold the sweep's position, smallest on top: a binary heap of places in SPANS. Spans
 * that ended are dropped when they come to the top. */
struct heap {
    const struct span *spans;
    uint32_t *places;
    size_t count;
};

static bool heap_less(const struct heap *h, size_t a, size_t b)
{
    return span_is_smaller(&h->spans[h->places[a]], &h->spans[h->places[b]]);
}

static void heap_swap(struct heap *h, size_t a, size_t b)
{
    uint32_t kept = h->places[a];
    h->places[a] = h->places[b];
    h->places[b] = kept;
}

static void heap_push(struct heap *h, uint32_t place)
{
    size_t at = h->count++;
    h->places[at] = place;
    for (; at > 0 && heap_less(h, at, (at - 1) / 2); at = (at - 1) / 2)
        heap_swap(h, at, (at - 1) / 2);
}

static void heap_pop(struct heap *h)
{
    size_t at = 0;
    ASSERT(h->count > 0);
    h->places[0] = h->places[--h->count];
    for (;;) {
        size_t least = at, child = 2 * at + 1;
        if (child < h->count && heap_less(h, child, least))
            least = child;
        if (child + 1 < h->count && heap_less(h, child + 1, least))
            least = child + 1;
        if (least == at)
            return;
        heap_swap(h, at, least);
        at = least;
    }
}

static const struct span *heap_top(const struct heap *h)
{
    return h->count > 0 ? &h->spans[h->places[0]] : NULL;
}

static void draft_add_segment(struct iptree_draft *d, iptree_number first, uint32_t value)
{
    if (d->segment_count > 0 && d->segments[d->segment_count - 1].value == value)
        return;
    d->segments[d->segment_count++] = (struct iptree_segment){first, value};
}

/* Every position of the sweep is the first address of a range or the one behind its last, so that
 * there are at most two a range. */
static void draft_flatten(struct iptree_draft *d, const struct span *spans, size_t count)
{
    struct heap heap = {spans, MEM_NEW_ARRAY(uint32_t, count + 1), 0};
    const iptree_number end = ~(iptree_number)0;
    iptree_number at = 0;
    d->segments = MEM_NEW_ARRAY(struct iptree_segment, 2 * count + 1 + d->bucket_max);
    for (size_t next = 0;;) {
        while (next < count && spans[next].first == at)
            heap_push(&heap, (uint32_t)next++);
        while (heap_top(&heap) && heap_top(&heap)->last < at)
            heap_pop(&heap);
        const struct span *top = heap_top(&heap);
        draft_add_segment(d, at, top ? top->value : IPTREE_NONE);
        bool more = next < count;
        if ((!top || top->last == end) && !more)
            break;
        bool top_ends_first = top && top->last != end && (!more || top->last < spans[next].first);
        at = top_ends_first ? top->last + 1 : spans[next].first;
    }
    ASSERT(d->segment_count <= 2 * count + 1);
    mem_free(heap.places);
}

static unsigned octet_of(iptree_number n, unsigned depth)
{
    return (unsigned)(n >> (120 - 8 * depth)) & 0xff;
}

/* The first octet at or after DEPTH in which the ends of a sorted slice differ. */
static unsigned differing_octet(const struct iptree_segment *s, size_t count, unsigned depth)
{
    while (octet_of(s[0].first, depth) == octet_of(s[count - 1].first, depth))
        depth++;
    ASSERT(depth < 16);
    return depth;
}

static size_t draft_new_node(struct iptree_draft *d)
{
    *VECTOR_ADD(&d->nodes) = (struct iptree_node){.depth = 0};
    ASSERT(d->nodes.count < IPTREE_CHILD_IS_NODE);
    return d->nodes.count - 1;
}

static size_t draft_new_children(struct iptree_draft *d, size_t count)
{
    size_t at = d->children.count;
    VECTOR_RESERVE(&d->children, at + count);
    d->children.count += count;
    return at;
}

/* The children of one node while they are found: neighbouring byte values share a bucket as long
 * as it has room. */
struct fan {
    size_t at[256]; /* the slice of segments */
    size_t counts[256];
    uint8_t bytes[256]; /* where each begins */
    size_t count;
};

static void fan_add(struct fan *f, unsigned byte, size_t at, size_t count, size_t bucket_max)
{
    if (f->count > 0 && f->counts[f->count - 1] + count <= bucket_max) {
        f->counts[f->count - 1] += count;
        return;
    }
    f->bytes[f->count] = (uint8_t)byte;
    f->at[f->count] = at;
    f->counts[f->count++] = count;
}

/* The slice of a node must hold one byte value only: after it the next child begins at the
 * very next value. */
static void fan_spread(struct fan *f, const struct iptree_draft *d, size_t at, size_t count,
                       unsigned depth)
{
    size_t end = at + count;
    f->count = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        size_t from = at;
        while (at < end && octet_of(d->segments[at].first, depth) == byte)
            at++;
        fan_add(f, byte, from, at - from, d->bucket_max);
    }
}

static void node_mark(struct iptree_node *node, const struct fan *f)
{
    unsigned seen = 0;
    for (size_t i = 0; i < f->count; i++)
        node->marks[f->bytes[i] / 64] |= (uint64_t)1 << (f->bytes[i] % 64);
    for (unsigned word = 0; word < 4; word++) {
        node->before[word] = (uint8_t)seen;
        seen += (unsigned)__builtin_popcountll(node->marks[word]);
    }
}

/* Recursion goes one octet deeper each time: sixteen levels at most. */
static iptree_child draft_index(struct iptree_draft *d, size_t at, size_t count, unsigned depth)
{
    if (count <= d->bucket_max)
        return (iptree_child)at;
    unsigned branch = differing_octet(d->segments + at, count, depth);
    size_t index = draft_new_node(d);
    struct fan *fan = MEM_NEW(struct fan);
    fan_spread(fan, d, at, count, branch);
    size_t children = draft_new_children(d, fan->count);
    struct iptree_node *node = &d->nodes.items[index];
    node->children_at = (uint32_t)children;
    node->segments_at = (uint32_t)at;
    node->segments = (uint32_t)count;
    node->depth = (uint8_t)branch;
    node->skips = branch > depth;
    node_mark(node, fan);
    for (size_t i = 0; i < fan->count; i++) {
        iptree_child child = draft_index(d, fan->at[i], fan->counts[i], branch + 1);
        d->children.items[children + i] = child;
    }
    mem_free(fan);
    return (iptree_child)index | IPTREE_CHILD_IS_NODE;
}

void iptree_draft_make(struct iptree_draft *draft, const struct iptree_entry *entries, size_t count,
                       bool v4)
{
    size_t span_count;
    ASSERT(count < IPTREE_CHILD_IS_NODE / 4);
    struct span *spans = spans_of_family(entries, count, v4, &span_count);
    *draft = (struct iptree_draft){.bucket_max = v4 ? IPTREE_BUCKET_V4 : IPTREE_BUCKET_V6};
    draft_flatten(draft, spans, span_count);
    mem_free(spans);
    for (size_t i = 0; i < draft->bucket_max; i++)
        draft->segments[draft->segment_count + i] = draft->segments[draft->segment_count - 1];
    draft->root = draft_index(draft, 1, draft->segment_count - 1, 0);
}

void iptree_draft_free(struct iptree_draft *draft)
{
    mem_free(draft->segments);
    mem_free(draft->nodes.items);
    mem_free(draft->children.items);
    *draft = (struct iptree_draft){.segments = NULL};
}
