/* What was committed a moment ago is still in memory, and most of it leaves at once: its first
 * reader takes it from here and spares the disk. Of a big file it is the open descriptor, and that
 * its text need not be proved again. A table of so many slots, each a pointer that changes hands by
 * one exchange: whoever has it owns it. Nobody waits, nobody searches, and what is not there any
 * more is read from the disk.
 */
#include "queue/spool_private.h"

#include "core/mem.h"

enum { RECENT_BODY_MAX = 16 * 1024, RECENT_BIG_MAX = 64 };

static struct spool_recent *_Atomic *slot_of(struct spool_log *spool, uint64_t id)
{
    return &spool->recent[id % SPOOL_RECENT];
}

void spool_recent_free(struct spool_recent **r)
{
    if (!*r)
        return;
    if ((*r)->big_fd >= 0) {
        (void)(*r)->spool->io->close((*r)->spool->io, (*r)->big_fd);
        atomic_fetch_sub_explicit(&(*r)->spool->recent_big, 1, memory_order_relaxed);
    }
    mem_free((*r)->head);
    mem_free((*r)->body);
    mem_free(*r);
    *r = NULL;
}

/* Descriptors are few; and a file that goes while it is open keeps its place on the disk. */
static bool big_fits(struct spool_log *spool)
{
    if (atomic_fetch_add_explicit(&spool->recent_big, 1, memory_order_relaxed) < RECENT_BIG_MAX)
        return true;
    atomic_fetch_sub_explicit(&spool->recent_big, 1, memory_order_relaxed);
    return false;
}

void spool_recent_put(struct spool_txn *txn)
{
    if (txn->big_fd >= 0 ? !big_fits(txn->spool) : txn->body_capacity > RECENT_BODY_MAX)
        return;
    struct spool_recent *r = MEM_NEW(struct spool_recent);
    *r = (struct spool_recent){
        .spool = txn->spool,
        .id = txn->id,
        .head = txn->head,
        .body = txn->big_fd < 0 ? txn->body : NULL,
        .head_len = txn->head_len,
        .big_fd = txn->big_fd,
    };
    txn->head = NULL;
    if (txn->big_fd < 0)
        txn->body = NULL;
    txn->big_fd = -1;
    r = atomic_exchange_explicit(slot_of(txn->spool, r->id), r, memory_order_acq_rel);
    spool_recent_free(&r);
}

struct spool_recent *spool_recent_take(struct spool_log *spool, uint64_t id)
{
    struct spool_recent *_Atomic *slot = slot_of(spool, id);
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

void spool_recent_clear(struct spool_log *spool)
{
    for (size_t i = 0; i < SPOOL_RECENT; i++) {
        struct spool_recent *r = atomic_exchange(&spool->recent[i], NULL);
        spool_recent_free(&r);
    }
}
