/* net/smtp_data: end of data, every alignment, bdat, clean text is one piece, seams, long lines,
 * long line edges, long line in blocks, splits agree, stuff, bdat argument, nothing behind the
 * end. */
#include "net/smtp_data.h"

#include <stdio.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/rand.h"

#include "unit.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

enum { LF = SMTP_DATA_BARE_LF, CR = SMTP_DATA_BARE_CR, NUL = SMTP_DATA_NUL, HIGH = SMTP_DATA_8BIT };
enum { DOT = SMTP_DATA_DOT_LINE, LONG = SMTP_DATA_LONG_LINE, OPEN = SMTP_DATA_NO_FINAL_CRLF };

/* All that a reader says about one input. */
struct outcome {
    struct buf text;
    unsigned notes;
    uint64_t octets;
    size_t end; /* behind the end of data, or SIZE_MAX */
    unsigned pieces;
};

static struct outcome outcome_new(void)
{
    struct outcome o = {.end = SIZE_MAX};

    buf_init(&o.text, SIZE_MAX / 2);
    return o;
}

static void outcome_add(struct outcome *o, struct bytes piece)
{
    CHECK(buf_append(&o->text, piece) == ERR_OK);
    o->pieces += piece.len > 0;
}

/* Feeds STEP octets at a time; FIRST of them at first (0: STEP). */
static struct outcome data_run(struct bytes in, bool normalize, size_t first, size_t step)
{
    struct smtp_data_reader r = {.normalize = normalize};
    struct outcome o = outcome_new();
    size_t at = 0;

    while (at < in.len && o.end == SIZE_MAX) {
        struct bytes block = bytes_sub(in, at, at == 0 && first > 0 ? first : step);
        size_t done = 0;
        while (done < block.len && o.end == SIZE_MAX) {
            size_t used;
            struct bytes piece;
            bool end = smtp_data_read(&r, bytes_from(block, done), &used, &piece);
            outcome_add(&o, piece);
            done += used;
            if (end)
                o.end = at + done;
        }
        at += done;
    }
    o.notes = r.notes;
    o.octets = r.octets;
    return o;
}

static struct outcome bdat_run(struct bytes in, bool normalize, size_t step)
{
    struct smtp_data_reader r = {.normalize = normalize};
    struct outcome o = outcome_new();
    struct bytes piece;

    for (size_t at = 0; at < in.len; at += step) {
        struct bytes chunk = bytes_sub(in, at, step);
        for (size_t done = 0; done < chunk.len;) {
            size_t used;
            smtp_bdat_read(&r, bytes_from(chunk, done), &used, &piece);
            outcome_add(&o, piece);
            done += used;
        }
    }
    smtp_bdat_end(&r, &piece);
    outcome_add(&o, piece);
    o.notes = r.notes;
    o.octets = r.octets;
    return o;
}

static void outcome_check(struct outcome *o, struct bytes text, size_t end, unsigned notes)
{
    CHECK_BYTES(buf_bytes(&o->text), text);
    CHECK_U64(o->end, end);
    CHECK_U64(o->notes, notes);
    CHECK_U64(o->octets, text.len);
    buf_free(&o->text);
}

/* Every input is followed by commands: none of them may be taken, and none may be missed when the
 * data really ended. */
#define NEVER           SIZE_MAX
#define CMD             "MAIL FROM:<admin@victim.example>\r\n"
#define END_AT(literal) (sizeof(literal) - 1)

