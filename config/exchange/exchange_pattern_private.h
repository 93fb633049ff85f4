/* config/exchange/exchange_pattern_private.h - patterns of identities and of the comparisons -like
 * and -match.
 */
#ifndef CONFIG_EXCHANGE_PATTERN_PRIVATE_H
#define CONFIG_EXCHANGE_PATTERN_PRIVATE_H

#include "config/exchange/exchange_text_private.h"

/* Each makes what exchange_pattern_holds() takes, in ARENA; NULL: not as simple as that. */
const char *exchange_pattern_identity(struct arena *arena, const char *text); /* "*" alone */
const char *exchange_pattern_like(struct arena *arena, const char *text);     /* "*" and "?" */
/* One for each alternative of a regular expression. */
const struct exchange_texts *exchange_pattern_match(struct arena *arena, const char *text);
/* EXACT: with case. */
bool exchange_pattern_holds(const char *pattern, const char *text, bool exact);

#endif
