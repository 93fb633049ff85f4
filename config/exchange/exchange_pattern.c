/* Patterns, held against texts octet by octet. */
#include "config/exchange/exchange_pattern_private.h"

#define ANY_TEXT  '\x02'
#define ANY_OCTET '\x03'

static bool octets_agree(char pattern, char text, bool exact)
{
    return pattern == ANY_OCTET || pattern == text ||
           (!exact && bytes_lower(pattern) == bytes_lower(text));
}

/* ANY_TEXT stands for any text, ANY_OCTET for any octet. */
bool exchange_pattern_holds(const char *pattern, const char *text, bool exact)
{
    const char *star = NULL, *back = NULL;
    while (*text) {
        if (*pattern == ANY_TEXT) {
            star = pattern++;
            back = text;
        } else if (*pattern && octets_agree(*pattern, *text, exact)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == ANY_TEXT)
        pattern++;
    return *pattern == '\0';
}

const char *exchange_pattern_identity(struct arena *arena, const char *text)
{
    char *to = arena_strdup(arena, text);
    for (char *c = to; *c; c++)
        if (*c == '*')
            *c = ANY_TEXT;
    return to;
}

const char *exchange_pattern_like(struct arena *arena, const char *text)
{
    char *to = arena_strdup(arena, text);
    if (strpbrk(text, "[]`"))
        return NULL;
    for (char *c = to; *c; c++)
        *c = *c == '*' ? ANY_TEXT : *c == '?' ? ANY_OCTET : *c;
    return to;
}

/* One alternative of a regular expression. */
static const char *from_expression(struct arena *arena, struct bytes text)
{
    char *to = arena_alloc(arena, text.len + 3);
    size_t len = 0, i = 0, end = text.len;
    bool first = text.len && text.ptr[0] == '^';
    bool last = text.len > first && text.ptr[text.len - 1] == '$' &&
                (text.len < 2 || text.ptr[text.len - 2] != '\\');
    if (!first)
        to[len++] = ANY_TEXT;
    for (i += first, end -= last; i < end; i++) {
        char c = text.ptr[i], next = i + 1 < end ? text.ptr[i + 1] : '\0';
        if (c == '\\' && next && strchr("\\.*+?^$|(){}[]-/@ ", next)) {
            to[len++] = next;
            i++;
        } else if (c == '.' && next == '*') {
            to[len++] = ANY_TEXT;
            i++;
        } else if (strchr("\\*+?^$(){}[]", c) || (next && strchr("*+?{", next))) {
            return NULL;
        } else {
            to[len++] = c == '.' ? ANY_OCTET : c;
        }
    }
    if (!last)
        to[len++] = ANY_TEXT;
    return to;
}

/* At each | that no backslash precedes. NULL: one of them is not simple. */
const struct exchange_texts *exchange_pattern_match(struct arena *arena, const char *text)
{
    struct exchange_texts *patterns = ARENA_NEW(arena, struct exchange_texts);
    for (const char *from = text, *at = text;; at++) {
        if (*at == '\\' && at[1]) {
            at++;
            continue;
        }
        if (*at != '|' && *at != '\0')
            continue;
        const char *one = from_expression(arena, bytes_make(from, (size_t)(at - from)));
        if (!one)
            return NULL;
        exchange_texts_add(arena, patterns, one);
        if (*at == '\0')
            return patterns;
        from = at + 1;
    }
}
