#include "mailrace/inbound.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/mem.h"
#include "net/header_from.h"
#include "net/smtp_trace.h"
#include "policy/decide.h"

#include "mailrace/inbound_private.h"
#include "mailrace/relay.h"
#include "mailrace/worker.h"

/* Of all From and Sender fields: more is refused to whom it would have to be compared. */
#define FROM_KEPT_MAX 2048

struct inbound_counters inbound_counters;

void inbound_init(void)
{
    inbound_counters.connections =
        metrics_counter("mailrace_connections_total", "Connections that were served");
    inbound_counters.refused_connections =
        metrics_counter("mailrace_connections_refused_total", "Connections answered 421");
    inbound_counters.accepted =
        metrics_counter("mailrace_messages_accepted_total", "Messages committed and answered 250");
    inbound_counters.accepted_octets =
        metrics_counter("mailrace_message_octets_accepted_total", "Octets of accepted messages");
    inbound_counters.refused =
        metrics_counter("mailrace_commands_refused_total", "Commands answered 4xx or 5xx");
    inbound_counters.logons = metrics_counter("mailrace_logons_total", "AUTH answered 235");
    inbound_counters.failed_logons =
        metrics_counter("mailrace_logons_failed_total", "AUTH answered 535");
    inbound_counters.failed =
        metrics_counter("mailrace_commits_failed_total", "Messages that the spool could not store");
}

struct inbound *inbound_next(const struct inbound *in)
{
    return in->link.next;
}

struct inbound_link *inbound_link(struct inbound *in)
{
    return &in->link;
}

static struct relay *relay_of(const struct inbound *in)
{
    return worker_relay(in->worker);
}

static struct smtp_server *session_of(const struct inbound *in)
{
    return smtp_service_session(in->service);
}

/* --- Refusals are always logged: who, where, what, and the right that was missing --- */

static void log_refusal(const struct inbound *in, struct bytes verb, struct bytes argument,
                        const struct mail_status *status)
{
    const struct smtp_server_facts *facts = smtp_server_facts(session_of(in));
    char session[17], reply[256];
    snprintf(session, sizeof session, "%016" PRIX64, facts->session_id);
    LOG_ALWAYS(LOG_INFO, "command_refused", LOG_STR("session", session),
               LOG_ENDPOINT("client", &facts->client), LOG_BYTES("connector", in->connector->name),
               LOG_BYTES("range", in->connector->range), LOG_BYTES("verb", verb),
               LOG_BYTES("argument", argument),
               LOG_STR("reply", mail_status_format(status, reply, sizeof reply)),
               LOG_STR("missing", in->missing ? rights_name((enum rights_right)in->missing) : "-"),
               LOG_STR("reason", in->reason ? in->reason : "-"));
}

static void refuse(struct inbound *in, struct bytes verb, struct bytes argument,
                   const struct mail_status *status)
{
    metrics_add(inbound_counters.refused, 1);
    log_refusal(in, verb, argument, status);
    in->missing = 0;
    in->reason = NULL;
}

/* What the session itself refuses: syntax, order, limits. */
static void on_refused(void *owner, struct bytes verb, struct bytes argument,
                       const struct mail_status *status)
{
    refuse(owner, verb, argument, status);
}

/* --- MAIL and RCPT: one pure decision each, on the rules as they are now --- */

void inbound_tarpit_over(struct timer *t)
{
    struct inbound *in = CONTAINER_OF(t, struct inbound, tarpit);
    smtp_service_answer(in->service, &in->tarpitted);
}

/* STATUS goes out when the tarpit's time is over; false: there is none. */
static bool tarpit(struct inbound *in, const struct mail_status *status)
{
    struct loop *loop = worker_loop(in->worker);
    if (in->connector->tarpit_ms == 0)
        return false;
    in->tarpitted = *status;
    inbound_protocol_tarpit(in, in->connector->tarpit_ms);
    timer_set(loop_timers(loop), &in->tarpit, loop_now_ms(loop) + in->connector->tarpit_ms);
    return true;
}

static enum smtp_server_verdict on_tarpit(void *owner, const struct mail_status *status)
{
    return tarpit(owner, status) ? SMTP_SERVER_LATER : SMTP_SERVER_ANSWERED;
}

