/* The verdicts, in the order in which a session meets them. */
#include "policy/decide.h"

static struct decide_verdict permit(struct mail_status status, const char *reason)
{
    return (struct decide_verdict){.accepted = true, .status = status, .reason = reason};
}

/* Only anonymous clients wait in the tarpit. */
static struct decide_verdict refuse(const struct decide_facts *facts, struct mail_status status,
                                    rights_mask missing, const char *reason)
{
    return (struct decide_verdict){
        .status = status,
        .missing = missing,
        .reason = reason,
        .tarpit = facts->principal == RIGHTS_ANONYMOUS && status.code == 550,
    };
}

static struct decide_verdict refuse_submit(const struct decide_facts *facts)
{
    if (facts->principal == RIGHTS_ANONYMOUS)
        return refuse(facts, MAIL_STATUS(530, 5, 7, 1, "Client was not authenticated"),
                      RIGHTS_SUBMIT,
                      "anonymous clients may not submit on this connector: the client must "
                      "authenticate, or the connector needs the AnonymousUsers permission group");
    return refuse(
        facts,
        MAIL_STATUS(550, 5, 7, 1, "Client does not have permissions to submit mail to this server"),
        RIGHTS_SUBMIT,
        "this identity may not submit on this connector: none of its permission groups "
        "and entries allows it, or one denies it");
}

/* Accept-Any-Sender does not cover our own authoritative domains: they take a right of their own.
 */
static struct decide_verdict refuse_own_domain(const struct decide_facts *facts)
{
    const char *reason = "the sender is in one of our authoritative domains, and this client may "
                         "not send as them";
    if (facts->principal == RIGHTS_ANONYMOUS)
        return refuse(
            facts,
            MAIL_STATUS(550, 5, 7, 1,
                        "Anonymous client does not have permissions to send as this sender"),
            RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER, reason);
    return refuse(
        facts, MAIL_STATUS(550, 5, 7, 1, "Client does not have permissions to send as this sender"),
        RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER, reason);
}

static bool is_authoritative(const struct ruleset *rules, struct bytes domain)
{
    const struct accepted_domain *d = domain_set_find(ruleset_domains(rules), domain);
    return d && d->type == DOMAIN_AUTHORITATIVE;
}

static struct decide_verdict refuse_sender(const struct decide_facts *facts, const char *reason)
{
    return refuse(
        facts, MAIL_STATUS(550, 5, 7, 1, "Client does not have permissions to send as this sender"),
        RIGHTS_ACCEPT_ANY_SENDER, reason);
}

static bool breaks_own_domain(const struct decide_facts *facts, const struct ruleset *rules)
{
    bool any = facts->rights & RIGHTS_ACCEPT_ANY_SENDER;
    return (any || facts->principal == RIGHTS_ANONYMOUS) &&
           !(facts->rights & RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER) &&
           is_authoritative(rules, facts->sender_domain);
}

/* Anonymous clients meet the check of our own domains first, as its reply says more. Others are
 * held to the senders they are entitled to, which may well be in our domains. */
static struct decide_verdict decide_mail(const struct decide_facts *facts,
                                         const struct ruleset *rules)
{
    const struct mail_status ok = MAIL_STATUS(250, 2, 1, 0, "Sender OK");
    if (!(facts->rights & RIGHTS_SUBMIT))
        return refuse_submit(facts);
    if (facts->sender.len == 0)
        return permit(ok, "the null sender needs ms-Exch-SMTP-Submit only");
    if (facts->sender_entitled && facts->principal != RIGHTS_ANONYMOUS)
        return permit(ok, "the client is entitled to this sender");
    if (breaks_own_domain(facts, rules))
        return refuse_own_domain(facts);
    if (facts->rights & RIGHTS_ACCEPT_ANY_SENDER)
        return permit(ok, "any sender may be used");
    return refuse_sender(facts,
                         facts->principal == RIGHTS_ANONYMOUS
                             ? "anonymous clients may not choose their sender on this connector"
                             : "the sender is none of those that this client is entitled to");
}

bool decide_from_matters(rights_mask rights)
{
    return !(rights & RIGHTS_ACCEPT_ANY_SENDER) ||
           !(rights & RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER);
}

/* What readers see as the sender is held to the same as MAIL; but a field without a readable
 * address names no sender, and only a client that is held to a list has to keep to it. */
static struct decide_verdict decide_from(const struct decide_facts *facts,
                                         const struct ruleset *rules)
{
    const struct mail_status ok = MAIL_STATUS(250, 2, 6, 0, "Message OK");
    bool anonymous = facts->principal == RIGHTS_ANONYMOUS;
    if (facts->sender_hidden)
        return refuse_sender(facts, "the header's From field is too long to be compared");
    if (facts->sender.len && facts->sender_entitled && !anonymous)
        return permit(ok, "the client is entitled to the header's sender");
    if (facts->sender.len && breaks_own_domain(facts, rules))
        return refuse_own_domain(facts);
    if (anonymous || (facts->rights & RIGHTS_ACCEPT_ANY_SENDER))
        return permit(ok, "the header's sender is in none of our authoritative domains, or this "
                          "client may use them");
    return refuse_sender(facts, facts->sender.len
                                    ? "the header's sender (From) is none of those that this "
                                      "client is entitled to"
                                    : "the header's From field holds no address that could be "
                                      "compared with those that this client is entitled to");
}

