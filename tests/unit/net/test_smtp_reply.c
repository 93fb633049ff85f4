/* net/smtp_reply: write, fold, write limit, read, pipelined, limits, text cut, on line, on raw
 * line. */
#include "net/smtp_reply.h"

#include <stdio.h>

#include "core/mem.h"

#include "unit.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static struct mail_status status_make(uint16_t code, uint16_t c, uint16_t s, uint16_t d,
                                      struct bytes text)
{
    return (struct mail_status){code, {c, s, d}, text};
}

static void test_write(void)
{
    static const struct {
        const char *name;
        struct mail_status status;
        bool enhanced;
        struct bytes wire;
    } rows[] = {
        {"ordinary", {250, {2, 1, 0}, B("Sender OK")}, true, B("250 2.1.0 Sender OK\r\n")},
        {"before EHLO", {250, {2, 1, 0}, B("Sender OK")}, false, B("250 Sender OK\r\n")},
        {"none given",
         {354, {0, 0, 0}, B("Start mail input")},
         true,
         B("354 Start mail input\r\n")},
        {"large numbers", {550, {5, 999, 65535}, B("x")}, true, B("550 5.999.65535 x\r\n")},
        {"no text", {250, {2, 0, 0}, B("")}, true, B("250 2.0.0 \r\n")},
        {"nothing at all", {250, {0, 0, 0}, B("")}, true, B("250 \r\n")},
        {"S-30 CRLF in the text",
         {550, {5, 1, 1}, B("a\r\n250 b")},
         true,
         B("550 5.1.1 a  250 b\r\n")},
        {"control bytes",
         {550,
          {5, 1, 1},
          B("a\0b\x1b[2J\x7f"
            "c\td")},
         true,
         B("550 5.1.1 a b [2J c d\r\n")},
        {"8-bit", {550, {5, 1, 1}, B("\xc3\xa4\xff")}, true, B("550 5.1.1 ???\r\n")},
        {"trailing blanks", {250, {2, 0, 0}, B("ok \t ")}, true, B("250 2.0.0 ok\r\n")},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct buf out;
        unit_row(rows[i].name);
        buf_init(&out, 4096);
        CHECK(smtp_reply_write(&out, &rows[i].status, rows[i].enhanced) == ERR_OK);
        CHECK_BYTES(buf_bytes(&out), rows[i].wire);
        buf_free(&out);
    }
}

/* C-023, C-024: what is folded has short lines with one code, and reads as it was. */
static void fold_check(struct bytes text, bool exact)
{
    struct mail_status status = status_make(550, 5, 7, 1, text);
    struct mail_status read;
    struct smtp_reply_parser *parser = MEM_NEW(struct smtp_reply_parser);
    struct buf out;
    size_t used;

    buf_init(&out, 65536);
    CHECK(smtp_reply_write(&out, &status, true) == ERR_OK);
    struct bytes rest = buf_bytes(&out);
    struct bytes line;
    while (bytes_split(rest, '\n', &line, &rest)) {
        CHECK(line.len + 1 <= 512);
        CHECK(bytes_starts_nocase(line, rest.len > 0 ? BYTES("550-5.7.1 ") : BYTES("550 5.7.1 ")));
    }
    CHECK(smtp_reply_read(parser, buf_bytes(&out), &used, &read) == ERR_OK);
    CHECK_U64(used, buf_len(&out));
    CHECK_U64(read.code, 550);
    CHECK(read.enhanced[0] == 5 && read.enhanced[1] == 7 && read.enhanced[2] == 1);
    if (exact)
        CHECK_BYTES(read.text, bytes_sub(text, 0, SMTP_REPLY_TEXT_MAX));
    buf_free(&out);
    mem_free(parser);
}

static void test_fold(void)
{
    char words[1200];
    char solid[1200];

    for (size_t i = 0; i < sizeof words; i++)
        words[i] = i % 8 == 7 ? ' ' : (char)('a' + i % 8);
    memset(solid, 'x', sizeof solid);
    for (size_t len = 490; len < 1020; len++) {
        char name[32];
        snprintf(name, sizeof name, "%zu octets", len);
        unit_row(name);
        fold_check(bytes_make(words, len), words[len - 1] != ' ');
        fold_check(bytes_make(solid, len), len <= 500);
    }
}

