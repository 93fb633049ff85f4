/* config/exchange/exchange_emit_connector_private.h - a connector in the configuration, but for its
 * name and what was not taken over.
 */
#ifndef CONFIG_EXCHANGE_EMIT_CONNECTOR_PRIVATE_H
#define CONFIG_EXCHANGE_EMIT_CONNECTOR_PRIVATE_H

#include "config/exchange/exchange_emit_setting_private.h"

/* True: what is missing was made up, and the object must not be used as it is. */
bool exchange_emit_receive(const struct exchange_emitter *e);
bool exchange_emit_send(const struct exchange_emitter *e);

#endif
