/* config/exchange/exchange_encoding_private.h - what scripts are written in, as UTF-8. */
#ifndef CONFIG_EXCHANGE_ENCODING_PRIVATE_H
#define CONFIG_EXCHANGE_ENCODING_PRIVATE_H

#include "core/arena.h"

/* UTF-8 with "\n" ends of line and no control characters, out of UTF-8, UTF-16 with its mark, or
 * Windows-1252. */
struct bytes exchange_decode(struct arena *arena, struct bytes text);

#endif