static void test_write_limit(void)
{
    struct mail_status status = MAIL_STATUS(250, 2, 0, 0, "a text that does not fit");
    struct buf out;

    buf_init(&out, 20);
    CHECK(smtp_reply_write(&out, &status, true) == ERR_LIMIT);
    CHECK_U64(buf_len(&out), 0);
    buf_free(&out);
}

static const struct read_row {
    const char *name;
    struct bytes in;
    enum err err;
    size_t used; /* when whole */
    struct mail_status status;
} read_rows[] = {
    {"one line", B("250 2.1.0 ok\r\n"), ERR_OK, 14, {250, {2, 1, 0}, B("ok")}},
    {"no enhanced code",
     B("220 mx.example ESMTP\r\n"),
     ERR_OK,
     22,
     {220, {0}, B("mx.example ESMTP")}},
    {"C-077 code alone", B("250\r\n"), ERR_OK, 5, {250, {0}, B("")}},
    {"code and blank", B("250 \r\n"), ERR_OK, 6, {250, {0}, B("")}},
    {"several lines", B("250-a\r\n250-b c\r\n250 d\r\n"), ERR_OK, 23, {250, {0}, B("a b c d")}},
    {"empty lines between", B("250-\r\n250-a\r\n250\r\n"), ERR_OK, 18, {250, {0}, B("a")}},
    {"enhanced code on every line",
     B("550-5.7.1 no\r\n550 5.7.1 way\r\n"),
     ERR_OK,
     29,
     {550, {5, 7, 1}, B("no way")}},
    {"enhanced code on the last",
     B("550-no\r\n550 5.7.1 way\r\n"),
     ERR_OK,
     23,
     {550, {5, 7, 1}, B("no way")}},
    {"second reply is left", B("250 a\r\n250 b\r\n"), ERR_OK, 7, {250, {0}, B("a")}},
    {"unknown code", B("599 x\r\n"), ERR_OK, 7, {599, {0}, B("x")}},
    {"H-02 mismatch: the last", B("250-a\r\n550 b\r\n"), ERR_OK, 14, {550, {0}, B("a b")}},
    {"H-02 enhanced code of another class",
     B("250-2.0.0 a\r\n550 b\r\n"),
     ERR_OK,
     20,
     {550, {0}, B("a b")}},
    {"H-02 two digits", B("25\r\n"), ERR_SYNTAX, 4, {0}},
    {"H-02 four digits", B("2500 x\r\n"), ERR_SYNTAX, 8, {0}},
    {"H-02 blank inside", B("2 0 x\r\n"), ERR_SYNTAX, 7, {0}},
    {"H-02 999", B("999 x\r\n"), ERR_SYNTAX, 7, {0}},
    {"H-02 1xx", B("150 x\r\n"), ERR_SYNTAX, 7, {0}},
    {"H-02 no blank", B("250x\r\n"), ERR_SYNTAX, 6, {0}},
    {"H-02 letters", B("abc d\r\n"), ERR_SYNTAX, 7, {0}},
    {"H-02 empty line", B("\r\n"), ERR_SYNTAX, 2, {0}},
    {"H-02 malformed second line", B("250-a\r\nhello\r\n"), ERR_SYNTAX, 14, {0}},
    {"H-02 NUL", B("250 a\0b\r\n"), ERR_OK, 9, {250, {0}, B("a b")}},
    {"H-02 NUL for a code", B("\0\0\0\r\n"), ERR_SYNTAX, 5, {0}},
    {"H-02 8-bit", B("250 \xc3\xa4\r\n"), ERR_OK, 8, {250, {0}, B("??")}},
    {"H-02 only continued", B("250-a\r\n"), ERR_AGAIN, 7, {0}},
    {"bare CR is text", B("250 a\rb\r\n"), ERR_OK, 9, {250, {0}, B("a b")}},
    {"C-042 bare LF", B("250 a\n"), ERR_SYNTAX, 6, {0}},
    {"H-03 no text", B("550 5.7.2\r\n"), ERR_OK, 11, {550, {5, 7, 2}, B("")}},
    {"H-03 blank and no text", B("550 5.7.2 \r\n"), ERR_OK, 12, {550, {5, 7, 2}, B("")}},
    {"H-03 no detail", B("550 5.7.\r\n"), ERR_OK, 10, {550, {0}, B("5.7.")}},
    {"H-03 no subject", B("550 5..1\r\n"), ERR_OK, 10, {550, {0}, B("5..1")}},
    {"H-03 four digits", B("550 5.999.9999\r\n"), ERR_OK, 16, {550, {0}, B("5.999.9999")}},
    {"H-03 three digits", B("550 5.999.999\r\n"), ERR_OK, 15, {550, {5, 999, 999}, B("")}},
    {"H-03 class mismatch", B("250 5.1.1 x\r\n"), ERR_OK, 13, {250, {0}, B("5.1.1 x")}},
    {"H-03 leading zero", B("550 5.01.1 x\r\n"), ERR_OK, 14, {550, {0}, B("5.01.1 x")}},
    {"H-03 class 3", B("354 3.0.0 x\r\n"), ERR_OK, 13, {354, {0}, B("3.0.0 x")}},
    {"H-03 text at once", B("550 5.7.1x\r\n"), ERR_OK, 12, {550, {0}, B("5.7.1x")}},
    {"an address is no code", B("220 2.0.0.1 x\r\n"), ERR_OK, 15, {220, {0}, B("2.0.0.1 x")}},
};

