/* A new connection: selects its receive connector, copies what the session needs, starts it. */
#include "mailrace/inbound.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/mem.h"
#include "core/rand.h"

#include "mailrace/inbound_private.h"
#include "mailrace/relay.h"
#include "mailrace/worker.h"

/* Each text of a connector: check() allows 64, 255, 480, 255 and IPRANGE_WRITTEN_MAX octets. */
#define CONNECTOR_TEXT_MAX   480
#define CONNECTOR_TEXT_COUNT 5
#define CONNECTOR_TEXT_BYTES ((CONNECTOR_TEXT_MAX + 1) * CONNECTOR_TEXT_COUNT)

static struct bytes copy_text(char **at, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    char *start = *at;
    ASSERT(len <= CONNECTOR_TEXT_MAX);
    if (len)
        memcpy(start, text, len);
    start[len] = '\0';
    *at = start + len + 1;
    return bytes_make(start, len);
}

static void fill_settings(const struct receive_connector *c, bool has_tls,
                          struct smtp_server_settings *s)
{
    struct receive_connector_offer clear = receive_connector_offer(c, has_tls, false);
    struct receive_connector_offer secure = receive_connector_offer(c, has_tls, true);
    unsigned x = 0;
    x |= c->size_enabled ? SMTP_EXTENSION_SIZE : 0;
    x |= c->pipelining_enabled ? SMTP_EXTENSION_PIPELINING : 0;
    x |= c->delivery_status_notification_enabled ? SMTP_EXTENSION_DSN : 0;
    x |= c->enhanced_status_codes_enabled ? SMTP_EXTENSION_ENHANCEDSTATUSCODES : 0;
    x |= clear.starttls ? SMTP_EXTENSION_STARTTLS : 0;
    x |= c->eight_bit_mime_enabled ? SMTP_EXTENSION_8BITMIME : 0;
    x |= c->chunking_enabled ? SMTP_EXTENSION_CHUNKING : 0;
    x |= c->chunking_enabled && c->binary_mime_enabled ? SMTP_EXTENSION_BINARYMIME : 0;
    x |= c->smtp_utf8_enabled ? SMTP_EXTENSION_SMTPUTF8 : 0;
    x |= c->long_addresses_enabled ? SMTP_EXTENSION_XLONGADDR : 0;
    x |= c->orar_enabled ? SMTP_EXTENSION_XORAR : 0;
    x |= secure.auth ? SMTP_EXTENSION_AUTH_LOGIN | SMTP_EXTENSION_AUTH_PLAIN : 0;
    s->extensions = x;
    s->size_without_value = c->size_without_value;
    s->protocol_errors_max = c->max_protocol_errors;
    s->address_max =
        c->long_addresses_enabled ? SMTP_SERVER_LONG_ADDRESS_MAX : SMTP_SERVER_ADDRESS_MAX;
    s->inactivity_timeout_ms = c->connection_inactivity_timeout_ms;
    s->connection_timeout_ms = c->connection_timeout_ms;
    s->min_data_rate_bytes_s = 500;
    s->logon_failures_max = c->max_logon_failures;
    s->auth_require_tls = secure.auth && !clear.auth;
    s->require_tls = c->require_tls;
    s->require_ehlo_domain = c->require_ehlo_domain;
    s->normalize_bare_linefeed = !c->bare_linefeed_rejection_enabled;
}

