/* bench/load_shape: text and tag, every size, lines are whole, bodies for DATA and BDAT, seeds
 * reproduce, bodies are drawn evenly, histogram is kept to, mean of uniform, errors, print. */
#include "bench/load_shape.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "net/smtp_data.h"

#include "unit.h"

enum { DRAWS = 100000 };

static const char HISTOGRAM[] = "1 1\n256 2\n368-372 5\n<=500 3\n70000 1\n";
static const struct bytes BODIES[] = {
    {"A: b\r\n\r\nshort\r\n", 15},
    {"", 0},
    {"A: b\r\n\r\n.\r\n..\r\n\0\xff\r\n", 19},
};

static char folder[64], lengths[96], bodies[96];

static void write_file(const char *path, struct bytes text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, text.ptr, text.len) == (ssize_t)text.len);
    close(fd);
}

static void files_make(void)
{
    char path[128];
    snprintf(folder, sizeof folder, "/tmp/test_load_shape.XXXXXX");
    CHECK(mkdtemp(folder));
    snprintf(lengths, sizeof lengths, "%s/lengths", folder);
    write_file(lengths, bytes_of(HISTOGRAM));
    snprintf(bodies, sizeof bodies, "%s/bodies", folder);
    CHECK(mkdir(bodies, 0700) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(BODIES); i++) {
        snprintf(path, sizeof path, "%s/%zu", bodies, i);
        write_file(path, BODIES[i]);
    }
}

static void files_remove(void)
{
    char path[128];
    for (size_t i = 0; i < ARRAY_SIZE(BODIES); i++) {
        snprintf(path, sizeof path, "%s/%zu", bodies, i);
        CHECK(unlink(path) == 0);
    }
    CHECK(rmdir(bodies) == 0);
    CHECK(unlink(lengths) == 0);
    CHECK(rmdir(folder) == 0);
}

/* Rows name these. */
static const struct shape_row {
    const char *name, *length;
    const char *lengths, *bodies; /* paths: set where they are made */
} SHAPES[] = {
    {"fixed", "4096", NULL, NULL},
    {"as short as it can be", "256", NULL, NULL},
    {"uniform", "256-1000", NULL, NULL},
    {"uniform, more lengths than sizes", "256-100000", NULL, NULL},
    {"histogram", NULL, lengths, NULL},
    {"folder", NULL, NULL, bodies},
};

static struct load_shape *shape_new(const struct shape_row *row, uint64_t seed)
{
    struct load_shape *s = MEM_NEW(struct load_shape);
    struct load_shape_settings settings = {
        .from = "a@src.test",
        .rcpt = "b@dst.test",
        .length = row->length,
        .lengths = row->lengths,
        .bodies = row->bodies,
        .bodies_octets_max = 100000,
        .seed = seed,
    };
    struct err_detail why = {""};
    CHECK(load_shape_init(s, &settings, &why) == ERR_OK);
    CHECK_STR(why.text, "");
    return s;
}

static void shape_free(struct load_shape *s)
{
    load_shape_free(s);
    mem_free(s);
}

/* --- Text and tag --- */

static char *message_gather(const struct load_shape *s, size_t which, uint64_t seq, bool stuffed,
                            size_t *len)
{
    struct load_tag tag = {.run = 0xabcdef, .seq = seq, .sent_us = 1234567890123456};
    struct bytes pieces[LOAD_TEXT_PIECES];
    char top[LOAD_TEXT_TOP_BYTES];
    load_shape_top(s, which, &tag, top);
    size_t count = load_shape_pieces(s, which, top, seq, stuffed, pieces);
    char *text = NULL;
    *len = 0;
    for (size_t i = 0; i < count; i++) {
        text = mem_realloc(text, *len + pieces[i].len + 1);
        memcpy(text + *len, pieces[i].ptr, pieces[i].len);
        *len += pieces[i].len;
    }
    return text;
}

/* What a sink says of it, fed in pieces of other lengths, behind a header of the relay. */
static bool arrives(struct bytes text, uint64_t seq, size_t first_piece)
{
    struct load_tag_reader r = {0};
    load_tag_feed(&r, BYTES("Received: from a by b; c\r\n\td\r\n"));
    for (size_t piece = first_piece; text.len; piece = piece * 7 % 1009 + 1) {
        load_tag_feed(&r, bytes_sub(text, 0, piece));
        text = bytes_from(text, piece);
    }
    return r.state == LOAD_TAG_FOUND && load_tag_intact(&r) && r.tag.run == 0xabcdef &&
           r.tag.seq == seq && r.tag.sent_us == 1234567890123456;
}

