/* core/io: write all, write many pieces, read all, directory, file. */
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "unit.h"

/* Transfers at most `step` bytes a call; every third call is interrupted; the `fail_at`-th fails
 * with `fail_errno`, or transfers nothing when that is 0. */
struct faulty {
    struct io io;
    size_t step;
    int calls, fail_at, fail_errno;
};

static bool faulty_stops(struct faulty *f, ssize_t *result)
{
    f->calls++;
    if (f->calls == f->fail_at) {
        errno = f->fail_errno;
        *result = f->fail_errno ? -1 : 0;
        return true;
    }
    if (f->calls % 3 == 0) {
        errno = EINTR;
        *result = -1;
        return true;
    }
    return false;
}

static ssize_t faulty_pread(struct io *io, int fd, void *to, size_t len, off_t at)
{
    struct faulty *f = CONTAINER_OF(io, struct faulty, io);
    ssize_t result;
    if (faulty_stops(f, &result))
        return result;
    return pread(fd, to, len < f->step ? len : f->step, at);
}

static ssize_t faulty_pwritev(struct io *io, int fd, const struct iovec *iov, int count, off_t at)
{
    struct faulty *f = CONTAINER_OF(io, struct faulty, io);
    ssize_t result;
    if (faulty_stops(f, &result))
        return result;
    char bytes[4096];
    size_t len = 0;
    for (int i = 0; i < count; i++)
        for (size_t k = 0; k < iov[i].iov_len && len < f->step; k++)
            bytes[len++] = ((char *)iov[i].iov_base)[k];
    return pwrite(fd, bytes, len, at);
}

static int temporary_dir(char *path)
{
    strncpy(path, "/tmp/test_io.XXXXXX", 32);
    CHECK(mkdtemp(path));
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void test_write_all(void)
{
    static const struct {
        const char *name;
        size_t step;
        int fail_at, fail_errno;
        enum err e;
    } rows[] = {
        {"in one", 4096, 0, 0, ERR_OK},
        {"byte by byte", 1, 0, 0, ERR_OK},
        {"five at a time", 5, 0, 0, ERR_OK},
        {"disk full", 5, 2, ENOSPC, ERR_NOSPACE},
        {"input or output error", 5, 4, EIO, ERR_IO},
        {"no progress", 5, 2, 0, ERR_IO},
    };
    char path[32];
    int dir = temporary_dir(path);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct faulty f = {.io = *io_system,
                           .step = rows[i].step,
                           .fail_at = rows[i].fail_at,
                           .fail_errno = rows[i].fail_errno};
        f.io.pwritev = faulty_pwritev;
        char a[] = "hello", b[] = " ", c[] = "world, again";
        struct iovec iov[] = {{a, 0}, {a, 5}, {b, 0}, {b, 1}, {c, 12}, {c, 0}};
        int fd = io_system->openat(io_system, dir, "f", O_RDWR | O_CREAT | O_TRUNC, 0600);
        CHECK(fd >= 0);
        CHECK_U64(io_pwrite_all(&f.io, fd, iov, 6, 3), rows[i].e);
        if (rows[i].e == ERR_OK) {
            char back[32] = "";
            CHECK_U64(io_pread_all(io_system, fd, back, 18, 3), ERR_OK);
            CHECK_STR(back, "hello world, again");
        }
        CHECK(io_system->close(io_system, fd) == 0);
    }
    CHECK(io_system->unlinkat(io_system, dir, "f", 0) == 0);
    close(dir);
    rmdir(path);
}

static void test_write_many_pieces(void)
{
    enum { PIECES = 3000 };
    char path[32], byte = 'x';
    int dir = temporary_dir(path);
    int fd = io_system->openat(io_system, dir, "f", O_RDWR | O_CREAT, 0600);
    struct iovec *iov = MEM_NEW_ARRAY(struct iovec, PIECES);
    for (int i = 0; i < PIECES; i++)
        iov[i] = (struct iovec){&byte, 1};
    CHECK_U64(io_pwrite_all(io_system, fd, iov, PIECES, 0), ERR_OK);
    struct stat st;
    CHECK(io_system->fstat(io_system, fd, &st) == 0);
    CHECK_U64(st.st_size, PIECES);
    mem_free(iov);
    io_system->close(io_system, fd);
    io_system->unlinkat(io_system, dir, "f", 0);
    close(dir);
    rmdir(path);
}