static void fill_connector(const struct relay_rules *rules, const struct ruleset_match *match,
                           struct inbound_connector *to, char *at)
{
    const struct receive_connector *c = match->connector;
    to->name = copy_text(&at, c->name);
    to->fqdn = copy_text(&at, c->fqdn ? c->fqdn : rules->conf->hostname);
    to->banner = copy_text(&at, c->banner);
    to->default_domain = copy_text(&at, c->default_domain);
    to->range = copy_text(&at, match->range->text);
    to->principal = to->first_principal = ruleset_first_principal(c);
    to->rights = ruleset_rights(rules->rules, match->connector_index, to->principal);
    to->first_rights = to->rights;
    to->generation = rules->generation;
    to->message_octets_max = c->max_message_size_bytes;
    to->rcpts_max = c->max_recipients_per_message;
    to->header_octets_max = c->max_header_size_bytes;
    to->hops_max = c->max_hop_count;
    to->local_hops_max = c->max_local_hop_count;
    to->tarpit_ms = c->tarpit_interval_ms;
    to->auth_stamps_enabled = c->auth_stamps_enabled;
    to->auth_tarpit_ms = c->auth_tarpit_interval_ms;
    to->count = rules->counts[match->connector_index];
    to->message_rate_limit = c->message_rate_limit;
    to->message_rate_source = c->message_rate_source;
    to->protocol_logged = c->protocol_logging_verbose;
    to->rejected_domains = receive_connector_rejected_domains(c);
    to->source = SOURCE_TABLE_NONE;
}

/* What selection left on the stack: one place for all texts, as long as they may be. */
struct selection {
    bool found;
    uint64_t connections_max, per_source_max, percentage_per_source, rate_per_minute;
    struct smtp_server_settings settings;
    struct tls_context *tls;
    union {
        struct inbound_connector connector;
        char room[sizeof(struct inbound_connector) + CONNECTOR_TEXT_BYTES];
    };
};

/* Everything that the session needs, copied out inside one read section. */
static void select_connector(struct relay *relay, const struct endpoint *peer,
                             const struct endpoint *local, struct selection *out)
{
    snapshot_read_begin();
    const struct relay_rules *rules = relay_rules_get(relay);
    struct ruleset_match match = ruleset_select(rules->rules, local, &peer->addr);
    if (match.connector) {
        out->found = true;
        fill_connector(rules, &match, &out->connector, out->connector.text);
        fill_settings(match.connector, rules->tls_server != NULL, &out->settings);
        out->settings.message_size_max = inbound_message_size(&out->connector);
        out->settings.rcpts_max = inbound_rcpts_max(&out->connector);
        out->connections_max = match.connector->max_inbound_connection;
        out->per_source_max = match.connector->max_inbound_connection_per_source;
        out->percentage_per_source = match.connector->max_inbound_connection_percentage_per_source;
        out->rate_per_minute = rules->conf->max_connection_rate_per_minute;
        if (out->settings.extensions & SMTP_EXTENSION_STARTTLS)
            out->tls = tls_context_ref(rules->tls_server);
    }
    snapshot_read_end();
}

/* The session's own copy, as small as its texts. */
static struct inbound_connector *keep_connector(const struct selection *chosen)
{
    const struct inbound_connector *from = &chosen->connector;
    size_t size = (size_t)(from->range.ptr + from->range.len - from->text) + 1;
    struct inbound_connector *c = mem_alloc(sizeof *c + size);
    *c = *from;
    memcpy(c->text, from->text, size);
    struct bytes *texts[] = {&c->name, &c->fqdn, &c->banner, &c->default_domain, &c->range};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        texts[i]->ptr = c->text + (texts[i]->ptr - from->text);
    return c;
}

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

/* Sessions that one source may have of those that others leave free (Exchange:
 * MaxInboundConnectionPercentagePerSource); one is always allowed. */
static uint64_t share_limit(const struct selection *chosen, uint64_t sessions, uint64_t own)
{
    if (chosen->connections_max == RECEIVE_CONNECTOR_UNLIMITED)
        return UINT64_MAX;
    uint64_t others = sessions > own ? sessions - own : 0;
    uint64_t free_for_it = chosen->connections_max > others ? chosen->connections_max - others : 0;
    uint64_t share = free_for_it * chosen->percentage_per_source / 100;
    return share ? share : 1;
}

