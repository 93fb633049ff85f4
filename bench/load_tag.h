/* bench/load_tag.h - how a message of the load generator says who it is: one header line with run,
 * sequence, time of sending and a checksum over all that follows the line, and over these three.
 *
 * A relay may put headers on top of it and must leave what follows alone, so the sum tells at the
 * other end whether every octet arrived. FNV-1a: it finds mistakes, not forgers.
 */
#ifndef BENCH_LOAD_TAG_H
#define BENCH_LOAD_TAG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"

struct load_tag {
    uint64_t run, seq, sent_us; /* wall clock */
};

uint64_t load_wall_us(void);

/* The header line with its CRLF, no NUL. REST: hash_bytes() of all that follows it. */
#define LOAD_TAG_BYTES 102
void load_tag_write(const struct load_tag *tag, uint64_t rest, char to[LOAD_TAG_BYTES]);

/* Finds the line in a message that comes in pieces. Zeroed: at the beginning of a message. */
struct load_tag_reader {
    enum { LOAD_TAG_IN_HEADER, LOAD_TAG_FOUND, LOAD_TAG_NONE } state;
    struct load_tag tag; /* once found */
    uint64_t hash;
    size_t length; /* of the line so far, which LINE may hold the beginning of */
    char line[LOAD_TAG_BYTES];
};
void load_tag_feed(struct load_tag_reader *r, struct bytes text);
/* At the message's end, when it was FOUND: did all arrive as it was sent? */
bool load_tag_intact(const struct load_tag_reader *r);

#endif
