/* core/buf.h - a byte queue in one piece of memory: bytes go in at the end, out at the front.
 *
 * It grows up to its maximum and says ERR_LIMIT beyond. Empty it can give its memory back, so
 * that an idle session costs nothing. Owned by one thread.
 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stddef.h>

#include "core/bytes.h"
#include "core/err.h"

struct buf {
    char *data;
    size_t start; /* of the unread bytes */
    size_t end;
    size_t capacity;
    size_t max; /* of unread bytes */
};

void buf_init(struct buf *b, size_t max);
/* Releases the memory; the buffer is empty and usable. */
void buf_free(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}
static inline struct bytes buf_bytes(const struct buf *b)
{
    return (struct bytes){b->data ? b->data + b->start : "", b->end - b->start};
}

/* Room for LEN more bytes at the returned place, to be counted by buf_added(); NULL beyond max. */
char *buf_reserve(struct buf *b, size_t len);
void buf_added(struct buf *b, size_t len);
/* ERR_LIMIT leaves the buffer as it was. */
MUST_USE enum err buf_append(struct buf *b, struct bytes bytes);
MUST_USE enum err buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops LEN bytes at the front. */
void buf_consume(struct buf *b, size_t len);
void buf_clear(struct buf *b);

#endif
