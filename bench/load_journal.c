/* Writes the lines of a journal, and reads them again. */
#include "bench/load_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/vector.h"

#include "bench/load.h"

static const char *const NAMES[] = {
    [LOAD_ACKNOWLEDGED] = "acknowledged", [LOAD_REFUSED] = "refused", [LOAD_UNSENT] = "unsent",
    [LOAD_UNKNOWN] = "unknown",           [LOAD_ARRIVED] = "arrived", [LOAD_DAMAGED] = "damaged",
};

enum err load_journal_open(const char *path, int *fd, struct err_detail *why)
{
    *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return *fd < 0 ? err_set_errno(why, errno, "%s", path) : ERR_OK;
}

/* Only the sink reads when a message left: the source knows, and would write it twice. */
static int format(char *to, size_t size, enum load_fate fate, const struct load_tag *tag)
{
    const char *name = NAMES[fate];
    uint64_t now_us = load_wall_us();
    if (fate < LOAD_ARRIVED)
        return snprintf(to, size, "%s %016" PRIx64 " %" PRIu64 " %" PRIu64 "\n", name, tag->run,
                        tag->seq, now_us);
    return snprintf(to, size, "%s %016" PRIx64 " %" PRIu64 " %" PRIu64 " sent=%" PRIu64 "\n", name,
                    tag->run, tag->seq, now_us, tag->sent_us);
}

void load_journal_note(int fd, enum load_fate fate, const struct load_tag *tag)
{
    char line[128];
    if (fd < 0)
        return;
    int n = format(line, sizeof line, fate, tag);
    ASSERT(n > 0 && (size_t)n < sizeof line);
    ssize_t done;
    do
        done = write(fd, line, (size_t)n);
    while (done < 0 && errno == EINTR);
    if (done != n) {
        fputs("mailrace-load: the journal cannot be written\n", stderr);
        _exit(LOAD_FAILED);
    }
}

static bool parse_number(const char **at, int base, uint64_t max, uint64_t *out)
{
    char *after;
    errno = 0;
    if (**at == '-' || **at == '+' || **at == ' ')
        return false;
    *out = strtoull(*at, &after, base);
    bool ok = errno == 0 && after != *at && *out <= max;
    *at = after;
    return ok;
}

static bool parse_text(const char **at, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(*at, text, len) != 0)
        return false;
    *at += len;
    return true;
}

static bool parse_numbers(const char *at, struct load_record *out)
{
    uint64_t sent_us = 0;
    if (!parse_number(&at, 16, UINT64_MAX, &out->run) || !parse_text(&at, " ") ||
        !parse_number(&at, 10, UINT64_MAX, &out->seq) || !parse_text(&at, " ") ||
        !parse_number(&at, 10, LOAD_RECORD_US_MAX, &out->at_us))
        return false;
    if (parse_text(&at, " sent=") && !parse_number(&at, 10, LOAD_RECORD_US_MAX, &sent_us))
        return false;
    out->sent_us = sent_us & LOAD_RECORD_US_MAX;
    return strcmp(at, "\n") == 0;
}

static bool parse_line(const char *line, struct load_record *out)
{
    for (unsigned i = 0; i < ARRAY_SIZE(NAMES); i++) {
        const char *at = line;
        if (!parse_text(&at, NAMES[i]) || !parse_text(&at, " "))
            continue;
        out->fate = i & 0xff;
        return parse_numbers(at, out);
    }
    return false;
}

enum err load_journal_read(const char *path, struct load_records *to, struct err_detail *why)
{
    char line[256];
    struct load_record record;
    enum err e = ERR_OK;
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set_errno(why, errno, "%s", path);
    for (unsigned long number = 1; e == ERR_OK && fgets(line, sizeof line, file); number++) {
        if (!strchr(line, '\n') && feof(file))
            break;
        if (parse_line(line, &record))
            *VECTOR_ADD(to) = record;
        else
            e = err_set(why, ERR_SYNTAX, "%s:%lu is no line of a journal", path, number);
    }
    if (e == ERR_OK && ferror(file))
        e = err_set_errno(why, errno, "%s", path);
    fclose(file);
    return e;
}
