/* net/smtp_syntax: command, paths accepted, paths refused, utf8, sizes, route hops, mailbox. */
#include "net/smtp_syntax.h"

#include <stdio.h>

#include "core/buf.h"

#include "unit.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define LIMIT 571

static void test_command(void)
{
    static const struct {
        const char *name;
        struct bytes line;
        enum err err;
        struct bytes verb, argument;
    } rows[] = {
        {"bare verb", B("QUIT"), ERR_OK, B("QUIT"), B("")},
        {"C-009 case kept", B("eHlO Host.Example"), ERR_OK, B("eHlO"), B("Host.Example")},
        {"C-010 trailing blanks", B("NOOP \t "), ERR_OK, B("NOOP"), B("")},
        {"C-010 behind an argument", B("MAIL FROM:<a@b> \t"), ERR_OK, B("MAIL"), B("FROM:<a@b>")},
        {"several blanks", B("HELO   a b"), ERR_OK, B("HELO"), B("a b")},
        {"tab", B("HELO\ta"), ERR_OK, B("HELO"), B("a")},
        {"8-bit argument", B("VRFY \xc3\xa4"), ERR_OK, B("VRFY"), B("\xc3\xa4")},
        {"T-12 header line", B("Host: a"), ERR_OK, B("Host:"), B("a")},
        {"empty", B(""), ERR_SYNTAX, B(""), B("")},
        {"only blanks", B("  "), ERR_SYNTAX, B(""), B("")},
        {"leading blank", B(" QUIT"), ERR_SYNTAX, B(""), B("")},
        {"8-bit verb", B("QU\xc3\xa4"), ERR_SYNTAX, B(""), B("")},
        {"NUL", B("NOOP a\0b"), ERR_SYNTAX, B(""), B("")},
        {"NUL in the verb", B("NO\0OP"), ERR_SYNTAX, B(""), B("")},
        {"CR", B("NOOP a\rb"), ERR_SYNTAX, B(""), B("")},
        {"CR at the end", B("QUIT\r"), ERR_SYNTAX, B(""), B("")},
        {"LF", B("NOOP\nQUIT"), ERR_SYNTAX, B(""), B("")},
        {"DEL", B("NOOP \x7f"), ERR_SYNTAX, B(""), B("")},
        {"ESC", B("NOOP \x1b[2J"), ERR_SYNTAX, B(""), B("")},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_command c = {BYTES_EMPTY, BYTES_EMPTY};
        unit_row(rows[i].name);
        CHECK_U64(smtp_syntax_command(rows[i].line, &c), rows[i].err);
        CHECK_BYTES(c.verb, rows[i].verb);
        CHECK_BYTES(c.argument, rows[i].argument);
    }
}

#define S SMTP_PATH_SENDER
#define R SMTP_PATH_RECIPIENT

struct path_row {
    const char *name;
    enum smtp_path_kind kind;
    struct bytes argument;
    struct bytes address, local_part, domain, rest;
    bool literal;
};

#define SAME(a, l, d) B(a), B(l), B(d), B("")

