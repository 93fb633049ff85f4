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

struct fuzz_split fuzz_split_make(struct bytes in, enum fuzz_cut cut);

/* False at the end. */
bool fuzz_split_next(struct fuzz_split *s, struct bytes *piece);

/* Text gathered by one run; the target's inputs are small enough for it. */
#define FUZZ_TEXT_MAX 262144
struct fuzz_text {
    size_t len;
    char data[FUZZ_TEXT_MAX];
};

void fuzz_text_add(struct fuzz_text *t, struct bytes b);

struct bytes fuzz_text_bytes(const struct fuzz_text *t);

/* PART is empty or lies within WHOLE, and holds no control byte. */
void fuzz_within(struct bytes part, struct bytes whole);

#endif
