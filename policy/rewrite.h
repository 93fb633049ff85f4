/* policy/rewrite.h - address rewriting entries: internal addresses that the outside sees as others,
 * and back (New-AddressRewriteEntry).
 *
 * An address is rewritten once: by the entry for the very address, else by that for its domain,
 * else by the closest "*." above it. Immutable once built; look-ups allocate nothing.
 */
#ifndef POLICY_REWRITE_H
#define POLICY_REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/err.h"

struct rewrite_entry { /* New-AddressRewriteEntry */
    const char *name;
    const char *origin;
    const char *internal_address; /* "user@int.example", "int.example", "*.int.example" */
    const char *external_address; /* an address for an address, else a domain */
    bool outbound_only;
    const char *const *exceptions; /* domains below "*." that keep their own names */
    size_t exception_count;
};
/* What one entry by itself must be; ERR_SYNTAX: WHY names the key. */
MUST_USE enum err rewrite_entry_check(const struct rewrite_entry *entry, struct err_detail *why);

struct rewrite_set;
/* Borrows ENTRIES, each of which passed its check, and their text. ERR_EXISTS: two of them are
 * about one address; WHICH is the second. */
MUST_USE enum err rewrite_set_build(const struct rewrite_entry *entries, size_t count,
                                    struct rewrite_set **out, size_t *which,
                                    struct err_detail *why);
void rewrite_set_free(struct rewrite_set **set);

/* LOCAL "@" DOMAIN is the new address; they point into the address asked for and into the entry.
 */
struct rewrite_result {
    const struct rewrite_entry *entry; /* NULL: the address stays */
    struct bytes local, domain;
};
/* Domains are compared without case, and so are local parts of whole addresses; a local part that
 * an entry does not name is kept to the octet. Any thread. */
struct rewrite_result rewrite_outbound(const struct rewrite_set *set, struct bytes address);
struct rewrite_result rewrite_inbound(const struct rewrite_set *set, struct bytes address);
/* The new address in TO; empty where it stays or does not fit. */
struct bytes rewrite_address(const struct rewrite_result *result, char *to, size_t size);

#endif