static void read_check(const struct read_row *row, struct smtp_reply_parser *p, size_t step)
{
    struct mail_status status = {0};
    enum err err = ERR_AGAIN;
    size_t total = 0;

    while (err == ERR_AGAIN && total < row->in.len) {
        size_t used;
        struct bytes block = bytes_sub(row->in, total, step);
        err = smtp_reply_read(p, block, &used, &status);
        CHECK(used <= block.len);
        CHECK(err != ERR_AGAIN || used == block.len);
        total += used;
    }
    CHECK_U64(err, row->err);
    CHECK_U64(total, row->used);
    CHECK_U64(status.code, row->status.code);
    CHECK_U64(memcmp(status.enhanced, row->status.enhanced, sizeof status.enhanced), 0);
    CHECK_BYTES(status.text, row->status.text);
}

static void test_read(void)
{
    struct smtp_reply_parser *p = MEM_NEW(struct smtp_reply_parser);

    for (size_t i = 0; i < ARRAY_SIZE(read_rows); i++) {
        unit_row(read_rows[i].name);
        for (size_t step = 1; step <= read_rows[i].in.len; step++) {
            if (read_rows[i].err == ERR_AGAIN)
                memset(p, 0, sizeof *p);
            read_check(&read_rows[i], p, step);
            if (read_rows[i].err == ERR_AGAIN)
                memset(p, 0, sizeof *p);
        }
    }
    mem_free(p);
}

/* One parser, one reply after another, as they come behind pipelined commands. */
static void test_pipelined(void)
{
    struct smtp_reply_parser *p = MEM_NEW(struct smtp_reply_parser);
    struct bytes in = BYTES("250 2.1.0 a\r\n550-5.1.1 b\r\n550 5.1.1 c\r\n354 d\r\n");
    static const struct {
        uint16_t code;
        const char *text;
    } wanted[] = {{250, "a"}, {550, "b c"}, {354, "d"}};

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        struct mail_status status = {0};
        size_t used;
        CHECK(smtp_reply_read(p, in, &used, &status) == ERR_OK);
        CHECK_U64(status.code, wanted[i].code);
        CHECK_BYTES(status.text, bytes_of(wanted[i].text));
        in = bytes_from(in, used);
    }
    CHECK_U64(in.len, 0);
    mem_free(p);
}

/* H-01. */
static enum err flood(const char *line, size_t len, size_t count, const char *last)
{
    struct smtp_reply_parser *p = MEM_NEW(struct smtp_reply_parser);
    struct mail_status status;
    size_t used;
    enum err err = ERR_AGAIN;

    for (size_t i = 0; i < count && err == ERR_AGAIN; i++)
        err = smtp_reply_read(p, bytes_make(line, len), &used, &status);
    if (err == ERR_AGAIN)
        err = smtp_reply_read(p, bytes_of(last), &used, &status);
    mem_free(p);
    return err;
}

