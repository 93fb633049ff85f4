/* core/mail: address parts, envelope copy, status, status copy. */
#include "core/mail.h"

#include "unit.h"

static void test_address_parts(void)
{
    static const struct {
        const char *address, *local, *domain;
    } rows[] = {
        {"user@example.com", "user", "example.com"},
        {"postmaster", "postmaster", ""},
        {"", "", ""},
        {"\"a@b\"@example.com", "\"a@b\"", "example.com"},
        {"\"a\\\"@b\"@example.com", "\"a\\\"@b\"", "example.com"},
        {"\"a\\\\\"@example.com", "\"a\\\\\"", "example.com"},
        {"user@[192.0.2.1]", "user", "[192.0.2.1]"},
        {"user@[IPv6:2001:db8::1]", "user", "[IPv6:2001:db8::1]"},
        {"a@b@c", "a@b", "c"},
        {"\"open@example.com", "\"open@example.com", ""},
        {"\"ends with\\", "\"ends with\\", ""},
        {"user@", "user", ""},
        {"@example.com", "", "example.com"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].address);
        CHECK_BYTES(mail_local_part(bytes_of(rows[i].address)), bytes_of(rows[i].local));
        CHECK_BYTES(mail_domain(bytes_of(rows[i].address)), bytes_of(rows[i].domain));
    }
}

static void test_envelope_copy(void)
{
    char sender[] = "a@example.com", rcpt[] = "b@example.com", orcpt[] = "rfc822;b@x",
         orar[] = "rfc822;instead@x";
    struct mail_rcpt rcpts[2] = {
        {.address = bytes_of(rcpt),
         .orcpt = bytes_of(orcpt),
         .orar = bytes_of(orar),
         .notify = MAIL_NOTIFY_FAILURE | MAIL_NOTIFY_DELAY},
        {.address = BYTES("postmaster")},
    };
    struct mail_envelope from = {.sender = bytes_of(sender),
                                 .envid = BYTES("QQ1"),
                                 .auth = BYTES("<>"),
                                 .body = MAIL_BODY_8BITMIME,
                                 .ret = MAIL_RET_HDRS,
                                 .options = MAIL_OPTION_SMTPUTF8 | 128,
                                 .size_declared = 1234,
                                 .rcpts = rcpts,
                                 .rcpt_count = 2};
    struct mail_envelope to;
    struct arena arena;
    arena_init(&arena, 0);
    mail_envelope_copy(&arena, &from, &to);
    /* The copy must not see what happens to the original. */
    memset(sender, '#', sizeof sender - 1);
    memset(rcpt, '#', sizeof rcpt - 1);
    memset(orcpt, '#', sizeof orcpt - 1);
    memset(orar, '#', sizeof orar - 1);
    memset(rcpts, 0, sizeof rcpts);
    CHECK_BYTES(to.sender, BYTES("a@example.com"));
    CHECK_BYTES(to.envid, BYTES("QQ1"));
    CHECK_BYTES(to.auth, BYTES("<>"));
    CHECK(to.body == MAIL_BODY_8BITMIME && to.ret == MAIL_RET_HDRS &&
          to.options == (MAIL_OPTION_SMTPUTF8 | 128));
    CHECK_U64(to.size_declared, 1234);
    CHECK_U64(to.rcpt_count, 2);
    CHECK_BYTES(to.rcpts[0].address, BYTES("b@example.com"));
    CHECK_BYTES(to.rcpts[0].orcpt, BYTES("rfc822;b@x"));
    CHECK_U64(to.rcpts[0].notify, MAIL_NOTIFY_FAILURE | MAIL_NOTIFY_DELAY);
    CHECK_BYTES(to.rcpts[1].address, BYTES("postmaster"));
    CHECK_U64(to.rcpts[1].notify, 0);
    struct mail_envelope empty = {.rcpts = NULL};
    mail_envelope_copy(&arena, &empty, &to);
    CHECK(!to.rcpts && to.sender.len == 0);
    arena_free(&arena);
}

static void test_status(void)
{
    const struct {
        struct mail_status status;
        size_t size;
        const char *text;
        bool ok, permanent;
    } rows[] = {
        {MAIL_STATUS(550, 5, 7, 1, "Unable to relay"), 64, "550 5.7.1 Unable to relay", false,
         true},
        {MAIL_STATUS(250, 2, 6, 0, "Queued"), 64, "250 2.6.0 Queued", true, false},
        {MAIL_STATUS(354, 0, 0, 0, "Go ahead"), 64, "354 Go ahead", false, false},
        {MAIL_STATUS(451, 4, 4, 3, ""), 64, "451 4.4.3 ", false, false},
        {MAIL_STATUS(550, 5, 7, 1, "Unable to relay"), 14, "550 5.7.1 Una", false, true},
        {MAIL_STATUS(550, 5, 7, 1, "Unable to relay"), 7, "550 5.", false, true},
        {MAIL_STATUS(550, 5, 7, 1, "Unable to relay"), 1, "", false, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[65];
        memset(text, '#', sizeof text);
        unit_row(rows[i].text);
        CHECK(mail_status_format(&rows[i].status, text, rows[i].size) == text);
        CHECK_STR(text, rows[i].text);
        CHECK(text[rows[i].size] == '#');
        CHECK(mail_status_ok(&rows[i].status) == rows[i].ok);
        CHECK(mail_status_permanent(&rows[i].status) == rows[i].permanent);
    }
}

static void test_status_copy(void)
{
    char text[] = "busy";
    struct mail_status from = {421, {4, 3, 2}, bytes_of(text)};
    struct arena arena;
    arena_init(&arena, 0);
    struct mail_status to = mail_status_copy(&arena, &from);
    text[0] = '#';
    CHECK_BYTES(to.text, BYTES("busy"));
    CHECK(to.code == 421 && to.enhanced[2] == 2);
    arena_free(&arena);
}

UNIT_MAIN("core/mail", {"address parts", test_address_parts}, {"envelope copy", test_envelope_copy},
          {"status", test_status}, {"status copy", test_status_copy})
