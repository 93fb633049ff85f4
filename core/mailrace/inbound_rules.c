/* A reload in the middle of a session. Who was let in before it may do what the rules of now allow
 * to the like of him: with rights of then and accepted domains of now a recipient could be refused
 * (or taken) that neither configuration refuses (or takes), and a right that was withdrawn would
 * live as long as the session.
 *
 * Limits and what was said in EHLO stay as they were at connect.
 */
#include "inbound_private.h"
#include "relay.h"

static rights_mask rights_of_user(const struct ruleset *rules, uint32_t connector_index,
                                  struct bytes user)
{
    const struct account *account = account_find(ruleset_accounts(rules), user);
    return account && !account->locked ? ruleset_rights_of_user(rules, connector_index, account)
                                       : 0;
}

/* No connector for this client any more: no rights, until it connects again and is told so. */
void inbound_follow_rules(struct inbound *in, const struct relay_rules *rules)
{
    struct inbound_connector *c = in->connector;
    struct smtp_server *session = smtp_service_session(in->service);
    const struct smtp_server_facts *facts = smtp_server_facts(session);
    if (c->generation == rules->generation)
        return;
    c->generation = rules->generation;
    c->rights = c->first_rights = 0;
    struct ruleset_match match = ruleset_select(rules->rules, &facts->local, &facts->client.addr);
    if (match.connector) {
        c->first_principal = ruleset_first_principal(match.connector);
        c->first_rights = ruleset_rights(rules->rules, match.connector_index, c->first_principal);
        if (facts->user.len) {
            c->rights = rights_of_user(rules->rules, match.connector_index, facts->user);
        } else {
            c->rights = c->first_rights;
            c->principal = c->first_principal;
        }
    }
    smtp_server_message_size_set(session, inbound_message_size(c));
}
