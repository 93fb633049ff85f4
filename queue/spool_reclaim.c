/* How a segment is used again: what others need of it is written again, a batch in each group, so
 * that no acknowledgement waits long; when the last batch is synced the segment retires, and as
 * soon as nobody reads it it gets a new header.
 *
 * Others need of it: messages that live, each with its latest OUTCOME; OUTCOMEs that are the
 * latest of messages elsewhere; DONE and CHECKPOINT records about generations that are still on
 * the disk. In a queue that drains in order there is nothing of the kind. Segments of which more
 * than a quarter would have to be written again are left alone, unless space is short.
 */
#include "queue/spool_group_private.h"

#include <errno.h>

#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

enum {
    BATCH_BYTES = 512 * 1024,           /* beside messages that wait for their acknowledgement */
    BATCH_IDLE_BYTES = 4 * 1024 * 1024, /* if none do */
    READ_FIRST = 4096,
    RETIRING_MS = 50,
    RETRY_MS = 5000,
};

static uint32_t slot_of(const struct spool_log *spool, const struct spool_segment *s)
{
    return (uint32_t)(s - spool->slots);
}

/* --- Which --- */

static bool about_counts(const struct spool_log *spool, const struct spool_segment *s,
                         uint64_t generation)
{
    return generation != s->disk_generation && spool_generation_exists(spool, generation);
}

/* The small records that would have to be written again. */
static uint64_t carried_bytes(const struct spool_log *spool, const struct spool_segment *s)
{
    uint64_t bytes = s->outcomes ? s->outcome_bytes / s->outcomes * s->outcomes_latest : 0;
    for (size_t i = 0; i < s->about_count; i++)
        if (about_counts(spool, s, s->abouts[i].generation))
            bytes += s->abouts[i].bytes;
    return bytes;
}

static uint64_t limit_of(const struct spool_log *spool, const struct spool_segment *s)
{
    if (spool->short_of_space)
        return s->size / 4 * 3;
    return s->live == 0 ? s->size / 2 : s->size / 4;
}

void spool_reclaim_consider(struct spool_log *spool, const struct spool_segment *segment)
{
    if (segment->state == SPOOL_SEGMENT_SEALED && segment->live_bytes < limit_of(spool, segment))
        spool->something_died = true;
}

static struct spool_segment *pick(struct spool_log *spool)
{
    struct spool_segment *best = NULL;
    uint64_t best_cost = 0;
    for (uint32_t i = 0; i < spool->slots_used; i++) {
        struct spool_segment *s = &spool->slots[i];
        if (s->state != SPOOL_SEGMENT_SEALED || s->stuck || s->live_bytes >= limit_of(spool, s))
            continue;
        uint64_t cost = s->live_bytes + carried_bytes(spool, s);
        if (cost >= limit_of(spool, s))
            continue;
        if (!best || cost < best_cost ||
            (cost == best_cost && s->disk_generation < best->disk_generation)) {
            best = s;
            best_cost = cost;
        }
    }
    return best;
}

bool spool_reclaim_wanted(const struct spool_log *spool)
{
    return spool->something_died && spool_segments_ready(spool) < SPOOL_READY_MIN;
}

/* --- The end of a segment --- */

static void retired(struct spool_log *spool, struct spool_segment *s)
{
    if (atomic_load(&s->readers) != 0)
        return;
    if (s->discard || s->odd_size)
        spool_segment_remove(spool, s);
    else if (spool_segment_renew(spool, s) != ERR_OK)
        spool->something_died = true;
}

/* From here on nobody new reads it. */
static void retire(struct spool_log *spool, struct spool_segment *s)
{
    s->state = SPOOL_SEGMENT_RETIRING;
    atomic_store(&s->generation, 0);
    spool->reclaim_at_ms = clock_mono_ms() + RETIRING_MS;
    retired(spool, s);
}

static void emptying_end(struct spool_log *spool)
{
    mem_free(spool->emptying.items);
    spool->emptying = (struct spool_emptying){0};
}