static void test_read_all(void)
{
    static const struct {
        const char *name;
        size_t step, len;
        int fail_at, fail_errno;
        enum err e;
    } rows[] = {
        {"in one", 4096, 10, 0, 0, ERR_OK}, {"byte by byte", 1, 10, 0, 0, ERR_OK},
        {"nothing", 4, 0, 0, 0, ERR_OK},    {"past the end", 4, 11, 0, 0, ERR_CORRUPT},
        {"fails", 4, 10, 2, EIO, ERR_IO},
    };
    char path[32];
    int dir = temporary_dir(path);
    int fd = io_system->openat(io_system, dir, "f", O_RDWR | O_CREAT, 0600);
    CHECK(pwrite(fd, "0123456789", 10, 0) == 10);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct faulty f = {.io = *io_system,
                           .step = rows[i].step,
                           .fail_at = rows[i].fail_at,
                           .fail_errno = rows[i].fail_errno};
        f.io.pread = faulty_pread;
        char back[16] = "";
        CHECK_U64(io_pread_all(&f.io, fd, back, rows[i].len, 0), rows[i].e);
        if (rows[i].e == ERR_OK)
            CHECK_BYTES(bytes_of(back), bytes_sub(BYTES("0123456789"), 0, rows[i].len));
    }
    io_system->close(io_system, fd);
    io_system->unlinkat(io_system, dir, "f", 0);
    close(dir);
    rmdir(path);
}

static void test_directory(void)
{
    static const char *const names[] = {"a", "b", "c with blank"};
    struct io *io = io_system;
    char path[32];
    int dir = temporary_dir(path);
    CHECK(io->mkdirat(io, dir, "sub", 0700) == 0);
    int sub = io->openat(io, dir, "sub", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        io->close(io, io->openat(io, sub, names[i], O_WRONLY | O_CREAT, 0600));
    /* Twice: a listing must not move the descriptor's offset for the next. */
    for (int round = 0; round < 2; round++) {
        char **list = io->list(io, sub);
        CHECK(list);
        size_t count = 0, known = 0;
        for (; list && list[count]; count++)
            for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                known += strcmp(list[count], names[i]) == 0;
        CHECK_U64(count, ARRAY_SIZE(names));
        CHECK_U64(known, ARRAY_SIZE(names));
        io_list_free(&list);
        CHECK(!list);
    }
    CHECK(io->renameat(io, sub, "a", dir, "moved") == 0);
    CHECK(io->unlinkat(io, sub, "a", 0) == -1 && errno == ENOENT);
    CHECK(io->unlinkat(io, dir, "moved", 0) == 0);
    CHECK(io->unlinkat(io, sub, "b", 0) == 0 && io->unlinkat(io, sub, "c with blank", 0) == 0);
    CHECK(io->fsync(io, sub) == 0);
    char **none = io->list(io, sub);
    CHECK(none && !none[0]);
    io_list_free(&none);
    io->close(io, sub);
    CHECK(io->unlinkat(io, dir, "sub", AT_REMOVEDIR) == 0);
    CHECK(!io->list(io, -1) && errno == EBADF);
    close(dir);
    rmdir(path);
}

static void test_file(void)
{
    struct io *io = io_system;
    struct statvfs vfs;
    struct stat st;
    char path[32];
    int dir = temporary_dir(path);
    int fd = io->openat(io, dir, "f", O_RDWR | O_CREAT, 0600);
    int second = io->openat(io, dir, "f", O_RDWR, 0);
    CHECK(io->fallocate(io, fd, 0, 8192) == 0);
    CHECK(io->fstat(io, fd, &st) == 0 && st.st_size == 8192);
    CHECK(io->ftruncate(io, fd, 100) == 0);
    CHECK(io->fstat(io, fd, &st) == 0 && st.st_size == 100);
    CHECK(io->fdatasync(io, fd) == 0);
    CHECK(io->fstatvfs(io, fd, &vfs) == 0 && vfs.f_blocks > 0);
    CHECK(io->lock(io, fd) == 0);
    CHECK(io->lock(io, second) == -1 && err_from_errno(errno) == ERR_AGAIN);
    io->close(io, fd);
    CHECK(io->lock(io, second) == 0);
    io->close(io, second);
    io->unlinkat(io, dir, "f", 0);
    close(dir);
    rmdir(path);
}

UNIT_MAIN("core/io", {"write all", test_write_all}, {"write many pieces", test_write_many_pieces},
          {"read all", test_read_all}, {"directory", test_directory}, {"file", test_file})
