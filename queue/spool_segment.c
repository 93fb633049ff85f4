/* Segment files: made with zeros ahead of need, filled in order of generation, sealed, renewed.
 *
 *   NONE -> (creation) -> READY -> ACTIVE -> SEALED -> RETIRING -> READY ...
 *                                                            `-> NONE, if never to be written again
 */
#include "queue/spool_private.h"

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

bool spool_generation_exists(const struct spool_log *spool, uint64_t generation)
{
    return generation != 0 &&
           spool->slots[spool_generation_slot(generation)].disk_generation == generation;
}

/* --- Readers. Counted first, looked at again afterwards: the writer withdraws the generation
 * first and looks at the count afterwards, so one of the two always sees the other. --- */

struct spool_segment *spool_segment_hold(struct spool_log *spool, uint64_t generation)
{
    struct spool_segment *s = &spool->slots[spool_generation_slot(generation)];
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
    atomic_fetch_sub(&segment->readers, 1);
}

/* --- Book-keeping --- */

uint32_t spool_segment_room(const struct spool_segment *segment)
{
    uint64_t taken = segment->end + segment->items_len + SPOOL_TRAILER_BYTES;
    return taken < segment->size ? segment->size - (uint32_t)taken : 0;
}

/* A generation has vanished: what was only of use to it no longer weighs on others. */
static void generation_vanished(struct spool_log *spool)
{
    for (uint32_t i = 0; i < spool->slots_used; i++)
        spool->slots[i].stuck = false;
    spool->something_died = true;
}

unsigned spool_segments_ready(const struct spool_log *spool)
{
    unsigned ready = 0;
    for (uint32_t i = 0; i < spool->slots_used; i++)
        ready += spool->slots[i].state == SPOOL_SEGMENT_READY;
    return ready;
}

void spool_segments_count(struct spool_log *spool)
{
    uint64_t segments = 0, ready = 0, poisoned = 0, room = 0;
    for (uint32_t i = 0; i < spool->slots_used; i++) {
        const struct spool_segment *s = &spool->slots[i];
        segments += s->state != SPOOL_SEGMENT_NONE;
        poisoned += s->state != SPOOL_SEGMENT_NONE && s->poisoned;
        if (s->state == SPOOL_SEGMENT_READY) {
            ready++;
            room += s->size - SPOOL_HEADER_BYTES;
        } else if (s->state == SPOOL_SEGMENT_ACTIVE) {
            room += s->size - s->end;
        }
    }
    atomic_store(&spool->segments, segments);
    atomic_store(&spool->segments_free, ready);
    atomic_store(&spool->segments_poisoned, poisoned);
    atomic_store(&spool->ready_bytes, room);
}

void spool_checkpoint_queue(struct spool_log *spool, const struct spool_checkpoint *checkpoint)
{
    if (spool->checkpoint_count == spool->checkpoint_capacity) {
        spool->checkpoint_capacity =
            spool->checkpoint_capacity ? spool->checkpoint_capacity * 2 : 8;
        spool->checkpoints = mem_realloc(spool->checkpoints,
                                         spool->checkpoint_capacity * sizeof *spool->checkpoints);
    }
    size_t at = spool->checkpoint_count++;
    if (checkpoint->kind == SPOOL_CHECKPOINT_VOID) {
        at = spool->void_count++;
        memmove(&spool->checkpoints[at + 1], &spool->checkpoints[at],
                (spool->checkpoint_count - 1 - at) * sizeof *spool->checkpoints);
    }
    spool->checkpoints[at] = *checkpoint;
}

/* --- A new generation --- */

static struct spool_segment_header next_header(struct spool_log *spool, uint32_t slot,
                                               uint32_t size)
{
    struct spool_segment_header header = {
        .generation = ++spool->generation_count << SPOOL_SLOT_BITS | slot,
        .size = size,
        .next_id = atomic_load(&spool->next_id),
        .version = spool->version,
    };
    if (getrandom(&header.salt, sizeof header.salt, 0) != sizeof header.salt)
        header.salt = rand_u64();
    return header;
}