/* What stands before the domain. A domain that is no part of the address is taken as none. */
static struct bytes local_part(const struct decide_facts *facts)
{
    size_t domain = facts->rcpt_domain.len;
    if (domain == 0)
        return facts->rcpt;
    if (facts->rcpt.len <= domain || facts->rcpt.ptr[facts->rcpt.len - domain - 1] != '@')
        return mail_local_part(facts->rcpt);
    return bytes_sub(facts->rcpt, 0, facts->rcpt.len - domain - 1);
}

/* The next hop may read user%elsewhere@us, elsewhere!user@us or "user@elsewhere"@us as an address
 * of its own and relay on our word: quotes do not make that safe. */
static bool routes_onwards(struct bytes local)
{
    for (size_t i = 0; i < local.len; i++)
        if (local.ptr[i] == '%' || local.ptr[i] == '!' || local.ptr[i] == '@')
            return true;
    return false;
}

static struct decide_verdict refuse_relay(const struct decide_facts *facts, const char *reason)
{
    return refuse(facts, MAIL_STATUS(550, 5, 7, 1, "Unable to relay"), RIGHTS_ACCEPT_ANY_RECIPIENT,
                  reason);
}

/* The recipients of an authoritative domain may be known; postmaster always is one (RFC
 * 5321 4.5.1).
 */
static bool exists_in(const struct accepted_domain *domain, const struct decide_facts *facts)
{
    struct bytes local = local_part(facts);
    return domain->type != DOMAIN_AUTHORITATIVE || !domain->recipients ||
           bytes_equal_nocase(local, BYTES("postmaster")) ||
           recipient_set_has(domain->recipients, local, facts->rcpt_domain);
}

/* Is DOMAIN one of NAMES, or below it? */
static bool is_within(struct bytes domain, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct bytes name = bytes_of(names[i]);
        if (domain.len < name.len ||
            !bytes_equal_nocase(bytes_from(domain, domain.len - name.len), name))
            continue;
        if (domain.len == name.len || domain.ptr[domain.len - name.len - 1] == '.')
            return true;
    }
    return false;
}

/* Exchange: RejectReservedTopLevelRecipientDomains and its like. False: nothing against it. */
static bool rejects_domain(const struct decide_facts *facts, struct decide_verdict *out)
{
    static const char *const top[] = {"test", "example", "invalid", "localhost"};
    static const char *const second[] = {"example.com", "example.net", "example.org"};
    struct bytes domain = facts->rcpt_domain;
    unsigned rejected = facts->rejected_domains;
    if (!rejected || domain.len == 0 || domain.ptr[0] == '[')
        return false;
    if ((rejected & RECEIVE_REJECT_RESERVED_TOP_LEVEL) && is_within(domain, top, ARRAY_SIZE(top)))
        *out = refuse(facts, MAIL_STATUS(550, 5, 1, 4, "Recipient address reserved by RFC 2606"), 0,
                      "the connector has reject_reserved_top_level_recipient_domains");
    else if ((rejected & RECEIVE_REJECT_RESERVED_SECOND_LEVEL) &&
             is_within(domain, second, ARRAY_SIZE(second)))
        *out = refuse(facts, MAIL_STATUS(550, 5, 1, 5, "Recipient address reserved by RFC 2606"), 0,
                      "the connector has reject_reserved_second_level_recipient_domains");
    else if ((rejected & RECEIVE_REJECT_SINGLE_LABEL) &&
             bytes_find(domain, '.', 0) == BYTES_NOT_FOUND)
        *out = refuse(
            facts,
            MAIL_STATUS(550, 5, 1, 6, "Recipient addresses in single label domains not accepted"),
            0, "the connector has reject_single_label_recipient_domains");
    else
        return false;
    return true;
}

static struct decide_verdict decide_rcpt(const struct decide_facts *facts,
                                         const struct ruleset *rules)
{
    const struct mail_status ok = MAIL_STATUS(250, 2, 1, 5, "Recipient OK");
    bool relay = facts->rights & RIGHTS_ACCEPT_ANY_RECIPIENT;
    if (facts->rcpt_domain.len == 0) {
        if (bytes_equal_nocase(facts->rcpt, BYTES("postmaster")))
            return permit(ok, "postmaster without a domain is always accepted (RFC 5321 4.5.1)");
        if (!relay)
            return refuse_relay(facts, "a recipient without a domain has no mailbox here");
        return refuse(facts, MAIL_STATUS(550, 5, 1, 3, "Invalid recipient address"), 0,
                      "a recipient needs a domain");
    }
    if (!relay && routes_onwards(local_part(facts)))
        return refuse_relay(facts, "%, ! or @ in the local part could make the next host relay for "
                                   "a client that may not");
    struct decide_verdict rejected;
    if (rejects_domain(facts, &rejected))
        return rejected;
    const struct accepted_domain *domain =
        domain_set_find(ruleset_domains(rules), facts->rcpt_domain);
    if (domain && !exists_in(domain, facts))
        return refuse(facts, MAIL_STATUS(550, 5, 1, 1, "User unknown"), 0,
                      "the recipient's domain is ours and its recipients_file does not name this "
                      "recipient");
    if (domain)
        return permit(ok, "the recipient is in an accepted domain");
    if (relay)
        return permit(ok, "any recipient may be used");
    return refuse_relay(facts, "the recipient is in no accepted domain, and this client may not "
                               "relay to others");
}

struct decide_verdict decide(enum decide_stage stage, const struct decide_facts *facts,
                             const struct ruleset *rules)
{
    ASSERT(stage <= DECIDE_FROM);
    return stage == DECIDE_MAIL   ? decide_mail(facts, rules)
           : stage == DECIDE_RCPT ? decide_rcpt(facts, rules)
                                  : decide_from(facts, rules);
}
