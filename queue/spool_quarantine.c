/* What cannot be read goes to quarantine/ for a human, and is reported; it is never thrown away. */
#include "queue/spool_log_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

enum { SALVAGE_CHUNK = 1024 * 1024, SALVAGE_BLOCK = 4096 };

enum err spool_set_aside(const struct spool_directory *dir, const char *name, const uint8_t *data,
                         size_t len)
{
    struct io *io = dir->io;
    int fd = io->openat(io, dir->quarantine_fd, name,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return ERR_OK; /* by an earlier start */
    enum err err = fd < 0 ? err_from_errno(errno) : ERR_OK;
    struct iovec iov = {(void *)(uintptr_t)data, len};
    if (err == ERR_OK)
        err = io_pwrite_all(io, fd, &iov, 1, 0);
    KILL_POINT("spool_aside_written");
    if (err == ERR_OK && (io->fsync(io, fd) != 0 || io->fsync(io, dir->quarantine_fd) != 0))
        err = err_from_errno(errno);
    if (fd >= 0) {
        (void)io->close(io, fd);
        if (err != ERR_OK)
            (void)io->unlinkat(io, dir->quarantine_fd, name, 0);
    }
    if (err != ERR_OK)
        LOG(LOG_ERROR, "spool_quarantine_failed", LOG_STR("path", dir->path), LOG_STR("name", name),
            LOG_STR("error", err_name(err)));
    return err;
}

/* LEN or less, to the file's end; -1: the disk refuses. */
static ssize_t read_some(const struct spool_directory *dir, int fd, uint8_t *to, size_t len,
                         uint64_t at)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = dir->io->pread(dir->io, fd, to + got, len - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

size_t spool_salvage(const struct spool_directory *dir, int fd, uint8_t *to, size_t len,
                     uint64_t at, size_t *unreadable)
{
    size_t done = 0;
    *unreadable = 0;
    while (done < len) {
        size_t step = len - done < SALVAGE_CHUNK ? len - done : SALVAGE_CHUNK;
        ssize_t n = read_some(dir, fd, to + done, step, at + done);
        if (n < 0) {
            step = step < SALVAGE_BLOCK ? step : SALVAGE_BLOCK;
            n = read_some(dir, fd, to + done, step, at + done);
        }
        if (n < 0) {
            memset(to + done, 0, step);
            ++*unreadable;
            n = (ssize_t)step;
        }
        done += (size_t)n;
        if ((size_t)n < step)
            break;
    }
    return done;
}

static enum err big_set_aside(const struct spool_directory *dir, uint64_t id)
{
    char from[SPOOL_NAME_SIZE], to[SPOOL_NAME_SIZE];
    struct io *io = dir->io;
    snprintf(to, sizeof to, "%016llx.big", (unsigned long long)id);
    if (io->renameat(io, dir->big_fd, spool_big_name(id, from), dir->quarantine_fd, to) != 0)
        return errno == ENOENT ? ERR_OK : err_from_errno(errno);
    KILL_POINT("spool_aside_big_moved");
    if (io->fsync(io, dir->quarantine_fd) != 0 || io->fsync(io, dir->big_fd) != 0)
        return err_from_errno(errno);
    return ERR_OK;
}

static enum err record_set_aside(const struct spool_directory *dir, const struct spool_segment *s,
                                 const struct spool_ref *ref)
{
    char name[SPOOL_NAME_SIZE];
    size_t unreadable;
    if (ref->offset > s->size || ref->length > s->size - ref->offset)
        return ERR_CORRUPT;
    uint8_t *bytes = mem_alloc(ref->length + 1U);
    size_t len = spool_salvage(dir, s->fd, bytes, ref->length, ref->offset, &unreadable);
    snprintf(name, sizeof name, "%016llx-%08x", (unsigned long long)ref->segment,
             (unsigned)ref->offset);
    enum err err = spool_set_aside(dir, name, bytes, len);
    mem_free(bytes);
    return err;
}

enum err spool_set_aside_message(struct spool_log *log, const struct spool_ref *ref,
                                 struct bytes reason)
{
    const struct spool_entry *e = spool_index_find(&log->index, ref->id);
    struct spool_ref now = *ref;
    if (e && e->moved)
        (void)spool_moved_get(&log->moved, ref->id, &now);
    struct spool_segment *s = spool_segment_hold(&log->segments, now.segment);
    if (!s)
        return ERR_NOTFOUND;
    atomic_fetch_add_explicit(&log->quarantined, 1, memory_order_relaxed);
    enum err err = record_set_aside(&log->dir, s, &now);
    if (err == ERR_OK && e && e->big)
        err = big_set_aside(&log->dir, ref->id);
    spool_segment_release(s);
    KILL_POINT("spool_aside_message");
    LOG(LOG_ERROR, "spool_message_quarantined", LOG_STR("path", log->dir.path),
        LOG_U64("id", ref->id), LOG_BYTES("reason", reason), LOG_STR("result", err_name(err)));
    return err;
}
