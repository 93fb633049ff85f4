/* core/csv_line: values, fields, no room. */
#include "core/csv_line.h"

#include <stdio.h>

#include "core/mem.h"

#include "unit.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static const struct value_row {
    const char *name;
    struct bytes value;
    size_t max;
    const char *wanted;
} value_rows[] = {
    {"empty", B(""), 10, ""},
    {"plain", B("250 2.1.0 Sender OK"), 100, "250 2.1.0 Sender OK"},
    {"comma", B("a,b"), 10, "\"a,b\""},
    {"quote", B("say \"a\""), 10, "\"say \"\"a\"\"\""},
    {"quote alone", B("\""), 10, "\"\"\"\""},
    {"comma alone", B(","), 10, "\",\""},
    {"line end", B("a\r\nb"), 10, "a\\x0d\\x0ab"},
    {"a forged line", B("x\r\n2026-01-01T00:00:00.000Z,forged"), 100,
     "\"x\\x0d\\x0a2026-01-01T00:00:00.000Z,forged\""},
    {"NUL", B("a\0b"), 10, "a\\x00b"},
    {"terminal's escape",
     B("\x1b[2J\x9b"
       "31m"),
     10, "\\x1b[2J\\x9b31m"},
    {"DEL and tab", B("\x7f\t"), 10, "\\x7f\\x09"},
    {"beyond ASCII", B("\xc3\xa9\xff"), 10, "\\xc3\\xa9\\xff"},
    {"blanks at the ends stay", B(" a "), 10, " a "},
    {"as long as allowed", B("abcde"), 5, "abcde"},
    {"longer", B("abcdef"), 5, "abcde..."},
    {"longer, a comma among what is kept", B("a,cdef"), 5, "\"a,cde...\""},
    {"longer, a comma among what is not", B("abcde,"), 5, "abcde..."},
    {"nothing allowed", B("abc"), 0, "..."},
};

static void test_values(void)
{
    struct csv_line line;
    char wanted[512];
    for (size_t i = 0; i < ARRAY_SIZE(value_rows); i++) {
        const struct value_row *row = &value_rows[i];
        unit_row(row->name);
        line.len = line.fields = 0;
        csv_line_add(&line, row->value, row->max);
        csv_line_add(&line, BYTES("x"), 1);
        snprintf(wanted, sizeof wanted, "%s,x\r\n", row->wanted);
        CHECK_BYTES(csv_line_end(&line), bytes_of(wanted));
    }
}

static void test_fields(void)
{
    struct csv_line line = {.len = 0};
    for (unsigned i = 0; i < 4; i++)
        csv_line_add(&line, BYTES_EMPTY, 10);
    CHECK_BYTES(csv_line_end(&line), BYTES(",,,\r\n"));
}

/* One printable line that ends where it should, whatever comes: also when there is no more room. */
static void check_cut(struct bytes text)
{
    CHECK(text.len <= CSV_LINE_SIZE);
    CHECK(bytes_ends_nocase(text, BYTES("\r\n")));
    size_t quotes = 0;
    bool good = true;
    for (size_t i = 0; i + 2 < text.len; i++) {
        good = good && text.ptr[i] >= ' ' && text.ptr[i] < 0x7f;
        quotes += text.ptr[i] == '"';
    }
    CHECK(good);
    CHECK_U64(quotes % 2, 0);
    CHECK(memmem(text.ptr, text.len, "...", 3));
}

static void test_no_room(void)
{
    static const char *const kinds[] = {"a", "\"", ",", "\n", "a\"\n,"};
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        unit_row(kinds[k]);
        size_t unit = strlen(kinds[k]), len = CSV_LINE_SIZE + 100;
        char *value = mem_alloc(len);
        for (size_t i = 0; i < len; i++)
            value[i] = kinds[k][i % unit];
        /* What came before leaves any number of octets for the value. */
        for (size_t before = CSV_LINE_SIZE - 80; before < CSV_LINE_SIZE; before++) {
            struct csv_line line = {.len = 0};
            char *first = mem_alloc(before);
            memset(first, 'x', before);
            csv_line_add(&line, bytes_make(first, before), SIZE_MAX);
            csv_line_add(&line, bytes_make(value, len), SIZE_MAX);
            csv_line_add(&line, bytes_make(value, len), SIZE_MAX);
            csv_line_add(&line, bytes_make(value, len), SIZE_MAX);
            check_cut(csv_line_end(&line));
            mem_free(first);
        }
        mem_free(value);
    }
}

UNIT_MAIN("core/csv_line", {"values", test_values}, {"fields", test_fields},
          {"no room", test_no_room})
