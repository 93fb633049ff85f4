/* Reads the files of a folder as messages. */
#include "bench/load_text_bodies.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/io.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/vector.h"
#include "net/smtp_data.h"

#include "bench/load_tag.h"

static const struct bytes IN_THE_WAY[] = {
    {"Message-ID:", 11},
    {"X-Mailrace-Load:", 16},
    {"X-MS-Exchange-", 14},
};

/* --- One message --- */

/* Of the line at the beginning of TEXT, with its LF. */
static size_t line_length(struct bytes text)
{
    size_t lf = bytes_find(text, '\n', 0);
    return lf == BYTES_NOT_FOUND ? text.len : lf + 1;
}

/* All lines end in CRLF in TO, which has room for two octets a line more. */
static size_t end_lines(struct bytes raw, char *to, struct load_bodies_found *found)
{
    size_t len = 0, bare = 0;
    bool ended = true;
    for (size_t line; raw.len; raw = bytes_from(raw, line)) {
        line = line_length(raw);
        ended = raw.ptr[line - 1] == '\n';
        size_t text = line - ended;
        memcpy(to + len, raw.ptr, text);
        len += text;
        bool cr = text > 0 && raw.ptr[text - 1] == '\r';
        bare += ended && !cr;
        if (!cr)
            to[len++] = '\r';
        to[len++] = '\n';
    }
    found->bare_lf += bare > 0;
    found->no_end += !ended;
    return len;
}

/* field-name ":", RFC 5322 2.2, with the blanks before the colon of 4.5. */
static bool is_field(struct bytes line)
{
    size_t colon = bytes_find(line, ':', 0);
    if (colon == BYTES_NOT_FOUND)
        return false;
    struct bytes name = bytes_trim_end(bytes_sub(line, 0, colon));
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < 33 || name.ptr[i] > 126)
            return false;
    return name.len > 0;
}

static bool in_the_way(struct bytes line)
{
    for (size_t i = 0; i < ARRAY_SIZE(IN_THE_WAY); i++)
        if (bytes_starts_nocase(line, IN_THE_WAY[i]))
            return true;
    return false;
}

/* Takes the header's fields that are in the way out of TEXT; returns its new length. */
static size_t drop_fields(char *text, size_t len, struct load_bodies_found *found)
{
    size_t kept = 0, at = 0;
    bool dropping = false, dropped = false;
    while (at < len) {
        struct bytes rest = bytes_make(text + at, len - at);
        struct bytes line = bytes_sub(rest, 0, line_length(rest));
        if (bytes_equal(line, BYTES("\r\n")))
            break;
        if (line.ptr[0] != ' ' && line.ptr[0] != '\t')
            dropping = in_the_way(line);
        dropped = dropped || dropping;
        if (!dropping) {
            memmove(text + kept, line.ptr, line.len);
            kept += line.len;
        }
        at += line.len;
    }
    memmove(text + kept, text + at, len - at);
    found->fields_dropped += dropped;
    return kept + len - at;
}

static unsigned look_at(struct bytes text)
{
    struct smtp_data_reader r = {0};
    struct bytes piece;
    for (size_t used; text.len; text = bytes_from(text, used))
        smtp_bdat_read(&r, text, &used, &piece);
    smtp_bdat_end(&r, &piece);
    return r.notes;
}

static struct bytes stuff(struct bytes text)
{
    struct smtp_data_writer w = {0};
    char *to = mem_alloc(2 * text.len);
    size_t len = smtp_data_stuff(&w, text, to);
    return bytes_make(mem_realloc(to, len), len);
}

static bool is_stuffed(const struct load_body *body)
{
    return body->stuffed.ptr != body->text;
}

