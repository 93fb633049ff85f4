/* FNV-1a for our own keys, SipHash for those that others choose. */
#include "core/hash.h"

#include "core/rand.h"

uint64_t hash_bytes(uint64_t hash, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = hash_octet(hash, (unsigned char)text.ptr[i]);
    return hash;
}

uint64_t hash_bytes_nocase(uint64_t hash, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = hash_octet(hash, (unsigned char)bytes_lower(text.ptr[i]));
    return hash;
}

uint64_t hash_mix(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

struct hash_key hash_key_new(void)
{
    return (struct hash_key){{rand_u64(), rand_u64()}};
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

uint64_t hash_keyed(const struct hash_key *key, struct bytes text)
{
    const uint64_t *half = key->half;
    uint64_t v[4] = {half[0] ^ 0x736f6d6570736575, half[1] ^ 0x646f72616e646f6d,
                     half[0] ^ 0x6c7967656e657261, half[1] ^ 0x7465646279746573};
    uint64_t last = (uint64_t)text.len << 56;
    for (size_t i = 0; i + 8 <= text.len; i += 8) {
        uint64_t word;
        memcpy(&word, text.ptr + i, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    size_t tail = text.len & ~(size_t)7;
    for (size_t i = tail; i < text.len; i++)
        last |= (uint64_t)(unsigned char)text.ptr[i] << (8 * (i - tail));
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
