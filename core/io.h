/* core/io.h - every file operation of the spool goes through here and nowhere else.
 *
 * Production goes straight through to the kernel; tests count the calls, fail the n-th, cut a
 * write short, or record the operations to replay every state a power cut could have left.
 * Functions return what the system call returns, with errno set; EINTR is the shim's to retry
 * (io_pwrite_all, io_pread_all). Any thread.
 */
#ifndef CORE_IO_H
#define CORE_IO_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/err.h"

struct io {
    int (*openat)(struct io *io, int dirfd, const char *name, int flags, mode_t mode);
    int (*close)(struct io *io, int fd);
    ssize_t (*pread)(struct io *io, int fd, void *to, size_t len, off_t at);
    ssize_t (*pwritev)(struct io *io, int fd, const struct iovec *iov, int count, off_t at);
    int (*fdatasync)(struct io *io, int fd);
    int (*fsync)(struct io *io, int fd);
    /* Begins to write what is dirty and does not wait. Promises nothing and tells nothing: whether
     * all went well is fsync()'s to say. */
    void (*write_begin)(struct io *io, int fd);
    int (*fallocate)(struct io *io, int fd, off_t at, off_t len);
    int (*ftruncate)(struct io *io, int fd, off_t len);
    int (*fstat)(struct io *io, int fd, struct stat *out);
    int (*fstatvfs)(struct io *io, int fd, struct statvfs *out);
    int (*mkdirat)(struct io *io, int dirfd, const char *name, mode_t mode);
    int (*renameat)(struct io *io, int olddir, const char *old, int newdir, const char *new_name);
    int (*unlinkat)(struct io *io, int dirfd, const char *name, int flags);
    int (*lock)(struct io *io, int fd); /* exclusive, not waiting: flock */
    /* Names in the directory, in no order, "." and ".." left out; a mem_alloc'ed array of
     * mem_alloc'ed names, ended by NULL; NULL with errno on failure. */
    char **(*list)(struct io *io, int dirfd);
};

extern struct io *const io_system;

/* All of it or an error: retries EINTR and continues after short transfers. pread: ERR_CORRUPT
 * when the file ends first. */
MUST_USE enum err io_pwrite_all(struct io *io, int fd, struct iovec *iov, int count, off_t at);
MUST_USE enum err io_pread_all(struct io *io, int fd, void *to, size_t len, off_t at);
void io_list_free(char ***names);

#endif
