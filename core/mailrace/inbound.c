#include "inbound.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "core/rand.h"
#include "net/header_scan.h"
#include "net/smtp_service.h"
#include "net/smtp_trace.h"
#include "policy/decide.h"

#include "relay.h"
#include "worker.h"

/* What selection found, copied out of the rules: the session keeps no pointer into them. */
struct inbound_connector {
    struct bytes name, fqdn, banner, range;
    enum rights_principal principal;
    rights_mask rights;
    uint64_t header_octets_max;
    uint64_t hops_max, local_hops_max;
    uint64_t tarpit_ms;
    struct relay_count *count;
    char text[]; /* name, fqdn, banner, range */
};

struct inbound_message {
    struct spool_txn *txn;
    struct header_scan scan;
    uint64_t id;
    uint64_t octets;               /* with our trace header */
    struct mail_envelope envelope; /* a copy that outlives the session */
    struct spool_meta meta;
};

struct inbound {
    struct inbound_link link;
    struct worker *worker;
    struct smtp_service *service; /* NULL once closed */
    struct inbound_connector *connector;
    struct inbound_message *message; /* in its transaction's arena */
    struct timer tarpit;
    struct mail_status tarpitted; /* static text */
    rights_mask missing;          /* of the last refusal */
    const char *reason;
    bool committing, shutting_down;
};

static struct {
    metrics_id connections, refused_connections, accepted, accepted_octets, refused, failed;
} counters;

void inbound_init(void)
{
    counters.connections =
        metrics_counter("mailrace_connections_total", "Connections that were served");
    counters.refused_connections =
        metrics_counter("mailrace_connections_refused_total", "Connections answered 421");
    counters.accepted =
        metrics_counter("mailrace_messages_accepted_total", "Messages committed and answered 250");
    counters.accepted_octets =
        metrics_counter("mailrace_message_octets_accepted_total", "Octets of accepted messages");
    counters.refused =
        metrics_counter("mailrace_commands_refused_total", "Commands answered 4xx or 5xx");
    counters.failed =
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
    char session[17], reply[256], missing[128];
    snprintf(session, sizeof session, "%016" PRIX64, facts->session_id);
    LOG(LOG_INFO, "command_refused", LOG_STR("session", session),
        LOG_ENDPOINT("client", &facts->client), LOG_BYTES("connector", in->connector->name),
        LOG_BYTES("range", in->connector->range), LOG_BYTES("verb", verb),
        LOG_BYTES("argument", argument),
        LOG_STR("reply", mail_status_format(status, reply, sizeof reply)),
        LOG_STR("missing",
                in->missing ? rights_format_short(in->missing, missing, sizeof missing) : "-"),
        LOG_STR("reason", in->reason ? in->reason : "-"));
}

static void on_refused(void *owner, struct bytes verb, struct bytes argument,
                       const struct mail_status *status)
{
    struct inbound *in = owner;
    metrics_add(counters.refused, 1);
    log_refusal(in, verb, argument, status);
    in->missing = 0;
    in->reason = NULL;
}

/* --- MAIL and RCPT: one pure decision each, on the rules as they are now --- */

static void on_tarpit_over(struct timer *t)
{
    struct inbound *in = CONTAINER_OF(t, struct inbound, tarpit);
    smtp_service_answer(in->service, &in->tarpitted);
}

static enum smtp_server_verdict ask(struct inbound *in, enum decide_stage stage,
                                    struct decide_facts *facts, struct mail_status *status)
{
    facts->rights = in->connector->rights;
    facts->principal = in->connector->principal;
    snapshot_read_begin();
    struct decide_verdict verdict = decide(stage, facts, relay_rules_get(relay_of(in))->rules);
    snapshot_read_end();
    if (verdict.accepted)
        return SMTP_SERVER_ANSWERED;
    *status = verdict.status;
    in->missing = verdict.missing;
    in->reason = verdict.reason;
    if (!verdict.tarpit || in->connector->tarpit_ms == 0)
        return SMTP_SERVER_ANSWERED;
    struct loop *loop = worker_loop(in->worker);
    in->tarpitted = verdict.status;
    timer_set(loop_timers(loop), &in->tarpit, loop_now_ms(loop) + in->connector->tarpit_ms);
    return SMTP_SERVER_LATER;
}

