/* Every file operation written down, so that a power cut can be tried behind each. */
#include "op_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/err.h"
#include "core/mem.h"

enum { FDS_MAX = 1024, OBJECTS_MAX = 4096, SECTOR = 512, NAME_SIZE = 256 };
enum { OUTSIDE = 1 }; /* the object that is the root's parent; 0 is none */

enum op_kind { OP_DATA, OP_SIZE, OP_LINK, OP_UNLINK, OP_RENAME, OP_SYNC, OP_FAILED_SYNC };

struct op {
    enum op_kind kind;
    size_t call;     /* which call it is a piece of */
    unsigned object; /* DATA, SIZE, SYNC: the file or directory; else the directory */
    unsigned target; /* LINK, RENAME: what the name is for */
    unsigned other;  /* RENAME: the directory it comes from */
    char name[NAME_SIZE], old[NAME_SIZE];
    uint64_t at, len;
    uint8_t *data;
};

struct entry {
    unsigned dir, object;
    char name[NAME_SIZE];
};

struct op_log {
    struct io io;
    const char *root;
    struct op *ops;
    size_t count, capacity, calls;
    size_t *firsts; /* of each call, its first op */
    size_t firsts_capacity;
    bool is_dir[OBJECTS_MAX];
    unsigned objects;
    struct entry *names; /* as they are now */
    size_t name_count, name_capacity;
    unsigned object_of[FDS_MAX];
    size_t fail_sync, die_sync;
    bool dead;
    void (*before)(void *owner);
    void *before_owner;
};

static struct op_log *self(struct io *io)
{
    return CONTAINER_OF(io, struct op_log, io);
}

/* --- Writing it down --- */

static void call_begin(struct op_log *log)
{
    if (log->before)
        log->before(log->before_owner);
    if (log->calls == log->firsts_capacity) {
        log->firsts_capacity = log->firsts_capacity * 2 + 256;
        log->firsts = mem_realloc(log->firsts, log->firsts_capacity * sizeof *log->firsts);
    }
    log->firsts[log->calls++] = log->count;
}

static struct op *op_add(struct op_log *log, enum op_kind kind, unsigned object)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity * 2 + 256;
        log->ops = mem_realloc(log->ops, log->capacity * sizeof *log->ops);
    }
    struct op *op = &log->ops[log->count++];
    *op = (struct op){.kind = kind, .call = log->calls - 1, .object = object};
    return op;
}

static unsigned object_new(struct op_log *log, bool is_dir)
{
    ASSERT(log->objects + 1 < OBJECTS_MAX);
    log->is_dir[++log->objects] = is_dir;
    return log->objects;
}

static struct entry *name_find(struct op_log *log, unsigned dir, const char *name)
{
    for (size_t i = 0; i < log->name_count; i++)
        if (log->names[i].dir == dir && strcmp(log->names[i].name, name) == 0)
            return &log->names[i];
    return NULL;
}

static void names_set(struct entry **names, size_t *count, size_t *capacity, unsigned dir,
                      const char *name, unsigned object)
{
    size_t i = 0;
    while (i < *count && ((*names)[i].dir != dir || strcmp((*names)[i].name, name) != 0))
        i++;
    if (object == 0) {
        if (i < *count)
            (*names)[i] = (*names)[--*count];
        return;
    }
    if (i == *capacity) {
        *capacity = *capacity * 2 + 64;
        *names = mem_realloc(*names, *capacity * sizeof **names);
    }
    if (i == *count)
        ++*count;
    (*names)[i] = (struct entry){.dir = dir, .object = object};
    snprintf((*names)[i].name, NAME_SIZE, "%s", name);
}

/* OBJECT 0: the name goes. */
static void name_set(struct op_log *log, unsigned dir, const char *name, unsigned object)
{
    names_set(&log->names, &log->name_count, &log->name_capacity, dir, name, object);
}

static unsigned link_new(struct op_log *log, unsigned dir, const char *name, bool is_dir)
{
    unsigned object = object_new(log, is_dir);
    struct op *op = op_add(log, OP_LINK, dir);
    op->target = object;
    snprintf(op->name, NAME_SIZE, "%s", name);
    name_set(log, dir, name, object);
    return object;
}

