/* net/header_from.h - the addresses of a From field, as a reader's program would find them. Pure.
 *
 * Comments, quoted display names and groups are seen through; what is malformed yields no address,
 * or one that has no domain, and never hides the others.
 */
#ifndef NET_HEADER_FROM_H
#define NET_HEADER_FROM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"

#define HEADER_FROM_ADDRESS_MAX 600

/* mailbox-list, RFC 5322 3.4; between several fields stands a NUL, which no quote and no comment
 * outlasts. Takes the next mailbox off REST and puts its address, without
 * comments and white space, in TO. False at the end. *LEN 0: this one has no address that could be
 * read, or one that is too long. */
bool header_from_next(struct bytes *rest, char to[HEADER_FROM_ADDRESS_MAX], size_t *len);

#endif
