/* A segment of which no message lives is used again - once nobody needs its small records.
 *
 * DONE, OUTCOME and CHECKPOINT records speak about a generation. While that generation is on the
 * disk a recovery would find its messages, so what speaks about it is written again into the
 * group that is being put together; only when that group is synced does the segment get a new
 * header. In a queue that drains in order nothing has to be carried: the generations spoken
 * about are gone already, which spool_note tells without reading anything.
 */
#include "queue/spool_private.h"

#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

static struct spool_segment *pick(struct spool *spool)
{
    struct spool_segment *oldest = NULL;
    for (uint32_t i = 0; i < spool->slots_used; i++) {
        struct spool_segment *s = &spool->slots[i];
        if (s->state != SPOOL_SEGMENT_SEALED || s->live > 0 || s->unprofitable)
            continue;
        if (!oldest || s->disk_generation < oldest->disk_generation)
            oldest = s;
    }
    return oldest;
}

/* From here on nobody new reads it; false if somebody still does. */
static bool withdraw(struct spool_segment *s)
{
    atomic_store(&s->generation, 0);
    return atomic_load(&s->readers) == 0;
}

/* Somebody still needs what it says. Its own messages are dead with it. */
static bool note_counts(const struct spool *spool, const struct spool_segment *s,
                        const struct spool_note *note)
{
    return note->generation != s->disk_generation &&
           spool_generation_exists(spool, note->generation);
}

static uint64_t carried_bytes(const struct spool *spool, const struct spool_segment *s)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->note_count; i++)
        if (note_counts(spool, s, &s->notes[i]))
            bytes += s->notes[i].length;
    return bytes;
}

/* The latest outcome of a message that lives: the others have been overtaken. */
static bool outcome_counts(const struct spool *spool, const struct spool_segment *s,
                           const struct spool_record *record, uint64_t generation)
{
    const struct spool_entry *e =
        spool_index_find(&spool->index, record->id, spool_generation_slot(generation));
    return e && e->has_outcome && &spool->slots[e->outcome_slot] == s;
}

static bool carry(struct spool *spool, const struct spool_segment *s, const struct spool_note *note,
                  struct spool_group *group)
{
    struct spool_segment_header header = {.generation = s->disk_generation, .salt = s->salt};
    struct spool_record record;
    uint8_t *bytes = mem_alloc(note->length);
    bool ok = io_pread_all(spool->io, s->fd, bytes, note->length, note->offset) == ERR_OK &&
              spool_record_decode(bytes, note->length, note->offset, s->size, &header, &record) &&
              spool_record_length(record.head_len, 0) == note->length &&
              spool_hash(bytes + SPOOL_RECORD_BYTES, record.head_len) == record.head_hash;
    if (ok && (record.type != SPOOL_OUTCOME || outcome_counts(spool, s, &record, note->generation)))
        spool_group_add(group, record.type, record.id, note->generation, bytes + SPOOL_RECORD_BYTES,
                        record.head_len);
    mem_free(bytes);
    return ok;
}

bool spool_reclaim_wanted(const struct spool *spool)
{
    return spool->something_died && spool_segments_ready(spool) < SPOOL_READY_MIN;
}

static bool carry_all(struct spool *spool, struct spool_segment *s, struct spool_group *group)
{
    for (size_t i = 0; i < s->note_count; i++) {
        if (!note_counts(spool, s, &s->notes[i]) || carry(spool, s, &s->notes[i], group))
            continue;
        /* Kept as it is: what recovery can still read of it counts. */
        LOG(LOG_ERROR, "spool_reclaim_unreadable", LOG_STR("path", spool->path),
            LOG_U64("generation", s->disk_generation), LOG_U64("offset", s->notes[i].offset));
        return false;
    }
    return true;
}

struct spool_segment *spool_reclaim_begin(struct spool *spool, struct spool_group *group)
{
    for (struct spool_segment *s; (s = pick(spool));) {
        uint64_t bytes = carried_bytes(spool, s);
        s->unprofitable = bytes > s->size / 2;
        if (s->unprofitable)
            continue;
        if (bytes > spool_group_room(group))
            break; /* the next segment has the room, and asks again */
        if (!withdraw(s) || !carry_all(spool, s, group)) {
            s->unprofitable = true;
            continue;
        }
        s->state = SPOOL_SEGMENT_RETIRING;
        KILL_POINT("spool_reclaim_carried");
        return s;
    }
    spool->something_died = false;
    return NULL;
}

void spool_reclaim_end(struct spool *spool, struct spool_segment *segment, bool synced)
{
    KILL_POINT("spool_reclaim_ends");
    if (!synced)
        segment->state = SPOOL_SEGMENT_SEALED;
    else if (segment->discard)
        spool_segment_remove(spool, segment);
    else if (spool_segment_renew(spool, segment) != ERR_OK)
        spool->something_died = true;
}

bool spool_reclaim_quick(struct spool *spool)
{
    for (uint32_t i = 0; i < spool->slots_used; i++) {
        struct spool_segment *s = &spool->slots[i];
        if (s->state == SPOOL_SEGMENT_SEALED && s->live == 0 && !s->discard &&
            carried_bytes(spool, s) == 0 && withdraw(s) && spool_segment_renew(spool, s) == ERR_OK)
            return true;
    }
    return false;
}
