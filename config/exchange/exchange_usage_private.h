/* config/exchange/exchange_usage_private.h - the templates of New-ReceiveConnector -Usage. */
#ifndef CONFIG_EXCHANGE_USAGE_PRIVATE_H
#define CONFIG_EXCHANGE_USAGE_PRIVATE_H

#include "config/exchange/exchange_object_private.h"

/* Gives OBJECT, a new receive connector, what the usage that COMMAND names brings. */
void exchange_usage_apply(struct exchange_importer *im, struct exchange_object *object,
                          const struct exchange_command *command);

#endif
