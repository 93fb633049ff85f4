/* bench/load_shape_lengths: option, file, file errors, as many lines as sizes, from the disk,
 * sizes that are chosen, weights are respected, even within a range, edges of the draw, seeds. */
#include "bench/load_shape_lengths.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/mem.h"

#include "unit.h"

enum { DRAWS = 100000 };

/* --- Parsing --- */

static void test_option(void)
{
    static const struct {
        const char *text;
        enum err e;
        uint32_t min, max;
    } rows[] = {
        {"4096", ERR_OK, 4096, 4096},
        {"256", ERR_OK, 256, 256},
        {"256-65536", ERR_OK, 256, 65536},
        {"300-300", ERR_OK, 300, 300},
        {"1073741824", ERR_OK, 1u << 30, 1u << 30},
        {"", ERR_SYNTAX, 0, 0},
        {"255", ERR_SYNTAX, 0, 0},
        {"255-300", ERR_SYNTAX, 0, 0},
        {"400-300", ERR_SYNTAX, 0, 0},
        {"300-", ERR_SYNTAX, 0, 0},
        {"-300", ERR_SYNTAX, 0, 0},
        {"300-400-500", ERR_SYNTAX, 0, 0},
        {"1073741825", ERR_SYNTAX, 0, 0},
        {"99999999999999999999999", ERR_SYNTAX, 0, 0},
        {"<=400", ERR_SYNTAX, 0, 0},
        {"4k", ERR_SYNTAX, 0, 0},
    };
    struct load_lengths *l = MEM_NEW(struct load_lengths);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct err_detail why = {""};
        unit_row(rows[i].text);
        CHECK_U64(load_lengths_parse(bytes_of(rows[i].text), 256, l, &why), rows[i].e);
        CHECK((why.text[0] != '\0') == (rows[i].e != ERR_OK));
        if (rows[i].e == ERR_OK) {
            CHECK_U64(l->part_count, 1);
            CHECK_U64(l->parts[0].min, rows[i].min);
            CHECK_U64(l->parts[0].max, rows[i].max);
        }
    }
    mem_free(l);
}

static void test_file(void)
{
    static const char TEXT[] = "# sizes of a Monday\n"
                               "\n"
                               "<=1000 5   # small\r\n"
                               "  2000\t 1\n"
                               "<=4096 7\n"
                               "5000-6000 0\n"
                               "<=8192 2\n"
                               "10-20 3";
    static const struct {
        uint32_t min, max;
        uint64_t weight, weight_end;
    } wanted[] = {
        {1, 1000, 5, 5},     {2000, 2000, 1, 6}, {2001, 4096, 7, 13},
        {6001, 8192, 2, 15}, {10, 20, 3, 18},
    };
    struct load_lengths *l = MEM_NEW(struct load_lengths);
    CHECK(load_lengths_parse_file(BYTES(TEXT), "monday", l, NULL) == ERR_OK);
    CHECK_U64(l->part_count, ARRAY_SIZE(wanted));
    for (size_t i = 0; i < l->part_count && i < ARRAY_SIZE(wanted); i++) {
        CHECK_U64(l->parts[i].min, wanted[i].min);
        CHECK_U64(l->parts[i].max, wanted[i].max);
        CHECK_U64(l->parts[i].weight, wanted[i].weight);
        CHECK_U64(l->parts[i].weight_end, wanted[i].weight_end);
    }
    mem_free(l);
}

