/* The slots of a log's segments, and what is known of each: pure book-keeping, no file is touched.
 * Nothing here blocks.
 */
#include "queue/spool_slots_private.h"

#include <string.h>

#include "core/mem.h"
#include "core/vector.h"

void spool_segments_init(struct spool_segments *segments, const struct spool_directory *dir,
                         uint64_t size_bytes)
{
    segments->dir = dir;
    segments->size_bytes = size_bytes;
    segments->version = SPOOL_VERSION_PLAIN;
    segments->creation.fd = -1;
    for (size_t i = 0; i < SPOOL_SLOTS; i++)
        segments->slots[i].fd = -1;
}

uint32_t spool_segment_slot(const struct spool_segments *segments,
                            const struct spool_segment *segment)
{
    ASSERT(segment >= segments->slots && segment < segments->slots + SPOOL_SLOTS);
    return (uint32_t)(segment - segments->slots);
}

struct spool_segment_header spool_segment_header_of(const struct spool_segment *segment)
{
    return (struct spool_segment_header){
        .generation = segment->disk_generation, .salt = segment->salt, .size = segment->size};
}

bool spool_generation_exists(const struct spool_segments *segments, uint64_t generation)
{
    return generation != 0 &&
           segments->slots[spool_generation_slot(generation)].disk_generation == generation;
}

/* --- Readers. Counted first, looked at again afterwards: the writer withdraws the generation
 * first and looks at the count afterwards, so one of the two always sees the other. --- */

struct spool_segment *spool_segment_hold(struct spool_segments *segments, uint64_t generation)
{
    struct spool_segment *s = &segments->slots[spool_generation_slot(generation)];
    if (generation == 0 || atomic_load(&s->generation) != generation)
        return NULL;
    atomic_fetch_add(&s->readers, 1);
    if (atomic_load(&s->generation) == generation)
        return s;
    atomic_fetch_sub(&s->readers, 1);
    return NULL;
}

void spool_segment_release(struct spool_segment *segment)
{
    uint32_t before = atomic_fetch_sub(&segment->readers, 1);
    ASSERT(before > 0);
}

/* --- Book-keeping --- */

uint32_t spool_segment_room(const struct spool_segment *segment)
{
    uint64_t taken = segment->end + segment->footer.count + SPOOL_TRAILER_BYTES;
    return taken < segment->size ? segment->size - (uint32_t)taken : 0;
}

unsigned spool_segments_ready(const struct spool_segments *segments)
{
    unsigned ready = 0;
    for (uint32_t i = 0; i < segments->used; i++)
        ready += segments->slots[i].state == SPOOL_SEGMENT_READY;
    return ready;
}

void spool_segments_count(struct spool_segments *segments)
{
    uint64_t count = 0, ready = 0, poisoned = 0, room = 0;
    for (uint32_t i = 0; i < segments->used; i++) {
        const struct spool_segment *s = &segments->slots[i];
        count += s->state != SPOOL_SEGMENT_NONE;
        poisoned += s->state != SPOOL_SEGMENT_NONE && s->poisoned;
        if (s->state == SPOOL_SEGMENT_READY) {
            ready++;
            room += s->size - SPOOL_HEADER_BYTES;
        } else if (s->state == SPOOL_SEGMENT_ACTIVE) {
            room += s->size - s->end;
        }
    }
    atomic_store(&segments->count, count);
    atomic_store(&segments->count_free, ready);
    atomic_store(&segments->count_poisoned, poisoned);
    atomic_store(&segments->ready_bytes, room);
}

void spool_checkpoint_queue(struct spool_segments *segments,
                            const struct spool_checkpoint *checkpoint)
{
    (void)VECTOR_ADD(&segments->checkpoints);
    size_t at = segments->checkpoints.count - 1;
    if (checkpoint->kind == SPOOL_CHECKPOINT_VOID) {
        at = segments->void_count++;
        memmove(&segments->checkpoints.items[at + 1], &segments->checkpoints.items[at],
                (segments->checkpoints.count - 1 - at) * sizeof *segments->checkpoints.items);
    }
    segments->checkpoints.items[at] = *checkpoint;
}

uint64_t spool_segment_worth(const struct spool_segments *segments,
                             const struct spool_segment *segment)
{
    if (segments->short_of_space)
        return segment->size / 4 * 3;
    return segment->live == 0 ? segment->size / 2 : segment->size / 4;
}

void spool_segment_consider(struct spool_segments *segments, const struct spool_segment *segment)
{
    if (segment->state == SPOOL_SEGMENT_SEALED &&
        segment->live_bytes < spool_segment_worth(segments, segment))
        segments->something_died = true;
}

void spool_checkpoints_written(struct spool_segments *segments, size_t count)
{
    ASSERT(count <= segments->checkpoints.count);
    segments->void_count -= count < segments->void_count ? count : segments->void_count;
    segments->checkpoints.count -= count;
    if (segments->checkpoints.count > 0)
        memmove(segments->checkpoints.items, segments->checkpoints.items + count,
                segments->checkpoints.count * sizeof *segments->checkpoints.items);
}
