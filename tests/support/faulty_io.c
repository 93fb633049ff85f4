/* File operations that fail where a test says so, and a disk that forgets what was not synced. */
#include "faulty_io_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"

static struct faulty_io *self(struct io *io)
{
    return CONTAINER_OF(io, struct faulty_io, io);
}

static bool lasts(enum faulty_mode mode, uint64_t after)
{
    switch (mode) {
    case FAULTY_ONCE:
    case FAULTY_SHORT:
        return after == 0;
    case FAULTY_FOR_GOOD:
    case FAULTY_SHORT_FOR_GOOD:
        return true;
    case FAULTY_EVERY_OTHER:
        return after % 2 == 0;
    }
    return false;
}

/* Counts a call; true: it fails, errno is set. */
static bool fails(struct faulty_io *f, enum faulty_kind kind, const char *call)
{
    f->calls++;
    f->syncs += kind == FAULTY_SYNCS;
    if (f->fail_at == 0 || !(f->kinds & kind))
        return false;
    f->seen++;
    if (f->seen < f->fail_at || !lasts(f->mode, f->seen - f->fail_at))
        return false;
    f->failed_call = call;
    errno = f->errnum;
    return true;
}

/* --- What is on the disk --- */

uint8_t *faulty_content(int fd, size_t *len)
{
    struct stat st;
    ASSERT(fstat(fd, &st) == 0);
    *len = (size_t)st.st_size;
    uint8_t *data = mem_alloc(*len + 1);
    ASSERT(pread(fd, data, *len, 0) == (ssize_t)*len);
    return data;
}

static void file_sync(struct file *file)
{
    mem_free(file->synced);
    file->synced = faulty_content(file->fd, &file->synced_len);
}

static struct file *file_new(struct faulty_io *f, int dirfd, const char *name, ino_t ino, bool old)
{
    struct file *file = MEM_NEW(struct file);
    file->ino = ino;
    file->fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ASSERT(file->fd >= 0);
    if (old)
        file_sync(file);
    file->next = f->files;
    f->files = file;
    return file;
}

/* The newest first: a number may be used again after an unlink. */
static struct file *file_find(struct faulty_io *f, ino_t ino)
{
    struct file *file = f->files;
    while (file && file->ino != ino)
        file = file->next;
    return file;
}

void faulty_names_free(struct name **names)
{
    while (*names) {
        struct name *n = *names;
        *names = n->next;
        mem_free(n);
    }
}