static const struct data_row {
    const char *name;
    struct bytes in;
    size_t end;
    struct bytes text; /* as the reader gives it in strict mode, up to the end or of all */
    unsigned notes;
    struct bytes normal; /* and when it normalizes */
} data_rows[] = {
    {"C-041 plain", B("a\r\nb\r\n.\r\n" CMD), END_AT("a\r\nb\r\n.\r\n"), B("a\r\nb\r\n"), 0,
     B("a\r\nb\r\n")},
    {"C-043 dots", B("..\r\n...a\r\n.b\r\n.\r\n"), END_AT("..\r\n...a\r\n.b\r\n.\r\n"),
     B(".\r\n..a\r\nb\r\n"), DOT, B(".\r\n..a\r\nb\r\n")},
    {"C-044 empty lines", B("\r\n\r\n.\r\n"), END_AT("\r\n\r\n.\r\n"), B("\r\n\r\n"), 0,
     B("\r\n\r\n")},
    {"dot within a line", B("a.b\r\nc.\r\n.\r\n"), END_AT("a.b\r\nc.\r\n.\r\n"), B("a.b\r\nc.\r\n"),
     0, B("a.b\r\nc.\r\n")},
    {"S-01", B("x\n.\n" CMD), NEVER, B("x\n.\n" CMD), LF | DOT, B("x\r\n.\r\n" CMD)},
    {"S-02", B("x\n.\r\n" CMD), NEVER, B("x\n.\r\n" CMD), LF | DOT, B("x\r\n.\r\n" CMD)},
    {"S-03", B("x\r\n.\n" CMD), NEVER, B("x\r\n\n" CMD), LF, B("x\r\n\r\n" CMD)},
    {"S-04", B("x\r.\r" CMD), NEVER, B("x\r.\r" CMD), CR, B("x . " CMD)},
    {"S-05", B("x\r.\n" CMD), NEVER, B("x\r.\n" CMD), CR | LF, B("x .\r\n" CMD)},
    {"S-06", B("x\n.\r" CMD), NEVER, B("x\n.\r" CMD), CR | LF | DOT, B("x\r\n. " CMD)},
    {"S-07", B("x\r.\r\n" CMD), NEVER, B("x\r.\r\n" CMD), CR, B("x .\r\n" CMD)},
    {"S-08", B("x\r\n.\r" CMD), NEVER, B("x\r\n\r" CMD), CR, B("x\r\n " CMD)},
    {"S-09", B("x\r\n\0.\r\n" CMD), NEVER, B("x\r\n\0.\r\n" CMD), NUL, B("x\r\n\0.\r\n" CMD)},
    {"S-10", B("x\r\n.\0\r\n" CMD), NEVER, B("x\r\n\0\r\n" CMD), NUL, B("x\r\n\0\r\n" CMD)},
    {"S-11", B("x\r\n.\r\r\n" CMD), NEVER, B("x\r\n\r\r\n" CMD), CR, B("x\r\n \r\n" CMD)},
    {"S-12", B("x\r\r\n.\r\r\n" CMD), NEVER, B("x\r\r\n\r\r\n" CMD), CR, B("x \r\n \r\n" CMD)},
    {"S-13", B("x\r\n .\r\n" CMD), NEVER, B("x\r\n .\r\n" CMD), 0, B("x\r\n .\r\n" CMD)},
    {"S-14", B("x\r\n. \r\n" CMD), NEVER, B("x\r\n \r\n" CMD), 0, B("x\r\n \r\n" CMD)},
    {"S-15", B("x\r\n.\t\r\n" CMD), NEVER, B("x\r\n\t\r\n" CMD), 0, B("x\r\n\t\r\n" CMD)},
    {"S-16 vertical tab", B("x\r\n\v.\r\n.\v\r\n" CMD), NEVER, B("x\r\n\v.\r\n\v\r\n" CMD), 0,
     B("x\r\n\v.\r\n\v\r\n" CMD)},
    {"S-16 form feed", B("x\r\n\f.\r\n" CMD), NEVER, B("x\r\n\f.\r\n" CMD), 0,
     B("x\r\n\f.\r\n" CMD)},
    {"S-16 SUB", B("x\r\n\x1a.\r\n" CMD), NEVER, B("x\r\n\x1a.\r\n" CMD), 0,
     B("x\r\n\x1a.\r\n" CMD)},
    {"S-16 NEL", B("x\x85.\x85" CMD), NEVER, B("x\x85.\x85" CMD), HIGH, B("x\x85.\x85" CMD)},
    {"S-16 LS", B("x\r\n\xe2\x80\xa8.\xe2\x80\xa8" CMD), NEVER,
     B("x\r\n\xe2\x80\xa8.\xe2\x80\xa8" CMD), HIGH, B("x\r\n\xe2\x80\xa8.\xe2\x80\xa8" CMD)},
    {"S-17", B("x\xff\r\n.\r\n" CMD), END_AT("x\xff\r\n.\r\n"), B("x\xff\r\n"), HIGH,
     B("x\xff\r\n")},
    {"S-19", B(".\r\n" CMD), END_AT(".\r\n"), B(""), 0, B("")},
    {"S-20", B("..\r\nx\r\n.\r\n" CMD), END_AT("..\r\nx\r\n.\r\n"), B(".\r\nx\r\n"), DOT,
     B(".\r\nx\r\n")},
    {"S-21", B("X: a\n\nbody\r\n.\r\n" CMD), END_AT("X: a\n\nbody\r\n.\r\n"), B("X: a\n\nbody\r\n"),
     LF, B("X: a\r\n\r\nbody\r\n")},
    {"S-22", B("Received: a\r b\r\n.\r\n"), END_AT("Received: a\r b\r\n.\r\n"),
     B("Received: a\r b\r\n"), CR, B("Received: a  b\r\n")},
    {"LF first", B("\n.\r\n.\r\n"), END_AT("\n.\r\n.\r\n"), B("\n.\r\n"), LF | DOT, B("\r\n.\r\n")},
    {"CR first", B("\r.\r\n.\r\n"), END_AT("\r.\r\n.\r\n"), B("\r.\r\n"), CR, B(" .\r\n")},
    {"CRs and an end", B("\r\r\r\n.\r\n" CMD), END_AT("\r\r\r\n.\r\n"), B("\r\r\r\n"), CR,
     B("  \r\n")},
    {"stuffed dot then LF", B("..\n.\r\n.\r\n"), END_AT("..\n.\r\n.\r\n"), B(".\n.\r\n"), LF | DOT,
     B(".\r\n.\r\n")},
    {"end behind LFCR", B("x\n\r\n.\r\n" CMD), END_AT("x\n\r\n.\r\n"), B("x\n\r\n"), LF,
     B("x\r\n\r\n")},
};

