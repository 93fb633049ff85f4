/* A byte queue: one piece of memory, moved to its front before it grows. */
#include "core/buf.h"

#include <stdio.h>

#include "core/mem.h"

#define BUF_CAPACITY_MIN 512

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->start = b->end = 0;
}

/* Doubles, so that n bytes added one by one cost n copies altogether; never past the maximum. */
static size_t buf_capacity_for(const struct buf *b, size_t needed)
{
    size_t capacity = b->capacity ? b->capacity : BUF_CAPACITY_MIN;
    while (capacity < needed)
        if (__builtin_mul_overflow(capacity, (size_t)2, &capacity))
            capacity = SIZE_MAX;
    if (capacity > b->max)
        capacity = b->max;
    return capacity > needed ? capacity : needed;
}

char *buf_reserve(struct buf *b, size_t len)
{
    size_t unread = buf_len(b), needed;
    if (__builtin_add_overflow(unread, len, &needed) || needed > b->max)
        return NULL;
    if (b->data && len <= b->capacity - b->end)
        return b->data + b->end;
    /* Moving to the front is worth it only when it frees at least as much as it copies. */
    if (b->data && needed <= b->capacity && b->start >= unread) {
        memmove(b->data, b->data + b->start, unread);
    } else {
        size_t capacity = buf_capacity_for(b, needed);
        char *data = mem_alloc(capacity);
        if (unread > 0)
            memcpy(data, b->data + b->start, unread);
        mem_free(b->data);
        b->data = data;
        b->capacity = capacity;
    }
    b->start = 0;
    b->end = unread;
    return b->data + b->end;
}

void buf_added(struct buf *b, size_t len)
{
    ASSERT(len <= b->capacity - b->end);
    b->end += len;
}

enum err buf_append(struct buf *b, struct bytes bytes)
{
    char *to = buf_reserve(b, bytes.len);
    if (!to)
        return ERR_LIMIT;
    if (bytes.len > 0)
        memcpy(to, bytes.ptr, bytes.len);
    b->end += bytes.len;
    return ERR_OK;
}

enum err buf_printf(struct buf *b, const char *fmt, ...)
{
    char small[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    size_t len = (size_t)n;
    if (len < sizeof small)
        return buf_append(b, bytes_make(small, len));
    char *text = mem_alloc(len + 1);
    va_start(args, fmt);
    n = vsnprintf(text, len + 1, fmt, args);
    va_end(args);
    ASSERT(n >= 0);
    enum err e = buf_append(b, bytes_make(text, len));
    mem_free(text);
    return e;
}

void buf_consume(struct buf *b, size_t len)
{
    ASSERT(len <= buf_len(b));
    b->start += len;
    if (b->start == b->end)
        buf_clear(b);
}
