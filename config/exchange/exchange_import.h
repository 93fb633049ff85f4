/* config/exchange/exchange_import.h - what administrators of Exchange have at hand, as a
 * configuration.
 *
 * In: Exchange shell commands (New-/Set-/Get-/Remove-ReceiveConnector, -SendConnector,
 * -AcceptedDomain and -AddressRewriteEntry, Add-/Get-/Remove-ADPermission, also in a pipeline with
 * Where-Object and ForEach-Object) as they stand in scripts, transcripts and printed articles; or
 * the JSON that ConvertTo-Json makes of what the Get commands show. Out: the configuration,
 * commented with where each part came from. Nothing is dropped in silence: what has no counterpart
 * is reported and stands in the output as a comment.
 */
#ifndef CONFIG_EXCHANGE_IMPORT_H
#define CONFIG_EXCHANGE_IMPORT_H

#include <stdio.h>

#include "config/conf.h"

#define EXCHANGE_IMPORT_BYTES_MAX (16u << 20)

/* Writes the configuration that TEXT stands for to OUT; FILE names TEXT in messages and comments.
 * REPORT gets what was not taken over as warnings and what was not understood as faults.
 * ERR_SYNTAX after a fault: the rest was written all the same. ERR_LIMIT: TEXT is too large,
 * nothing was written. ERR_IO: OUT failed. */
MUST_USE enum err exchange_import(struct bytes text, const char *file, conf_report report,
                                  void *owner, FILE *out);

#endif
