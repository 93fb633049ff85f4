/* bench/load_text_bodies: what becomes of a file, folder. */
#include "bench/load_text_bodies.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/smtp_data.h"

#include "bench/load_tag.h"
#include "core/hash.h"
#include "unit.h"

enum { DOT = SMTP_DATA_DOT_LINE, HIGH = SMTP_DATA_8BIT, LONG = SMTP_DATA_LONG_LINE };

#define TEN(x) x x x x x x x x x x
#define X998   TEN(TEN("xxxxxxxxx")) TEN("xxxxxxxxx") "xxxxxxxx"

#define B(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* What becomes of one file. */
static const struct {
    const char *name;
    struct bytes raw, text;
    unsigned notes;
    struct load_bodies_found found;
} ROWS[] = {
    {"as it should be", B("A: b\r\n\r\nc\r\n"), B("A: b\r\n\r\nc\r\n"), 0, {0}},
    {"LF", B("A: b\n\nc\n"), B("A: b\r\n\r\nc\r\n"), 0, {.bare_lf = 1}},
    {"LF and CRLF", B("A: b\r\n\nc\r\n"), B("A: b\r\n\r\nc\r\n"), 0, {.bare_lf = 1}},
    {"no last end", B("A: b\r\n\r\nc"), B("A: b\r\n\r\nc\r\n"), 0, {.no_end = 1}},
    {"CR at the end", B("A: b\r\n\r\nc\r"), B("A: b\r\n\r\nc\r\n"), 0, {.no_end = 1}},
    {"CR CR LF", B("A: b\r\n\r\nc\r\r\n"), B("A: b\r\n\r\nc\r\r\n"), 0, {.bare_cr = 1}},
    {"CR in a line",
     B("A: b\r\n\r\nc\rd\n"),
     B("A: b\r\n\r\nc\rd\r\n"),
     0,
     {.bare_lf = 1, .bare_cr = 1}},
    {"NUL", B("A: b\r\n\r\n\0\r\n"), B("A: b\r\n\r\n\0\r\n"), 0, {.nul = 1}},
    {"8 bits", B("A: b\r\n\r\n\xe4\r\n"), B("A: b\r\n\r\n\xe4\r\n"), HIGH, {.high = 1}},
    {"a dot", B("A: b\n\n.\n"), B("A: b\r\n\r\n.\r\n"), DOT, {.bare_lf = 1}},
    {"a dot at the very beginning", B(".a: b\r\n"), B(".a: b\r\n"), DOT, {0}},
    {"a line as long as may be",
     B("A: b\r\n\r\n" X998 "\n"),
     B("A: b\r\n\r\n" X998 "\r\n"),
     0,
     {.bare_lf = 1}},
    {"one that is longer",
     B("A: b\r\n\r\n" X998 "y\n"),
     B("A: b\r\n\r\n" X998 "y\r\n"),
     LONG,
     {.bare_lf = 1, .long_lines = 1}},
    {"nothing", B(""), B("\r\n"), 0, {.no_header = 1}},
    {"an empty line", B("\n"), B("\r\n\r\n"), 0, {.bare_lf = 1, .no_header = 1}},
    {"no header",
     B("Hello: that is what he said\r\n"),
     B("Hello: that is what he said\r\n"),
     0,
     {0}},
    {"text only", B("He said: hello\r\n"), B("\r\nHe said: hello\r\n"), 0, {.no_header = 1}},
    {"a mailbox's line",
     B("From x Mon 1 12:00:00\nA: b\n"),
     B("\r\nFrom x Mon 1 12:00:00\r\nA: b\r\n"),
     0,
     {.bare_lf = 1, .no_header = 1}},
    {"a Message-ID",
     B("A: b\r\nmessage-id: <x@y>\r\nC: d\r\n\r\ne\r\n"),
     B("A: b\r\nC: d\r\n\r\ne\r\n"),
     0,
     {.fields_dropped = 1}},
    {"folded fields",
     B("Message-ID:\r\n <x@y>\r\n\t(z)\r\nA: b\r\n c\r\n\r\n d\r\n"),
     B("A: b\r\n c\r\n\r\n d\r\n"),
     0,
     {.fields_dropped = 1}},
    {"nothing but a Message-ID",
     B("Message-ID: <x@y>\n"),
     B(""),
     0,
     {.bare_lf = 1, .fields_dropped = 1}},
    {"fields of an organization and of ours",
     B("X-MS-Exchange-Organization-SCL: -1\r\nX-Mailrace-Load: run=1\r\nA: b\r\n\r\n"),
     B("A: b\r\n\r\n"),
     0,
     {.fields_dropped = 1}},
    {"a Message-ID in the text",
     B("A: b\r\n\r\nMessage-ID: <x@y>\r\n"),
     B("A: b\r\n\r\nMessage-ID: <x@y>\r\n"),
     0,
     {0}},
};

