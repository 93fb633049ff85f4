/* A log beyond the first that has no message left: it is ended, at a start.
 *
 * Its directory gets the name ended-<next id>: that is one step, before which the log is there as
 * a whole and after which it is no log, and the name keeps the ids that were handed out from being
 * used again. Only when the new name is on the disk is anything in it removed: if the
 * segments of a log vanished one by one, some might come back without those that say what was done
 * in them.
 * The empty directory stays.
 */
#include "queue/spool_log_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/kill_point.h"
#include "core/log.h"

enum { OPEN_DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* --- Is there anything left in it? --- */

/* Nothing but what IS_OURS knows. What cannot be listed is not empty. */
static bool holds_only(struct io *io, int fd, bool (*is_ours)(const char *name))
{
    char **names = io->list(io, fd);
    if (!names)
        return false;
    bool only = true;
    for (char **name = names; *name && only; name++)
        only = is_ours(*name);
    io_list_free(&names);
    return only;
}

static bool is_part(const char *name)
{
    return strcmp(name, "lock") == 0 || strcmp(name, "segments") == 0 || strcmp(name, "big") == 0 ||
           strcmp(name, "quarantine") == 0;
}

static bool is_segment(const char *name)
{
    uint32_t slot;
    return spool_segment_name_parse(name, "seg-", &slot) ||
           spool_segment_name_parse(name, "new-", &slot);
}

/* Removed before, and back after a power cut. */
static bool is_big(const char *name)
{
    uint64_t id;
    return spool_big_name_parse(name, &id);
}

static bool is_none(const char *name)
{
    (void)name;
    return false;
}

/* A segment that was damaged, void or could not be read may hold more than was found. */
static bool drained(struct spool_log *log)
{
    if (log->index.count > 0 || atomic_load(&log->quarantined) > 0)
        return false;
    for (uint32_t i = 0; i < log->segments.used; i++)
        if (log->segments.slots[i].discard)
            return false;
    return holds_only(log->dir.io, log->dir.root_fd, is_part) &&
           holds_only(log->dir.io, log->dir.segments_fd, is_segment) &&
           holds_only(log->dir.io, log->dir.big_fd, is_none) &&
           holds_only(log->dir.io, log->dir.quarantine_fd, is_none);
}

/* --- What is left of a log that has ended --- */

/* A directory of one: the files in it that IS_OURS knows, and itself. */
static void part_remove(struct io *io, int parent, const char *part,
                        bool (*is_ours)(const char *name))
{
    int fd = io->openat(io, parent, part, OPEN_DIRECTORY, 0);
    char **names = fd >= 0 ? io->list(io, fd) : NULL;
    for (char **name = names; names && *name; name++) {
        if (is_ours(*name))
            (void)io->unlinkat(io, fd, *name, 0);
        KILL_POINT("spool_ended_file_removed");
    }
    if (names)
        io_list_free(&names);
    if (fd >= 0)
        (void)io->close(io, fd);
    (void)io->unlinkat(io, parent, part, AT_REMOVEDIR);
}

/* What cannot be removed now is removed by another start: it is not read any more. */
static void content_remove(struct io *io, int root, const char *name)
{
    int fd = io->openat(io, root, name, OPEN_DIRECTORY, 0);
    if (fd < 0)
        return;
    part_remove(io, fd, "segments", is_segment);
    part_remove(io, fd, "big", is_big);
    part_remove(io, fd, "quarantine", is_none);
    (void)io->unlinkat(io, fd, "lock", 0);
    (void)io->close(io, fd);
}

bool spool_ended_try(struct spool_log *log)
{
    char from[SPOOL_NAME_SIZE], to[SPOOL_NAME_SIZE];
    struct io *io = log->dir.io;
    int root = log->dir.first->root_fd;
    if (!drained(log))
        return false;
    spool_log_name(log->dir.number, from);
    spool_ended_name(atomic_load(&log->segments.next_id), to);
    if (io->renameat(io, root, from, root, to) != 0) {
        LOG(LOG_ERROR, "spool_log_end_failed", LOG_STR("path", log->dir.path),
            LOG_STR("error", err_name(err_from_errno(errno))));
        return false;
    }
    KILL_POINT("spool_log_renamed");
    LOG(LOG_INFO, "spool_log_ended", LOG_STR("path", log->dir.path), LOG_STR("now", to));
    if (io->fsync(io, root) == 0)
        content_remove(io, root, to);
    else
        LOG(LOG_ERROR, "spool_log_end_failed", LOG_STR("path", log->dir.path),
            LOG_STR("error", err_name(err_from_errno(errno))));
    return true;
}

void spool_ended_clean(const struct spool_directory *first, const char *name)
{
    content_remove(first->io, first->root_fd, name);
}
