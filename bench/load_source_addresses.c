/* Reads a range of addresses, and counts through it. */
#include "bench/load_source_addresses.h"

static uint32_t to_number(const struct ipaddr *a)
{
    const uint8_t *o = a->octets + 12;
    return (uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3];
}

static enum err parse_network(struct bytes text, struct source_addresses *out)
{
    struct bytes address, prefix;
    struct ipaddr base;
    uint64_t bits;
    if (!bytes_split(text, '/', &address, &prefix) || ipaddr_parse(address, &base) != ERR_OK ||
        !ipaddr_is_v4(&base) || bytes_to_u64(prefix, 30, &bits) != ERR_OK || bits < 8)
        return ERR_SYNTAX;
    uint64_t size = (uint64_t)1 << (32 - bits);
    out->first = to_number(&base) & (uint32_t) ~(size - 1);
    out->usable = size - 2;
    return ERR_OK;
}

enum err source_addresses_parse(struct bytes text, struct source_addresses *out)
{
    struct bytes count, network;
    uint64_t number;
    if (!bytes_split(text, '@', &count, &network))
        network = BYTES("127.0.0.0/8");
    if (parse_network(network, out) != ERR_OK ||
        bytes_to_u64(count, out->usable, &number) != ERR_OK || number == 0)
        return ERR_SYNTAX;
    out->count = (unsigned long)number;
    return ERR_OK;
}

struct ipaddr source_addresses_get(const struct source_addresses *a, uint64_t i)
{
    struct ipaddr address = IPADDR_V4_ANY;
    uint64_t number = a->first + 1 + (i % a->count) * (a->usable / a->count);
    for (unsigned n = 0; n < 4; n++)
        address.octets[15 - n] = (uint8_t)(number >> (8 * n));
    return address;
}
