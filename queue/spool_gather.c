/* What goes into a group, in which order, and what happens when it is stored or not. */
#include "queue/spool_group_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/kill_point.h"
#include "core/mem.h"
#include "core/vector.h"

static void add_checkpoints(struct spool_group *g, size_t count)
{
    for (; g->checkpoint_count < count && spool_group_room(g) >= SPOOL_SMALL_COST;
         g->checkpoint_count++) {
        uint8_t head[SPOOL_CHECKPOINT_LENGTH];
        const struct spool_checkpoint *c = &g->log->segments.checkpoints.items[g->checkpoint_count];
        if (!spool_generation_exists(&g->log->segments, c->generation))
            continue;
        spool_checkpoint_encode(c, head);
        spool_group_add(g, SPOOL_CHECKPOINT, 0, head, sizeof head);
    }
}

static void add_done(struct spool_group *g, uint64_t generation, uint64_t id)
{
    *VECTOR_ADD(&g->dones) = (struct spool_done_id){generation, id};
}

/* The old places of messages that were written again. False: some must wait, and with them
 * all else that is to be said of any message. */
static bool add_moved_dones(struct spool_group *g)
{
    struct spool_log *log = g->log;
    while (g->moved_done_count < log->moved_dones.count &&
           spool_group_room(g) >= SPOOL_SMALL_COST) {
        const struct spool_done_id *d = &log->moved_dones.items[g->moved_done_count++];
        if (spool_generation_exists(&log->segments, d->generation))
            add_done(g, d->generation, d->id);
    }
    return g->moved_done_count == log->moved_dones.count;
}

/* False: no room, or the message is just being written again: it waits for another group. */
static bool add_update(struct spool_group *g, struct spool_update *s)
{
    const struct spool_entry *e = spool_index_find(&g->log->index, s->ref.id);
    ASSERT(e);
    uint64_t generation = g->log->segments.slots[e->slot].disk_generation;
    if (e->moving)
        return false;
    if (s->kind == SPOOL_UPDATE_OUTCOME) {
        uint32_t length = spool_record_length(s->head_len, 0);
        if (spool_group_cost(SPOOL_OUTCOME, length, s->head_len) > spool_group_room(g) ||
            (g->bytes.count + length > SPOOL_SMALL_BYTES && g->used))
            return false;
        /* Where the message lives, which need not be where its reference says. */
        spool_put_u64(s->head, generation);
        spool_group_add(g, SPOOL_OUTCOME, s->ref.id, s->head, s->head_len);
        return true;
    }
    if (spool_group_room(g) < SPOOL_SMALL_COST)
        return false;
    add_done(g, generation, s->ref.id);
    return true;
}

/* A message that has gone needs no outcome; one that could not be set aside stays. */
static bool update_counts(struct spool_log *log, struct spool_update *s)
{
    const struct spool_entry *e = spool_index_find(&log->index, s->ref.id);
    if (!e)
        return false;
    if (s->kind != SPOOL_UPDATE_QUARANTINE || e->moving)
        return true;
    if (spool_set_aside_message(log, &s->ref, bytes_make((char *)s->head, s->head_len)) != ERR_OK)
        return false;
    s->kind = SPOOL_UPDATE_DONE;
    return true;
}

static void add_updates(struct spool_group *g)
{
    struct cds_list_head *queue = &g->log->updates.queue;
    LIST_EACH_SAFE (u, queue, struct spool_update, link) {
        bool counts = update_counts(g->log, u);
        if (counts && !add_update(g, u))
            break;
        list_remove(&u->link);
        if (counts)
            list_add(&g->updates, &u->link);
        else
            mem_free(u);
    }
}