static const struct path_row accepted[] = {
    {"plain", S, B("FROM:<a@b.example>"), SAME("a@b.example", "a", "b.example"), false},
    {"C-009", S, B("fRoM:<Ab@B.Example>"), SAME("Ab@B.Example", "Ab", "B.Example"), false},
    {"recipient", R, B("TO:<a@b>"), SAME("a@b", "a", "b"), false},
    {"blanks behind the colon", R, B("to: \t <a@b>"), SAME("a@b", "a", "b"), false},
    {"device", S, B("from: test@hotmail.com"), SAME("test@hotmail.com", "test", "hotmail.com"),
     false},
    {"device, no blank", R, B("to:test@hotmail.com"),
     SAME("test@hotmail.com", "test", "hotmail.com"), false},
    {"device, parameter", S, B("FROM:a@b SIZE=5"), B("a@b"), B("a"), B("b"), B(" SIZE=5"), false},
    {"parameters", S, B("FROM:<a@b>  SIZE=5 BODY=7BIT"), B("a@b"), B("a"), B("b"),
     B("  SIZE=5 BODY=7BIT"), false},
    {"C-070 null sender", S, B("FROM:<>"), SAME("", "", ""), false},
    {"O-04 null sender and parameter", S, B("FROM:<> RET=HDRS"), B(""), B(""), B(""),
     B(" RET=HDRS"), false},
    {"O-76 postmaster", R, B("TO:<postmaster>"), SAME("postmaster", "postmaster", ""), false},
    {"O-76 case", R, B("TO:<POSTMaster> NOTIFY=NEVER"), B("POSTMaster"), B("POSTMaster"), B(""),
     B(" NOTIFY=NEVER"), false},
    {"O-76 with domain", R, B("TO:<postmaster@ours.example>"),
     SAME("postmaster@ours.example", "postmaster", "ours.example"), false},
    {"postmaster and more", R, B("TO:<postmaster2@b>"), SAME("postmaster2@b", "postmaster2", "b"),
     false},
    {"postmaster of a device", R, B("TO: Postmaster"), SAME("Postmaster", "Postmaster", ""), false},
    {"O-35 route", R, B("TO:<@ext.example:user@ours.example>"),
     SAME("user@ours.example", "user", "ours.example"), false},
    {"O-34 two hops", R, B("TO:<@a.example,@b.example:u@c>"), SAME("u@c", "u", "c"), false},
    {"C-064 route of a sender", S, B("FROM:<@a:u@c>"), SAME("u@c", "u", "c"), false},
    {"O-05 percent", R, B("TO:<r%ext.example@[192.0.2.10]>"),
     SAME("r%ext.example@[192.0.2.10]", "r%ext.example", "[192.0.2.10]"), true},
    {"O-10 quoted at", R, B("TO:<\"r@ext.example\"@[192.0.2.10]>"),
     SAME("\"r@ext.example\"@[192.0.2.10]", "\"r@ext.example\"", "[192.0.2.10]"), true},
    {"O-16 bang", R, B("TO:<ext.example!r@relay.test>"),
     SAME("ext.example!r@relay.test", "ext.example!r", "relay.test"), false},
    {"O-26 quoted at", R, B("TO:<\"u@ext\"@ours.example>"),
     SAME("\"u@ext\"@ours.example", "\"u@ext\"", "ours.example"), false},
    {"O-30 quoted pair", R, B("TO:<\"a\\@ext.example\"@ours.example>"),
     SAME("\"a\\@ext.example\"@ours.example", "\"a\\@ext.example\"", "ours.example"), false},
    {"O-31 nested", R, B("TO:<user%ext%ext2@ours.example>"),
     SAME("user%ext%ext2@ours.example", "user%ext%ext2", "ours.example"), false},
    {"O-37", R, B("TO:<u@[127.0.0.1]>"), SAME("u@[127.0.0.1]", "u", "[127.0.0.1]"), true},
    {"O-38", R, B("TO:<u@[IPv6:::1]>"), SAME("u@[IPv6:::1]", "u", "[IPv6:::1]"), true},
    {"O-39", R, B("TO:<u@[ipv6:::ffff:127.0.0.1]>"),
     SAME("u@[ipv6:::ffff:127.0.0.1]", "u", "[ipv6:::ffff:127.0.0.1]"), true},
    {"O-43", R, B("TO:<u@localhost>"), SAME("u@localhost", "u", "localhost"), false},
    {"O-51 encoded word", R, B("TO:<=?utf-8?q?v=40ext.example=3e=20?=@ours.example>"),
     SAME("=?utf-8?q?v=40ext.example=3e=20?=@ours.example",
          "=?utf-8?q?v=40ext.example=3e=20?=", "ours.example"),
     false},
    {"O-52 final dot", R, B("TO:<u@ours.example.>"), SAME("u@ours.example.", "u", "ours.example"),
     false},
    {"O-48 second path is left to the parameters", R, B("TO:<u@a> <v@b>"), B("u@a"), B("u"), B("a"),
     B(" <v@b>"), false},
    {"P-03 shell", S, B("FROM:<`x`|$y@b>"), SAME("`x`|$y@b", "`x`|$y", "b"), false},
    {"P-04 expansion", S, B("FROM:<${run{x}}%s%n@b>"),
     SAME("${run{x}}%s%n@b", "${run{x}}%s%n", "b"), false},
    {"P-05 empty quotes", S, B("FROM:<\"\"@d>"), SAME("\"\"@d", "\"\"", "d"), false},
    {"P-05 blank in quotes", S, B("FROM:<\" \"@d>"), SAME("\" \"@d", "\" \"", "d"), false},
    {"P-05 words in quotes", S, B("FROM:<\"a b\"@d> X"), B("\"a b\"@d"), B("\"a b\""), B("d"),
     B(" X"), false},
    {"P-05 quote in quotes", S, B("FROM:<\"a\\\"b\"@d>"), SAME("\"a\\\"b\"@d", "\"a\\\"b\"", "d"),
     false},
    {"bracket in quotes", S, B("FROM:<\"a> b\"@d>"), SAME("\"a> b\"@d", "\"a> b\"", "d"), false},
    {"underscore", R, B("TO:<u@_a.b_c>"), SAME("u@_a.b_c", "u", "_a.b_c"), false},
    {"numbers but the last label", R, B("TO:<u@127.0.0.1.example>"),
     SAME("u@127.0.0.1.example", "u", "127.0.0.1.example"), false},
    {"ends like hex", R, B("TO:<u@b.0xg>"), SAME("u@b.0xg", "u", "b.0xg"), false},
};