static enum smtp_server_verdict on_mail(void *owner, const struct mail_envelope *envelope,
                                        struct mail_status *status)
{
    struct inbound *in = owner;
    if (!spool_accepts(relay_of(in)->spool, envelope->size_declared, status)) {
        in->reason = "the spool takes nothing in now";
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
        .smtputf8 = facts->envelope->smtputf8,
        .single_rcpt =
            facts->envelope->rcpt_count == 1 ? facts->envelope->rcpts[0].address : BYTES_EMPTY,
        .received_at_ms = m->meta.received_at_ms,
    };
    struct bytes line = smtp_trace_received(spool_txn_arena(m->txn), &trace);
    m->octets = line.len;
    return spool_append(m->txn, line) == ERR_OK;
}

static enum smtp_server_verdict on_message_begin(void *owner, struct mail_status *status)
{
    struct inbound *in = owner;
    struct relay *relay = relay_of(in);
    if (!spool_accepts(relay->spool, 0, status)) {
        in->reason = "the spool takes nothing in now";
        return SMTP_SERVER_ANSWERED;
    }
    struct spool_txn *txn = spool_begin(relay->spool, loop_mailbox(worker_loop(in->worker)));
    struct inbound_message *m = ARENA_NEW(spool_txn_arena(txn), struct inbound_message);
    m->txn = txn;
    m->id = spool_txn_id(txn);
    m->scan.local_name = in->connector->fqdn;
    m->meta.received_at_ms = clock_wall_ms();
    in->message = m;
    if (!write_trace(in)) {
        spool_abort(&m->txn);
        in->message = NULL;
        *status = MAIL_STATUS(451, 4, 3, 0, "The message could not be stored, try again later");
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
        return false;
    }
    bool looped = in->connector->local_hops_max && scan->local_hops > in->connector->local_hops_max;
    if (scan->received > in->connector->hops_max || looped) {
        *status = MAIL_STATUS(554, 5, 4, 6, "Hop count exceeded - possible mail loop");
        in->reason = looped ? "max_local_hop_count" : "max_hop_count";
        return false;
    }
    return true;
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
    enum err e = spool_append(m->txn, text);
    if (e == ERR_OK) {
        m->octets += text.len;
        return true;
    }
    in->reason = err_name(e);
    if (e == ERR_NOSPACE)
        *status = MAIL_STATUS(452, 4, 3, 1, "Insufficient system resources");
    else
        *status = MAIL_STATUS(451, 4, 3, 0, "The message could not be stored, try again later");
    return false;
}

static void on_message_abort(void *owner)
{
    struct inbound *in = owner;
    /* A commit under way cannot be taken back: it ends in on_committed(). */
    if (!in->message || in->committing)
        return;
    spool_abort(&in->message->txn);
    in->message = NULL;
}

/* --- Durable: answer, hand on to the scheduler --- */

