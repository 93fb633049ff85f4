/* What a start finds: which messages live, where their latest outcome is, and what is damaged.
 *
 * Of a segment that was sealed in peace the footer is read, of the others every record. From the
 * latest generation to the earliest: what is said about a generation (done, outcome, checkpoint)
 * stands in its own segment or a later one, so that when a segment has been read everything about
 * it is known, and a message takes memory only if it lives. Of two records with one id the later
 * is the message.
 */
#include "queue/spool_files_private.h"
#include "queue/spool_recovered_private.h"
#include "queue/spool_walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/vector.h"

/* Between the highest id seen and the next: transactions that came to nothing left no trace. */
#define ID_LEAP (1U << 20)

struct gap {
    uint64_t from, to;
    bool torn;
};

struct candidate { /* a message of the segment that is being read */
    uint64_t id;
    uint32_t at, length;
    bool big;
};

struct recovery {
    struct spool_log *log;
    uint64_t ends[SPOOL_SLOTS]; /* by checkpoint; 0: none seen */
    bool voids[SPOOL_SLOTS];
    struct spool_index done; /* those that a DONE names, with the slot where they live */
    struct {
        struct candidate *items;
        size_t count, capacity;
    } candidates;
    struct {
        struct gap *items;
        size_t count, capacity;
    } gaps;         /* of the segment that is being read */
    size_t missing; /* entries of messages that were not met so far */
    uint64_t id_max;
    uint8_t *buffer;
    size_t buffer_size;
};

/* --- Records --- */

static void saw_id(struct recovery *r, uint64_t id)
{
    if (id >= r->id_max)
        r->id_max = id + 1;
}

/* AT: of its item or its record, see struct spool_found. */
static void on_message(struct recovery *r, const struct spool_item *item, size_t at)
{
    *VECTOR_ADD(&r->candidates) =
        (struct candidate){item->id, (uint32_t)at, item->length, item->type == SPOOL_BIG};
    saw_id(r, item->id);
}

/* The first that is met in the latest segment counts, and within that segment the last. When the
 * message is known already it is in a later segment: it was moved, and of that group the outcome
 * did not come to the disk. */
static void on_outcome(struct recovery *r, const struct spool_item *item, uint32_t slot,
                       uint64_t generation)
{
    struct spool_log *log = r->log;
    saw_id(r, item->id);
    if (spool_index_find_in(&r->done, item->id, spool_generation_slot(generation)))
        return;
    struct spool_entry *e = spool_index_find(&log->index, item->id);
    if (!e) {
        e = spool_index_add(&log->index, item->id, spool_generation_slot(generation));
        e->missing = 1;
        r->missing++;
    }
    if (e->outcome_at != 0 && e->outcome_slot != slot)
        return;
    if (!e->missing && e->outcome_at == 0)
        log->segments.slots[slot].outcomes_latest++;
    e->outcome_at = item->offset;
    e->outcome_slot = (uint16_t)slot;
    if (!e->missing)
        spool_recovered_late(log, e);
}

static void on_done(struct recovery *r, const struct spool_item *item)
{
    uint64_t generation;
    uint32_t count;
    if (!spool_done_decode(item->payload, item->payload_len, &generation, &count))
        return;
    uint32_t slot = spool_generation_slot(generation);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = spool_done_id(item->payload, i);
        if (id == 0)
            continue;
        if (!spool_index_find_in(&r->done, id, slot))
            (void)spool_index_add(&r->done, id, slot);
        saw_id(r, id);
    }
}

static void on_checkpoint(struct recovery *r, const struct spool_item *item, uint64_t own)
{
    struct spool_checkpoint c;
    if (!spool_checkpoint_decode(item->payload, item->payload_len, &c) || c.generation >= own)
        return;
    uint32_t slot = spool_generation_slot(c.generation);
    if (r->ends[slot] == 0 || c.end < r->ends[slot])
        r->ends[slot] = c.end;
    r->voids[slot] |= c.kind == SPOOL_CHECKPOINT_VOID;
}

