/* core/header_filter: rows, pieces. */
#include "core/header_filter.h"

#include "core/mem.h"

#include "unit.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* Names that go: A, and all that begin with "Bad-". */
static bool strips(unsigned classes, struct bytes name)
{
    return (classes & 1 && bytes_equal_nocase(name, BYTES("A"))) ||
           (classes & 2 && bytes_starts_nocase(name, BYTES("Bad-")));
}

#define X16  "xxxxxxxxxxxxxxxx"
#define X128 X16 X16 X16 X16 X16 X16 X16 X16

static const struct filter_row {
    const char *name;
    struct bytes text, rest;
    unsigned classes;
    bool stripped;
} rows[] = {
    {"nothing to strip", B("A: 1\r\nBad-X: 2\r\n\r\nbody"), B("A: 1\r\nBad-X: 2\r\n\r\nbody"), 0,
     false},
    {"no such field", B("From: 1\r\nTo: 2\r\n\r\nA: 3\r\n"), B("From: 1\r\nTo: 2\r\n\r\nA: 3\r\n"),
     3, false},
    {"first", B("A: 1\r\nTo: 2\r\n\r\n"), B("To: 2\r\n\r\n"), 1, true},
    {"last", B("To: 2\r\nA: 1\r\n\r\n"), B("To: 2\r\n\r\n"), 1, true},
    {"in between", B("To: 2\r\nA: 1\r\nX: 3\r\n\r\n"), B("To: 2\r\nX: 3\r\n\r\n"), 1, true},
    {"all instances", B("A: 1\r\nA: 2\r\nX: 3\r\nA: 4\r\n\r\n"), B("X: 3\r\n\r\n"), 1, true},
    {"all there is", B("A: 1\r\nA: 2\r\n"), B(""), 1, true},
    {"all but the empty line", B("A: 1\r\n\r\n"), B("\r\n"), 1, true},
    {"by its class alone", B("A: 1\r\nBad-X: 2\r\n\r\n"), B("A: 1\r\n\r\n"), 2, true},
    {"with its folded lines", B("A: 1\r\n 2\r\n\t3\r\n \r\nX: 4\r\n 5\r\n\r\n"),
     B("X: 4\r\n 5\r\n\r\n"), 1, true},
    {"a folded line is no field", B("X: 4\r\n A: 5\r\n\r\n"), B("X: 4\r\n A: 5\r\n\r\n"), 1, false},
    {"folded line first", B(" A: 5\r\nA: 1\r\n\r\n"), B(" A: 5\r\n\r\n"), 1, true},
    {"body untouched", B("X: 1\r\n\r\nA: 2\r\n\r\nA: 3\r\n"), B("X: 1\r\n\r\nA: 2\r\n\r\nA: 3\r\n"),
     1, false},
    {"body only", B("\r\nA: 2\r\n"), B("\r\nA: 2\r\n"), 1, false},
    {"LF alone ends lines and the header", B("A: 1\nX: 2\n\nA: 3\n"), B("X: 2\n\nA: 3\n"), 1, true},
    {"case", B("a: 1\r\nbAD-x: 2\r\n\r\n"), B("\r\n"), 3, true},
    {"blanks before the colon", B("A : 1\r\nA \t : 2\r\nX: 3\r\n\r\n"), B("X: 3\r\n\r\n"), 1, true},
    {"a word and no colon", B("A word: 1\r\nA\r\nA \r\nX: 2\r\n\r\n"),
     B("A word: 1\r\nA\r\nA \r\nX: 2\r\n\r\n"), 1, false},
    {"a line that is no field does not end it", B("X: 1\r\nhello there\r\nA: 2\r\n\r\nA: 3\r\n"),
     B("X: 1\r\nhello there\r\n\r\nA: 3\r\n"), 1, true},
    {"nor a mailbox file's line", B("From a@b Mon\r\nA: 2\r\n\r\n"), B("From a@b Mon\r\n\r\n"), 1,
     true},
    {"nor a colon first", B(": 1\r\nA: 2\r\n\r\n"), B(": 1\r\n\r\n"), 1, true},
    {"CR and no LF at a line start", B("X: 1\r\n\rA: 2\r\n\r\n"), B("X: 1\r\n\rA: 2\r\n\r\n"), 1,
     false},
    {"CR after what goes", B("A: 1\r\n\rB: 2\r\n\r\n"), B("\rB: 2\r\n\r\n"), 1, true},
    {"cut in a name", B("X: 1\r\nBad-"), B("X: 1\r\nBad-"), 3, false},
    {"cut in a value", B("X: 1\r\nA: 2"), B("X: 1\r\n"), 1, true},
    {"cut at a CR", B("X: 1\r\nA: 2\r\n\r"), B("X: 1\r\n\r"), 1, true},
    {"empty", B(""), B(""), 1, false},
    {"NUL in a name", B("A\0: 1\r\nBad-\0: 2\r\n\r\n"), B("A\0: 1\r\n\r\n"), 3, true},
    {"a long name that stays", B("Y" X128 X128 ": 1\r\nA: 2\r\n\r\n"),
     B("Y" X128 X128 ": 1\r\n\r\n"), 3, true},
    {"a long name that goes", B("Bad-" X128 X128 ": 1\r\n 2\r\nX: 3\r\n\r\n"), B("X: 3\r\n\r\n"), 3,
     true},
    {"a long name that begins like a short one", B("A" X128 ": 1\r\n\r\n"),
     B("A" X128 ": 1\r\n\r\n"), 3, false},
};

