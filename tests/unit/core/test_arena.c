/* core/arena: alloc, a large object keeps the block, reset, reset drops large blocks, text,
 * arrays. */
#include "core/arena.h"

#include <stdalign.h>

#include "core/mem.h"
#include "unit.h"

static bool all_zero(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static void test_alloc(void)
{
    static const struct {
        const char *name;
        size_t block, size, count;
    } rows[] = {
        {"small in one block", 4096, 24, 10},
        {"over many blocks", 256, 100, 50},
        {"as large as a block", 256, 256, 5},
        {"larger than a block", 256, 10000, 5},
        {"nothing", 256, 0, 3},
        {"odd sizes", 0, 7, 5000},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct arena a;
        arena_init(&a, rows[i].block);
        CHECK(!a.head);
        char **parts = MEM_NEW_ARRAY(char *, rows[i].count);
        bool zero = true, aligned = true, kept = true;
        for (size_t k = 0; k < rows[i].count; k++) {
            parts[k] = arena_alloc(&a, rows[i].size);
            zero = zero && all_zero(parts[k], rows[i].size);
            aligned = aligned && (uintptr_t)parts[k] % alignof(max_align_t) == 0;
            memset(parts[k], (int)(k % 255 + 1), rows[i].size);
        }
        for (size_t k = 0; k < rows[i].count; k++)
            for (size_t at = 0; at < rows[i].size; at++)
                kept = kept && (unsigned char)parts[k][at] == k % 255 + 1;
        CHECK(zero);
        CHECK(aligned);
        CHECK(kept);
        CHECK(a.used_bytes >= rows[i].size * rows[i].count);
        arena_free(&a);
        CHECK_U64(a.used_bytes, 0);
        CHECK(!a.head);
        mem_free(parts);
    }
}

static void test_large_keeps_the_block(void)
{
    struct arena a;
    arena_init(&a, 1024);
    char *first = arena_alloc(&a, 16);
    CHECK(arena_alloc(&a, 5000));
    char *second = arena_alloc(&a, 16);
    CHECK(second == first + 16);
    arena_free(&a);
}

static void test_reset(void)
{
    struct arena a;
    arena_init(&a, 512);
    for (int round = 0; round < 3; round++) {
        char *first = arena_alloc(&a, 100);
        CHECK(all_zero(first, 100));
        memset(first, 0xff, 100);
        for (int k = 0; k < 20; k++)
            memset(arena_alloc(&a, 100), 0xff, 100);
        arena_alloc(&a, 5000);
        arena_reset(&a);
        CHECK_U64(a.used_bytes, 0);
        CHECK(a.head);
        struct arena_block *kept = a.head;
        arena_alloc(&a, 100);
        CHECK(a.head == kept);
        arena_reset(&a);
    }
    arena_free(&a);
    arena_reset(&a);
    CHECK(!a.head);
}

static void test_reset_drops_large_only(void)
{
    struct arena a;
    arena_init(&a, 512);
    arena_alloc(&a, 5000);
    arena_reset(&a);
    CHECK(!a.head);
    arena_free(&a);
}

static void test_text(void)
{
    struct arena a;
    arena_init(&a, 64);
    struct bytes from = BYTES("a\0b");
    struct bytes copy = arena_bytes(&a, from);
    CHECK_BYTES(copy, from);
    CHECK(copy.ptr != from.ptr && copy.ptr[3] == '\0');
    CHECK_BYTES(arena_bytes(&a, (struct bytes){NULL, 0}), BYTES_EMPTY);
    CHECK_STR(arena_strdup(&a, "hello"), "hello");
    CHECK_STR(arena_printf(&a, "%s-%d", "x", 42), "x-42");
    char long_text[2000];
    memset(long_text, 'y', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    CHECK_STR(arena_printf(&a, "%s", long_text), long_text);
    long_text[256] = '\0';
    CHECK_STR(arena_printf(&a, "%s", long_text), long_text);
    long_text[255] = '\0';
    CHECK_STR(arena_printf(&a, "%s", long_text), long_text);
    arena_free(&a);
}

static void test_arrays(void)
{
    struct arena a;
    arena_init(&a, 0);
    uint64_t *numbers = ARENA_NEW_ARRAY(&a, uint64_t, 1000);
    CHECK(all_zero((char *)numbers, 1000 * sizeof *numbers));
    numbers[999] = 1;
    struct bytes *one = ARENA_NEW(&a, struct bytes);
    CHECK(!one->ptr && one->len == 0);
    CHECK(a.used_bytes >= 1000 * sizeof *numbers + sizeof *one);
    arena_free(&a);
}

UNIT_MAIN("core/arena", {"alloc", test_alloc},
          {"a large object keeps the block", test_large_keeps_the_block}, {"reset", test_reset},
          {"reset drops large blocks", test_reset_drops_large_only}, {"text", test_text},
          {"arrays", test_arrays})
