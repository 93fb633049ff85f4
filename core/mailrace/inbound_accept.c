/* A new connection: selects its receive connector, copies what the session needs, starts it. */
#include "inbound.h"

#include <unistd.h>

#include "core/loop.h"
#include "core/mem.h"
#include "core/rand.h"

#include "inbound_private.h"
#include "relay.h"
#include "worker.h"

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
    metrics_add(inbound_counters.refused_connections, 1);
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
    in->tarpit.on_due = inbound_tarpit_over;
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
    metrics_add(full ? inbound_counters.refused_connections : inbound_counters.connections, 1);
    struct smtp_server_facts facts = {.session_id = rand_u64(), .client = *peer, .local = *local};
    worker_session_added(worker, in);
    in->service =
        smtp_service_start(worker_loop(worker), fd, &chosen.settings, &facts, chosen.tls,
                           full ? &too_many : NULL, &INBOUND_SESSION_OPS, in, inbound_closed);
    tls_context_unref(&chosen.tls);
}
