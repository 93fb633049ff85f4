/* bench/load_shape_lengths.h - lengths to draw from: "4096", "256-65536", or a file of them.
 *
 * A line of the file is SIZE WEIGHT; "#" begins a comment. SIZE is
 *
 *   4096         this length
 *   1000-4096    evenly from the first to the last
 *   <=4096       evenly from the end of the line before it (0 in the first) plus 1: a histogram
 *
 * and WEIGHT a whole number, say how often it was seen. At most LOAD_SHAPE_SIZES_MAX different
 * lengths are drawn at the start, spread over the ranges in proportion to their weights.
 */
#ifndef BENCH_LOAD_SHAPE_LENGTHS_H
#define BENCH_LOAD_SHAPE_LENGTHS_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"

#define LOAD_SHAPE_SIZES_MAX  1024
#define LOAD_SHAPE_LENGTH_MAX (1u << 30)
#define LOAD_SHAPE_WEIGHT_MAX 1000000000000000 /* of a line; all together fit in 64 bits */

struct load_lengths_part {
    uint32_t min, max;
    uint64_t weight, weight_end; /* its own; of all parts up to it */
    uint32_t first, count;       /* of its sizes */
};

struct load_lengths {
    struct load_lengths_part parts[LOAD_SHAPE_SIZES_MAX];
    size_t part_count;
    uint64_t sizes[LOAD_SHAPE_SIZES_MAX];
    size_t size_count;
};

/* TEXT: "4096" or "256-65536", MIN or more. */
MUST_USE enum err load_lengths_parse(struct bytes text, uint32_t min, struct load_lengths *to,
                                     struct err_detail *why);
/* TEXT of the file PATH, which errors name with the line. */
MUST_USE enum err load_lengths_parse_file(struct bytes text, const char *path,
                                          struct load_lengths *to, struct err_detail *why);
MUST_USE enum err load_lengths_read(const char *path, struct load_lengths *to,
                                    struct err_detail *why);
/* Chooses the sizes, after parsing. */
void load_lengths_choose(struct load_lengths *l, uint64_t seed);
/* Index of a size for two random numbers. */
size_t load_lengths_draw(const struct load_lengths *l, uint64_t random, uint64_t another);

/* The nth number of a random sequence that SEED begins: splitmix64. */
uint64_t load_lengths_random(uint64_t seed, uint64_t n);
/* 0 .. BOUND-1 from 64 random bits. */
uint64_t load_lengths_below(uint64_t random, uint64_t bound);

#endif
