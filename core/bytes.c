/* Compares, searches, cuts, reads numbers, and escapes for logs. */
#include "core/bytes.h"

struct bytes bytes_from(struct bytes b, size_t at)
{
    if (at > b.len)
        at = b.len;
    return (struct bytes){b.ptr + at, b.len - at};
}

struct bytes bytes_sub(struct bytes b, size_t at, size_t len)
{
    b = bytes_from(b, at);
    if (len < b.len)
        b.len = len;
    return b;
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (bytes_lower(a.ptr[i]) != bytes_lower(b.ptr[i]))
            return false;
    return true;
}

bool bytes_starts_nocase(struct bytes b, struct bytes prefix)
{
    return b.len >= prefix.len && bytes_equal_nocase(bytes_sub(b, 0, prefix.len), prefix);
}

bool bytes_ends_nocase(struct bytes b, struct bytes suffix)
{
    return b.len >= suffix.len && bytes_equal_nocase(bytes_from(b, b.len - suffix.len), suffix);
}

bool bytes_match_nocase(struct bytes pattern, struct bytes b)
{
    size_t star = BYTES_NOT_FOUND, from = 0; /* behind the last '*', which covers up to FROM */
    size_t p = 0, i = 0;
    while (i < b.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = ++p;
            from = i;
        } else if (p < pattern.len && bytes_lower(pattern.ptr[p]) == bytes_lower(b.ptr[i])) {
            p++;
            i++;
        } else if (star != BYTES_NOT_FOUND) {
            p = star;
            i = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

size_t bytes_find(struct bytes b, char c, size_t at)
{
    if (at >= b.len)
        return BYTES_NOT_FOUND;
    const char *p = memchr(b.ptr + at, c, b.len - at);
    return p ? (size_t)(p - b.ptr) : BYTES_NOT_FOUND;
}

size_t bytes_rfind(struct bytes b, char c)
{
    if (b.len == 0)
        return BYTES_NOT_FOUND;
    const char *p = memrchr(b.ptr, c, b.len);
    return p ? (size_t)(p - b.ptr) : BYTES_NOT_FOUND;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct bytes bytes_trim_end(struct bytes b)
{
    while (b.len > 0 && is_blank(b.ptr[b.len - 1]))
        b.len--;
    return b;
}

struct bytes bytes_trim(struct bytes b)
{
    size_t at = 0;
    while (at < b.len && is_blank(b.ptr[at]))
        at++;
    return bytes_trim_end(bytes_from(b, at));
}

bool bytes_split(struct bytes b, char c, struct bytes *head, struct bytes *tail)
{
    size_t at = bytes_find(b, c, 0);
    if (at == BYTES_NOT_FOUND) {
        *head = b;
        *tail = BYTES_EMPTY;
        return false;
    }
    *head = bytes_sub(b, 0, at);
    *tail = bytes_from(b, at + 1);
    return true;
}

enum err bytes_to_u64(struct bytes b, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    bool over = false;
    if (b.len == 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < b.len; i++) {
        if (b.ptr[i] < '0' || b.ptr[i] > '9')
            return ERR_SYNTAX;
        unsigned digit = (unsigned)(b.ptr[i] - '0');
        over = over || __builtin_mul_overflow(n, (uint64_t)10, &n) ||
               __builtin_add_overflow(n, digit, &n);
    }
    if (over || n > max)
        return ERR_LIMIT;
    *out = n;
    return ERR_OK;
}

bool bytes_to_cstr(struct bytes b, char *to, size_t size)
{
    if (size == 0)
        return false;
    size_t len = b.len < size ? b.len : size - 1;
    if (len > 0)
        memcpy(to, b.ptr, len);
    to[len] = '\0';
    return len == b.len;
}

char *bytes_escape(struct bytes b, char *to, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    ASSERT(size > 0);
    for (size_t i = 0; i < b.len; i++) {
        unsigned char c = (unsigned char)b.ptr[i];
        if (c >= 0x20 && c < 0x7f) {
            if (n + 1 >= size)
                break;
            to[n++] = (char)c;
            continue;
        }
        if (n + 4 >= size)
            break;
        to[n++] = '\\';
        to[n++] = 'x';
        to[n++] = hex[c >> 4];
        to[n++] = hex[c & 15];
    }
    to[n] = '\0';
    return to;
}
