/* config/exchange/exchange_variable_private.h - the variables of a script, and where texts name
 * them. */
#ifndef CONFIG_EXCHANGE_VARIABLE_PRIVATE_H
#define CONFIG_EXCHANGE_VARIABLE_PRIVATE_H

#include "config/exchange/exchange_cursor_private.h"
#include "config/exchange/exchange_item_private.h"

/* $name, or $name.property where a command has changed a copy of it. */
struct exchange_variable {
    const char *name;
    struct exchange_argument value;
    struct exchange_targets items; /* connectors that it holds; then VALUE does not count */
};

#define EXCHANGE_VARIABLES_MAX 256

/* What a script has while it runs. Brackets and loops hold commands of their own, which those that
 * read and play them ask for here: both calls lead up to exchange_shell.c. */
struct exchange_shell {
    struct exchange_variable variables[EXCHANGE_VARIABLES_MAX];
    size_t variable_count;
    unsigned nesting; /* of loops */
    /* Reads the pipeline at CUR and plays it; OUT gets what comes out. */
    void (*query)(struct exchange_cursor *cur, struct exchange_targets *out);
    /* Plays SCRIPT with VARIABLE standing for ITEM. */
    void (*run)(struct exchange_importer *im, const struct exchange_token *script,
                const char *variable, const struct exchange_item *item);
};

const struct exchange_variable *exchange_variable_find(const struct exchange_shell *shell,
                                                       const char *name);
/* VALUE, or what it held, is forgotten, with all that was changed in a copy of it. */
void exchange_variable_set(struct exchange_importer *im, const struct exchange_variable *value);
/* Adds what the variable NAME, without its dollar, holds. What is not known leaves
 * OUT->is_expression. */
void exchange_variable_take(struct exchange_importer *im, const char *name,
                            struct exchange_argument *out);
/* TEXT of a token with the variables in it; what is not known leaves OUT->is_expression. */
const char *exchange_variable_expand(struct exchange_importer *im, const char *text,
                                     struct exchange_argument *out);

#endif
