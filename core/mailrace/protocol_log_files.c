/* Names, sizes and ages of the protocol log's files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/io.h"
#include "core/mem.h"

#include "protocol_log_private.h"

#define PREFIX          "RECV"
#define FILE_OCTETS_MAX (10ull << 20)
#define ALL_OCTETS_MAX  (250ull << 20)
#define AGE_MAX_S       (30 * 86400)
#define NAME_SIZE       40

struct old_file {
    unsigned day, number;
    uint64_t octets;
    int64_t changed_s;
};

/* RECVyyyymmdd-n.log and nothing else: what else lies there is not ours to delete. */
static bool name_parse(const char *name, struct old_file *out)
{
    char again[NAME_SIZE];
    if (sscanf(name, PREFIX "%8u-%9u.log", &out->day, &out->number) != 2)
        return false;
    snprintf(again, sizeof again, PREFIX "%08u-%u.log", out->day, out->number);
    return strcmp(name, again) == 0;
}

static int old_compare(const void *left, const void *right)
{
    const struct old_file *a = left, *b = right;
    if (a->day != b->day)
        return a->day < b->day ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* All of this name, oldest first; the caller frees. */
static struct old_file *list_files(int directory, size_t *count)
{
    char **names = io_system->list(io_system, directory);
    size_t all = 0;
    *count = 0;
    while (names && names[all])
        all++;
    struct old_file *files = MEM_NEW_ARRAY(struct old_file, all + 1);
    for (size_t i = 0; i < all; i++) {
        struct stat st;
        struct old_file *f = &files[*count];
        if (!name_parse(names[i], f) || fstatat(directory, names[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        f->octets = (uint64_t)st.st_size;
        f->changed_s = st.st_mtime;
        (*count)++;
    }
    if (names)
        io_list_free(&names);
    qsort(files, *count, sizeof *files, old_compare);
    return files;
}

/* Before another file: room for all of it. */
static void delete_old(const struct protocol_log_files *f, const struct old_file *files,
                       size_t count, int64_t now_ms)
{
    uint64_t octets = FILE_OCTETS_MAX;
    for (size_t i = 0; i < count; i++)
        octets += files[i].octets;
    for (size_t i = 0; i < count; i++) {
        char name[NAME_SIZE];
        bool old = now_ms / 1000 - files[i].changed_s > AGE_MAX_S;
        if (!old && octets <= ALL_OCTETS_MAX)
            continue;
        snprintf(name, sizeof name, PREFIX "%08u-%u.log", files[i].day, files[i].number);
        if (unlinkat(f->directory, name, 0) == 0)
            octets -= files[i].octets;
    }
}

static bool write_all(struct protocol_log_files *f, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(f->fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        len -= (size_t)n;
        f->octets += (uint64_t)n;
    }
    return true;
}

static bool write_head(struct protocol_log_files *f, int64_t now_ms)
{
    char head[512], date[CLOCK_RFC3339_SIZE];
    int len = snprintf(head, sizeof head,
                       "#Software: Mailrace\r\n#Version: %s\r\n"
                       "#Log-Type: SMTP Receive Protocol Log\r\n#Date: %s\r\n"
                       "#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,"
                       "remote-endpoint,event,data,context\r\n",
                       MAILRACE_VERSION, clock_rfc3339(now_ms, date));
    return write_all(f, head, (size_t)len);
}

void protocol_log_files_close(struct protocol_log_files *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

/* Always a new file: one that a former process left may end in half a line. */
static bool open_next(struct protocol_log_files *f, const char *day, int64_t now_ms)
{
    size_t count;
    char name[NAME_SIZE];
    protocol_log_files_close(f);
    struct old_file *files = list_files(f->directory, &count);
    unsigned number = 0, today = (unsigned)strtoul(day, NULL, 10);
    for (size_t i = 0; i < count; i++)
        if (files[i].day == today)
            number = files[i].number;
    delete_old(f, files, count, now_ms);
    mem_free(files);
    snprintf(name, sizeof name, PREFIX "%s-%u.log", day, number + 1);
    f->fd = openat(f->directory, name,
                   O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (f->fd < 0)
        return false;
    f->number = number + 1;
    f->octets = 0;
    memcpy(f->day, day, sizeof f->day);
    return write_head(f, now_ms);
}

bool protocol_log_files_write(struct protocol_log_files *f, const char *text, size_t len,
                              int64_t now_ms)
{
    char date[CLOCK_RFC3339_SIZE], day[PROTOCOL_LOG_DAY_SIZE];
    clock_rfc3339(now_ms, date);
    snprintf(day, sizeof day, "%.4s%.2s%.2s", date, date + 5, date + 8);
    bool fits = f->fd >= 0 && f->octets + len <= FILE_OCTETS_MAX && strcmp(day, f->day) == 0;
    if ((fits || open_next(f, day, now_ms)) && write_all(f, text, len))
        return true;
    int failed = errno;
    protocol_log_files_close(f);
    errno = failed;
    return false;
}
