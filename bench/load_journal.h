/* bench/load_journal.h - who was promised and what arrived: a line a message, written when it
 * happened and before the session goes on, so that a journal is true whatever is killed next to it.
 *
 *   acknowledged RUN SEQ US    the whole 250 to the end of the data was read
 *   refused      RUN SEQ US    a 4xx or 5xx was read: it must never arrive
 *   unsent       RUN SEQ US    the connection ended before the end of the data was sent: likewise
 *   unknown      RUN SEQ US    the end of the data was sent and no answer came: it may arrive
 *   arrived      RUN SEQ US sent=US    at the sink, every octet as sent
 *   damaged      RUN SEQ US sent=US    at the sink, other octets than were sent
 *
 * RUN is hexadecimal, SEQ and US (microseconds, wall clock: when it was written) are decimal. sent=
 * is the message's own word about when it left, and may be missing.
 */
#ifndef BENCH_LOAD_JOURNAL_H
#define BENCH_LOAD_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#include "bench/load_tag.h"

enum load_fate {
    LOAD_ACKNOWLEDGED,
    LOAD_REFUSED,
    LOAD_UNSENT,
    LOAD_UNKNOWN,
    LOAD_ARRIVED,
    LOAD_DAMAGED
};

/* Millions of them are in memory at a time. */
struct load_record {
    uint64_t run, seq;
    uint64_t at_us;
    uint64_t sent_us : 56; /* 0: not told */
    uint64_t fate : 8;     /* enum load_fate */
};
#define LOAD_RECORD_US_MAX ((1ull << 56) - 1)

struct load_records {          /* core/vector.h */
    struct load_record *items; /* mem_free() it */
    size_t count, capacity;
};

MUST_USE enum err load_journal_open(const char *path, int *fd, struct err_detail *why);
/* One write(2) to the end of the file; any thread. An audit without it would be worth nothing: when
 * it fails the program says so and ends. Nothing with FD -1. */
void load_journal_note(int fd, enum load_fate fate, const struct load_tag *tag);
/* Adds the file's records. A last line without its end is taken for not written. */
MUST_USE enum err load_journal_read(const char *path, struct load_records *to,
                                    struct err_detail *why);

#endif
