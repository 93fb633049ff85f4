#include "load_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/mem.h"

#include "load.h"

static const char *const NAMES[] = {
    [LOAD_ACKNOWLEDGED] = "acknowledged", [LOAD_REFUSED] = "refused", [LOAD_UNSENT] = "unsent",
    [LOAD_UNKNOWN] = "unknown",           [LOAD_ARRIVED] = "arrived", [LOAD_DAMAGED] = "damaged",
};

enum err load_journal_open(const char *path, int *fd, struct err_detail *why)
{
    *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return *fd < 0 ? err_set_errno(why, errno, "%s", path) : ERR_OK;
}

void load_journal_note(int fd, enum load_fate fate, const struct load_tag *tag)
{
    char line[96];
    if (fd < 0)
        return;
    int n = snprintf(line, sizeof line, "%s %016" PRIx64 " %" PRIu64 " %" PRIu64 "\n", NAMES[fate],
                     tag->run, tag->seq, load_wall_us());
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

static bool parse_number(const char **at, int base, char end, uint64_t *out)
{
    char *after;
    errno = 0;
    if (**at == '-' || **at == '+' || **at == ' ')
        return false;
    *out = strtoull(*at, &after, base);
    bool ok = errno == 0 && after != *at && *after == end;
    *at = after + 1;
    return ok;
}

static bool parse_line(const char *line, struct load_record *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
        size_t len = strlen(NAMES[i]);
        uint64_t us;
        if (strncmp(line, NAMES[i], len) != 0 || line[len] != ' ')
            continue;
        const char *at = line + len + 1;
        out->fate = (enum load_fate)i;
        return parse_number(&at, 16, ' ', &out->run) && parse_number(&at, 10, ' ', &out->seq) &&
               parse_number(&at, 10, '\n', &us) && *at == '\0';
    }
    return false;
}

static struct load_record *one_more(struct load_records *to)
{
    if (to->count == to->room) {
        to->room = to->room ? to->room * 2 : 4096;
        ASSERT(to->room <= SIZE_MAX / sizeof *to->list);
        to->list = mem_realloc(to->list, to->room * sizeof *to->list);
    }
    return &to->list[to->count];
}

enum err load_journal_read(const char *path, struct load_records *to, struct err_detail *why)
{
    char line[256];
    enum err e = ERR_OK;
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set_errno(why, errno, "%s", path);
    for (unsigned long number = 1; e == ERR_OK && fgets(line, sizeof line, file); number++) {
        if (!strchr(line, '\n') && feof(file))
            break;
        if (parse_line(line, one_more(to)))
            to->count++;
        else
            e = err_set(why, ERR_SYNTAX, "%s:%lu is no line of a journal", path, number);
    }
    if (e == ERR_OK && ferror(file))
        e = err_set_errno(why, errno, "%s", path);
    fclose(file);
    return e;
}