static enum err header_write(struct spool_log *spool, int fd,
                             const struct spool_segment_header *header)
{
    uint8_t block[SPOOL_HEADER_BYTES];
    spool_header_encode(header, block);
    struct iovec iov = {block, sizeof block};
    enum err err = io_pwrite_all(spool->io, fd, &iov, 1, 0);
    KILL_POINT("spool_header_written");
    if (err == ERR_OK && spool->io->fdatasync(spool->io, fd) != 0)
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

enum err spool_segment_renew(struct spool_log *spool, struct spool_segment *segment)
{
    ASSERT(segment->live == 0 && atomic_load(&segment->generation) == 0);
    segment->footer_due = false;
    uint32_t slot = (uint32_t)(segment - spool->slots);
    struct spool_segment_header header = next_header(spool, slot, segment->size);
    enum err err = header_write(spool, segment->fd, &header);
    if (err != ERR_OK) {
        /* Either header may be on the disk: the old generation exists until the file is gone. */
        LOG(LOG_ERROR, "spool_segment_renew_failed", LOG_STR("path", spool->path),
            LOG_U64("slot", slot), LOG_STR("error", err_name(err)));
        segment->poisoned = segment->discard = true;
        spool_segment_remove(spool, segment);
        return err;
    }
    KILL_POINT("spool_segment_renewed");
    segment_ready(segment, &header);
    generation_vanished(spool);
    spool_segments_count(spool);
    return ERR_OK;
}

/* 0 when the name is gone for good. */
static int remove_name(struct spool_log *spool, struct spool_segment *segment, const char *name)
{
    if (spool->io->unlinkat(spool->io, spool->segments_fd, name, 0) != 0 && errno != ENOENT)
        return -1;
    KILL_POINT("spool_segment_unlinked");
    segment->unlinked = true;
    return spool->io->fsync(spool->io, spool->segments_fd);
}

void spool_segment_remove(struct spool_log *spool, struct spool_segment *segment)
{
    char name[SPOOL_NAME_SIZE];
    ASSERT(!segment->unlinked);
    atomic_store(&segment->generation, 0);
    segment->footer_due = false;
    spool_segment_name((uint32_t)(segment - spool->slots), name);
    if (atomic_load(&segment->readers) != 0 || remove_name(spool, segment, name) != 0) {
        LOG(LOG_ERROR, "spool_segment_remove_failed", LOG_STR("path", spool->path),
            LOG_STR("segment", name));
        segment->state = SPOOL_SEGMENT_DOOMED;
    } else {
        (void)spool->io->close(spool->io, segment->fd);
        spool_items_clear(segment);
        segment->fd = -1;
        segment->disk_generation = 0;
        segment->poisoned = segment->discard = segment->odd_size = segment->unlinked = false;
        segment->state = SPOOL_SEGMENT_NONE;
        generation_vanished(spool);
    }
    spool_segments_count(spool);
}

void spool_segment_poison(struct spool_log *spool, struct spool_segment *segment, uint32_t end)
{
    uint64_t generation = segment->disk_generation;
    LOG(LOG_ERROR, "spool_segment_poisoned", LOG_STR("path", spool->path),
        LOG_U64("generation", generation), LOG_U64("end", end));
    KILL_POINT("spool_segment_poisoned");
    segment->poisoned = segment->discard = true;
    segment->state = SPOOL_SEGMENT_SEALED;
    segment->end = end;
    if (spool->active == segment)
        spool->active = NULL;
    /* Nothing was ever synced here: without the file there is nothing to be mistaken for mail. */
    if (end == SPOOL_HEADER_BYTES)
        spool_segment_remove(spool, segment);
    if (segment->state != SPOOL_SEGMENT_NONE) {
        struct spool_checkpoint checkpoint = {generation, end, SPOOL_CHECKPOINT_VOID};
        spool_checkpoint_queue(spool, &checkpoint);
        spool_reclaim_consider(spool, segment);
    }
    spool_segments_count(spool);
}

/* --- Creation --- */

static enum err creation_fail(struct spool_log *spool, enum err err)
{
    char name[SPOOL_NAME_SIZE];
    struct spool_creation *c = &spool->creation;
    LOG(LOG_ERROR, "spool_segment_create_failed", LOG_STR("path", spool->path),
        LOG_STR("error", err_name(err)));
    if (c->fd >= 0) {
        (void)spool->io->close(spool->io, c->fd);
        /* What cannot be removed now is removed by the next attempt or the next start. */
        (void)spool->io->unlinkat(spool->io, spool->segments_fd, new_name(c->slot, name), 0);
    }
    *c = (struct spool_creation){.fd = -1, .retry_at_ms = clock_mono_ms() + CREATE_RETRY_MS};
    /* Others have to make room. */
    spool->short_of_space = spool->something_died = true;
    return err;
}

static enum err creation_start(struct spool_log *spool)
{
    char name[SPOOL_NAME_SIZE];
    struct io *io = spool->io;
    struct spool_creation *c = &spool->creation;
    *c = (struct spool_creation){.fd = -1};
    while (c->slot < SPOOL_SLOTS && spool->slots[c->slot].state != SPOOL_SEGMENT_NONE)
        c->slot++;
    if (c->slot == SPOOL_SLOTS)
        return creation_fail(spool, ERR_NOSPACE);
    new_name(c->slot, name);
    (void)io->unlinkat(io, spool->segments_fd, name, 0);
    c->fd = io->openat(io, spool->segments_fd, name,
                       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (c->fd < 0)
        return creation_fail(spool, err_from_errno(errno));
    /* One extent if possible; a file system without it still has the zeros. */
    if (io->fallocate(io, c->fd, 0, (off_t)spool->settings.segment_size_bytes) != 0 &&
        err_from_errno(errno) == ERR_NOSPACE)
        return creation_fail(spool, ERR_NOSPACE);
    c->under_way = true;
    KILL_POINT("spool_segment_begun");
    return ERR_OK;
}

/* Synced step by step: one sync of a whole segment would hold up every acknowledgement. */
static enum err creation_write(struct spool_log *spool, uint64_t bytes)
{
    struct spool_creation *c = &spool->creation;
    uint64_t size = spool->settings.segment_size_bytes;
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
        enum err err = io_pwrite_all(spool->io, c->fd, iov, count, (off_t)c->written);
        if (err != ERR_OK)
            return err;
        c->written += (uint32_t)step;
        done += step;
    }
    KILL_POINT("spool_segment_prewritten");
    return spool->io->fdatasync(spool->io, c->fd) == 0 ? ERR_OK : err_from_errno(errno);
}

/* The name seg-XXX appears only when everything behind it is on the disk. */
static enum err creation_finish(struct spool_log *spool)
{
    char from[SPOOL_NAME_SIZE], to[SPOOL_NAME_SIZE];
    struct io *io = spool->io;
    struct spool_creation *c = &spool->creation;
    struct spool_segment_header header =
        next_header(spool, c->slot, (uint32_t)spool->settings.segment_size_bytes);
    enum err err = header_write(spool, c->fd, &header);
    if (err != ERR_OK)
        return creation_fail(spool, err);
    if (io->fsync(io, c->fd) != 0 ||
        io->renameat(io, spool->segments_fd, new_name(c->slot, from), spool->segments_fd,
                     spool_segment_name(c->slot, to)) != 0)
        return creation_fail(spool, err_from_errno(errno));
    KILL_POINT("spool_segment_named");
    if (io->fsync(io, spool->segments_fd) != 0) {
        err = err_from_errno(errno);
        (void)io->unlinkat(io, spool->segments_fd, to, 0);
        return creation_fail(spool, err);
    }
    KILL_POINT("spool_segment_created");
    struct spool_segment *s = &spool->slots[c->slot];
    s->fd = c->fd;
    s->poisoned = s->discard = s->odd_size = s->stuck = false;
    segment_ready(s, &header);
    if (spool->slots_used <= c->slot)
        spool->slots_used = c->slot + 1;
    spool->short_of_space = c->slot + SPOOL_SLOTS_SPARE > SPOOL_SLOTS;
    *c = (struct spool_creation){.fd = -1};
    spool_segments_count(spool);
    return ERR_OK;
}

enum err spool_segment_create(struct spool_log *spool, uint64_t bytes)
{
    struct spool_creation *c = &spool->creation;
    enum err err = c->under_way ? ERR_OK : creation_start(spool);
    if (err != ERR_OK)
        return err;
    err = creation_write(spool, bytes);
    if (err != ERR_OK)
        return creation_fail(spool, err);
    return c->written < spool->settings.segment_size_bytes ? ERR_AGAIN : creation_finish(spool);
}

/* --- One after the other --- */

static struct spool_segment *oldest_ready(struct spool_log *spool)
{
    struct spool_segment *oldest = NULL;
    for (uint32_t i = 0; i < spool->slots_used; i++) {
        struct spool_segment *s = &spool->slots[i];
        if (s->state == SPOOL_SEGMENT_READY &&
            (!oldest || s->disk_generation < oldest->disk_generation))
            oldest = s;
    }
    return oldest;
}

void spool_segment_seal(struct spool_log *spool)
{
    struct spool_segment *old = spool->active;
    struct spool_checkpoint end = {old->disk_generation, old->end, SPOOL_CHECKPOINT_SEALED};
    spool_checkpoint_queue(spool, &end);
    KILL_POINT("spool_segment_seals");
    old->state = SPOOL_SEGMENT_SEALED;
    old->footer_due = spool->footers_due = true;
    spool->active = NULL;
    spool_reclaim_consider(spool, old);
}

/* SEGMENT was made ready before messages came that need a later version. It holds no record, and
 * its generation and salt stay: whichever header a power cut leaves, nothing is lost. */
static enum err raise_version(struct spool_log *spool, struct spool_segment *segment)
{
    struct spool_segment_header header = {
        .generation = segment->disk_generation,
        .size = segment->size,
        .salt = segment->salt,
        .next_id = atomic_load(&spool->next_id),
        .version = spool->version,
    };
    if (segment->version >= spool->version)
        return ERR_OK;
    enum err err = header_write(spool, segment->fd, &header);
    if (err == ERR_OK)
        segment->version = header.version;
    else
        spool_segment_poison(spool, segment, SPOOL_HEADER_BYTES);
    return err;
}

/* As long as there is no other the active segment stays: what is left of it is room for outcomes,
 * and on a full disk only outcomes make room. */
enum err spool_segment_rotate(struct spool_log *spool)
{
    if (spool->active && spool->active->end == SPOOL_HEADER_BYTES &&
        spool->active->version < spool->version)
        return raise_version(spool, spool->active);
    struct spool_segment *next = oldest_ready(spool);
    enum err err = ERR_OK;
    if (!next && spool_reclaim_quick(spool))
        next = oldest_ready(spool);
    if (!next) {
        err = spool_segment_create(spool, UINT64_MAX);
        next = oldest_ready(spool);
    }
    if (!next && spool->active && spool->active->live == 0) {
        spool_segment_seal(spool);
        if (spool_reclaim_quick(spool))
            next = oldest_ready(spool);
    }
    if (!next)
        return err;
    err = raise_version(spool, next);
    if (err != ERR_OK)
        return err;
    if (spool->active)
        spool_segment_seal(spool);
    next->state = SPOOL_SEGMENT_ACTIVE;
    spool->active = next;
    KILL_POINT("spool_segment_activated");
    spool->something_died = true; /* there is room now for what reclaim carries */
    spool_segments_count(spool);
    return ERR_OK;
}