static void test_file_errors(void)
{
    static const struct {
        const char *name, *text, *begins;
    } rows[] = {
        {"no weight", "4096\n", "f:1: \"\": a whole number"},
        {"no number", "100 1\nmany 2\n", "f:2: \"many\": a size"},
        {"a weight that is none", "# x\n\n100 often\n", "f:3: \"often\": a whole number"},
        {"a negative weight", "100 -1\n", "f:1: \"-1\": a whole number"},
        {"a third word", "100 1 2\n", "f:1: \"1 2\": a whole number"},
        {"too heavy", "100 1000000000000001\n", "f:1: \"1000000000000001\": a whole number"},
        {"too long", "1073741825 1\n", "f:1: \"1073741825\": a size"},
        {"nothing long", "0 1\n", "f:1: \"0\": a size"},
        {"backwards", "20-10 1\n", "f:1: \"20-10\": a size"},
        {"a bucket that does not rise", "<=100 1\n<=100 1\n", "f:2: \"<=100\": a size"},
        {"a bucket without an edge", "<= 100 1\n", "f:1: \"<=\": a size"},
        {"empty", "", "f: there is no size"},
        {"only comments", "# 100 1\n", "f: there is no size"},
        {"only weights of 0", "100 0\n", "f: there is no size"},
        {"an octet that nobody can print", "\x01 1\n", "f:1: \"\\x01\": a size"},
    };
    struct load_lengths *l = MEM_NEW(struct load_lengths);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct err_detail why = {""};
        unit_row(rows[i].name);
        CHECK(load_lengths_parse_file(bytes_of(rows[i].text), "f", l, &why) != ERR_OK);
        CHECK_BYTES(bytes_sub(bytes_of(why.text), 0, strlen(rows[i].begins)),
                    bytes_of(rows[i].begins));
    }
    mem_free(l);
}

/* COUNT lines "N 1". */
static char *many_lines(unsigned count, size_t *len)
{
    char *text = mem_alloc(count * 16ul);
    *len = 0;
    for (unsigned i = 1; i <= count; i++)
        *len += (size_t)snprintf(text + *len, 16, "%u 1\n", i);
    return text;
}

static void test_as_many_lines_as_sizes(void)
{
    struct load_lengths *l = MEM_NEW(struct load_lengths);
    struct err_detail why = {""};
    size_t len;
    char *text = many_lines(LOAD_SHAPE_SIZES_MAX, &len);
    CHECK(load_lengths_parse_file(bytes_make(text, len), "f", l, &why) == ERR_OK);
    load_lengths_choose(l, 1);
    CHECK_U64(l->size_count, LOAD_SHAPE_SIZES_MAX);
    mem_free(text);
    text = many_lines(LOAD_SHAPE_SIZES_MAX + 1, &len);
    CHECK(load_lengths_parse_file(bytes_make(text, len), "f", l, &why) == ERR_LIMIT);
    CHECK_STR(why.text, "f:1025: more than 1024 lines with sizes");
    mem_free(text);
    mem_free(l);
}

static void test_from_the_disk(void)
{
    char path[] = "/tmp/test_load_shape_lengths.XXXXXX";
    struct load_lengths *l = MEM_NEW(struct load_lengths);
    struct err_detail why = {""};
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK(write(fd, "100 1\nx\n", 8) == 8);
    CHECK(load_lengths_read(path, l, &why) == ERR_SYNTAX);
    CHECK(strncmp(why.text, path, strlen(path)) == 0);
    CHECK(strncmp(why.text + strlen(path), ":2: \"x\"", 7) == 0);
    CHECK(ftruncate(fd, 6) == 0);
    CHECK(load_lengths_read(path, l, &why) == ERR_OK);
    CHECK_U64(l->parts[0].max, 100);
    CHECK(unlink(path) == 0);
    CHECK(load_lengths_read(path, l, &why) == ERR_NOTFOUND);
    close(fd);
    mem_free(l);
}

/* --- Choosing and drawing --- */

static struct load_lengths *parsed(const char *text, uint64_t seed)
{
    struct load_lengths *l = MEM_NEW(struct load_lengths);
    CHECK(load_lengths_parse_file(bytes_of(text), "f", l, NULL) == ERR_OK);
    load_lengths_choose(l, seed);
    return l;
}

static void test_sizes_that_are_chosen(void)
{
    static const struct {
        const char *name, *text;
        size_t count;
    } rows[] = {
        {"one", "4096 3\n", 1},
        {"several", "100 1\n200 5\n300 1\n", 3},
        {"a narrow range: each length", "100-299 1\n", 200},
        {"as wide as there are sizes", "1-1024 1\n", 1024},
        {"a wide range", "1-1000000 1\n", 1024},
        {"two wide ones", "1-1000000 1\n1-1000000 1\n", 1024},
        {"a rare one gets one all the same", "1-1000000 1000000000\n5-50 1\n", 1023},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct load_lengths *l = parsed(rows[i].text, 99);
        CHECK_U64(l->size_count, rows[i].count);
        bool within = true, rising = true;
        for (size_t p = 0; p < l->part_count; p++)
            for (uint32_t k = 0; k < l->parts[p].count; k++) {
                uint64_t size = l->sizes[l->parts[p].first + k];
                within = within && size >= l->parts[p].min && size <= l->parts[p].max;
                rising = rising && (k == 0 || size > l->sizes[l->parts[p].first + k - 1]);
            }
        CHECK(within);
        CHECK(rising);
        mem_free(l);
    }
}

