/* The spool's directories: ours alone, opened once without following links, used by descriptor. */
#include "queue/spool_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/kill_point.h"
#include "core/mem.h"

enum { OPEN_DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static enum err check_owner(struct spool_log *spool, int fd, const char *name,
                            struct err_detail *why)
{
    struct stat st;
    if (spool->io->fstat(spool->io, fd, &st) != 0)
        return err_set_errno(why, errno, "%s%s", spool->path, name);
    if (st.st_uid != geteuid())
        return err_set(why, ERR_DENIED,
                       "%s%s belongs to user %u, not to %u who runs this: change its owner",
                       spool->path, name, (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & 022)
        return err_set(why, ERR_DENIED,
                       "%s%s may be written to by others (mode %04o): chmod it to 0700",
                       spool->path, name, (unsigned)st.st_mode & 07777);
    return ERR_OK;
}

/* Whoever may rename in the parent can put another directory in our place. */
static enum err check_parent(struct spool_log *spool, bool sync, struct err_detail *why)
{
    struct io *io = spool->io;
    struct stat st;
    enum err err = ERR_OK;
    int fd = io->openat(io, spool->root_fd, "..",
                        (sync ? O_RDONLY : O_PATH) | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0 || io->fstat(io, fd, &st) != 0 || (sync && io->fsync(io, fd) != 0))
        err = err_set_errno(why, errno, "the directory that holds %s", spool->path);
    else if ((st.st_mode & 002) && !(st.st_mode & S_ISVTX))
        err = err_set(why, ERR_DENIED,
                      "the directory that holds %s may be written to by everyone: chmod o-w it",
                      spool->path);
    if (fd >= 0)
        (void)io->close(io, fd);
    return err;
}

static enum err open_error(struct spool_log *spool, const char *name, struct err_detail *why)
{
    if (errno == ENOTDIR || errno == ELOOP)
        return err_set(why, ERR_DENIED,
                       "%s%s is a symbolic link or no directory: name the directory itself",
                       spool->path, name);
    return err_set_errno(why, errno, "%s%s cannot be opened", spool->path, name);
}

static enum err open_root(struct spool_log *spool, struct err_detail *why)
{
    struct io *io = spool->io;
    char log_name[SPOOL_NAME_SIZE];
    const char *name = spool->first ? spool_log_name(spool->number, log_name) : spool->path;
    int parent = spool->first ? spool->first->root_fd : AT_FDCWD;
    /* The entry of a log that an earlier start made may not be on the disk yet. */
    bool made = spool->first != NULL;
    int fd = io->openat(io, parent, name, OPEN_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT) {
        if (io->mkdirat(io, parent, name, 0700) != 0)
            return err_set_errno(why, errno,
                                 "%s cannot be created: the directory that holds it must exist",
                                 spool->path);
        made = true;
        KILL_POINT("spool_root_made");
        fd = io->openat(io, parent, name, OPEN_DIRECTORY, 0);
    }
    if (fd < 0)
        return open_error(spool, "", why);
    spool->root_fd = fd;
    enum err err = check_owner(spool, fd, "", why);
    return err == ERR_OK ? check_parent(spool, made, why) : err;
}

/* NAME begins with a slash, for messages. */
static enum err open_sub(struct spool_log *spool, const char *name, int *fd, struct err_detail *why)
{
    struct io *io = spool->io;
    if (io->mkdirat(io, spool->root_fd, name + 1, 0700) != 0 && errno != EEXIST)
        return err_set_errno(why, errno, "%s%s cannot be created", spool->path, name);
    KILL_POINT("spool_directory_made");
    *fd = io->openat(io, spool->root_fd, name + 1, OPEN_DIRECTORY, 0);
    if (*fd < 0)
        return open_error(spool, name, why);
    return check_owner(spool, *fd, name, why);
}

static enum err lock(struct spool_log *spool, struct err_detail *why)
{
    struct io *io = spool->io;
    spool->lock_fd = io->openat(io, spool->root_fd, "lock",
                                O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (spool->lock_fd < 0)
        return err_set_errno(why, errno, "%s/lock cannot be opened", spool->path);
    if (io->lock(io, spool->lock_fd) == 0)
        return ERR_OK;
    if (errno == EWOULDBLOCK)
        return err_set(why, ERR_EXISTS, "%s is in use by another process: stop that one first",
                       spool->path);
    return err_set_errno(why, errno, "%s/lock cannot be locked", spool->path);
}

enum err spool_directories_open(struct spool_log *spool, struct err_detail *why)
{
    enum err err = open_root(spool, why);
    if (err == ERR_OK)
        err = lock(spool, why);
    if (err == ERR_OK)
        err = open_sub(spool, "/segments", &spool->segments_fd, why);
    if (err == ERR_OK)
        err = open_sub(spool, "/big", &spool->big_fd, why);
    if (err == ERR_OK)
        err = open_sub(spool, "/quarantine", &spool->quarantine_fd, why);
    KILL_POINT("spool_directories_made");
    if (err == ERR_OK && spool->io->fsync(spool->io, spool->root_fd) != 0)
        err = err_set_errno(why, errno, "%s cannot be synced", spool->path);
    return err;
}

void spool_directories_close(struct spool_log *spool)
{
    int *fds[] = {&spool->segments_fd, &spool->big_fd, &spool->quarantine_fd, &spool->lock_fd,
                  &spool->root_fd};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        if (*fds[i] >= 0)
            (void)spool->io->close(spool->io, *fds[i]);
        *fds[i] = -1;
    }
}
