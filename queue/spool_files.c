/* The segment files that a start finds: ours, plain, of a version we know; in order. */
#include "queue/spool_files_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

static void whole_file_aside(struct spool_log *log, const char *name)
{
    char to[SPOOL_NAME_SIZE];
    struct io *io = log->dir.io;
    snprintf(to, sizeof to, "%s-%llx", name, (unsigned long long)clock_wall_ms());
    bool ok = io->renameat(io, log->dir.segments_fd, name, log->dir.quarantine_fd, to) == 0 &&
              io->fsync(io, log->dir.quarantine_fd) == 0 &&
              io->fsync(io, log->dir.segments_fd) == 0;
    KILL_POINT("spool_recover_file_aside");
    atomic_fetch_add_explicit(&log->quarantined, 1, memory_order_relaxed);
    LOG(LOG_ERROR, "spool_segment_quarantined", LOG_STR("path", log->dir.path),
        LOG_STR("segment", name), LOG_STR("reason", "its header is damaged"),
        LOG_STR("result", ok ? "moved" : err_name(err_from_errno(errno))));
}

static enum err check_file(struct spool_log *log, int fd, const char *name, struct stat *st,
                           struct err_detail *why)
{
    if (log->dir.io->fstat(log->dir.io, fd, st) != 0)
        return err_set_errno(why, errno, "%s/segments/%s", log->dir.path, name);
    if (!S_ISREG(st->st_mode) || st->st_nlink != 1 || st->st_uid != geteuid())
        return err_set(why, ERR_DENIED,
                       "%s/segments/%s is not a plain file of ours with one name: move it away",
                       log->dir.path, name);
    return ERR_OK;
}

static void segment_adopt(struct spool_files *r, uint32_t slot, int fd, const struct stat *st,
                          const struct spool_segment_header *header)
{
    struct spool_log *log = r->log;
    struct spool_segment *s = &log->segments.slots[slot];
    s->fd = fd;
    s->salt = header->salt;
    s->size = (uint32_t)header->size;
    s->end = SPOOL_HEADER_BYTES;
    s->disk_generation = header->generation;
    s->version = header->version;
    if (log->segments.version < header->version)
        log->segments.version = header->version;
    s->state = SPOOL_SEGMENT_SEALED;
    s->discard = (uint64_t)st->st_size < header->size;
    s->odd_size = header->size != log->segments.size_bytes;
    atomic_store(&s->generation, header->generation);
    r->order[r->count++] = slot;
    if (log->segments.used <= slot)
        log->segments.used = slot + 1;
    if (header->next_id > r->id_max)
        r->id_max = header->next_id;
    uint64_t count = header->generation >> SPOOL_SLOT_BITS;
    if (count > log->segments.generation_count)
        log->segments.generation_count = count;
}

static enum err segment_open(struct spool_files *r, uint32_t slot, const char *name,
                             struct err_detail *why)
{
    struct spool_log *log = r->log;
    struct spool_segment_header header;
    struct stat st;
    uint8_t block[SPOOL_HEADER_BYTES];
    size_t unreadable;
    uint32_t version;
    int fd = log->dir.io->openat(log->dir.io, log->dir.segments_fd, name,
                                 O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(why, errno, "%s/segments/%s cannot be opened", log->dir.path, name);
    enum err err = check_file(log, fd, name, &st, why);
    if (err == ERR_OK) {
        size_t len = spool_salvage(&log->dir, fd, block, sizeof block, 0, &unreadable);
        err = spool_header_decode(block, len, slot, &header, &version);
        if (err == ERR_OK && spool_log_of(header.next_id) != log->dir.number)
            err = err_set(why, ERR_DENIED,
                          "%s/segments/%s is of log %u, this is log %u: move it back",
                          log->dir.path, name, spool_log_of(header.next_id), log->dir.number);
        if (err == ERR_OK) {
            segment_adopt(r, slot, fd, &st, &header);
            return ERR_OK;
        }
        if (err == ERR_LIMIT)
            err_set(why, err,
                    "%s/segments/%s has format version %u, this program knows %u: start the newer "
                    "program, or give this one another path",
                    log->dir.path, name, (unsigned)version, (unsigned)SPOOL_VERSION);
    }
    (void)log->dir.io->close(log->dir.io, fd);
    return err;
}

static void sort_latest_first(struct spool_files *r)
{
    for (size_t i = 1; i < r->count; i++) {
        uint32_t slot = r->order[i];
        size_t k = i;
        for (; k > 0 && r->log->segments.slots[r->order[k - 1]].disk_generation <
                            r->log->segments.slots[slot].disk_generation;
             k--)
            r->order[k] = r->order[k - 1];
        r->order[k] = slot;
    }
}

/* Which of NAMES are damaged: by slot, the caller's. */
static enum err open_all(struct spool_files *r, char **names, bool *damaged, struct err_detail *why)
{
    uint32_t slot;
    for (char **name = names; *name; name++) {
        if (!spool_segment_name_parse(*name, "seg-", &slot))
            continue;
        enum err err = segment_open(r, slot, *name, why);
        damaged[slot] = err == ERR_CORRUPT;
        if (err != ERR_OK && err != ERR_CORRUPT)
            return err;
    }
    return ERR_OK;
}

static void tidy(struct spool_log *log, char **names, const bool *damaged)
{
    const struct spool_directory *dir = &log->dir;
    uint32_t slot;
    for (char **name = names; *name; name++) {
        if (spool_segment_name_parse(*name, "seg-", &slot)) {
            if (damaged[slot])
                whole_file_aside(log, *name);
        } else if (spool_segment_name_parse(*name, "new-", &slot)) {
            (void)dir->io->unlinkat(dir->io, dir->segments_fd, *name, 0);
        } else {
            LOG(LOG_WARNING, "spool_unknown_file", LOG_STR("path", dir->path),
                LOG_STR("name", *name));
        }
    }
}

/* Everything is looked at before anything is changed: a newer version is left as it is. */
enum err spool_files_find(struct spool_files *r, struct err_detail *why)
{
    const struct spool_directory *dir = &r->log->dir;
    /* A file that is not here must stay away, also if the process that removed it saw the sync
     * fail: what was said about its messages is forgotten from now on. */
    if (dir->io->fsync(dir->io, dir->segments_fd) != 0)
        return err_set_errno(why, errno, "%s/segments cannot be synced", dir->path);
    char **names = dir->io->list(dir->io, dir->segments_fd);
    if (!names)
        return err_set_errno(why, errno, "%s/segments cannot be listed", dir->path);
    bool *damaged = MEM_NEW_ARRAY(bool, SPOOL_SLOTS);
    enum err err = open_all(r, names, damaged, why);
    if (err == ERR_OK)
        tidy(r->log, names, damaged);
    mem_free(damaged);
    io_list_free(&names);
    sort_latest_first(r);
    return err;
}
