/* config/exchange/exchange_key_private.h - the keys of our configuration, as this version has them.
 */
#ifndef CONFIG_EXCHANGE_KEY_PRIVATE_H
#define CONFIG_EXCHANGE_KEY_PRIVATE_H

#include "config/exchange/exchange_property_private.h"
#include "core/err.h"

/* Where the protocol logs of what is imported go: Exchange has its own place for them, and no
 * property of a connector says which. */
#define EXCHANGE_PROTOCOL_PATH "/var/log/mailrace"

/* Whether this version has KEY for objects of KIND; STANDARD gets its default. */
bool exchange_key_known(enum exchange_kind kind, const char *key, const char **standard);
/* The list that objects of KIND stand in: "receive_connectors". */
const char *exchange_key_list(enum exchange_kind kind);
/* Whether `mailrace check` takes KEY = VALUE on an object of KIND; else WHY. */
bool exchange_key_takes(enum exchange_kind kind, const char *key, const char *value,
                        struct err_detail *why);

#endif
