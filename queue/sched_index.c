/* Sorted pages of (number, pointer), found by a binary search of the pages, then of the page. */
#include "queue/sched_index.h"

#include "core/mem.h"
#include "core/vector.h"

enum { PAGE_PAIRS = 256 };

struct sched_index_page {       /* 3072 octets: a size that the allocator has */
    uint32_t above[PAGE_PAIRS]; /* numbers, less the place's first */
    void *things[PAGE_PAIRS];
};

static void page_free(struct sched_index *index, size_t at)
{
    mem_free(index->items[at].page);
    memmove(&index->items[at], &index->items[at + 1],
            (--index->count - at) * sizeof index->items[0]);
}

void sched_index_free(struct sched_index *index)
{
    while (index->count > 0)
        page_free(index, index->count - 1);
    mem_free(index->items);
    *index = (struct sched_index){0};
}

/* --- Searching --- */

/* The last page that begins at or below NUMBER; index->count if there is none. */
static size_t page_of(const struct sched_index *index, uint64_t number)
{
    size_t low = 0, high = index->count;
    if (high > 0 && index->items[high - 1].first <= number)
        return high - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->items[middle].first <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : index->count;
}

/* The first pair of PLACE with a number of at least NUMBER, which is not below the page. */
static uint32_t pair_of(const struct sched_index_place *place, uint64_t number)
{
    uint64_t above = number - place->first;
    uint32_t low = 0, high = place->count;
    if (high > 0 && place->page->above[high - 1] < above)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (place->page->above[middle] < above)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint64_t number_of(const struct sched_index_place *place, uint32_t pair)
{
    return place->first + place->page->above[pair];
}

static bool holds(const struct sched_index_place *place, uint32_t pair, uint64_t number)
{
    return pair < place->count && number_of(place, pair) == number;
}

void *sched_index_find(const struct sched_index *index, uint64_t number)
{
    size_t at = page_of(index, number);
    if (at == index->count)
        return NULL;
    uint32_t pair = pair_of(&index->items[at], number);
    return holds(&index->items[at], pair, number) ? index->items[at].page->things[pair] : NULL;
}

size_t sched_index_after(const struct sched_index *index, uint64_t number, void **out, size_t max)
{
    size_t count = 0, at = page_of(index, number);
    uint32_t pair = 0;
    if (at == index->count) {
        at = 0; /* all are above */
    } else {
        pair = pair_of(&index->items[at], number);
        pair += holds(&index->items[at], pair, number);
    }
    for (; at < index->count && count < max; at++, pair = 0)
        for (; pair < index->items[at].count && count < max; pair++)
            out[count++] = index->items[at].page->things[pair];
    return count;
}

/* --- Adding --- */

/* A page without pairs, before what is at AT now. */
static void page_new(struct sched_index *index, size_t at, uint64_t first)
{
    (void)VECTOR_ADD(index);
    struct sched_index_place *place = &index->items[at];
    memmove(place + 1, place, (index->count - 1 - at) * sizeof *place);
    *place = (struct sched_index_place){.first = first,
                                        .page = mem_alloc(sizeof(struct sched_index_page))};
}

static void pair_put(struct sched_index_place *place, uint32_t pair, uint64_t number, void *thing)
{
    struct sched_index_page *page = place->page;
    uint32_t behind = place->count++ - pair;
    memmove(&page->above[pair + 1], &page->above[pair], behind * sizeof page->above[0]);
    memmove(&page->things[pair + 1], &page->things[pair], behind * sizeof page->things[0]);
    page->above[pair] = (uint32_t)(number - place->first);
    page->things[pair] = thing;
}

/* The last COUNT pairs of FROM to the end of TO, which begins at or below them. */
static void pairs_move(struct sched_index_place *from, struct sched_index_place *to, uint32_t count)
{
    uint32_t pair = from->count - count;
    for (; pair < from->count; pair++) {
        to->page->above[to->count] = (uint32_t)(number_of(from, pair) - to->first);
        to->page->things[to->count++] = from->page->things[pair];
    }
    from->count -= count;
}

static bool reaches(uint64_t first, uint64_t number)
{
    return number - first <= UINT32_MAX;
}

/* Room in front of the pairs of a page that is to begin at NUMBER, below them. */
static bool begin_lower(struct sched_index_place *place, uint64_t number)
{
    if (place->count == PAGE_PAIRS || !reaches(number, number_of(place, place->count - 1)))
        return false;
    for (uint32_t i = 0; i < place->count; i++)
        place->page->above[i] += (uint32_t)(place->first - number);
    place->first = number;
    return true;
}

/* NUMBER belongs between the page at AT and the next one, which may not be there. */
static void add_between(struct sched_index *index, size_t at, uint64_t number, void *thing)
{
    if (at == index->count || !begin_lower(&index->items[at], number))
        page_new(index, at, number);
    pair_put(&index->items[at], 0, number, thing);
}

/* Where numbers come in order, or nearly so, what is left behind is nearly full. */
static void add_to_full(struct sched_index *index, size_t at, uint64_t number, void *thing)
{
    uint32_t pair = pair_of(&index->items[at], number);
    uint32_t split = pair > PAGE_PAIRS / 2 ? pair : PAGE_PAIRS / 2;
    page_new(index, at + 1, number_of(&index->items[at], split));
    pairs_move(&index->items[at], &index->items[at + 1], PAGE_PAIRS - split);
    pair_put(&index->items[at], pair, number, thing);
}

bool sched_index_add(struct sched_index *index, uint64_t number, void *thing)
{
    size_t at = page_of(index, number);
    if (at == index->count) {
        add_between(index, 0, number, thing);
        index->total++;
        return true;
    }
    struct sched_index_place *place = &index->items[at];
    uint32_t pair = pair_of(place, number);
    if (holds(place, pair, number))
        return false;
    if (!reaches(place->first, number) || (place->count == PAGE_PAIRS && pair == PAGE_PAIRS))
        add_between(index, at + 1, number, thing);
    else if (place->count == PAGE_PAIRS)
        add_to_full(index, at, number, thing);
    else
        pair_put(place, pair, number, thing);
    index->total++;
    return true;
}

/* --- Removing --- */

static void join(struct sched_index *index, size_t at)
{
    if (at + 1 >= index->count)
        return;
    struct sched_index_place *left = &index->items[at], *right = left + 1;
    if (left->count + right->count > PAGE_PAIRS ||
        !reaches(left->first, number_of(right, right->count - 1)))
        return;
    pairs_move(right, left, right->count);
    page_free(index, at + 1);
}

void sched_index_remove(struct sched_index *index, uint64_t number, const void *thing)
{
    size_t at = page_of(index, number);
    if (at == index->count)
        return;
    struct sched_index_place *place = &index->items[at];
    struct sched_index_page *page = place->page;
    uint32_t pair = pair_of(place, number);
    if (!holds(place, pair, number) || page->things[pair] != thing)
        return;
    uint32_t behind = --place->count - pair;
    memmove(&page->above[pair], &page->above[pair + 1], behind * sizeof page->above[0]);
    memmove(&page->things[pair], &page->things[pair + 1], behind * sizeof page->things[0]);
    index->total--;
    if (place->count == 0) {
        page_free(index, at);
    } else if (place->count <= PAGE_PAIRS / 2) {
        join(index, at);
        join(index, at > 0 ? at - 1 : index->count);
    }
}
