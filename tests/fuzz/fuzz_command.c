/* Command lines and the parameters of MAIL and RCPT. */
#include "fuzz_split.h"

#include "net/smtp_data.h"
#include "net/smtp_params.h"
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
        if (smtp_syntax_orcpt_valid(p.value))
            MUST_HOLD(p.value.len <= 500);
    }
    MUST_HOLD(err == ERR_NOTFOUND || err == ERR_SYNTAX);
}

/* What was taken of RCPT is written as it was, and taken again. */
static void rcpt_check(struct bytes rest)
{
    static char line[4 * SMTP_PARAMS_TEXT_MAX];
    struct mail_rcpt rcpt = {.orcpt = BYTES_EMPTY}, again = {.orcpt = BYTES_EMPTY};
    if (smtp_params_read_rcpt(rest, ~0u, &rcpt) != ERR_OK)
        return;
    unsigned notify = rcpt.notify;
    MUST_HOLD(notify <= 1 || (notify <= 14 && !(notify & 1)));
    MUST_HOLD(smtp_params_rcpt_sound(&rcpt));
    char *end = smtp_params_write_rcpt(&rcpt, ~0u, line);
    MUST_HOLD(smtp_params_read_rcpt(bytes_make(line, (size_t)(end - line)), ~0u, &again) == ERR_OK);
    MUST_HOLD(again.notify == notify && bytes_equal(again.orcpt, rcpt.orcpt) &&
              bytes_equal(again.orar, rcpt.orar));
}

static void mail_check(struct bytes rest)
{
    static char line[4 * SMTP_PARAMS_TEXT_MAX];
    struct mail_envelope e = {.envid = BYTES_EMPTY}, again = {.envid = BYTES_EMPTY};
    if (smtp_params_read_mail(rest, ~0u, &e) != ERR_OK)
        return;
    const struct smtp_params_mail mail = {&e, e.size_declared, 0};
    MUST_HOLD(smtp_params_mail_sound(&e));
    char *end = smtp_params_write_mail(&mail, ~0u, line);
    MUST_HOLD(smtp_params_read_mail(bytes_make(line, (size_t)(end - line)), ~0u, &again) == ERR_OK);
    MUST_HOLD(again.options == e.options && again.body == e.body && again.ret == e.ret &&
              again.size_declared == e.size_declared && bytes_equal(again.envid, e.envid));
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
    rcpt_check(line);
    mail_check(line);
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
    rcpt_check(c.argument);
    mail_check(c.argument);
    return 0;
}
