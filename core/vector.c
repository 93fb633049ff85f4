/* Arrays grow by doubling; the product of count and size is checked. */
#include "core/vector.h"

#include "core/mem.h"

#define CAPACITY_MIN 8

static size_t capacity_for(size_t capacity, size_t wanted, size_t item_bytes)
{
    size_t grown = capacity ? capacity : CAPACITY_MIN;
    ASSERT(wanted <= SIZE_MAX / 2 / item_bytes);
    while (grown < wanted)
        grown *= 2;
    return grown;
}

void *vector_reserve(void *items, size_t *capacity, size_t wanted, size_t item_bytes)
{
    if (wanted <= *capacity)
        return items;
    *capacity = capacity_for(*capacity, wanted, item_bytes);
    return mem_realloc(items, *capacity * item_bytes);
}

void *vector_reserve_in(struct arena *arena, void *items, size_t count, size_t *capacity,
                        size_t wanted, size_t item_bytes)
{
    if (wanted <= *capacity)
        return items;
    *capacity = capacity_for(*capacity, wanted, item_bytes);
    void *grown = arena_alloc_array(arena, item_bytes, *capacity);
    if (count)
        memcpy(grown, items, count * item_bytes);
    return grown;
}
