/* Which message is next, and of what pieces it is made. */
#include "bench/load_shape.h"

#include <inttypes.h>

/* A shorter message than this is not asked for with --length: its header alone is about as long. */
enum { LENGTH_MIN = 256 };

enum err load_shape_init(struct load_shape *s, const struct load_shape_settings *settings,
                         struct err_detail *why)
{
    *s = (struct load_shape){.seed = settings->seed};
    if (settings->bodies)
        return load_bodies_read(&s->bodies, settings->bodies, settings->bodies_octets_max, why);
    enum err e = settings->lengths
                     ? load_lengths_read(settings->lengths, &s->lengths, why)
                     : load_lengths_parse(bytes_of(settings->length), LENGTH_MIN, &s->lengths, why);
    if (e != ERR_OK)
        return e;
    load_lengths_choose(&s->lengths, s->seed);
    load_text_make(&s->text, settings->from, settings->rcpt, s->lengths.sizes,
                   s->lengths.size_count);
    return ERR_OK;
}

void load_shape_free(struct load_shape *s)
{
    load_text_free(&s->text);
    load_bodies_free(&s->bodies);
}

size_t load_shape_next(const struct load_shape *s, uint64_t seq)
{
    /* Other numbers than those that chose the sizes, and a sequence for each message. */
    uint64_t own = load_lengths_random(~s->seed, seq);
    if (s->bodies.count)
        return (size_t)load_lengths_below(own, s->bodies.count);
    if (s->lengths.size_count == 1)
        return 0;
    return load_lengths_draw(&s->lengths, own, load_lengths_random(own, 0));
}

uint64_t load_shape_octets(const struct load_shape *s, size_t which)
{
    return s->bodies.count ? LOAD_TEXT_TOP_BYTES + s->bodies.items[which].len
                           : s->text.sizes[which].octets;
}

unsigned load_shape_notes(const struct load_shape *s, size_t which)
{
    return s->bodies.count ? s->bodies.items[which].notes : 0;
}

void load_shape_top(const struct load_shape *s, size_t which, const struct load_tag *tag,
                    char to[LOAD_TEXT_TOP_BYTES])
{
    load_text_begin(tag,
                    s->bodies.count ? s->bodies.items[which].sum
                                    : load_text_sum(&s->text, which, tag->seq),
                    to);
}

size_t load_shape_pieces(const struct load_shape *s, size_t which, const char *top, uint64_t seq,
                         bool stuffed, struct bytes pieces[LOAD_TEXT_PIECES])
{
    if (!s->bodies.count) {
        load_text_pieces(&s->text, which, top, seq, pieces);
        return LOAD_TEXT_PIECES;
    }
    const struct load_body *body = &s->bodies.items[which];
    pieces[0] = bytes_make(top, LOAD_TEXT_TOP_BYTES);
    pieces[1] = stuffed ? body->stuffed : bytes_make(body->text, body->len);
    return 2;
}

/* --- What is sent --- */

static void print_bodies(const struct load_bodies *b, FILE *to, bool json)
{
    const struct load_bodies_found *f = &b->found;
    const struct {
        const char *name, *text;
        uint64_t count;
    } rows[] = {
        {"bare_lf", "with bare LF (now CRLF)", f->bare_lf},
        {"no_end", "without a last line end (now with)", f->no_end},
        {"no_header", "without a header (all body)", f->no_header},
        {"fields_dropped", "with fields that were taken out", f->fields_dropped},
        {"bare_cr", "with bare CR", f->bare_cr},
        {"nul", "with NUL", f->nul},
        {"8bit", "with octets above 127", f->high},
        {"long_lines", "with lines over 998 octets", f->long_lines},
    };
    fprintf(to,
            json ? "{\"bodies\": %zu, \"octets\": %" PRIu64
                 : "bodies: %zu messages, %" PRIu64 " octets",
            b->count, b->octets);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (json)
            fprintf(to, ", \"%s\": %" PRIu64, rows[i].name, rows[i].count);
        else if (rows[i].count)
            fprintf(to, "; %" PRIu64 " %s", rows[i].count, rows[i].text);
}

/* Of what is drawn, not of what was asked for. */
static double mean_octets(const struct load_shape *s)
{
    double sum = 0, weight = 0;
    for (size_t i = 0; i < s->lengths.part_count; i++) {
        const struct load_lengths_part *part = &s->lengths.parts[i];
        for (uint32_t k = 0; k < part->count; k++)
            sum += (double)s->text.sizes[part->first + k].octets * (double)part->weight /
                   (double)part->count;
        weight += (double)part->weight;
    }
    return sum / weight;
}

static void print_lengths(const struct load_shape *s, FILE *to, bool json)
{
    uint64_t min = UINT64_MAX, max = 0;
    for (size_t i = 0; i < s->text.size_count; i++) {
        min = s->text.sizes[i].octets < min ? s->text.sizes[i].octets : min;
        max = s->text.sizes[i].octets > max ? s->text.sizes[i].octets : max;
    }
    fprintf(to,
            json ? "{\"lengths\": %zu, \"min\": %" PRIu64 ", \"max\": %" PRIu64 ", \"mean\": %.1f"
                 : "lengths: %zu, from %" PRIu64 " to %" PRIu64 " octets, mean %.1f",
            s->text.size_count, min, max, mean_octets(s));
}

void load_shape_print(const struct load_shape *s, FILE *to, bool json)
{
    if (s->bodies.count)
        print_bodies(&s->bodies, to, json);
    else
        print_lengths(s, to, json);
    fprintf(to, json ? ", \"seed\": %" PRIu64 "}" : "; seed %" PRIu64 "\n", s->seed);
}
