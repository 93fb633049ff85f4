/* Names, sizes and ages of a CSV log's files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/csv_log_private.h"
#include "core/mem.h"

#define NAME_SIZE 64

struct old_file {
    uint64_t day, number;
    uint64_t octets;
    int64_t changed_s;
};

static void name_format(const struct csv_log_files *f, uint64_t day, uint64_t number,
                        char to[NAME_SIZE])
{
    snprintf(to, NAME_SIZE, "%.20s%08llu-%llu.log", f->settings.prefix, (unsigned long long)day,
             (unsigned long long)number);
}

/* PREFIXyyyymmdd-n.log and nothing else: what else lies there is not ours to delete. */
static bool name_parse(const struct csv_log_files *f, const char *name, struct old_file *out)
{
    char again[NAME_SIZE];
    size_t prefix = strlen(f->settings.prefix);
    struct bytes rest = bytes_from(bytes_of(name), prefix), number;
    struct bytes day = bytes_sub(rest, 0, CSV_LOG_DAY_SIZE - 1);
    rest = bytes_from(rest, CSV_LOG_DAY_SIZE);
    if (!bytes_split(rest, '.', &number, &rest) ||
        bytes_to_u64(day, 99999999, &out->day) != ERR_OK ||
        bytes_to_u64(number, 999999999, &out->number) != ERR_OK)
        return false;
    name_format(f, out->day, out->number, again);
    return strcmp(name, again) == 0;
}

static int old_compare(const void *left, const void *right)
{
    const struct old_file *a = left, *b = right;
    if (a->day != b->day)
        return a->day < b->day ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* All of this prefix, oldest first; the caller frees. NULL with errno: they cannot be listed. */
static struct old_file *list_files(const struct csv_log_files *f, size_t *count)
{
    char **names = f->settings.io->list(f->settings.io, f->directory);
    size_t all = 0;
    *count = 0;
    if (!names)
        return NULL;
    while (names[all])
        all++;
    struct old_file *files = MEM_NEW_ARRAY(struct old_file, all + 1);
    for (size_t i = 0; i < all; i++) {
        struct stat st;
        struct old_file *old = &files[*count];
        if (!name_parse(f, names[i], old) ||
            fstatat(f->directory, names[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        old->octets = (uint64_t)st.st_size;
        old->changed_s = st.st_mtime;
        (*count)++;
    }
    io_list_free(&names);
    qsort(files, *count, sizeof *files, old_compare);
    return files;
}

static bool too_old(const struct csv_log_files *f, const struct old_file *old, int64_t now_ms)
{
    int64_t age_s = now_ms / 1000 - old->changed_s;
    return age_s > 0 && (uint64_t)age_s > f->settings.limits.age_ms / 1000;
}

/* Before another file: room for all of it. */
static void delete_old(const struct csv_log_files *f, const struct old_file *files, size_t count,
                       int64_t now_ms)
{
    const struct csv_log_limits *limits = &f->settings.limits;
    uint64_t octets = limits->file_bytes;
    for (size_t i = 0; i < count; i++)
        octets += files[i].octets;
    for (size_t i = 0; i < count; i++) {
        char name[NAME_SIZE];
        if (octets <= limits->all_bytes && !too_old(f, &files[i], now_ms))
            continue;
        name_format(f, files[i].day, files[i].number, name);
        if (f->settings.io->unlinkat(f->settings.io, f->directory, name, 0) == 0)
            octets -= files[i].octets;
    }
}

/* The file is open for appending: the place is told for the sake of the shim only. */
static bool write_all(struct csv_log_files *f, struct bytes text)
{
    union {
        const char *from;
        void *base; /* only read from */
    } data = {.from = text.ptr};
    struct iovec iov = {.iov_base = data.base, .iov_len = text.len};
    errno = EIO; /* should the kernel take nothing and say nothing */
    if (io_pwrite_all(f->settings.io, f->fd, &iov, 1, (off_t)f->octets) != ERR_OK)
        return false;
    f->octets += text.len;
    return true;
}

static bool write_head(struct csv_log_files *f, int64_t now_ms)
{
    char head[1024], date[CLOCK_RFC3339_SIZE];
    const struct csv_log_settings *s = &f->settings;
    int len = snprintf(head, sizeof head,
                       "#Software: Mailrace\r\n#Version: %.40s\r\n#Log-Type: %.100s\r\n"
                       "#Date: %s\r\n#Fields: %.600s\r\n",
                       s->version, s->type, clock_rfc3339(now_ms, date), s->fields);
    return write_all(f, bytes_make(head, (size_t)len));
}

void csv_log_files_close(struct csv_log_files *f)
{
    if (f->fd >= 0)
        f->settings.io->close(f->settings.io, f->fd);
    f->fd = -1;
}

/* Nothing is left of a file that did not even get its head: on a full disk each try would leave
 * another. */
static bool open_file(struct csv_log_files *f, const char *name, int64_t now_ms)
{
    struct io *io = f->settings.io;
    f->fd = io->openat(io, f->directory, name,
                       O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
    f->octets = 0;
    if (f->fd < 0)
        return false;
    if (write_head(f, now_ms))
        return true;
    int failed = errno;
    csv_log_files_close(f);
    (void)io->unlinkat(io, f->directory, name, 0);
    errno = failed;
    return false;
}

/* Always a new file: one that a former process, or a failed write, left may end in half a line. */
static bool open_next(struct csv_log_files *f, const char *day, int64_t now_ms)
{
    size_t count;
    char name[NAME_SIZE];
    uint64_t number = 0, today = strtoull(day, NULL, 10);
    csv_log_files_close(f);
    struct old_file *files = list_files(f, &count);
    if (!files)
        return false;
    for (size_t i = 0; i < count; i++)
        if (files[i].day == today)
            number = files[i].number;
    delete_old(f, files, count, now_ms);
    mem_free(files);
    memcpy(f->day, day, sizeof f->day);
    f->number = number + 1;
    name_format(f, today, f->number, name);
    return open_file(f, name, now_ms);
}

void csv_log_files_tidy(struct csv_log_files *f, int64_t now_ms)
{
    size_t count = 0;
    struct old_file *files = list_files(f, &count);
    for (size_t i = 0; i < count; i++) {
        char name[NAME_SIZE];
        if (!too_old(f, &files[i], now_ms))
            continue;
        if (files[i].number == f->number && files[i].day == strtoull(f->day, NULL, 10))
            csv_log_files_close(f);
        name_format(f, files[i].day, files[i].number, name);
        (void)f->settings.io->unlinkat(f->settings.io, f->directory, name, 0);
    }
    mem_free(files);
}

bool csv_log_files_write(struct csv_log_files *f, struct bytes text, int64_t now_ms)
{
    char date[CLOCK_RFC3339_SIZE], day[CSV_LOG_DAY_SIZE];
    clock_rfc3339(now_ms, date);
    snprintf(day, sizeof day, "%.4s%.2s%.2s", date, date + 5, date + 8);
    bool fits = f->fd >= 0 && text.len <= f->settings.limits.file_bytes &&
                f->octets <= f->settings.limits.file_bytes - text.len && strcmp(day, f->day) == 0;
    if ((fits || open_next(f, day, now_ms)) && write_all(f, text))
        return true;
    int failed = errno;
    csv_log_files_close(f);
    errno = failed;
    return false;
}
