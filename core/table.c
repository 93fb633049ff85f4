/* A hash table with chains of embedded nodes. */
#include "core/table.h"

#include "core/mem.h"

#define BUCKETS_MIN 256

void table_init(struct table *t)
{
    *t = (struct table){.mask = BUCKETS_MIN - 1, .key = hash_key_new()};
    t->buckets = MEM_NEW_ARRAY(struct table_node *, BUCKETS_MIN);
}

void table_free(struct table *t)
{
    mem_free(t->buckets);
    *t = (struct table){.buckets = NULL};
}

uint64_t table_hash(const struct table *t, struct bytes key)
{
    return hash_keyed(&t->key, key);
}

static void grow(struct table *t)
{
    size_t mask = t->mask * 2 + 1;
    struct table_node **buckets = MEM_NEW_ARRAY(struct table_node *, mask + 1);
    for (size_t i = 0; i <= t->mask; i++) {
        for (struct table_node *node = t->buckets[i], *next; node; node = next) {
            next = node->next;
            node->next = buckets[node->hash & mask];
            buckets[node->hash & mask] = node;
        }
    }
    mem_free(t->buckets);
    t->buckets = buckets;
    t->mask = mask;
}

void table_add(struct table *t, struct table_node *node, uint64_t hash)
{
    if (t->count > t->mask)
        grow(t);
    node->hash = hash;
    node->next = t->buckets[hash & t->mask];
    t->buckets[hash & t->mask] = node;
    t->count++;
}

void table_remove(struct table *t, struct table_node *node)
{
    struct table_node **link = &t->buckets[node->hash & t->mask];
    while (*link != node) {
        ASSERT(*link);
        link = &(*link)->next;
    }
    *link = node->next;
    t->count--;
}

static struct table_node *same_hash(struct table_node *node, uint64_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct table_node *table_first(const struct table *t, uint64_t hash)
{
    return same_hash(t->buckets[hash & t->mask], hash);
}

struct table_node *table_next(const struct table_node *node)
{
    return same_hash(node->next, node->hash);
}

void table_visit(struct table *t, void (*visit)(void *owner, struct table_node *node), void *owner)
{
    for (size_t i = 0; i <= t->mask; i++) {
        for (struct table_node *node = t->buckets[i], *next; node; node = next) {
            next = node->next;
            visit(owner, node);
        }
    }
}