static void check_message(const struct load_shape *s, uint64_t seq)
{
    size_t len, which = load_shape_next(s, seq);
    char *text = message_gather(s, which, seq, false, &len);
    struct bytes whole = bytes_make(text, len);
    CHECK_U64(len, load_shape_octets(s, which));
    for (size_t first = 1; first < 200; first += 33)
        CHECK(arrives(whole, seq, first));
    char id[64];
    snprintf(id, sizeof id, "Message-ID: <0000000000abcdef.%012u@source.test>\r\n", (unsigned)seq);
    CHECK_BYTES(bytes_sub(whole, 0, strlen(id)), bytes_of(id));
    CHECK(whole.ptr[len - 2] == '\r' && whole.ptr[len - 1] == '\n');
    if (len > LOAD_TEXT_TOP_BYTES) { /* an empty body has nothing that could be damaged */
        text[LOAD_TEXT_TOP_BYTES + seq % (len - LOAD_TEXT_TOP_BYTES)] ^= 1;
        CHECK(!arrives(whole, seq, 100));
    }
    mem_free(text);
}

static void test_text_and_tag(void)
{
    files_make();
    for (size_t i = 0; i < ARRAY_SIZE(SHAPES); i++) {
        unit_row(SHAPES[i].name);
        struct load_shape *s = shape_new(&SHAPES[i], 42);
        for (uint64_t seq = 0; seq < 60; seq++)
            check_message(s, seq);
        shape_free(s);
    }
    files_remove();
}

/* Every size there is, with each variant of the lines. */
static void test_every_size(void)
{
    struct load_shape *s = shape_new(&SHAPES[2], 1);
    CHECK_U64(s->text.size_count, 745);
    for (size_t which = 0; which < s->text.size_count; which++) {
        size_t len;
        uint64_t seq = which;
        char *text = message_gather(s, which, seq, false, &len);
        CHECK_U64(len, 256 + which);
        CHECK(arrives(bytes_make(text, len), seq, 64));
        mem_free(text);
    }
    shape_free(s);
}

/* No bare CR or LF, and no dot that would have to be stuffed. */
static void test_lines_are_whole(void)
{
    struct load_shape *s = shape_new(&SHAPES[2], 1);
    for (size_t which = 0; which < s->text.size_count; which++) {
        size_t len;
        char *text = message_gather(s, which, 3, true, &len);
        bool whole = true;
        for (size_t i = 1; i < len; i++)
            whole = whole && (text[i] == '\n') == (text[i - 1] == '\r') &&
                    !(text[i] == '.' && text[i - 1] == '\n');
        CHECK(whole);
        mem_free(text);
    }
    CHECK_U64(load_shape_notes(s, 0), 0);
    shape_free(s);
}

static void test_bodies_for_data_and_bdat(void)
{
    static const struct bytes stuffed = {"A: b\r\n\r\n..\r\n...\r\n\0\xff\r\n", 21};
    files_make();
    struct load_shape *s = shape_new(&SHAPES[5], 1);
    for (size_t which = 0; which < 3; which++) {
        struct bytes raw = which == 1 ? BYTES("\r\n") : BODIES[which];
        for (int data = 0; data < 2; data++) {
            size_t len;
            char *text = message_gather(s, which, 5, data, &len);
            struct bytes rest = bytes_from(bytes_make(text, len), LOAD_TEXT_TOP_BYTES);
            CHECK_BYTES(rest, data && which == 2 ? stuffed : raw);
            mem_free(text);
        }
        CHECK_U64(load_shape_notes(s, which), which == 2 ? SMTP_DATA_DOT_LINE | SMTP_DATA_8BIT : 0);
    }
    shape_free(s);
    files_remove();
}

/* --- Which --- */

static void test_seeds_reproduce(void)
{
    files_make();
    for (size_t i = 0; i < ARRAY_SIZE(SHAPES); i++) {
        unit_row(SHAPES[i].name);
        struct load_shape *a = shape_new(&SHAPES[i], 7), *b = shape_new(&SHAPES[i], 7);
        struct load_shape *c = shape_new(&SHAPES[i], 8);
        bool same = true, differs = false;
        for (uint64_t seq = 0; seq < 1000; seq++) {
            uint64_t octets = load_shape_octets(a, load_shape_next(a, seq));
            same = same && octets == load_shape_octets(b, load_shape_next(b, seq));
            differs = differs || octets != load_shape_octets(c, load_shape_next(c, seq));
        }
        CHECK(same);
        CHECK(differs == (i >= 2)); /* there is but one in the first two */
        shape_free(a);
        shape_free(b);
        shape_free(c);
    }
    files_remove();
}

