/* A reload in the middle of a session: each transaction begins with the rights of the rules in
 * force and keeps them to its end. Rights of then with accepted domains of now could refuse a
 * recipient that neither configuration refuses, so that within a transaction new rights are added
 * to what was given. None outlives the next MAIL.
 *
 * Limits and what was said in EHLO stay as they were at connect.
 */
#include <stdio.h>

#include "mailrace/inbound_private.h"
#include "mailrace/relay.h"

static rights_mask rights_of_user(const struct ruleset *rules, uint32_t connector_index,
                                  struct bytes user)
{
    const struct account *account = account_find(ruleset_accounts(rules), user);
    return account && !account->locked ? ruleset_rights_of_user(rules, connector_index, account)
                                       : 0;
}

/* As if the client connected now, and logged on as it has. No connector for it any more: none. */
static rights_mask rights_under(const struct smtp_server_facts *facts, const struct ruleset *rules,
                                struct inbound_connector *c)
{
    struct ruleset_match match = ruleset_select(rules, &facts->local, &facts->client.addr);
    c->first_rights = 0;
    if (!match.connector)
        return 0;
    c->first_principal = ruleset_first_principal(match.connector);
    c->first_rights = ruleset_rights(rules, match.connector_index, c->first_principal);
    return facts->user.len ? rights_of_user(rules, match.connector_index, facts->user)
                           : c->first_rights;
}

void inbound_limits_follow(struct inbound *in)
{
    struct smtp_server *session = smtp_service_session(in->service);
    smtp_server_message_size_set(session, inbound_message_size(in->connector));
    smtp_server_rcpts_max_set(session, inbound_rcpts_max(in->connector));
}

rights_mask inbound_rights_now(struct inbound *in, const struct relay_rules *rules, bool begins)
{
    struct inbound_connector *c = in->connector;
    struct smtp_server *session = smtp_service_session(in->service);
    const struct smtp_server_facts *facts = smtp_server_facts(session);
    if (c->generation == rules->generation)
        return c->rights;
    rights_mask before = c->rights, fresh = rights_under(facts, rules->rules, c);
    if (!begins)
        return c->rights | fresh;
    c->generation = rules->generation;
    c->rights = fresh;
    if (!facts->user.len)
        c->principal = c->first_principal;
    inbound_limits_follow(in);
    if (fresh != before)
        inbound_protocol_rights(in);
    return fresh;
}

void inbound_rcpt_rewrite(struct inbound *in, const struct rewrite_set *rewrites,
                          struct decide_facts *facts)
{
    struct smtp_server *session = smtp_service_session(in->service);
    const struct mail_envelope *envelope = smtp_server_facts(session)->envelope;
    struct rewrite_result new = rewrite_inbound(rewrites, facts->rcpt);
    char address[SMTP_SERVER_LONG_ADDRESS_MAX + 256]; /* beyond what a path may become */
    size_t len = new.local.len + 1 + new.domain.len;
    if (!new.entry || len > sizeof address)
        return;
    memcpy(address, new.local.ptr, new.local.len);
    address[new.local.len] = '@';
    memcpy(address + new.local.len + 1, new.domain.ptr, new.domain.len);
    smtp_server_rcpt_rewrite(session, bytes_make(address, len));
    facts->rcpt = envelope->rcpts[envelope->rcpt_count].address;
    facts->rcpt_domain = mail_domain(facts->rcpt);
}

void inbound_postmaster_complete(struct inbound *in, const struct ruleset *rules)
{
    const struct accepted_domain *ours = domain_set_default(ruleset_domains(rules));
    char address[sizeof "postmaster@" + 256];
    if (!ours)
        return;
    snprintf(address, sizeof address, "postmaster@%.256s", ours->name);
    smtp_server_rcpt_rewrite(smtp_service_session(in->service), bytes_of(address));
}
