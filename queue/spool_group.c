/* One group: what is queued becomes records in one run of bytes, one write, one sync.
 *
 * Order within it: checkpoints, what reclaim carries on, outcomes and dones, messages. All but
 * the new messages is one piece of memory; a message is two (header and head, body with padding).
 */
#include "queue/spool_group_private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

uint32_t spool_group_room(const struct spool_group *group)
{
    uint32_t taken = group->cost + group->reserved;
    uint32_t dones = (uint32_t)group->done_count * SPOOL_SMALL_COST;
    return group->room > taken + dones ? group->room - taken - dones : 0;
}

static struct spool_small *small_new(struct spool_group *group, enum spool_type type,
                                     uint32_t length)
{
    if (group->bytes_len + length > group->bytes_capacity) {
        group->bytes_capacity = group->bytes_capacity * 2 + length + 4096;
        group->bytes = mem_realloc(group->bytes, group->bytes_capacity);
    }
    if (group->small_count == group->small_capacity) {
        group->small_capacity = group->small_capacity * 2 + 16;
        group->smalls = mem_realloc(group->smalls, group->small_capacity * sizeof *group->smalls);
    }
    struct spool_small *s = &group->smalls[group->small_count++];
    *s = (struct spool_small){.type = type, .at = group->bytes_len, .length = length};
    group->bytes_len += length;
    group->used += length;
    return s;
}

void spool_group_add(struct spool_group *group, enum spool_type type, uint64_t id,
                     const uint8_t *head, uint32_t head_len)
{
    uint32_t length = spool_record_length(head_len, 0);
    struct spool_small *s = small_new(group, type, length);
    uint8_t *to = group->bytes + s->at;
    memset(to, 0, length);
    memcpy(to + SPOOL_RECORD_BYTES, head, head_len);
    s->id = id;
    s->head_len = head_len;
    s->head_hash = spool_hash(head, head_len);
    s->body_hash = spool_hash("", 0);
    group->cost += spool_group_cost(type, length, head_len);
}

void spool_group_add_again(struct spool_group *group, const struct spool_record *record,
                           const uint8_t *bytes, const struct spool_item *item)
{
    struct spool_small *s = small_new(group, record->type, item->length);
    memcpy(group->bytes + s->at, bytes, item->length);
    s->id = record->id;
    s->head_len = record->head_len;
    s->body_len = record->body_len;
    s->head_hash = record->head_hash;
    s->body_hash = record->body_hash;
    if (group->facts_len + item->payload_len + 1 > group->facts_capacity) {
        group->facts_capacity = group->facts_capacity * 2 + item->payload_len + 4096;
        group->facts = mem_realloc(group->facts, group->facts_capacity);
    }
    memcpy(group->facts + group->facts_len, item->payload, item->payload_len);
    s->facts_at = group->facts_len;
    s->facts_len = item->payload_len;
    group->facts_len += item->payload_len;
    group->cost += spool_group_cost(record->type, item->length, item->payload_len);
}

/* --- What goes in --- */

static void add_checkpoints(struct spool_group *g, size_t count)
{
    for (; g->checkpoint_count < count && spool_group_room(g) >= SPOOL_SMALL_COST;
         g->checkpoint_count++) {
        uint8_t head[SPOOL_CHECKPOINT_LENGTH];
        const struct spool_checkpoint *c = &g->spool->checkpoints[g->checkpoint_count];
        if (!spool_generation_exists(g->spool, c->generation))
            continue;
        spool_checkpoint_encode(c, head);
        spool_group_add(g, SPOOL_CHECKPOINT, 0, head, sizeof head);
    }
}

static void add_done(struct spool_group *g, uint64_t generation, uint64_t id)
{
    if (g->done_count == g->done_capacity) {
        g->done_capacity = g->done_capacity * 2 + 64;
        g->dones = mem_realloc(g->dones, g->done_capacity * sizeof *g->dones);
    }
    g->dones[g->done_count++] = (struct spool_done_id){generation, id};
}

/* The old places of messages that were written again. False: some must wait, and with them
 * whatever else is to be said of any message. */
static bool add_moved_dones(struct spool_group *g)
{
    struct spool_log *spool = g->spool;
    while (g->moved_done_count < spool->moved_done_count &&
           spool_group_room(g) >= SPOOL_SMALL_COST) {
        const struct spool_done_id *d = &spool->moved_dones[g->moved_done_count++];
        if (spool_generation_exists(spool, d->generation))
            add_done(g, d->generation, d->id);
    }
    return g->moved_done_count == spool->moved_done_count;
}

