/* Arrays that grow, on the heap and in an arena. */
#include "core/vector.h"

#include "core/mem.h"
#include "unit.h"

struct numbers {
    uint32_t *items;
    size_t count, capacity;
};

static void test_heap(void)
{
    struct numbers v = {0};
    for (uint32_t i = 0; i < 1000; i++)
        *VECTOR_ADD(&v) = i;
    CHECK_U64(v.count, 1000);
    CHECK(v.capacity >= 1000);
    for (uint32_t i = 0; i < 1000; i++)
        CHECK_U64(v.items[i], i);
    size_t before = v.capacity;
    VECTOR_RESERVE(&v, 10);
    CHECK_U64(v.capacity, before);
    VECTOR_RESERVE(&v, 5000);
    CHECK(v.capacity >= 5000);
    CHECK_U64(v.items[999], 999);
    mem_free(v.items);
}

static void test_arena(void)
{
    struct arena arena;
    struct numbers v = {0};
    arena_init(&arena, 0);
    for (uint32_t i = 0; i < 1000; i++)
        *VECTOR_ADD_IN(&arena, &v) = i;
    CHECK_U64(v.count, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        CHECK_U64(v.items[i], i);
    arena_free(&arena);
}

UNIT_MAIN("core/vector", {"heap", test_heap}, {"arena", test_arena})
