/* core/bytes: cuts, comparison, find, trim, split, to_u64, to_cstr, escape, match. */
#include "core/bytes.h"

#include "unit.h"

static void test_cuts(void)
{
    static const struct {
        const char *name, *text;
        size_t at, len;
        const char *from, *sub;
    } rows[] = {
        {"inside", "abcdef", 2, 3, "cdef", "cde"},
        {"whole", "abc", 0, 3, "abc", "abc"},
        {"len past the end", "abc", 1, 9, "bc", "bc"},
        {"len huge", "abc", 1, SIZE_MAX, "bc", "bc"},
        {"at the end", "abc", 3, 1, "", ""},
        {"at past the end", "abc", 99, 1, "", ""},
        {"empty", "", 0, 0, "", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct bytes b = bytes_of(rows[i].text);
        CHECK_BYTES(bytes_from(b, rows[i].at), bytes_of(rows[i].from));
        CHECK_BYTES(bytes_sub(b, rows[i].at, rows[i].len), bytes_of(rows[i].sub));
    }
    CHECK_BYTES(bytes_of(NULL), BYTES_EMPTY);
}

static void test_comparison(void)
{
    static const struct {
        const char *name;
        struct bytes a, b;
        bool equal, nocase, starts, ends;
    } rows[] = {
        {"same", BYTES("abc"), BYTES("abc"), true, true, true, true},
        {"case", BYTES("aBc"), BYTES("AbC"), false, true, true, true},
        {"prefix", BYTES("MAIL FROM:"), BYTES("mail "), false, false, true, false},
        {"suffix", BYTES("host.EXAMPLE"), BYTES(".example"), false, false, false, true},
        {"longer second", BYTES("ab"), BYTES("abc"), false, false, false, false},
        {"empty second", BYTES("ab"), BYTES(""), false, false, true, true},
        {"both empty", BYTES(""), BYTES(""), true, true, true, true},
        {"NUL counts", BYTES("a\0b"), BYTES("a\0c"), false, false, false, false},
        {"only letters fold", BYTES("[\\]"), BYTES("{|}"), false, false, false, false},
        {"no fold above ASCII", BYTES("\xc4"), BYTES("\xe4"), false, false, false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        CHECK(bytes_equal(rows[i].a, rows[i].b) == rows[i].equal);
        CHECK(bytes_equal_nocase(rows[i].a, rows[i].b) == rows[i].nocase);
        CHECK(bytes_starts_nocase(rows[i].a, rows[i].b) == rows[i].starts);
        CHECK(bytes_ends_nocase(rows[i].a, rows[i].b) == rows[i].ends);
    }
}

static void test_find(void)
{
    static const struct {
        const char *name, *text;
        char c;
        size_t at, first, last;
    } rows[] = {
        {"twice", "a@b@c", '@', 0, 1, 3},
        {"after the first", "a@b@c", '@', 2, 3, 3},
        {"at itself", "a@b@c", '@', 3, 3, 3},
        {"none", "abc", '@', 0, BYTES_NOT_FOUND, BYTES_NOT_FOUND},
        {"at past the end", "a@", '@', 7, BYTES_NOT_FOUND, 1},
        {"empty", "", '@', 0, BYTES_NOT_FOUND, BYTES_NOT_FOUND},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        CHECK_U64(bytes_find(bytes_of(rows[i].text), rows[i].c, rows[i].at), rows[i].first);
        CHECK_U64(bytes_rfind(bytes_of(rows[i].text), rows[i].c), rows[i].last);
    }
}

static void test_trim(void)
{
    static const struct {
        const char *name, *text, *both, *end;
    } rows[] = {
        {"both ends", " \ta b\t ", "a b", " \ta b"},
        {"nothing", "ab", "ab", "ab"},
        {"all blank", " \t ", "", ""},
        {"line ends are no blanks", "a\r\n", "a\r\n", "a\r\n"},
        {"empty", "", "", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        CHECK_BYTES(bytes_trim(bytes_of(rows[i].text)), bytes_of(rows[i].both));
        CHECK_BYTES(bytes_trim_end(bytes_of(rows[i].text)), bytes_of(rows[i].end));
    }
}

static void test_split(void)
{
    static const struct {
        const char *name, *text;
        bool found;
        const char *head, *tail;
    } rows[] = {
        {"once", "a=b", true, "a", "b"},     {"first of two", "a=b=c", true, "a", "b=c"},
        {"empty head", "=b", true, "", "b"}, {"empty tail", "a=", true, "a", ""},
        {"none", "ab", false, "ab", ""},     {"empty", "", false, "", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct bytes head, tail;
        CHECK(bytes_split(bytes_of(rows[i].text), '=', &head, &tail) == rows[i].found);
        CHECK_BYTES(head, bytes_of(rows[i].head));
        CHECK_BYTES(tail, bytes_of(rows[i].tail));
    }
}

static void test_to_u64(void)
{
    static const struct {
        const char *name;
        struct bytes text;
        uint64_t max;
        enum err e;
        uint64_t value;
    } rows[] = {
        {"zero", BYTES("0"), 10, ERR_OK, 0},
        {"leading zeros", BYTES("00000000000000000000000000007"), 10, ERR_OK, 7},
        {"at max", BYTES("10"), 10, ERR_OK, 10},
        {"above max", BYTES("11"), 10, ERR_LIMIT, 0},
        {"2^64-1", BYTES("18446744073709551615"), UINT64_MAX, ERR_OK, UINT64_MAX},
        {"2^64", BYTES("18446744073709551616"), UINT64_MAX, ERR_LIMIT, 0},
        {"wraps several times", BYTES("99999999999999999999999999"), UINT64_MAX, ERR_LIMIT, 0},
        {"too long, then bad", BYTES("99999999999999999999999999x"), UINT64_MAX, ERR_SYNTAX, 0},
        {"empty", BYTES(""), 10, ERR_SYNTAX, 0},
        {"plus", BYTES("+1"), 10, ERR_SYNTAX, 0},
        {"minus", BYTES("-1"), 10, ERR_SYNTAX, 0},
        {"blank before", BYTES(" 1"), 10, ERR_SYNTAX, 0},
        {"blank after", BYTES("1 "), 10, ERR_SYNTAX, 0},
        {"hex", BYTES("0x1"), 100, ERR_SYNTAX, 0},
        {"NUL", BYTES("1\0"), 10, ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        uint64_t value = 4711;
        CHECK_U64(bytes_to_u64(rows[i].text, rows[i].max, &value), rows[i].e);
        CHECK_U64(value, rows[i].e == ERR_OK ? rows[i].value : 4711);
    }
}

static void test_to_cstr(void)
{
    static const struct {
        const char *name, *text;
        size_t size;
        bool fits;
        const char *copy;
    } rows[] = {
        {"fits", "abc", 8, true, "abc"}, {"fits exactly", "abc", 4, true, "abc"},
        {"cut", "abc", 3, false, "ab"},  {"room for NUL only", "abc", 1, false, ""},
        {"empty fits", "", 1, true, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        char to[9] = "########";
        CHECK(bytes_to_cstr(bytes_of(rows[i].text), to, rows[i].size) == rows[i].fits);
        CHECK_STR(to, rows[i].copy);
        CHECK(rows[i].size == 8 || to[rows[i].size] == '#');
    }
    unit_row("no room at all");
    char none = '#';
    CHECK(!bytes_to_cstr(BYTES("a"), &none, 0));
    CHECK(none == '#');
}

static void test_escape(void)
{
    static const struct {
        const char *name;
        struct bytes text;
        size_t size;
        const char *escaped;
    } rows[] = {
        {"printable", BYTES("a b~"), 32, "a b~"},
        {"control", BYTES("a\r\n\tb"), 32, "a\\x0d\\x0a\\x09b"},
        {"NUL and high", BYTES("\0\x7f\xff"), 32, "\\x00\\x7f\\xff"},
        {"cut text", BYTES("abcdef"), 4, "abc"},
        {"an escape is never cut", BYTES("ab\n"), 6, "ab"},
        {"an escape that just fits", BYTES("ab\n"), 7, "ab\\x0a"},
        {"room for NUL only", BYTES("ab"), 1, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        char to[33];
        memset(to, '#', sizeof to);
        CHECK(bytes_escape(rows[i].text, to, rows[i].size) == to);
        CHECK_STR(to, rows[i].escaped);
        CHECK(to[rows[i].size] == '#');
    }
}

static void test_match(void)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "abc", true},
        {"abc", "ABC", true},
        {"abc", "abcd", false},
        {"*@crm.example", "bill@CRM.example", true},
        {"*@crm.example", "bill@crm.example.net", false},
        {"a*c", "ac", true},
        {"a*c", "abcbc", true},
        {"a*c", "abcb", false},
        {"*ab*ab*", "xabyab", true},
        {"*ab*ab*", "xaby", false},
        {"**", "x", true},
        {"a*", "ba", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].pattern);
        CHECK(bytes_match_nocase(bytes_of(rows[i].pattern), bytes_of(rows[i].text)) ==
              rows[i].matches);
    }
}

UNIT_MAIN("core/bytes", {"cuts", test_cuts}, {"comparison", test_comparison}, {"find", test_find},
          {"trim", test_trim}, {"split", test_split}, {"to_u64", test_to_u64},
          {"to_cstr", test_to_cstr}, {"escape", test_escape}, {"match", test_match})
