/* net/smtp_auth: A-01 malformed base64 is refused, A-01 base64 both ways, A-01 the longest line,
 * A-03 PLAIN, A-03 lengths of name and password, mechanisms by name. */
#include "net/smtp_auth.h"

#include <stdio.h>

#include "core/mem.h"
#include "unit.h"

/* In a buffer of exactly the size that the header promises to suffice. */
static enum err decode(struct bytes text, char **to, size_t *len)
{
    *to = mem_alloc(SMTP_AUTH_DECODED_MAX(text.len) + (text.len == 0));
    return smtp_auth_decode(text, *to, len);
}

static void test_base64_refused(void)
{
    static const struct {
        const char *name;
        struct bytes text;
    } rows[] = {
        {"length 1 mod 4", BYTES("Q")},
        {"length 2 mod 4", BYTES("QU")},
        {"length 3 mod 4 (CVE-2018-6789)", BYTES("QUI")},
        {"length 1 mod 4 after a group", BYTES("QUJDQ")},
        {"length 3 mod 4 after a group", BYTES("QUJDQUI")},
        {"padding missing", BYTES("QUJDQQ=")},
        {"padding too much", BYTES("QQ===")},
        {"padding too much, whole group", BYTES("Q===")},
        {"only padding", BYTES("====")},
        {"a lone =", BYTES("=")},
        {"=AAA", BYTES("=AAA")},
        {"AAA=BBB", BYTES("AAA=BBB")},
        {"AAA=BBBB", BYTES("AAA=BBBB")},
        {"padding in the middle", BYTES("QQ==QUJD")},
        {"QQ=A", BYTES("QQ=A")},
        {"outside the alphabet", BYTES("QU!D")},
        {"URL alphabet", BYTES("QU-_")},
        {"blank inside", BYTES("QU D")},
        {"blank before", BYTES(" QUJ")},
        {"blank behind", BYTES("QUJ ")},
        {"tab", BYTES("QU\tD")},
        {"NUL", BYTES("QU\0D")},
        {"an octet beyond ASCII", BYTES("QU\xc3\xa4")},
        {"bits left over before ==", BYTES("QR==")},
        {"bits left over before =", BYTES("QUJ=")},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *to;
        size_t len;
        unit_row(rows[i].name);
        CHECK(decode(rows[i].text, &to, &len) == ERR_SYNTAX);
        CHECK(len <= SMTP_AUTH_DECODED_MAX(rows[i].text.len));
        mem_free(to);
    }
}

static void test_base64_both_ways(void)
{
    static const struct {
        const char *name;
        struct bytes plain, coded;
    } rows[] = {
        {"nothing", BYTES(""), BYTES("")},
        {"one octet", BYTES("f"), BYTES("Zg==")},
        {"two octets", BYTES("fo"), BYTES("Zm8=")},
        {"three octets", BYTES("foo"), BYTES("Zm9v")},
        {"six octets", BYTES("foobar"), BYTES("Zm9vYmFy")},
        {"NULs", BYTES("\0\0\0\0"), BYTES("AAAAAA==")},
        {"all bits", BYTES("\xff\xff\xfe\xfb"), BYTES("///++w==")},
        {"Username:", BYTES("Username:"), BYTES("VXNlcm5hbWU6")},
        {"Password:", BYTES("Password:"), BYTES("UGFzc3dvcmQ6")},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *to, coded[16];
        size_t len;
        unit_row(rows[i].name);
        CHECK(decode(rows[i].coded, &to, &len) == ERR_OK);
        CHECK_BYTES(bytes_make(to, len), rows[i].plain);
        mem_free(to);
        len = smtp_auth_encode(rows[i].plain, coded);
        CHECK_BYTES(bytes_make(coded, len), rows[i].coded);
    }
}

static void test_base64_longest(void)
{
    size_t len, n = SMTP_AUTH_LINE_MAX;
    char *text = mem_alloc(n), *to;
    memset(text, 'A', n);
    CHECK(decode(bytes_make(text, n), &to, &len) == ERR_OK);
    CHECK_U64(len, SMTP_AUTH_LINE_MAX / 4 * 3);
    mem_free(to);
    mem_free(text);
}

