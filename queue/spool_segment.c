/* Segment files: made with zeros ahead of need, filled in order of generation, sealed, renewed.
 *
 *   NONE -> (creation) -> READY -> ACTIVE -> SEALED -> RETIRING -> READY ...
 *                                                            `-> NONE, if never to be written again
 */
#include "queue/spool_slots_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rand.h"

enum { CREATE_RETRY_MS = 2000, ZEROS_BYTES = 64 * 1024, ZEROS_PIECES = 16 };

static const uint8_t zeros[ZEROS_BYTES];

static char *new_name(uint32_t slot, char to[SPOOL_NAME_SIZE])
{
    snprintf(to, SPOOL_NAME_SIZE, "new-%03x", (unsigned)slot);
    return to;
}

/* A generation has vanished: what was only of use to it no longer weighs on others. */
static void generation_vanished(struct spool_segments *segments)
{
    for (uint32_t i = 0; i < segments->used; i++)
        segments->slots[i].stuck = false;
    segments->something_died = true;
}

/* --- A new generation --- */

static struct spool_segment_header next_header(struct spool_segments *segments, uint32_t slot,
                                               uint32_t size)
{
    struct spool_segment_header header = {
        .generation = ++segments->generation_count << SPOOL_SLOT_BITS | slot,
        .size = size,
        .next_id = atomic_load(&segments->next_id),
        .version = segments->version,
    };
    if (getrandom(&header.salt, sizeof header.salt, 0) != sizeof header.salt)
        header.salt = rand_u64();
    return header;
}

static enum err header_write(struct spool_segments *segments, int fd,
                             const struct spool_segment_header *header)
{
    uint8_t block[SPOOL_HEADER_BYTES];
    spool_header_encode(header, block);
    struct iovec iov = {block, sizeof block};
    enum err err = io_pwrite_all(segments->dir->io, fd, &iov, 1, 0);
    KILL_POINT("spool_header_written");
    if (err == ERR_OK && segments->dir->io->fdatasync(segments->dir->io, fd) != 0)
        err = err_from_errno(errno);
    return err;
}

static void segment_ready(struct spool_segment *s, const struct spool_segment_header *header)
{
    spool_items_clear(s);
    s->live_bytes = 0;
    s->salt = header->salt;
    s->size = (uint32_t)header->size;
    s->end = SPOOL_HEADER_BYTES;
    s->live = 0;
    s->disk_generation = header->generation;
    s->version = header->version;
    s->state = SPOOL_SEGMENT_READY;
    atomic_store(&s->generation, header->generation);
}

enum err spool_segment_renew(struct spool_segments *segments, struct spool_segment *segment)
{
    ASSERT(segment->live == 0 && atomic_load(&segment->generation) == 0);
    segment->footer_due = false;
    uint32_t slot = spool_segment_slot(segments, segment);
    struct spool_segment_header header = next_header(segments, slot, segment->size);
    enum err err = header_write(segments, segment->fd, &header);
    if (err != ERR_OK) {
        /* Either header may be on the disk: the old generation exists until the file is gone. */
        LOG(LOG_ERROR, "spool_segment_renew_failed", LOG_STR("path", segments->dir->path),
            LOG_U64("slot", slot), LOG_STR("error", err_name(err)));
        segment->poisoned = segment->discard = true;
        spool_segment_remove(segments, segment);
        return err;
    }
    KILL_POINT("spool_segment_renewed");
    segment_ready(segment, &header);
    generation_vanished(segments);
    spool_segments_count(segments);
    return ERR_OK;
}

/* 0 when the name is gone for good. */
static int remove_name(struct spool_segments *segments, struct spool_segment *segment,
                       const char *name)
{
    if (segments->dir->io->unlinkat(segments->dir->io, segments->dir->segments_fd, name, 0) != 0 &&
        errno != ENOENT)
        return -1;
    KILL_POINT("spool_segment_unlinked");
    segment->unlinked = true;
    return segments->dir->io->fsync(segments->dir->io, segments->dir->segments_fd);
}

