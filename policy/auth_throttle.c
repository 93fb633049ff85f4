/* Leaking buckets in a table of fixed size. */
#include "policy/auth_throttle.h"

#include "core/hash.h"
#include "core/mem.h"
#include "core/rand.h"

#define BUCKETS       2048
#define PLACES        4     /* in which a key may be: the emptiest is taken */
#define FAILURE_MS    10000 /* what one failure fills, and how long it takes to leak */
#define SOURCE_FULL   30    /* failures */
#define ACCOUNT_FULL  100
#define IPV6_NET_SIZE 8 /* octets: one address there stands for them all */

struct bucket {
    uint64_t key;      /* 0: free */
    uint64_t empty_at; /* when all has leaked: its level is the time until then */
};

struct auth_throttle {
    uint64_t seed; /* an attacker must not know who shares a place */
    struct bucket sources[BUCKETS], accounts[BUCKETS];
};

struct auth_throttle *auth_throttle_new(void)
{
    struct auth_throttle *t = MEM_NEW(struct auth_throttle);
    t->seed = rand_u64();
    return t;
}

void auth_throttle_free(struct auth_throttle **t)
{
    mem_free(*t);
    *t = NULL;
}

/* From a secret start: enough where a collision costs a wrong count. */
static uint64_t key_end(uint64_t hash)
{
    uint64_t key = hash_mix(hash);
    return key ? key : 1;
}

static uint64_t source_key(const struct auth_throttle *t, const struct ipaddr *source)
{
    size_t len = ipaddr_is_v4(source) ? sizeof source->octets : (size_t)IPV6_NET_SIZE;
    return key_end(hash_bytes(t->seed, bytes_make((const char *)source->octets, len)));
}

static uint64_t account_key(const struct auth_throttle *t, struct bytes account)
{
    return key_end(hash_bytes_nocase(t->seed, account));
}

static uint64_t level(const struct bucket *buckets, uint64_t key, uint64_t now_ms)
{
    for (size_t i = 0; i < PLACES; i++) {
        const struct bucket *b = &buckets[(key + i) % BUCKETS];
        if (b->key == key)
            return b->empty_at > now_ms ? b->empty_at - now_ms : 0;
    }
    return 0;
}

static void fill(struct bucket *buckets, uint64_t key, uint64_t now_ms)
{
    struct bucket *place = &buckets[key % BUCKETS];
    for (size_t i = 0; i < PLACES; i++) {
        struct bucket *b = &buckets[(key + i) % BUCKETS];
        if (b->key == key) {
            place = b;
            break;
        }
        if (b->empty_at < place->empty_at)
            place = b;
    }
    if (place->key != key || place->empty_at < now_ms)
        *place = (struct bucket){key, now_ms};
    place->empty_at += FAILURE_MS;
}

bool auth_throttle_allows(const struct auth_throttle *t, const struct ipaddr *source,
                          struct bytes account, uint64_t now_ms)
{
    uint64_t of_source = level(t->sources, source_key(t, source), now_ms);
    if (of_source > (uint64_t)(SOURCE_FULL - 1) * FAILURE_MS)
        return false;
    return of_source == 0 || level(t->accounts, account_key(t, account), now_ms) <=
                                 (uint64_t)(ACCOUNT_FULL - 1) * FAILURE_MS;
}

void auth_throttle_failed(struct auth_throttle *t, const struct ipaddr *source,
                          struct bytes account, uint64_t now_ms)
{
    fill(t->sources, source_key(t, source), now_ms);
    fill(t->accounts, account_key(t, account), now_ms);
}
