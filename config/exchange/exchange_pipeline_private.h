/* config/exchange/exchange_pipeline_private.h - commands that are joined by pipes. */
#ifndef CONFIG_EXCHANGE_PIPELINE_PRIVATE_H
#define CONFIG_EXCHANGE_PIPELINE_PRIVATE_H

#include "config/exchange/exchange_item_private.h"

/* Plays COUNT commands. OUT (NULL: it is not wanted) gets what comes out of the last. */
void exchange_pipeline_play(struct exchange_importer *im, const struct exchange_command *commands,
                            size_t count, struct exchange_targets *out);

#endif
