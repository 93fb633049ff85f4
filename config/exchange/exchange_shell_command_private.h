/* config/exchange/exchange_shell_command_private.h - commands and pipelines of the Exchange shell.
 */
#ifndef CONFIG_EXCHANGE_SHELL_COMMAND_PRIVATE_H
#define CONFIG_EXCHANGE_SHELL_COMMAND_PRIVATE_H

#include "config/exchange/exchange_cursor_private.h"
#include "config/exchange/exchange_item_private.h"

#define EXCHANGE_STAGES_MAX 16

/* A block in braces or, BARE, the condition of the filter NAME without them. NULL after a fault. */
const struct exchange_token *exchange_cursor_take_script(struct exchange_cursor *cur,
                                                         const char *name, bool bare);
/* Returns how many; 0: there is nothing to play, and why was told. */
size_t exchange_cursor_take_pipeline(struct exchange_cursor *cur,
                                     struct exchange_command stages[EXCHANGE_STAGES_MAX]);

#endif