static void test_end_of_data(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(data_rows); i++) {
        const struct data_row *row = &data_rows[i];

        unit_row(row->name);
        for (size_t first = 1; first <= row->in.len; first++) {
            struct outcome strict = data_run(row->in, false, first, row->in.len);
            outcome_check(&strict, row->text, row->end, row->notes);
            struct outcome normal = data_run(row->in, true, first, row->in.len);
            outcome_check(&normal, row->normal, row->end, row->notes);
        }
        for (size_t step = 1; step <= 3; step++) {
            struct outcome strict = data_run(row->in, false, 0, step);
            outcome_check(&strict, row->text, row->end, row->notes);
            struct outcome normal = data_run(row->in, true, 0, step);
            outcome_check(&normal, row->normal, row->end, row->notes);
        }
    }
}

/* The same behind 0 to 130 octets of clean text: what is decided octet by octet must not depend on
 * where the blocks that are passed over whole happen to begin. */
static void test_every_alignment(void)
{
    char filler[131];

    for (size_t i = 0; i < sizeof filler; i++)
        filler[i] = i % 40 == 38 ? '\r' : i % 40 == 39 ? '\n' : 'f';
    for (size_t i = 0; i < ARRAY_SIZE(data_rows); i++) {
        const struct data_row *row = &data_rows[i];
        unit_row(row->name);
        for (size_t ahead = 2; ahead < sizeof filler; ahead++) {
            struct buf in, text;
            buf_init(&in, 4096);
            buf_init(&text, 4096);
            struct bytes clean = bytes_make(filler + sizeof filler - ahead, ahead - 2);
            for (unsigned part = 0; part < 2; part++) {
                struct buf *to = part == 0 ? &in : &text;
                CHECK(buf_append(to, clean) == ERR_OK);
                CHECK(buf_append(to, BYTES("\r\n")) == ERR_OK);
                CHECK(buf_append(to, part == 0 ? row->in : row->text) == ERR_OK);
            }
            /* A CR LF cut in two at the start would be another row's business. */
            if (clean.len == 0 || clean.ptr[0] != '\n') {
                struct outcome o = data_run(buf_bytes(&in), false, 0, 4096);
                size_t end = row->end == NEVER ? NEVER : row->end + ahead;
                outcome_check(&o, buf_bytes(&text), end, row->notes);
            }
            buf_free(&in);
            buf_free(&text);
        }
    }
}