static void test_plain(void)
{
    static const struct {
        const char *name;
        struct bytes message;
        enum err err;
        const char *user, *password;
    } rows[] = {
        {"a name and a password", BYTES("\0ann\0secret"), ERR_OK, "ann", "secret"},
        {"on his own behalf", BYTES("ann\0ann\0secret"), ERR_OK, "ann", "secret"},
        {"password of one character", BYTES("\0ann\0s"), ERR_OK, "ann", "s"},
        {"name of one character", BYTES("\0a\0s"), ERR_OK, "a", "s"},
        {"UTF-8", BYTES("\0\xc3\xa4\0\xc3\xb6"), ERR_OK, "\xc3\xa4", "\xc3\xb6"},
        {"nothing", BYTES(""), ERR_SYNTAX, NULL, NULL},
        {"no NUL", BYTES("ann"), ERR_SYNTAX, NULL, NULL},
        {"one NUL", BYTES("ann\0secret"), ERR_SYNTAX, NULL, NULL},
        {"three NULs", BYTES("\0ann\0sec\0ret"), ERR_SYNTAX, NULL, NULL},
        {"NUL at the end", BYTES("\0ann\0secret\0"), ERR_SYNTAX, NULL, NULL},
        {"nobody", BYTES("\0\0secret"), ERR_SYNTAX, NULL, NULL},
        {"nobody on behalf of somebody", BYTES("ann\0\0secret"), ERR_SYNTAX, NULL, NULL},
        {"on behalf of another", BYTES("bob\0ann\0secret"), ERR_DENIED, NULL, NULL},
        {"on behalf, in other case", BYTES("Ann\0ann\0secret"), ERR_DENIED, NULL, NULL},
        {"empty password", BYTES("\0ann\0"), ERR_DENIED, NULL, NULL},
        {"line end in the name", BYTES("\0a\r\nb\0secret"), ERR_DENIED, NULL, NULL},
        {"line end in the password", BYTES("\0ann\0a\r\nb"), ERR_DENIED, NULL, NULL},
        {"LF alone", BYTES("\0ann\0a\nb"), ERR_DENIED, NULL, NULL},
        {"DEL", BYTES("\0an\x7f\0secret"), ERR_DENIED, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_auth_credentials c;
        unit_row(rows[i].name);
        enum err e = smtp_auth_plain(rows[i].message, &c);
        CHECK_U64(e, rows[i].err);
        if (e != ERR_OK)
            continue;
        CHECK_BYTES(c.user, bytes_of(rows[i].user));
        CHECK_BYTES(c.password, bytes_of(rows[i].password));
    }
}

static void test_lengths(void)
{
    char text[SMTP_AUTH_PASSWORD_MAX + 1];
    memset(text, 'x', sizeof text);
    static const struct {
        const char *name;
        size_t user, password;
        bool usable;
    } rows[] = {
        {"longest", SMTP_AUTH_USER_MAX, SMTP_AUTH_PASSWORD_MAX, true},
        {"name too long", SMTP_AUTH_USER_MAX + 1, 1, false},
        {"password too long", 1, SMTP_AUTH_PASSWORD_MAX + 1, false},
        {"no name", 0, 1, false},
        {"no password", 1, 0, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_auth_credentials c = {{text, rows[i].user}, {text, rows[i].password}};
        unit_row(rows[i].name);
        CHECK(smtp_auth_usable(&c) == rows[i].usable);
    }
}

static void test_mechanism_names(void)
{
    CHECK(smtp_auth_mechanism_parse(BYTES("PLAIN")) == SMTP_AUTH_PLAIN);
    CHECK(smtp_auth_mechanism_parse(BYTES("plain")) == SMTP_AUTH_PLAIN);
    CHECK(smtp_auth_mechanism_parse(BYTES("Login")) == SMTP_AUTH_LOGIN);
    CHECK(smtp_auth_mechanism_parse(BYTES("PLAINX")) == SMTP_AUTH_NONE);
    CHECK(smtp_auth_mechanism_parse(BYTES("")) == SMTP_AUTH_NONE);
    CHECK_BYTES(smtp_auth_mechanism_shown(BYTES("cram-md5")), BYTES("CRAM-MD5"));
    CHECK_BYTES(smtp_auth_mechanism_shown(BYTES("AGFubgBzZWNyZXQ=")), BYTES("(hidden)"));
    CHECK_BYTES(smtp_auth_mechanism_shown(BYTES("")), BYTES(""));
}

UNIT_MAIN("net/smtp_auth", {"A-01 malformed base64 is refused", test_base64_refused},
          {"A-01 base64 both ways", test_base64_both_ways},
          {"A-01 the longest line", test_base64_longest}, {"A-03 PLAIN", test_plain},
          {"A-03 lengths of name and password", test_lengths},
          {"mechanisms by name", test_mechanism_names})
