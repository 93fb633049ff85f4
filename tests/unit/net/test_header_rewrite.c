/* net/header_rewrite: rows, long field. */
#include "net/header_rewrite.h"

#include "core/mem.h"

#include "unit.h"

/* What the text becomes when every address that is shown becomes "!". */
static const struct rewrite_row {
    const char *name;
    const char *text, *after;
} rows[] = {
    {"bare", "To: a@b\r\n\r\n", "To: !\r\n\r\n"},
    {"in brackets", "From: Ann <a@b>\r\n\r\n", "From: Ann <!>\r\n\r\n"},
    {"no blank", "From:a@b\r\n\r\n", "From:!\r\n\r\n"},
    {"blanks before the colon", "From \t: a@b\r\n\r\n", "From \t: !\r\n\r\n"},
    {"several", "Cc: a@b, C <c@d> , e@f;\r\n\r\n", "Cc: !, C <!> , !;\r\n\r\n"},
    {"group", "Cc: friends: a@b, c@d;\r\n\r\n", "Cc: friends: !, !;\r\n\r\n"},
    {"source route", "From: <@x,@y:a@b>\r\n\r\n", "From: <@x,@y:!>\r\n\r\n"},
    {"name in quotes", "From: \"a@b <c@d>\" <e@f>\r\n\r\n", "From: \"a@b <c@d>\" <!>\r\n\r\n"},
    {"escape in quotes", "From: \"x\\\" a@b\" <e@f>\r\n\r\n", "From: \"x\\\" a@b\" <!>\r\n\r\n"},
    {"quoted local part", "From: \"a b\"@c, <\"@\"@d>\r\n\r\n", "From: !, <!>\r\n\r\n"},
    {"name that is an address", "From: a@b <c@d>\r\n\r\n", "From: ! <!>\r\n\r\n"},
    {"comment", "To: (a@b) c@d (e@f (g@h) i@j) k@l(m@n)\r\n\r\n",
     "To: (a@b) ! (e@f (g@h) i@j) !(m@n)\r\n\r\n"},
    {"escape in a comment", "To: (\\) a@b) c@d\r\n\r\n", "To: (\\) a@b) !\r\n\r\n"},
    {"open quote", "To: \"x <a@b>\r\n\r\n", "To: \"x <!>\r\n\r\n"},
    {"open comment", "To: (x a@b, c@d\r\n\r\n", "To: (x !, !\r\n\r\n"},
    {"folded", "To: a@b,\r\n c@d,\r\n\t<e@f>\r\n\r\n", "To: !,\r\n !,\r\n\t<!>\r\n\r\n"},
    {"folded at once", "To:\r\n a@b\r\nX: c@d\r\n\r\n", "To:\r\n !\r\nX: c@d\r\n\r\n"},
    {"folded quotes", "To: \"a@b\r\n c@d\" <e@f>\r\n\r\n", "To: \"a@b\r\n c@d\" <!>\r\n\r\n"},
    {"no address", "To: @a, b@, @, x, <>\r\n\r\n", "To: @a, b@, @, x, <>\r\n\r\n"},
    {"blanks within are no address", "To: a @ b\r\n\r\n", "To: a @ b\r\n\r\n"},
    {"case", "tO: a@b\r\nREPLY-to: c@d\r\n\r\n", "tO: !\r\nREPLY-to: !\r\n\r\n"},
    {"all fields",
     "To: a@b\r\nCc: a@b\r\nFrom: a@b\r\nSender: a@b\r\nReply-To: a@b\r\nReturn-Receipt-To: a@b\r\n"
     "Disposition-Notification-To: a@b\r\nResent-From: a@b\r\nResent-Sender: a@b\r\n\r\n",
     "To: !\r\nCc: !\r\nFrom: !\r\nSender: !\r\nReply-To: !\r\nReturn-Receipt-To: !\r\n"
     "Disposition-Notification-To: !\r\nResent-From: !\r\nResent-Sender: !\r\n\r\n"},
    {"no other field",
     "Return-Path: <a@b>\r\nReceived: for <a@b>\r\nMessage-ID: <a@b>\r\nSubject: a@b\r\n"
     "Resent-To: a@b\r\nBcc: a@b\r\nX-To: a@b\r\nT: a@b\r\nToo: a@b\r\n: a@b\r\n\r\n",
     "Return-Path: <a@b>\r\nReceived: for <a@b>\r\nMessage-ID: <a@b>\r\nSubject: a@b\r\n"
     "Resent-To: a@b\r\nBcc: a@b\r\nX-To: a@b\r\nT: a@b\r\nToo: a@b\r\n: a@b\r\n\r\n"},
    {"folded line of another field", "X: y\r\n To: a@b\r\nTo: c@d\r\n\r\n",
     "X: y\r\n To: a@b\r\nTo: !\r\n\r\n"},
    {"not in the body", "To: a@b\r\n\r\nTo: c@d\r\n\r\nFrom: e@f\r\n",
     "To: !\r\n\r\nTo: c@d\r\n\r\nFrom: e@f\r\n"},
    {"body only", "\r\nTo: a@b\r\n", "\r\nTo: a@b\r\n"},
    {"LF alone", "To: a@b\nCc: c@d\n\nTo: e@f\n", "To: !\nCc: !\n\nTo: e@f\n"},
    {"a line that is no field does not end it", "hello a@b\r\nTo: c@d\r\n\r\n",
     "hello a@b\r\nTo: !\r\n\r\n"},
    {"no line end", "To: a@b", "To: !"},
    {"no empty line", "To: a@b\r\nCc: c@d\r\n", "To: !\r\nCc: !\r\n"},
    {"a CR at a line start", "To: a@b\r\n\rTo: c@d\r\nCc: e@f\r\n\r\n",
     "To: !\r\n\rTo: c@d\r\nCc: !\r\n\r\n"},
    {"nothing", "", ""},
};

