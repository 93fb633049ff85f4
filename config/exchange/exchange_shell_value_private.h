/* config/exchange/exchange_shell_value_private.h - values of the Exchange shell. */
#ifndef CONFIG_EXCHANGE_SHELL_VALUE_PRIVATE_H
#define CONFIG_EXCHANGE_SHELL_VALUE_PRIVATE_H

#include "config/exchange/exchange_variable_private.h"

/* VALUE { "," VALUE }. What is not known leaves OUT->is_expression. */
void exchange_cursor_take_values(struct exchange_cursor *cur, struct exchange_argument *out);
/* "a", $ips | ...: what stands before the first |. */
struct exchange_targets *exchange_cursor_take_input(struct exchange_cursor *cur);

#endif