void load_bodies_add(struct load_bodies *b, struct bytes raw)
{
    size_t lines = 1;
    for (size_t at = 0; (at = bytes_find(raw, '\n', at)) != BYTES_NOT_FOUND; at++)
        lines++;
    char *text = mem_alloc(raw.len + 2 * lines + 2);
    size_t len = 0;
    if (is_field(bytes_sub(raw, 0, line_length(raw)))) {
        len = drop_fields(text, end_lines(raw, text, &b->found), &b->found);
    } else {
        memcpy(text, "\r\n", 2);
        len = 2 + end_lines(raw, text + 2, &b->found);
        b->found.no_header++;
    }
    struct load_body *body = VECTOR_ADD(b);
    *body = (struct load_body){.text = mem_realloc(text, len ? len : 1), .len = len};
    struct bytes whole = bytes_make(body->text, len);
    unsigned notes = look_at(whole);
    body->stuffed = notes & SMTP_DATA_DOT_LINE ? stuff(whole) : whole;
    body->sum = hash_bytes(HASH_START, whole);
    body->notes = notes & (SMTP_DATA_8BIT | SMTP_DATA_DOT_LINE | SMTP_DATA_LONG_LINE);
    b->octets += len;
    b->memory_octets += len + (is_stuffed(body) ? body->stuffed.len : 0);
    b->found.bare_cr += (notes & SMTP_DATA_BARE_CR) != 0;
    b->found.nul += (notes & SMTP_DATA_NUL) != 0;
    b->found.high += (notes & SMTP_DATA_8BIT) != 0;
    b->found.long_lines += (notes & SMTP_DATA_LONG_LINE) != 0;
}

/* --- The folder --- */

/* The file may grow or shrink under us: what is there, up to SIZE octets, is its text. */
static enum err read_file(int fd, char *to, size_t size, size_t *len)
{
    *len = 0;
    while (*len < size) {
        ssize_t n = read(fd, to + *len, size - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            break;
        *len += (size_t)n;
    }
    return ERR_OK;
}

static enum err add_open_file(struct load_bodies *b, int fd, uint64_t memory_max)
{
    struct stat info;
    size_t len;
    if (fstat(fd, &info) != 0)
        return err_from_errno(errno);
    if (!S_ISREG(info.st_mode))
        return ERR_OK;
    if ((uint64_t)info.st_size > memory_max ||
        b->memory_octets > memory_max - (uint64_t)info.st_size)
        return ERR_LIMIT;
    char *raw = mem_alloc((size_t)info.st_size + 1);
    enum err e = read_file(fd, raw, (size_t)info.st_size, &len);
    if (e == ERR_OK)
        load_bodies_add(b, bytes_make(raw, len));
    mem_free(raw);
    return e == ERR_OK && b->memory_octets > memory_max ? ERR_LIMIT : e;
}

/* What is no regular file, a link to one included, is passed over. */
static enum err add_file(struct load_bodies *b, int dir, const char *name, uint64_t memory_max)
{
    struct stat info;
    if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return err_from_errno(errno);
    if (!S_ISREG(info.st_mode))
        return ERR_OK;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return err_from_errno(errno);
    enum err e = add_open_file(b, fd, memory_max);
    close(fd);
    return e;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum err add_files(struct load_bodies *b, int dir, char **names, const char *folder,
                          uint64_t memory_max, struct err_detail *why)
{
    for (; *names; names++) {
        enum err e = add_file(b, dir, *names, memory_max);
        if (e == ERR_LIMIT)
            return err_set(why, e,
                           "%s/%s: with it the messages take more than %" PRIu64
                           " octets of memory; see --bodies-memory",
                           folder, *names, memory_max);
        if (e != ERR_OK)
            return err_set(why, e, "%s/%s cannot be read: %s", folder, *names, err_name(e));
    }
    return b->count ? ERR_OK : err_set(why, ERR_NOTFOUND, "%s: there is no file in it", folder);
}

enum err load_bodies_read(struct load_bodies *b, const char *folder, uint64_t memory_max,
                          struct err_detail *why)
{
    *b = (struct load_bodies){0};
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char **names = dir < 0 ? NULL : io_system->list(io_system, dir);
    if (!names) {
        int errnum = errno;
        if (dir >= 0)
            close(dir);
        return err_set_errno(why, errnum, "%s", folder);
    }
    size_t count = 0;
    while (names[count])
        count++;
    if (count)
        qsort(names, count, sizeof *names, compare_names);
    enum err e = add_files(b, dir, names, folder, memory_max, why);
    io_list_free(&names);
    close(dir);
    if (e != ERR_OK)
        load_bodies_free(b);
    return e;
}

void load_bodies_free(struct load_bodies *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (is_stuffed(&b->items[i]))
            mem_free((char *)(uintptr_t)b->items[i].stuffed.ptr);
        mem_free(b->items[i].text);
    }
    mem_free(b->items);
    *b = (struct load_bodies){0};
}