struct gathered {
    struct bytes text;
    char out[1024];
    size_t len;
    uint64_t done, shown;
};

static void copy_to(struct gathered *g, uint64_t end)
{
    CHECK(end >= g->done && end <= g->text.len && g->len + end - g->done < sizeof g->out);
    memcpy(g->out + g->len, g->text.ptr + g->done, (size_t)(end - g->done));
    g->len += (size_t)(end - g->done);
    g->done = end;
}

static void on_address(void *owner, uint64_t at, struct bytes address)
{
    struct gathered *g = owner;
    CHECK_BYTES(address, bytes_sub(g->text, (size_t)at, address.len));
    copy_to(g, at);
    g->out[g->len++] = '!';
    g->done += address.len;
}

/* In pieces of FIRST, then STEP octets, each in memory that ends where it does. */
static void check_row(const struct rewrite_row *row, size_t first, size_t step)
{
    struct gathered g = {.text = bytes_of(row->text)};
    struct header_rewrite r = {.address = on_address, .owner = &g};
    r.field = mem_alloc(HEADER_REWRITE_FIELD_MAX);
    for (size_t at = 0; at < g.text.len;) {
        struct bytes part = bytes_sub(g.text, at, at == 0 ? first : step);
        char *copy = mem_alloc(part.len);
        memcpy(copy, part.ptr, part.len);
        header_rewrite_feed(&r, bytes_make(copy, part.len));
        mem_free(copy);
        at += part.len;
    }
    header_rewrite_end(&r);
    copy_to(&g, g.text.len);
    CHECK_BYTES(bytes_make(g.out, g.len), bytes_of(row->after));
    mem_free(r.field);
}

static void test_rows(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t len = strlen(rows[i].text);
        unit_row(rows[i].name);
        for (size_t first = 1; first <= len + 1; first++)
            check_row(&rows[i], first, len + 1);
        check_row(&rows[i], 1, 1);
        check_row(&rows[i], 2, 3);
    }
}

static void count_address(void *owner, uint64_t at, struct bytes address)
{
    struct gathered *g = owner;
    CHECK_BYTES(address, bytes_sub(g->text, (size_t)at, address.len));
    g->shown++;
}

/* A To field of LEN octets, filled with "a@b,", and a short Cc field behind it. */
static uint64_t shown_of(size_t len)
{
    char *text = mem_alloc(len + 16);
    memcpy(text, "To: ", 4);
    for (size_t at = 4; at < len - 2; at++)
        text[at] = "a@b,"[at % 4];
    memcpy(text + len - 2, "\r\nCc: c@d\r\n\r\n", 13);
    struct gathered g = {.text = bytes_make(text, len + 11)};
    struct header_rewrite r = {.address = count_address, .owner = &g};
    r.field = mem_alloc(HEADER_REWRITE_FIELD_MAX);
    header_rewrite_feed(&r, g.text);
    CHECK(r.ended);
    mem_free(r.field);
    mem_free(text);
    return g.shown;
}

static void test_long_field(void)
{
    CHECK_U64(shown_of(HEADER_REWRITE_FIELD_MAX), (HEADER_REWRITE_FIELD_MAX - 6) / 4 + 1);
    CHECK_U64(shown_of(HEADER_REWRITE_FIELD_MAX + 1), 1);
    CHECK_U64(shown_of(3 * HEADER_REWRITE_FIELD_MAX), 1);
}

UNIT_MAIN("net/header_rewrite", {"rows", test_rows}, {"long field", test_long_field})
