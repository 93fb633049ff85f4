/* The message: our trace header first, then the client's bytes as they come, then the commit, the
 * answer, and the word to the scheduler.
 */
#include "mailrace/inbound_session_private.h"

#include <inttypes.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "net/header_from.h"
#include "net/smtp_trace.h"
#include "queue/sched.h"

/* Of all From and Sender fields: more is refused to clients that it would have to be compared to.
 */
#define FROM_KEPT_MAX 2048

/* --- Begin --- */

static bool write_trace(struct inbound *in)
{
    const struct smtp_server_facts *facts = inbound_facts(in);
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

enum smtp_server_verdict inbound_on_message_begin(void *owner, struct mail_status *status)
{
    struct inbound *in = owner;
    struct inbound_services *services = in->services;
    ASSERT(!in->message && !in->committing);
    const struct mail_envelope *envelope = inbound_facts(in)->envelope;
    uint64_t declared = envelope->size_declared;
    if (!spool_accepts(services->spool, declared, status)) {
        in->reason = "the spool takes nothing in now";
        inbound_refuse(in, BYTES("DATA"), BYTES_EMPTY, status);
        return SMTP_SERVER_ANSWERED;
    }
    struct spool_txn *txn = spool_begin(services->spool, loop_mailbox(services->loop));
    spool_txn_expect(txn, declared);
    struct inbound_message *m = ARENA_NEW(spool_txn_arena(txn), struct inbound_message);
    m->txn = txn;
    m->id = spool_txn_id(txn);
    m->scan.local_name = in->connector->fqdn;
    m->scan.strict = envelope->body == MAIL_BODY_BINARYMIME;
    if (decide_from_matters(in->identity.rights)) {
        m->scan.from_max = FROM_KEPT_MAX;
        m->scan.from = arena_alloc(spool_txn_arena(txn), FROM_KEPT_MAX);
    }
    m->meta.received_at_ms = clock_wall_ms();
    in->message = m;
    if (!write_trace(in) || inbound_header_begin(in) != ERR_OK) {
        abort_message(in);
        *status = MAIL_STATUS(451, 4, 3, 0, "The message could not be stored, try again later");
        inbound_refuse(in, BYTES("DATA"), BYTES_EMPTY, status);
    }
    return SMTP_SERVER_ANSWERED;
}

/* The limits that a message's header can break; true if it keeps them. */
static bool header_allowed(struct inbound *in, struct mail_status *status)
{
    const struct header_scan *scan = &in->message->scan;
    if (scan->octets > in->connector->settings.max_header_size_bytes) {
        *status = MAIL_STATUS(552, 5, 3, 4, "Header size exceeds fixed maximum size");
        in->reason = "max_header_size";
        smtp_server_close_after(inbound_smtp(in)); /* as Exchange does */
        inbound_refuse(in, BYTES("message"), BYTES_EMPTY, status);
        return false;
    }
    /* What is no line here may be one to a reader: no field may hide from the firewall so. */
    if (scan->stray) {
        *status = MAIL_STATUS(550, 5, 6, 0, "Bare CR, LF or NUL not allowed in a message's header");
        in->reason = "the header of a binary message is not made of lines";
        inbound_refuse(in, BYTES("message"), BYTES_EMPTY, status);
        return false;
    }
    const struct receive_connector *limits = &in->connector->settings;
    bool looped = limits->max_local_hop_count && scan->local_hops > limits->max_local_hop_count;
    if (scan->received > limits->max_hop_count || looped) {
        *status = MAIL_STATUS(554, 5, 4, 6, "Hop count exceeded - possible mail loop");
        in->reason = looped ? "max_local_hop_count" : "max_hop_count";
        inbound_refuse(in, BYTES("message"), BYTES_EMPTY, status);
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
    inbound_refuse(in, BYTES("message"), BYTES_EMPTY, status);
    return false;
}

bool inbound_on_message_text(void *owner, struct bytes text, struct mail_status *status)
{
    struct inbound *in = owner;
    struct inbound_message *m = in->message;
    ASSERT(m && !in->committing);
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
        verdict = inbound_ask(in, DECIDE_FROM, &facts, status);
    }
    if (status->code >= 400 || !scan->has_from || (any && !scan->from_cut))
        return verdict;
    struct decide_facts facts = {
        .sender = BYTES_EMPTY, .sender_domain = BYTES_EMPTY, .sender_hidden = scan->from_cut};
    return inbound_ask(in, DECIDE_FROM, &facts, status);
}

void inbound_on_message_abort(void *owner)
{
    struct inbound *in = owner;
    /* A commit under way cannot be taken back: it ends in on_committed(). */
    if (!in->message || in->committing)
        return;
    abort_message(in);
}

/* --- Durable: answer, hand on to the scheduler --- */

static void log_accepted(const struct inbound *in, const struct inbound_message *m)
{
    char session[INBOUND_SESSION_TEXT];
    LOG(LOG_INFO, "message_accepted", LOG_U64("id", m->id),
        LOG_STR("session", inbound_session_text(m->meta.session_id, session)),
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

/* A client that was told 4xx may never see the message delivered; one that hears nothing must
 * reckon with both (RFC 5321 4.5.4.1, RFC 1047). */
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
    ASSERT(in->committing && m);
    in->committing = false;
    in->message = NULL;
    if (result->err == ERR_OK) {
        metrics_add(inbound_counters.accepted, 1);
        metrics_add(inbound_counters.accepted_octets, (int64_t)m->meta.octets);
        log_accepted(in, m);
        status = accepted_status(in, m);
        sched_submit(in->services->sched, &result->ref, &m->envelope, &m->meta, NULL);
    } else {
        metrics_add(inbound_counters.failed, 1);
        in->reason = err_name(result->err);
        status = failed_status(result->err);
        if (in->service && result->doubtful) {
            leave_unanswered(in, m->id);
            return;
        }
        if (in->service)
            inbound_refuse(in, BYTES("message"), BYTES_EMPTY, &status);
    }
    if (!in->service) {
        inbound_session_free(in);
        return;
    }
    smtp_service_answer(in->service, &status);
    if (in->shutting_down && in->service)
        smtp_service_shutdown(in->service);
}

enum smtp_server_verdict inbound_on_message_end(void *owner, struct mail_status *status)
{
    struct inbound *in = owner;
    struct inbound_message *m = in->message;
    ASSERT(m && !in->committing);
    /* A message that is all header ends here, not at an empty line. */
    if (!header_allowed(in, status))
        return SMTP_SERVER_ANSWERED;
    if (m->scan.from) {
        enum smtp_server_verdict verdict = ask_from(in, status);
        if (status->code >= 400)
            return verdict;
    }
    const struct smtp_server_facts *facts = inbound_facts(in);
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
