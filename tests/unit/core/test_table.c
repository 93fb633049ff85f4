/* Elements come, are found under their keys, and go, while the table grows. */
#include "core/table.h"

#include <stdio.h>

#include "core/mem.h"
#include "unit.h"

#define COUNT 5000

struct thing {
    struct table_node node;
    char name[16];
    bool seen;
};

static struct thing *find(const struct table *t, struct bytes name)
{
    TABLE_EACH (node, t, table_hash(t, name)) {
        struct thing *thing = CONTAINER_OF(node, struct thing, node);
        if (bytes_equal(bytes_of(thing->name), name))
            return thing;
    }
    return NULL;
}

static struct thing *add(struct table *t, unsigned number)
{
    struct thing *thing = MEM_NEW(struct thing);
    snprintf(thing->name, sizeof thing->name, "thing %u", number);
    table_add(t, &thing->node, table_hash(t, bytes_of(thing->name)));
    return thing;
}

static void see(void *owner, struct table_node *node)
{
    struct thing *thing = CONTAINER_OF(node, struct thing, node);
    CHECK(!thing->seen);
    thing->seen = true;
    ++*(size_t *)owner;
}

static void drop(void *owner, struct table_node *node)
{
    table_remove(owner, node);
    mem_free(CONTAINER_OF(node, struct thing, node));
}

static void test_many(void)
{
    struct table t;
    size_t seen = 0;
    char name[16];
    table_init(&t);
    CHECK(!find(&t, BYTES("thing 1")));
    for (unsigned i = 0; i < COUNT; i++)
        add(&t, i);
    CHECK_U64(t.count, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "thing %u", i);
        CHECK(find(&t, bytes_of(name)));
    }
    table_visit(&t, see, &seen);
    CHECK_U64(seen, COUNT);
    table_visit(&t, drop, &t);
    CHECK_U64(t.count, 0);
    CHECK(!find(&t, BYTES("thing 1")));
    table_free(&t);
}

static void test_same_hash(void)
{
    struct table t;
    struct thing things[3] = {0};
    size_t found = 0;
    table_init(&t);
    for (size_t i = 0; i < 3; i++)
        table_add(&t, &things[i].node, i < 2 ? 7 : 7 + 256); /* all in one bucket */
    TABLE_EACH (node, &t, 7)
        found++;
    CHECK_U64(found, 2);
    table_remove(&t, &things[1].node);
    CHECK(table_first(&t, 7) == &things[0].node);
    CHECK(!table_next(&things[0].node));
    CHECK(table_first(&t, 7 + 256) == &things[2].node);
    table_free(&t);
}

UNIT_MAIN("core/table", {"many", test_many}, {"one hash", test_same_hash})