static void free_session(struct inbound *in)
{
    worker_session_removed(in->worker, in);
    atomic_fetch_sub_explicit(&in->connector->count->sessions, 1, memory_order_relaxed);
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

static struct mail_status failed_status(enum err e)
{
    if (e == ERR_NOSPACE)
        return MAIL_STATUS(452, 4, 3, 1, "Insufficient system resources");
    return MAIL_STATUS(451, 4, 3, 0, "The message could not be stored, try again later");
}

static void on_committed(void *owner, const struct spool_committed *result)
{
    struct inbound *in = owner;
    struct inbound_message *m = in->message;
    struct mail_status status;
    in->committing = false;
    in->message = NULL;
    if (result->err == ERR_OK) {
        metrics_add(counters.accepted, 1);
        metrics_add(counters.accepted_octets, (int64_t)m->meta.octets);
        log_accepted(in, m);
        status = accepted_status(in, m);
        sched_submit(relay_of(in)->sched, &result->ref, &m->envelope, &m->meta, NULL);
    } else {
        metrics_add(counters.failed, 1);
        in->reason = err_name(result->err);
        status = failed_status(result->err);
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
    const struct smtp_server_facts *facts = smtp_server_facts(session_of(in));
    mail_envelope_copy(spool_txn_arena(m->txn), facts->envelope, &m->envelope);
    m->meta.session_id = facts->session_id;
    m->meta.octets = m->octets;
    m->meta.notes = facts->data_notes;
    m->meta.client = facts->client.addr;
    m->meta.connector = in->connector->name;
    m->meta.message_id = bytes_of(m->scan.message_id);
    in->committing = true;
    spool_commit(m->txn, &m->envelope, &m->meta, on_committed, in);
    return SMTP_SERVER_LATER;
}

/* TLS changes nothing in who an address is; identities by certificate are looked up here later. */
static void on_tls(void *owner)
{
    struct inbound *in = owner;
    const struct smtp_server_facts *facts = smtp_server_facts(session_of(in));
    LOG(LOG_DEBUG, "tls_started", LOG_ENDPOINT("client", &facts->client),
        LOG_STR("version", facts->tls->version), LOG_STR("cipher", facts->tls->cipher));
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    struct inbound *in = owner;
    LOG(LOG_DEBUG, "session_closed", LOG_BYTES("connector", in->connector->name),
        LOG_STR("reason", err_name(reason)), LOG_STR("detail", text ? text : ""));
    in->service = NULL;
    timer_cancel(&in->tarpit);
    if (!in->committing)
        free_session(in);
}

static const struct smtp_server_ops SESSION_OPS = {
    .on_mail = on_mail,
    .on_rcpt = on_rcpt,
    .on_message_begin = on_message_begin,
    .on_message_text = on_message_text,
    .on_message_end = on_message_end,
    .on_message_abort = on_message_abort,
    .on_refused = on_refused,
    .on_tls = on_tls,
};

/* --- A new connection: which connector, with which limits --- */

static struct bytes copy_text(char **at, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    char *start = *at;
    if (len)
        memcpy(start, text, len);
    start[len] = '\0';
    *at = start + len + 1;
    return bytes_make(start, len);
}

/* Room for all four texts; what does not fit is cut by check(): names are at most 255 octets. */
#define CONNECTOR_TEXT_BYTES 2048

static void fill_settings(const struct receive_connector *c, bool has_tls,
                          struct smtp_server_settings *s)
{
    unsigned x = 0;
    x |= c->size_enabled ? SMTP_SERVER_SIZE : 0;
    x |= c->size_enabled && c->size_without_value ? SMTP_SERVER_SIZE_WITHOUT_VALUE : 0;
    x |= c->pipelining_enabled ? SMTP_SERVER_PIPELINING : 0;
    x |= c->delivery_status_notification_enabled ? SMTP_SERVER_DSN : 0;
    x |= c->enhanced_status_codes_enabled ? SMTP_SERVER_ENHANCEDSTATUSCODES : 0;
    x |= has_tls && (c->auth_mechanism & RECEIVE_AUTH_TLS) ? SMTP_SERVER_STARTTLS : 0;
    x |= c->eight_bit_mime_enabled ? SMTP_SERVER_8BITMIME : 0;
    x |= c->chunking_enabled ? SMTP_SERVER_CHUNKING : 0;
    x |= c->smtp_utf8_enabled ? SMTP_SERVER_SMTPUTF8 : 0;
    s->extensions = x;
    s->rcpts_max = c->max_recipients_per_message;
    s->protocol_errors_max = c->max_protocol_errors;
    s->address_max = 571;
    s->inactivity_timeout_ms = c->connection_inactivity_timeout_ms;
    s->connection_timeout_ms = c->connection_timeout_ms;
    s->min_data_rate_bytes_s = 500;
    s->require_tls = c->require_tls;
    s->require_ehlo_domain = c->require_ehlo_domain;
    s->normalize_bare_linefeed = !c->bare_linefeed_rejection_enabled;
}

static void fill_connector(const struct relay_rules *rules, const struct ruleset_match *match,
                           struct inbound_connector *to)
{
    const struct receive_connector *c = match->connector;
    char *at = to->text;
    to->name = copy_text(&at, c->name);
    to->fqdn = copy_text(&at, c->fqdn ? c->fqdn : rules->conf->hostname);
    to->banner = copy_text(&at, c->banner);
    to->range = copy_text(&at, match->range->text);
    to->principal = ruleset_first_principal(c);
    to->rights = ruleset_rights(rules->rules, match->connector_index, to->principal);
    to->header_octets_max = c->max_header_size_bytes;
    to->hops_max = c->max_hop_count;
    to->local_hops_max = c->max_local_hop_count;
    to->tarpit_ms = c->tarpit_interval_ms;
    to->count = rules->counts[match->connector_index];
}

struct selection {
    bool found, full;
    uint64_t connections_max;
    struct smtp_server_settings settings;
    struct tls_context *tls;
};

/* Everything that the session needs, copied out inside one read section. */
static void select_connector(struct relay *relay, const struct endpoint *peer,
                             const struct endpoint *local, struct inbound_connector *connector,
                             struct selection *out)
{
    snapshot_read_begin();
    const struct relay_rules *rules = relay_rules_get(relay);
    struct ruleset_match match = ruleset_select(rules->rules, local, &peer->addr);
    if (match.connector) {
        out->found = true;
        fill_connector(rules, &match, connector);
        fill_settings(match.connector, rules->tls_server != NULL, &out->settings);
        out->settings.message_size_max = connector->rights & RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT
                                             ? UINT64_MAX
                                             : match.connector->max_message_size_bytes;
        out->connections_max = match.connector->max_inbound_connection;
        if (out->settings.extensions & SMTP_SERVER_STARTTLS)
            out->tls = tls_context_ref(rules->tls_server);
    }
    snapshot_read_end();
}

static void refuse_unmatched(int fd, const struct endpoint *peer, const struct endpoint *local)
{
    static const char reply[] = "421 4.3.2 Service not available\r\n";
    metrics_add(counters.refused_connections, 1);
    LOG(LOG_WARNING, "connection_refused", LOG_ENDPOINT("client", peer),
        LOG_ENDPOINT("local", local), LOG_STR("reply", "421 4.3.2 Service not available"),
        LOG_STR("reason", "no receive connector has a remote range that holds this client"));
    ssize_t ignored = write(fd, reply, sizeof reply - 1); /* best effort: it is closed anyway */
    (void)ignored;
    close(fd);
}

void inbound_accept(struct worker *worker, int fd, const struct endpoint *peer,
                    const struct endpoint *local)
{
    struct relay *relay = worker_relay(worker);
    struct inbound_connector *connector = mem_alloc(sizeof *connector + CONNECTOR_TEXT_BYTES);
    struct selection chosen = {0};
    select_connector(relay, peer, local, connector, &chosen);
    if (!chosen.found) {
        mem_free(connector);
        refuse_unmatched(fd, peer, local);
        return;
    }
    struct inbound *in = MEM_NEW(struct inbound);
    in->worker = worker;
    in->connector = connector;
    in->tarpit.on_due = on_tarpit_over;
    chosen.settings.fqdn = connector->fqdn;
    chosen.settings.banner = connector->banner;
    uint64_t before =
        atomic_fetch_add_explicit(&connector->count->sessions, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&relay->sessions, 1, memory_order_relaxed);
    bool full = before >= chosen.connections_max;
    const struct mail_status too_many =
        MAIL_STATUS(421, 4, 3, 2,
                    "The maximum number of concurrent connections has exceeded a limit, closing "
                    "transmission channel");
    if (full)
        LOG(LOG_WARNING, "connection_refused", LOG_ENDPOINT("client", peer),
            LOG_BYTES("connector", connector->name), LOG_U64("limit", chosen.connections_max),
            LOG_STR("reason", "max_inbound_connection"));
    metrics_add(full ? counters.refused_connections : counters.connections, 1);
    struct smtp_server_facts facts = {.session_id = rand_u64(), .client = *peer, .local = *local};
    worker_session_added(worker, in);
    in->service = smtp_service_start(worker_loop(worker), fd, &chosen.settings, &facts, chosen.tls,
                                     full ? &too_many : NULL, &SESSION_OPS, in, on_closed);
    tls_context_unref(&chosen.tls);
}

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