static struct decide_verdict decide_now(struct inbound *in, enum decide_stage stage,
                                        struct decide_facts *facts)
{
    snapshot_read_begin();
    const struct relay_rules *published = relay_rules_get(relay_of(in));
    const struct ruleset *rules = published->rules;
    facts->rights = inbound_rights_now(in, published, stage == DECIDE_MAIL);
    facts->principal = in->connector->principal;
    if (stage != DECIDE_RCPT && decide_from_matters(facts->rights))
        facts->sender_entitled = inbound_may_send_as(in, rules, facts->sender);
    if (stage == DECIDE_RCPT && ruleset_rewrites(rules))
        inbound_rcpt_rewrite(in, ruleset_rewrites(rules), facts);
    struct decide_verdict verdict = decide(stage, facts, rules);
    if (stage == DECIDE_RCPT && verdict.accepted && facts->rcpt_domain.len == 0)
        inbound_postmaster_complete(in, rules);
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

static enum smtp_server_verdict ask(struct inbound *in, enum decide_stage stage,
                                    struct decide_facts *facts, struct mail_status *status)
{
    struct decide_verdict verdict = decide_now(in, stage, facts);
    if (verdict.accepted)
        return SMTP_SERVER_ANSWERED;
    *status = verdict.status;
    in->missing = verdict.missing;
    in->reason = verdict.reason;
    refuse(in, verb_of(stage), stage == DECIDE_RCPT ? facts->rcpt : facts->sender, status);
    return verdict.tarpit && tarpit(in, status) ? SMTP_SERVER_LATER : SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict on_mail(void *owner, const struct mail_envelope *envelope,
                                        struct mail_status *status)
{
    struct inbound *in = owner;
    if (!spool_accepts(relay_of(in)->spool, envelope->size_declared, status)) {
        in->reason = "the spool takes nothing in now";
        refuse(in, BYTES("MAIL"), envelope->sender, status);
        return SMTP_SERVER_ANSWERED;
    }
    if (!inbound_rate_allows(in, envelope->sender)) {
        *status = MAIL_STATUS(421, 4, 4, 2,
                              "Message submission rate for this client has exceeded the configured "
                              "limit");
        in->reason = "message_rate_limit";
        refuse(in, BYTES("MAIL"), envelope->sender, status);
        return SMTP_SERVER_ANSWERED;
    }
    struct decide_facts facts = {
        .sender = envelope->sender,
        .sender_domain = mail_domain(envelope->sender),
    };
    return ask(in, DECIDE_MAIL, &facts, status);
}

static enum smtp_server_verdict on_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                        struct bytes path_domain, struct mail_status *status)
{
    struct inbound *in = owner;
    const struct mail_envelope *envelope = smtp_server_facts(session_of(in))->envelope;
    struct decide_facts facts = {
        .sender = envelope->sender,
        .sender_domain = mail_domain(envelope->sender),
        .rcpt = rcpt->address,
        .rcpt_domain = path_domain,
        .rejected_domains = in->connector->rejected_domains,
    };
    return ask(in, DECIDE_RCPT, &facts, status);
}

/* --- The message: trace header first, then the client's bytes as they come --- */

static bool write_trace(struct inbound *in)
{
    const struct smtp_server_facts *facts = smtp_server_facts(session_of(in));
    struct inbound_message *m = in->message;
    struct smtp_trace trace = {
        .helo = facts->helo,
        .client = facts->client.addr,
        .by = in->connector->fqdn,
        .id = m->id,
        .tls = facts->tls,
        .esmtp = facts->esmtp,
        .authenticated = facts->user.len > 0,
        .smtputf8 = facts->envelope->options & MAIL_OPTION_SMTPUTF8,
        .single_rcpt =
            facts->envelope->rcpt_count == 1 ? facts->envelope->rcpts[0].address : BYTES_EMPTY,
        .received_at_ms = m->meta.received_at_ms,
    };
    struct bytes line = smtp_trace_received(spool_txn_arena(m->txn), &trace);
    m->octets = line.len;
    return spool_append(m->txn, line) == ERR_OK;
}

/* The message lives in its transaction's arena: the pointer to it must not. */
static void abort_message(struct inbound *in)
{
    struct spool_txn *txn = in->message->txn;
    in->message = NULL;
    spool_abort(&txn);
}

static enum smtp_server_verdict on_message_begin(void *owner, struct mail_status *status)
{
    struct inbound *in = owner;
    struct relay *relay = relay_of(in);
    const struct mail_envelope *envelope = smtp_server_facts(session_of(in))->envelope;
    uint64_t declared = envelope->size_declared;
    if (!spool_accepts(relay->spool, declared, status)) {
        in->reason = "the spool takes nothing in now";
        refuse(in, BYTES("DATA"), BYTES_EMPTY, status);
        return SMTP_SERVER_ANSWERED;
    }
    struct spool_txn *txn = spool_begin(relay->spool, loop_mailbox(worker_loop(in->worker)));
    spool_txn_expect(txn, declared);
    struct inbound_message *m = ARENA_NEW(spool_txn_arena(txn), struct inbound_message);
    m->txn = txn;
    m->id = spool_txn_id(txn);
    m->scan.local_name = in->connector->fqdn;
    m->scan.strict = envelope->body == MAIL_BODY_BINARYMIME;
    if (decide_from_matters(in->connector->rights)) {
        m->scan.from_max = FROM_KEPT_MAX;
        m->scan.from = arena_alloc(spool_txn_arena(txn), FROM_KEPT_MAX);
    }
    m->meta.received_at_ms = clock_wall_ms();
    in->message = m;
    if (!write_trace(in) || inbound_header_begin(in) != ERR_OK) {
        abort_message(in);
        *status = MAIL_STATUS(451, 4, 3, 0, "The message could not be stored, try again later");
        refuse(in, BYTES("DATA"), BYTES_EMPTY, status);
    }
    return SMTP_SERVER_ANSWERED;
}

/* The limits that a message's header can break; true if it keeps them. */
static bool header_allowed(struct inbound *in, struct mail_status *status)
{
    const struct header_scan *scan = &in->message->scan;
    if (scan->octets > in->connector->header_octets_max) {
        *status = MAIL_STATUS(552, 5, 3, 4, "Header size exceeds fixed maximum size");
        in->reason = "max_header_size";
        smtp_server_close_after(session_of(in)); /* as Exchange does */
        refuse(in, BYTES("message"), BYTES_EMPTY, status);
        return false;
    }
    /* What is no line here may be one to a reader: no field may hide from the firewall so. */
    if (scan->stray) {
        *status = MAIL_STATUS(550, 5, 6, 0, "Bare CR, LF or NUL not allowed in a message's header");
        in->reason = "the header of a binary message is not made of lines";
        refuse(in, BYTES("message"), BYTES_EMPTY, status);
        return false;
    }
    bool looped = in->connector->local_hops_max && scan->local_hops > in->connector->local_hops_max;
    if (scan->received > in->connector->hops_max || looped) {
        *status = MAIL_STATUS(554, 5, 4, 6, "Hop count exceeded - possible mail loop");
        in->reason = looped ? "max_local_hop_count" : "max_hop_count";
        refuse(in, BYTES("message"), BYTES_EMPTY, status);
        return false;
    }
    return true;
}

static struct mail_status failed_status(enum err e)
{
    if (e == ERR_NOSPACE)
        return MAIL_STATUS(452, 4, 3, 1, "Insufficient system resources");
    return MAIL_STATUS(451, 4, 3, 0, "The message could not be stored, try again later");
}

static bool stored(struct inbound *in, enum err e, struct mail_status *status)
{
    if (e == ERR_OK)
        return true;
    in->reason = err_name(e);
    *status = failed_status(e);
    refuse(in, BYTES("message"), BYTES_EMPTY, status);
    return false;
}

static bool on_message_text(void *owner, struct bytes text, struct mail_status *status)
{
    struct inbound *in = owner;
    struct inbound_message *m = in->message;
    if (!m->scan.ended) {
        header_scan_feed(&m->scan, text);
        if (!header_allowed(in, status))
            return false;
    }
    return stored(in, inbound_text_append(in, text), status);
}

/* The senders that a reader sees. A code of 4xx or 5xx in STATUS: refused. */
static enum smtp_server_verdict ask_from(struct inbound *in, struct mail_status *status)
{
    const struct header_scan *scan = &in->message->scan;
    struct bytes rest = bytes_make(scan->from, scan->from_len);
    enum smtp_server_verdict verdict = SMTP_SERVER_ANSWERED;
    char address[HEADER_FROM_ADDRESS_MAX];
    size_t len = 0;
    bool any = false;
    while (status->code < 400 && header_from_next(&rest, address, &len)) {
        struct decide_facts facts = {.sender = bytes_make(address, len)};
        facts.sender_domain = mail_domain(facts.sender);
        any = true;
        verdict = ask(in, DECIDE_FROM, &facts, status);
    }
    if (status->code >= 400 || !scan->has_from || (any && !scan->from_cut))
        return verdict;
    struct decide_facts facts = {
        .sender = BYTES_EMPTY, .sender_domain = BYTES_EMPTY, .sender_hidden = scan->from_cut};
    return ask(in, DECIDE_FROM, &facts, status);
}

static void on_message_abort(void *owner)
{
    struct inbound *in = owner;
    /* A commit under way cannot be taken back: it ends in on_committed(). */
    if (!in->message || in->committing)
        return;
    abort_message(in);
}

/* --- Durable: answer, hand on to the scheduler --- */

static void free_session(struct inbound *in)
{
    worker_session_removed(in->worker, in);
    atomic_fetch_sub_explicit(&in->connector->count->sessions, 1, memory_order_relaxed);
    source_table_leave(relay_of(in)->sources, in->connector->source);
    atomic_fetch_sub_explicit(&relay_of(in)->sessions, 1, memory_order_relaxed);
    mem_free(in->connector);
    mem_free(in);
}

static void log_accepted(const struct inbound *in, const struct inbound_message *m)
{
    char session[17];
    snprintf(session, sizeof session, "%016" PRIX64, m->meta.session_id);
    LOG(LOG_INFO, "message_accepted", LOG_U64("id", m->id), LOG_STR("session", session),
        LOG_IP("client", &m->meta.client), LOG_BYTES("connector", in->connector->name),
        LOG_BYTES("from", m->envelope.sender), LOG_BYTES("to", m->envelope.rcpts[0].address),
        LOG_U64("rcpts", m->envelope.rcpt_count), LOG_U64("octets", m->meta.octets),
        LOG_BYTES("message_id", m->meta.message_id));
}

static struct mail_status accepted_status(const struct inbound *in, const struct inbound_message *m)
{
    struct mail_status status = MAIL_STATUS(250, 2, 6, 0, "");
    struct arena *arena = spool_txn_arena(m->txn);
    const char *text =
        m->meta.message_id.len
            ? arena_printf(arena,
                           BYTES_FMT " [InternalId=%" PRIu64 ", Hostname=" BYTES_FMT
                                     "] Queued mail for delivery",
                           BYTES_ARG(m->meta.message_id), m->id, BYTES_ARG(in->connector->fqdn))
            : arena_printf(arena,
                           "<%" PRIu64 "@" BYTES_FMT "> [InternalId=%" PRIu64
                           ", Hostname=" BYTES_FMT "] Queued mail for delivery",
                           m->id, BYTES_ARG(in->connector->fqdn), m->id,
                           BYTES_ARG(in->connector->fqdn));
    status.text = bytes_of(text);
    return status;
}

/* Whoever was told 4xx may never see the message delivered, and whoever hears nothing must reckon
 * with both (RFC 5321 4.5.4.1, RFC 1047). */
static void leave_unanswered(struct inbound *in, uint64_t id)
{
    LOG(LOG_ERROR, "message_unanswered", LOG_U64("id", id),
        LOG_BYTES("connector", in->connector->name), LOG_STR("reason", in->reason));
    smtp_service_abort(in->service);
}

static void on_committed(void *owner, const struct spool_committed *result)
{
    struct inbound *in = owner;
    struct inbound_message *m = in->message;
    struct mail_status status;
    in->committing = false;
    in->message = NULL;
    if (result->err == ERR_OK) {
        metrics_add(inbound_counters.accepted, 1);
        metrics_add(inbound_counters.accepted_octets, (int64_t)m->meta.octets);
        log_accepted(in, m);
        status = accepted_status(in, m);
        sched_submit(relay_of(in)->sched, &result->ref, &m->envelope, &m->meta, NULL);
    } else {
        metrics_add(inbound_counters.failed, 1);
        in->reason = err_name(result->err);
        status = failed_status(result->err);
        if (in->service && result->doubtful) {
            leave_unanswered(in, m->id);
            return;
        }
        if (in->service)
            refuse(in, BYTES("message"), BYTES_EMPTY, &status);
    }
    if (!in->service) {
        free_session(in);
        return;
    }
    smtp_service_answer(in->service, &status);
    if (in->shutting_down && in->service)
        smtp_service_shutdown(in->service);
}

static enum smtp_server_verdict on_message_end(void *owner, struct mail_status *status)
{
    struct inbound *in = owner;
    struct inbound_message *m = in->message;
    /* A message that is all header ends here, not at an empty line. */
    if (!header_allowed(in, status))
        return SMTP_SERVER_ANSWERED;
    if (m->scan.from) {
        enum smtp_server_verdict verdict = ask_from(in, status);
        if (status->code >= 400)
            return verdict;
    }
    const struct smtp_server_facts *facts = smtp_server_facts(session_of(in));
    if (!stored(in, inbound_text_end(in, facts->data_notes), status))
        return SMTP_SERVER_ANSWERED;
    mail_envelope_copy(spool_txn_arena(m->txn), facts->envelope, &m->envelope);
    m->meta.session_id = facts->session_id;
    m->meta.octets = m->octets;
    m->meta.client = facts->client.addr;
    m->meta.connector = in->connector->name;
    m->meta.message_id = bytes_of(m->scan.message_id);
    in->committing = true;
    spool_commit(m->txn, &m->envelope, &m->meta, on_committed, in);
    return SMTP_SERVER_LATER;
}

/* Whoever had logged on before is unknown again; identities by certificate are looked up here
 * later. */
static void on_tls(void *owner)
{
    struct inbound *in = owner;
    inbound_identity_reset(in);
    const struct smtp_server_facts *facts = smtp_server_facts(session_of(in));
    inbound_protocol_tls(in, facts->tls);
    inbound_protocol_rights(in);
    LOG(LOG_DEBUG, "tls_started", LOG_ENDPOINT("client", &facts->client),
        LOG_STR("version", facts->tls->version), LOG_STR("cipher", facts->tls->cipher));
}

/* Whoever cannot agree on TLS gets no reply: here it is said why. */
static void log_failed_tls(const struct inbound *in, const char *text)
{
    const struct smtp_server_facts *facts = smtp_server_facts(session_of(in));
    char session[17];
    snprintf(session, sizeof session, "%016" PRIX64, facts->session_id);
    LOG_ALWAYS(LOG_INFO, "tls_failed", LOG_STR("session", session),
               LOG_ENDPOINT("client", &facts->client), LOG_BYTES("connector", in->connector->name),
               LOG_BYTES("range", in->connector->range), LOG_STR("verb", "STARTTLS"),
               LOG_STR("reason", text ? text : "the client went away"));
}

void inbound_closed(void *owner, enum err reason, const char *text)
{
    struct inbound *in = owner;
    if (in->service && smtp_server_negotiating(session_of(in)))
        log_failed_tls(in, text);
    LOG(LOG_DEBUG, "session_closed", LOG_BYTES("connector", in->connector->name),
        LOG_STR("reason", err_name(reason)), LOG_STR("detail", text ? text : ""));
    inbound_protocol_end(in, reason == ERR_OK || reason == ERR_LIMIT);
    in->service = NULL;
    timer_cancel(&in->tarpit);
    inbound_logon_abandon(in);
    if (!in->committing)
        free_session(in);
}

#define SESSION_OPS                                                                                \
    .on_mail = on_mail, .on_rcpt = on_rcpt, .on_message_begin = on_message_begin,                  \
    .on_message_text = on_message_text, .on_message_end = on_message_end,                          \
    .on_message_abort = on_message_abort, .on_refused = on_refused, .on_tls = on_tls,              \
    .on_auth = inbound_on_auth, .on_tarpit = on_tarpit

const struct smtp_server_ops INBOUND_SESSION_OPS = {SESSION_OPS};
const struct smtp_server_ops INBOUND_LOGGED_SESSION_OPS = {SESSION_OPS,
                                                           .on_protocol = inbound_on_protocol};

void inbound_shutdown(struct inbound *in)
{
    in->shutting_down = true;
    if (in->service && !in->committing)
        smtp_service_shutdown(in->service);
}

void inbound_abort(struct inbound *in)
{
    if (in->service)
        smtp_service_abort(in->service);
}