bool spool_reclaim_quick(struct spool_log *spool)
{
    for (uint32_t i = 0; i < spool->slots_used; i++) {
        struct spool_segment *s = &spool->slots[i];
        bool empty =
            s->state == SPOOL_SEGMENT_SEALED && s->live == 0 && carried_bytes(spool, s) == 0;
        if ((!empty && s->state != SPOOL_SEGMENT_RETIRING) || s->discard || s->odd_size ||
            atomic_load(&s->readers) != 0)
            continue;
        if (spool->emptying.from == s)
            emptying_end(spool);
        retire(spool, s);
        if (s->state == SPOOL_SEGMENT_READY)
            return true;
    }
    return false;
}

static bool doomed_retry(struct spool_log *spool)
{
    bool did = false;
    for (uint32_t i = 0; i < spool->slots_used; i++) {
        struct spool_segment *s = &spool->slots[i];
        if (s->state != SPOOL_SEGMENT_DOOMED || s->unlinked)
            continue;
        spool_segment_remove(spool, s);
        did |= s->state == SPOOL_SEGMENT_NONE;
    }
    return did;
}

static void orphans_retry(struct spool_log *spool)
{
    char name[SPOOL_NAME_SIZE];
    struct io *io = spool->io;
    struct spool_orphan **link = &spool->orphans;
    for (struct spool_orphan *o; (o = *link);) {
        if (io->unlinkat(io, spool->big_fd, spool_big_name(o->id, name), 0) != 0 &&
            errno != ENOENT) {
            link = &o->next;
            continue;
        }
        *link = o->next;
        mem_free(o);
    }
}

bool spool_reclaim_retry(struct spool_log *spool)
{
    uint64_t now_ms = clock_mono_ms();
    bool did = false;
    if (now_ms >= spool->reclaim_at_ms) {
        spool->reclaim_at_ms = UINT64_MAX;
        for (uint32_t i = 0; i < spool->slots_used; i++) {
            struct spool_segment *s = &spool->slots[i];
            if (s->state != SPOOL_SEGMENT_RETIRING)
                continue;
            retired(spool, s);
            if (s->state == SPOOL_SEGMENT_RETIRING)
                spool->reclaim_at_ms = now_ms + RETIRING_MS;
            else
                did = true;
        }
    }
    if (now_ms >= spool->orphans_at_ms) {
        spool->orphans_at_ms = now_ms + RETRY_MS;
        did |= doomed_retry(spool);
        orphans_retry(spool);
    }
    return did;
}

/* --- Writing again --- */

struct found_record {
    struct spool_record record;
    uint8_t *bytes;
    uint32_t length;
};

static enum err read_rest(struct spool_log *spool, const struct spool_segment *s, uint32_t offset,
                          uint32_t got, struct found_record *f)
{
    f->length = spool_record_length(f->record.head_len, f->record.body_len);
    if (f->length > got) {
        f->bytes = mem_realloc(f->bytes, f->length);
        if (io_pread_all(spool->io, s->fd, f->bytes + got, f->length - got,
                         (off_t)offset + (off_t)got) != ERR_OK)
            return ERR_IO;
    }
    const uint8_t *head = f->bytes + SPOOL_RECORD_BYTES;
    if (spool_hash(head, f->record.head_len) != f->record.head_hash ||
        spool_hash(head + f->record.head_len, f->record.body_len) != f->record.body_hash)
        return ERR_CORRUPT;
    return ERR_OK;
}

/* Its bytes are the caller's, also after a failure. */
static enum err read_record(struct spool_log *spool, const struct spool_segment *s, uint32_t offset,
                            uint64_t id, struct found_record *f)
{
    struct spool_segment_header header = {.generation = s->disk_generation, .salt = s->salt};
    uint32_t len = s->size - offset < READ_FIRST ? s->size - offset : READ_FIRST;
    f->bytes = mem_alloc(READ_FIRST);
    if (io_pread_all(spool->io, s->fd, f->bytes, len, offset) != ERR_OK)
        return ERR_IO;
    if (!spool_record_decode(f->bytes, len, offset, s->size, &header, &f->record) ||
        f->record.id != id)
        return ERR_CORRUPT;
    return read_rest(spool, s, offset, len, f);
}

