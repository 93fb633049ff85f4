/* A client's connection: accepted, served by the table of its session's questions, closed. */
#include "mailrace/inbound.h"

#include <unistd.h>

#include "core/log.h"
#include "core/rand.h"

#include "mailrace/inbound_session_private.h"

/* What the session itself refuses: syntax, order, limits. */
static void on_refused(void *owner, struct bytes verb, struct bytes argument,
                       const struct mail_status *status)
{
    inbound_refuse(owner, verb, argument, status);
}

static enum smtp_server_verdict on_tarpit(void *owner, const struct mail_status *status)
{
    struct inbound *in = owner;
    bool waits = inbound_tarpit(in, in->connector->settings.tarpit_interval_ms, status);
    return waits ? SMTP_SERVER_LATER : SMTP_SERVER_ANSWERED;
}

/* A client that had logged on before is unknown again; identities by certificate are looked up here
 * later. */
static void on_tls(void *owner)
{
    struct inbound *in = owner;
    inbound_rights_reset(in);
    const struct smtp_server_facts *facts = inbound_facts(in);
    inbound_protocol_tls(in, facts->tls);
    inbound_protocol_rights(in);
    LOG(LOG_DEBUG, "tls_started", LOG_ENDPOINT("client", &facts->client),
        LOG_STR("version", facts->tls->version), LOG_STR("cipher", facts->tls->cipher));
}

/* A client that cannot agree on TLS gets no reply: here it is said why. */
static void log_failed_tls(const struct inbound *in, const char *text)
{
    const struct smtp_server_facts *facts = inbound_facts(in);
    char session[INBOUND_SESSION_TEXT];
    LOG_ALWAYS(LOG_INFO, "tls_failed",
               LOG_STR("session", inbound_session_text(facts->session_id, session)),
               LOG_ENDPOINT("client", &facts->client), LOG_BYTES("connector", in->connector->name),
               LOG_STR("range", in->range), LOG_STR("verb", "STARTTLS"),
               LOG_STR("reason", text ? text : "the client went away"));
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    struct inbound *in = owner;
    if (in->service && smtp_server_negotiating(inbound_smtp(in)))
        log_failed_tls(in, text);
    LOG(LOG_DEBUG, "session_closed", LOG_BYTES("connector", in->connector->name),
        LOG_STR("reason", err_name(reason)), LOG_STR("detail", text ? text : ""));
    inbound_protocol_end(in, reason == ERR_OK || reason == ERR_LIMIT);
    in->service = NULL;
    timer_cancel(&in->tarpit);
    inbound_auth_abandon(in);
    if (!in->committing)
        inbound_session_free(in);
}

#define SESSION_OPS                                                                                \
    .on_mail = inbound_on_mail, .on_rcpt = inbound_on_rcpt,                                        \
    .on_message_begin = inbound_on_message_begin, .on_message_text = inbound_on_message_text,      \
    .on_message_end = inbound_on_message_end, .on_message_abort = inbound_on_message_abort,        \
    .on_refused = on_refused, .on_tls = on_tls, .on_auth = inbound_on_auth, .on_tarpit = on_tarpit

static const struct smtp_server_ops session_ops = {SESSION_OPS};
static const struct smtp_server_ops logged_session_ops = {SESSION_OPS,
                                                          .on_protocol = inbound_on_protocol};

/* --- Accept --- */

static void refuse_unmatched(int fd, const struct endpoint *peer, const struct endpoint *local)
{
    static const char reply[] = "421 4.3.2 Service not available\r\n";
    metrics_add(inbound_counters.refused_connections, 1);
    LOG_ALWAYS(LOG_WARNING, "connection_refused", LOG_ENDPOINT("client", peer),
               LOG_ENDPOINT("local", local), LOG_STR("reply", "421 4.3.2 Service not available"),
               LOG_STR("reason", "no receive connector has a remote range that holds this client"));
    ssize_t ignored = write(fd, reply, sizeof reply - 1); /* best effort: it is closed anyway */
    (void)ignored;
    close(fd);
}

void inbound_accept(struct inbound_services *services, int fd, const struct endpoint *peer,
                    const struct endpoint *local)
{
    struct inbound_choice choice;
    inbound_choose(&choice, services, peer, local);
    if (!choice.connector) {
        refuse_unmatched(fd, peer, local);
        return;
    }
    struct inbound *in = inbound_session_new(services, choice.range);
    in->connector = choice.connector;
    in->identity = choice.identity;
    struct mail_status refusal;
    ASSERT(in->connector->count && in->identity.generation);
    struct smtp_server_facts facts = {.session_id = rand_u64(), .client = *peer, .local = *local};
    bool admitted = inbound_admit(in, choice.rate_per_minute, &facts, &refusal);
    metrics_add(admitted ? inbound_counters.connections : inbound_counters.refused_connections, 1);
    inbound_protocol_start(in, &facts);
    in->service =
        smtp_service_start(services->loop, fd, &in->connector->smtp, &facts, in->connector->tls,
                           admitted ? NULL : &refusal,
                           in->protocol ? &logged_session_ops : &session_ops, in, on_closed);
}

/* --- All of a worker's sessions --- */

void inbound_shutdown_all(struct inbound_services *services)
{
    LIST_EACH_SAFE (in, &services->sessions, struct inbound, link) {
        in->shutting_down = true;
        if (in->service && !in->committing)
            smtp_service_shutdown(in->service);
    }
}

void inbound_abort_all(struct inbound_services *services)
{
    LIST_EACH_SAFE (in, &services->sessions, struct inbound, link)
        if (in->service)
            smtp_service_abort(in->service);
}