void spool_segment_remove(struct spool_segments *segments, struct spool_segment *segment)
{
    char name[SPOOL_NAME_SIZE];
    ASSERT(!segment->unlinked);
    atomic_store(&segment->generation, 0);
    segment->footer_due = false;
    spool_segment_name(spool_segment_slot(segments, segment), name);
    if (atomic_load(&segment->readers) != 0 || remove_name(segments, segment, name) != 0) {
        LOG(LOG_ERROR, "spool_segment_remove_failed", LOG_STR("path", segments->dir->path),
            LOG_STR("segment", name));
        segment->state = SPOOL_SEGMENT_DOOMED;
    } else {
        (void)segments->dir->io->close(segments->dir->io, segment->fd);
        spool_items_clear(segment);
        segment->fd = -1;
        segment->disk_generation = 0;
        segment->poisoned = segment->discard = segment->odd_size = segment->unlinked = false;
        segment->state = SPOOL_SEGMENT_NONE;
        generation_vanished(segments);
    }
    spool_segments_count(segments);
}

void spool_segment_poison(struct spool_segments *segments, struct spool_segment *segment,
                          uint32_t end)
{
    uint64_t generation = segment->disk_generation;
    LOG(LOG_ERROR, "spool_segment_poisoned", LOG_STR("path", segments->dir->path),
        LOG_U64("generation", generation), LOG_U64("end", end));
    KILL_POINT("spool_segment_poisoned");
    segment->poisoned = segment->discard = true;
    segment->state = SPOOL_SEGMENT_SEALED;
    segment->end = end;
    if (segments->active == segment)
        segments->active = NULL;
    /* Nothing was ever synced here: without the file there is nothing to be mistaken for mail. */
    if (end == SPOOL_HEADER_BYTES)
        spool_segment_remove(segments, segment);
    if (segment->state != SPOOL_SEGMENT_NONE) {
        struct spool_checkpoint checkpoint = {generation, end, SPOOL_CHECKPOINT_VOID};
        spool_checkpoint_queue(segments, &checkpoint);
        spool_segment_consider(segments, segment);
    }
    spool_segments_count(segments);
}

/* --- Creation --- */

static enum err creation_fail(struct spool_segments *segments, enum err err)
{
    char name[SPOOL_NAME_SIZE];
    struct spool_creation *c = &segments->creation;
    LOG(LOG_ERROR, "spool_segment_create_failed", LOG_STR("path", segments->dir->path),
        LOG_STR("error", err_name(err)));
    if (c->fd >= 0) {
        (void)segments->dir->io->close(segments->dir->io, c->fd);
        /* What cannot be removed now is removed by the next attempt or the next start. */
        (void)segments->dir->io->unlinkat(segments->dir->io, segments->dir->segments_fd,
                                          new_name(c->slot, name), 0);
    }
    *c = (struct spool_creation){.fd = -1, .retry_at_ms = clock_mono_ms() + CREATE_RETRY_MS};
    /* Others have to make room. */
    segments->short_of_space = segments->something_died = true;
    return err;
}