static void test_bdat(void)
{
    static const struct {
        const char *name;
        struct bytes in;
        unsigned notes;
        struct bytes normal;
    } rows[] = {
        {"B-02 dots are data", B("\r\n.\r\n.\r\n.\r\n."), DOT | OPEN, B("\r\n.\r\n.\r\n.\r\n.")},
        {"B-09 empty", B(""), 0, B("")},
        {"S-31", B("ab\n.\r\nMAIL"), LF | DOT | OPEN, B("ab\r\n.\r\nMAIL")},
        {"S-32 CR at the seam", B("a\r\n.\r\nb\r\n"), DOT, B("a\r\n.\r\nb\r\n")},
        {"S-32 dot first", B(".a\r\n"), DOT, B(".a\r\n")},
        {"S-33 no CRLF at the end", B("a\r\nb"), OPEN, B("a\r\nb")},
        {"CR at the end", B("a\r"), CR | OPEN, B("a ")},
        {"LF at the end, strict open", B("a\n"), LF | OPEN, B("a\r\n")},
        {"bare CR", B("a\rb\r\n"), CR, B("a b\r\n")},
        {"8-bit and NUL", B("\xc3\xa4\0\r\n"), HIGH | NUL, B("\xc3\xa4\0\r\n")},
        {"doubled dots stay", B("..a\r\n...\r\n"), DOT, B("..a\r\n...\r\n")},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        for (size_t step = 1; step <= rows[i].in.len + 1; step++) {
            struct outcome strict = bdat_run(rows[i].in, false, step);
            outcome_check(&strict, rows[i].in, NEVER, rows[i].notes);
            struct outcome normal = bdat_run(rows[i].in, true, step);
            bool lf_end = bytes_equal(rows[i].in, BYTES("a\n"));
            outcome_check(&normal, rows[i].normal, NEVER, rows[i].notes & ~(lf_end ? OPEN : 0u));
        }
    }
}

static char *line_text(size_t size)
{
    char *text = mem_alloc(size);

    for (size_t i = 0; i < size; i++)
        text[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : (char)('a' + i % 26);
    return text;
}

static void test_clean_text_is_one_piece(void)
{
    size_t size = 65536;
    char *text = line_text(size);

    for (size_t len = size - 80; len <= size; len++) {
        struct smtp_data_reader r = {0};
        struct bytes in = bytes_make(text, len);
        size_t used;
        struct bytes piece;
        CHECK(!smtp_data_read(&r, in, &used, &piece));
        CHECK_U64(used, len);
        CHECK(piece.ptr == text);
        CHECK_U64(piece.len, text[len - 1] == '\r' ? len - 1 : len);
        CHECK_U64(r.notes, 0);
    }
    mem_free(text);
}

/* S-18: the end of data across the seams of usual read buffers. */
static void test_seams(void)
{
    static const size_t sizes[] = {1,     511,   512,   1000,  4095,  4096, 4097,
                                   16383, 16384, 16385, 65535, 65536, 65537};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (size_t shift = 0; shift < 6; shift++) {
            size_t ahead = sizes[i] + 6 - shift;
            size_t total = ahead + 5 + sizeof(CMD) - 1;
            char *text = mem_alloc(total);
            memset(text, 'x', ahead);
            memcpy(text + ahead, "\r\n.\r\n" CMD, total - ahead);
            struct outcome o = data_run(bytes_make(text, total), false, 0, sizes[i]);
            outcome_check(&o, bytes_make(text, ahead + 2), ahead + 5, ahead > 998 ? LONG : 0);
            mem_free(text);
        }
    }
}

/* S-23, and the note about long lines to the octet. */
static void test_long_lines(void)
{
    static const size_t sizes[] = {997, 998, 999, 1000, 1001, 2048, 65536};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t total = sizes[i] + 8;
        char *text = mem_alloc(total);
        memset(text, 'x', sizes[i]);
        memcpy(text + sizes[i], ".\r\n.\r\n\r\n", 8);
        unsigned notes = sizes[i] + 1 > 998 ? LONG : 0;
        for (size_t step = 1; step <= total; step = step * 2 + 1) {
            struct outcome o = data_run(bytes_make(text, total), false, 0, step);
            outcome_check(&o, bytes_make(text, sizes[i] + 3), sizes[i] + 6, notes);
        }
        mem_free(text);
    }
}

