/* config/exchange/exchange_filter_private.h - the condition of a Where-Object. */
#ifndef CONFIG_EXCHANGE_FILTER_PRIVATE_H
#define CONFIG_EXCHANGE_FILTER_PRIVATE_H

#include "config/exchange/exchange_item_private.h"
#include "config/exchange/exchange_lex_private.h"

/* Whether SCRIPT holds for ITEM. ITEM NULL: only whether it can be understood. False after a fault
 * too. */
bool exchange_filter_holds(struct exchange_importer *im, const struct exchange_token *script,
                           const struct exchange_item *item);

#endif
