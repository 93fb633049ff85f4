/* config/exchange/exchange_text_private.h - texts of an import. All live in its arena. */
#ifndef CONFIG_EXCHANGE_TEXT_PRIVATE_H
#define CONFIG_EXCHANGE_TEXT_PRIVATE_H

#include "core/arena.h"
#include "core/bytes.h"

struct exchange_texts {
    const char **items;
    size_t count, capacity;
};

void exchange_texts_add(struct arena *arena, struct exchange_texts *texts, const char *text);
void exchange_texts_append(struct arena *arena, struct exchange_texts *texts,
                           const struct exchange_texts *more);
/* One text of them all, SEPARATOR between two. */
const char *exchange_texts_joined(struct arena *arena, const struct exchange_texts *texts,
                                  const char *separator);
bool exchange_texts_hold(const struct exchange_texts *texts, const char *text); /* without case */

bool exchange_same(const char *a, const char *b); /* ASCII without case */
bool exchange_is_one_of(const char *text, const char *const *names, size_t count); /* the same */
/* LEN octets of TEXT, or fewer where that would cut a character of UTF-8. */
size_t exchange_whole_characters(const char *text, size_t len);
/* TEXT on one line of a terminal or comment: at most 200 octets, no control characters. */
const char *exchange_printable(struct arena *arena, const char *text);

#endif
