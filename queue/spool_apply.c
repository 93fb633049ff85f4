/* What follows when a group is on the disk: who is told, what lives where, what has died. */
#include "queue/spool_group_private.h"

#include <errno.h>
#include <string.h>

#include "core/kill_point.h"
#include "core/mem.h"

static uint16_t slot_of(const struct spool_group *g)
{
    return (uint16_t)(g->segment - g->spool->slots);
}

/* --- Messages --- */

static void txn_item(struct spool_group *g, const struct spool_txn *txn)
{
    struct spool_item item = {
        .type = txn->big_fd >= 0 ? SPOOL_BIG : SPOOL_MESSAGE,
        .offset = txn->result.ref.offset,
        .length = txn->length,
        .id = txn->id,
        .payload = txn->facts,
        .payload_len = txn->facts_len,
    };
    spool_items_add(g->segment, &item);
}

/* The acknowledgements come before everything that can wait; the transaction is gone with its
 * own. */
static void apply_txns(struct spool_group *g)
{
    struct spool_log *spool = g->spool;
    while (g->txns) {
        struct spool_txn *txn = g->txns;
        g->txns = txn->next;
        struct spool_entry *e = spool_index_add(&spool->index, txn->id, slot_of(g));
        e->big = txn->big_fd >= 0;
        g->segment->live++;
        g->segment->live_bytes += txn->length;
        atomic_fetch_add_explicit(&spool->live_messages, 1, memory_order_relaxed);
        txn_item(g, txn);
        spool_txn_complete(txn, ERR_OK);
    }
}

/* --- Small records --- */

static void outcome_overtaken(struct spool_log *spool, const struct spool_entry *e)
{
    if (e->outcome_at == 0)
        return;
    struct spool_segment *s = &spool->slots[e->outcome_slot];
    if (s->outcomes_latest > 0)
        s->outcomes_latest--;
    spool_reclaim_consider(spool, s);
}

static void apply_outcome(struct spool_group *g, const struct spool_small *s, uint32_t offset)
{
    struct spool_entry *e = spool_index_find(&g->spool->index, s->id);
    if (!e)
        return;
    outcome_overtaken(g->spool, e);
    e->outcome_at = offset;
    e->outcome_slot = slot_of(g);
    g->segment->outcomes_latest++;
}

static void live_less(struct spool_log *spool, struct spool_segment *s, uint32_t length)
{
    ASSERT(s->live > 0);
    s->live--;
    s->live_bytes -= length < s->live_bytes ? length : s->live_bytes;
    spool_reclaim_consider(spool, s);
}

static void moved_done_keep(struct spool_log *spool, uint64_t generation, uint64_t id)
{
    if (spool->moved_done_count == spool->moved_done_capacity) {
        spool->moved_done_capacity = spool->moved_done_capacity * 2 + 64;
        spool->moved_dones = mem_realloc(spool->moved_dones,
                                         spool->moved_done_capacity * sizeof *spool->moved_dones);
    }
    spool->moved_dones[spool->moved_done_count++] = (struct spool_done_id){generation, id};
}

static void apply_move(struct spool_group *g, const struct spool_small *s, uint32_t offset)
{
    struct spool_log *spool = g->spool;
    struct spool_entry *e = spool_index_find(&spool->index, s->id);
    ASSERT(e && e->moving);
    struct spool_segment *from = &spool->slots[e->slot];
    struct spool_ref ref = {s->id, g->segment->disk_generation, offset, s->length};
    /* Readers find the new place before the old one can go. */
    spool_moved_put(&spool->moved, &ref);
    KILL_POINT("spool_message_moved");
    moved_done_keep(spool, from->disk_generation, s->id);
    e->moving = 0;
    e->moved = 1;
    e->slot = (uint16_t)(slot_of(g) & 0xfffU);
    g->segment->live++;
    g->segment->live_bytes += s->length;
    live_less(spool, from, s->length);
}