/* The directory that DIRFD and NAME are about, 0 if none of ours. */
static unsigned dir_of(struct op_log *log, int dirfd, const char *name)
{
    if (dirfd == AT_FDCWD)
        return strcmp(name, log->root) == 0 ? OUTSIDE : 0;
    return log->object_of[dirfd];
}

/* Nothing that a dead process does comes to anything. */
static bool is_dead(const struct op_log *log)
{
    errno = EIO;
    return log->dead;
}

static unsigned parent_of(const struct op_log *log, unsigned dir)
{
    for (size_t i = 0; i < log->name_count; i++)
        if (log->names[i].object == dir)
            return log->names[i].dir;
    return OUTSIDE;
}

/* --- The calls --- */

static int log_openat(struct io *io, int dirfd, const char *name, int flags, mode_t mode)
{
    struct op_log *log = self(io);
    unsigned dir = dir_of(log, dirfd, name), object = 0;
    if ((flags & O_CREAT) && is_dead(log))
        return -1;
    if (!log->dead)
        call_begin(log);
    int fd = openat(dirfd, name, flags, mode);
    if (fd < 0)
        return fd;
    ASSERT(fd < FDS_MAX);
    struct entry *e = dir ? name_find(log, dir, name) : NULL;
    if (e)
        object = e->object;
    else if (dir && strcmp(name, "..") == 0)
        object = parent_of(log, dir);
    else if (dir && (flags & O_CREAT))
        object = link_new(log, dir, name, false);
    log->object_of[fd] = object;
    return fd;
}

static int log_close(struct io *io, int fd)
{
    self(io)->object_of[fd] = 0;
    return close(fd);
}

static uint64_t size_of(int fd)
{
    struct stat st;
    ASSERT(fstat(fd, &st) == 0);
    return (uint64_t)st.st_size;
}

static void note_size(struct op_log *log, unsigned object, uint64_t size)
{
    op_add(log, OP_SIZE, object)->len = size;
}

/* Of LEN octets that are now to stand at AT, those sectors that change. */
static void note_data(struct op_log *log, int fd, const uint8_t *data, uint64_t len, uint64_t at)
{
    uint8_t old[SECTOR];
    for (uint64_t done = 0; done < len;) {
        uint64_t step = SECTOR - (at + done) % SECTOR;
        step = step < len - done ? step : len - done;
        memset(old, 0, sizeof old);
        ASSERT(pread(fd, old, step, (off_t)(at + done)) >= 0);
        if (memcmp(old, data + done, step) != 0) {
            struct op *op = op_add(log, OP_DATA, log->object_of[fd]);
            op->at = at + done;
            op->len = step;
            op->data = mem_alloc(step);
            memcpy(op->data, data + done, step);
        }
        done += step;
    }
}

static ssize_t log_pwritev(struct io *io, int fd, const struct iovec *iov, int count, off_t at)
{
    struct op_log *log = self(io);
    size_t len = 0;
    if (is_dead(log))
        return -1;
    call_begin(log);
    for (int i = 0; i < count; i++)
        len += iov[i].iov_len;
    uint8_t *data = mem_alloc(len + 1);
    len = 0;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len > 0)
            memcpy(data + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    if ((uint64_t)at + len > size_of(fd))
        note_size(log, log->object_of[fd], (uint64_t)at + len);
    note_data(log, fd, data, len, (uint64_t)at);
    mem_free(data);
    return pwritev(fd, iov, count, at);
}

static int log_sync(struct io *io, int fd)
{
    struct op_log *log = self(io);
    log->dead |= log->die_sync > 0 && --log->die_sync == 0;
    if (is_dead(log))
        return -1;
    call_begin(log);
    bool fails = log->fail_sync > 0 && --log->fail_sync == 0;
    op_add(log, fails ? OP_FAILED_SYNC : OP_SYNC, log->object_of[fd]);
    errno = EIO;
    return fails ? -1 : 0;
}

static int log_fallocate(struct io *io, int fd, off_t at, off_t len)
{
    struct op_log *log = self(io);
    if (is_dead(log))
        return -1;
    call_begin(log);
    int rc = fallocate(fd, 0, at, len);
    if (rc == 0)
        note_size(log, log->object_of[fd], (uint64_t)(at + len));
    return rc;
}

