/* The parameters of MAIL and RCPT: RFC 5321 4.1.2, RFC 3461 4. */
#include "net/smtp_scan_private.h"

#define ORCPT_OCTETS_MAX 500 /* RFC 3461 4.2 */

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static size_t scan_keyword(struct bytes text)
{
    size_t at = 0;
    while (at < text.len &&
           (scan_is_alnum((unsigned char)text.ptr[at]) || (at > 0 && text.ptr[at] == '-')))
        at++;
    return at;
}

/* esmtp-value = 1*(%d33-60 / %d62-126) */
static size_t scan_value(struct bytes text, size_t at)
{
    while (at < text.len && text.ptr[at] > ' ' && text.ptr[at] <= '~' && text.ptr[at] != '=')
        at++;
    return at;
}

/* Mail-parameters = esmtp-param *(SP esmtp-param); more than one blank between is tolerated. */
enum err smtp_syntax_param(struct bytes *rest, struct smtp_param *out)
{
    struct bytes text = bytes_trim(*rest);
    if (text.len == 0) {
        *rest = text;
        return ERR_NOTFOUND;
    }
    size_t keyword_end = scan_keyword(text);
    size_t end = keyword_end;
    *out = (struct smtp_param){bytes_sub(text, 0, keyword_end), BYTES_EMPTY, false};
    if (keyword_end == 0)
        return ERR_SYNTAX;
    if (end < text.len && text.ptr[end] == '=') {
        end = scan_value(text, keyword_end + 1);
        out->value = bytes_sub(text, keyword_end + 1, end - keyword_end - 1);
        out->has_value = true;
        if (out->value.len == 0)
            return ERR_SYNTAX;
    }
    if (end < text.len && !scan_is_blank((unsigned char)text.ptr[end]))
        return ERR_SYNTAX;
    *rest = bytes_from(text, end);
    return ERR_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* xtext = *(xchar / "+" 2HEXDIG), upper case only, RFC 3461 4. What decodes to a control byte is
 * refused: it would come back as a line of a notification or of a log. */
bool smtp_syntax_xtext_valid(struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c <= ' ' || c > '~' || c == '=')
            return false;
        if (c != '+')
            continue;
        int high = i + 2 < value.len ? hex_digit(value.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(value.ptr[i + 2]) : -1;
        if (low < 0)
            return false;
        int decoded = high * 16 + low;
        if ((decoded < ' ' && decoded != '\t') || decoded == 0x7F)
            return false;
        i += 2;
    }
    return true;
}

/* original-recipient-address = atom ";" xtext */
bool smtp_syntax_orcpt_valid(struct bytes value)
{
    struct bytes type;
    struct bytes address;
    if (value.len > ORCPT_OCTETS_MAX || !bytes_split(value, ';', &type, &address) ||
        type.len == 0 || address.len == 0)
        return false;
    for (size_t i = 0; i < type.len; i++)
        if (!scan_is_atext((unsigned char)type.ptr[i]))
            return false;
    return smtp_syntax_xtext_valid(address);
}
