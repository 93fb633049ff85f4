/* What follows when a group is on the disk: who is told, what lives where, what has died. */
#include "queue/spool_group_private.h"

#include <errno.h>
#include <string.h>

#include "core/kill_point.h"
#include "core/mem.h"
#include "core/vector.h"

static uint16_t slot_of(const struct spool_group *g)
{
    return (uint16_t)spool_segment_slot(&g->log->segments, g->segment);
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
    struct spool_log *log = g->log;
    LIST_EACH_SAFE (txn, &g->txns, struct spool_txn, link) {
        list_remove(&txn->link);
        struct spool_entry *e = spool_index_add(&log->index, txn->id, slot_of(g));
        e->big = txn->big_fd >= 0;
        g->segment->live++;
        g->segment->live_bytes += txn->length;
        atomic_fetch_add_explicit(&log->live_messages, 1, memory_order_relaxed);
        txn_item(g, txn);
        spool_txn_complete(txn, ERR_OK);
    }
}

/* --- Small records --- */

static void outcome_overtaken(struct spool_log *log, const struct spool_entry *e)
{
    if (e->outcome_at == 0)
        return;
    struct spool_segment *s = &log->segments.slots[e->outcome_slot];
    if (s->outcomes_latest > 0)
        s->outcomes_latest--;
    spool_segment_consider(&log->segments, s);
}

static void apply_outcome(struct spool_group *g, const struct spool_small *s, uint32_t offset)
{
    struct spool_entry *e = spool_index_find(&g->log->index, s->id);
    if (!e)
        return;
    outcome_overtaken(g->log, e);
    e->outcome_at = offset;
    e->outcome_slot = slot_of(g);
    g->segment->outcomes_latest++;
}

static void live_less(struct spool_log *log, struct spool_segment *s, uint32_t length)
{
    ASSERT(s->live > 0);
    s->live--;
    s->live_bytes -= length < s->live_bytes ? length : s->live_bytes;
    spool_segment_consider(&log->segments, s);
}

static void apply_move(struct spool_group *g, const struct spool_small *s, uint32_t offset)
{
    struct spool_log *log = g->log;
    struct spool_entry *e = spool_index_find(&log->index, s->id);
    ASSERT(e && e->moving);
    struct spool_segment *from = &log->segments.slots[e->slot];
    struct spool_ref ref = {s->id, g->segment->disk_generation, offset, s->length};
    /* Readers find the new place before the old one can go. */
    spool_moved_put(&log->moved, &ref);
    KILL_POINT("spool_message_moved");
    *VECTOR_ADD(&log->moved_dones) = (struct spool_done_id){from->disk_generation, s->id};
    e->moving = 0;
    e->moved = 1;
    e->slot = (uint16_t)(slot_of(g) & 0xfffU);
    g->segment->live++;
    g->segment->live_bytes += s->length;
    live_less(log, from, s->length);
}

static void apply_smalls(struct spool_group *g)
{
    for (size_t i = 0; i < g->smalls.count; i++) {
        const struct spool_small *s = &g->smalls.items[i];
        uint32_t offset = g->start + (uint32_t)s->at;
        bool message = s->type == SPOOL_MESSAGE || s->type == SPOOL_BIG;
        struct spool_item item = {
            .type = s->type,
            .offset = offset,
            .length = s->length,
            .id = s->id,
            .payload = message ? g->facts.items + s->facts_at
                               : g->bytes.items + s->at + SPOOL_RECORD_BYTES,
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

static void apply_done(struct spool_log *log, const struct spool_ref *ref)
{
    struct spool_entry *e = spool_index_find(&log->index, ref->id);
    if (!e)
        return; /* twice in one group */
    if (e->big)
        spool_orphan_remove_here(&log->intake.orphans, ref->id);
    KILL_POINT("spool_done_applied");
    outcome_overtaken(log, e);
    if (e->moved)
        spool_moved_remove(&log->moved, ref->id);
    struct spool_segment *s = &log->segments.slots[e->slot];
    spool_index_remove(&log->index, e);
    live_less(log, s, ref->length);
    atomic_fetch_sub_explicit(&log->live_messages, 1, memory_order_relaxed);
}

static void apply_updates(struct spool_group *g)
{
    LIST_EACH_SAFE (u, &g->updates, struct spool_update, link) {
        if (u->kind == SPOOL_UPDATE_DONE)
            apply_done(g->log, &u->ref);
        mem_free(u);
    }
    list_init(&g->updates);
}

static void moved_dones_written(struct spool_log *log, size_t count)
{
    ASSERT(count <= log->moved_dones.count);
    log->moved_dones.count -= count;
    if (log->moved_dones.count > 0)
        memmove(log->moved_dones.items, log->moved_dones.items + count,
                log->moved_dones.count * sizeof *log->moved_dones.items);
}

void spool_group_apply(struct spool_group *g)
{
    struct spool_log *log = g->log;
    g->segment->end += g->used;
    log->last_group_bytes = g->txn_bytes;
    atomic_fetch_add_explicit(&log->groups, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&log->records, g->smalls.count + g->txn_count, memory_order_relaxed);
    atomic_store_explicit(&log->segments.ready_bytes,
                          atomic_load_explicit(&log->segments.ready_bytes, memory_order_relaxed) -
                              g->used,
                          memory_order_relaxed);
    spool_checkpoints_written(&log->segments, g->checkpoint_count);
    moved_dones_written(log, g->moved_done_count);
    /* In the order of the records: so the items stand in the footer. */
    apply_smalls(g);
    apply_txns(g);
    KILL_POINT("spool_group_acknowledged");
    apply_updates(g);
    KILL_POINT("spool_group_applied");
    if (g->reclaims)
        spool_reclaim_carried(&log->reclaim);
}

void spool_group_undo(struct spool_group *g, struct cds_list_head *failed)
{
    struct spool_log *log = g->log;
    cds_list_splice(&g->updates, &log->updates.queue);
    for (size_t i = 0; i < g->smalls.count; i++) {
        struct spool_entry *e = spool_index_find(&log->index, g->smalls.items[i].id);
        if (e)
            e->moving = 0;
    }
    cds_list_splice(&g->txns, failed);
}
