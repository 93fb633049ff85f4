/* Which messages live, in which segment, and where the latest outcome of each is: 16 bytes an
 * entry, so that a DONE given twice or an outcome for a message that has gone does no harm. The
 * writer's.
 */
#include "queue/spool_index_private.h"

#include "core/mem.h"
#include "queue/spool_format.h"

enum { INDEX_MIN = 1024 }; /* entries */

void spool_index_free(struct spool_index *index)
{
    mem_free(index->entries);
    *index = (struct spool_index){0};
}

/* Ids count up by one: multiplied by the golden ratio they spread over all numbers, of which each
 * entry has an equal part. */
static size_t home_of(const struct spool_index *index, uint64_t id)
{
    uint64_t mixed = id * 0x9e3779b97f4a7c15U;
    return (size_t)((mixed >> 32) * index->capacity >> 32);
}

static size_t after(const struct spool_index *index, size_t i)
{
    return i + 1 < index->capacity ? i + 1 : 0;
}

/* Steps from FROM to TO. */
static size_t distance(const struct spool_index *index, size_t from, size_t to)
{
    return to >= from ? to - from : to + index->capacity - from;
}

static struct spool_entry *find(const struct spool_index *index, uint64_t id, uint32_t slot)
{
    if (index->count == 0 || id == 0)
        return NULL;
    for (size_t i = home_of(index, id);; i = after(index, i)) {
        struct spool_entry *e = &index->entries[i];
        if (e->id == 0)
            return NULL;
        if (e->id == id && (slot == SPOOL_SLOTS || e->slot == slot))
            return e;
    }
}

struct spool_entry *spool_index_find(const struct spool_index *index, uint64_t id)
{
    return find(index, id, SPOOL_SLOTS);
}

struct spool_entry *spool_index_find_in(const struct spool_index *index, uint64_t id, uint32_t slot)
{
    return find(index, id, slot);
}

static struct spool_entry *free_place(struct spool_index *index, uint64_t id)
{
    size_t i = home_of(index, id);
    while (index->entries[i].id != 0)
        i = after(index, i);
    return &index->entries[i];
}

/* By half: a message costs between 21 and 32 octets here. */
static void grow(struct spool_index *index)
{
    struct spool_index old = *index;
    index->capacity = old.capacity ? old.capacity + old.capacity / 2 : INDEX_MIN;
    ASSERT(index->capacity <= UINT32_MAX);
    index->entries = MEM_NEW_ARRAY(struct spool_entry, index->capacity);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.entries[i].id != 0)
            *free_place(index, old.entries[i].id) = old.entries[i];
    mem_free(old.entries);
}

struct spool_entry *spool_index_add(struct spool_index *index, uint64_t id, uint32_t slot)
{
    ASSERT(id != 0 && slot < SPOOL_SLOTS);
    if ((index->count + 1) * 4 > index->capacity * 3)
        grow(index);
    struct spool_entry *e = free_place(index, id);
    *e = (struct spool_entry){.id = id, .slot = (uint16_t)(slot & 0xfffU)};
    index->count++;
    return e;
}

/* Closes the hole by moving back what probing had pushed over it: no tombstones. */
void spool_index_remove(struct spool_index *index, struct spool_entry *entry)
{
    size_t hole = (size_t)(entry - index->entries);
    ASSERT(index->count > 0 && hole < index->capacity && entry->id != 0);
    for (size_t i = after(index, hole); index->entries[i].id != 0; i = after(index, i)) {
        size_t home = home_of(index, index->entries[i].id);
        if (distance(index, home, i) >= distance(index, hole, i)) {
            index->entries[hole] = index->entries[i];
            hole = i;
        }
    }
    index->entries[hole] = (struct spool_entry){0};
    index->count--;
}
