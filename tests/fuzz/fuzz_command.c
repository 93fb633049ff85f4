/* Command lines and the parameters of MAIL and RCPT. */
#include "fuzz_split.h"

#include "net/smtp_data.h"
#include "net/smtp_syntax.h"

static void params_check(struct bytes rest, struct bytes line)
{
    struct smtp_param p;
    enum err err;

    while ((err = smtp_syntax_param(&rest, &p)) == ERR_OK) {
        fuzz_within(p.keyword, line);
        fuzz_within(p.value, line);
        MUST_HOLD(p.keyword.len > 0 && p.has_value == (p.value.len > 0));
        MUST_HOLD(bytes_find(p.value, '=', 0) == BYTES_NOT_FOUND);
        MUST_HOLD(bytes_find(p.value, ' ', 0) == BYTES_NOT_FOUND);
        uint8_t notify = 0;
        if (smtp_syntax_notify(p.value, &notify) == ERR_OK)
            MUST_HOLD(notify == MAIL_NOTIFY_NEVER || (notify > 1 && notify <= 14 && !(notify & 1)));
        if (smtp_syntax_orcpt_valid(p.value))
            MUST_HOLD(p.value.len <= 500);
    }
    MUST_HOLD(err == ERR_NOTFOUND || err == ERR_SYNTAX);
}

static void bdat_check(struct bytes argument)
{
    uint64_t size;
    bool last;
    uint64_t plain;
    size_t digits = 0;

    if (smtp_bdat_argument(argument, &size, &last) != ERR_OK)
        return;
    argument = bytes_trim(argument);
    while (digits < argument.len && argument.ptr[digits] >= '0' && argument.ptr[digits] <= '9')
        digits++;
    MUST_HOLD(bytes_to_u64(bytes_sub(argument, 0, digits), UINT64_MAX, &plain) == ERR_OK);
    MUST_HOLD(plain == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes line = bytes_make((const char *)data, size);
    struct smtp_command c;

    params_check(line, line);
    bdat_check(line);
    (void)smtp_syntax_xtext_valid(line);
    if (smtp_syntax_helo_valid(line) || smtp_syntax_literal_valid(line) ||
        smtp_syntax_domain_valid(line, true))
        fuzz_within(line, line);
    if (smtp_syntax_command(line, &c) != ERR_OK)
        return 0;
    MUST_HOLD(c.verb.len > 0);
    fuzz_within(c.verb, line);
    for (size_t i = 0; i < line.len; i++)
        MUST_HOLD(line.ptr[i] != '\r' && line.ptr[i] != '\n' && line.ptr[i] != '\0');
    MUST_HOLD(c.argument.len == 0 || bytes_trim(c.argument).len == c.argument.len);
    params_check(c.argument, line);
    return 0;
}
