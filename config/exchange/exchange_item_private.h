/* config/exchange/exchange_item_private.h - what goes through a pipeline: an object, one permission
 * of it, or a text.
 */
#ifndef CONFIG_EXCHANGE_ITEM_PRIVATE_H
#define CONFIG_EXCHANGE_ITEM_PRIVATE_H

#include "config/exchange/exchange_object_private.h"

struct exchange_item {
    struct exchange_object *object;
    const struct exchange_permission *permission; /* of OBJECT: one right, allowed or denied */
    const char *text;
};

struct exchange_targets {
    struct exchange_item *items;
    size_t count, capacity;
    bool piped;              /* a command before this one in the pipeline has said which */
    enum exchange_kind kind; /* that a Get asked for; else 0 */
};

void exchange_targets_add(struct exchange_importer *im, struct exchange_targets *targets,
                          struct exchange_item item);
/* How a message names it. */
const char *exchange_item_shown(struct exchange_importer *im, const struct exchange_item *item);
/* Adds the texts that PROPERTY ("": the item itself) has; false: that is not known here. */
bool exchange_item_texts(struct exchange_importer *im, const struct exchange_item *item,
                         const char *property, struct exchange_texts *out);

#endif
