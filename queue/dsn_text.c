/* Clean output: bytes from peers without control characters, lines folded. */
#include "queue/dsn_private.h"

#include <string.h>

#include "core/buf.h"

void dsn_out_flush(struct dsn_out *out)
{
    ASSERT(out->len <= sizeof out->data);
    if (out->ok && out->len > 0)
        out->ok = out->write(out->owner, bytes_make(out->data, out->len));
    out->len = 0;
}

void dsn_out_bytes(struct dsn_out *out, struct bytes b)
{
    while (out->ok && b.len > 0) {
        size_t room = sizeof out->data - out->len;
        size_t take = b.len < room ? b.len : room;
        memcpy(out->data + out->len, b.ptr, take);
        out->len += take;
        b = bytes_from(b, take);
        if (out->len == sizeof out->data)
            dsn_out_flush(out);
    }
}

void dsn_out_text(struct dsn_out *out, const char *text)
{
    dsn_out_bytes(out, bytes_of(text));
}

/* Words of TEXT from column COL on; a line that would be too long ends before the word. */
static void out_folded(struct dsn_out *out, size_t col, const char *indent, struct bytes text)
{
    bool first = true;
    while (text.len > 0) {
        size_t end = bytes_find(text, ' ', 0);
        size_t len = end == BYTES_NOT_FOUND ? text.len : end;
        bool split = len > DSN_WORD_MAX;
        if (split)
            len = DSN_WORD_MAX;
        if (!first && col + 1 + len > DSN_LINE_WIDTH) {
            dsn_out_text(out, "\r\n");
            dsn_out_text(out, indent);
            col = strlen(indent);
        } else if (!first) {
            dsn_out_text(out, " ");
            col++;
        }
        dsn_out_bytes(out, bytes_sub(text, 0, len));
        col += len;
        text = bytes_from(text, split ? len : len + 1);
        first = false;
    }
    dsn_out_text(out, "\r\n");
}

void dsn_out_field(struct dsn_out *out, const char *name, struct bytes value)
{
    dsn_out_text(out, name);
    dsn_out_text(out, ": ");
    out_folded(out, strlen(name) + 2, " ", value);
}

void dsn_out_paragraph(struct dsn_out *out, const char *indent, struct bytes text)
{
    dsn_out_text(out, indent);
    out_folded(out, strlen(indent), indent, text);
}

struct bytes dsn_clean(struct arena *arena, struct bytes b, size_t max)
{
    size_t most = b.len < max ? b.len : max, len = 0;
    char *to = arena_alloc(arena, most + 1);
    for (size_t i = 0; i < b.len && len < most; i++) {
        unsigned char c = (unsigned char)b.ptr[i];
        if (c > ' ' && c < 0x7f)
            to[len++] = (char)c;
        else if (c >= 0x80)
            to[len++] = '?';
        else if (len > 0 && to[len - 1] != ' ')
            to[len++] = ' ';
    }
    return bytes_trim(bytes_make(to, len));
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

struct bytes dsn_xtext_decode(struct arena *arena, struct bytes xtext)
{
    char *to = arena_alloc(arena, xtext.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < xtext.len; i++) {
        bool coded = xtext.ptr[i] == '+' && xtext.len - i > 2 && hex_value(xtext.ptr[i + 1]) >= 0 &&
                     hex_value(xtext.ptr[i + 2]) >= 0;
        if (coded) {
            to[len++] = (char)(hex_value(xtext.ptr[i + 1]) * 16 + hex_value(xtext.ptr[i + 2]));
            i += 2;
        } else {
            to[len++] = xtext.ptr[i];
        }
    }
    return bytes_make(to, len);
}

/* One code point of well-formed UTF-8 (RFC 3629) at the front of B; 0: none. */
static size_t utf8_next(struct bytes b, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)b.ptr[0];
    size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc0 || c >= 0xf8 || b.len < len)
        return 0;
    *point = c & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char)b.ptr[i] & 0xc0) != 0x80)
            return 0;
        *point = *point << 6 | ((unsigned char)b.ptr[i] & 0x3f);
    }
    bool surrogate = *point >= 0xd800 && *point <= 0xdfff;
    return *point < least[len] || *point > 0x10ffff || surrogate ? 0 : len;
}

static bool is_ascii(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if ((unsigned char)b.ptr[i] >= 0x80)
            return false;
    return true;
}

struct bytes dsn_address(struct arena *arena, struct bytes address, const char **type)
{
    *type = "rfc822";
    if (is_ascii(address))
        return dsn_clean(arena, address, DSN_WORD_MAX);
    *type = "utf-8";
    struct buf coded;
    buf_init(&coded, DSN_WORD_MAX);
    while (address.len > 0) {
        uint32_t point = 0;
        size_t used = utf8_next(address, &point);
        enum err full = used > 0 ? buf_printf(&coded, "\\x{%X}", point)
                                 : buf_append(&coded, bytes_sub(address, 0, 1));
        if (full)
            break;
        address = bytes_from(address, used > 0 ? used : 1);
    }
    struct bytes clean = dsn_clean(arena, buf_bytes(&coded), DSN_WORD_MAX);
    buf_free(&coded);
    return clean;
}
