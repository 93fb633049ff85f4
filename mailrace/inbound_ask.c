/* MAIL and RCPT: one pure decision each, on the rules as they are now. */
#include "mailrace/inbound_session_private.h"

#include <stdio.h>

#include "core/loop.h"

/* --- A refusal that waits --- */

static void on_tarpit_over(struct timer *t)
{
    struct inbound *in = CONTAINER_OF(t, struct inbound, tarpit);
    smtp_service_answer(in->service, &in->tarpitted);
}

bool inbound_tarpit(struct inbound *in, uint64_t ms, const struct mail_status *status)
{
    struct loop *loop = in->services->loop;
    if (ms == 0)
        return false;
    ASSERT(!timer_armed(&in->tarpit)); /* the session waits for one answer at a time */
    in->tarpitted = *status;
    in->tarpit.on_due = on_tarpit_over;
    inbound_protocol_tarpit(in, ms);
    timer_set(loop_timers(loop), &in->tarpit, loop_now_ms(loop) + ms);
    return true;
}

/* --- The question --- */

/* The recipient that FACTS ask about is another one inside, by the address rewriting entries: the
 * session's recipient is that one from now on. Within on_rcpt. */
static void rewrite_rcpt(struct inbound *in, const struct rewrite_set *rewrites,
                         struct decide_facts *facts)
{
    const struct mail_envelope *envelope = inbound_facts(in)->envelope;
    struct rewrite_result new = rewrite_inbound(rewrites, facts->rcpt);
    char address[SMTP_SERVER_LONG_ADDRESS_MAX + 256]; /* longer than any path */
    size_t len = new.local.len + 1 + new.domain.len;
    if (!new.entry || len > sizeof address)
        return;
    memcpy(address, new.local.ptr, new.local.len);
    address[new.local.len] = '@';
    memcpy(address + new.local.len + 1, new.domain.ptr, new.domain.len);
    smtp_server_rcpt_rewrite(inbound_smtp(in), bytes_make(address, len));
    facts->rcpt = envelope->rcpts[envelope->rcpt_count].address;
    facts->rcpt_domain = mail_domain(facts->rcpt);
}

/* <postmaster> was accepted: it is ours, and not the next hop's, where there is a default accepted
 * domain to say so. Within on_rcpt. */
static void complete_postmaster(struct inbound *in, const struct ruleset *ruleset)
{
    const struct accepted_domain *ours = domain_set_default(ruleset_domains(ruleset));
    char address[sizeof "postmaster@" + 256];
    if (!ours)
        return;
    snprintf(address, sizeof address, "postmaster@%.256s", ours->name);
    smtp_server_rcpt_rewrite(inbound_smtp(in), bytes_of(address));
}

static struct decide_verdict decide_now(struct inbound *in, enum decide_stage stage,
                                        struct decide_facts *facts)
{
    snapshot_read_begin();
    const struct rules *rules = rules_get(in->services->rules);
    const struct ruleset *ruleset = rules->ruleset;
    facts->rights = inbound_rights_now(in, rules, stage == DECIDE_MAIL);
    facts->principal = in->identity.principal;
    if (stage != DECIDE_RCPT && decide_from_matters(facts->rights))
        facts->sender_entitled = inbound_may_send_as(in, ruleset, facts->sender);
    if (stage == DECIDE_RCPT && ruleset_rewrites(ruleset))
        rewrite_rcpt(in, ruleset_rewrites(ruleset), facts);
    struct decide_verdict verdict = decide(stage, facts, ruleset);
    if (stage == DECIDE_RCPT && verdict.accepted && facts->rcpt_domain.len == 0)
        complete_postmaster(in, ruleset);
    snapshot_read_end();
    return verdict;
}

/* What a refusal is about, as the log names it. */
static struct bytes verb_of(enum decide_stage stage)
{
    if (stage == DECIDE_FROM)
        return BYTES("From");
    return stage == DECIDE_MAIL ? BYTES("MAIL") : BYTES("RCPT");
}

enum smtp_server_verdict inbound_ask(struct inbound *in, enum decide_stage stage,
                                     struct decide_facts *facts, struct mail_status *status)
{
    struct decide_verdict verdict = decide_now(in, stage, facts);
    if (verdict.accepted)
        return SMTP_SERVER_ANSWERED;
    *status = verdict.status;
    in->missing = verdict.missing;
    in->reason = verdict.reason;
    inbound_refuse(in, verb_of(stage), stage == DECIDE_RCPT ? facts->rcpt : facts->sender, status);
    bool waits =
        verdict.tarpit && inbound_tarpit(in, in->connector->settings.tarpit_interval_ms, status);
    return waits ? SMTP_SERVER_LATER : SMTP_SERVER_ANSWERED;
}

/* --- MAIL and RCPT --- */

enum smtp_server_verdict inbound_on_mail(void *owner, const struct mail_envelope *envelope,
                                         struct mail_status *status)
{
    struct inbound *in = owner;
    if (!spool_accepts(in->services->spool, envelope->size_declared, status)) {
        in->reason = "the spool takes nothing in now";
        inbound_refuse(in, BYTES("MAIL"), envelope->sender, status);
        return SMTP_SERVER_ANSWERED;
    }
    if (!inbound_rate_message(in, envelope->sender)) {
        *status = MAIL_STATUS(421, 4, 4, 2,
                              "Message submission rate for this client has exceeded the configured "
                              "limit");
        in->reason = "message_rate_limit";
        inbound_refuse(in, BYTES("MAIL"), envelope->sender, status);
        return SMTP_SERVER_ANSWERED;
    }
    struct decide_facts facts = {
        .sender = envelope->sender,
        .sender_domain = mail_domain(envelope->sender),
    };
    return inbound_ask(in, DECIDE_MAIL, &facts, status);
}

enum smtp_server_verdict inbound_on_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                         struct bytes path_domain, struct mail_status *status)
{
    struct inbound *in = owner;
    const struct mail_envelope *envelope = inbound_facts(in)->envelope;
    struct decide_facts facts = {
        .sender = envelope->sender,
        .sender_domain = mail_domain(envelope->sender),
        .rcpt = rcpt->address,
        .rcpt_domain = path_domain,
        .rejected_domains = receive_connector_rejected_domains(&in->connector->settings),
    };
    return inbound_ask(in, DECIDE_RCPT, &facts, status);
}