/* False: no room, or the message is just being written again: it waits for another group. */
static bool add_settle(struct spool_group *g, struct spool_settle *s)
{
    const struct spool_entry *e = spool_index_find(&g->spool->index, s->ref.id);
    ASSERT(e);
    uint64_t generation = g->spool->slots[e->slot].disk_generation;
    if (e->moving)
        return false;
    if (s->kind == SPOOL_SETTLE_OUTCOME) {
        uint32_t length = spool_record_length(s->head_len, 0);
        if (spool_group_cost(SPOOL_OUTCOME, length, s->head_len) > spool_group_room(g) ||
            (g->bytes_len + length > SPOOL_SMALL_BYTES && g->used))
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
static bool settle_counts(struct spool_log *spool, struct spool_settle *s)
{
    const struct spool_entry *e = spool_index_find(&spool->index, s->ref.id);
    if (!e)
        return false;
    if (s->kind != SPOOL_SETTLE_QUARANTINE || e->moving)
        return true;
    if (spool_set_aside_message(spool, &s->ref, bytes_make((char *)s->head, s->head_len)) != ERR_OK)
        return false;
    s->kind = SPOOL_SETTLE_DONE;
    return true;
}

static void add_settles(struct spool_group *g)
{
    struct spool_log *spool = g->spool;
    while (spool->settles) {
        struct spool_settle *s = spool->settles;
        bool counts = settle_counts(spool, s);
        if (counts && !add_settle(g, s))
            break;
        spool->settles = s->next;
        s->next = NULL;
        if (counts) {
            *g->settles_end = s;
            g->settles_end = &s->next;
        } else {
            mem_free(s);
        }
    }
    if (!spool->settles)
        spool->settles_end = &spool->settles;
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
    if (g->done_count == 0)
        return;
    qsort(g->dones, g->done_count, sizeof *g->dones, compare_dones);
    size_t count = g->done_count;
    uint8_t *head = mem_alloc(SPOOL_DONE_LENGTH(SPOOL_DONE_IDS_MAX));
    g->done_count = 0; /* the room set by for them is now used */
    for (size_t i = 0; i < count;) {
        uint64_t generation = g->dones[i].generation;
        uint32_t n = 0;
        for (; i < count && n < SPOOL_DONE_IDS_MAX && g->dones[i].generation == generation; i++)
            spool_done_put(head, n++, g->dones[i].id);
        spool_done_encode(generation, n, head);
        spool_group_add(g, SPOOL_DONE, 0, head, (uint32_t)SPOOL_DONE_LENGTH(n));
    }
    mem_free(head);
}

static struct spool_txn *pop_txn(struct spool_log *spool)
{
    struct spool_txn *txn = spool->txns;
    spool->txns = txn->next;
    txn->next = NULL;
    if (!spool->txns)
        spool->txns_end = &spool->txns;
    return txn;
}

/* The big file is on the disk before the record that speaks of it. */
static bool big_synced(struct spool_log *spool, struct spool_txn *txn)
{
    if (txn->big_fd < 0)
        return true;
    KILL_POINT("spool_big_before_sync");
    if (spool->io->fsync(spool->io, txn->big_fd) == 0)
        return true;
    spool_txn_complete(txn, err_from_errno(errno));
    return false;
}

/* While no other segment is ready messages leave an end of this one to small records: on a full
 * disk nothing but a DONE makes room again. An empty segment may be filled by one message. */
uint64_t spool_group_kept(const struct spool_log *spool)
{
    const struct spool_segment *s = spool->active;
    return s && s->end > SPOOL_HEADER_BYTES && spool_segments_ready(spool) == 0
               ? s->size / SPOOL_KEPT_PART
               : 0;
}

static uint32_t txn_cost(const struct spool_txn *txn)
{
    return txn->length + SPOOL_ITEM_BYTES + txn->facts_len;
}

static void add_txns(struct spool_group *g)
{
    struct spool_log *spool = g->spool;
    uint64_t kept = spool_group_kept(spool), left = spool_segment_room(g->segment);
    g->reserved = 0;
    while (spool->txns && g->txn_count < SPOOL_GROUP_TXNS &&
           txn_cost(spool->txns) <= g->room - g->cost &&
           spool->txns->version <= g->segment->version &&
           (g->txn_count == 0 || g->cost + kept + txn_cost(spool->txns) <= left)) {
        struct spool_txn *txn = pop_txn(spool);
        if (!big_synced(spool, txn))
            continue;
        *g->txns_end = txn;
        g->txns_end = &txn->next;
        g->txn_count++;
        g->used += txn->length;
        g->cost += txn_cost(txn);
        g->txn_bytes += txn->length;
    }
}

/* Their names too. If that fails all big ones leave the group. */
static void sync_big_names(struct spool_group *g)
{
    bool any = false;
    for (struct spool_txn *txn = g->txns; txn; txn = txn->next)
        any |= txn->big_fd >= 0;
    KILL_POINT("spool_big_names_before_sync");
    if (!any || g->spool->io->fsync(g->spool->io, g->spool->big_fd) == 0)
        return;
    enum err err = err_from_errno(errno);
    struct spool_txn *txn = g->txns;
    g->txns = NULL;
    g->txns_end = &g->txns;
    for (struct spool_txn *next; txn; txn = next) {
        next = txn->next;
        txn->next = NULL;
        if (txn->big_fd < 0) {
            *g->txns_end = txn;
            g->txns_end = &txn->next;
            continue;
        }
        g->used -= txn->length;
        g->cost -= txn_cost(txn);
        g->txn_count--;
        spool_txn_complete(txn, err);
    }
}

/* --- Bytes --- */

static void finish_smalls(struct spool_group *g, uint32_t *offset)
{
    for (size_t i = 0; i < g->small_count; i++) {
        const struct spool_small *s = &g->smalls[i];
        struct spool_record record = {
            .type = s->type,
            .head_len = s->head_len,
            .body_len = s->body_len,
            .generation = g->segment->disk_generation,
            .id = s->id,
            .head_hash = s->head_hash,
            .body_hash = s->body_hash,
            .offset = *offset,
            .group = g->start,
        };
        spool_record_encode(&record, g->segment->salt, g->bytes + s->at);
        *offset += s->length;
    }
    if (g->bytes_len > 0)
        g->iov[g->iov_count++] = (struct iovec){g->bytes, g->bytes_len};
}

static void finish_txn(struct spool_group *g, struct spool_txn *txn, uint32_t offset)
{
    uint32_t body_len = txn->big_fd >= 0 ? 0 : (uint32_t)txn->body_len;
    struct spool_record record = {
        .type = txn->big_fd >= 0 ? SPOOL_BIG : SPOOL_MESSAGE,
        .head_len = txn->head_len,
        .body_len = body_len,
        .generation = g->segment->disk_generation,
        .id = txn->id,
        .head_hash = txn->head_hash,
        .body_hash = txn->body_hash,
        .offset = offset,
        .group = g->start,
    };
    spool_record_encode(&record, g->segment->salt, txn->head);
    txn->result.ref = (struct spool_ref){txn->id, record.generation, offset, txn->length};
    uint32_t head_bytes = SPOOL_RECORD_BYTES + txn->head_len;
    /* The padding stands behind the head if there is no body, else behind the body. */
    if (body_len == 0)
        head_bytes = txn->length;
    g->iov[g->iov_count++] = (struct iovec){txn->head, head_bytes};
    if (body_len > 0)
        g->iov[g->iov_count++] = (struct iovec){txn->body, txn->length - head_bytes};
}

static void finish_records(struct spool_group *g)
{
    uint32_t offset = g->start;
    g->iov = MEM_NEW_ARRAY(struct iovec, 1 + 2 * g->txn_count);
    finish_smalls(g, &offset);
    for (struct spool_txn *txn = g->txns; txn; txn = txn->next) {
        finish_txn(g, txn, offset);
        offset += txn->length;
    }
    ASSERT(offset == g->start + g->used);
}

/* A write cut short on a regular file is a disk in trouble: as bad as none. */
static enum err write_piece(struct spool_log *spool, int fd, const struct iovec *iov, int count,
                            uint32_t *at)
{
    size_t wanted = 0;
    ssize_t n;
    for (int i = 0; i < count; i++)
        wanted += iov[i].iov_len;
    do
        n = spool->io->pwritev(spool->io, fd, iov, count, (off_t)*at);
    while (n < 0 && errno == EINTR);
    *at += (uint32_t)wanted;
    if (n < 0)
        return err_from_errno(errno);
    return (size_t)n == wanted ? ERR_OK : ERR_IO;
}

static enum err store(struct spool_group *g)
{
    struct spool_log *spool = g->spool;
    uint32_t at = g->start;
    for (size_t i = 0; i < g->iov_count;) {
        size_t left = g->iov_count - i;
        int count = left < IOV_MAX ? (int)left : IOV_MAX;
        enum err err = write_piece(spool, g->segment->fd, g->iov + i, count, &at);
        if (err != ERR_OK)
            return err;
        i += (size_t)count;
    }
    KILL_POINT("spool_group_written");
    atomic_fetch_add_explicit(&spool->syncs, 1, memory_order_relaxed);
    if (spool->io->fdatasync(spool->io, g->segment->fd) != 0)
        return err_from_errno(errno);
    return ERR_OK;
}

/* --- All together --- */

static bool has_room(const struct spool_log *spool, uint64_t need)
{
    const struct spool_segment *s = spool->active;
    return s && spool_segment_room(s) >= need + spool->void_count * SPOOL_SMALL_COST;
}

/* Enough room for what must go first, or ERR_LIMIT if not even an empty segment has it. */
static enum err make_room(struct spool_log *spool, enum spool_group_kind kind)
{
    uint64_t need = 0, kept = 0;
    bool too_old = false;
    if (kind == SPOOL_GROUP_ALL && spool->txns) {
        need = txn_cost(spool->txns);
        kept = spool_group_kept(spool);
        too_old = spool->active && spool->active->version < spool->txns->version;
    } else if (kind == SPOOL_GROUP_ALL && spool->settles) {
        uint32_t head_len = spool->settles->head_len;
        need = spool_group_cost(SPOOL_OUTCOME, spool_record_length(head_len, 0), head_len);
    }
    if (need < SPOOL_SMALL_COST)
        need = SPOOL_SMALL_COST;
    if (!too_old && has_room(spool, need + kept))
        return ERR_OK;
    enum err err = spool_segment_rotate(spool);
    if (err != ERR_OK)
        return err;
    return has_room(spool, need) ? ERR_OK : ERR_LIMIT;
}

static void begin(struct spool_log *spool, struct spool_group *g)
{
    *g = (struct spool_group){.spool = spool, .segment = spool->active};
    g->start = spool->active->end;
    uint32_t room = spool_segment_room(spool->active);
    uint64_t wanted = SPOOL_GROUP_BYTES;
    if (spool->txns && txn_cost(spool->txns) > wanted)
        wanted = txn_cost(spool->txns);
    wanted += spool->void_count * SPOOL_SMALL_COST;
    g->room = wanted < room ? (uint32_t)wanted : room;
    g->txns_end = &g->txns;
    g->settles_end = &g->settles;
}

static void end(struct spool_group *g)
{
    mem_free(g->bytes);
    mem_free(g->smalls);
    mem_free(g->facts);
    mem_free(g->dones);
    mem_free(g->iov);
}

static void gather(struct spool_group *g, enum spool_group_kind kind)
{
    struct spool_log *spool = g->spool;
    if (kind == SPOOL_GROUP_VOIDS) {
        add_checkpoints(g, spool->void_count);
        return;
    }
    g->reserved = spool->txns ? txn_cost(spool->txns) : 0;
    add_checkpoints(g, spool->checkpoint_count);
    if (add_moved_dones(g)) {
        if (spool_reclaim_wanted(spool))
            g->reclaims = spool_reclaim_batch(spool, g);
        add_settles(g);
    }
    add_dones(g);
    add_txns(g);
    sync_big_names(g);
}

enum spool_group_result spool_group_run(struct spool_log *spool, enum spool_group_kind kind,
                                        struct spool_txn **failed, enum err *err)
{
    struct spool_group g;
    *failed = NULL;
    *err = make_room(spool, kind);
    if (*err != ERR_OK)
        return SPOOL_GROUP_FAILED;
    begin(spool, &g);
    gather(&g, kind);
    enum spool_group_result result = SPOOL_GROUP_EMPTY;
    if (g.used > 0) {
        finish_records(&g);
        KILL_POINT("spool_group_gathered");
        *err = store(&g);
        result = *err == ERR_OK ? SPOOL_GROUP_WRITTEN : SPOOL_GROUP_FAILED;
        if (result == SPOOL_GROUP_WRITTEN) {
            KILL_POINT("spool_group_synced");
            spool_group_apply(&g);
        } else {
            spool_group_undo(&g, failed);
            KILL_POINT("spool_group_failed");
            spool_segment_poison(spool, g.segment, g.start);
        }
    } else if (g.reclaims) {
        spool_reclaim_end(spool, true);
        result = SPOOL_GROUP_WRITTEN;
    }
    end(&g);
    return result;
}
