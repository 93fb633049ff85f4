/* config/exchange/exchange_shell_private.h - a script of the Exchange shell, read and played. */
#ifndef CONFIG_EXCHANGE_SHELL_PRIVATE_H
#define CONFIG_EXCHANGE_SHELL_PRIVATE_H

#include "config/exchange/exchange_note_private.h"

void exchange_shell_read(struct exchange_importer *im, struct bytes text);

#endif
