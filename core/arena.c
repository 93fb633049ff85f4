/* Blocks of memory, of which pieces are handed out one behind the other. */
#include "core/arena.h"

#include <stdalign.h>
#include <stdio.h>

#include "core/mem.h"

#define ARENA_ALIGN               alignof(max_align_t)
#define ARENA_BLOCK_BYTES_DEFAULT 4096

/* The head is the block that is filled; the ones behind it are full or too small. */
struct arena_block {
    struct arena_block *next;
    size_t capacity;
    size_t used;
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t block_bytes)
{
    *a = (struct arena){.block_bytes = block_bytes ? block_bytes : ARENA_BLOCK_BYTES_DEFAULT};
}

static struct arena_block *arena_block_new(size_t capacity)
{
    size_t total;
    ASSERT(!__builtin_add_overflow(sizeof(struct arena_block), capacity, &total));
    struct arena_block *block = mem_alloc(total);
    block->next = NULL;
    block->capacity = capacity;
    block->used = 0;
    return block;
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = NULL;
    for (struct arena_block *block = a->head, *next; block; block = next) {
        next = block->next;
        if (!kept && block->capacity == a->block_bytes) {
            kept = block;
            kept->used = 0;
        } else {
            mem_free(block);
        }
    }
    if (kept)
        kept->next = NULL;
    a->head = kept;
    a->used_bytes = 0;
}

void arena_free(struct arena *a)
{
    for (struct arena_block *block = a->head, *next; block; block = next) {
        next = block->next;
        mem_free(block);
    }
    a->head = NULL;
    a->used_bytes = 0;
}

/* A large object gets a block of its own behind the head, so that the head's rest stays in use. */
static struct arena_block *arena_block_for(struct arena *a, size_t size)
{
    struct arena_block *head = a->head;
    if (head && size <= head->capacity - head->used)
        return head;
    bool large = size > a->block_bytes / 4;
    struct arena_block *block =
        arena_block_new(large && size > a->block_bytes ? size : a->block_bytes);
    if (large && head) {
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        a->head = block;
    }
    return block;
}

static void *arena_take(struct arena *a, size_t size)
{
    size_t rounded;
    ASSERT(!__builtin_add_overflow(size, ARENA_ALIGN - 1, &rounded));
    rounded &= ~(size_t)(ARENA_ALIGN - 1);
    if (a->block_bytes == 0)
        a->block_bytes = ARENA_BLOCK_BYTES_DEFAULT;
    struct arena_block *block = arena_block_for(a, rounded);
    void *p = block->data + block->used;
    block->used += rounded;
    a->used_bytes += rounded;
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    return memset(arena_take(a, size), 0, size);
}

void *arena_alloc_array(struct arena *a, size_t size, size_t count)
{
    size_t total;
    ASSERT(!__builtin_mul_overflow(size, count, &total));
    return arena_alloc(a, total);
}

struct bytes arena_bytes(struct arena *a, struct bytes b)
{
    size_t size;
    ASSERT(!__builtin_add_overflow(b.len, (size_t)1, &size));
    char *copy = arena_take(a, size);
    if (b.len > 0)
        memcpy(copy, b.ptr, b.len);
    copy[b.len] = '\0';
    return (struct bytes){copy, b.len};
}

char *arena_strdup(struct arena *a, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(arena_take(a, size), text, size);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    char small[256];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    size_t size = (size_t)n + 1;
    char *text = arena_take(a, size);
    if (size <= sizeof small)
        return memcpy(text, small, size);
    va_start(args, fmt);
    n = vsnprintf(text, size, fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    return text;
}
