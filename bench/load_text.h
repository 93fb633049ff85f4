/* bench/load_text.h - what is sent: messages of one length whose lines differ from one message to
 * the next, so that a body under another message's header is noticed. All share one block of
 * text; only the first lines are made for each.
 */
#ifndef BENCH_LOAD_TEXT_H
#define BENCH_LOAD_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "load_tag.h"

#define LOAD_TEXT_VARIANTS 16

struct load_text {
    uint64_t octets; /* of each message */
    char *head;      /* the rest of the header */
    size_t head_len;
    char *lines;
    size_t view_len; /* of LINES: what one message has of them */
    struct bytes tail;
    uint64_t sums[LOAD_TEXT_VARIANTS];
};

/* A shorter LENGTH than the header's becomes that. */
void load_text_init(struct load_text *t, const char *from, const char *rcpt, size_t length);
void load_text_free(struct load_text *t);

/* Message-ID and tag of one message: its beginning. */
#define LOAD_TEXT_TOP_BYTES (LOAD_TAG_BYTES + 57)
void load_text_top(const struct load_text *t, const struct load_tag *tag,
                   char to[LOAD_TEXT_TOP_BYTES]);
/* LEN octets from AT of the message SEQ that begins with TOP. */
void load_text_read(const struct load_text *t, const char *top, uint64_t seq, uint64_t at, char *to,
                    size_t len);

#endif
