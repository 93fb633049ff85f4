/* What a power failure would leave of what faulty_io.c remembers. */
#include "faulty_io_private.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"

enum { SECTOR = 512, DEPTH_MAX = 2 };

static bool toss(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return *seed >> 63;
}

/* Synced sectors, or by lot the current ones where they differ. */
static void mix(struct file *file, uint8_t *data, size_t len, uint64_t *seed)
{
    for (size_t at = 0; at < len; at += SECTOR) {
        size_t n = len - at < SECTOR ? len - at : SECTOR;
        size_t old = at < file->synced_len ? file->synced_len - at : 0;
        old = old < n ? old : n;
        if (old == n && memcmp(data + at, file->synced + at, n) == 0)
            continue;
        if (toss(seed))
            continue;
        memset(data + at, 0, n);
        if (old > 0)
            memcpy(data + at, file->synced + at, old);
    }
}

static void file_leave(struct file *file, const char *path, enum faulty_cut cut, uint64_t *seed)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ASSERT(fd >= 0);
    if (cut == FAULTY_CUT_SYNCED) {
        if (file->synced_len > 0)
            ASSERT(write(fd, file->synced, file->synced_len) == (ssize_t)file->synced_len);
    } else {
        size_t len;
        uint8_t *data = faulty_content(file->fd, &len);
        mix(file, data, len, seed);
        ASSERT(write(fd, data, len) == (ssize_t)len);
        mem_free(data);
    }
    close(fd);
}

static bool names_hold(const struct name *names, const struct name *wanted)
{
    for (; names; names = names->next)
        if (names->file == wanted->file && strcmp(names->text, wanted->text) == 0)
            return true;
    return false;
}

static void dir_leave(struct faulty_io *f, struct dir *d, const char *to, enum faulty_cut cut,
                      uint64_t *seed)
{
    char path[2048];
    struct name *now = NULL;
    snprintf(path, sizeof path, "%s%s", f->root, d->path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && cut == FAULTY_CUT_LOTTERY)
        now = faulty_names_now(f, fd);
    if (fd >= 0)
        close(fd);
    for (struct name *n = d->synced; n; n = n->next) {
        bool stays = cut == FAULTY_CUT_SYNCED || names_hold(now, n) || toss(seed);
        snprintf(path, sizeof path, "%s%s/%s", to, d->path, n->text);
        if (stays)
            file_leave(n->file, path, cut, seed);
    }
    for (struct name *n = now; n; n = n->next) {
        snprintf(path, sizeof path, "%s%s/%s", to, d->path, n->text);
        if (!names_hold(d->synced, n) && toss(seed))
            file_leave(n->file, path, cut, seed);
    }
    faulty_names_free(&now);
}

/* Those at DEPTH; what is above them is there. */
static void dirs_make(struct faulty_io *f, const char *to, size_t depth)
{
    for (struct dir *d = f->dirs; d; d = d->next) {
        char path[2048];
        size_t slashes = 0;
        for (const char *p = d->path; *p; p++)
            slashes += *p == '/';
        snprintf(path, sizeof path, "%s%s", to, d->path);
        ASSERT(slashes != depth || mkdir(path, 0700) == 0);
    }
}

void faulty_io_power_cut(struct faulty_io *f, const char *to, enum faulty_cut cut, uint64_t seed)
{
    ASSERT(mkdir(to, 0700) == 0);
    for (size_t depth = 1; depth <= DEPTH_MAX; depth++)
        dirs_make(f, to, depth);
    for (struct dir *d = f->dirs; d; d = d->next)
        dir_leave(f, d, to, cut, &seed);
}

/* --- Temporary directories --- */

char *temp_dir_new(char to[TEMP_DIR_SIZE])
{
    const char *base = getenv("TMPDIR");
    snprintf(to, TEMP_DIR_SIZE, "%s/spool-XXXXXX", base && *base ? base : "/tmp");
    ASSERT(mkdtemp(to));
    return to;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void temp_dir_remove(const char *path)
{
    ASSERT(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}
