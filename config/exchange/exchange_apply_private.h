/* config/exchange/exchange_apply_private.h - one command on the objects. */
#ifndef CONFIG_EXCHANGE_APPLY_PRIVATE_H
#define CONFIG_EXCHANGE_APPLY_PRIVATE_H

#include "config/exchange/exchange_item_private.h"

/* VERB of COMMAND on objects of KIND: those in TARGETS that are piped, or those that COMMAND names.
 * TARGETS gets what it passes on. */
void exchange_apply(struct exchange_importer *im, enum exchange_verb verb, enum exchange_kind kind,
                    const struct exchange_command *command, struct exchange_targets *targets);
/* Tells it when COMMAND has chosen none. */
void exchange_note_none(struct exchange_importer *im, const struct exchange_command *command,
                        const struct exchange_targets *targets);

#endif