/* Four standard deviations; the seed is fixed. */
static bool as_expected(uint64_t count, double share)
{
    double mean = DRAWS * share, off = (double)count - mean;
    return off * off <= 16 * mean * (1 - share) + 1;
}

static void test_bodies_are_drawn_evenly(void)
{
    files_make();
    struct load_shape *s = shape_new(&SHAPES[5], 3);
    uint64_t counts[ARRAY_SIZE(BODIES)] = {0};
    for (uint64_t seq = 0; seq < DRAWS; seq++)
        counts[load_shape_next(s, seq)]++;
    for (size_t i = 0; i < ARRAY_SIZE(BODIES); i++)
        CHECK(as_expected(counts[i], 1.0 / ARRAY_SIZE(BODIES)));
    shape_free(s);
    files_remove();
}

static void test_histogram_is_kept_to(void)
{
    files_make();
    struct load_shape *s = shape_new(&SHAPES[4], 3);
    uint64_t huge = 0, middle = 0;
    for (uint64_t seq = 0; seq < DRAWS; seq++) {
        uint64_t octets = load_shape_octets(s, load_shape_next(s, seq));
        huge += octets == 70000;
        middle += octets >= 368 && octets <= 372;
    }
    CHECK(as_expected(huge, 1.0 / 12));
    CHECK(as_expected(middle, 5.0 / 12));
    shape_free(s);
    files_remove();
}

static void test_mean_of_uniform(void)
{
    struct load_shape *s = shape_new(&SHAPES[3], 9);
    double sum = 0;
    for (uint64_t seq = 0; seq < DRAWS; seq++)
        sum += (double)load_shape_octets(s, load_shape_next(s, seq));
    double mean = sum / DRAWS, middle = (256 + 100000) / 2.0;
    CHECK(mean > middle * 0.99 && mean < middle * 1.01);
    shape_free(s);
}

/* --- The rest --- */

static void test_errors(void)
{
    static const struct {
        const char *name;
        struct load_shape_settings settings;
        const char *begins;
    } rows[] = {
        {"length", {.length = "12"}, "12: a number from 256 to 1073741824 is wanted"},
        {"file", {.lengths = "/nonexistent/x"}, "/nonexistent/x: "},
        {"folder", {.bodies = "/nonexistent/y"}, "/nonexistent/y: "},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct load_shape *s = MEM_NEW(struct load_shape);
        struct err_detail why = {""};
        unit_row(rows[i].name);
        CHECK(load_shape_init(s, &rows[i].settings, &why) != ERR_OK);
        CHECK_BYTES(bytes_sub(bytes_of(why.text), 0, strlen(rows[i].begins)),
                    bytes_of(rows[i].begins));
        shape_free(s);
    }
}

static void check_print(const struct shape_row *row, bool json, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    struct load_shape *s = shape_new(row, 77);
    load_shape_print(s, to, json);
    CHECK(fclose(to) == 0);
    CHECK_STR(text, wanted);
    free(text);
    shape_free(s);
}

static void test_print(void)
{
    files_make();
    check_print(&SHAPES[0], false, "lengths: 1, from 4096 to 4096 octets, mean 4096.0; seed 77\n");
    check_print(&SHAPES[2], true,
                "{\"lengths\": 745, \"min\": 256, \"max\": 1000, \"mean\": 628.0, \"seed\": 77}");
    check_print(&SHAPES[5], false,
                "bodies: 3 messages, 36 octets; 1 without a header (all body); 1 with NUL; "
                "1 with octets above 127; seed 77\n");
    check_print(&SHAPES[5], true,
                "{\"bodies\": 3, \"octets\": 36, \"bare_lf\": 0, \"no_end\": 0, \"no_header\": 1, "
                "\"fields_dropped\": 0, \"bare_cr\": 0, \"nul\": 1, \"8bit\": 1, "
                "\"long_lines\": 0, \"seed\": 77}");
    files_remove();
}

UNIT_MAIN("bench/load_shape", {"text and tag", test_text_and_tag}, {"every size", test_every_size},
          {"lines are whole", test_lines_are_whole},
          {"bodies for DATA and BDAT", test_bodies_for_data_and_bdat},
          {"seeds reproduce", test_seeds_reproduce},
          {"bodies are drawn evenly", test_bodies_are_drawn_evenly},
          {"histogram is kept to", test_histogram_is_kept_to},
          {"mean of uniform", test_mean_of_uniform}, {"errors", test_errors}, {"print", test_print})