/* The names of plain files that are there now. */
struct name *faulty_names_now(struct faulty_io *f, int fd)
{
    struct name *names = NULL;
    char **list = io_system->list(io_system, fd);
    ASSERT(list);
    for (char **text = list; *text; text++) {
        struct stat st;
        if (fstatat(fd, *text, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        struct name *n = MEM_NEW(struct name);
        snprintf(n->text, sizeof n->text, "%s", *text);
        n->file = file_find(f, st.st_ino);
        if (!n->file)
            n->file = file_new(f, fd, *text, st.st_ino, true);
        n->next = names;
        names = n;
    }
    io_list_free(&list);
    return names;
}

static void dir_opened(struct faulty_io *f, int dirfd, const char *name, int fd, ino_t ino)
{
    struct dir *parent = dirfd >= 0 ? f->dir_of[dirfd] : NULL;
    if (!parent && strcmp(name, f->root) != 0)
        return;
    if (parent && strcmp(name, "..") == 0)
        return;
    struct dir *d = f->dirs;
    while (d && d->ino != ino)
        d = d->next;
    if (!d) {
        d = MEM_NEW(struct dir);
        d->ino = ino;
        if (parent)
            ASSERT((size_t)snprintf(d->path, sizeof d->path, "%s/%s", parent->path, name) <
                   sizeof d->path);
        d->synced = faulty_names_now(f, fd);
        d->next = f->dirs;
        f->dirs = d;
    }
    f->dir_of[fd] = d;
}

static void opened(struct faulty_io *f, int dirfd, const char *name, int flags, int fd)
{
    struct stat st;
    ASSERT(fd < FDS_MAX);
    f->file_of[fd] = NULL;
    f->dir_of[fd] = NULL;
    if (fstat(fd, &st) != 0)
        return;
    if (S_ISDIR(st.st_mode)) {
        dir_opened(f, dirfd, name, fd, st.st_ino);
    } else if (S_ISREG(st.st_mode) && dirfd >= 0 && f->dir_of[dirfd]) {
        bool fresh = (flags & O_CREAT) && st.st_size == 0;
        struct file *file = (flags & O_EXCL) ? NULL : file_find(f, st.st_ino);
        f->file_of[fd] = file ? file : file_new(f, dirfd, name, st.st_ino, !fresh);
    }
}

/* --- The calls --- */

static int faulty_openat(struct io *io, int dirfd, const char *name, int flags, mode_t mode)
{
    struct faulty_io *f = self(io);
    if (fails(f, FAULTY_OTHERS, "openat"))
        return -1;
    int fd = openat(dirfd, name, flags, mode);
    if (fd >= 0)
        opened(f, dirfd, name, flags, fd);
    return fd;
}

static int faulty_close(struct io *io, int fd)
{
    struct faulty_io *f = self(io);
    bool failed = fails(f, FAULTY_OTHERS, "close");
    f->file_of[fd] = NULL;
    f->dir_of[fd] = NULL;
    close(fd); /* as the kernel does: closed whatever it says */
    return failed ? -1 : 0;
}

static ssize_t faulty_pread(struct io *io, int fd, void *to, size_t len, off_t at)
{
    return fails(self(io), FAULTY_READS, "pread") ? -1 : pread(fd, to, len, at);
}

static ssize_t faulty_pwritev(struct io *io, int fd, const struct iovec *iov, int count, off_t at)
{
    struct faulty_io *f = self(io);
    struct file *file = f->file_of[fd];
    bool failed = fails(f, FAULTY_WRITES, "pwritev");
    if (file && file->failed)
        f->second_tries++;
    if (!failed)
        return pwritev(fd, iov, count, at);
    if (f->mode == FAULTY_SHORT || f->mode == FAULTY_SHORT_FOR_GOOD) {
        ssize_t done = 0;
        for (int i = 0; i < count && i < (count + 1) / 2; i++) {
            size_t len = count == 1 ? iov[i].iov_len / 2 : iov[i].iov_len;
            done += pwrite(fd, iov[i].iov_base, len, at + done);
        }
        return done;
    }
    if (file && f->errnum != EINTR)
        file->failed = true;
    errno = f->errnum;
    return -1;
}

static int faulty_sync(struct faulty_io *f, int fd, const char *call)
{
    struct file *file = f->file_of[fd];
    if (f->before_sync)
        f->before_sync(f->before_sync_owner);
    bool failed = fails(f, FAULTY_SYNCS, call);
    int errnum = errno;
    if (file && file->failed)
        f->second_tries++;
    if (failed) {
        if (file)
            file->failed = true;
        errno = errnum;
        return -1;
    }
    /* The kernel is not asked: what is "synced" is remembered here, and tests are quick. */
    if (file)
        file_sync(file);
    if (f->dir_of[fd]) {
        faulty_names_free(&f->dir_of[fd]->synced);
        f->dir_of[fd]->synced = faulty_names_now(f, fd);
    }
    return 0;
}

static int faulty_fdatasync(struct io *io, int fd)
{
    return faulty_sync(self(io), fd, "fdatasync");
}

static int faulty_fsync(struct io *io, int fd)
{
    return faulty_sync(self(io), fd, "fsync");
}

static void faulty_write_begin(struct io *io, int fd)
{
    (void)io;
    (void)fd;
}

static int faulty_fallocate(struct io *io, int fd, off_t at, off_t len)
{
    return fails(self(io), FAULTY_OTHERS, "fallocate") ? -1 : fallocate(fd, 0, at, len);
}

static int faulty_ftruncate(struct io *io, int fd, off_t len)
{
    return fails(self(io), FAULTY_OTHERS, "ftruncate") ? -1 : ftruncate(fd, len);
}

static int faulty_fstat(struct io *io, int fd, struct stat *out)
{
    return fails(self(io), FAULTY_OTHERS, "fstat") ? -1 : fstat(fd, out);
}

static int faulty_fstatvfs(struct io *io, int fd, struct statvfs *out)
{
    struct faulty_io *f = self(io);
    if (fails(f, FAULTY_OTHERS, "fstatvfs"))
        return -1;
    int rc = fstatvfs(fd, out);
    if (rc == 0 && f->free_set) {
        out->f_frsize = 1;
        out->f_bavail = f->free_bytes;
    }
    return rc;
}

static int faulty_mkdirat(struct io *io, int dirfd, const char *name, mode_t mode)
{
    return fails(self(io), FAULTY_OTHERS, "mkdirat") ? -1 : mkdirat(dirfd, name, mode);
}

/* Below the root; false: it is none of the directories that were opened. */
static bool path_of(const struct faulty_io *f, int dirfd, const char *name,
                    char to[TEMP_DIR_SIZE * 2])
{
    const struct dir *parent = dirfd >= 0 ? f->dir_of[dirfd] : NULL;
    return parent &&
           (size_t)snprintf(to, TEMP_DIR_SIZE * 2, "%s/%s", parent->path, name) < TEMP_DIR_SIZE * 2;
}

/* A directory's new name counts as synced at once: op_log.h tries what comes of it if not. */
static void dirs_rename(struct faulty_io *f, const char *old, const char *new_path)
{
    size_t len = strlen(old);
    for (struct dir *d = f->dirs; d; d = d->next) {
        char rest[TEMP_DIR_SIZE * 2];
        if (strncmp(d->path, old, len) != 0 || (d->path[len] != '/' && d->path[len] != '\0'))
            continue;
        snprintf(rest, sizeof rest, "%s", d->path + len);
        ASSERT((size_t)snprintf(d->path, sizeof d->path, "%s%s", new_path, rest) < sizeof d->path);
    }
}

static void dir_forget(struct faulty_io *f, const char *path)
{
    for (struct dir **link = &f->dirs; *link; link = &(*link)->next) {
        struct dir *d = *link;
        if (strcmp(d->path, path) != 0)
            continue;
        for (size_t fd = 0; fd < FDS_MAX; fd++)
            if (f->dir_of[fd] == d)
                f->dir_of[fd] = NULL;
        *link = d->next;
        faulty_names_free(&d->synced);
        mem_free(d);
        return;
    }
}

static int faulty_renameat(struct io *io, int olddir, const char *old, int newdir,
                           const char *new_name)
{
    char from[TEMP_DIR_SIZE * 2], to[TEMP_DIR_SIZE * 2];
    struct faulty_io *f = self(io);
    if (fails(f, FAULTY_OTHERS, "renameat"))
        return -1;
    int rc = renameat(olddir, old, newdir, new_name);
    if (rc == 0 && path_of(f, olddir, old, from) && path_of(f, newdir, new_name, to))
        dirs_rename(f, from, to);
    return rc;
}

static int faulty_unlinkat(struct io *io, int dirfd, const char *name, int flags)
{
    char path[TEMP_DIR_SIZE * 2];
    struct faulty_io *f = self(io);
    if (fails(f, FAULTY_OTHERS, "unlinkat"))
        return -1;
    int rc = unlinkat(dirfd, name, flags);
    if (rc == 0 && (flags & AT_REMOVEDIR) && path_of(f, dirfd, name, path))
        dir_forget(f, path);
    return rc;
}

static int faulty_lock(struct io *io, int fd)
{
    return fails(self(io), FAULTY_OTHERS, "lock") ? -1 : io_system->lock(io_system, fd);
}

static char **faulty_list(struct io *io, int dirfd)
{
    return fails(self(io), FAULTY_OTHERS, "list") ? NULL : io_system->list(io_system, dirfd);
}

struct faulty_io *faulty_io_new(const char *root)
{
    struct faulty_io *f = MEM_NEW(struct faulty_io);
    snprintf(f->root, sizeof f->root, "%s", root);
    f->io = (struct io){
        .openat = faulty_openat,
        .close = faulty_close,
        .pread = faulty_pread,
        .pwritev = faulty_pwritev,
        .fdatasync = faulty_fdatasync,
        .fsync = faulty_fsync,
        .write_begin = faulty_write_begin,
        .fallocate = faulty_fallocate,
        .ftruncate = faulty_ftruncate,
        .fstat = faulty_fstat,
        .fstatvfs = faulty_fstatvfs,
        .mkdirat = faulty_mkdirat,
        .renameat = faulty_renameat,
        .unlinkat = faulty_unlinkat,
        .lock = faulty_lock,
        .list = faulty_list,
    };
    return f;
}

void faulty_io_free(struct faulty_io **fp)
{
    struct faulty_io *f = *fp;
    if (!f)
        return;
    for (struct dir *d = f->dirs, *next; d; d = next) {
        next = d->next;
        faulty_names_free(&d->synced);
        mem_free(d);
    }
    for (struct file *file = f->files, *next; file; file = next) {
        next = file->next;
        close(file->fd);
        mem_free(file->synced);
        mem_free(file);
    }
    mem_free(f);
    *fp = NULL;
}

struct io *faulty_io_of(struct faulty_io *f)
{
    return &f->io;
}

void faulty_io_fail_kinds(struct faulty_io *f, unsigned kinds, uint64_t n, int errnum,
                          enum faulty_mode mode)
{
    faulty_io_heal(f);
    f->kinds = kinds;
    f->fail_at = n;
    f->errnum = errnum;
    f->mode = mode;
}

void faulty_io_fail(struct faulty_io *f, uint64_t n, int errnum, enum faulty_mode mode)
{
    faulty_io_fail_kinds(f, FAULTY_ANY, n, errnum, mode);
}

void faulty_io_fail_sync(struct faulty_io *f, uint64_t n, int errnum)
{
    faulty_io_fail_kinds(f, FAULTY_SYNCS, n, errnum, FAULTY_ONCE);
}

void faulty_io_heal(struct faulty_io *f)
{
    f->fail_at = f->seen = 0;
    f->failed_call = NULL;
}

bool faulty_io_has_failed(const struct faulty_io *f)
{
    return f->failed_call;
}

const char *faulty_io_failed_call(const struct faulty_io *f)
{
    return f->failed_call;
}

uint64_t faulty_io_seen(const struct faulty_io *f)
{
    return f->seen;
}

uint64_t faulty_io_calls(const struct faulty_io *f)
{
    return f->calls;
}

uint64_t faulty_io_syncs(const struct faulty_io *f)
{
    return f->syncs;
}

uint64_t faulty_io_second_tries(const struct faulty_io *f)
{
    return f->second_tries;
}

void faulty_io_new_process(struct faulty_io *f)
{
    for (struct file *file = f->files; file; file = file->next)
        file->failed = false;
}

void faulty_io_set_free(struct faulty_io *f, uint64_t bytes)
{
    f->free_set = true;
    f->free_bytes = bytes;
}

void faulty_io_before_sync(struct faulty_io *f, void (*call)(void *owner), void *owner)
{
    f->before_sync = call;
    f->before_sync_owner = owner;
}
