/* A new connection: which receive connector serves it, and whether one more session fits its
 * limits.
 */
#include "mailrace/inbound_session_private.h"

#include "core/log.h"
#include "policy/source_table.h"

void inbound_choose(struct inbound_choice *choice, const struct inbound_services *services,
                    const struct endpoint *peer, const struct endpoint *local)
{
    snapshot_read_begin();
    const struct rules *rules = rules_get(services->rules);
    struct ruleset_match match = ruleset_select(rules->ruleset, local, &peer->addr);
    choice->connector = NULL;
    if (match.connector) {
        choice->connector = connector_ref(rules->connectors[match.connector_index]);
        choice->identity = inbound_rights_first(rules, match.connector_index);
        choice->rate_per_minute = rules->conf->max_connection_rate_per_minute;
        bool whole =
            bytes_to_cstr(bytes_of(match.range->text), choice->range, sizeof choice->range);
        ASSERT(whole); /* the ruleset's check bounds it */
    }
    snapshot_read_end();
}

/* Sessions that one source may have of those that others leave free (Exchange:
 * MaxInboundConnectionPercentagePerSource); one is always allowed. */
static uint64_t share_limit(const struct receive_connector *c, uint64_t sessions, uint64_t own)
{
    if (c->max_inbound_connection == RECEIVE_CONNECTOR_UNLIMITED)
        return UINT64_MAX;
    uint64_t others = sessions > own ? sessions - own : 0;
    uint64_t room = c->max_inbound_connection > others ? c->max_inbound_connection - others : 0;
    uint64_t share = room * c->max_inbound_connection_percentage_per_source / 100;
    return share ? share : 1;
}

/* The name and value of a limit if this session is one too many, else NULL. */
static const char *over_limit(struct inbound *in, uint64_t rate_per_minute,
                              const struct ipaddr *peer, uint64_t *value)
{
    const struct receive_connector *c = &in->connector->settings;
    struct connector_count *count = in->connector->count;
    uint64_t before = atomic_fetch_add_explicit(&count->sessions, 1, memory_order_relaxed);
    *value = c->max_inbound_connection;
    if (before >= *value)
        return "max_inbound_connection";
    *value = rate_per_minute;
    if (!inbound_rate_connection(in->services, *value))
        return "max_connection_rate_per_minute";
    struct source_table *sources = in->services->sources;
    *value = c->max_inbound_connection_per_source;
    in->source = source_table_enter(sources, (uintptr_t)count, peer, *value);
    if (in->source == SOURCE_TABLE_NONE)
        return "max_inbound_connection_per_source";
    uint64_t own = source_table_sessions(sources, in->source);
    *value = share_limit(c, before + 1, own);
    return own > *value ? "max_inbound_connection_percentage_per_source" : NULL;
}

bool inbound_admit(struct inbound *in, uint64_t rate_per_minute,
                   const struct smtp_server_facts *facts, struct mail_status *refusal)
{
    uint64_t value;
    char session[INBOUND_SESSION_TEXT], reply[256];
    const char *limit = over_limit(in, rate_per_minute, &facts->client.addr, &value);
    if (!limit)
        return true;
    /* A greeting has no enhanced code of its own (RFC 2034 4): Exchange writes it into the text. */
    *refusal =
        strstr(limit, "per_source")
            ? MAIL_STATUS(421, 0, 0, 0,
                          "4.3.2 The maximum number of concurrent server connections has "
                          "exceeded a per-source limit, closing transmission channel")
            : MAIL_STATUS(421, 0, 0, 0,
                          "4.3.2 The maximum number of concurrent connections has exceeded a "
                          "limit, closing transmission channel");
    LOG_ALWAYS(LOG_WARNING, "connection_refused",
               LOG_STR("session", inbound_session_text(facts->session_id, session)),
               LOG_ENDPOINT("client", &facts->client), LOG_BYTES("connector", in->connector->name),
               LOG_STR("range", in->range),
               LOG_STR("reply", mail_status_format(refusal, reply, sizeof reply)),
               LOG_STR("limit", limit), LOG_U64("value", value));
    return false;
}