/* Counts the session in; the name and value of a limit if one more is too many, else NULL. */
static const char *over_limit(struct inbound *in, const struct selection *chosen,
                              const struct endpoint *peer, uint64_t *value)
{
    struct inbound_connector *c = in->connector;
    uint64_t before = atomic_fetch_add_explicit(&c->count->sessions, 1, memory_order_relaxed);
    *value = chosen->connections_max;
    if (before >= chosen->connections_max)
        return "max_inbound_connection";
    *value = chosen->rate_per_minute;
    if (!worker_connection_allowed(in->worker, chosen->rate_per_minute))
        return "max_connection_rate_per_minute";
    struct source_table *sources = worker_relay(in->worker)->sources;
    *value = chosen->per_source_max;
    c->source = source_table_enter(sources, (uintptr_t)c->count, &peer->addr, *value);
    if (c->source == SOURCE_TABLE_NONE)
        return "max_inbound_connection_per_source";
    uint64_t own = source_table_sessions(sources, c->source);
    *value = share_limit(chosen, before + 1, own);
    return own > *value ? "max_inbound_connection_percentage_per_source" : NULL;
}

static bool refuse_over_limit(struct inbound *in, const struct selection *chosen,
                              const struct smtp_server_facts *facts, struct mail_status *refusal)
{
    uint64_t value;
    char session[17], reply[256];
    const char *limit = over_limit(in, chosen, &facts->client, &value);
    if (!limit)
        return false;
    /* A greeting has no enhanced code of its own (RFC 2034 4): Exchange writes it into the text. */
    *refusal =
        strstr(limit, "per_source")
            ? MAIL_STATUS(421, 0, 0, 0,
                          "4.3.2 The maximum number of concurrent server connections has "
                          "exceeded a per-source limit, closing transmission channel")
            : MAIL_STATUS(421, 0, 0, 0,
                          "4.3.2 The maximum number of concurrent connections has exceeded a "
                          "limit, closing transmission channel");
    snprintf(session, sizeof session, "%016" PRIX64, facts->session_id);
    LOG_ALWAYS(LOG_WARNING, "connection_refused", LOG_STR("session", session),
               LOG_ENDPOINT("client", &facts->client), LOG_BYTES("connector", in->connector->name),
               LOG_BYTES("range", in->connector->range),
               LOG_STR("reply", mail_status_format(refusal, reply, sizeof reply)),
               LOG_STR("limit", limit), LOG_U64("value", value));
    return true;
}

void inbound_accept(struct worker *worker, int fd, const struct endpoint *peer,
                    const struct endpoint *local)
{
    struct relay *relay = worker_relay(worker);
    struct selection chosen;
    memset(&chosen, 0, offsetof(struct selection, room) + sizeof chosen.connector);
    select_connector(relay, peer, local, &chosen);
    if (!chosen.found) {
        refuse_unmatched(fd, peer, local);
        return;
    }
    struct inbound *in = MEM_NEW(struct inbound);
    in->worker = worker;
    in->connector = keep_connector(&chosen);
    in->tarpit.on_due = inbound_tarpit_over;
    chosen.settings.fqdn = in->connector->fqdn;
    chosen.settings.banner = in->connector->banner;
    chosen.settings.default_domain = in->connector->default_domain;
    struct mail_status refusal;
    struct smtp_server_facts facts = {.session_id = rand_u64(), .client = *peer, .local = *local};
    bool refused = refuse_over_limit(in, &chosen, &facts, &refusal);
    metrics_add(refused ? inbound_counters.refused_connections : inbound_counters.connections, 1);
    atomic_fetch_add_explicit(&relay->sessions, 1, memory_order_relaxed);
    worker_session_added(worker, in);
    inbound_protocol_start(in, &facts);
    in->service = smtp_service_start(
        worker_loop(worker), fd, &chosen.settings, &facts, chosen.tls, refused ? &refusal : NULL,
        in->protocol ? &INBOUND_LOGGED_SESSION_OPS : &INBOUND_SESSION_OPS, in, inbound_closed);
    tls_context_unref(&chosen.tls);
}
