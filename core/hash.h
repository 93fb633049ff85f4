/* core/hash.h - one hash of text for each need. Any thread; pure.
 *
 * hash_*(): FNV-1a, to be continued from piece to piece. For keys that we or the administrator
 * choose, and for sums that find mistakes. A peer that can choose keys can make them collide: for
 * those there is hash_keyed(), SipHash-1-3 (Aumasson and Bernstein).
 */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include <stdint.h>

#include "core/bytes.h"

#define HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_octet(uint64_t hash, unsigned char octet)
{
    return (hash ^ octet) * UINT64_C(0x100000001b3);
}

/* HASH: HASH_START, another start, or what came out for the piece before. */
uint64_t hash_bytes(uint64_t hash, struct bytes text);
uint64_t hash_bytes_nocase(uint64_t hash, struct bytes text); /* ASCII in lower case */

/* Spreads every bit over all of them: for tables that take the low bits of a number or of an FNV
 * hash (the finalizer of MurmurHash3). */
uint64_t hash_mix(uint64_t hash);

struct hash_key {
    uint64_t half[2];
};
struct hash_key hash_key_new(void); /* random, secret */
uint64_t hash_keyed(const struct hash_key *key, struct bytes text);

#endif
