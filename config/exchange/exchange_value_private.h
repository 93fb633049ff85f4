/* config/exchange/exchange_value_private.h - Exchange's values in our notation. */
#ifndef CONFIG_EXCHANGE_VALUE_PRIVATE_H
#define CONFIG_EXCHANGE_VALUE_PRIVATE_H

#include "config/exchange/exchange_object_private.h"

/* What SETTING of OBJECT is in our file: the text after "KEY = ". NULL: nothing of it could be
 * taken over, and that was noted. */
const char *exchange_value_format(struct exchange_importer *im, struct exchange_object *object,
                                  const struct exchange_setting *setting);
/* TEXT in quotes, as libconfig wants it. */
const char *exchange_quote(struct arena *arena, const char *text);

#endif
