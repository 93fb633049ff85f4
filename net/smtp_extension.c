/* The table of SMTP extensions, and the lines of EHLO by it. */
#include "net/smtp_extension.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/err.h"

struct extension_row {
    struct bytes keyword;
    enum smtp_extension bit;
    /* Arguments, each behind a blank; NULL: it has none. WRITE returns the end. READ gets what
     * stands behind the keyword; false: malformed. */
    char *(*write)(const struct smtp_extensions *x, char *to);
    bool (*read)(struct smtp_extensions *x, struct bytes arguments);
};

static char *put(char *to, struct bytes text)
{
    memcpy(to, text.ptr, text.len);
    return to + text.len;
}

/* size-value = 1*20DIGIT, RFC 1870 4 */
static char *write_size(const struct smtp_extensions *x, char *to)
{
    return x->size_max ? to + snprintf(to, 22, " %" PRIu64, x->size_max) : to;
}

static bool read_size(struct smtp_extensions *x, struct bytes argument)
{
    uint64_t size = 0;
    if (argument.len && bytes_to_u64(argument, UINT64_MAX, &size) != ERR_OK)
        return false;
    x->size_max = size;
    return true;
}

static const struct {
    struct bytes name;
    enum smtp_extension bit;
} mechanisms[] = {
    {BYTES("LOGIN"), SMTP_EXTENSION_AUTH_LOGIN},
    {BYTES("PLAIN"), SMTP_EXTENSION_AUTH_PLAIN},
};

/* mechanism names, RFC 4954 3 */
static char *write_auth(const struct smtp_extensions *x, char *to)
{
    for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++) {
        if (x->offered & mechanisms[i].bit) {
            *to++ = ' ';
            to = put(to, mechanisms[i].name);
        }
    }
    return to;
}

static bool read_auth(struct smtp_extensions *x, struct bytes arguments)
{
    bool more = true;
    while (more) {
        struct bytes name;
        more = bytes_split(arguments, ' ', &name, &arguments);
        for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
            if (bytes_equal_nocase(name, mechanisms[i].name))
                x->offered |= mechanisms[i].bit;
    }
    return true;
}

/* In the order in which EHLO names them. */
static const struct extension_row rows[] = {
    {BYTES("SIZE"), SMTP_EXTENSION_SIZE, write_size, read_size},                    /* RFC 1870 */
    {BYTES("PIPELINING"), SMTP_EXTENSION_PIPELINING, NULL, NULL},                   /* RFC 2920 */
    {BYTES("DSN"), SMTP_EXTENSION_DSN, NULL, NULL},                                 /* RFC 3461 */
    {BYTES("ENHANCEDSTATUSCODES"), SMTP_EXTENSION_ENHANCEDSTATUSCODES, NULL, NULL}, /* RFC 2034 */
    {BYTES("STARTTLS"), SMTP_EXTENSION_STARTTLS, NULL, NULL},                       /* RFC 3207 */
    {BYTES("AUTH"), SMTP_EXTENSION_AUTH, write_auth, read_auth},                    /* RFC 4954 */
    {BYTES("8BITMIME"), SMTP_EXTENSION_8BITMIME, NULL, NULL},                       /* RFC 6152 */
    {BYTES("BINARYMIME"), SMTP_EXTENSION_BINARYMIME, NULL, NULL},                   /* RFC 3030 */
    {BYTES("CHUNKING"), SMTP_EXTENSION_CHUNKING, NULL, NULL},                       /* RFC 3030 */
    {BYTES("SMTPUTF8"), SMTP_EXTENSION_SMTPUTF8, NULL, NULL},                       /* RFC 6531 */
    {BYTES("XLONGADDR"), SMTP_EXTENSION_XLONGADDR, NULL, NULL},                     /* Exchange */
    {BYTES("XORAR"), SMTP_EXTENSION_XORAR, NULL, NULL},                             /* Exchange */
};

size_t smtp_extension_write(const struct smtp_extensions *x, char to[SMTP_EXTENSION_LINES_MAX])
{
    char *at = to, *last = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!(x->offered & rows[i].bit))
            continue;
        last = at;
        at = put(at, BYTES("250-"));
        at = put(at, rows[i].keyword);
        if (rows[i].write)
            at = rows[i].write(x, at);
        at = put(at, BYTES("\r\n"));
    }
    if (last)
        last[3] = ' '; /* RFC 5321 4.2.1 */
    ASSERT(at - to <= SMTP_EXTENSION_LINES_MAX);
    return (size_t)(at - to);
}

void smtp_extension_read(struct smtp_extensions *x, struct bytes line)
{
    struct bytes keyword, arguments;
    if (!x->host_named) {
        x->host_named = true;
        return;
    }
    (void)bytes_split(bytes_trim(line), ' ', &keyword, &arguments);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!bytes_equal_nocase(keyword, rows[i].keyword))
            continue;
        if (!rows[i].read || rows[i].read(x, bytes_trim(arguments)))
            x->offered |= rows[i].bit;
        return;
    }
}

struct bytes smtp_extension_keyword(enum smtp_extension extension)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].bit == extension)
            return rows[i].keyword;
    return BYTES("EHLO");
}