static void path_check(const struct path_row *row, bool allow_utf8)
{
    struct smtp_path p;
    struct bytes rest = B("unset");

    unit_row(row->name);
    CHECK_U64(smtp_syntax_path(row->argument, row->kind, allow_utf8, LIMIT, &p, &rest), ERR_OK);
    CHECK_BYTES(p.address, row->address);
    CHECK_BYTES(p.local_part, row->local_part);
    CHECK_BYTES(p.domain, row->domain);
    CHECK_BYTES(rest, row->rest);
    CHECK_U64(p.literal, row->literal);
}

static void test_paths_accepted(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
        path_check(&accepted[i], false);
        path_check(&accepted[i], true);
    }
}

struct refused_row {
    const char *name;
    enum smtp_path_kind kind;
    struct bytes argument;
};

static enum err path_err(enum smtp_path_kind kind, struct bytes argument, bool allow_utf8)
{
    struct smtp_path p;
    struct bytes rest;

    return smtp_syntax_path(argument, kind, allow_utf8, LIMIT, &p, &rest);
}

static const struct refused_row refused_paths[] = {
    {"empty", S, B("")},
    {"prefix alone", S, B("FROM:")},
    {"prefix and blanks", S, B("FROM:  ")},
    {"wrong prefix", S, B("TO:<a@b>")},
    {"wrong prefix of a recipient", R, B("FROM:<a@b>")},
    {"no colon", S, B("FROM <a@b>")},
    {"blank before the colon", S, B("FROM :<a@b>")},
    {"null recipient", R, B("TO:<>")},
    {"postmaster as sender", S, B("FROM:<postmaster>")},
    {"quoted postmaster", R, B("TO:<\"postmaster\">")},
    {"postmaster behind a route", R, B("TO:<@a:postmaster>")},
    {"postmaster and dot", R, B("TO:<postmaster.>")},
    {"unclosed", S, B("FROM:<a@b")},
    {"only opened", S, B("FROM:<")},
    {"blank before the mailbox", S, B("FROM:< a@b>")},
    {"blank behind the mailbox", S, B("FROM:<a@b >")},
    {"display name", S, B("FROM:A <a@b>")},
    {"O-07", R, B("TO:<\"relaytest@ext.example\">")},
    {"O-08", R, B("TO:<\"relaytest%ext.example\">")},
    {"O-09", R, B("TO:<relaytest@ext.example@[192.0.2.10]>")},
    {"O-11", R, B("TO:<relaytest@ext.example@relay.test>")},
    {"O-12", R, B("TO:<@[192.0.2.10]:relaytest@ext.example>")},
    {"O-14", R, B("TO:<ext.example!relaytest>")},
    {"O-19", S, B("FROM:<spamtest>")},
    {"O-25", R, B("TO:<user@ext.example@ours.example>")},
    {"O-29", R, B("TO:<user\\@ext.example@ours.example>")},
    {"O-36 empty hop", R, B("TO:<@:user@ext.example>")},
    {"O-36 empty second hop", R, B("TO:<@,@a:user@ext.example>")},
    {"O-36 trailing comma", R, B("TO:<@a,:u@b>")},
    {"O-36 second without at", R, B("TO:<@a,b:u@b>")},
    {"O-36 no colon", R, B("TO:<@a,@b>")},
    {"O-36 nothing behind", R, B("TO:<@a:>")},
    {"route of a null sender", S, B("FROM:<@a:>")},
    {"two routes", R, B("TO:<@a:@b:u@c>")},
    {"route without brackets", R, B("TO:@a:u@c")},
    {"O-40", R, B("TO:<u@127.0.0.1>")},
    {"O-42", R, B("TO:<u@2130706433>")},
    {"O-42 hex", R, B("TO:<u@0x7f.1>")},
    {"O-42 short literal", R, B("TO:<u@[127.1]>")},
    {"O-42 octal literal", R, B("TO:<u@[0177.0.0.1]>")},
    {"O-42 final dot", R, B("TO:<u@127.0.0.1.>")},
    {"O-44", R, B("TO:<u@ours.example\0.ext.example>")},
    {"O-44 in the local part", R, B("TO:<u\0v@ours.example>")},
    {"O-45", R, B("TO:<u@ours.example>,<v@ext.example>")},
    {"O-46", R, B("TO:<u@ours.example,v@ext.example>")},
    {"O-47", R, B("TO:<u@ours.example;v@ext.example>")},
    {"O-49", R, B("TO:<u@ours.example(>v@ext.example)>")},
    {"O-50", R, B("TO:<u@ours.example>ORCPT=rfc822;v@ext")},
    {"O-56", R,
     B("TO:<u@ours\xe3\x80\x82"
       "example>")},
    {"O-57", R, B("TO:<u\xc1\x80ours.example>")},
    {"O-58", R, B("TO:<|/bin/sh>")},
    {"O-59", R, B("TO:<:include:/etc/passwd>")},
    {"O-60", R, B("TO:</tmp/x>")},
    {"O-61", R, B("TO:<../../../etc/cron.d/x@ours.example>")},
    {"P-03 semicolon", S, B("FROM:<;id;@b>")},
    {"P-05 unclosed quote", S, B("FROM:<\"a@d>")},
    {"P-05 unclosed pair", S, B("FROM:<\"a\\")},
    {"P-05 pair eats the quote", S, B("FROM:<\"\\\"@d>")},
    {"P-05 text behind the quote", S, B("FROM:<\"a\"b@d>")},
    {"P-05 dot behind the quote", S, B("FROM:<\"a\".b@d>")},
    {"P-05 two quoted words", S, B("FROM:<\"a\".\"b\"@d>")},
    {"P-05 CR in quotes", S, B("FROM:<\"\r\"@d>")},
    {"P-05 CRLF in a pair", S, B("FROM:<\"\\\r\n\"@d>")},
    {"P-05 tab in quotes", S, B("FROM:<\"\t\"@d>")},
    {"P-08", S, B("FROM:<.!>")},
    {"P-08 bang", S, B("FROM:<!>")},
    {"P-08 at", S, B("FROM:<@>")},
    {"P-08 two ats", S, B("FROM:<@@>")},
    {"P-08 no domain", S, B("FROM:<a@>")},
    {"P-08 no local part", R, B("TO:<@b>")},
    {"P-08 dot", S, B("FROM:<a@.>")},
    {"P-08 dots", S, B("FROM:<a@..>")},
    {"P-08 empty label", S, B("FROM:<a@b..c>")},
    {"P-08 two final dots", S, B("FROM:<a@b..>")},
    {"P-08 leading dot", S, B("FROM:<a@.b>")},
    {"P-08 leading hyphen", S, B("FROM:<a@-b>")},
    {"P-08 trailing hyphen", S, B("FROM:<a@b->")},
    {"P-08 hyphen before a dot", S, B("FROM:<a@b-.c>")},
    {"P-08 open literal", S, B("FROM:<a@[>")},
    {"P-08 empty literal", S, B("FROM:<a@[]>")},
    {"P-08 empty IPv6", S, B("FROM:<a@[IPv6:]>")},
    {"P-08 zone", S, B("FROM:<a@[IPv6:fe80::1%eth0]>")},
    {"P-08 999", S, B("FROM:<a@[999.1.1.1]>")},
    {"P-08 three parts", S, B("FROM:<a@[1.2.3]>")},
    {"P-08 hex number", S, B("FROM:<a@0x7f000001>")},
    {"IPv6 without its tag", S, B("FROM:<a@[::1]>")},
    {"IPv4 behind the tag", S, B("FROM:<a@[IPv6:1.2.3.4]>")},
    {"other tag", S, B("FROM:<a@[x400:abc]>")},
    {"blank in a literal", S, B("FROM:<a@[1.2.3.4 ]>")},
    {"NUL in a literal", S, B("FROM:<a@[1.2.3.4\0]>")},
    {"literal and more", S, B("FROM:<a@[1.2.3.4].b>")},
    {"P-09 port", R, B("TO:<a@b:25>")},
    {"P-09 port, device", R, B("TO:a@b:25")},
    {"P-11 CRLF", R, B("TO:<a@b>\r\nRCPT TO:<v@x>")},
    {"P-11 CRLF inside", R, B("TO:<a\r\nRCPT TO:<v@x>")},
    {"LF behind", R, B("TO:<a@b>\n")},
    {"local dots", S, B("FROM:<a..b@c>")},
    {"local final dot", S, B("FROM:<a.@c>")},
    {"local leading dot", S, B("FROM:<.a@c>")},
    {"blank in the local part", S, B("FROM:<a b@c>")},
    {"DEL", S, B("FROM:<a\x7f@c>")},
    {"comment", S, B("FROM:<a(c)@d>")},
};

