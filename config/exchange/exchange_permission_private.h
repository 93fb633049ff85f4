/* config/exchange/exchange_permission_private.h - Add-, Get- and Remove-ADPermission. */
#ifndef CONFIG_EXCHANGE_PERMISSION_PRIVATE_H
#define CONFIG_EXCHANGE_PERMISSION_PRIVATE_H

#include "config/exchange/exchange_item_private.h"

void exchange_permission_apply(struct exchange_importer *im, const struct exchange_command *command,
                               struct exchange_targets *targets, bool is_remove);
/* Get-ADPermission: TARGETS get the permissions of what they are, or of what COMMAND's identity
 * names. */
void exchange_permission_list(struct exchange_importer *im, const struct exchange_command *command,
                              struct exchange_targets *targets);
unsigned exchange_groups_of(const struct exchange_object *object); /* enum rights_group, as bits */

#endif
