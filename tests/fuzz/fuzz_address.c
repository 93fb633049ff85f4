/* Paths: MAIL FROM and RCPT TO, with and without the prefix in the input, with and without UTF-8.
 */
#include "fuzz_split.h"

#include <stdio.h>

#include "net/smtp_syntax.h"

#define ADDRESS_MAX 571

static void domain_check(const struct smtp_path *p, bool allow_utf8)
{
    if (p->literal) {
        MUST_HOLD(smtp_syntax_literal_valid(p->domain));
        return;
    }
    MUST_HOLD(smtp_syntax_domain_valid(p->domain, allow_utf8));
    MUST_HOLD(p->domain.ptr[p->domain.len - 1] != '.');
    MUST_HOLD(bytes_find(p->domain, ':', 0) == BYTES_NOT_FOUND);
}

/* ADDRESS, with nothing around it. */
static bool mailbox_parse(struct bytes address, bool allow_utf8, struct smtp_path *out)
{
    static char line[2 * ADDRESS_MAX + 32];
    struct bytes rest;
    MUST_HOLD(address.len + 8 < sizeof line);
    int len = snprintf(line, sizeof line, "TO:<" BYTES_FMT ">", BYTES_ARG(address));
    return smtp_syntax_path(bytes_make(line, (size_t)len), SMTP_PATH_RECIPIENT, allow_utf8,
                            sizeof line, out, &rest) == ERR_OK &&
           rest.len == 0;
}

/* An address that was taken is taken again as it stands: it can be sent on. */
static void again_check(const struct smtp_path *p, bool allow_utf8)
{
    struct smtp_path again;

    MUST_HOLD(mailbox_parse(p->address, allow_utf8, &again));
    MUST_HOLD(bytes_equal(again.address, p->address));
    MUST_HOLD(bytes_equal(again.local_part, p->local_part));
    MUST_HOLD(bytes_equal(again.domain, p->domain));
}

static void path_check(const struct smtp_path *p, enum smtp_path_kind kind, bool allow_utf8,
                       struct bytes in)
{
    fuzz_within(p->address, in);
    fuzz_within(p->local_part, in);
    fuzz_within(p->domain, in);
    MUST_HOLD(p->address.len <= ADDRESS_MAX);
    for (size_t i = 0; i < p->address.len; i++)
        MUST_HOLD(allow_utf8 || (unsigned char)p->address.ptr[i] < 0x80);
    if (p->address.len == 0) {
        MUST_HOLD(kind == SMTP_PATH_SENDER && p->domain.len == 0);
    } else if (p->domain.len == 0) {
        MUST_HOLD(kind == SMTP_PATH_RECIPIENT);
        MUST_HOLD(bytes_equal_nocase(p->address, BYTES("postmaster")));
    } else {
        MUST_HOLD(p->local_part.len > 0 && p->address.ptr[p->local_part.len] == '@');
        domain_check(p, allow_utf8);
        again_check(p, allow_utf8);
    }
}

static void argument_check(struct bytes in, enum smtp_path_kind kind)
{
    struct smtp_path ascii;
    struct smtp_path utf8;
    struct bytes rest;
    enum err plain = smtp_syntax_path(in, kind, false, ADDRESS_MAX, &ascii, &rest);

    if (plain == ERR_OK) {
        path_check(&ascii, kind, false, in);
        MUST_HOLD(rest.len == 0 || rest.ptr[0] == ' ' || rest.ptr[0] == '\t');
        MUST_HOLD(rest.ptr + rest.len == in.ptr + in.len);
    }
    enum err extended = smtp_syntax_path(in, kind, true, ADDRESS_MAX, &utf8, &rest);
    if (extended == ERR_OK)
        path_check(&utf8, kind, true, in);
    MUST_HOLD(plain == ERR_SYNTAX || plain == extended);
    if (plain == ERR_OK)
        MUST_HOLD(bytes_equal(ascii.address, utf8.address));
}

/* What lacks nothing but a domain is an address with one, and was none without. */
static void local_check(struct bytes in, enum smtp_path_kind kind, bool allow_utf8)
{
    static const char domain[] = "@d.example";
    struct smtp_path local, whole;
    struct bytes rest;
    if (smtp_syntax_local_path(in, kind, allow_utf8, &local, &rest) != ERR_OK)
        return;
    fuzz_within(local.address, in);
    MUST_HOLD(local.address.len > 0 && local.domain.len == 0);
    MUST_HOLD(rest.len == 0 || rest.ptr[0] == ' ' || rest.ptr[0] == '\t');
    MUST_HOLD(rest.ptr + rest.len == in.ptr + in.len);
    if (smtp_syntax_path(in, kind, allow_utf8, ADDRESS_MAX, &whole, &rest) == ERR_OK)
        MUST_HOLD(bytes_equal_nocase(whole.address, BYTES("postmaster")));
    char *text = malloc(local.address.len + sizeof domain - 1);
    MUST_HOLD(text);
    memcpy(text, local.address.ptr, local.address.len);
    memcpy(text + local.address.len, domain, sizeof domain - 1);
    struct bytes completed = bytes_make(text, local.address.len + sizeof domain - 1);
    if (completed.len <= 2 * ADDRESS_MAX) {
        MUST_HOLD(mailbox_parse(completed, allow_utf8, &whole));
        MUST_HOLD(bytes_equal(whole.local_part, local.address));
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const prefixes[] = {"", "FROM:", "TO:", "FROM:<", "TO:<"};

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        size_t ahead = strlen(prefixes[i]);
        char *copy = malloc(ahead + size + 1);
        MUST_HOLD(copy);
        memcpy(copy, prefixes[i], ahead);
        if (size > 0)
            memcpy(copy + ahead, data, size);
        /* Moved to the end of the block, so that one octet too far is seen. */
        struct bytes in = bytes_make(copy, ahead + size);
        memmove(copy + 1, copy, in.len);
        in.ptr++;
        argument_check(in, SMTP_PATH_SENDER);
        argument_check(in, SMTP_PATH_RECIPIENT);
        for (unsigned utf8 = 0; utf8 < 2; utf8++) {
            local_check(in, SMTP_PATH_SENDER, utf8);
            local_check(in, SMTP_PATH_RECIPIENT, utf8);
        }
        free(copy);
    }
    return 0;
}
