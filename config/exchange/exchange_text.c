/* Texts and lists of texts, compared as Exchange does: without case. */
#include "config/exchange/exchange_text_private.h"

#include <strings.h>

#include "core/vector.h"

#define PRINTABLE_MAX 200

void exchange_texts_add(struct arena *arena, struct exchange_texts *texts, const char *text)
{
    *VECTOR_ADD_IN(arena, texts) = text;
}

void exchange_texts_append(struct arena *arena, struct exchange_texts *texts,
                           const struct exchange_texts *more)
{
    for (size_t i = 0; i < more->count; i++)
        exchange_texts_add(arena, texts, more->items[i]);
}

const char *exchange_texts_joined(struct arena *arena, const struct exchange_texts *texts,
                                  const char *separator)
{
    const char *text = "";
    for (size_t i = 0; i < texts->count; i++)
        text = arena_printf(arena, "%s%s%s", text, i ? separator : "", texts->items[i]);
    return text;
}

bool exchange_texts_hold(const struct exchange_texts *texts, const char *text)
{
    return exchange_is_one_of(text, texts->items, texts->count);
}

bool exchange_same(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

bool exchange_is_one_of(const char *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (exchange_same(text, names[i]))
            return true;
    return false;
}

size_t exchange_whole_characters(const char *text, size_t len)
{
    while (len && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

const char *exchange_printable(struct arena *arena, const char *text)
{
    size_t len = strlen(text), kept = len;
    if (len > PRINTABLE_MAX)
        kept = exchange_whole_characters(text, PRINTABLE_MAX);
    char *copy = arena_printf(arena, "%.*s%s", (int)kept, text, kept < len ? "..." : "");
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            *c = ' ';
    return copy;
}
