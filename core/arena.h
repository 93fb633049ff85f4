/* core/arena.h - memory for things that die together (a transaction, a configuration).
 *
 * A bump allocator over a chain of blocks. Nothing is freed singly. Not thread-safe: an arena
 * has the owner of the thing it belongs to.
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

#include "core/bytes.h"
#include "core/err.h"

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used_bytes; /* by callers, for limits on what a peer can make grow */
    size_t block_bytes;
};

/* BLOCK_BYTES: size of the first and following blocks (0: 4096). Allocates nothing yet. */
void arena_init(struct arena *a, size_t block_bytes);
/* Frees all but one block of ordinary size: ready for the next transaction. */
void arena_reset(struct arena *a);
/* Frees everything; the arena may be used again. */
void arena_free(struct arena *a);

/* Zeroed, aligned for any object, never NULL. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy of B, followed by a NUL that is not counted. */
struct bytes arena_bytes(struct arena *a, struct bytes b);
char *arena_strdup(struct arena *a, const char *text);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define ARENA_NEW(a, type)              ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_NEW_ARRAY(a, type, count) ((type *)arena_alloc_array((a), sizeof(type), (count)))
void *arena_alloc_array(struct arena *a, size_t size, size_t count);

#endif
