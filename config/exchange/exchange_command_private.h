/* config/exchange/exchange_command_private.h - a command of the Exchange shell, as it was read. */
#ifndef CONFIG_EXCHANGE_COMMAND_PRIVATE_H
#define CONFIG_EXCHANGE_COMMAND_PRIVATE_H

#include "config/exchange/exchange_property_private.h"
#include "config/exchange/exchange_text_private.h"

struct exchange_argument {
    const char *name; /* as typed, without the dash */
    const char *where;
    struct exchange_texts values;
    struct exchange_texts add, remove; /* @{Add=...; Remove=...} */
    bool is_edit;
    bool is_switch;     /* stands without a value */
    bool is_expression; /* could not be evaluated; values holds its source */
};

struct exchange_command {
    const char *name; /* "New-ReceiveConnector" */
    const char *where;
    const char *identity; /* what stands without a parameter's name; NULL: nothing */
    struct exchange_argument *items;
    size_t count, capacity;
    bool from_export; /* every property is there, those that were never set too */
    /* Of a filter or loop: its tokens, without the braces, up to EXCHANGE_TOKEN_END. */
    const struct exchange_token *script;
    struct exchange_targets *input; /* not a command but what stands before the first | */
};

/* The argument that is typed as the beginning of NAME, in SHORTEST octets or more. NULL: none. */
const struct exchange_argument *exchange_argument_find(const struct exchange_command *command,
                                                       const char *name, size_t shortest);
/* Its first value. NULL: none, or one that is not known. */
const char *exchange_argument_text(const struct exchange_command *command, const char *name,
                                   size_t shortest);

enum exchange_verb { EXCHANGE_NEW, EXCHANGE_SET, EXCHANGE_GET, EXCHANGE_REMOVE };
/* Whether NAME is a command that makes, changes, gets or removes an object. */
bool exchange_command_parse(const char *name, enum exchange_verb *verb, enum exchange_kind *kind);
bool exchange_command_changes(const char *name); /* what we have, permissions too */
bool exchange_command_is_filter(const char *name);
bool exchange_command_is_loop(const char *name);
bool exchange_command_is_order(const char *name); /* of which nothing depends here */

#endif