static void test_paths_refused(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused_paths); i++) {
        unit_row(refused_paths[i].name);
        CHECK_U64(path_err(refused_paths[i].kind, refused_paths[i].argument, false), ERR_SYNTAX);
        CHECK_U64(path_err(refused_paths[i].kind, refused_paths[i].argument, true), ERR_SYNTAX);
    }
}

/* RFC 6531: accepted with the extension only; the second table never. */
static const struct refused_row utf8_paths[] = {
    {"local part", S, B("FROM:<\xc3\xa4@b.example>")},
    {"quoted", S, B("FROM:<\"\xc3\xa4 \xe2\x82\xac\"@b.example>")},
    {"domain", R,
     B("TO:<a@b\xc3\xbc"
       "cher.example>")},
    {"both, three and four octets", R, B("TO:<\xe7\x94\xb2@\xe4\xbe\x8b.\xf0\xa0\x80\x80>")},
    {"route", R, B("TO:<@\xc3\xbc.example:a@b>")},
    {"last code point before the surrogates", S, B("FROM:<\xed\x9f\xbf@b>")},
    {"U+00A0 in the local part", S, B("FROM:<\xc2\xa0@b>")},
};

static const struct refused_row no_utf8_paths[] = {
    {"P-10 overlong NUL", S, B("FROM:<\xc0\x80@b>")},
    {"P-10 overlong LF", S, B("FROM:<\xc0\x8a@b>")},
    {"P-10 overlong slash, 3 octets", S, B("FROM:<\xe0\x80\xaf@b>")},
    {"P-10 overlong, 4 octets", S, B("FROM:<\xf0\x80\x80\xaf@b>")},
    {"P-10 overlong at", S, B("FROM:<a\xc1\x80@b>")},
    {"P-10 surrogate", S, B("FROM:<\xed\xa0\x80@b>")},
    {"P-10 last surrogate", S, B("FROM:<\xed\xbf\xbf@b>")},
    {"P-10 above U+10FFFF", S, B("FROM:<\xf4\x90\x80\x80@b>")},
    {"P-10 lead F5", S, B("FROM:<\xf5\x80\x80\x80@b>")},
    {"P-10 lone lead", S, B("FROM:<\xc3@b>")},
    {"P-10 lone continuation", S, B("FROM:<\x80@b>")},
    {"P-10 cut off", S, B("FROM:<\xe2\x82")},
    {"P-10 cut off in quotes", S, B("FROM:<\"\xe2\x82\"@b>")},
    {"P-10 NEL", S, B("FROM:<\xc2\x85@b>")},
    {"P-10 U+009F", S, B("FROM:<\"\xc2\x9f\"@b>")},
    {"P-10 U+2028", S, B("FROM:<\"\xe2\x80\xa8\"@b>")},
    {"P-10 U+2029", S, B("FROM:<\xe2\x80\xa9@b>")},
    {"P-10 quoted pair", S, B("FROM:<\"\\\xc3\xa4\"@b>")},
    {"P-10 fullwidth at", S,
     B("FROM:<a\xef\xbc\xa0"
       "b.example>")},
    {"O-56 ideographic dot", R,
     B("TO:<u@ours\xe3\x80\x82"
       "example>")},
    {"O-56 fullwidth dot", R,
     B("TO:<u@ours\xef\xbc\x8e"
       "example>")},
    {"O-56 halfwidth dot", R,
     B("TO:<u@ours\xef\xbd\xa1"
       "example>")},
    {"O-56 one dot leader", R,
     B("TO:<u@ours\xe2\x80\xa4"
       "example>")},
    {"fullwidth letters", R, B("TO:<u@\xef\xbd\x8f.example>")},
    {"no-break space", R,
     B("TO:<u@a\xc2\xa0"
       "b.example>")},
    {"zero width", R,
     B("TO:<u@a\xe2\x80\x8b"
       "b.example>")},
    {"soft hyphen", R,
     B("TO:<u@a\xc2\xad"
       "b.example>")},
    {"bidi", R,
     B("TO:<u@a\xe2\x80\xae"
       "b.example>")},
    {"byte order mark", R,
     B("TO:<u@a\xef\xbb\xbf"
       "b.example>")},
    {"private use", R, B("TO:<u@a\xee\x80\x80.example>")},
    {"no_utf8_paths UTF-8 in a domain", R, B("TO:<u@a\xff.example>")},
    {"8-bit behind the path", R, B("TO:<u@a.example>\xc3\xa4")},
};

