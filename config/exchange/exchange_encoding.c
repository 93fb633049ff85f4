/* Scripts come from Windows: Windows PowerShell writes UTF-16 when it redirects, older editors
 * write Windows-1252, articles bring typographic blanks.
 */
#include "config/exchange/exchange_encoding_private.h"

/* Windows-1252 where it differs from ISO 8859-1: 0x80 to 0x9F. 0: not assigned. */
static const uint16_t WINDOWS_1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
};

struct sink {
    char *to;
    size_t len;
};

static bool is_blank(uint32_t c)
{
    return c == ' ' || c == '\t' || c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F ||
           c == 0x3000;
}

static bool is_invisible(uint32_t c)
{
    return c == 0xFEFF || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
           c == 0xAD || c == 0x2060;
}

static void put(struct sink *s, uint32_t c)
{
    if (is_invisible(c) || c == '\r')
        return;
    if (c == 0x2028 || c == 0x2029)
        c = '\n';
    if (is_blank(c) || (c < ' ' && c != '\n') || (c >= 0x7F && c < 0xA0))
        c = ' ';
    if (c < 0x80) {
        s->to[s->len++] = (char)c;
    } else if (c < 0x800) {
        s->to[s->len++] = (char)(0xC0 | c >> 6);
        s->to[s->len++] = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        s->to[s->len++] = (char)(0xE0 | c >> 12);
        s->to[s->len++] = (char)(0x80 | (c >> 6 & 0x3F));
        s->to[s->len++] = (char)(0x80 | (c & 0x3F));
    } else {
        s->to[s->len++] = (char)(0xF0 | c >> 18);
        s->to[s->len++] = (char)(0x80 | (c >> 12 & 0x3F));
        s->to[s->len++] = (char)(0x80 | (c >> 6 & 0x3F));
        s->to[s->len++] = (char)(0x80 | (c & 0x3F));
    }
}

/* RFC 3629 4. Length of the character at B, 0 when it is none. */
static size_t utf8_take(struct bytes b, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)b.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    if (len == 0 || len > b.len || lead > 0xF4)
        return 0;
    *c = len == 1 ? lead : lead & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char next = (unsigned char)b.ptr[i];
        if ((next & 0xC0) != 0x80)
            return 0;
        *c = *c << 6 | (next & 0x3F);
    }
    bool surrogate = *c >= 0xD800 && *c <= 0xDFFF;
    return *c < least[len] || *c > 0x10FFFF || surrogate ? 0 : len;
}

static void from_utf8(struct sink *s, struct bytes text)
{
    while (text.len) {
        uint32_t c = 0;
        size_t len = utf8_take(text, &c);
        if (len == 0) {
            unsigned char octet = (unsigned char)text.ptr[0];
            c = octet < 0xA0 ? WINDOWS_1252[octet & 0x1F] : octet;
            len = 1;
        }
        put(s, c ? c : '?');
        text = bytes_from(text, len);
    }
}

/* RFC 2781 2.2. */
static void from_utf16(struct sink *s, struct bytes text, bool big_endian)
{
    uint32_t high = 0;
    for (size_t i = 0; i + 1 < text.len; i += 2) {
        uint32_t a = (unsigned char)text.ptr[i], b = (unsigned char)text.ptr[i + 1];
        uint32_t c = big_endian ? a << 8 | b : b << 8 | a;
        if (c >= 0xDC00 && c <= 0xDFFF) {
            put(s, high ? 0x10000 + ((high - 0xD800) << 10) + (c - 0xDC00) : '?');
            high = 0;
            continue;
        }
        if (high)
            put(s, '?');
        high = c >= 0xD800 && c <= 0xDBFF ? c : 0;
        if (!high)
            put(s, c ? c : ' ');
    }
}

struct bytes exchange_decode(struct arena *arena, struct bytes text)
{
    /* One octet is at most three afterwards: a Windows-1252 quotation mark in UTF-8. */
    struct sink s = {arena_alloc(arena, 3 * text.len + 1), 0};
    if (bytes_starts_nocase(text, BYTES("\xFF\xFE")))
        from_utf16(&s, bytes_from(text, 2), false);
    else if (bytes_starts_nocase(text, BYTES("\xFE\xFF")))
        from_utf16(&s, bytes_from(text, 2), true);
    else
        from_utf8(&s, text);
    return bytes_make(s.to, s.len);
}