/* The spool does not cut files; the model would have to know how. */
static int log_ftruncate(struct io *io, int fd, off_t len)
{
    (void)io;
    (void)fd;
    (void)len;
    errno = ENOSYS;
    return -1;
}

static int log_mkdirat(struct io *io, int dirfd, const char *name, mode_t mode)
{
    struct op_log *log = self(io);
    unsigned dir = dir_of(log, dirfd, name);
    if (is_dead(log))
        return -1;
    call_begin(log);
    int rc = mkdirat(dirfd, name, mode);
    if (rc == 0 && dir)
        link_new(log, dir, name, true);
    return rc;
}

static int log_renameat(struct io *io, int olddir, const char *old, int newdir,
                        const char *new_name)
{
    struct op_log *log = self(io);
    if (is_dead(log))
        return -1;
    call_begin(log);
    struct entry *e = name_find(log, log->object_of[olddir], old);
    int rc = renameat(olddir, old, newdir, new_name);
    if (rc != 0)
        return rc;
    ASSERT(e);
    struct op *op = op_add(log, OP_RENAME, log->object_of[newdir]);
    op->other = log->object_of[olddir];
    op->target = e->object;
    snprintf(op->name, NAME_SIZE, "%s", new_name);
    snprintf(op->old, NAME_SIZE, "%s", old);
    name_set(log, op->other, old, 0);
    name_set(log, op->object, new_name, op->target);
    return rc;
}

static int log_unlinkat(struct io *io, int dirfd, const char *name, int flags)
{
    struct op_log *log = self(io);
    if (is_dead(log))
        return -1;
    call_begin(log);
    int rc = unlinkat(dirfd, name, flags);
    if (rc != 0)
        return rc;
    struct op *op = op_add(log, OP_UNLINK, log->object_of[dirfd]);
    snprintf(op->name, NAME_SIZE, "%s", name);
    name_set(log, op->object, name, 0);
    return rc;
}

struct op_log *op_log_new(const char *root)
{
    struct op_log *log = MEM_NEW(struct op_log);
    log->io = *io_system; /* what only reads goes straight through */
    log->io.openat = log_openat;
    log->io.close = log_close;
    log->io.pwritev = log_pwritev;
    log->io.fdatasync = log_sync;
    log->io.fsync = log_sync;
    log->io.fallocate = log_fallocate;
    log->io.ftruncate = log_ftruncate;
    log->io.mkdirat = log_mkdirat;
    log->io.renameat = log_renameat;
    log->io.unlinkat = log_unlinkat;
    log->root = root;
    ASSERT(object_new(log, true) == OUTSIDE);
    return log;
}

void op_log_free(struct op_log **logp)
{
    struct op_log *log = *logp;
    if (!log)
        return;
    for (size_t i = 0; i < log->count; i++)
        mem_free(log->ops[i].data);
    mem_free(log->ops);
    mem_free(log->firsts);
    mem_free(log->names);
    mem_free(log);
    *logp = NULL;
}

struct io *op_log_io(struct op_log *log)
{
    return &log->io;
}

void op_log_fail_sync(struct op_log *log, size_t n)
{
    log->fail_sync = n;
}

void op_log_die(struct op_log *log, size_t n)
{
    log->die_sync = n;
    log->dead = false;
}

bool op_log_is_dead(const struct op_log *log)
{
    return log->dead;
}

void op_log_before(struct op_log *log, void (*call)(void *owner), void *owner)
{
    log->before = call;
    log->before_owner = owner;
}

size_t op_log_length(const struct op_log *log)
{
    return log->calls;
}

static size_t ops_before(const struct op_log *log, size_t at)
{
    return at < log->calls ? log->firsts[at] : log->count;
}

bool op_log_is_sync(const struct op_log *log, size_t at)
{
    size_t first = ops_before(log, at);
    return at < log->calls && first < log->count && log->ops[first].call == at &&
           (log->ops[first].kind == OP_SYNC || log->ops[first].kind == OP_FAILED_SYNC);
}