static void unreadable(struct spool_log *spool, const struct spool_segment *s, uint32_t offset,
                       enum err err)
{
    /* The segment is kept as it is: what recovery can still read of it counts. */
    LOG(LOG_ERROR, "spool_reclaim_unreadable", LOG_STR("path", spool->path),
        LOG_U64("generation", s->disk_generation), LOG_U64("offset", offset),
        LOG_STR("error", err_name(err)));
    spool->emptying.failed = true;
}

enum taken { TAKEN, TAKEN_NOTHING, TAKEN_NO_ROOM };

struct batch {
    struct spool_log *spool;
    struct spool_group *group;
    struct spool_segment *from;
    uint64_t room, left; /* what is meant for it, what there is */
    bool begun;
};

/* However large the first is, it must go some time. */
static bool fits(struct batch *b, uint32_t cost)
{
    if (cost > (b->begun ? b->room : b->left))
        return false;
    b->begun = true;
    b->room -= cost < b->room ? cost : b->room;
    return true;
}

static enum taken take_head(struct batch *b, const struct spool_item *item)
{
    if (!about_counts(b->spool, b->from, spool_get_u64(item->payload)))
        return TAKEN_NOTHING;
    if (!fits(b, spool_group_cost(item->type, item->length, item->payload_len)))
        return TAKEN_NO_ROOM;
    spool_group_add(b->group, item->type, 0, item->payload, item->payload_len);
    return TAKEN;
}

/* The latest outcome of E, said again for GENERATION. */
static void add_outcome(struct batch *b, const struct spool_entry *e, struct found_record *f,
                        uint64_t generation)
{
    uint8_t *head = f->bytes + SPOOL_RECORD_BYTES;
    spool_put_u64(head, generation);
    spool_group_add(b->group, SPOOL_OUTCOME, e->id, head, f->record.head_len);
}

static enum err read_outcome(struct batch *b, const struct spool_entry *e, struct found_record *f)
{
    const struct spool_segment *s = &b->spool->slots[e->outcome_slot];
    enum err err = read_record(b->spool, s, e->outcome_at, e->id, f);
    if (err == ERR_OK && f->record.type != SPOOL_OUTCOME)
        err = ERR_CORRUPT;
    if (err != ERR_OK)
        unreadable(b->spool, s, e->outcome_at, err);
    return err;
}

/* Of a message elsewhere; that of one in this segment goes with it. */
static enum taken take_outcome(struct batch *b, const struct spool_item *item)
{
    struct found_record f = {0};
    uint32_t slot = slot_of(b->spool, b->from);
    const struct spool_entry *e = spool_index_find(&b->spool->index, item->id);
    if (!e || e->moving || e->slot == slot || e->outcome_slot != slot ||
        e->outcome_at != item->offset)
        return TAKEN_NOTHING;
    enum taken taken = TAKEN_NOTHING;
    if (read_outcome(b, e, &f) == ERR_OK) {
        taken = TAKEN_NO_ROOM;
        if (fits(b, spool_group_cost(SPOOL_OUTCOME, f.length, f.record.head_len))) {
            add_outcome(b, e, &f, b->spool->slots[e->slot].disk_generation);
            taken = TAKEN;
        }
    }
    mem_free(f.bytes);
    return taken;
}

static enum taken move(struct batch *b, const struct spool_item *item, struct spool_entry *e,
                       struct found_record *message)
{
    struct found_record outcome = {0};
    uint32_t cost = spool_group_cost(item->type, item->length, item->payload_len);
    if (e->outcome_at != 0) {
        if (read_outcome(b, e, &outcome) != ERR_OK) {
            mem_free(outcome.bytes);
            return TAKEN_NOTHING;
        }
        cost += spool_group_cost(SPOOL_OUTCOME, outcome.length, outcome.record.head_len);
    }
    enum taken taken = TAKEN_NO_ROOM;
    if (fits(b, cost)) {
        spool_group_add_again(b->group, &message->record, message->bytes, item);
        if (e->outcome_at != 0)
            add_outcome(b, e, &outcome, b->group->segment->disk_generation);
        e->moving = 1;
        taken = TAKEN;
    }
    mem_free(outcome.bytes);
    return taken;
}

