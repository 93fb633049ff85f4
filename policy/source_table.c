/* Slots of one atomic word each, found by probing. */
#include "policy/source_table.h"

#include <stdatomic.h>

#include "core/hash.h"
#include "core/mem.h"
#include "core/rand.h"

/* owner (44 bits of a hash, never 0) | sessions (20 bits) */
#define SESSION_BITS 20
#define SESSIONS_MAX ((1ull << SESSION_BITS) - 1)
#define PROBES       16

struct source_slot {
    atomic_uint_fast64_t word;
    atomic_uint_fast64_t minute; /* number of the minute (32 bits) | messages in it */
};

struct source_table {
    uint64_t seed;
    size_t mask;
    struct source_slot *slots;
};

struct source_table *source_table_new(size_t slots)
{
    struct source_table *t = MEM_NEW(struct source_table);
    size_t size = PROBES;
    while (size < slots)
        size *= 2;
    t->seed = rand_u64(); /* peers choose their addresses: they must not choose their slots */
    t->mask = size - 1;
    t->slots = MEM_NEW_ARRAY(struct source_slot, size);
    return t;
}

void source_table_free(struct source_table **table)
{
    if (!*table)
        return;
    mem_free((*table)->slots);
    mem_free(*table);
    *table = NULL;
}

static uint64_t hash_source(const struct source_table *t, uint64_t connector,
                            const struct ipaddr *addr)
{
    uint64_t half[2];
    memcpy(half, addr->octets, sizeof half);
    uint64_t h = hash_mix(t->seed ^ connector);
    h = hash_mix(h ^ half[0]);
    return hash_mix(h ^ half[1]);
}

/* Takes one more session into SLOT if it is OWNER's, or free. */
static bool slot_enter(struct source_slot *slot, uint64_t owner, uint64_t max, bool *full)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    for (;;) {
        uint64_t sessions = word & SESSIONS_MAX, wanted;
        bool ours = word >> SESSION_BITS == owner;
        if (!ours && sessions)
            return false;
        *full = (ours ? sessions : 0) >= max || sessions == SESSIONS_MAX;
        if (*full)
            return false;
        wanted = owner << SESSION_BITS | ((ours ? sessions : 0) + 1);
        if (atomic_compare_exchange_weak_explicit(&slot->word, &word, wanted, memory_order_acq_rel,
                                                  memory_order_relaxed)) {
            if (!ours)
                atomic_store_explicit(&slot->minute, 0, memory_order_relaxed);
            return true;
        }
    }
}

/* The slot that is OWNER's already, or SIZE_MAX: two slots for one source would count it twice
 * over.
 */
static size_t find_ours(const struct source_table *t, size_t start, uint64_t owner)
{
    for (size_t i = 0; i < PROBES; i++) {
        size_t at = (start + i) & t->mask;
        uint64_t word = atomic_load_explicit(&t->slots[at].word, memory_order_relaxed);
        if (word >> SESSION_BITS == owner)
            return at;
    }
    return SIZE_MAX;
}

uint32_t source_table_enter(struct source_table *t, uint64_t connector, const struct ipaddr *addr,
                            uint64_t max)
{
    uint64_t hash = hash_source(t, connector, addr);
    uint64_t owner = (hash >> SESSION_BITS) | 1;
    size_t start = (size_t)hash & t->mask, ours = find_ours(t, start, owner);
    bool full = false;
    if (ours != SIZE_MAX && slot_enter(&t->slots[ours], owner, max, &full))
        return (uint32_t)ours;
    for (size_t i = 0; i < PROBES && !full; i++) {
        size_t at = (start + i) & t->mask;
        if (slot_enter(&t->slots[at], owner, max, &full))
            return (uint32_t)at;
    }
    return SOURCE_TABLE_NONE;
}

void source_table_leave(struct source_table *t, uint32_t slot)
{
    if (slot == SOURCE_TABLE_NONE)
        return;
    ASSERT(slot <= t->mask);
    uint64_t before = atomic_fetch_sub_explicit(&t->slots[slot].word, 1, memory_order_acq_rel);
    ASSERT(before & SESSIONS_MAX);
}

uint32_t source_table_sessions(const struct source_table *t, uint32_t slot)
{
    if (slot == SOURCE_TABLE_NONE)
        return 0;
    return (uint32_t)(atomic_load_explicit(&t->slots[slot].word, memory_order_relaxed) &
                      SESSIONS_MAX);
}

bool source_table_message(struct source_table *t, uint32_t slot, uint64_t per_minute,
                          uint64_t now_ms)
{
    if (per_minute == UINT64_MAX || slot == SOURCE_TABLE_NONE)
        return true;
    uint64_t minute = (now_ms / 60000 + 1) & UINT32_MAX; /* 0 is "never" */
    uint64_t word = atomic_load_explicit(&t->slots[slot].minute, memory_order_relaxed);
    for (;;) {
        uint64_t sent = word >> 32 == minute ? word & UINT32_MAX : 0;
        if (sent >= per_minute)
            return false;
        if (atomic_compare_exchange_weak_explicit(&t->slots[slot].minute, &word,
                                                  minute << 32 | (sent + 1), memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
}
