#include "core/mem.h"
#include "core/rand.h"
#include "queue/sched_private.h"

#define BUCKETS_MIN 256

void sched_table_init(struct sched_table *t)
{
    *t = (struct sched_table){.mask = BUCKETS_MIN - 1, .seed = {rand_u64(), rand_u64()}};
    t->buckets = MEM_NEW_ARRAY(struct sched_node *, BUCKETS_MIN);
}

void sched_table_free(struct sched_table *t)
{
    mem_free(t->buckets);
    t->buckets = NULL;
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

/* SipHash-1-3 (Aumasson and Bernstein): names come from whoever sends mail, and must not be made
 * to fall into one bucket. */
uint64_t sched_table_hash(const struct sched_table *t, struct bytes key)
{
    uint64_t v[4] = {t->seed[0] ^ 0x736f6d6570736575, t->seed[1] ^ 0x646f72616e646f6d,
                     t->seed[0] ^ 0x6c7967656e657261, t->seed[1] ^ 0x7465646279746573};
    uint64_t last = (uint64_t)key.len << 56;
    for (size_t i = 0; i + 8 <= key.len; i += 8) {
        uint64_t word;
        memcpy(&word, key.ptr + i, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    size_t tail = key.len & ~(size_t)7;
    for (size_t i = tail; i < key.len; i++)
        last |= (uint64_t)(unsigned char)key.ptr[i] << (8 * (i - tail));
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void grow(struct sched_table *t)
{
    size_t mask = t->mask * 2 + 1;
    struct sched_node **buckets = MEM_NEW_ARRAY(struct sched_node *, mask + 1);
    for (size_t i = 0; i <= t->mask; i++) {
        for (struct sched_node *node = t->buckets[i], *next; node; node = next) {
            next = node->next;
            node->next = buckets[node->hash & mask];
            buckets[node->hash & mask] = node;
        }
    }
    mem_free(t->buckets);
    t->buckets = buckets;
    t->mask = mask;
}

void sched_table_add(struct sched_table *t, struct sched_node *node)
{
    if (t->count > t->mask)
        grow(t);
    node->next = t->buckets[node->hash & t->mask];
    t->buckets[node->hash & t->mask] = node;
    t->count++;
}

void sched_table_remove(struct sched_table *t, struct sched_node *node)
{
    struct sched_node **link = &t->buckets[node->hash & t->mask];
    while (*link != node) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    t->count--;
}
