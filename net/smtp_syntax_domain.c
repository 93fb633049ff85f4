/* Names and literals: RFC 5321 4.1.2 and 4.1.3, RFC 6531 3.3, and the UTF-8 below them. */
#include "net/smtp_scan_private.h"

#include "core/ipaddr.h"

/* RFC 3629 4. FIRST_MIN is the least second octet that is not overlong, FIRST_MAX the greatest
 * that is neither a surrogate nor above U+10FFFF. */
static size_t utf8_shape(unsigned char lead, unsigned char *first_min, unsigned char *first_max)
{
    *first_min = 0x80;
    *first_max = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF) {
        *first_min = lead == 0xE0 ? 0xA0 : 0x80;
        *first_max = lead == 0xED ? 0x9F : 0xBF;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        *first_min = lead == 0xF0 ? 0x90 : 0x80;
        *first_max = lead == 0xF4 ? 0x8F : 0xBF;
        return 4;
    }
    return 0;
}

size_t scan_utf8(struct bytes text, size_t at, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)text.ptr + at;
    unsigned char min;
    unsigned char max;
    size_t length = utf8_shape(p[0], &min, &max);
    if (length == 0 || text.len - at < length || p[1] < min || p[1] > max)
        return SCAN_FAILED;
    uint32_t value = p[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return SCAN_FAILED;
        value = value << 6 | (p[i] & 0x3F);
    }
    if (value < 0xA0 || value == 0x2028 || value == 0x2029)
        return SCAN_FAILED;
    *cp = value;
    return at + length;
}

/* What a U-label can never hold (RFC 5892) and what a resolver, a log reader or another mapping
 * might take for an ASCII dot, "@" or blank. */
static bool label_forbids(uint32_t cp)
{
    static const struct {
        uint32_t first, last;
    } forbidden[] = {
        {0x00A0, 0x00A0},   {0x00AD, 0x00AD},    {0x1680, 0x1680}, {0x2000, 0x206F},
        {0x3000, 0x3002},   {0xE000, 0xF8FF},    {0xFDD0, 0xFDEF}, {0xFE00, 0xFE1F},
        {0xFE30, 0xFE6F},   {0xFEFF, 0xFEFF},    {0xFF00, 0xFF65}, {0xFFE0, 0xFFFF},
        {0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF},
    };
    for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
        if (cp >= forbidden[i].first && cp <= forbidden[i].last)
            return true;
    return false;
}

/* sub-domain = Let-dig [Ldh-str] / U-label; the underscore is in use (hosts of Windows domains). */
static bool label_valid(struct bytes label, bool allow_utf8)
{
    if (label.len == 0 || label.len > SMTP_SYNTAX_LABEL_MAX || label.ptr[0] == '-' ||
        label.ptr[label.len - 1] == '-')
        return false;
    for (size_t at = 0; at < label.len;) {
        unsigned char c = (unsigned char)label.ptr[at];
        if (c < 0x80) {
            if (!scan_is_alnum(c) && c != '-' && c != '_')
                return false;
            at++;
            continue;
        }
        uint32_t cp;
        at = allow_utf8 ? scan_utf8(label, at, &cp) : SCAN_FAILED;
        if (at == SCAN_FAILED || label_forbids(cp))
            return false;
    }
    return true;
}

/* "1", "0x7f": inet_aton() and what is built on it would read the whole name as an address. */
static bool label_is_number(struct bytes label)
{
    bool hex = label.len >= 2 && label.ptr[0] == '0' && bytes_lower(label.ptr[1]) == 'x';
    for (size_t i = hex ? 2 : 0; i < label.len; i++) {
        char c = bytes_lower(label.ptr[i]);
        if (!(c >= '0' && c <= '9') && !(hex && c >= 'a' && c <= 'f'))
            return false;
    }
    return true;
}

struct bytes smtp_syntax_domain_bare(struct bytes name)
{
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

/* Domain = sub-domain *("." sub-domain). LAST is its last label. */
static bool labels_valid(struct bytes name, bool allow_utf8, struct bytes *last)
{
    if (name.len == 0 || name.len > SMTP_SYNTAX_DOMAIN_MAX)
        return false;
    struct bytes rest = name;
    for (;;) {
        bool more = bytes_split(rest, '.', last, &rest);
        if (!label_valid(*last, allow_utf8))
            return false;
        if (!more)
            return true;
    }
}

bool smtp_syntax_domain_valid(struct bytes name, bool allow_utf8)
{
    struct bytes last;
    return labels_valid(smtp_syntax_domain_bare(name), allow_utf8, &last) && !label_is_number(last);
}

size_t scan_domain_run(struct bytes text, size_t at)
{
    while (at < text.len) {
        unsigned char c = (unsigned char)text.ptr[at];
        if (c < 0x80 && !scan_is_alnum(c) && c != '-' && c != '_' && c != '.')
            break;
        at++;
    }
    return at;
}

/* IPv4-address-literal / IPv6-address-literal, RFC 5321 4.1.3. No other tag is registered; a zone,
 * a short or an octal form is not an address there. */
bool smtp_syntax_literal_valid(struct bytes text)
{
    if (text.len < 3 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    struct bytes inside = bytes_sub(text, 1, text.len - 2);
    bool v6 = bytes_starts_nocase(inside, BYTES("IPv6:"));
    if (v6)
        inside = bytes_from(inside, 5);
    for (size_t i = 0; i < inside.len; i++) {
        unsigned char c = (unsigned char)inside.ptr[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!hex && c != '.' && c != ':')
            return false;
    }
    struct ipaddr addr;
    bool colon = bytes_find(inside, ':', 0) != BYTES_NOT_FOUND;
    return colon == v6 && ipaddr_parse(inside, &addr) == ERR_OK;
}

/* Many clients give their bare address as the name: by RFC 5321's grammar that is a Domain. */
bool smtp_syntax_helo_valid(struct bytes text)
{
    struct bytes last;
    return labels_valid(smtp_syntax_domain_bare(text), false, &last) ||
           smtp_syntax_literal_valid(text);
}
