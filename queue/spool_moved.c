/* Where messages are that have been written again elsewhere: others hold references to their old
 * place and come here when that is gone (docs/adr/0005).
 *
 * An open-addressing table of atomics. The writer alone changes it; a reader takes the
 * version before and after, and starts again if it was odd or has changed. A table that was too
 * small is replaced, and freed when none is being read: readers are counted first, and only then
 * look which table there is, so that one of the two always sees the other.
 */
#include "queue/spool_moved_private.h"

#include <sched.h>

#include "core/mem.h"

enum { MOVED_MIN = 256 }; /* entries; always a power of two */

struct place {
    _Atomic uint64_t id;          /* 0: free */
    _Atomic uint64_t segment, at; /* offset << 32 | length */
};

struct spool_moved_table {
    struct spool_moved_table *next; /* retired */
    size_t count, capacity;
    struct place places[];
};

static size_t home_of(const struct spool_moved_table *t, uint64_t id)
{
    uint64_t mixed = id * 0x9e3779b97f4a7c15U;
    return (size_t)(mixed ^ mixed >> 32) & (t->capacity - 1);
}

/* Of ID, or the free one where it would be. */
static size_t find(const struct spool_moved_table *t, uint64_t id)
{
    size_t i = home_of(t, id);
    for (uint64_t there;; i = (i + 1) & (t->capacity - 1)) {
        there = atomic_load_explicit(&t->places[i].id, memory_order_acquire);
        if (there == id || there == 0)
            return i;
    }
}

static void place_set(struct place *p, uint64_t id, uint64_t segment, uint64_t at)
{
    atomic_store_explicit(&p->segment, segment, memory_order_release);
    atomic_store_explicit(&p->at, at, memory_order_release);
    atomic_store_explicit(&p->id, id, memory_order_release);
}

static void place_copy(struct place *to, const struct place *from)
{
    place_set(to, atomic_load_explicit(&from->id, memory_order_relaxed),
              atomic_load_explicit(&from->segment, memory_order_relaxed),
              atomic_load_explicit(&from->at, memory_order_relaxed));
}

/* --- The writer --- */

static void retired_free(struct spool_moved *moved)
{
    if (atomic_load(&moved->readers) != 0)
        return;
    for (struct spool_moved_table *t = moved->retired, *next; t; t = next) {
        next = t->next;
        mem_free(t);
    }
    moved->retired = NULL;
}

static struct spool_moved_table *grow(struct spool_moved *moved, struct spool_moved_table *old)
{
    size_t capacity = old ? old->capacity * 2 : MOVED_MIN;
    struct spool_moved_table *t = mem_zalloc(sizeof *t + capacity * sizeof t->places[0]);
    t->capacity = capacity;
    t->count = old ? old->count : 0;
    for (size_t i = 0; old && i < old->capacity; i++) {
        uint64_t id = atomic_load_explicit(&old->places[i].id, memory_order_relaxed);
        if (id != 0)
            place_copy(&t->places[find(t, id)], &old->places[i]);
    }
    atomic_store(&moved->table, t);
    if (old) {
        old->next = moved->retired;
        moved->retired = old;
    }
    retired_free(moved);
    return t;
}

static void change_begin(struct spool_moved *moved)
{
    uint64_t version = atomic_fetch_add(&moved->version, 1);
    ASSERT(version % 2 == 0);
}

static void change_end(struct spool_moved *moved)
{
    uint64_t version = atomic_fetch_add(&moved->version, 1);
    ASSERT(version % 2 == 1);
}

void spool_moved_put(struct spool_moved *moved, const struct spool_ref *ref)
{
    struct spool_moved_table *t = atomic_load_explicit(&moved->table, memory_order_relaxed);
    if (!t || (t->count + 1) * 4 > t->capacity * 3)
        t = grow(moved, t);
    struct place *p = &t->places[find(t, ref->id)];
    t->count += atomic_load_explicit(&p->id, memory_order_relaxed) == 0;
    change_begin(moved);
    place_set(p, ref->id, ref->segment, (uint64_t)ref->offset << 32 | ref->length);
    change_end(moved);
}

/* Closes the hole by moving back what probing had pushed over it. */
void spool_moved_remove(struct spool_moved *moved, uint64_t id)
{
    struct spool_moved_table *t = atomic_load_explicit(&moved->table, memory_order_relaxed);
    size_t hole = t ? find(t, id) : 0;
    if (!t || atomic_load_explicit(&t->places[hole].id, memory_order_relaxed) != id)
        return;
    size_t mask = t->capacity - 1;
    change_begin(moved);
    for (size_t i = (hole + 1) & mask;; i = (i + 1) & mask) {
        uint64_t there = atomic_load_explicit(&t->places[i].id, memory_order_relaxed);
        if (there == 0)
            break;
        if (((i - home_of(t, there)) & mask) >= ((i - hole) & mask)) {
            place_copy(&t->places[hole], &t->places[i]);
            hole = i;
        }
    }
    place_set(&t->places[hole], 0, 0, 0);
    change_end(moved);
    t->count--;
    retired_free(moved);
}

void spool_moved_free(struct spool_moved *moved)
{
    ASSERT(atomic_load(&moved->readers) == 0);
    retired_free(moved);
    mem_free(atomic_exchange(&moved->table, NULL));
}

/* --- Readers --- */

/* False: the table was being changed, look again. */
static bool look(struct spool_moved *moved, uint64_t id, struct spool_ref *out)
{
    uint64_t version = atomic_load(&moved->version);
    struct spool_moved_table *t = atomic_load(&moved->table);
    *out = (struct spool_ref){0};
    if (version % 2 != 0)
        return false;
    if (t) {
        const struct place *p = &t->places[find(t, id)];
        uint64_t segment = atomic_load_explicit(&p->segment, memory_order_acquire);
        uint64_t at = atomic_load_explicit(&p->at, memory_order_acquire);
        if (atomic_load_explicit(&p->id, memory_order_acquire) == id)
            *out = (struct spool_ref){id, segment, (uint32_t)(at >> 32), (uint32_t)at};
    }
    return atomic_load(&moved->version) == version;
}

bool spool_moved_get(struct spool_moved *moved, uint64_t id, struct spool_ref *out)
{
    atomic_fetch_add(&moved->readers, 1);
    while (!look(moved, id, out))
        (void)sched_yield();
    atomic_fetch_sub(&moved->readers, 1);
    return out->id != 0;
}