static enum taken take_message(struct batch *b, const struct spool_item *item)
{
    struct found_record f = {0};
    struct spool_entry *e = spool_index_find(&b->spool->index, item->id);
    if (!e || e->moving || e->slot != slot_of(b->spool, b->from))
        return TAKEN_NOTHING;
    enum taken taken = TAKEN_NOTHING;
    enum err err = read_record(b->spool, b->from, item->offset, item->id, &f);
    if (err == ERR_OK && (f.record.type != item->type || f.length != item->length))
        err = ERR_CORRUPT;
    if (err == ERR_OK) {
        taken = move(b, item, e, &f);
    } else {
        unreadable(b->spool, b->from, item->offset, err);
        struct spool_ref ref = {item->id, b->from->disk_generation, item->offset, item->length};
        if (err == ERR_CORRUPT)
            spool_log_quarantine(b->spool, &ref, "it is damaged");
    }
    mem_free(f.bytes);
    return taken;
}

static enum taken take(struct batch *b, const struct spool_item *item)
{
    switch (item->type) {
    case SPOOL_MESSAGE:
    case SPOOL_BIG:
        return take_message(b, item);
    case SPOOL_OUTCOME:
        return take_outcome(b, item);
    case SPOOL_DONE:
    case SPOOL_CHECKPOINT:
        return take_head(b, item);
    }
    return TAKEN_NOTHING;
}

/* --- Batches --- */

static bool emptying_begin(struct spool_log *spool)
{
    struct spool_emptying *e = &spool->emptying;
    for (struct spool_segment *s; (s = pick(spool));) {
        if (spool_items_load(spool, s, &e->items, &e->items_len)) {
            e->from = s;
            return true;
        }
        unreadable(spool, s, s->size, ERR_CORRUPT);
        e->failed = false;
        s->stuck = true;
    }
    return false;
}

/* Faster than new messages fill the segment under way: else the next would have to be made before
 * this one is empty. */
static struct batch batch_begin(struct spool_log *spool, struct spool_group *group)
{
    uint64_t room = spool_group_room(group), wanted = spool->last_group_bytes;
    uint64_t taken = group->cost + group->reserved + spool_group_kept(spool);
    uint64_t left = spool_segment_room(group->segment);
    left = left > taken ? left - taken : 0;
    left = left < room ? left : room;
    uint64_t least = spool->txns ? BATCH_BYTES : BATCH_IDLE_BYTES;
    wanted = wanted > least ? wanted : least;
    return (struct batch){.spool = spool,
                          .group = group,
                          .from = spool->emptying.from,
                          .room = wanted < left ? wanted : left,
                          .left = left};
}

bool spool_reclaim_batch(struct spool_log *spool, struct spool_group *group)
{
    struct spool_emptying *e = &spool->emptying;
    struct spool_item item;
    if (!e->from && !emptying_begin(spool)) {
        spool->something_died = false;
        return false;
    }
    struct batch b = batch_begin(spool, group);
    e->next = e->at;
    for (size_t at = e->next; at < e->items_len; e->next = at) {
        bool whole = spool_item_next(e->items, e->items_len, &at, &item);
        ASSERT(whole);
        if (take(&b, &item) == TAKEN_NO_ROOM)
            break;
    }
    if (e->next == e->at && e->at < e->items_len) {
        /* The next segment has the room, and asks again. */
        spool->something_died = false;
        return false;
    }
    KILL_POINT("spool_reclaim_carried");
    return true;
}

void spool_reclaim_end(struct spool_log *spool, bool synced)
{
    struct spool_emptying *e = &spool->emptying;
    KILL_POINT("spool_reclaim_ends");
    if (!synced)
        return;
    e->at = e->next;
    if (e->at < e->items_len)
        return;
    struct spool_segment *from = e->from;
    from->stuck = e->failed || from->live > 0;
    bool empty = !from->stuck;
    emptying_end(spool);
    if (empty)
        retire(spool, from);
}
