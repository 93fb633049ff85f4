/* core/vector.h - an array that grows: any struct with the members ITEMS, COUNT and CAPACITY is
 * one, and zeros are an empty one.
 *
 *     struct { struct thing *items; size_t count, capacity; } things = {0};
 *     *VECTOR_ADD(&things) = thing;
 *     mem_free(things.items);
 */
#ifndef CORE_VECTOR_H
#define CORE_VECTOR_H

#include <stddef.h>

#include "core/arena.h"

/* The place of one more element, not cleared. Pointers into the array are void afterwards. */
#define VECTOR_ADD(v) (VECTOR_RESERVE((v), (v)->count + 1), &(v)->items[(v)->count++])
/* Room for WANTED elements in all. */
#define VECTOR_RESERVE(v, wanted)                                                                  \
    ((v)->items = vector_reserve((v)->items, &(v)->capacity, (wanted), sizeof *(v)->items))
void *vector_reserve(void *items, size_t *capacity, size_t wanted, size_t item_bytes);

/* The same in an arena, where what was outgrown stays until the arena goes. */
#define VECTOR_ADD_IN(arena, v)                                                                    \
    ((v)->items = vector_reserve_in((arena), (v)->items, (v)->count, &(v)->capacity,               \
                                    (v)->count + 1, sizeof *(v)->items),                           \
     &(v)->items[(v)->count++])
void *vector_reserve_in(struct arena *arena, void *items, size_t count, size_t *capacity,
                        size_t wanted, size_t item_bytes);

#endif
