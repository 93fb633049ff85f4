/* Who a session is and what it may do: at connect, after a logon, after STARTTLS, and after a
 * reload in the middle of it.
 *
 * Each transaction begins with the rights of the rules in force and keeps them to its end. Rights
 * of then with accepted domains of now could refuse a recipient that neither configuration refuses,
 * so that within a transaction new rights are added to what was given. None outlives the next MAIL.
 *
 * The connector's limits and what was said in EHLO stay as they were at connect.
 */
#include "mailrace/inbound_session_private.h"

struct inbound_identity inbound_rights_first(const struct rules *rules, uint32_t connector_index)
{
    const struct connector *c = rules->connectors[connector_index];
    enum rights_principal first = receive_connector_first_principal(&c->settings);
    rights_mask rights = ruleset_rights(rules->ruleset, connector_index, first);
    return (struct inbound_identity){first, first, rights, rights, rules->generation};
}

static rights_mask rights_of_user(const struct ruleset *ruleset, uint32_t connector_index,
                                  struct bytes user)
{
    const struct account *account = account_find(ruleset_accounts(ruleset), user);
    return account && !account->locked ? ruleset_rights_of_user(ruleset, connector_index, account)
                                       : 0;
}

/* As if the client connected now, and logged on as it has. No connector for it any more: none. */
static rights_mask rights_under(const struct smtp_server_facts *facts,
                                const struct ruleset *ruleset, struct inbound_identity *who)
{
    struct ruleset_match match = ruleset_select(ruleset, &facts->local, &facts->client.addr);
    who->first_rights = 0;
    if (!match.connector)
        return 0;
    who->first_principal = receive_connector_first_principal(match.connector);
    who->first_rights = ruleset_rights(ruleset, match.connector_index, who->first_principal);
    return facts->user.len ? rights_of_user(ruleset, match.connector_index, facts->user)
                           : who->first_rights;
}

/* The limits that depend on rights, in the session. */
static void limits_follow(struct inbound *in)
{
    struct smtp_server *smtp = inbound_smtp(in);
    rights_mask rights = in->identity.rights;
    smtp_server_message_size_set(smtp, connector_message_size_max(in->connector, rights));
    smtp_server_rcpts_max_set(smtp, connector_rcpts_max(in->connector, rights));
}

rights_mask inbound_rights_now(struct inbound *in, const struct rules *rules, bool begins)
{
    struct inbound_identity *who = &in->identity;
    if (who->generation == rules->generation)
        return who->rights;
    const struct smtp_server_facts *facts = inbound_facts(in);
    rights_mask before = who->rights, fresh = rights_under(facts, rules->ruleset, who);
    if (!begins)
        return who->rights | fresh;
    who->generation = rules->generation;
    who->rights = fresh;
    if (!facts->user.len)
        who->principal = who->first_principal;
    limits_follow(in);
    if (fresh != before)
        inbound_protocol_rights(in);
    return fresh;
}

/* Rights are those of the rules as they are now, on the connector that once took the client; what
 * it had as Anonymous is lost. */
bool inbound_rights_logon(struct inbound *in, struct bytes user)
{
    rights_mask rights = 0;
    uint32_t index;
    snapshot_read_begin();
    const struct ruleset *ruleset = rules_get(in->services->rules)->ruleset;
    const struct account *account = account_find(ruleset_accounts(ruleset), user);
    bool found =
        account && !account->locked && ruleset_connector_find(ruleset, in->connector->name, &index);
    if (found)
        rights = ruleset_rights_of_user(ruleset, index, account);
    snapshot_read_end();
    if (!found)
        return false;
    in->identity.rights = rights;
    in->identity.principal = RIGHTS_AUTHENTICATED_USERS;
    limits_follow(in);
    inbound_protocol_rights(in);
    return true;
}

void inbound_rights_reset(struct inbound *in)
{
    struct inbound_identity *who = &in->identity;
    if (who->rights == who->first_rights && who->principal == who->first_principal)
        return;
    who->rights = who->first_rights;
    who->principal = who->first_principal;
    limits_follow(in);
}

bool inbound_may_send_as(const struct inbound *in, const struct ruleset *ruleset,
                         struct bytes sender)
{
    struct bytes user = inbound_facts(in)->user;
    const struct account *account = user.len ? account_find(ruleset_accounts(ruleset), user) : NULL;
    return account && !account->locked && account_may_send_as(account, sender);
}
