/* The file operations of the spool, straight to the kernel. */
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/vector.h"

static int system_openat(struct io *io, int dirfd, const char *name, int flags, mode_t mode)
{
    (void)io;
    return openat(dirfd, name, flags, mode);
}

static int system_close(struct io *io, int fd)
{
    (void)io;
    return close(fd);
}

static ssize_t system_pread(struct io *io, int fd, void *to, size_t len, off_t at)
{
    (void)io;
    return pread(fd, to, len, at);
}

static ssize_t system_pwritev(struct io *io, int fd, const struct iovec *iov, int count, off_t at)
{
    (void)io;
    return pwritev(fd, iov, count, at);
}

static int system_fdatasync(struct io *io, int fd)
{
    (void)io;
    return fdatasync(fd);
}

static int system_fsync(struct io *io, int fd)
{
    (void)io;
    return fsync(fd);
}

static void system_write_begin(struct io *io, int fd)
{
    (void)io;
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int system_fallocate(struct io *io, int fd, off_t at, off_t len)
{
    (void)io;
    return fallocate(fd, 0, at, len);
}

static int system_ftruncate(struct io *io, int fd, off_t len)
{
    (void)io;
    return ftruncate(fd, len);
}

static int system_fstat(struct io *io, int fd, struct stat *out)
{
    (void)io;
    return fstat(fd, out);
}

static int system_fstatvfs(struct io *io, int fd, struct statvfs *out)
{
    (void)io;
    return fstatvfs(fd, out);
}

static int system_mkdirat(struct io *io, int dirfd, const char *name, mode_t mode)
{
    (void)io;
    return mkdirat(dirfd, name, mode);
}

static int system_renameat(struct io *io, int olddir, const char *old, int newdir,
                           const char *new_name)
{
    (void)io;
    return renameat(olddir, old, newdir, new_name);
}

static int system_unlinkat(struct io *io, int dirfd, const char *name, int flags)
{
    (void)io;
    return unlinkat(dirfd, name, flags);
}

static int system_lock(struct io *io, int fd)
{
    (void)io;
    return flock(fd, LOCK_EX | LOCK_NB);
}

/* Reads DIR to its end; names ended by NULL, or NULL with errno when readdir failed. */
static char **read_names(DIR *dir)
{
    struct {
        char **items;
        size_t count, capacity;
    } names = {0};
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        *VECTOR_ADD(&names) = mem_strdup(entry->d_name);
    }
    int errnum = errno;
    *VECTOR_ADD(&names) = NULL;
    if (errnum != 0)
        io_list_free(&names.items);
    errno = errnum;
    return names.items;
}

/* By a descriptor of its own: closedir() would close the caller's, and share its offset. */
static char **system_list(struct io *io, int dirfd)
{
    (void)io;
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int errnum = errno;
        close(fd);
        errno = errnum;
        return NULL;
    }
    char **names = read_names(dir);
    int errnum = errno;
    closedir(dir);
    errno = errnum;
    return names;
}

static struct io io_kernel = {
    .openat = system_openat,
    .close = system_close,
    .pread = system_pread,
    .pwritev = system_pwritev,
    .fdatasync = system_fdatasync,
    .fsync = system_fsync,
    .write_begin = system_write_begin,
    .fallocate = system_fallocate,
    .ftruncate = system_ftruncate,
    .fstat = system_fstat,
    .fstatvfs = system_fstatvfs,
    .mkdirat = system_mkdirat,
    .renameat = system_renameat,
    .unlinkat = system_unlinkat,
    .lock = system_lock,
    .list = system_list,
};
struct io *const io_system = &io_kernel;

/* Drops LEN written bytes, and all empty pieces, at the front of the vector. */
static void iov_consume(struct iovec **iov, int *count, size_t len)
{
    while (*count > 0 && len >= (*iov)->iov_len) {
        len -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (len > 0) {
        ASSERT(*count > 0);
        (*iov)->iov_base = (char *)(*iov)->iov_base + len;
        (*iov)->iov_len -= len;
    }
}

enum err io_pwrite_all(struct io *io, int fd, struct iovec *iov, int count, off_t at)
{
    iov_consume(&iov, &count, 0);
    while (count > 0) {
        ssize_t n = io->pwritev(io, fd, iov, count < IOV_MAX ? count : IOV_MAX, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno);
        /* No progress and no errno: nothing a retry would mend. */
        if (n == 0)
            return ERR_IO;
        at += n;
        iov_consume(&iov, &count, (size_t)n);
    }
    return ERR_OK;
}

enum err io_pread_all(struct io *io, int fd, void *to, size_t len, off_t at)
{
    char *p = to;
    while (len > 0) {
        ssize_t n = io->pread(io, fd, p, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            return ERR_CORRUPT;
        p += n;
        at += n;
        len -= (size_t)n;
    }
    return ERR_OK;
}

void io_list_free(char ***names)
{
    if (!*names)
        return;
    for (char **name = *names; *name; name++)
        mem_free(*name);
    mem_free(*names);
    *names = NULL;
}
