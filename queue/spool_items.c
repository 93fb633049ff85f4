/* The footer of a segment while it lives: it grows in memory beside the records, and when the
 * segment is sealed it is written behind them, between two groups, so that no acknowledgement
 * waits for it. Afterwards only sums stay in memory.
 */
#include "queue/spool_slots_private.h"

#include <errno.h>

#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/vector.h"

/* --- Sums --- */

static struct spool_about *about(struct spool_segment *s, uint64_t generation)
{
    for (size_t i = s->abouts.count; i > 0; i--)
        if (s->abouts.items[i - 1].generation == generation)
            return &s->abouts.items[i - 1];
    struct spool_about *new = VECTOR_ADD(&s->abouts);
    *new = (struct spool_about){.generation = generation};
    return new;
}

void spool_items_account(struct spool_segment *segment, const struct spool_item *item)
{
    switch (item->type) {
    case SPOOL_MESSAGE:
    case SPOOL_BIG:
        break; /* counted when it is known to live */
    case SPOOL_OUTCOME:
        segment->outcomes++;
        segment->outcome_bytes += item->length;
        break;
    case SPOOL_DONE:
    case SPOOL_CHECKPOINT:
        about(segment, spool_get_u64(item->payload))->bytes += item->length;
        break;
    }
}

void spool_items_add(struct spool_segment *segment, const struct spool_item *item)
{
    size_t needed = segment->footer.count + SPOOL_ITEM_BYTES + item->payload_len;
    ASSERT(!segment->footer_written);
    VECTOR_RESERVE(&segment->footer, needed);
    spool_item_encode(item, segment->footer.items + segment->footer.count);
    segment->footer.count = needed;
    spool_items_account(segment, item);
}

static void items_forget(struct spool_segment *segment)
{
    mem_free(segment->footer.items);
    segment->footer.items = NULL;
    segment->footer.count = segment->footer.capacity = 0;
}

void spool_items_clear(struct spool_segment *segment)
{
    items_forget(segment);
    mem_free(segment->abouts.items);
    segment->abouts.items = NULL;
    segment->abouts.count = segment->abouts.capacity = 0;
    segment->outcomes = segment->outcome_bytes = segment->outcomes_latest = 0;
    segment->footer_due = segment->footer_written = false;
}

/* --- Reading --- */

enum err spool_footer_read(struct io *io, int fd, const struct spool_segment_header *header,
                           uint8_t **items, size_t *len, uint32_t *end)
{
    uint8_t block[SPOOL_TRAILER_BYTES];
    struct spool_trailer trailer;
    uint64_t at = header->size - SPOOL_TRAILER_BYTES;
    *end = 0;
    if (io_pread_all(io, fd, block, sizeof block, (off_t)at) != ERR_OK ||
        !spool_trailer_decode(block, header, &trailer))
        return ERR_NOTFOUND;
    *end = trailer.end;
    *len = (size_t)trailer.items_len;
    *items = mem_alloc(*len + 1);
    if (io_pread_all(io, fd, *items, *len, (off_t)(at - *len)) == ERR_OK &&
        spool_hash(*items, *len) == trailer.items_hash &&
        spool_items_valid(*items, *len, trailer.end))
        return ERR_OK;
    mem_free(*items);
    *items = NULL;
    return ERR_NOTFOUND;
}

bool spool_items_load(struct spool_segments *segments, const struct spool_segment *segment,
                      uint8_t **items, size_t *len)
{
    if (!segment->footer_written) {
        *len = segment->footer.count;
        *items = mem_alloc(*len + 1);
        if (*len > 0)
            memcpy(*items, segment->footer.items, *len);
        return true;
    }
    struct spool_segment_header header = spool_segment_header_of(segment);
    uint32_t end;
    return spool_footer_read(segments->dir->io, segment->fd, &header, items, len, &end) == ERR_OK;
}

/* --- Writing --- */

static enum err footer_write(struct spool_segments *segments, struct spool_segment *s)
{
    uint8_t block[SPOOL_TRAILER_BYTES];
    struct spool_trailer trailer = {
        .generation = s->disk_generation,
        .end = s->end,
        .items_len = s->footer.count,
        .items_hash = spool_hash(s->footer.items, s->footer.count),
    };
    spool_trailer_encode(&trailer, s->salt, block);
    struct iovec iov[] = {{s->footer.items, s->footer.count}, {block, sizeof block}};
    uint64_t at = s->size - SPOOL_TRAILER_BYTES - s->footer.count;
    enum err err = io_pwrite_all(segments->dir->io, s->fd, iov, 2, (off_t)at);
    KILL_POINT("spool_footer_written");
    if (err == ERR_OK && segments->dir->io->fdatasync(segments->dir->io, s->fd) != 0)
        err = err_from_errno(errno);
    return err;
}

static bool footer_possible(const struct spool_segment *s)
{
    return s->state == SPOOL_SEGMENT_SEALED && !s->discard && !s->odd_size && s->footer.count > 0 &&
           s->footer.count <= s->size - SPOOL_TRAILER_BYTES - s->end &&
           spool_items_valid(s->footer.items, s->footer.count, s->end);
}

bool spool_footer_write_next(struct spool_segments *segments)
{
    struct spool_segment *s = NULL;
    if (!segments->footers_due)
        return false;
    for (uint32_t i = 0; i < segments->used && !s; i++)
        if (segments->slots[i].footer_due)
            s = &segments->slots[i];
    segments->footers_due = s;
    if (!s)
        return false;
    s->footer_due = false;
    if (!footer_possible(s))
        return true; /* a start will read its records */
    enum err err = footer_write(segments, s);
    if (err == ERR_OK) {
        KILL_POINT("spool_footer_synced");
        items_forget(s);
        s->footer_written = true;
        return true;
    }
    /* What was written and synced here before stays good; nothing more is tried, by the next start
     * neither. */
    LOG(LOG_ERROR, "spool_footer_failed", LOG_STR("path", segments->dir->path),
        LOG_U64("generation", s->disk_generation), LOG_STR("error", err_name(err)));
    s->poisoned = s->discard = true;
    struct spool_checkpoint end = {s->disk_generation, s->end, SPOOL_CHECKPOINT_VOID};
    spool_checkpoint_queue(segments, &end);
    spool_segments_count(segments);
    return true;
}

void spool_footers_write(struct spool_segments *segments)
{
    while (spool_footer_write_next(segments))
        ;
}
