/* The questions, asked in the order of a session of the very functions that answer it there. */
#include "policy/explain.h"

#include "policy/explain_facts_private.h"

/* --- The query --- */

/* "<a@b>", "a@b", "<>", and a source route, which the server drops (RFC 5321 appendix C). */
static struct bytes bare_address(const char *text)
{
    struct bytes address = bytes_trim(bytes_of(text)), route, rest;
    if (address.len >= 2 && address.ptr[0] == '<' && address.ptr[address.len - 1] == '>')
        address = bytes_sub(address, 1, address.len - 2);
    if (address.len > 0 && address.ptr[0] == '@' && bytes_split(address, ':', &route, &rest))
        address = rest;
    return address;
}

/* Without --to: where a client of this family would arrive first. */
static struct endpoint default_local(const struct ruleset_settings *s, const struct ipaddr *from)
{
    const struct endpoint *first = NULL;
    for (size_t i = 0; i < s->receive_count; i++) {
        const struct receive_connector *c = &s->receive[i];
        for (size_t j = 0; j < c->binding_count && c->enabled; j++) {
            if (ipaddr_is_v4(&c->bindings[j].addr) == ipaddr_is_v4(from))
                return c->bindings[j];
            if (!first)
                first = &c->bindings[j];
        }
    }
    return first ? *first : (struct endpoint){.port = 0};
}

/* --- What the session would be --- */

static void refuse(struct explanation *x, const char *note)
{
    ASSERT(x->note_count < EXPLAIN_NOTES_MAX);
    x->notes[x->note_count++] = note;
    x->accepted = false;
}

/* As inbound does it once the password is right; without a users file by the name alone. */
static void log_on(struct explanation *x)
{
    const struct account_set *accounts = ruleset_accounts(x->rules);
    struct bytes name = bytes_of(x->query->user);
    struct account named = {.name = x->query->user};
    x->account = account_trial_of(accounts, name).account;
    if (x->account || !accounts)
        x->who_count = account_identities(x->account ? x->account : &named, x->who);
    else
        refuse(x, account_find(accounts, name)
                      ? "535 5.7.3 Authentication unsuccessful: the users file locks this user"
                      : "535 5.7.3 Authentication unsuccessful: no such user in the users file");
}

/* A session in clear may be refused AUTH by require_tls alone: 530, which is told already. */
static void refuse_auth(struct explanation *x)
{
    const struct receive_connector *c = x->match.connector;
    if (!receive_connector_offer(c, x->query->certificate, true).auth)
        refuse(x, "502 5.5.1 Command not implemented: auth_mechanism has no BasicAuth");
    else if (c->auth_mechanism & RECEIVE_AUTH_BASIC_REQUIRE_TLS)
        refuse(x, "504 5.7.4 Unrecognized authentication type: AUTH needs TLS first "
                  "(BasicAuthRequireTLS)");
}

static void find_identity(struct explanation *x)
{
    const struct receive_connector *c = x->match.connector;
    x->who[0] = (struct rights_identity){receive_connector_first_principal(c), NULL};
    x->who_count = 1;
    if (x->query->tls && !receive_connector_offer(c, x->query->certificate, false).starttls)
        refuse(x, c->auth_mechanism & RECEIVE_AUTH_TLS
                      ? "STARTTLS is not offered: there is no tls.certificate"
                      : "STARTTLS is not offered: auth_mechanism lacks Tls");
    if (c->require_tls && !x->query->tls)
        refuse(x, "530 5.7.0 Must issue a STARTTLS command first: require_tls is true");
    if (x->query->user && receive_connector_offer(c, x->query->certificate, x->query->tls).auth)
        log_on(x);
    else if (x->query->user)
        refuse_auth(x);
    x->rights = ruleset_identity_rights(x->rules, x->match.connector_index, x->who, x->who_count);
}

static void ask(struct explanation *x, struct explain_verdict *v, enum decide_stage stage,
                const struct decide_facts *facts)
{
    v->asked = true;
    v->command = stage == DECIDE_MAIL   ? "MAIL FROM"
                 : stage == DECIDE_RCPT ? "RCPT TO"
                                        : "header From";
    v->address = stage == DECIDE_RCPT ? facts->rcpt : facts->sender;
    v->verdict = decide(stage, facts, x->rules);
    x->accepted = x->accepted && v->verdict.accepted;
}