static int compare_dones(const void *a, const void *b)
{
    const struct spool_done_id *x = a, *y = b;
    if (x->generation != y->generation)
        return x->generation < y->generation ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* One record for all messages of one generation: 8 bytes a message instead of 88. */
static void add_dones(struct spool_group *g)
{
    size_t count = g->dones.count;
    if (count == 0)
        return;
    const struct spool_done_id *dones = g->dones.items;
    qsort(g->dones.items, count, sizeof *dones, compare_dones);
    uint8_t *head = mem_alloc(SPOOL_DONE_LENGTH(SPOOL_DONE_IDS_MAX));
    g->dones.count = 0; /* the room set by for them is now used */
    for (size_t i = 0; i < count;) {
        uint64_t generation = dones[i].generation;
        uint32_t n = 0;
        for (; i < count && n < SPOOL_DONE_IDS_MAX && dones[i].generation == generation; i++)
            spool_done_put(head, n++, dones[i].id);
        spool_done_encode(generation, n, head);
        spool_group_add(g, SPOOL_DONE, 0, head, (uint32_t)SPOOL_DONE_LENGTH(n));
    }
    mem_free(head);
}

static struct spool_txn *first_txn(const struct spool_log *log)
{
    return LIST_FIRST(&log->intake.txns, struct spool_txn, link);
}

/* The big file is on the disk before the record that speaks of it. */
static bool big_synced(struct spool_log *log, struct spool_txn *txn)
{
    if (txn->big_fd < 0)
        return true;
    KILL_POINT("spool_big_before_sync");
    if (log->dir.io->fsync(log->dir.io, txn->big_fd) == 0)
        return true;
    spool_txn_complete(txn, err_from_errno(errno));
    return false;
}

static uint32_t txn_cost(const struct spool_txn *txn)
{
    return txn->length + SPOOL_ITEM_BYTES + txn->facts_len;
}

static void add_txns(struct spool_group *g)
{
    struct spool_log *log = g->log;
    uint64_t kept = spool_group_kept(&log->segments), left = spool_segment_room(g->segment);
    g->reserved = 0;
    LIST_EACH_SAFE (txn, &log->intake.txns, struct spool_txn, link) {
        uint32_t cost = txn_cost(txn);
        if (g->txn_count == SPOOL_GROUP_TXNS || cost > g->room - g->cost ||
            txn->version > g->segment->version ||
            (g->txn_count > 0 && g->cost + kept + cost > left))
            break;
        list_remove(&txn->link);
        if (!big_synced(log, txn))
            continue;
        list_add(&g->txns, &txn->link);
        g->txn_count++;
        g->used += txn->length;
        g->cost += cost;
        g->txn_bytes += txn->length;
    }
}

/* Their names too. If that fails all big ones leave the group. */
static void sync_big_names(struct spool_group *g)
{
    bool any = false;
    struct io *io = g->log->dir.io;
    LIST_EACH (txn, &g->txns, struct spool_txn, link)
        any |= txn->big_fd >= 0;
    KILL_POINT("spool_big_names_before_sync");
    if (!any || io->fsync(io, g->log->dir.big_fd) == 0)
        return;
    enum err err = err_from_errno(errno);
    LIST_EACH_SAFE (txn, &g->txns, struct spool_txn, link) {
        if (txn->big_fd < 0)
            continue;
        list_remove(&txn->link);
        g->used -= txn->length;
        g->cost -= txn_cost(txn);
        g->txn_count--;
        spool_txn_complete(txn, err);
    }
}

/* --- All together --- */

static bool has_room(const struct spool_log *log, uint64_t need)
{
    const struct spool_segment *s = log->segments.active;
    return s && spool_segment_room(s) >= need + log->segments.void_count * SPOOL_SMALL_COST;
}

/* The bytes of what must go first; KEPT: and what it must leave; TOO_OLD: not in the active one. */
static uint64_t first_needs(const struct spool_log *log, uint64_t *kept, bool *too_old)
{
    const struct spool_txn *txn = first_txn(log);
    const struct spool_update *u = LIST_FIRST(&log->updates.queue, struct spool_update, link);
    if (txn) {
        *kept = spool_group_kept(&log->segments);
        *too_old = log->segments.active && log->segments.active->version < txn->version;
        return txn_cost(txn);
    }
    return u ? spool_group_cost(SPOOL_OUTCOME, spool_record_length(u->head_len, 0), u->head_len)
             : 0;
}

/* Enough room for what must go first, or ERR_LIMIT if not even an empty segment has it. */
static enum err make_room(struct spool_log *log, enum spool_group_kind kind)
{
    uint64_t need = 0, kept = 0;
    bool too_old = false;
    if (kind == SPOOL_GROUP_ALL)
        need = first_needs(log, &kept, &too_old);
    if (need < SPOOL_SMALL_COST)
        need = SPOOL_SMALL_COST;
    if (!too_old && has_room(log, need + kept))
        return ERR_OK;
    enum err err = spool_reclaim_rotate(&log->reclaim);
    if (err != ERR_OK)
        return err;
    return has_room(log, need) ? ERR_OK : ERR_LIMIT;
}

/* However large the first message is, it must go some time. */
static uint64_t group_bytes(const struct spool_log *log)
{
    uint64_t wanted = SPOOL_GROUP_BYTES;
    const struct spool_txn *txn = first_txn(log);
    if (txn && txn_cost(txn) > wanted)
        wanted = txn_cost(txn);
    return wanted + log->segments.void_count * SPOOL_SMALL_COST;
}

static void gather(struct spool_group *g, enum spool_group_kind kind)
{
    struct spool_log *log = g->log;
    if (kind == SPOOL_GROUP_VOIDS) {
        add_checkpoints(g, log->segments.void_count);
        return;
    }
    const struct spool_txn *first = first_txn(log);
    g->reserved = first ? txn_cost(first) : 0;
    add_checkpoints(g, log->segments.checkpoints.count);
    if (add_moved_dones(g)) {
        if (spool_reclaim_wanted(&log->reclaim))
            g->reclaims = spool_carry_batch(g);
        add_updates(g);
    }
    add_dones(g);
    add_txns(g);
    sync_big_names(g);
}

static enum spool_group_result write_group(struct spool_group *g, struct cds_list_head *failed,
                                           enum err *err)
{
    *err = spool_group_store(g);
    if (*err == ERR_OK) {
        KILL_POINT("spool_group_synced");
        spool_group_apply(g);
        return SPOOL_GROUP_WRITTEN;
    }
    spool_group_undo(g, failed);
    KILL_POINT("spool_group_failed");
    spool_segment_poison(&g->log->segments, g->segment, g->start);
    return SPOOL_GROUP_FAILED;
}

enum spool_group_result spool_group_run(struct spool_log *log, enum spool_group_kind kind,
                                        struct cds_list_head *failed, enum err *err)
{
    struct spool_group g;
    enum spool_group_result result = SPOOL_GROUP_EMPTY;
    list_init(failed);
    *err = make_room(log, kind);
    if (*err != ERR_OK)
        return SPOOL_GROUP_FAILED;
    spool_group_init(&g, log, group_bytes(log));
    gather(&g, kind);
    if (g.used > 0) {
        result = write_group(&g, failed, err);
    } else if (g.reclaims) {
        spool_reclaim_carried(&log->reclaim);
        result = SPOOL_GROUP_WRITTEN;
    }
    spool_group_free(&g);
    return result;
}
