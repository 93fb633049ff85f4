/* policy/ruleset.h - everything that decides, compiled from settings and immutable: connectors,
 * their trees and masks, accepted domains, send connectors. Published through core/snapshot.h.
 */
#ifndef POLICY_RULESET_H
#define POLICY_RULESET_H

#include "policy/ruleset_settings.h"

struct ruleset;

/* Checks everything that spans properties (contradictions of AuthMechanism, every overlap naming
 * both ranges, open relay) and reports all of it; ERR_SYNTAX, and *OUT is NULL, if any was a fault.
 * Deep-copies. A fault's text lives as long as the call of REPORT, which may be NULL. */
MUST_USE enum err ruleset_build(const struct ruleset_settings *settings, ruleset_report report,
                                void *owner, struct ruleset **out);
void ruleset_free(struct ruleset **rules);
/* What is sound and may still surprise: that an accepted domain is open to anonymous clients, and
 * through which connectors that hold all addresses. For a check that is asked for, not for every
 * start. */
void ruleset_notes(const struct ruleset_settings *settings, ruleset_report report, void *owner);

/* What selection found: the smallest range that holds the peer, on the binding's own address
 * first, then on the wildcard's. NULL connector: none. A binding with port 0 (the kernel picks one)
 * serves the ports that no other binding names. */
struct ruleset_match {
    const struct receive_connector *connector;
    const struct receive_connector_range *range;
    uint32_t connector_index;
};
struct ruleset_match ruleset_select(const struct ruleset *rules, const struct endpoint *local,
                                    const struct ipaddr *peer);
/* The rights of a well-known principal on connector INDEX: compiled, one load. */
rights_mask ruleset_rights(const struct ruleset *rules, uint32_t connector_index,
                           enum rights_principal principal);
/* The rights of a session that is COUNT identities at once: a named user, the groups and
 * AuthenticatedUsers. Walks the connector's entries. */
rights_mask ruleset_identity_rights(const struct ruleset *rules, uint32_t connector_index,
                                    const struct rights_identity *who, size_t count);
/* The rights of a session that logged on as ACCOUNT; what Anonymous had is lost. Allocates nothing.
 */
rights_mask ruleset_rights_of_user(const struct ruleset *rules, uint32_t connector_index,
                                   const struct account *account);
/* The connector of that name (as a session remembers it over a reload); false: it is gone. */
bool ruleset_connector_find(const struct ruleset *rules, struct bytes name, uint32_t *index);
const struct account_set *ruleset_accounts(const struct ruleset *rules); /* NULL: none */
/* The bindings that selection asks for a connection to LOCAL, in that order: 0 to
 * RULESET_CANDIDATES. For explain. */
#define RULESET_CANDIDATES 4
size_t ruleset_candidates(const struct ruleset *rules, const struct endpoint *local,
                          struct endpoint out[RULESET_CANDIDATES]);
const struct domain_set *ruleset_domains(const struct ruleset *rules);
const struct rewrite_set *ruleset_rewrites(const struct ruleset *rules); /* NULL: no entries */
/* What is rewritten in mail that leaves for DOMAIN (empty: <postmaster>). NULL: nothing, as in our
 * own domains. */
const struct rewrite_set *ruleset_rewrites_to(const struct ruleset *rules, struct bytes domain);
const struct ruleset_settings *ruleset_settings_of(const struct ruleset *rules);
/* DOMAIN empty (<postmaster>): that of the default accepted domain. */
struct send_choice ruleset_route(const struct ruleset *rules, struct bytes domain, uint64_t octets);
/* Every binding of enabled connectors, each once. Returns how many; OUT may be NULL. */
size_t ruleset_bindings(const struct ruleset *rules, struct endpoint *out, size_t max);

#endif