static void rewrite_rcpt(struct explanation *x, struct decide_facts *facts)
{
    const struct rewrite_set *rewrites = ruleset_rewrites(x->rules);
    if (!rewrites)
        return;
    struct rewrite_result new = rewrite_inbound(rewrites, facts->rcpt);
    struct bytes address = rewrite_address(&new, x->rcpt_text, sizeof x->rcpt_text);
    if (!address.len)
        return;
    facts->rcpt = address;
    facts->rcpt_domain = mail_domain(facts->rcpt);
    x->rcpt.rewritten = new;
}

static void rewrite_sender(struct explanation *x, const struct decide_facts *facts)
{
    const struct rewrite_set *rewrites = ruleset_rewrites_to(x->rules, facts->rcpt_domain);
    if (rewrites)
        x->mail.rewritten = rewrite_outbound(rewrites, facts->sender);
}

/* As the session completes it (Exchange: DefaultDomain). */
static struct bytes complete(const struct explanation *x, struct bytes address,
                             char to[EXPLAIN_ADDRESS_MAX])
{
    const char *domain = x->match.connector->default_domain;
    if (!domain || address.len == 0 || mail_domain(address).len > 0 ||
        address.len + 1 + strlen(domain) >= EXPLAIN_ADDRESS_MAX)
        return address;
    snprintf(to, EXPLAIN_ADDRESS_MAX, BYTES_FMT "@%s", BYTES_ARG(address), domain);
    return bytes_of(to);
}

/* The session looks at the field only where it could be refused; where not, so says decide(). */
static void find_from_verdict(struct explanation *x)
{
    struct decide_facts facts = {.rights = x->rights, .principal = x->who[0].principal};
    if (!x->query->header_from)
        return;
    facts.sender = bare_address(x->query->header_from);
    facts.sender_domain = mail_domain(facts.sender);
    facts.sender_entitled = x->account && account_may_send_as(x->account, facts.sender);
    ask(x, &x->from, DECIDE_FROM, &facts);
}

/* A recipient is only reached through MAIL, so that MAIL is asked for it too. */
static void find_verdicts(struct explanation *x)
{
    const struct explain_query *q = x->query;
    struct decide_facts facts = {.rights = x->rights, .principal = x->who[0].principal};
    if (q->sender || q->rcpt) {
        facts.sender = complete(x, bare_address(q->sender), x->sender_completed);
        facts.sender_domain = mail_domain(facts.sender);
        facts.sender_entitled = x->account && account_may_send_as(x->account, facts.sender);
        x->mail.implied = !q->sender;
        ask(x, &x->mail, DECIDE_MAIL, &facts);
    }
    if (q->rcpt) {
        facts.rcpt = complete(x, bare_address(q->rcpt), x->rcpt_completed);
        facts.rcpt_domain = mail_domain(facts.rcpt);
        facts.rejected_domains = receive_connector_rejected_domains(x->match.connector);
        struct bytes asked = facts.rcpt;
        rewrite_rcpt(x, &facts);
        ask(x, &x->rcpt, DECIDE_RCPT, &facts);
        x->rcpt.address = asked;
        rewrite_sender(x, &facts);
        x->route_asked = true;
        x->route_domain = facts.rcpt_domain;
        x->route = ruleset_route(x->rules, facts.rcpt_domain, 0);
    }
}

bool explain(const struct ruleset *rules, const struct explain_query *query, bool json, FILE *out)
{
    struct explanation x = {.rules = rules, .query = query, .accepted = true};
    x.local = query->to.port ? query->to : default_local(ruleset_settings_of(rules), &query->from);
    x.match = ruleset_select(rules, &x.local, &query->from);
    if (x.match.connector) {
        find_identity(&x);
        find_verdicts(&x);
        find_from_verdict(&x);
    } else {
        refuse(&x, "421 4.3.2 Service not available: no enabled connector with this binding has a "
                   "remote range that holds the client");
    }
    if (json)
        explain_write_json(&x, out);
    else
        explain_write_text(&x, out);
    return x.accepted;
}
