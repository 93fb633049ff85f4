/* Parameters of MAIL and RCPT: read, written, and what the next hop must offer. */
#include "net/smtp_params.h"

#include <stdio.h>

#include "net/smtp_data.h"
#include "unit.h"

#define ALL ~0u

static void test_read_mail(void)
{
    static const struct {
        const char *text;
        unsigned offered;
        enum err err;
    } rows[] = {
        {"", 0, ERR_OK},
        {" ", 0, ERR_OK},
        {" SIZE=1", ALL, ERR_OK},
        {" SIZE=1", SMTP_EXTENSION_ESMTP, ERR_NOTFOUND},
        {" SIZE", ALL, ERR_SYNTAX},
        {" SIZE=x", ALL, ERR_SYNTAX},
        {" SIZE=000000000000000000001", ALL, ERR_SYNTAX},
        {" SIZE=1 SIZE=1", ALL, ERR_SYNTAX},
        {" size=1 Body=8bitmime", ALL, ERR_OK},
        {" BODY=7BIT", SMTP_EXTENSION_8BITMIME, ERR_OK},
        {" BODY=7BIT", SMTP_EXTENSION_BINARYMIME, ERR_OK},
        {" BODY=7BIT", SMTP_EXTENSION_SIZE, ERR_NOTFOUND},
        {" BODY=8BITMIME", SMTP_EXTENSION_BINARYMIME, ERR_NOTFOUND},
        {" BODY=BINARYMIME", SMTP_EXTENSION_8BITMIME, ERR_NOTFOUND},
        {" BODY=BINARYMIME", SMTP_EXTENSION_BINARYMIME, ERR_OK},
        {" BODY=9BIT", ALL, ERR_SYNTAX},
        {" SMTPUTF8", ALL, ERR_OK},
        {" SMTPUTF8=1", ALL, ERR_SYNTAX},
        {" SMTPUTF8 SMTPUTF8", ALL, ERR_SYNTAX},
        {" SMTPUTF8", ALL & ~(unsigned)SMTP_EXTENSION_SMTPUTF8, ERR_NOTFOUND},
        {" RET=FULL", ALL, ERR_OK},
        {" RET=HDRS", ALL, ERR_OK},
        {" RET=NONE", ALL, ERR_SYNTAX},
        {" ENVID=QQ+2B", ALL, ERR_OK},
        {" ENVID=QQ+2", ALL, ERR_SYNTAX},
        {" AUTH=<>", SMTP_EXTENSION_ESMTP, ERR_OK},
        {" AUTH=<>", 0, ERR_NOTFOUND},
        {" NOTIFY=NEVER", ALL, ERR_NOTFOUND},
        {" ORAR=rfc822;a@b", ALL, ERR_NOTFOUND},
        {" =1", ALL, ERR_SYNTAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mail_envelope e = {.envid = BYTES_EMPTY};
        unit_row(rows[i].text);
        CHECK_U64(smtp_params_read_mail(bytes_of(rows[i].text), rows[i].offered, &e), rows[i].err);
    }
}

static void test_read_rcpt(void)
{
    static const struct {
        const char *text;
        unsigned offered;
        enum err err;
    } rows[] = {
        {" NOTIFY=SUCCESS ORCPT=rfc822;a@b", SMTP_EXTENSION_DSN, ERR_OK},
        {" NOTIFY=SUCCESS", SMTP_EXTENSION_XORAR, ERR_NOTFOUND},
        {" ORAR=rfc822;a@b", SMTP_EXTENSION_XORAR, ERR_OK},
        {" ORAR=a@b", SMTP_EXTENSION_XORAR, ERR_SYNTAX},
        {" ORAR=rfc822;a@b", SMTP_EXTENSION_DSN, ERR_NOTFOUND},
        {" ORCPT=rfc822;a@b ORCPT=rfc822;a@b", ALL, ERR_SYNTAX},
        {" ORCPT", ALL, ERR_SYNTAX},
        {" SIZE=1", ALL, ERR_NOTFOUND},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mail_rcpt rcpt = {.orcpt = BYTES_EMPTY};
        unit_row(rows[i].text);
        CHECK_U64(smtp_params_read_rcpt(bytes_of(rows[i].text), rows[i].offered, &rcpt),
                  rows[i].err);
    }
}

static void test_notify(void)
{
    static const struct {
        const char *value;
        enum err err;
        uint8_t notify;
    } rows[] = {
        {"NEVER", ERR_OK, MAIL_NOTIFY_NEVER},
        {"success", ERR_OK, MAIL_NOTIFY_SUCCESS},
        {"SUCCESS,FAILURE,DELAY", ERR_OK,
         MAIL_NOTIFY_SUCCESS | MAIL_NOTIFY_FAILURE | MAIL_NOTIFY_DELAY},
        {"Delay,Failure", ERR_OK, MAIL_NOTIFY_FAILURE | MAIL_NOTIFY_DELAY},
        {"NEVER,SUCCESS", ERR_SYNTAX, 0},
        {"SUCCESS,NEVER", ERR_SYNTAX, 0},
        {"NEVER,NEVER", ERR_SYNTAX, 0},
        {"SUCCESS,SUCCESS", ERR_SYNTAX, 0},
        {"", ERR_SYNTAX, 0},
        {",", ERR_SYNTAX, 0},
        {"SUCCESS,", ERR_SYNTAX, 0},
        {",SUCCESS", ERR_SYNTAX, 0},
        {"SUCCESS, DELAY", ERR_SYNTAX, 0},
        {"SUCCES", ERR_SYNTAX, 0},
        {"SUCCESSFUL", ERR_SYNTAX, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mail_rcpt rcpt = {.notify = 0};
        char text[64];
        unit_row(rows[i].value);
        snprintf(text, sizeof text, " NOTIFY=%s", rows[i].value);
        CHECK_U64(smtp_params_read_rcpt(bytes_of(text), ALL, &rcpt), rows[i].err);
        CHECK_U64(rcpt.notify, rows[i].notify);
    }
}

static void test_write_mail(void)
{
    static struct mail_envelope plain,
        all =
            {
                .envid = BYTES("QQ"),
                .auth = BYTES("<>"),
                .body = MAIL_BODY_8BITMIME,
                .ret = MAIL_RET_HDRS,
                .options = MAIL_OPTION_SMTPUTF8,
            },
        binary = {.body = MAIL_BODY_BINARYMIME, .ret = MAIL_RET_FULL};
    static const struct {
        const char *name;
        const struct mail_envelope *envelope;
        unsigned notes, offered;
        const char *text;
    } rows[] = {
        {"nothing offered", &all, 0, SMTP_EXTENSION_ESMTP, ""},
        {"nothing said", &plain, 0, ALL, " SIZE=12"},
        {"all", &all, 0, ALL, " SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ"},
        {"DSN", &all, 0, SMTP_EXTENSION_DSN, " RET=HDRS ENVID=QQ"},
        {"8-bit text", &plain, SMTP_DATA_8BIT, SMTP_EXTENSION_8BITMIME, " BODY=8BITMIME"},
        {"8-bit text, not offered", &plain, SMTP_DATA_8BIT, SMTP_EXTENSION_DSN, ""},
        {"binary", &binary, SMTP_DATA_8BIT, ALL, " SIZE=12 BODY=BINARYMIME RET=FULL"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct smtp_params_mail mail = {rows[i].envelope, 12, rows[i].notes};
        char text[256];
        unit_row(rows[i].name);
        char *end = smtp_params_write_mail(&mail, rows[i].offered, text);
        CHECK_BYTES(bytes_make(text, (size_t)(end - text)), bytes_of(rows[i].text));
    }
}

static void test_write_rcpt(void)
{
    static const struct {
        const char *name;
        struct mail_rcpt rcpt;
        unsigned offered;
        const char *text;
    } rows[] = {
        {"nothing said", {.notify = 0}, ALL, ""},
        {"never", {.notify = MAIL_NOTIFY_NEVER | MAIL_NOTIFY_DELAY}, ALL, " NOTIFY=NEVER"},
        {"all but never", {.notify = 14}, ALL, " NOTIFY=SUCCESS,FAILURE,DELAY"},
        {"orcpt", {.orcpt = BYTES("rfc822;a@b")}, SMTP_EXTENSION_DSN, " ORCPT=rfc822;a@b"},
        {"orar", {.orar = BYTES("rfc822;a@b")}, SMTP_EXTENSION_XORAR, " ORAR=rfc822;a@b"},
        {"not offered", {.notify = 4, .orar = BYTES("rfc822;a@b")}, SMTP_EXTENSION_SIZE, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[256];
        unit_row(rows[i].name);
        char *end = smtp_params_write_rcpt(&rows[i].rcpt, rows[i].offered, text);
        CHECK_BYTES(bytes_make(text, (size_t)(end - text)), bytes_of(rows[i].text));
    }
}

static void test_sound(void)
{
    static char long_text[SMTP_PARAMS_TEXT_MAX + 1];
    memset(long_text, 'x', sizeof long_text);
    struct mail_rcpt rcpt = {.orcpt = BYTES("rfc822;a@b"), .orar = BYTES("rfc822;a@b")};
    struct mail_envelope envelope = {.envid = BYTES("Q"), .auth = BYTES("a b")};
    CHECK(smtp_params_rcpt_sound(&rcpt));
    CHECK(smtp_params_mail_sound(&envelope)); /* AUTH= stays here */
    rcpt.orar = BYTES("a\r\nRSET");
    CHECK(!smtp_params_rcpt_sound(&rcpt));
    rcpt.orar = bytes_make(long_text, SMTP_PARAMS_TEXT_MAX);
    CHECK(smtp_params_rcpt_sound(&rcpt));
    rcpt.orar = bytes_make(long_text, SMTP_PARAMS_TEXT_MAX + 1);
    CHECK(!smtp_params_rcpt_sound(&rcpt));
    envelope.envid = BYTES("a b");
    CHECK(!smtp_params_mail_sound(&envelope));
}

static void test_unfit(void)
{
    static const struct mail_envelope plain,
        eight = {.body = MAIL_BODY_8BITMIME}, binary = {.body = MAIL_BODY_BINARYMIME},
        utf8 = {.options = MAIL_OPTION_SMTPUTF8, .body = MAIL_BODY_8BITMIME},
        dsn = {.ret = MAIL_RET_FULL, .envid = BYTES("Q")};
    static const struct {
        const char *name;
        const struct mail_envelope *envelope;
        unsigned notes, offered;
        uint64_t size_max;
        uint16_t code, subject, detail; /* code 0: it can go */
    } rows[] = {
        {"plain", &plain, 0, 0, 0, 0, 0, 0},
        {"size", &plain, 0, SMTP_EXTENSION_SIZE, 99, 552, 3, 4},
        {"just as large", &plain, 0, SMTP_EXTENSION_SIZE, 100, 0, 0, 0},
        {"8-bit, said", &eight, 0, 0, 0, 554, 6, 3},
        {"8-bit, found", &plain, SMTP_DATA_8BIT, 0, 0, 554, 6, 3},
        {"8-bit, offered", &eight, 0, SMTP_EXTENSION_8BITMIME, 0, 0, 0, 0},
        {"binary, nothing offered", &binary, 0, SMTP_EXTENSION_8BITMIME, 0, 554, 6, 3},
        {"binary, no chunks", &binary, 0, SMTP_EXTENSION_BINARYMIME, 0, 554, 6, 3},
        {"binary, chunks only", &binary, 0, SMTP_EXTENSION_CHUNKING, 0, 554, 6, 3},
        {"binary, both", &binary, 0, SMTP_EXTENSION_BINARYMIME | SMTP_EXTENSION_CHUNKING, 0, 0, 0,
         0},
        {"SMTPUTF8 before 8BITMIME", &utf8, 0, 0, 0, 553, 6, 7},
        {"SMTPUTF8", &utf8, 0, SMTP_EXTENSION_8BITMIME | SMTP_EXTENSION_SMTPUTF8, 0, 0, 0, 0},
        {"goes without DSN", &dsn, 0, 0, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct smtp_params_mail mail = {rows[i].envelope, 100, rows[i].notes};
        const struct smtp_extensions hop = {.offered = rows[i].offered,
                                            .size_max = rows[i].size_max};
        unit_row(rows[i].name);
        const struct mail_status *why = smtp_params_unfit(&mail, &hop);
        CHECK_U64(why ? why->code : 0, rows[i].code);
        if (why)
            CHECK(why->enhanced[0] == 5 && why->enhanced[1] == rows[i].subject &&
                  why->enhanced[2] == rows[i].detail);
    }
}

UNIT_MAIN("net/smtp_params", {"read MAIL", test_read_mail}, {"read RCPT", test_read_rcpt},
          {"notify", test_notify}, {"write MAIL", test_write_mail}, {"write RCPT", test_write_rcpt},
          {"sound", test_sound}, {"unfit", test_unfit})