static void apply_smalls(struct spool_group *g)
{
    for (size_t i = 0; i < g->small_count; i++) {
        const struct spool_small *s = &g->smalls[i];
        uint32_t offset = g->start + (uint32_t)s->at;
        bool message = s->type == SPOOL_MESSAGE || s->type == SPOOL_BIG;
        struct spool_item item = {
            .type = s->type,
            .offset = offset,
            .length = s->length,
            .id = s->id,
            .payload = message ? g->facts + s->facts_at : g->bytes + s->at + SPOOL_RECORD_BYTES,
            .payload_len = message                    ? s->facts_len
                           : s->type == SPOOL_OUTCOME ? 8
                                                      : s->head_len,
        };
        spool_items_add(g->segment, &item);
        if (message)
            apply_move(g, s, offset);
        else if (s->type == SPOOL_OUTCOME)
            apply_outcome(g, s, offset);
    }
}

static void big_gone(struct spool_log *spool, uint64_t id)
{
    char name[SPOOL_NAME_SIZE];
    struct io *io = spool->io;
    if (io->unlinkat(io, spool->big_fd, spool_big_name(id, name), 0) != 0 && errno != ENOENT)
        spool_orphan_keep(spool, id);
}

static void apply_done(struct spool_log *spool, const struct spool_ref *ref)
{
    struct spool_entry *e = spool_index_find(&spool->index, ref->id);
    if (!e)
        return; /* twice in one group */
    if (e->big)
        big_gone(spool, ref->id);
    KILL_POINT("spool_done_applied");
    outcome_overtaken(spool, e);
    if (e->moved)
        spool_moved_remove(&spool->moved, ref->id);
    struct spool_segment *s = &spool->slots[e->slot];
    spool_index_remove(&spool->index, e);
    live_less(spool, s, ref->length);
    atomic_fetch_sub_explicit(&spool->live_messages, 1, memory_order_relaxed);
}

static void apply_settles(struct spool_group *g)
{
    while (g->settles) {
        struct spool_settle *s = g->settles;
        g->settles = s->next;
        if (s->kind == SPOOL_SETTLE_DONE)
            apply_done(g->spool, &s->ref);
        mem_free(s);
    }
}

static void checkpoints_written(struct spool_log *spool, size_t count)
{
    spool->void_count -= count < spool->void_count ? count : spool->void_count;
    spool->checkpoint_count -= count;
    if (spool->checkpoint_count > 0)
        memmove(spool->checkpoints, spool->checkpoints + count,
                spool->checkpoint_count * sizeof *spool->checkpoints);
}

static void moved_dones_written(struct spool_log *spool, size_t count)
{
    spool->moved_done_count -= count;
    if (spool->moved_done_count > 0)
        memmove(spool->moved_dones, spool->moved_dones + count,
                spool->moved_done_count * sizeof *spool->moved_dones);
}

void spool_group_apply(struct spool_group *g)
{
    struct spool_log *spool = g->spool;
    g->segment->end += g->used;
    spool->last_group_bytes = g->txn_bytes;
    atomic_fetch_add_explicit(&spool->groups, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&spool->records, g->small_count + g->txn_count, memory_order_relaxed);
    atomic_store_explicit(&spool->ready_bytes,
                          atomic_load_explicit(&spool->ready_bytes, memory_order_relaxed) - g->used,
                          memory_order_relaxed);
    checkpoints_written(spool, g->checkpoint_count);
    moved_dones_written(spool, g->moved_done_count);
    /* In the order of the records: so the items stand in the footer. */
    apply_smalls(g);
    apply_txns(g);
    KILL_POINT("spool_group_acknowledged");
    apply_settles(g);
    KILL_POINT("spool_group_applied");
    if (g->reclaims)
        spool_reclaim_end(spool, true);
}

void spool_group_undo(struct spool_group *g, struct spool_txn **failed)
{
    struct spool_log *spool = g->spool;
    if (g->settles) {
        *g->settles_end = spool->settles;
        if (!spool->settles)
            spool->settles_end = g->settles_end;
        spool->settles = g->settles;
    }
    for (size_t i = 0; i < g->small_count; i++) {
        struct spool_entry *e = spool_index_find(&spool->index, g->smalls[i].id);
        if (e)
            e->moving = 0;
    }
    if (g->reclaims)
        spool_reclaim_end(spool, false);
    *failed = g->txns;
}
