/* What is still needed of a segment that is emptied is written again, a batch in each group, so
 * that no acknowledgement waits long.
 *
 * Needed are: messages that live, each with its latest OUTCOME; OUTCOMEs that are the latest of
 * messages elsewhere; DONE and CHECKPOINT records about generations that are still on the disk. In
 * a queue that drains in order there is nothing of the kind.
 */
#include "queue/spool_group_private.h"

#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

enum {
    BATCH_BYTES = 512 * 1024,           /* beside messages that wait for their acknowledgement */
    BATCH_IDLE_BYTES = 4 * 1024 * 1024, /* if none do */
    READ_FIRST = 4096,
};

struct found_record {
    struct spool_record record;
    uint8_t *bytes;
    uint32_t length;
};

static enum err read_rest(struct spool_log *log, const struct spool_segment *s, uint32_t offset,
                          uint32_t got, struct found_record *f)
{
    f->length = spool_record_length(f->record.head_len, f->record.body_len);
    if (f->length > got) {
        f->bytes = mem_realloc(f->bytes, f->length);
        if (io_pread_all(log->dir.io, s->fd, f->bytes + got, f->length - got,
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
static enum err read_record(struct spool_log *log, const struct spool_segment *s, uint32_t offset,
                            uint64_t id, struct found_record *f)
{
    struct spool_segment_header header = spool_segment_header_of(s);
    uint32_t len = s->size - offset < READ_FIRST ? s->size - offset : READ_FIRST;
    f->bytes = mem_alloc(READ_FIRST);
    if (io_pread_all(log->dir.io, s->fd, f->bytes, len, offset) != ERR_OK)
        return ERR_IO;
    if (!spool_record_decode(f->bytes, len, offset, s->size, &header, &f->record) ||
        f->record.id != id)
        return ERR_CORRUPT;
    return read_rest(log, s, offset, len, f);
}

static void unreadable(struct spool_log *log, const struct spool_segment *s, uint32_t offset,
                       enum err err)
{
    /* The segment is kept as it is: what recovery can still read of it counts. */
    LOG(LOG_ERROR, "spool_reclaim_unreadable", LOG_STR("path", log->dir.path),
        LOG_U64("generation", s->disk_generation), LOG_U64("offset", offset),
        LOG_STR("error", err_name(err)));
    log->reclaim.emptying.failed = true;
}

enum taken { TAKEN, TAKEN_NOTHING, TAKEN_NO_ROOM };

struct batch {
    struct spool_log *log;
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
    if (!spool_reclaim_counts(&b->log->segments, b->from, spool_get_u64(item->payload)))
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
    const struct spool_segment *s = &b->log->segments.slots[e->outcome_slot];
    enum err err = read_record(b->log, s, e->outcome_at, e->id, f);
    if (err == ERR_OK && f->record.type != SPOOL_OUTCOME)
        err = ERR_CORRUPT;
    if (err != ERR_OK)
        unreadable(b->log, s, e->outcome_at, err);
    return err;
}

/* Of a message elsewhere; that of one in this segment goes with it. */
static enum taken take_outcome(struct batch *b, const struct spool_item *item)
{
    struct found_record f = {0};
    uint32_t slot = spool_segment_slot(&b->log->segments, b->from);
    const struct spool_entry *e = spool_index_find(&b->log->index, item->id);
    if (!e || e->moving || e->slot == slot || e->outcome_slot != slot ||
        e->outcome_at != item->offset)
        return TAKEN_NOTHING;
    enum taken taken = TAKEN_NOTHING;
    if (read_outcome(b, e, &f) == ERR_OK) {
        taken = TAKEN_NO_ROOM;
        if (fits(b, spool_group_cost(SPOOL_OUTCOME, f.length, f.record.head_len))) {
            add_outcome(b, e, &f, b->log->segments.slots[e->slot].disk_generation);
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
    struct spool_entry *e = spool_index_find(&b->log->index, item->id);
    if (!e || e->moving || e->slot != spool_segment_slot(&b->log->segments, b->from))
        return TAKEN_NOTHING;
    enum taken taken = TAKEN_NOTHING;
    enum err err = read_record(b->log, b->from, item->offset, item->id, &f);
    if (err == ERR_OK && (f.record.type != item->type || f.length != item->length))
        err = ERR_CORRUPT;
    if (err == ERR_OK) {
        taken = move(b, item, e, &f);
    } else {
        unreadable(b->log, b->from, item->offset, err);
        struct spool_ref ref = {item->id, b->from->disk_generation, item->offset, item->length};
        if (err == ERR_CORRUPT)
            spool_update_quarantine(&b->log->updates, &ref, "it is damaged");
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

/* Faster than new messages fill the segment under way: else the next would have to be made before
 * this one is empty. */
static struct batch batch_begin(struct spool_group *group)
{
    struct spool_log *log = group->log;
    uint64_t room = spool_group_room(group), wanted = log->last_group_bytes;
    uint64_t taken = group->cost + group->reserved + spool_group_kept(&log->segments);
    uint64_t left = spool_segment_room(group->segment);
    left = left > taken ? left - taken : 0;
    left = left < room ? left : room;
    uint64_t least = list_empty(&log->intake.txns) ? BATCH_IDLE_BYTES : BATCH_BYTES;
    wanted = wanted > least ? wanted : least;
    return (struct batch){.log = log,
                          .group = group,
                          .from = log->reclaim.emptying.from,
                          .room = wanted < left ? wanted : left,
                          .left = left};
}

bool spool_carry_batch(struct spool_group *group)
{
    struct spool_log *log = group->log;
    struct spool_emptying *e = &log->reclaim.emptying;
    struct spool_item item;
    if (!e->from && !spool_reclaim_begin(&log->reclaim)) {
        log->segments.something_died = false;
        return false;
    }
    struct batch b = batch_begin(group);
    e->next = e->at;
    for (size_t at = e->next; at < e->items_len; e->next = at) {
        bool whole = spool_item_next(e->items, e->items_len, &at, &item);
        ASSERT(whole);
        if (take(&b, &item) == TAKEN_NO_ROOM)
            break;
    }
    if (e->next == e->at && e->at < e->items_len) {
        /* The next segment has the room, and asks again. */
        log->segments.something_died = false;
        return false;
    }
    KILL_POINT("spool_reclaim_carried");
    return true;
}