/* Lines about as long as the limit, at every place in a block, now and then with a stray octet: the
 * lengths taken from whole blocks are those counted one by one. */
static void test_long_line_edges(void)
{
    static char in[16384];

    rand_seed(998);
    for (unsigned round = 0; round < 1000; round++) {
        size_t len = 0;
        for (unsigned line = 0; line < 4; line++) {
            size_t text = rand_below(2) ? 995 + rand_below(6) : rand_below(130);
            memset(in + len, 't', text);
            if (text > 0 && rand_below(8) == 0)
                in[len + rand_below(text)] = rand_below(2) ? '\r' : '\n';
            len += text;
            memcpy(in + len, "\r\n", 2);
            len += 2;
        }
        for (unsigned normalize = 0; normalize < 2; normalize++) {
            struct outcome octets = data_run(bytes_make(in, len), normalize, 0, 1);
            struct outcome whole = data_run(bytes_make(in, len), normalize, 0, sizeof in);
            outcome_check(&whole, buf_bytes(&octets.text), NEVER, octets.notes);
            buf_free(&octets.text);
        }
    }
}

static void long_line_check(size_t ahead, size_t text, size_t stray)
{
    static char in[2048];
    unsigned notes = text > 998 ? LONG : 0;

    memset(in, 't', sizeof in);
    memcpy(in + ahead, "\r\n", 2);
    memcpy(in + ahead + 2 + text, "\r\n", 2);
    memcpy(in + ahead + 2 + text + 2 + 300, "\r\n", 2);
    memcpy(in + sizeof in - 2, "\r\n", 2);
    if (stray < text) {
        in[ahead + 2 + stray] = '\r';
        notes |= CR;
    }
    struct outcome o = bdat_run(bytes_make(in, sizeof in), false, sizeof in);
    outcome_check(&o, bytes_make(in, sizeof in), NEVER, notes);
}

/* The limit to the octet where blocks are passed over whole, on both sides of the line; and with a
 * stray CR that may be the last octet of a block. */
static void test_long_line_in_blocks(void)
{
    for (size_t ahead = 0; ahead < 130; ahead++)
        for (size_t text = 997; text <= 1000; text++)
            long_line_check(ahead, text, SIZE_MAX);
    for (size_t ahead = 0; ahead < 64; ahead++) {
        for (size_t stray = 0; stray < 64; stray++) {
            long_line_check(ahead, 998, stray);
            long_line_check(ahead, 999, stray);
        }
    }
}

/* Any input of a hostile alphabet gives the same, whole and octet by octet. */
static void test_splits_agree(void)
{
    static const char alphabet[] = {'\r', '\n', '.', '\0', 'a', 'b', ' ', '\xe4'};
    char in[700];

    rand_seed(20131008);
    for (unsigned round = 0; round < 3000; round++) {
        size_t len = rand_below(sizeof in);
        bool mostly_clean = rand_below(2) == 0;
        for (size_t i = 0; i < len; i++) {
            in[i] = alphabet[rand_below(sizeof alphabet)];
            if (mostly_clean && rand_below(100) > 0)
                in[i] = i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : 't';
        }
        for (unsigned normalize = 0; normalize < 2; normalize++) {
            struct outcome bytewise = data_run(bytes_make(in, len), normalize, 0, 1);
            struct outcome whole = data_run(bytes_make(in, len), normalize, 0, sizeof in);
            /* A CR, or a dot, at the very end is held back by both. */
            outcome_check(&whole, buf_bytes(&bytewise.text), bytewise.end, bytewise.notes);
            buf_free(&bytewise.text);
            struct outcome chunks = bdat_run(bytes_make(in, len), normalize, 1);
            struct outcome chunk = bdat_run(bytes_make(in, len), normalize, sizeof in);
            outcome_check(&chunk, buf_bytes(&chunks.text), NEVER, chunks.notes);
            buf_free(&chunks.text);
        }
    }
}

