/* config/exchange/exchange_json_private.h - an export of objects, read and played. */
#ifndef CONFIG_EXCHANGE_JSON_PRIVATE_H
#define CONFIG_EXCHANGE_JSON_PRIVATE_H

#include "config/exchange/exchange_note_private.h"

bool exchange_json_looks_like(struct bytes text);
void exchange_json_read(struct exchange_importer *im, struct bytes text);

#endif
