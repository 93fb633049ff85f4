/* What EHLO says by the table of extensions, and what is understood of a peer's. */
#include "net/smtp_extension.h"

#include "unit.h"

static void test_write(void)
{
    static const struct {
        const char *name;
        struct smtp_extensions x;
        const char *lines;
    } rows[] = {
        {"nothing", {.size_max = 1}, ""},
        {"no keyword of its own", {.offered = SMTP_EXTENSION_ESMTP}, ""},
        {"one", {.offered = SMTP_EXTENSION_DSN}, "250 DSN\r\n"},
        {"a limit", {.offered = SMTP_EXTENSION_SIZE, .size_max = 10}, "250 SIZE 10\r\n"},
        {"the largest limit",
         {.offered = SMTP_EXTENSION_SIZE, .size_max = UINT64_MAX},
         "250 SIZE 18446744073709551615\r\n"},
        {"no limit", {.offered = SMTP_EXTENSION_SIZE}, "250 SIZE\r\n"},
        {"mechanisms",
         {.offered = SMTP_EXTENSION_AUTH | SMTP_EXTENSION_AUTH_LOGIN | SMTP_EXTENSION_AUTH_PLAIN},
         "250 AUTH LOGIN PLAIN\r\n"},
        {"one mechanism",
         {.offered = SMTP_EXTENSION_AUTH | SMTP_EXTENSION_AUTH_PLAIN | SMTP_EXTENSION_SMTPUTF8},
         "250-AUTH PLAIN\r\n250 SMTPUTF8\r\n"},
        {"mechanisms without AUTH", {.offered = SMTP_EXTENSION_AUTH_PLAIN}, ""},
        {"all",
         {.offered = ~0u, .size_max = UINT64_MAX},
         "250-SIZE 18446744073709551615\r\n250-PIPELINING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"
         "250-STARTTLS\r\n250-AUTH LOGIN PLAIN\r\n250-8BITMIME\r\n250-BINARYMIME\r\n"
         "250-CHUNKING\r\n250-SMTPUTF8\r\n250-XLONGADDR\r\n250 XORAR\r\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char lines[SMTP_EXTENSION_LINES_MAX];
        unit_row(rows[i].name);
        size_t len = smtp_extension_write(&rows[i].x, lines);
        CHECK_BYTES(bytes_make(lines, len), bytes_of(rows[i].lines));
    }
}

static void read_lines(struct smtp_extensions *x, const char *lines)
{
    struct bytes rest = bytes_of(lines), line;
    bool more = true;
    while (more) {
        more = bytes_split(rest, '|', &line, &rest);
        smtp_extension_read(x, line);
    }
}

static void test_read(void)
{
    static const struct {
        const char *lines;
        unsigned offered;
        uint64_t size_max;
    } rows[] = {
        {"mx.example", 0, 0},
        {"DSN", 0, 0}, /* a host of that name */
        {"mx|DSN", SMTP_EXTENSION_DSN, 0},
        {"mx|dsn|Pipelining", SMTP_EXTENSION_DSN | SMTP_EXTENSION_PIPELINING, 0},
        {"mx|DSNX|XDSN|D", 0, 0},
        {"mx| DSN ", SMTP_EXTENSION_DSN, 0},
        {"mx|DSN with more", SMTP_EXTENSION_DSN, 0},
        {"mx|SIZE", SMTP_EXTENSION_SIZE, 0},
        {"mx|SIZE 100", SMTP_EXTENSION_SIZE, 100},
        {"mx|SIZE   100  ", SMTP_EXTENSION_SIZE, 100},
        {"mx|SIZE 0", SMTP_EXTENSION_SIZE, 0},
        {"mx|SIZE x", 0, 0},
        {"mx|SIZE 1 2", 0, 0},
        {"mx|SIZE 99999999999999999999", 0, 0},
        {"mx|AUTH", SMTP_EXTENSION_AUTH, 0},
        {"mx|AUTH plain CRAM-MD5", SMTP_EXTENSION_AUTH | SMTP_EXTENSION_AUTH_PLAIN, 0},
        {"mx|AUTH=LOGIN", 0, 0},
        {"mx||", 0, 0},
        {"mx|EHLO|ESMTP", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct smtp_extensions x = {0};
        unit_row(rows[i].lines);
        read_lines(&x, rows[i].lines);
        CHECK_U64(x.offered, rows[i].offered);
        CHECK_U64(x.size_max, rows[i].size_max);
    }
}

/* What one side writes the other reads. */
static void test_both(void)
{
    for (unsigned bit = SMTP_EXTENSION_SIZE; bit <= SMTP_EXTENSION_XORAR; bit <<= 1) {
        bool mechanism = bit & (SMTP_EXTENSION_AUTH_LOGIN | SMTP_EXTENSION_AUTH_PLAIN);
        struct smtp_extensions x = {.offered = bit | (mechanism ? SMTP_EXTENSION_AUTH : 0)};
        struct smtp_extensions read = {.host_named = true};
        char lines[SMTP_EXTENSION_LINES_MAX];
        size_t len = smtp_extension_write(&x, lines);
        if (!CHECK(len > 6))
            continue;
        smtp_extension_read(&read, bytes_make(lines + 4, len - 6));
        CHECK_U64(read.offered, x.offered);
        if (!mechanism)
            CHECK(bytes_starts_nocase(bytes_make(lines + 4, len - 4),
                                      smtp_extension_keyword((enum smtp_extension)bit)));
    }
}

UNIT_MAIN("net/smtp_extension", {"write", test_write}, {"read", test_read},
          {"what is written is read", test_both})
