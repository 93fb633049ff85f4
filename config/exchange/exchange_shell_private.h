/* config/exchange/exchange_shell_private.h - a place in the tokens, and the variables that live
 * meanwhile.
 */
#ifndef CONFIG_EXCHANGE_SHELL_PRIVATE_H
#define CONFIG_EXCHANGE_SHELL_PRIVATE_H

#include "config/exchange/exchange_private.h"

/* $name, or $name.property where a command has changed a copy of it. */
struct exchange_variable {
    const char *name;
    struct exchange_argument value;
    struct exchange_targets items; /* connectors that it holds; then VALUE does not count */
};

#define EXCHANGE_VARIABLES_MAX 256

struct exchange_shell {
    struct exchange_variable variables[EXCHANGE_VARIABLES_MAX];
    size_t variable_count;
    unsigned nesting; /* of loops */
};

/* A cursor. Its tokens end with EXCHANGE_TOKEN_END. */
struct shell {
    struct exchange_import *im;
    const struct exchange_token *t;
    unsigned nesting; /* of brackets */
};

/* --- exchange_shell_value.c --- */

bool exchange_is_mark(const struct exchange_token *t, const char *mark);
bool exchange_at_mark(const struct shell *s, const char *mark);
const char *exchange_here(const struct shell *s);
/* Verb-Noun. */
bool exchange_is_cmdlet(const struct exchange_token *t);
/* Past the bracket that closes the one at hand, whatever is inside. Where none does, that is a
 * fault, and only the one at hand is skipped. */
void exchange_skip_brackets(struct shell *s);
/* A copy of the tokens from FROM to before TO, as a text of its own. */
const struct exchange_token *exchange_tokens_copy(struct exchange_import *im,
                                                  const struct exchange_token *from,
                                                  const struct exchange_token *to);

const struct exchange_variable *exchange_variable_find(const struct exchange_shell *shell,
                                                       const char *name);
/* VALUE, or what it held, is forgotten, with whatever was changed in a copy of it. */
void exchange_variable_set(struct exchange_import *im, const struct exchange_variable *value);

bool exchange_at_value(const struct shell *s);
/* VALUE { "," VALUE }. What is not known leaves OUT->is_expression. */
void exchange_take_values(struct shell *s, struct exchange_argument *out);
/* The token's text with the variables in it; what is not known leaves OUT->is_expression. */
const char *exchange_expanded(struct exchange_import *im, const char *text,
                              struct exchange_argument *out);

/* --- exchange_shell_command.c --- */

#define EXCHANGE_STAGES_MAX 16

bool exchange_starts_statement(const struct exchange_token *t);
/* Of a statement. WANTING: what came before cannot be all. */
bool exchange_at_end(const struct shell *s, bool wanting);
void exchange_skip_statement(struct shell *s);
/* Whether a command is about what we have. */
bool exchange_is_ours(const struct exchange_token *t);
/* A block in braces or, BARE, the condition of the filter NAME without them. NULL after a fault. */
const struct exchange_token *exchange_take_script(struct shell *s, const char *name, bool bare);
/* "a", $ips | ...: what stands before the first |. */
struct exchange_targets *exchange_take_input(struct shell *s);
/* Returns how many; 0: there is nothing to play, and why was told. */
size_t exchange_take_pipeline(struct shell *s, struct exchange_command stages[EXCHANGE_STAGES_MAX]);

#endif
