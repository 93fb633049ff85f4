/* config/exchange/exchange_emit_private.h - the objects as a configuration. */
#ifndef CONFIG_EXCHANGE_EMIT_PRIVATE_H
#define CONFIG_EXCHANGE_EMIT_PRIVATE_H

#include "config/exchange/exchange_object_private.h"

void exchange_emit(struct exchange_importer *im, FILE *out);

#endif
