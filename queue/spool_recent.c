/* What was committed a moment ago is still in memory, and most of it leaves at once: its first
 * reader takes it from here and spares the disk. Of a big file it is the open descriptor, and that
 * its text need not be proved again. A table of so many slots, each a pointer that changes hands by
 * one exchange: the thread that has it owns it. Nothing waits, nothing is searched, and what is not
 * there any more is read from the disk.
 */
#include "queue/spool_recent_private.h"

#include "core/mem.h"

enum { RECENT_BODY_MAX = 16 * 1024, RECENT_BIG_MAX = 64 };

static struct spool_recent *_Atomic *slot_of(struct spool_recents *table, uint64_t id)
{
    return &table->slots[id % SPOOL_RECENT];
}

void spool_recent_free(struct spool_recent **r)
{
    if (!*r)
        return;
    if ((*r)->big_fd >= 0) {
        (void)(*r)->table->io->close((*r)->table->io, (*r)->big_fd);
        atomic_fetch_sub_explicit(&(*r)->table->big, 1, memory_order_relaxed);
    }
    mem_free((*r)->head);
    mem_free((*r)->body);
    mem_free(*r);
    *r = NULL;
}

/* Descriptors are few; and a file that goes while it is open keeps its place on the disk. */
static bool big_fits(struct spool_recents *table)
{
    if (atomic_fetch_add_explicit(&table->big, 1, memory_order_relaxed) < RECENT_BIG_MAX)
        return true;
    atomic_fetch_sub_explicit(&table->big, 1, memory_order_relaxed);
    return false;
}

bool spool_recent_put(struct spool_recents *table, const struct spool_recent *recent)
{
    if (recent->big_fd >= 0 ? !big_fits(table) : recent->body_capacity > RECENT_BODY_MAX)
        return false;
    struct spool_recent *r = MEM_NEW(struct spool_recent);
    *r = *recent;
    r->table = table;
    r = atomic_exchange_explicit(slot_of(table, r->id), r, memory_order_acq_rel);
    spool_recent_free(&r);
    return true;
}

struct spool_recent *spool_recent_take(struct spool_recents *table, uint64_t id)
{
    struct spool_recent *_Atomic *slot = slot_of(table, id);
    if (!atomic_load_explicit(slot, memory_order_relaxed))
        return NULL;
    struct spool_recent *r = atomic_exchange_explicit(slot, NULL, memory_order_acq_rel);
    if (!r || r->id == id)
        return r;
    struct spool_recent *none = NULL;
    if (!atomic_compare_exchange_strong_explicit(slot, &none, r, memory_order_acq_rel,
                                                 memory_order_relaxed))
        spool_recent_free(&r);
    return NULL;
}

void spool_recents_clear(struct spool_recents *table)
{
    for (size_t i = 0; i < SPOOL_RECENT; i++) {
        struct spool_recent *r = atomic_exchange(&table->slots[i], NULL);
        spool_recent_free(&r);
    }
}
