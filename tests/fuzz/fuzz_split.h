/* tests/fuzz/fuzz_split.h - cuts an input into pieces, and fails where an invariant does not hold.
 */
#ifndef TESTS_FUZZ_SPLIT_H
#define TESTS_FUZZ_SPLIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST_HOLD(expr)                                                                            \
    do {                                                                                           \
        if (!(expr))                                                                               \
            abort();                                                                               \
    } while (0)

/* How to cut: at once, octet by octet, or at places that depend on the input alone. */
enum fuzz_cut { FUZZ_WHOLE, FUZZ_OCTETS, FUZZ_RANDOM, FUZZ_CUTS };

struct fuzz_split {
    enum fuzz_cut cut;
    uint64_t seed;
    struct bytes rest;
};

static inline struct fuzz_split fuzz_split_make(struct bytes in, enum fuzz_cut cut)
{
    struct fuzz_split s = {cut, 0x9E3779B97F4A7C15u, in};

    for (size_t i = 0; i < in.len; i++)
        s.seed = (s.seed ^ (unsigned char)in.ptr[i]) * 0x100000001B3u;
    return s;
}

/* False at the end. */
static inline bool fuzz_split_next(struct fuzz_split *s, struct bytes *piece)
{
    size_t len = s->cut == FUZZ_OCTETS ? 1 : s->rest.len;

    if (s->cut == FUZZ_RANDOM) {
        s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t draw = s->seed >> 33;
        len = (size_t)(draw & 1 ? draw >> 1 & 7 : draw >> 1 & 255) + 1;
    }
    *piece = bytes_sub(s->rest, 0, len);
    s->rest = bytes_from(s->rest, piece->len);
    return piece->len > 0;
}

/* Text gathered by one run; the target's inputs are small enough for it. */
#define FUZZ_TEXT_MAX 262144
struct fuzz_text {
    size_t len;
    char data[FUZZ_TEXT_MAX];
};

static inline void fuzz_text_add(struct fuzz_text *t, struct bytes b)
{
    MUST_HOLD(b.len <= sizeof t->data - t->len);
    if (b.len > 0)
        memcpy(t->data + t->len, b.ptr, b.len);
    t->len += b.len;
}

static inline struct bytes fuzz_text_bytes(const struct fuzz_text *t)
{
    return bytes_make(t->data, t->len);
}

/* PART is empty or lies within WHOLE, and holds no control byte. */
static inline void fuzz_within(struct bytes part, struct bytes whole)
{
    if (part.len == 0)
        return;
    MUST_HOLD(part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
    for (size_t i = 0; i < part.len; i++)
        MUST_HOLD((unsigned char)part.ptr[i] >= ' ' && part.ptr[i] != 0x7F);
}

#endif