/* --- What a crash leaves --- */

/* Of the operations before END those that no sync covers. The pages of a failed sync count as
 * written from then on: no later one tries again. */
static size_t doubts_mark(const struct op_log *log, size_t end, bool *doubts)
{
    bool *synced = MEM_NEW_ARRAY(bool, OBJECTS_MAX);
    size_t count = 0;
    for (size_t i = end; i-- > 0;) {
        const struct op *op = &log->ops[i];
        if (op->kind == OP_SYNC || op->kind == OP_FAILED_SYNC)
            synced[op->object] = op->kind == OP_SYNC;
        else if (!synced[op->object] || (op->kind == OP_RENAME && !synced[op->other]))
            count += doubts[i] = true;
    }
    mem_free(synced);
    return count;
}

size_t op_log_doubts(const struct op_log *log, size_t at)
{
    size_t end = ops_before(log, at);
    bool *doubts = MEM_NEW_ARRAY(bool, end + 1);
    size_t count = doubts_mark(log, end, doubts);
    mem_free(doubts);
    return count;
}

struct left { /* what is on the disk */
    uint8_t *data[OBJECTS_MAX];
    uint64_t size[OBJECTS_MAX], reach[OBJECTS_MAX];
    struct entry *names;
    size_t count, capacity;
};

static void left_reach(struct left *l, unsigned object, uint64_t reach)
{
    if (reach <= l->reach[object])
        return;
    l->data[object] = mem_realloc(l->data[object], reach);
    memset(l->data[object] + l->reach[object], 0, reach - l->reach[object]);
    l->reach[object] = reach;
}

static void left_apply(struct left *l, const struct op *op)
{
    switch (op->kind) {
    case OP_DATA:
        left_reach(l, op->object, op->at + op->len);
        memcpy(l->data[op->object] + op->at, op->data, op->len);
        break;
    case OP_SIZE:
        left_reach(l, op->object, op->len);
        if (l->size[op->object] < op->len)
            l->size[op->object] = op->len;
        break;
    case OP_RENAME:
        names_set(&l->names, &l->count, &l->capacity, op->other, op->old, 0);
        names_set(&l->names, &l->count, &l->capacity, op->object, op->name, op->target);
        break;
    case OP_LINK:
        names_set(&l->names, &l->count, &l->capacity, op->object, op->name, op->target);
        break;
    case OP_UNLINK:
        names_set(&l->names, &l->count, &l->capacity, op->object, op->name, 0);
        break;
    case OP_SYNC:
    case OP_FAILED_SYNC:
        break;
    }
}

static void file_write(const struct left *l, unsigned object, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ASSERT(fd >= 0);
    uint64_t size = l->size[object];
    ASSERT(size == 0 || pwrite(fd, l->data[object], size, 0) == (ssize_t)size);
    ASSERT(close(fd) == 0);
}

/* What is in DIR, and in directories below it. */
static void dir_write(const struct op_log *log, const struct left *l, unsigned dir,
                      const char *path)
{
    ASSERT(mkdir(path, 0700) == 0);
    for (size_t i = 0; i < l->count; i++) {
        char below[1024];
        const struct entry *e = &l->names[i];
        if (e->dir != dir)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, e->name);
        if (log->is_dir[e->object])
            dir_write(log, l, e->object, below);
        else
            file_write(l, e->object, below);
    }
}

void op_log_leave(const struct op_log *log, size_t at, const bool *kept, const char *to)
{
    struct left *l = MEM_NEW(struct left);
    size_t end = ops_before(log, at), doubt = 0;
    bool *doubts = MEM_NEW_ARRAY(bool, end + 1);
    (void)doubts_mark(log, end, doubts);
    for (size_t i = 0; i < end; i++)
        if (!doubts[i] || kept[doubt++])
            left_apply(l, &log->ops[i]);
    mem_free(doubts);
    for (size_t i = 0; i < l->count; i++)
        if (l->names[i].dir == OUTSIDE)
            dir_write(log, l, l->names[i].object, to);
    for (unsigned i = 0; i < OBJECTS_MAX; i++)
        mem_free(l->data[i]);
    mem_free(l->names);
    mem_free(l);
}
