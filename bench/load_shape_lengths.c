/* Lengths of messages: read, and drawn by their weights. */
#include "bench/load_shape_lengths.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/mem.h"

enum { FILE_OCTETS_MAX = 1024 * 1024 };

/* --- Reading --- */

static bool parse_length(struct bytes text, uint32_t *out)
{
    uint64_t number;
    if (bytes_to_u64(text, LOAD_SHAPE_LENGTH_MAX, &number) != ERR_OK || number == 0)
        return false;
    *out = (uint32_t)number;
    return true;
}

/* SIZE of the grammar in the header, but for the last form. */
static bool parse_range(struct bytes text, struct load_lengths_part *out)
{
    struct bytes from, to;
    if (!bytes_split(text, '-', &from, &to))
        to = from;
    return parse_length(from, &out->min) && parse_length(to, &out->max) && out->min <= out->max;
}

static bool parse_size(struct bytes text, uint32_t before, struct load_lengths_part *out)
{
    if (!bytes_starts_nocase(text, BYTES("<=")))
        return parse_range(text, out);
    out->min = before + 1;
    return parse_length(bytes_from(text, 2), &out->max) && out->max > before;
}

static void add_part(struct load_lengths *to, const struct load_lengths_part *part)
{
    uint64_t before = to->part_count ? to->parts[to->part_count - 1].weight_end : 0;
    to->parts[to->part_count] = *part;
    to->parts[to->part_count++].weight_end = before + part->weight;
}

enum err load_lengths_parse(struct bytes text, uint32_t min, struct load_lengths *to,
                            struct err_detail *why)
{
    struct load_lengths_part part = {.weight = 1};
    to->part_count = 0;
    if (!parse_range(text, &part) || part.min < min)
        return err_set(why, ERR_SYNTAX,
                       BYTES_FMT ": a number from %" PRIu32 " to %u is wanted, or MIN-MAX",
                       BYTES_ARG(text), min, LOAD_SHAPE_LENGTH_MAX);
    add_part(to, &part);
    return ERR_OK;
}

/* SIZE WEIGHT; LINE is not empty and has no blanks around it. */
static enum err parse_line(struct bytes line, uint32_t *before, struct load_lengths *to,
                           struct err_detail *why)
{
    struct load_lengths_part part = {0};
    size_t blank = 0;
    while (blank < line.len && line.ptr[blank] != ' ' && line.ptr[blank] != '\t')
        blank++;
    struct bytes size = bytes_sub(line, 0, blank), weight = bytes_trim(bytes_from(line, blank));
    char shown[64];
    if (!parse_size(size, *before, &part))
        return err_set(why, ERR_SYNTAX,
                       "\"%s\": a size is wanted: N, MIN-MAX, or <=N above the line before",
                       bytes_escape(size, shown, sizeof shown));
    if (bytes_to_u64(weight, LOAD_SHAPE_WEIGHT_MAX, &part.weight) != ERR_OK)
        return err_set(why, ERR_SYNTAX, "\"%s\": a whole number is wanted behind the size",
                       bytes_escape(weight, shown, sizeof shown));
    *before = part.max;
    if (part.weight == 0)
        return ERR_OK;
    if (to->part_count == LOAD_SHAPE_SIZES_MAX)
        return err_set(why, ERR_LIMIT, "more than %d lines with sizes", LOAD_SHAPE_SIZES_MAX);
    add_part(to, &part);
    return ERR_OK;
}

enum err load_lengths_parse_file(struct bytes text, const char *path, struct load_lengths *to,
                                 struct err_detail *why)
{
    uint32_t before = 0;
    to->part_count = 0;
    for (unsigned long number = 1; text.len; number++) {
        struct bytes line, comment;
        struct err_detail what;
        (void)bytes_split(text, '\n', &line, &text);
        (void)bytes_split(line, '#', &line, &comment);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        line = bytes_trim(line);
        enum err e = line.len ? parse_line(line, &before, to, &what) : ERR_OK;
        if (e != ERR_OK)
            return err_set(why, e, "%s:%lu: %s", path, number, what.text);
    }
    if (to->part_count == 0)
        return err_set(why, ERR_NOTFOUND, "%s: there is no size with a weight in it", path);
    return ERR_OK;
}

enum err load_lengths_read(const char *path, struct load_lengths *to, struct err_detail *why)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set_errno(why, errno, "%s", path);
    char *text = mem_alloc(FILE_OCTETS_MAX + 1);
    errno = 0;
    size_t len = fread(text, 1, FILE_OCTETS_MAX + 1, file);
    enum err e = ERR_OK;
    if (ferror(file))
        e = err_set_errno(why, errno, "%s", path);
    else if (len > FILE_OCTETS_MAX)
        e = err_set(why, ERR_LIMIT, "%s: more than %d octets", path, FILE_OCTETS_MAX);
    else
        e = load_lengths_parse_file(bytes_make(text, len), path, to, why);
    fclose(file);
    mem_free(text);
    return e;
}

/* --- Drawing --- */

uint64_t load_lengths_random(uint64_t seed, uint64_t n)
{
    uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t load_lengths_below(uint64_t random, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)random * bound >> 64);
}

/* Sizes of a part: one, and its share of the FREE ones; each length of it once at most. */
static uint32_t sizes_of(const struct load_lengths_part *part, uint64_t free, uint64_t weight)
{
    uint64_t width = (uint64_t)part->max - part->min + 1;
    uint64_t count = 1 + (uint64_t)((unsigned __int128)free * part->weight / weight);
    return (uint32_t)(count < width ? count : width);
}

void load_lengths_choose(struct load_lengths *l, uint64_t seed)
{
    ASSERT(l->part_count > 0);
    uint64_t free = LOAD_SHAPE_SIZES_MAX - l->part_count;
    uint64_t weight = l->parts[l->part_count - 1].weight_end;
    l->size_count = 0;
    for (size_t i = 0; i < l->part_count; i++) {
        struct load_lengths_part *part = &l->parts[i];
        uint64_t width = (uint64_t)part->max - part->min + 1;
        part->first = (uint32_t)l->size_count;
        part->count = sizes_of(part, free, weight);
        for (uint64_t k = 0; k < part->count; k++) { /* one from each of COUNT slices */
            uint64_t from = width * k / part->count, to = width * (k + 1) / part->count;
            uint64_t random = load_lengths_random(seed, l->size_count);
            l->sizes[l->size_count++] = part->min + from + load_lengths_below(random, to - from);
        }
    }
    ASSERT(l->size_count <= LOAD_SHAPE_SIZES_MAX);
}

size_t load_lengths_draw(const struct load_lengths *l, uint64_t random, uint64_t another)
{
    uint64_t at = load_lengths_below(random, l->parts[l->part_count - 1].weight_end);
    size_t low = 0, high = l->part_count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (at < l->parts[middle].weight_end)
            high = middle;
        else
            low = middle + 1;
    }
    return l->parts[low].first + (size_t)load_lengths_below(another, l->parts[low].count);
}
