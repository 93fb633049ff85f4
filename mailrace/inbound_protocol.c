/* What of a session goes to the protocol log, where its connector wants it (Exchange:
 * ProtocolLoggingLevel Verbose).
 */
#include "mailrace/inbound_session_private.h"

#include <stdio.h>

#include "core/mem.h"

#include "mailrace/protocol_log.h"

/* Its own copy of what every line repeats: the first lines come before the session is known. */
struct inbound_protocol {
    uint64_t session_id, sequence;
    struct endpoint client, local;
};

static void note(struct inbound *in, char event, struct bytes data, const char *context)
{
    struct inbound_protocol *p = in->protocol;
    struct protocol_log_line line = {
        .connector = in->connector->name,
        .session_id = p->session_id,
        .sequence = p->sequence++,
        .local = &p->local,
        .remote = &p->client,
        .event = event,
        .data = data,
        .context = bytes_of(context),
    };
    protocol_log_write(in->services->protocol_log, PROTOCOL_LOG_RECEIVE, &line);
}

void inbound_protocol_start(struct inbound *in, const struct smtp_server_facts *facts)
{
    if (!in->connector->settings.protocol_logging_verbose || !in->services->protocol_log)
        return;
    in->protocol = MEM_NEW(struct inbound_protocol);
    in->protocol->session_id = facts->session_id;
    in->protocol->client = facts->client;
    in->protocol->local = facts->local;
    note(in, '+', BYTES_EMPTY, "");
    inbound_protocol_rights(in);
}

void inbound_protocol_rights(struct inbound *in)
{
    char rights[512];
    if (in->protocol)
        note(in, '*', bytes_of(rights_format_short(in->identity.rights, rights, sizeof rights)),
             "Set Session Permissions");
}

void inbound_protocol_tarpit(struct inbound *in, uint64_t ms)
{
    char text[64];
    uint64_t s = ms / 1000;
    if (!in->protocol)
        return;
    snprintf(text, sizeof text, "Tarpit for '%llu.%02u:%02u:%02u'", (unsigned long long)(s / 86400),
             (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60), (unsigned)(s % 60));
    note(in, '*', bytes_of(text), "");
}

void inbound_protocol_tls(struct inbound *in, const struct tls_info *tls)
{
    char text[200];
    if (!in->protocol)
        return;
    snprintf(text, sizeof text, "%.60s %.100s", tls->version, tls->cipher);
    note(in, '*', bytes_of(text), "TLS negotiated");
}

void inbound_protocol_end(struct inbound *in, bool by_us)
{
    if (!in->protocol)
        return;
    note(in, '-', BYTES_EMPTY, by_us ? "Local" : "Remote");
    mem_free(in->protocol);
    in->protocol = NULL;
}

void inbound_on_protocol(void *owner, char direction, struct bytes line)
{
    struct inbound *in = owner;
    if (in->protocol)
        note(in, direction, line, "");
}
