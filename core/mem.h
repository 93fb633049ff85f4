/* core/mem.h - the one allocator (jemalloc in release builds, the sanitizer's elsewhere).
 *
 * Allocation never returns NULL: a relay that cannot get a few kilobytes says so and ends;
 * what a peer can make grow has its own configured maximum long before that. Any thread.
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *ptr, size_t size);
void mem_free(void *ptr); /* NULL is fine */
char *mem_strdup(const char *text);

/* A zeroed object of TYPE. */
#define MEM_NEW(type) ((type *)mem_zalloc(sizeof(type)))
/* A zeroed array; the product is checked for overflow. */
#define MEM_NEW_ARRAY(type, count) ((type *)mem_zalloc_array(sizeof(type), (count)))
void *mem_zalloc_array(size_t size, size_t count);
/* Zeroed and on cache lines that it shares with nothing else. */
void *mem_zalloc_lines(size_t size);
#define MEM_CACHE_LINE 64

struct mem_stats {
    uint64_t allocated_bytes; /* by live objects; 0 where the allocator cannot tell */
    uint64_t resident_bytes;  /* of the process */
};
void mem_stats_read(struct mem_stats *out);

#endif
