/* bench/load_shape.h - which message is sent: made ones of one length, of lengths between two, or
 * of lengths from a histogram; or the real ones of a folder.
 *
 * What a message looks like follows from the seed and its number alone: load_shape_next() says
 * which it is, without memory of what came before, and the rest is asked for that one. Everything
 * that costs, checksums above all, is made at the start: of lengths at most LOAD_SHAPE_SIZES_MAX
 * different ones, drawn then. Any thread once it is made.
 */
#ifndef BENCH_LOAD_SHAPE_H
#define BENCH_LOAD_SHAPE_H

#include <stdio.h>

#include "core/err.h"

#include "bench/load_shape_lengths.h"
#include "bench/load_text.h"
#include "bench/load_text_bodies.h"

struct load_shape_settings {
    const char *from, *rcpt;    /* of a made message's header */
    const char *length;         /* "4096" or "256-65536" */
    const char *lengths;        /* instead: a file, load_shape_lengths.h; or NULL */
    const char *bodies;         /* instead: a folder, load_text_bodies.h; or NULL */
    uint64_t bodies_octets_max; /* in memory, all together */
    uint64_t seed;
};

struct load_shape {
    uint64_t seed;
    struct load_lengths lengths; /* made ones */
    struct load_text text;
    struct load_bodies bodies; /* real ones */
};

/* Errors name the option's value, or the file and its line. */
MUST_USE enum err load_shape_init(struct load_shape *s, const struct load_shape_settings *settings,
                                  struct err_detail *why);
void load_shape_free(struct load_shape *s);

/* The message SEQ is of this one of the sizes, or bodies. */
size_t load_shape_next(const struct load_shape *s, uint64_t seq);
uint64_t load_shape_octets(const struct load_shape *s, size_t which);
unsigned load_shape_notes(const struct load_shape *s, size_t which); /* enum smtp_data_note */
/* Message-ID and tag of the message TAG->SEQ: its beginning. */
void load_shape_top(const struct load_shape *s, size_t which, const struct load_tag *tag,
                    char to[LOAD_TEXT_TOP_BYTES]);
/* The message SEQ that begins with TOP, where it lies: whole lines, with the dots that DATA wants
 * and BDAT does not. Returns how many pieces. */
size_t load_shape_pieces(const struct load_shape *s, size_t which, const char *top, uint64_t seq,
                         bool stuffed, struct bytes pieces[LOAD_TEXT_PIECES]);

/* What is sent, and the seed. JSON: a value. */
void load_shape_print(const struct load_shape *s, FILE *to, bool json);

#endif