static void test_stuff(void)
{
    static const struct {
        const char *name;
        struct bytes in, out;
    } rows[] = {
        {"empty", B(""), B("")},
        {"plain", B("a\r\nb\r\n"), B("a\r\nb\r\n")},
        {"no CRLF at the end", B("a"), B("a")},
        {"C-083", B(".\r\n..\r\n.a\r\nb.\r\n"), B("..\r\n...\r\n..a\r\nb.\r\n")},
        {"only a dot", B("."), B("..")},
        {"dot behind LF", B("a\n.\r\nb\r\n"), B("a\n..\r\nb\r\n")},
        {"LF at the end", B("a\n"), B("a\n")},
        {"CR at the end", B("a\r"), B("a\r")},
        {"dot behind CR", B("a\r.\r\n"), B("a\r.\r\n")},
        {"empty line", B("\r\n"), B("\r\n")},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        for (size_t step = 1; step <= rows[i].in.len + 1; step++) {
            struct smtp_data_writer w = {0};
            char out[64];
            size_t len = 0;
            for (size_t at = 0; at < rows[i].in.len; at += step)
                len += smtp_data_stuff(&w, bytes_sub(rows[i].in, at, step), out + len);
            CHECK_BYTES(bytes_make(out, len), rows[i].out);
        }
    }
}

static void test_bdat_argument(void)
{
    static const struct {
        const char *argument;
        enum err err;
        uint64_t size;
        bool last;
    } rows[] = {
        {"0", ERR_OK, 0, false},
        {"0 LAST", ERR_OK, 0, true},
        {"1000", ERR_OK, 1000, false},
        {"1000 last", ERR_OK, 1000, true},
        {"1000  LaSt", ERR_OK, 1000, true},
        {"4294967296", ERR_OK, 4294967296, false},
        {"18446744073709551615", ERR_OK, UINT64_MAX, false},
        {"18446744073709551616", ERR_SYNTAX, 0, false},
        {"99999999999999999999", ERR_SYNTAX, 0, false},
        {"00000000000000000005", ERR_OK, 5, false},
        {"0000000000000000000000000000000000000005", ERR_SYNTAX, 0, false},
        {"1234567890123456789012345678901234567890", ERR_SYNTAX, 0, false},
        {"-1", ERR_SYNTAX, 0, false},
        {"+5", ERR_SYNTAX, 0, false},
        {"0x10", ERR_SYNTAX, 0, false},
        {"1e3", ERR_SYNTAX, 0, false},
        {"", ERR_SYNTAX, 0, false},
        {" 5", ERR_SYNTAX, 0, false},
        {"LAST", ERR_SYNTAX, 0, false},
        {"5LAST", ERR_SYNTAX, 0, false},
        {"5 LAS", ERR_SYNTAX, 0, false},
        {"5 LAST 6", ERR_SYNTAX, 0, false},
        {"5,LAST", ERR_SYNTAX, 0, false},
        {"5 6", ERR_SYNTAX, 0, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t size = 0;
        bool last = false;
        unit_row(rows[i].argument);
        CHECK_U64(smtp_bdat_argument(bytes_of(rows[i].argument), &size, &last), rows[i].err);
        CHECK_U64(size, rows[i].size);
        CHECK_U64(last, rows[i].last);
    }
}

/* Once ended, whatever comes is left alone. */
static void test_nothing_behind_the_end(void)
{
    struct smtp_data_reader r = {0};
    size_t used;
    struct bytes piece;

    CHECK(smtp_data_read(&r, BYTES(".\r\n" CMD), &used, &piece));
    CHECK_U64(used, 3);
    CHECK(smtp_data_read(&r, BYTES(CMD), &used, &piece));
    CHECK_U64(used, 0);
    CHECK_U64(piece.len, 0);
}

UNIT_MAIN("net/smtp_data", {"end of data", test_end_of_data},
          {"every alignment", test_every_alignment}, {"bdat", test_bdat},
          {"clean text is one piece", test_clean_text_is_one_piece}, {"seams", test_seams},
          {"long lines", test_long_lines}, {"long line edges", test_long_line_edges},
          {"long line in blocks", test_long_line_in_blocks}, {"splits agree", test_splits_agree},
          {"stuff", test_stuff}, {"bdat argument", test_bdat_argument},
          {"nothing behind the end", test_nothing_behind_the_end})
