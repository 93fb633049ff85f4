/* policy/domain_set.h - accepted domains: exact names and leading wildcards.
 *
 * Immutable once built; look-ups allocate nothing. Comparison is ASCII without case, a final dot
 * is ignored. Exact wins, then the longest wildcard.
 */
#ifndef POLICY_DOMAIN_SET_H
#define POLICY_DOMAIN_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/choice.h"
#include "core/err.h"
#include "policy/recipient_set.h"

enum domain_type { DOMAIN_AUTHORITATIVE, DOMAIN_INTERNAL_RELAY, DOMAIN_EXTERNAL_RELAY };
extern const struct choice DOMAIN_TYPES[]; /* Exchange's names of them */

struct accepted_domain {
    const char *name; /* "contoso.com" or "*.contoso.com" */
    const char *origin;
    enum domain_type type;
    bool is_default;
    bool match_subdomains; /* also *.name */
    /* Authoritative only: the recipients that exist there; NULL: all. Borrowed: the owner of the
     * settings holds it. */
    struct recipient_set *recipients;
};

struct domain_set;
/* Copies. ERR_EXISTS names the second of two equal ones, ERR_SYNTAX a bad one. */
MUST_USE enum err domain_set_build(const struct accepted_domain *domains, size_t count,
                                   struct domain_set **out, struct err_detail *why);
void domain_set_free(struct domain_set **set);
/* The entry that covers DOMAIN, or NULL. Any thread. */
const struct accepted_domain *domain_set_find(const struct domain_set *set, struct bytes domain);
/* The one marked as default, else the first; never a wildcard; NULL: there is none. Its name goes
 * into addresses. */
const struct accepted_domain *domain_set_default(const struct domain_set *set);
/* What domain_set_build() wants of a name, for a check that reports every fault. */
MUST_USE enum err domain_pattern_check(struct bytes pattern, struct err_detail *why);
struct bytes domain_without_final_dot(struct bytes name);
bool domain_is_wildcard(struct bytes pattern); /* "*.contoso.com" */
/* "*", "contoso.com", "*.contoso.com": how well PATTERN covers DOMAIN: 0 not at all; more is more
 * specific. SUBTREE: "*.x" covers x itself too (address spaces of send connectors). */
unsigned domain_match(struct bytes pattern, struct bytes domain, bool subtree);

#endif
