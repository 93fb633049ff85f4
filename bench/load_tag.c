/* Writes the line that marks a message, and finds and checks it again. */
#include "bench/load_tag.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/hash.h"

#define NAME "X-Mailrace-Load: "
/* What the sum covers of the line itself: "run=... seq=... sent_us=..." */
enum { SIGNED_AT = sizeof NAME - 1, SIGNED_BYTES = 4 + 16 + 5 + 12 + 9 + 16 };
enum { SUM_AT = SIGNED_AT + SIGNED_BYTES + 5 };

uint64_t load_wall_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void load_tag_write(const struct load_tag *tag, uint64_t rest, char to[LOAD_TAG_BYTES])
{
    char line[LOAD_TAG_BYTES + 64];
    int n = snprintf(line, sizeof line,
                     NAME "run=%016" PRIx64 " seq=%012" PRIu64 " sent_us=%016" PRIu64, tag->run,
                     tag->seq, tag->sent_us);
    ASSERT(n == SUM_AT - 5);
    uint64_t sum = hash_bytes(rest, bytes_make(line + SIGNED_AT, SIGNED_BYTES));
    n = snprintf(line + n, sizeof line - (size_t)n, " sum=%016" PRIx64 "\r\n", sum);
    ASSERT(n == LOAD_TAG_BYTES - SUM_AT + 5);
    memcpy(to, line, LOAD_TAG_BYTES);
}

static bool parse(const char *line, struct load_tag *tag)
{
    char text[LOAD_TAG_BYTES + 1], again[LOAD_TAG_BYTES];
    memcpy(text, line, LOAD_TAG_BYTES);
    text[LOAD_TAG_BYTES] = '\0';
    if (memcmp(text, NAME "run=", SIGNED_AT + 4) != 0)
        return false;
    tag->run = strtoull(text + SIGNED_AT + 4, NULL, 16);
    tag->seq = strtoull(text + SIGNED_AT + 25, NULL, 10);
    tag->sent_us = strtoull(text + SIGNED_AT + 46, NULL, 10);
    if (tag->seq > 999999999999 || tag->sent_us > 9999999999999999)
        return false;
    /* Whatever cannot be written like this was not written by us. */
    load_tag_write(tag, 0, again);
    return memcmp(again, line, SUM_AT) == 0;
}

static void line_ended(struct load_tag_reader *r)
{
    if (r->length == LOAD_TAG_BYTES && parse(r->line, &r->tag)) {
        r->state = LOAD_TAG_FOUND;
        r->hash = HASH_START;
    } else if (r->length <= 2) {
        r->state = LOAD_TAG_NONE; /* the empty line: the header is over */
    }
    if (r->state == LOAD_TAG_IN_HEADER)
        r->length = 0;
}

void load_tag_feed(struct load_tag_reader *r, struct bytes text)
{
    while (text.len && r->state == LOAD_TAG_IN_HEADER) {
        size_t lf = bytes_find(text, '\n', 0);
        size_t len = lf == BYTES_NOT_FOUND ? text.len : lf + 1;
        size_t room = r->length < LOAD_TAG_BYTES ? LOAD_TAG_BYTES - r->length : 0;
        memcpy(r->line + (LOAD_TAG_BYTES - room), text.ptr, len < room ? len : room);
        r->length += len;
        text = bytes_from(text, len);
        if (lf != BYTES_NOT_FOUND)
            line_ended(r);
    }
    if (r->state == LOAD_TAG_FOUND)
        r->hash = hash_bytes(r->hash, text);
}

bool load_tag_intact(const struct load_tag_reader *r)
{
    char sum[17];
    uint64_t hash = hash_bytes(r->hash, bytes_make(r->line + SIGNED_AT, SIGNED_BYTES));
    snprintf(sum, sizeof sum, "%016" PRIx64, hash);
    return r->state == LOAD_TAG_FOUND && memcmp(sum, r->line + SUM_AT, 16) == 0 &&
           r->line[LOAD_TAG_BYTES - 2] == '\r';
}