static void on_item(struct recovery *r, uint32_t slot, const struct spool_item *item, size_t at)
{
    uint64_t own = r->log->segments.slots[slot].disk_generation;
    if (item->type == SPOOL_MESSAGE || item->type == SPOOL_BIG) {
        on_message(r, item, at);
        return;
    }
    /* All small records begin with the generation they are about. */
    uint64_t generation = spool_get_u64(item->payload);
    if (!spool_generation_exists(&r->log->segments, generation) || generation > own)
        return;
    if (item->type == SPOOL_OUTCOME)
        on_outcome(r, item, slot, generation);
    else if (item->type == SPOOL_DONE)
        on_done(r, item);
    else
        on_checkpoint(r, item, own);
}

/* As the writer would have made it. */
static void on_record(struct recovery *r, uint32_t slot, const struct spool_record *record,
                      struct arena *scratch)
{
    uint8_t facts[SPOOL_FACTS_MAX];
    struct spool_item item = {
        .type = record->type,
        .offset = record->offset,
        .length = spool_record_length(record->head_len, record->body_len),
        .id = record->id,
        .payload = record->head,
        .payload_len = record->type == SPOOL_OUTCOME ? 8 : record->head_len,
    };
    if (record->type == SPOOL_MESSAGE || record->type == SPOOL_BIG) {
        struct spool_head head;
        item.payload = facts;
        item.payload_len = 0;
        if (spool_head_decode(record->head, record->head_len, record->type == SPOOL_BIG, scratch,
                              &head) &&
            spool_facts_encode(&head.envelope, &head.meta, NULL) > 0)
            item.payload_len = (uint32_t)spool_facts_encode(&head.envelope, &head.meta, facts);
    }
    spool_items_add(&r->log->segments.slots[slot], &item);
    on_item(r, slot, &item, record->offset);
}

/* --- One segment --- */

static void gap_aside(struct recovery *r, struct spool_segment *s, uint64_t from, uint64_t to,
                      bool torn)
{
    char name[SPOOL_NAME_SIZE];
    snprintf(name, sizeof name, "%016llx-%08llx", (unsigned long long)s->disk_generation,
             (unsigned long long)from);
    LOG(torn ? LOG_WARNING : LOG_ERROR, torn ? "spool_group_torn" : "spool_segment_damaged",
        LOG_STR("path", r->log->dir.path), LOG_STR("quarantine", name),
        LOG_U64("bytes", to > from ? to - from : 0));
    /* A torn group was never acknowledged: nothing is lost, and it is no alarm. */
    if (!torn) {
        atomic_fetch_add_explicit(&r->log->quarantined, 1, memory_order_relaxed);
        s->discard = true;
    }
    if (spool_set_aside(&r->log->dir, name, r->buffer + from, (size_t)(to - from)) != ERR_OK)
        s->discard = true; /* at least it is not written over while others of it live */
}

/* The checkpoint says the segment went on to END, and nothing more is to be found. Without one:
 * files are made in their full size, so what is missing may have held records. */
static void check_end(struct recovery *r, struct spool_segment *s, uint64_t at, uint64_t len,
                      uint64_t end)
{
    if (end == 0) {
        s->end = (uint32_t)at;
        if (len < s->size)
            gap_aside(r, s, at < len ? at : len, len, false);
        return;
    }
    s->end = (uint32_t)end;
    if (at < end)
        gap_aside(r, s, at < len ? at : len, end < len ? end : len, false);
}

static void gap_note(struct recovery *r, const struct spool_walk *walk)
{
    *VECTOR_ADD(&r->gaps) = (struct gap){walk->gap_from, walk->gap_to, walk->gap_torn};
}

/* A group is begun when the one before is synced: only in the LAST can anything be torn. */
static void gaps_aside(struct recovery *r, struct spool_segment *s, uint64_t last)
{
    for (size_t i = 0; i < r->gaps.count; i++) {
        const struct gap *gap = &r->gaps.items[i];
        gap_aside(r, s, gap->from, gap->to, gap->torn && last <= gap->from);
    }
    r->gaps.count = 0;
}