/* The relay's own reader finds the text in it again. */
static void check_stuffed(const struct load_bodies *b, bool stuffed)
{
    const struct load_body *body = &b->items[0];
    struct smtp_data_reader r = {0};
    CHECK_U64(b->memory_octets, body->len + (stuffed ? body->stuffed.len : 0));
    CHECK((body->stuffed.ptr != body->text) == stuffed);
    size_t at = 0, used;
    struct bytes piece;
    for (struct bytes in = body->stuffed; in.len; in = bytes_from(in, used)) {
        CHECK(!smtp_data_read(&r, in, &used, &piece));
        CHECK_BYTES(piece, bytes_sub(bytes_make(body->text, body->len), at, piece.len));
        at += piece.len;
    }
    CHECK(smtp_data_read(&r, BYTES(".\r\n"), &used, &piece));
    CHECK_U64(r.octets, body->len);
}

static void test_what_becomes_of_a_file(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++) {
        struct load_bodies b = {0};
        unit_row(ROWS[i].name);
        load_bodies_add(&b, ROWS[i].raw);
        CHECK_U64(b.count, 1);
        struct bytes text = bytes_make(b.items[0].text, b.items[0].len);
        CHECK_BYTES(text, ROWS[i].text);
        CHECK_U64(b.items[0].notes, ROWS[i].notes);
        CHECK_U64(b.items[0].sum, hash_bytes(HASH_START, text));
        CHECK_U64(b.octets, ROWS[i].text.len);
        check_stuffed(&b, ROWS[i].notes & DOT);
        CHECK(memcmp(&b.found, &ROWS[i].found, sizeof b.found) == 0);
        load_bodies_free(&b);
    }
}

/* --- A folder --- */

static char folder[] = "/tmp/test_load_text_bodies.XXXXXX";

static void write_file(int dir, const char *name, struct bytes text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, text.ptr, text.len) == (ssize_t)text.len);
    close(fd);
}

static void test_folder(void)
{
    struct load_bodies b;
    struct err_detail why = {""};
    char wanted[600];
    CHECK(mkdtemp(folder));
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(dir >= 0);
    CHECK(load_bodies_read(&b, folder, 1000, &why) == ERR_NOTFOUND);
    write_file(dir, "b", BYTES("B: 22\r\n"));
    write_file(dir, "a", BYTES("A: 1\r\n"));
    write_file(dir, ".c", BYTES("C: 333\n"));
    CHECK(mkdirat(dir, "folder", 0700) == 0);
    CHECK(symlinkat("a", dir, "link") == 0);
    CHECK(mkfifoat(dir, "fifo", 0600) == 0);

    /* By name, and only what is a file. */
    CHECK(load_bodies_read(&b, folder, 1000, &why) == ERR_OK);
    CHECK_U64(b.count, 3);
    if (b.count == 3) {
        CHECK_BYTES(bytes_make(b.items[0].text, b.items[0].len), BYTES("C: 333\r\n"));
        CHECK_BYTES(bytes_make(b.items[1].text, b.items[1].len), BYTES("A: 1\r\n"));
        CHECK_BYTES(bytes_make(b.items[2].text, b.items[2].len), BYTES("B: 22\r\n"));
    }
    CHECK_U64(b.octets, 21);
    CHECK_U64(b.found.bare_lf, 1);
    load_bodies_free(&b);

    CHECK(load_bodies_read(&b, folder, 21, &why) == ERR_OK);
    load_bodies_free(&b);
    CHECK(load_bodies_read(&b, folder, 20, &why) == ERR_LIMIT);
    snprintf(wanted, sizeof wanted,
             "%s/b: with it the messages take more than 20 octets of memory; see --bodies-memory",
             folder);
    CHECK_STR(why.text, wanted);
    CHECK_U64(b.count, 0);

    static const char *const names[] = {"a", "b", ".c", "link", "fifo"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        CHECK(unlinkat(dir, names[i], 0) == 0);
    CHECK(unlinkat(dir, "folder", AT_REMOVEDIR) == 0);
    close(dir);
    CHECK(rmdir(folder) == 0);
    CHECK(load_bodies_read(&b, folder, 1000, &why) == ERR_NOTFOUND);
}

UNIT_MAIN("bench/load_text_bodies", {"what becomes of a file", test_what_becomes_of_a_file},
          {"folder", test_folder})
