/* core/table.h - a hash table of embedded nodes: find by key, add, remove. It grows, and never
 * shrinks. Memory of the elements is the owner's; keys are compared by the owner. One thread.
 *
 *     TABLE_EACH(node, &table, hash) {
 *         struct thing *t = CONTAINER_OF(node, struct thing, node);
 *         if (bytes_equal(t->name, name))
 *             return t;
 *     }
 */
#ifndef CORE_TABLE_H
#define CORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/hash.h"

struct table_node { /* embed it */
    struct table_node *next;
    uint64_t hash;
};

struct table {
    struct table_node **buckets;
    size_t mask, count;
    struct hash_key key;
};

void table_init(struct table *t);
void table_free(struct table *t); /* the table's memory; the elements are the owner's */
/* Of text that others choose. A table may be given any other hash, as long as it is one. */
uint64_t table_hash(const struct table *t, struct bytes key);
void table_add(struct table *t, struct table_node *node, uint64_t hash);
void table_remove(struct table *t, struct table_node *node); /* it must be in */

/* The nodes with the hash HASH. The one at hand must stay in the table. */
struct table_node *table_first(const struct table *t, uint64_t hash);
struct table_node *table_next(const struct table_node *node);
#define TABLE_EACH(node, table, hash)                                                              \
    for (struct table_node *node = table_first((table), (hash)); node; node = table_next(node))

/* All nodes, in no order; the one at hand may be removed or freed. */
void table_visit(struct table *t, void (*visit)(void *owner, struct table_node *node), void *owner);

#endif