static void test_utf8(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(utf8_paths); i++) {
        unit_row(utf8_paths[i].name);
        CHECK_U64(path_err(utf8_paths[i].kind, utf8_paths[i].argument, true), ERR_OK);
        CHECK_U64(path_err(utf8_paths[i].kind, utf8_paths[i].argument, false), ERR_SYNTAX);
    }
    for (size_t i = 0; i < ARRAY_SIZE(no_utf8_paths); i++) {
        unit_row(no_utf8_paths[i].name);
        CHECK_U64(path_err(no_utf8_paths[i].kind, no_utf8_paths[i].argument, true), ERR_SYNTAX);
        CHECK_U64(path_err(no_utf8_paths[i].kind, no_utf8_paths[i].argument, false), ERR_SYNTAX);
    }
}

static void put(struct buf *b, const char *text)
{
    CHECK(buf_append(b, bytes_of(text)) == ERR_OK);
}

static void put_many(struct buf *b, const char *text, size_t count)
{
    while (count-- > 0)
        put(b, text);
}

static void size_check(const char *name, size_t local, size_t label, size_t labels, enum err wanted)
{
    struct buf b;

    unit_row(name);
    buf_init(&b, 100000);
    put(&b, "FROM:<");
    put_many(&b, "l", local);
    put(&b, "@");
    for (size_t i = 0; i < labels; i++) {
        put_many(&b, "d", label);
        put(&b, i + 1 < labels ? "." : ">");
    }
    CHECK_U64(path_err(S, buf_bytes(&b), false), wanted);
    buf_free(&b);
}

