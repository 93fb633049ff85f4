/* net/smtp_syntax_param: params, thousand params, xtext and orcpt, helo. */
#include "net/smtp_syntax.h"

#include "core/buf.h"

#include "unit.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static void put(struct buf *b, const char *text)
{
    CHECK(buf_append(b, bytes_of(text)) == ERR_OK);
}

/* The list as the parser gives it: "K=V" or "K", joined by "|", with "!" where it refuses. */
static void test_params(void)
{
    static const struct {
        const char *name;
        struct bytes rest;
        const char *seen;
    } rows[] = {
        {"none", B(""), ""},
        {"blanks", B("  \t "), ""},
        {"one", B(" SIZE=100"), "SIZE=100|"},
        {"several", B(" SIZE=100  BODY=8BITMIME\tSMTPUTF8 "), "SIZE=100|BODY=8BITMIME|SMTPUTF8|"},
        {"case kept", B(" EnvId=AbC"), "EnvId=AbC|"},
        {"value of signs", B(" AUTH=<>"), "AUTH=<>|"},
        {"P-02 open quote is text", B(" AUTH=\""), "AUTH=\"|"},
        {"P-02 no value", B(" x="), "!"},
        {"P-02 no keyword", B(" =x"), "!"},
        {"P-02 nothing but the sign", B(" ="), "!"},
        {"second equals sign", B(" a=b=c"), "!"},
        {"keyword begins with a hyphen", B(" -a"), "!"},
        {"hyphen inside", B(" X-a-=1"), "X-a-=1|"},
        {"O-48", B(" <v@ext.example>"), "!"},
        {"second bad", B(" A=1 <v@ext.example>"), "A=1|!"},
        {"comma", B(" A,B"), "!"},
        {"8-bit", B(" A=\xc3\xa4"), "!"},
        {"NUL", B(" A=b\0c"), "!"},
        {"DEL", B(" A=b\x7f"), "!"},
        {"CR", B(" A=b\rC"), "!"},
        {"blank before the sign", B(" A =b"), "A|!"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bytes rest = rows[i].rest;
        struct smtp_param p;
        struct buf seen;
        enum err err;
        unit_row(rows[i].name);
        buf_init(&seen, 1000);
        while ((err = smtp_syntax_param(&rest, &p)) == ERR_OK) {
            CHECK(buf_append(&seen, p.keyword) == ERR_OK);
            if (p.has_value)
                put(&seen, "=");
            CHECK(buf_append(&seen, p.value) == ERR_OK);
            put(&seen, "|");
        }
        if (err != ERR_NOTFOUND)
            put(&seen, err == ERR_SYNTAX ? "!" : "?");
        CHECK_BYTES(buf_bytes(&seen), bytes_of(rows[i].seen));
        buf_free(&seen);
    }
}

/* P-02: a thousand of them cost what they weigh. */
static void test_thousand_params(void)
{
    struct buf b;
    struct smtp_param p;
    unsigned count = 0;

    buf_init(&b, 100000);
    for (unsigned i = 0; i < 1000; i++)
        put(&b, " A=1");
    struct bytes rest = buf_bytes(&b);
    while (smtp_syntax_param(&rest, &p) == ERR_OK)
        count++;
    CHECK_U64(count, 1000);
    CHECK_U64(rest.len, 0);
    buf_free(&b);
}

static void test_xtext_and_orcpt(void)
{
    static const struct {
        const char *name;
        struct bytes value;
        bool xtext, orcpt;
    } rows[] = {
        {"plain", B("QQ314159"), true, false},
        {"address", B("rfc822;a@b.example"), true, true},
        {"hex", B("rfc822;a+2Bb+3D@c"), true, true},
        {"8-bit decoded", B("utf-8;+C3+A4@c"), true, true},
        {"RFC 6533", B("utf-8;\\x{E4}@c"), true, true},
        {"empty", B(""), true, false},
        {"no type", B(";a@b"), true, false},
        {"no address", B("rfc822;"), true, false},
        {"type is no atom", B("rfc 822;a@b"), false, false},
        {"type with a dot", B("rfc.822;a@b"), true, false},
        {"second semicolon", B("rfc822;a;b"), true, true},
        {"P-11 CR", B("rfc822;a+0Db"), false, false},
        {"P-11 LF", B("rfc822;a+0Ab"), false, false},
        {"P-11 NUL", B("rfc822;a+00b"), false, false},
        {"ESC", B("rfc822;a+1B"), false, false},
        {"DEL", B("rfc822;a+7F"), false, false},
        {"P-12 raw LF", B("rfc822;a\nb"), false, false},
        {"lower case hex", B("rfc822;a+2bb"), false, false},
        {"lone plus", B("rfc822;a+"), false, false},
        {"half a pair", B("rfc822;a+2"), false, false},
        {"no hex", B("rfc822;a+ZZ"), false, false},
        {"equals sign", B("rfc822;a=b"), false, false},
        {"blank", B("rfc822;a b"), false, false},
        {"8-bit", B("rfc822;\xc3\xa4"), false, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        CHECK_U64(smtp_syntax_xtext_valid(rows[i].value), rows[i].xtext);
        CHECK_U64(smtp_syntax_orcpt_valid(rows[i].value), rows[i].orcpt);
    }
    char text[501] = "rfc822;";
    memset(text + 7, 'a', sizeof text - 7);
    unit_row("P-12 500 octets");
    CHECK(smtp_syntax_orcpt_valid(bytes_make(text, 500)));
    CHECK(!smtp_syntax_orcpt_valid(bytes_make(text, 501)));
}

static void test_helo(void)
{
    static const struct {
        const char *text;
        bool helo, domain;
    } rows[] = {
        {"relay.example", true, true},
        {"relay.example.", true, true},
        {"my_pc", true, true},
        {"PRINTER-7", true, true},
        {"192.0.2.1", true, false},
        {"[192.0.2.1]", true, false},
        {"[IPv6:2001:db8::1]", true, false},
        {"[2001:db8::1]", false, false},
        {"[192.0.2]", false, false},
        {"[]", false, false},
        {"[", false, false},
        {"", false, false},
        {".", false, false},
        {"a..b", false, false},
        {"-a", false, false},
        {"a b", false, false},
        {"a(b)", false, false},
        {"a\x01", false, false},
        {"b\xc3\xbc"
         "cher.example",
         false, false},
        {"a:25", false, false},
        {"xn--bcher-kva.example", true, true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].text);
        CHECK_U64(smtp_syntax_helo_valid(bytes_of(rows[i].text)), rows[i].helo);
        CHECK_U64(smtp_syntax_domain_valid(bytes_of(rows[i].text), false), rows[i].domain);
    }
}

UNIT_MAIN("net/smtp_syntax_param", {"params", test_params},
          {"thousand params", test_thousand_params}, {"xtext and orcpt", test_xtext_and_orcpt},
          {"helo", test_helo})