/* Part of the size with this index. */
static size_t part_of(const struct load_lengths *l, size_t size)
{
    size_t p = 0;
    while (size >= l->parts[p].first + l->parts[p].count)
        p++;
    return p;
}

/* Four standard deviations around what is expected: the seeds are fixed. */
static bool as_expected(uint64_t count, double share)
{
    double mean = DRAWS * share, off = (double)count - mean;
    return off * off <= 16 * mean * (1 - share) + 1;
}

static void test_weights_are_respected(void)
{
    static const struct {
        const char *name, *text;
        double shares[4];
    } rows[] = {
        {"equal", "100 1\n200 1\n", {0.5, 0.5}},
        {"one in a hundred", "100 99\n200 1\n", {0.99, 0.01}},
        {"a histogram",
         "<=1000 50\n<=10000 30\n<=100000 15\n<=1000000 5\n",
         {0.5, 0.3, 0.15, 0.05}},
        {"heavy", "1 900000000000000\n2 100000000000000\n", {0.9, 0.1}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct load_lengths *l = parsed(rows[i].text, 7);
        uint64_t counts[4] = {0};
        for (uint64_t k = 0; k < DRAWS; k++)
            counts[part_of(l, load_lengths_draw(l, load_lengths_random(3, 2 * k),
                                                load_lengths_random(3, 2 * k + 1)))]++;
        for (size_t p = 0; p < l->part_count; p++)
            CHECK(as_expected(counts[p], rows[i].shares[p]));
        mem_free(l);
    }
}

static void test_even_within_a_range(void)
{
    struct load_lengths *l = parsed("1-1000000 1\n", 5);
    uint64_t quarters[4] = {0};
    for (uint64_t k = 0; k < DRAWS; k++) {
        size_t size = load_lengths_draw(l, load_lengths_random(11, k), load_lengths_random(12, k));
        quarters[(l->sizes[size] - 1) / 250000]++;
    }
    for (size_t q = 0; q < 4; q++)
        CHECK(as_expected(quarters[q], 0.25));
    mem_free(l);
}

static void test_edges_of_the_draw(void)
{
    struct load_lengths *l = parsed("100 1\n200-201 1\n", 5);
    CHECK_U64(load_lengths_draw(l, 0, 0), 0);
    CHECK_U64(load_lengths_draw(l, 0, UINT64_MAX), 0);
    CHECK_U64(load_lengths_draw(l, UINT64_MAX / 2, 0), 0);
    CHECK_U64(load_lengths_draw(l, UINT64_MAX / 2 + 1, 0), 1);
    CHECK_U64(load_lengths_draw(l, UINT64_MAX, UINT64_MAX), 2);
    mem_free(l);
}

static void test_seeds(void)
{
    struct load_lengths *a = parsed("1-1000000 1\n", 5), *b = parsed("1-1000000 1\n", 5);
    struct load_lengths *c = parsed("1-1000000 1\n", 6);
    CHECK(memcmp(a->sizes, b->sizes, sizeof a->sizes) == 0);
    CHECK(memcmp(a->sizes, c->sizes, sizeof a->sizes) != 0);
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

UNIT_MAIN("bench/load_shape_lengths", {"option", test_option}, {"file", test_file},
          {"file errors", test_file_errors},
          {"as many lines as sizes", test_as_many_lines_as_sizes},
          {"from the disk", test_from_the_disk},
          {"sizes that are chosen", test_sizes_that_are_chosen},
          {"weights are respected", test_weights_are_respected},
          {"even within a range", test_even_within_a_range},
          {"edges of the draw", test_edges_of_the_draw}, {"seeds", test_seeds})
