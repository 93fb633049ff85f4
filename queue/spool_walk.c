/* Record after record, and past damage to the next one. */
#include "queue/spool_walk.h"

bool spool_record_head_valid(const struct spool_record *record, struct arena *scratch)
{
    struct spool_head head;
    struct spool_outcome outcome;
    struct spool_checkpoint checkpoint;
    uint64_t generation;
    uint32_t count;
    switch (record->type) {
    case SPOOL_MESSAGE:
        return spool_head_decode(record->head, record->head_len, false, scratch, &head) &&
               head.meta.octets == record->body_len;
    case SPOOL_BIG:
        return spool_head_decode(record->head, record->head_len, true, scratch, &head);
    case SPOOL_OUTCOME:
        return spool_outcome_decode(record->head, record->head_len, scratch, &generation, &outcome);
    case SPOOL_DONE:
        return spool_done_decode(record->head, record->head_len, &generation, &count);
    case SPOOL_CHECKPOINT:
        return spool_checkpoint_decode(record->head, record->head_len, &checkpoint);
    }
    return false;
}

void spool_walk_start(struct spool_walk *walk, const uint8_t *data, uint64_t len,
                      const struct spool_segment_header *segment)
{
    *walk = (struct spool_walk){.data = data, .len = len, .segment = *segment};
    walk->at = SPOOL_HEADER_BYTES;
    if (walk->len > segment->size)
        walk->len = segment->size;
    arena_init(&walk->scratch, 0);
}

void spool_walk_free(struct spool_walk *walk)
{
    arena_free(&walk->scratch);
}

/* R1 to R7 at AT. */
static bool record_at(struct spool_walk *walk, uint64_t at)
{
    struct spool_record *r = &walk->record;
    if (at > walk->len || !spool_record_decode(walk->data + at, (size_t)(walk->len - at), at,
                                               walk->len, &walk->segment, r))
        return false;
    r->head = walk->data + at + SPOOL_RECORD_BYTES;
    r->body = r->head + r->head_len;
    if (spool_hash(r->head, r->head_len) != r->head_hash ||
        spool_hash(r->body, r->body_len) != r->body_hash)
        return false;
    arena_reset(&walk->scratch);
    return spool_record_head_valid(r, &walk->scratch);
}

/* The next record behind AT, which holds none. */
static bool record_behind(struct spool_walk *walk, uint64_t at)
{
    for (at += 8; at + SPOOL_RECORD_BYTES <= walk->len; at += 8)
        if (spool_get_u32(walk->data + at) == SPOOL_RECORD_MAGIC && record_at(walk, at))
            return true;
    return false;
}

enum spool_walk_event spool_walk_next(struct spool_walk *walk)
{
    struct spool_record *r = &walk->record;
    if (walk->pending || record_at(walk, walk->at)) {
        walk->pending = false;
        walk->at += spool_record_length(r->head_len, r->body_len);
        return SPOOL_WALK_RECORD;
    }
    if (!record_behind(walk, walk->at))
        return SPOOL_WALK_END;
    walk->gap_from = walk->at;
    walk->gap_to = walk->at = r->offset;
    walk->gap_torn = r->group <= walk->gap_from;
    walk->pending = true;
    return SPOOL_WALK_GAP;
}
