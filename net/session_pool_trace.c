/* What a protocol log is told of a connection, in the words of Exchange. */
#include <inttypes.h>
#include <stdio.h>

#include "core/mem.h"
#include "core/rand.h"
#include "net/session_pool_private.h"

struct pool_trace {
    uint64_t session_id, sequence;
    struct endpoint local, remote;
    bool targeted, connected;
};

static void note(struct pool_session *s, char event, struct bytes data, struct bytes context)
{
    const struct courier_settings *settings = &s->destination->courier->settings;
    struct pool_trace *t = s->trace;
    struct courier_note line = {
        .connector = s->route->connector,
        .session_id = t->session_id,
        .sequence = t->sequence++,
        .local = t->connected ? &t->local : NULL,
        .remote = t->targeted ? &t->remote : NULL,
        .event = event,
        .data = data,
        .context = context,
    };
    settings->on_note(settings->owner, &line);
}

static void trace_free(struct pool_session *s)
{
    mem_free(s->trace);
    s->trace = NULL;
}

static bool trace_new(struct pool_session *s)
{
    if (!s->route->protocol_logged || !s->destination->courier->settings.on_note)
        return false;
    s->trace = MEM_NEW(struct pool_trace);
    s->trace->session_id = rand_u64();
    return true;
}

void pool_trace_unresolved(struct pool_session *s, struct bytes why)
{
    if (!trace_new(s))
        return;
    note(s, '*', BYTES_EMPTY, why);
    trace_free(s);
}

void pool_trace_attempt(struct pool_session *s, const struct endpoint *to)
{
    pool_trace_end(s, true);
    if (!trace_new(s))
        return;
    s->trace->remote = *to;
    s->trace->targeted = true;
    note(s, '*', BYTES_EMPTY, BYTES("attempting to connect"));
}

void pool_trace_failed(struct pool_session *s, const char *why)
{
    char text[300];
    if (!s->trace)
        return;
    snprintf(text, sizeof text, "Failed to connect: %s", why);
    note(s, '*', BYTES_EMPTY, bytes_of(text));
    trace_free(s);
}

void pool_trace_connected(struct pool_session *s)
{
    if (!s->trace)
        return;
    s->trace->local = conn_local(s->conn);
    s->trace->connected = true;
    note(s, '+', BYTES_EMPTY, BYTES_EMPTY);
}

void pool_trace_line(struct pool_session *s, char event, struct bytes line)
{
    if (!s->trace)
        return;
    bool about = event == '*';
    note(s, event, about ? BYTES_EMPTY : line, about ? line : BYTES_EMPTY);
}

void pool_trace_tls(struct pool_session *s)
{
    char text[200];
    const struct tls_info *tls = s->trace && s->conn ? conn_tls(s->conn) : NULL;
    if (!tls)
        return;
    snprintf(text, sizeof text, "%.60s %.100s", tls->version, tls->cipher);
    note(s, '*', bytes_of(text), BYTES("TLS negotiated"));
}

void pool_trace_message(struct pool_session *s, const struct courier_job *job)
{
    char text[300];
    if (!s->trace || job->id == 0)
        return;
    snprintf(text, sizeof text,
             "sending message with RecordId %" PRIu64 " and InternetMessageId %.*s", job->id,
             (int)(job->message_id.len < 200 ? job->message_id.len : 200), job->message_id.ptr);
    note(s, '*', BYTES_EMPTY, bytes_of(text));
}

void pool_trace_end(struct pool_session *s, bool by_us)
{
    if (!s->trace)
        return;
    if (s->trace->connected)
        note(s, '-', BYTES_EMPTY, by_us ? BYTES("Local") : BYTES("Remote"));
    trace_free(s);
}
