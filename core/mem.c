/* The allocator behind one set of names; without memory the program ends. */
#include "core/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef MAILRACE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

/* Plain write(2): whatever formats text might want memory itself. */
__attribute__((noreturn)) static void mem_exhausted(size_t size)
{
    char line[96];
    int n =
        snprintf(line, sizeof line, "mailrace: out of memory: cannot allocate %zu bytes\n", size);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        abort();
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        mem_exhausted(size);
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p)
        mem_exhausted(size);
    return p;
}

void *mem_realloc(void *ptr, size_t size)
{
    void *p = realloc(ptr, size ? size : 1);
    if (!p)
        mem_exhausted(size);
    return p;
}

void mem_free(void *ptr)
{
    free(ptr);
}

char *mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(mem_alloc(size), text, size);
}

void *mem_zalloc_array(size_t size, size_t count)
{
    size_t total;
    if (__builtin_mul_overflow(size, count, &total))
        mem_exhausted(SIZE_MAX);
    return mem_zalloc(total);
}

void *mem_zalloc_lines(size_t size)
{
    size_t total;
    if (__builtin_add_overflow(size, (size_t)MEM_CACHE_LINE - 1, &total))
        mem_exhausted(size);
    total -= total % MEM_CACHE_LINE;
    void *p = aligned_alloc(MEM_CACHE_LINE, total);
    if (!p)
        mem_exhausted(size);
    return memset(p, 0, total);
}

/* /proc/self/statm: total and resident size in pages (proc(5)). */
static uint64_t mem_resident_bytes(void)
{
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    char text[128];
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    long page = sysconf(_SC_PAGESIZE);
    if (n <= 0 || page <= 0)
        return 0;
    text[n] = '\0';
    char *end;
    strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) * (uint64_t)page;
}

static uint64_t mem_allocated_bytes(void)
{
#ifdef MAILRACE_JEMALLOC
    /* The statistics are those of the last epoch: begin a new one to have today's. */
    uint64_t epoch = 1;
    size_t size = sizeof epoch;
    if (mallctl("epoch", &epoch, &size, &epoch, size) != 0)
        return 0;
    size_t allocated = 0;
    size = sizeof allocated;
    return mallctl("stats.allocated", &allocated, &size, NULL, 0) == 0 ? allocated : 0;
#else
    return 0;
#endif
}

void mem_stats_read(struct mem_stats *out)
{
    out->allocated_bytes = mem_allocated_bytes();
    out->resident_bytes = mem_resident_bytes();
}
