/* queue/spool_index: empty, random, size, two_of_one_id. */
#include "queue/spool_index_private.h"

#include "core/rand.h"
#include "queue/spool_format.h"

#include "unit.h"

/* A model beside it: the slot of each id; SPOOL_SLOTS: not there. */
enum { IDS = 20000, ROUNDS = 200000 };
static uint16_t slots[IDS];

static bool right(const struct spool_index *index, uint64_t id)
{
    const struct spool_entry *e = spool_index_find(index, id);
    if (slots[id] == SPOOL_SLOTS)
        return !e;
    return e && e->id == id && e->slot == slots[id] &&
           spool_index_find_in(index, id, slots[id]) == e &&
           !spool_index_find_in(index, id, slots[id] ^ 1U);
}

static bool all_right(const struct spool_index *index)
{
    for (uint64_t id = 1; id < IDS; id++)
        if (!right(index, id))
            return false;
    return true;
}

static void begin(void)
{
    rand_seed(11);
    for (size_t i = 0; i < IDS; i++)
        slots[i] = SPOOL_SLOTS;
}

static void test_empty(void)
{
    struct spool_index index = {0};
    CHECK(!spool_index_find(&index, 1));
    CHECK(!spool_index_find(&index, 0));
    spool_index_free(&index);
}

static const struct share_row {
    const char *name;
    unsigned added; /* of 100 changes, in turn each 20,000 */
} share_rows[] = {{"growing", 90}, {"steady", 50}, {"shrinking", 10}};

static void test_random(void)
{
    struct spool_index index = {0};
    size_t count = 0;
    begin();
    for (unsigned round = 0; round < ROUNDS; round++) {
        const struct share_row *row = &share_rows[round / 20000 % ARRAY_SIZE(share_rows)];
        uint64_t id = 1 + rand_u64() % (IDS - 1);
        bool add = rand_u64() % 100 < row->added;
        unit_row(row->name);
        if (add && slots[id] == SPOOL_SLOTS) {
            slots[id] = (uint16_t)(rand_u64() % SPOOL_SLOTS);
            (void)spool_index_add(&index, id, slots[id]);
            count++;
        } else if (!add && slots[id] != SPOOL_SLOTS) {
            spool_index_remove(&index, spool_index_find(&index, id));
            slots[id] = SPOOL_SLOTS;
            count--;
        }
        if (!CHECK(right(&index, id)) || (round % 10000 == 0 && !CHECK(all_right(&index))))
            break;
    }
    CHECK(all_right(&index));
    CHECK_U64(index.count, count);
    spool_index_free(&index);
}

/* Ids in order, as they are given: at most 32 octets for each, but for the smallest table. */
static void test_size(void)
{
    struct spool_index index = {0};
    begin();
    for (uint64_t id = 1; id < IDS; id++) {
        slots[id] = (uint16_t)(id % SPOOL_SLOTS);
        (void)spool_index_add(&index, id, slots[id]);
        if (id > 1024)
            CHECK(index.capacity * sizeof *index.entries <= id * 33);
    }
    CHECK(all_right(&index));
    for (uint64_t id = 1; id < IDS; id++)
        spool_index_remove(&index, spool_index_find(&index, id));
    CHECK_U64(index.count, 0);
    for (size_t i = 0; i < index.capacity; i++)
        CHECK_U64(index.entries[i].id, 0);
    spool_index_free(&index);
}

/* The old place and the new one of a message that moves. */
static void test_two_of_one_id(void)
{
    struct spool_index index = {0};
    begin();
    (void)spool_index_add(&index, 7, 1);
    (void)spool_index_add(&index, 7, 2);
    CHECK_U64(spool_index_find_in(&index, 7, 1)->slot, 1);
    CHECK_U64(spool_index_find_in(&index, 7, 2)->slot, 2);
    spool_index_remove(&index, spool_index_find_in(&index, 7, 1));
    CHECK(!spool_index_find_in(&index, 7, 1));
    CHECK_U64(spool_index_find(&index, 7)->slot, 2);
    spool_index_free(&index);
}

UNIT_MAIN("queue/spool_index", {"empty", test_empty}, {"random", test_random}, {"size", test_size},
          {"two_of_one_id", test_two_of_one_id})
