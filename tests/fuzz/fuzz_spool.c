/* The spool's reader over arbitrary bytes.
 *
 * The first octet chooses: bit 0, the rest is a segment's records, as they are; bit 1, the same
 * with their hashes mended, so that what is behind them is reached; bits 2 to 4, the rest is a
 * head or a segment header. Whatever is accepted must come out of the encoder again octet by
 * octet, and the walk must move on and stay inside.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "queue/spool_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void must_equal(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    must(a_len == b_len && memcmp(a, b, a_len) == 0);
}

static void try_message(const uint8_t *data, size_t size, bool big, struct arena *arena)
{
    struct spool_head head;
    if (!spool_head_decode(data, size, big, arena, &head))
        return;
    size_t len = spool_head_encode(&head, NULL);
    uint8_t *again = mem_alloc(len + 1);
    must(spool_head_encode(&head, again) == len);
    must_equal(again, len, data, size);
    mem_free(again);
}

static void try_outcome(const uint8_t *data, size_t size, struct arena *arena)
{
    struct spool_outcome outcome;
    uint64_t generation;
    if (!spool_outcome_decode(data, size, arena, &generation, &outcome))
        return;
    size_t len = spool_outcome_encode(generation, &outcome, NULL);
    uint8_t *again = mem_alloc(len + 1);
    must(spool_outcome_encode(generation, &outcome, again) == len);
    must_equal(again, len, data, size);
    mem_free(again);
}

static void try_done(const uint8_t *data, size_t size)
{
    uint64_t generation;
    uint32_t count;
    if (!spool_done_decode(data, size, &generation, &count))
        return;
    uint8_t *again = mem_alloc(SPOOL_DONE_LENGTH(count));
    spool_done_encode(generation, count, again);
    for (uint32_t i = 0; i < count; i++)
        spool_done_put(again, i, spool_done_id(data, i));
    must_equal(again, SPOOL_DONE_LENGTH(count), data, size);
    mem_free(again);
}

static void try_checkpoint(const uint8_t *data, size_t size)
{
    struct spool_checkpoint checkpoint;
    uint8_t again[SPOOL_CHECKPOINT_LENGTH];
    if (!spool_checkpoint_decode(data, size, &checkpoint))
        return;
    spool_checkpoint_encode(&checkpoint, again);
    must_equal(again, sizeof again, data, size);
}

static void try_head(enum spool_type type, const uint8_t *data, size_t size, struct arena *arena)
{
    if (type == SPOOL_MESSAGE || type == SPOOL_BIG)
        try_message(data, size, type == SPOOL_BIG, arena);
    else if (type == SPOOL_OUTCOME)
        try_outcome(data, size, arena);
    else if (type == SPOOL_DONE)
        try_done(data, size);
    else
        try_checkpoint(data, size);
}

static void try_header(const uint8_t *data, size_t size)
{
    struct spool_segment_header header, again;
    uint8_t block[SPOOL_HEADER_BYTES];
    uint32_t version;
    for (uint32_t slot = 0; slot < 2; slot++) {
        if (spool_header_decode(data, size, slot, &header, &version) != ERR_OK)
            continue;
        spool_header_encode(&header, block);
        must(spool_header_decode(block, sizeof block, slot, &again, &version) == ERR_OK);
        must(again.generation == header.generation && again.salt == header.salt &&
             again.size == header.size && again.next_id == header.next_id &&
             again.version == header.version);
    }
}

/* Makes every record in BLOCK pass its hashes, lengths cut to what is there. */
static void mend(uint8_t *block, size_t len, const struct spool_segment_header *segment)
{
    for (size_t at = SPOOL_HEADER_BYTES; at + SPOOL_RECORD_BYTES <= len;) {
        uint32_t room = (uint32_t)(len - at - SPOOL_RECORD_BYTES);
        uint8_t *to = block + at;
        struct spool_record r = {
            .type = (enum spool_type)(to[4] % 6), /* 0: none such */
            .head_len = spool_get_u32(to + 8) % 256,
            .body_len = spool_get_u32(to + 12) % 128,
            .generation = segment->generation,
            .id = spool_get_u64(to + 24),
            .offset = (uint32_t)at,
            .group = to[52] & 1 ? (uint32_t)at : SPOOL_HEADER_BYTES,
        };
        if (r.head_len > room)
            r.head_len = room;
        if (r.body_len > room - r.head_len)
            r.body_len = room - r.head_len;
        r.head_hash = spool_hash(to + SPOOL_RECORD_BYTES, r.head_len);
        r.body_hash = spool_hash(to + SPOOL_RECORD_BYTES + r.head_len, r.body_len);
        if (!(to[7] & 1)) /* else: stays as it is, to be found damaged */
            spool_record_encode(&r, segment->salt, to);
        at += spool_record_length(r.head_len, r.body_len);
    }
}

static void check_walk(const uint8_t *block, size_t len, const struct spool_segment_header *segment)
{
    struct spool_walk walk;
    struct arena arena;
    uint64_t at = SPOOL_HEADER_BYTES;
    bool gap = false;
    arena_init(&arena, 0);
    spool_walk_start(&walk, block, len, segment);
    for (enum spool_walk_event e; (e = spool_walk_next(&walk)) != SPOOL_WALK_END;) {
        if (e == SPOOL_WALK_GAP) {
            must(!gap && walk.gap_from == at && walk.gap_to > walk.gap_from);
            at = walk.gap_to;
        } else {
            const struct spool_record *r = &walk.record;
            must(r->offset == at && r->generation == segment->generation);
            must(r->head >= block && r->body + r->body_len <= block + len);
            at += spool_record_length(r->head_len, r->body_len);
            must(at == walk.at && at <= len);
            try_head(r->type, r->head, r->head_len, &arena);
            arena_reset(&arena);
        }
        gap = e == SPOOL_WALK_GAP;
    }
    must(!gap && walk.at == at);
    spool_walk_free(&walk);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spool_segment_header segment = {
        .generation = 7U << SPOOL_SLOT_BITS, .size = SPOOL_SEGMENT_MIN, .salt = 0x5a17};
    if (size == 0 || size > SPOOL_SEGMENT_MIN)
        return 0;
    uint8_t kind = *data++;
    size--;
    if (kind & 3) {
        size_t len = SPOOL_HEADER_BYTES + size;
        uint8_t *block = mem_zalloc(len);
        memcpy(block + SPOOL_HEADER_BYTES, data, size);
        if (kind & 2)
            mend(block, len, &segment);
        check_walk(block, len, &segment);
        mem_free(block);
        return 0;
    }
    struct arena arena;
    arena_init(&arena, 0);
    unsigned type = kind >> 2 & 7;
    if (type >= SPOOL_MESSAGE && type <= SPOOL_CHECKPOINT)
        try_head((enum spool_type)type, data, size, &arena);
    else
        try_header(data, size);
    arena_free(&arena);
    return 0;
}