struct gathered {
    char text[1024];
    size_t len;
};

static void gather(struct gathered *to, struct bytes piece)
{
    if (!CHECK(to->len + piece.len <= sizeof to->text))
        return;
    if (piece.len)
        memcpy(to->text + to->len, piece.ptr, piece.len);
    to->len += piece.len;
}

/* In pieces of FIRST, then STEP octets, each in memory that ends where it does. */
static void check_row(const struct filter_row *row, size_t first, size_t step)
{
    struct header_filter filter = {.strips = strips, .classes = row->classes};
    struct gathered out = {.len = 0};
    for (size_t at = 0; at < row->text.len;) {
        struct bytes part = bytes_sub(row->text, at, at == 0 ? first : step);
        char *copy = mem_alloc(part.len);
        memcpy(copy, part.ptr, part.len);
        struct bytes in = bytes_make(copy, part.len);
        while (in.len)
            gather(&out, header_filter_next(&filter, &in));
        mem_free(copy);
        at += part.len;
    }
    gather(&out, header_filter_end(&filter));
    CHECK_BYTES(bytes_make(out.text, out.len), row->rest);
    CHECK(filter.stripped == row->stripped);
}

static void test_rows(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        for (size_t first = 1; first <= rows[i].text.len + 1; first++)
            check_row(&rows[i], first, rows[i].text.len + 1);
        check_row(&rows[i], 1, 1);
        check_row(&rows[i], 2, 3);
    }
}

/* What stays together is one piece: a header in one block costs one append. */
static void test_pieces(void)
{
    struct header_filter filter = {.strips = strips, .classes = 3};
    struct bytes in = BYTES("X: 1\r\nY: 2\r\nA: 3\r\nZ: 4\r\n\r\nA: body\r\n");
    CHECK_BYTES(header_filter_next(&filter, &in), BYTES("X: 1\r\nY: 2\r\n"));
    CHECK_BYTES(header_filter_next(&filter, &in), BYTES("Z: 4\r\n\r\nA: body\r\n"));
    CHECK_U64(in.len, 0);
    CHECK(filter.ended);
    in = BYTES("A: more\r\n");
    CHECK_BYTES(header_filter_next(&filter, &in), BYTES("A: more\r\n"));
    CHECK_U64(header_filter_end(&filter).len, 0);
}

UNIT_MAIN("core/header_filter", {"rows", test_rows}, {"pieces", test_pieces})