static void test_sizes(void)
{
    size_check("C-033 local part 64", 64, 7, 1, ERR_OK);
    size_check("local part 315, address 571", 315, 63, 4, ERR_OK);
    size_check("local part 316, address 572", 316, 63, 4, ERR_LIMIT);
    size_check("local part of 60,000 octets", 60000, 7, 1, ERR_LIMIT);
    size_check("label 63", 1, 63, 1, ERR_OK);
    size_check("label 64", 1, 64, 1, ERR_SYNTAX);
    size_check("C-034 domain 255", 1, 63, 4, ERR_OK);
    size_check("domain 255 of short labels", 1, 1, 128, ERR_OK);
    size_check("domain 257", 1, 1, 129, ERR_SYNTAX);
    size_check("domain 319", 1, 63, 5, ERR_SYNTAX);
}

static void test_route_hops(void)
{
    static const struct {
        size_t hops;
        enum err err;
    } rows[] = {{1, ERR_OK}, {16, ERR_OK}, {17, ERR_SYNTAX}, {200, ERR_SYNTAX}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct buf b;
        buf_init(&b, 10000);
        put(&b, "TO:<@a");
        put_many(&b, ",@a", rows[i].hops - 1);
        put(&b, ":u@b>");
        CHECK_U64(path_err(R, buf_bytes(&b), false), rows[i].err);
        buf_free(&b);
    }
}