static void walk_segment(struct recovery *r, uint32_t slot, uint64_t len, uint64_t end)
{
    struct spool_segment *s = &r->log->segments.slots[slot];
    struct spool_walk walk;
    struct arena scratch;
    uint64_t last_group = 0;
    struct spool_segment_header header = spool_segment_header_of(s);
    arena_init(&scratch, 0);
    spool_walk_start(&walk, r->buffer, end && end < len ? end : len, &header);
    for (enum spool_walk_event e; (e = spool_walk_next(&walk)) != SPOOL_WALK_END;) {
        if (e == SPOOL_WALK_RECORD) {
            last_group = walk.record.group;
            on_record(r, slot, &walk.record, &scratch);
        } else {
            gap_note(r, &walk);
        }
        arena_reset(&scratch);
    }
    gaps_aside(r, s, last_group);
    check_end(r, s, walk.at, len, end);
    spool_walk_free(&walk);
    arena_free(&scratch);
}

/* Into the index; true: it lives. */
static bool message_lives(struct recovery *r, uint32_t slot, const struct candidate *c)
{
    struct spool_log *log = r->log;
    if (spool_index_find_in(&r->done, c->id, slot))
        return false;
    struct spool_entry *e = spool_index_find(&log->index, c->id);
    if (e && !e->missing)
        return false; /* it has moved, and this is the place it left */
    if (e)
        r->missing--;
    else
        e = spool_index_add(&log->index, c->id, slot);
    e->missing = 0;
    e->slot = (uint16_t)(slot & 0xfffU);
    e->big = c->big;
    if (e->outcome_at != 0)
        log->segments.slots[e->outcome_slot].outcomes_latest++;
    return true;
}

static void keep_live(struct recovery *r, uint32_t slot, bool has_footer)
{
    struct spool_segment *s = &r->log->segments.slots[slot];
    struct spool_found_segment found = {
        .slot = slot,
        .has_footer = has_footer,
        .generation = s->disk_generation,
        .messages = MEM_NEW_ARRAY(struct spool_found, r->candidates.count),
    };
    for (size_t i = 0; i < r->candidates.count; i++) {
        const struct candidate *c = &r->candidates.items[i];
        if (!message_lives(r, slot, c))
            continue;
        const struct spool_entry *e = spool_index_find(&r->log->index, c->id);
        s->live++;
        s->live_bytes += c->length;
        found.messages[found.count++] = (struct spool_found){c->at, e->outcome_at, e->outcome_slot};
    }
    r->candidates.count = 0;
    spool_recovered_add(r->log, &found);
}

static void seal(struct recovery *r, struct spool_segment *s, uint64_t end)
{
    struct spool_log *log = r->log;
    /* What a killed process wrote and never synced is now taken for written: so let it be. */
    if (end == 0 && log->dir.io->fdatasync(log->dir.io, s->fd) != 0) {
        LOG(LOG_ERROR, "spool_segment_sync_failed", LOG_STR("path", log->dir.path),
            LOG_U64("generation", s->disk_generation),
            LOG_STR("error", err_name(err_from_errno(errno))));
        s->poisoned = s->discard = true;
    }
    if (end == 0 && s->end > SPOOL_HEADER_BYTES) {
        struct spool_checkpoint c = {s->disk_generation, s->end, SPOOL_CHECKPOINT_SEALED};
        spool_checkpoint_queue(&log->segments, &c);
    }
    s->footer_due = log->segments.footers_due = true;
}

/* False: the records must be read; END is corrected if the trailer says more than checkpoints. */
static bool read_footer(struct recovery *r, uint32_t slot, uint64_t *end)
{
    struct spool_segment *s = &r->log->segments.slots[slot];
    struct spool_segment_header header = spool_segment_header_of(s);
    uint8_t *items;
    size_t len;
    uint32_t footer_end;
    enum err err = spool_footer_read(r->log->dir.io, s->fd, &header, &items, &len, &footer_end);
    if (footer_end != 0 && *end == 0)
        *end = footer_end;
    if (err != ERR_OK)
        return false;
    if (r->voids[slot] || *end < footer_end) {
        mem_free(items);
        return false;
    }
    struct spool_item item;
    s->end = footer_end;
    s->footer_written = true;
    for (size_t at = 0, next = 0; spool_item_next(items, len, &next, &item); at = next) {
        spool_items_account(s, &item);
        on_item(r, slot, &item, at);
    }
    mem_free(items);
    keep_live(r, slot, true);
    return true;
}

