/* The session's record, from its birth to its end, and the log of what it was refused. */
#include "mailrace/inbound_session_private.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/log.h"
#include "core/mem.h"
#include "policy/source_table.h"

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

struct inbound *inbound_session_new(struct inbound_services *services, const char *range)
{
    size_t size = strlen(range) + 1;
    struct inbound *in = mem_zalloc(sizeof *in + size);
    in->services = services;
    in->source = SOURCE_TABLE_NONE;
    memcpy(in->range, range, size);
    list_add_first(&services->sessions, &in->link);
    atomic_fetch_add_explicit(services->sessions_in_all, 1, memory_order_relaxed);
    return in;
}

void inbound_session_free(struct inbound *in)
{
    ASSERT(!in->service && !in->message && !in->logon && !in->protocol);
    list_remove(&in->link);
    uint64_t counted =
        atomic_fetch_sub_explicit(&in->connector->count->sessions, 1, memory_order_relaxed);
    ASSERT(counted > 0);
    source_table_leave(in->services->sources, in->source);
    atomic_fetch_sub_explicit(in->services->sessions_in_all, 1, memory_order_relaxed);
    connector_unref(&in->connector);
    mem_free(in);
}

const char *inbound_session_text(uint64_t session_id, char to[INBOUND_SESSION_TEXT])
{
    snprintf(to, INBOUND_SESSION_TEXT, "%016" PRIX64, session_id);
    return to;
}

static void log_refusal(const struct inbound *in, struct bytes verb, struct bytes argument,
                        const struct mail_status *status)
{
    const struct smtp_server_facts *facts = inbound_facts(in);
    char session[INBOUND_SESSION_TEXT], reply[256];
    LOG_ALWAYS(LOG_INFO, "command_refused",
               LOG_STR("session", inbound_session_text(facts->session_id, session)),
               LOG_ENDPOINT("client", &facts->client), LOG_BYTES("connector", in->connector->name),
               LOG_STR("range", in->range), LOG_BYTES("verb", verb),
               LOG_BYTES("argument", argument),
               LOG_STR("reply", mail_status_format(status, reply, sizeof reply)),
               LOG_STR("missing", in->missing ? rights_name((enum rights_right)in->missing) : "-"),
               LOG_STR("reason", in->reason ? in->reason : "-"));
}

void inbound_refuse(struct inbound *in, struct bytes verb, struct bytes argument,
                    const struct mail_status *status)
{
    metrics_add(inbound_counters.refused, 1);
    log_refusal(in, verb, argument, status);
    in->missing = 0;
    in->reason = NULL;
}