static void test_limits(void)
{
    char line[4100];

    unit_row("512 lines");
    CHECK_U64(flood("250-x\r\n", 7, 511, "250 x\r\n"), ERR_OK);
    CHECK_U64(flood("250-x\r\n", 7, 512, "250 x\r\n"), ERR_LIMIT);
    CHECK_U64(flood("250-x\r\n", 7, 1000000, ""), ERR_LIMIT);
    unit_row("one endless line");
    memset(line, '2', sizeof line);
    CHECK_U64(flood(line, 1, 4096, ""), ERR_AGAIN);
    CHECK_U64(flood(line, 1, 4097, ""), ERR_LIMIT);
    unit_row("64 KiB in all");
    memcpy(line, "250-", 4);
    memcpy(line + 4094, "\r\n", 2);
    CHECK_U64(flood(line, 4096, 15, "250 x\r\n"), ERR_OK);
    CHECK_U64(flood(line, 4096, 16, "250 x\r\n"), ERR_LIMIT);
    unit_row("line of 4097");
    memcpy(line + 4095, "\r\n", 2);
    CHECK_U64(flood(line, 4097, 1, ""), ERR_LIMIT);
}

/* The text kept is cut, never overrun. */
static void test_text_cut(void)
{
    struct smtp_reply_parser *p = MEM_NEW(struct smtp_reply_parser);
    struct mail_status status = {0};
    char line[1000];
    size_t used;

    memset(line, 'x', sizeof line);
    memcpy(line, "250-", 4);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    for (unsigned i = 0; i < 3; i++)
        CHECK(smtp_reply_read(p, bytes_make(line, sizeof line), &used, &status) == ERR_AGAIN);
    CHECK(smtp_reply_read(p, BYTES("250 y\r\n"), &used, &status) == ERR_OK);
    CHECK_U64(status.text.len, SMTP_REPLY_TEXT_MAX);
    CHECK_U64(status.text.ptr[994], ' ');
    mem_free(p);
}

struct heard {
    struct buf text;
};

static void heard_line(void *owner, struct bytes text)
{
    struct heard *h = owner;

    CHECK(buf_append(&h->text, text) == ERR_OK);
    CHECK(buf_append(&h->text, BYTES("|")) == ERR_OK);
}

static void test_on_line(void)
{
    struct smtp_reply_parser *p = MEM_NEW(struct smtp_reply_parser);
    struct mail_status status;
    struct heard h;
    size_t used;

    buf_init(&h.text, 1000);
    p->on_line = heard_line;
    p->owner = &h;
    struct bytes in = BYTES("250-mx Hello\r\n250-SIZE 100\r\n250-\r\n250 8BITMIME\r\n");
    CHECK(smtp_reply_read(p, in, &used, &status) == ERR_OK);
    CHECK_BYTES(buf_bytes(&h.text), BYTES("mx Hello|SIZE 100||8BITMIME|"));
    buf_free(&h.text);
    mem_free(p);
}

/* Raw lines are what came, well-formed or not, however it is cut. */
static void test_on_raw_line(void)
{
    static const struct {
        const char *name, *in, *wanted;
    } rows[] = {
        {"one", "250 ok\r\n", "250 ok|"},
        {"several", "250-a\r\n250-\r\n250 b\r\n", "250-a|250-|250 b|"},
        {"control bytes and blanks stay", "250 \x1b[2J\t \xff \r\n", "250 \x1b[2J\t \xff |"},
        {"no reply at all", "hello\r\n", "hello|"},
        {"malformed at the end", "250-a\r\nxyz\r\n", "250-a|xyz|"},
        {"empty", "\r\n", "|"},
        {"no CR: not a line", "250 ok\n", ""},
        {"cut short", "250-a\r\n250 b", "250-a|"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        for (size_t step = 1; step <= strlen(rows[i].in); step++) {
            struct smtp_reply_parser *p = MEM_NEW(struct smtp_reply_parser);
            struct heard h = {0};
            struct mail_status status;
            enum err e = ERR_AGAIN;
            buf_init(&h.text, 1000);
            p->on_raw_line = heard_line;
            p->owner = &h;
            for (size_t at = 0; at < strlen(rows[i].in) && e == ERR_AGAIN; at += step) {
                size_t used;
                e = smtp_reply_read(p, bytes_sub(bytes_of(rows[i].in), at, step), &used, &status);
            }
            CHECK_BYTES(buf_bytes(&h.text), bytes_of(rows[i].wanted));
            buf_free(&h.text);
            mem_free(p);
        }
    }
}

UNIT_MAIN("net/smtp_reply", {"write", test_write}, {"fold", test_fold},
          {"write limit", test_write_limit}, {"read", test_read}, {"pipelined", test_pipelined},
          {"limits", test_limits}, {"text cut", test_text_cut}, {"on line", test_on_line},
          {"on raw line", test_on_raw_line})
