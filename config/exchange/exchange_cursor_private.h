/* config/exchange/exchange_cursor_private.h - a place in the tokens of a script. */
#ifndef CONFIG_EXCHANGE_CURSOR_PRIVATE_H
#define CONFIG_EXCHANGE_CURSOR_PRIVATE_H

#include "config/exchange/exchange_lex_private.h"

struct exchange_cursor {
    struct exchange_importer *im;
    const struct exchange_token *t; /* they end with EXCHANGE_TOKEN_END */
    unsigned nesting;               /* of brackets */
};

bool exchange_token_is_mark(const struct exchange_token *t, const char *mark);
/* Verb-Noun. */
bool exchange_token_is_cmdlet(const struct exchange_token *t);
/* Whether it is a command about what we have. */
bool exchange_token_is_ours(const struct exchange_token *t);
bool exchange_token_starts_statement(const struct exchange_token *t);
/* A copy of the tokens from FROM to before TO, as a text of its own. */
const struct exchange_token *exchange_tokens_copy(struct exchange_importer *im,
                                                  const struct exchange_token *from,
                                                  const struct exchange_token *to);
size_t exchange_tokens_count(const struct exchange_token *script); /* with its end */

bool exchange_cursor_at_mark(const struct exchange_cursor *cur, const char *mark);
bool exchange_cursor_at_value(const struct exchange_cursor *cur);
/* Of a statement. WANTING: what came before cannot be all. */
bool exchange_cursor_at_end(const struct exchange_cursor *cur, bool wanting);
const char *exchange_cursor_where(const struct exchange_cursor *cur);
/* Past the bracket that closes the one at hand, with all that is inside. Where none does, that is a
 * fault, and only the one at hand is skipped. */
void exchange_cursor_skip_brackets(struct exchange_cursor *cur);
/* The rest of the line: what is behind it may be sound. */
void exchange_cursor_skip_statement(struct exchange_cursor *cur);

#endif