static enum err creation_start(struct spool_segments *segments)
{
    char name[SPOOL_NAME_SIZE];
    struct io *io = segments->dir->io;
    struct spool_creation *c = &segments->creation;
    *c = (struct spool_creation){.fd = -1};
    while (c->slot < SPOOL_SLOTS && segments->slots[c->slot].state != SPOOL_SEGMENT_NONE)
        c->slot++;
    if (c->slot == SPOOL_SLOTS)
        return creation_fail(segments, ERR_NOSPACE);
    new_name(c->slot, name);
    (void)io->unlinkat(io, segments->dir->segments_fd, name, 0);
    c->fd = io->openat(io, segments->dir->segments_fd, name,
                       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (c->fd < 0)
        return creation_fail(segments, err_from_errno(errno));
    /* One extent if possible; a file system without it still has the zeros. */
    if (io->fallocate(io, c->fd, 0, (off_t)segments->size_bytes) != 0 &&
        err_from_errno(errno) == ERR_NOSPACE)
        return creation_fail(segments, ERR_NOSPACE);
    c->under_way = true;
    KILL_POINT("spool_segment_begun");
    return ERR_OK;
}

/* Synced step by step: one sync of a whole segment would hold up every acknowledgement. */
static enum err creation_write(struct spool_segments *segments, uint64_t bytes)
{
    struct spool_creation *c = &segments->creation;
    uint64_t size = segments->size_bytes;
    for (uint64_t done = 0; done < bytes && c->written < size;) {
        struct iovec iov[ZEROS_PIECES];
        int count = 0;
        uint64_t step = 0;
        while (count < ZEROS_PIECES && c->written + step < size) {
            uint64_t left = size - c->written - step;
            size_t len = left < ZEROS_BYTES ? (size_t)left : ZEROS_BYTES;
            iov[count++] = (struct iovec){(void *)(uintptr_t)zeros, len};
            step += len;
        }
        enum err err = io_pwrite_all(segments->dir->io, c->fd, iov, count, (off_t)c->written);
        if (err != ERR_OK)
            return err;
        c->written += (uint32_t)step;
        done += step;
    }
    KILL_POINT("spool_segment_prewritten");
    return segments->dir->io->fdatasync(segments->dir->io, c->fd) == 0 ? ERR_OK
                                                                       : err_from_errno(errno);
}

/* The name seg-XXX appears only when everything behind it is on the disk. */
static enum err creation_finish(struct spool_segments *segments)
{
    char from[SPOOL_NAME_SIZE], to[SPOOL_NAME_SIZE];
    struct io *io = segments->dir->io;
    struct spool_creation *c = &segments->creation;
    struct spool_segment_header header =
        next_header(segments, c->slot, (uint32_t)segments->size_bytes);
    enum err err = header_write(segments, c->fd, &header);
    if (err != ERR_OK)
        return creation_fail(segments, err);
    if (io->fsync(io, c->fd) != 0 ||
        io->renameat(io, segments->dir->segments_fd, new_name(c->slot, from),
                     segments->dir->segments_fd, spool_segment_name(c->slot, to)) != 0)
        return creation_fail(segments, err_from_errno(errno));
    KILL_POINT("spool_segment_named");
    if (io->fsync(io, segments->dir->segments_fd) != 0) {
        err = err_from_errno(errno);
        (void)io->unlinkat(io, segments->dir->segments_fd, to, 0);
        return creation_fail(segments, err);
    }
    KILL_POINT("spool_segment_created");
    struct spool_segment *s = &segments->slots[c->slot];
    s->fd = c->fd;
    s->poisoned = s->discard = s->odd_size = s->stuck = false;
    segment_ready(s, &header);
    if (segments->used <= c->slot)
        segments->used = c->slot + 1;
    segments->short_of_space = c->slot + SPOOL_SLOTS_SPARE > SPOOL_SLOTS;
    *c = (struct spool_creation){.fd = -1};
    spool_segments_count(segments);
    return ERR_OK;
}

enum err spool_segment_create(struct spool_segments *segments, uint64_t bytes)
{
    struct spool_creation *c = &segments->creation;
    enum err err = c->under_way ? ERR_OK : creation_start(segments);
    if (err != ERR_OK)
        return err;
    err = creation_write(segments, bytes);
    if (err != ERR_OK)
        return creation_fail(segments, err);
    return c->written < segments->size_bytes ? ERR_AGAIN : creation_finish(segments);
}

/* --- The active one --- */

void spool_segment_seal(struct spool_segments *segments)
{
    struct spool_segment *old = segments->active;
    struct spool_checkpoint end = {old->disk_generation, old->end, SPOOL_CHECKPOINT_SEALED};
    spool_checkpoint_queue(segments, &end);
    KILL_POINT("spool_segment_seals");
    old->state = SPOOL_SEGMENT_SEALED;
    old->footer_due = segments->footers_due = true;
    segments->active = NULL;
    spool_segment_consider(segments, old);
}

/* SEGMENT was made ready before messages came that need a later version. It holds no record, and
 * its generation and salt stay: whichever header a power cut leaves, nothing is lost. */
enum err spool_segment_raise(struct spool_segments *segments, struct spool_segment *segment)
{
    struct spool_segment_header header = {
        .generation = segment->disk_generation,
        .size = segment->size,
        .salt = segment->salt,
        .next_id = atomic_load(&segments->next_id),
        .version = segments->version,
    };
    if (segment->version >= segments->version)
        return ERR_OK;
    enum err err = header_write(segments, segment->fd, &header);
    if (err == ERR_OK)
        segment->version = header.version;
    else
        spool_segment_poison(segments, segment, SPOOL_HEADER_BYTES);
    return err;
}

void spool_segments_free(struct spool_segments *segments)
{
    struct io *io = segments->dir->io;
    for (size_t i = 0; i < SPOOL_SLOTS; i++) {
        if (segments->slots[i].fd >= 0)
            (void)io->close(io, segments->slots[i].fd);
        spool_items_clear(&segments->slots[i]);
    }
    if (segments->creation.fd >= 0)
        (void)io->close(io, segments->creation.fd);
    mem_free(segments->checkpoints.items);
}
