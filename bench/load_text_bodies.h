/* bench/load_text_bodies.h - real messages to send: every regular file of a folder is one.
 *
 * They are read once, in the order of their names. A bare LF is made CRLF, a last line without its
 * end gets one, and the fields that would be in the way of the audit go: Message-ID (each message
 * has its own), X-Mailrace-Load, and X-MS-Exchange-*, which a relay takes away. A file that does
 * not begin with a header field is all body. All else stays as it is, and what may be refused is
 * counted: a bare CR, NULs, octets above 127, lines over 998 octets.
 */
#ifndef BENCH_LOAD_TEXT_BODIES_H
#define BENCH_LOAD_TEXT_BODIES_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"

struct load_body {
    char *text;
    size_t len;
    struct bytes stuffed; /* as DATA wants it: TEXT itself, if no line begins with a dot */
    uint64_t sum;         /* hash_bytes() of TEXT */
    unsigned notes;       /* enum smtp_data_note */
};

/* Messages of which this is true. */
struct load_bodies_found {
    uint64_t bare_lf, bare_cr, nul, high, long_lines, no_end, no_header, fields_dropped;
};

struct load_bodies {
    struct load_body *items;
    size_t count, capacity;
    uint64_t octets;        /* of all texts */
    uint64_t memory_octets; /* and of what is stuffed */
    struct load_bodies_found found;
};

/* ERR_LIMIT when they take more than MEMORY_MAX octets, ERR_NOTFOUND when there is none. */
MUST_USE enum err load_bodies_read(struct load_bodies *b, const char *folder, uint64_t memory_max,
                                   struct err_detail *why);
void load_bodies_free(struct load_bodies *b);
/* One message as it comes from a file. */
void load_bodies_add(struct load_bodies *b, struct bytes raw);

#endif
