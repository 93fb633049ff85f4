/* Rates: connections of all clients, and messages by what message_rate_source names: the address,
 * the sender or user, or all of a connector. Addresses have a slot as long as they have a session;
 * the others take theirs for the moment of counting, and it remembers them until another source
 * needs the place.
 */
#include "mailrace/inbound_session_private.h"

#include "core/hash.h"
#include "core/loop.h"
#include "policy/source_table.h"

/* The share of this worker, refilled evenly. */
bool inbound_rate_connection(struct inbound_services *s, uint64_t per_minute)
{
    if (per_minute == UINT64_MAX)
        return true;
    uint64_t now_ms = loop_now_ms(s->loop);
    ASSERT(s->workers > 0);
    double share = (double)per_minute / s->workers;
    s->connections_left += share * (double)(now_ms - s->refilled_ms) / 60000.0;
    s->refilled_ms = now_ms;
    if (s->connections_left > share)
        s->connections_left = share;
    if (s->connections_left < 1)
        return false;
    s->connections_left--;
    return true;
}

/* A client that can choose a name that collides can choose the very name: no secret is needed. */
static struct ipaddr fold_name(struct bytes name)
{
    const uint64_t half[2] = {hash_bytes_nocase(HASH_START, name),
                              hash_bytes_nocase(0x9e3779b97f4a7c15ull, name)};
    struct ipaddr key;
    memset(&key, 0, sizeof key);
    memcpy(key.octets, half, sizeof key.octets);
    return key;
}

/* The counter of NAME, apart from every address's: the connector's number is shifted. */
static bool allows_name(struct inbound *in, struct bytes name, uint64_t now_ms)
{
    struct source_table *sources = in->services->sources;
    const struct connector *c = in->connector;
    struct ipaddr key = fold_name(name);
    uint32_t slot = source_table_enter(sources, (uintptr_t)c->count + 1, &key, UINT64_MAX);
    bool allowed = source_table_message(sources, slot, c->settings.message_rate_limit, now_ms);
    source_table_leave(sources, slot);
    return allowed;
}

bool inbound_rate_message(struct inbound *in, struct bytes sender)
{
    const struct receive_connector *c = &in->connector->settings;
    if (c->message_rate_limit == RECEIVE_CONNECTOR_UNLIMITED)
        return true;
    uint64_t now_ms = loop_now_ms(in->services->loop);
    struct bytes user = inbound_facts(in)->user;
    switch (c->message_rate_source) {
    case RECEIVE_RATE_NONE:
        return true;
    case RECEIVE_RATE_USER:
        return allows_name(in, user.len ? user : sender, now_ms);
    case RECEIVE_RATE_ALL:
        return allows_name(in, BYTES("*"), now_ms);
    case RECEIVE_RATE_IP_ADDRESS:
        break;
    }
    return source_table_message(in->services->sources, in->source, c->message_rate_limit, now_ms);
}