static void test_mailbox(void)
{
    static const struct {
        const char *text;
        enum err err;
        const char *domain;
    } rows[] = {
        {"a@b.example", ERR_OK, "b.example"},
        {"\"a b\"@c.", ERR_OK, "c"},
        {"a@[192.0.2.1]", ERR_OK, "[192.0.2.1]"},
        {"<a@b>", ERR_SYNTAX, ""},
        {"a@b ", ERR_SYNTAX, ""},
        {"postmaster", ERR_SYNTAX, ""},
        {"", ERR_OK, ""},
        {"@a:b@c", ERR_OK, "c"},
        {"@a:@b@c", ERR_SYNTAX, ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_path p;
        struct bytes rest = BYTES_EMPTY;
        char line[64];
        unit_row(rows[i].text);
        snprintf(line, sizeof line, "FROM:<%s>", rows[i].text);
        enum err err = smtp_syntax_path(bytes_of(line), SMTP_PATH_SENDER, false, 571, &p, &rest);
        CHECK_U64(err, rows[i].err);
        CHECK_U64(rest.len, 0);
        if (err == ERR_OK)
            CHECK_BYTES(p.domain, bytes_of(rows[i].domain));
    }
}

UNIT_MAIN("net/smtp_syntax", {"command", test_command}, {"paths accepted", test_paths_accepted},
          {"paths refused", test_paths_refused}, {"utf8", test_utf8}, {"sizes", test_sizes},
          {"route hops", test_route_hops}, {"mailbox", test_mailbox})