static void read_records(struct recovery *r, uint32_t slot, uint64_t end)
{
    struct spool_segment *s = &r->log->segments.slots[slot];
    size_t unreadable;
    if (r->buffer_size < s->size) {
        mem_free(r->buffer);
        r->buffer = mem_alloc(s->size);
        r->buffer_size = s->size;
    }
    uint64_t len = spool_salvage(&r->log->dir, s->fd, r->buffer, s->size, 0, &unreadable);
    if (unreadable > 0)
        LOG(LOG_ERROR, "spool_segment_unreadable", LOG_STR("path", r->log->dir.path),
            LOG_U64("generation", s->disk_generation), LOG_U64("blocks", unreadable));
    s->discard |= unreadable > 0;
    walk_segment(r, slot, len, end);
    KILL_POINT("spool_recover_read");
    keep_live(r, slot, false);
    seal(r, s, end);
}

static void read_segment(struct recovery *r, uint32_t slot)
{
    struct spool_segment *s = &r->log->segments.slots[slot];
    uint64_t end = r->ends[slot];
    if (end > s->size)
        end = s->size;
    s->poisoned |= r->voids[slot];
    s->discard |= r->voids[slot];
    if (!read_footer(r, slot, &end))
        read_records(r, slot, end);
    spool_segment_consider(&r->log->segments, s);
}

/* --- Putting it together --- */

/* Outcomes of messages that are nowhere: of no use. */
static void forget_missing(struct recovery *r)
{
    struct spool_index *index = &r->log->index;
    for (size_t i = 0; r->missing > 0 && i < index->capacity;) {
        struct spool_entry *e = &index->entries[i];
        if (e->id == 0 || !e->missing) {
            i++;
            continue;
        }
        spool_index_remove(index, e); /* another may have taken its place: look again */
        r->missing--;
    }
}

/* A body without a record belongs to a transaction that came to nothing. */
static enum err remove_leftovers(struct recovery *r, struct err_detail *why)
{
    struct spool_log *log = r->log;
    char **names = log->dir.io->list(log->dir.io, log->dir.big_fd);
    if (!names)
        return err_set_errno(why, errno, "%s/big cannot be listed", log->dir.path);
    for (char **name = names; *name; name++) {
        uint64_t id;
        if (!spool_big_name_parse(*name, &id)) {
            LOG(LOG_WARNING, "spool_unknown_file", LOG_STR("path", log->dir.path),
                LOG_STR("name", *name));
            continue;
        }
        saw_id(r, id);
        KILL_POINT("spool_recover_leftover");
        const struct spool_entry *e = spool_index_find(&log->index, id);
        if (!e || !e->big)
            (void)log->dir.io->unlinkat(log->dir.io, log->dir.big_fd, *name, 0);
    }
    io_list_free(&names);
    return ERR_OK;
}

static void recovery_free(struct recovery *r)
{
    spool_index_free(&r->done);
    mem_free(r->candidates.items);
    mem_free(r->gaps.items);
    mem_free(r->buffer);
    mem_free(r);
}

static enum err read_all(struct recovery *r, const struct spool_files *files,
                         struct err_detail *why)
{
    for (size_t i = 0; i < files->count; i++)
        read_segment(r, files->order[i]);
    KILL_POINT("spool_recover_all_read");
    forget_missing(r);
    return remove_leftovers(r, why);
}

enum err spool_recover(struct spool_log *log, struct err_detail *why)
{
    struct recovery *r = MEM_NEW(struct recovery);
    r->log = log;
    struct spool_files *files = MEM_NEW(struct spool_files);
    files->log = log;
    enum err err = spool_files_find(files, why);
    uint64_t id_first = (uint64_t)log->dir.number << SPOOL_LOG_SHIFT | 1;
    r->id_max = files->id_max > id_first ? files->id_max : id_first;
    KILL_POINT("spool_recover_found");
    if (err == ERR_OK)
        err = read_all(r, files, why);
    KILL_POINT("spool_recover_ends");
    uint64_t next_id = files->count > 0 ? r->id_max + ID_LEAP : r->id_max;
    ASSERT(err != ERR_OK || spool_log_of(next_id) == log->dir.number);
    atomic_store(&log->segments.next_id, next_id);
    atomic_store(&log->live_messages, log->index.count);
    spool_recovered_begin(log);
    mem_free(files);
    recovery_free(r);
    return err;
}
