/* bench/load_text.h - messages that are made: of given lengths, their lines different from one
 * message to the next, so that a body under another message's header is noticed. All share one
 * block of text, and their checksums are made beforehand: only the first lines are made for each.
 */
#ifndef BENCH_LOAD_TEXT_H
#define BENCH_LOAD_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "bench/load_tag.h"

#define LOAD_TEXT_VARIANTS 16

struct load_text_size {
    uint64_t octets; /* of such a message, to which VIEW_LEN octets of the lines belong */
    size_t view_len;
    struct bytes tail;
    uint64_t sums[LOAD_TEXT_VARIANTS];
};

struct load_text {
    char *head; /* the rest of the header */
    size_t head_len;
    char *lines;
    struct load_text_size *sizes;
    size_t size_count;
};

/* One size for each of LENGTHS, in their order. A shorter length than the header's is made as long.
 */
void load_text_make(struct load_text *t, const char *from, const char *rcpt,
                    const uint64_t *lengths, size_t count);
void load_text_free(struct load_text *t);

/* The beginning of one message: Message-ID and tag. REST: the sum of what follows. */
#define LOAD_TEXT_TOP_BYTES (LOAD_TAG_BYTES + 57)
void load_text_begin(const struct load_tag *tag, uint64_t rest, char to[LOAD_TEXT_TOP_BYTES]);
/* What load_tag_write() wants of the message SEQ. */
uint64_t load_text_sum(const struct load_text *t, size_t size, uint64_t seq);
/* The message SEQ that begins with TOP, where it lies. */
#define LOAD_TEXT_PIECES 4
void load_text_pieces(const struct load_text *t, size_t size, const char *top, uint64_t seq,
                      struct bytes pieces[LOAD_TEXT_PIECES]);

#endif
