/* The spool's directories: ours alone, opened once without following links, used by descriptor. */
#include "queue/spool_directory_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/kill_point.h"
#include "core/mem.h"
#include "queue/spool_format.h"

enum { OPEN_DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* PATH of the spool, or a folder in it. */
static char *path_of(const struct spool_directory *first, unsigned number, const char *path)
{
    char name[SPOOL_NAME_SIZE];
    if (first)
        path = first->path;
    size_t len = strlen(path);
    char *to = mem_alloc(len + SPOOL_NAME_SIZE + 1);
    memcpy(to, path, len + 1);
    /* With a slash at its end a symbolic link would be followed. */
    for (; len > 1 && to[len - 1] == '/'; len--)
        to[len - 1] = '\0';
    if (first)
        snprintf(to + len, SPOOL_NAME_SIZE + 1, "/%s", spool_log_name(number, name));
    return to;
}

void spool_directory_init(struct spool_directory *dir, const char *path, struct io *io,
                          const struct spool_directory *first, unsigned number)
{
    ASSERT((number == 0) == !first && number < SPOOL_LOGS);
    *dir = (struct spool_directory){
        .number = number,
        .first = first,
        .path = path_of(first, number, path),
        .io = io,
        .root_fd = -1,
        .segments_fd = -1,
        .big_fd = -1,
        .quarantine_fd = -1,
        .lock_fd = -1,
    };
}

static enum err check_owner(struct spool_directory *dir, int fd, const char *name,
                            struct err_detail *why)
{
    struct stat st;
    if (dir->io->fstat(dir->io, fd, &st) != 0)
        return err_set_errno(why, errno, "%s%s", dir->path, name);
    if (st.st_uid != geteuid())
        return err_set(why, ERR_DENIED,
                       "%s%s belongs to user %u, not to %u, which runs this: change its owner",
                       dir->path, name, (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & 022)
        return err_set(why, ERR_DENIED,
                       "%s%s may be written to by others (mode %04o): chmod it to 0700", dir->path,
                       name, (unsigned)st.st_mode & 07777);
    return ERR_OK;
}

/* The right to rename in the parent is the right to put another directory in our place. */
static enum err check_parent(struct spool_directory *dir, bool sync, struct err_detail *why)
{
    struct io *io = dir->io;
    struct stat st;
    enum err err = ERR_OK;
    int fd =
        io->openat(io, dir->root_fd, "..", (sync ? O_RDONLY : O_PATH) | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0 || io->fstat(io, fd, &st) != 0 || (sync && io->fsync(io, fd) != 0))
        err = err_set_errno(why, errno, "the directory that holds %s", dir->path);
    else if ((st.st_mode & 002) && !(st.st_mode & S_ISVTX))
        err = err_set(why, ERR_DENIED,
                      "the directory that holds %s may be written to by all users: chmod o-w it",
                      dir->path);
    if (fd >= 0)
        (void)io->close(io, fd);
    return err;
}

static enum err open_error(struct spool_directory *dir, const char *name, struct err_detail *why)
{
    if (errno == ENOTDIR || errno == ELOOP)
        return err_set(why, ERR_DENIED,
                       "%s%s is a symbolic link or no directory: name the directory itself",
                       dir->path, name);
    return err_set_errno(why, errno, "%s%s cannot be opened", dir->path, name);
}

static enum err open_root(struct spool_directory *dir, struct err_detail *why)
{
    struct io *io = dir->io;
    char log_name[SPOOL_NAME_SIZE];
    const char *name = dir->first ? spool_log_name(dir->number, log_name) : dir->path;
    int parent = dir->first ? dir->first->root_fd : AT_FDCWD;
    /* The entry of a log that an earlier start made may not be on the disk yet. */
    bool made = dir->first;
    int fd = io->openat(io, parent, name, OPEN_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT) {
        if (io->mkdirat(io, parent, name, 0700) != 0)
            return err_set_errno(why, errno,
                                 "%s cannot be created: the directory that holds it must exist",
                                 dir->path);
        made = true;
        KILL_POINT("spool_root_made");
        fd = io->openat(io, parent, name, OPEN_DIRECTORY, 0);
    }
    if (fd < 0)
        return open_error(dir, "", why);
    dir->root_fd = fd;
    enum err err = check_owner(dir, fd, "", why);
    return err == ERR_OK ? check_parent(dir, made, why) : err;
}

/* NAME begins with a slash, for messages. */
static enum err open_sub(struct spool_directory *dir, const char *name, int *fd,
                         struct err_detail *why)
{
    struct io *io = dir->io;
    if (io->mkdirat(io, dir->root_fd, name + 1, 0700) != 0 && errno != EEXIST)
        return err_set_errno(why, errno, "%s%s cannot be created", dir->path, name);
    KILL_POINT("spool_directory_made");
    *fd = io->openat(io, dir->root_fd, name + 1, OPEN_DIRECTORY, 0);
    if (*fd < 0)
        return open_error(dir, name, why);
    return check_owner(dir, *fd, name, why);
}

static enum err lock(struct spool_directory *dir, struct err_detail *why)
{
    struct io *io = dir->io;
    dir->lock_fd = io->openat(io, dir->root_fd, "lock",
                              O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (dir->lock_fd < 0)
        return err_set_errno(why, errno, "%s/lock cannot be opened", dir->path);
    if (io->lock(io, dir->lock_fd) == 0)
        return ERR_OK;
    if (errno == EWOULDBLOCK)
        return err_set(why, ERR_EXISTS, "%s is in use by another process: stop that one first",
                       dir->path);
    return err_set_errno(why, errno, "%s/lock cannot be locked", dir->path);
}

enum err spool_directory_open(struct spool_directory *dir, struct err_detail *why)
{
    enum err err = open_root(dir, why);
    if (err == ERR_OK)
        err = lock(dir, why);
    if (err == ERR_OK)
        err = open_sub(dir, "/segments", &dir->segments_fd, why);
    if (err == ERR_OK)
        err = open_sub(dir, "/big", &dir->big_fd, why);
    if (err == ERR_OK)
        err = open_sub(dir, "/quarantine", &dir->quarantine_fd, why);
    KILL_POINT("spool_directories_made");
    if (err == ERR_OK && dir->io->fsync(dir->io, dir->root_fd) != 0)
        err = err_set_errno(why, errno, "%s cannot be synced", dir->path);
    return err;
}

void spool_directory_close(struct spool_directory *dir)
{
    int *fds[] = {&dir->segments_fd, &dir->big_fd, &dir->quarantine_fd, &dir->lock_fd,
                  &dir->root_fd};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        if (*fds[i] >= 0)
            (void)dir->io->close(dir->io, *fds[i]);
        *fds[i] = -1;
    }
    mem_free(dir->path);
    dir->path = NULL;
}
