/* message_rate_limit, by what message_rate_source names: the address, who sends, or all of a
 * connector. Addresses have a slot as long as they have a session; the others take theirs for the
 * moment of counting, and it remembers them until another source needs the place.
 */
#include "core/loop.h"

#include "mailrace/inbound_private.h"
#include "mailrace/relay.h"
#include "mailrace/worker.h"

#define FNV_PRIME 0x100000001b3ull

/* Whoever can choose a name that collides can choose the very name: no secret is needed. */
static struct ipaddr fold_name(struct bytes name)
{
    uint64_t half[2] = {0xcbf29ce484222325ull, 0x9e3779b97f4a7c15ull};
    struct ipaddr key;
    memset(&key, 0, sizeof key);
    for (size_t i = 0; i < name.len; i++)
        for (size_t h = 0; h < ARRAY_SIZE(half); h++)
            half[h] = (half[h] ^ (unsigned char)bytes_lower(name.ptr[i])) * (FNV_PRIME + 2 * h);
    memcpy(key.octets, half, sizeof key.octets);
    return key;
}

/* The counter of NAME, apart from every address's: the connector's number is shifted. */
static bool allows_name(struct inbound *in, struct bytes name, uint64_t now_ms)
{
    struct source_table *sources = worker_relay(in->worker)->sources;
    const struct inbound_connector *c = in->connector;
    struct ipaddr key = fold_name(name);
    uint32_t slot = source_table_enter(sources, (uintptr_t)c->count + 1, &key, UINT64_MAX);
    bool allowed = source_table_message(sources, slot, c->message_rate_limit, now_ms);
    source_table_leave(sources, slot);
    return allowed;
}

bool inbound_rate_allows(struct inbound *in, struct bytes sender)
{
    const struct inbound_connector *c = in->connector;
    uint64_t now_ms = loop_now_ms(worker_loop(in->worker));
    if (c->message_rate_limit == UINT64_MAX)
        return true;
    struct bytes user = smtp_server_facts(smtp_service_session(in->service))->user;
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
    return source_table_message(worker_relay(in->worker)->sources, c->source, c->message_rate_limit,
                                now_ms);
}
