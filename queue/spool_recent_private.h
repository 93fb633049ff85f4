/* queue/spool_recent_private.h - what was committed a moment ago and has not been read yet: see
 * spool_recent.c. Any thread.
 */
#ifndef QUEUE_SPOOL_RECENT_PRIVATE_H
#define QUEUE_SPOOL_RECENT_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/io.h"

#define SPOOL_RECENT 1024

struct spool_recents {
    struct io *io;
    struct spool_recent *_Atomic slots[SPOOL_RECENT];
    _Atomic unsigned big; /* with an open file */
};

struct spool_recent {
    struct spool_recents *table;
    uint64_t id;
    uint8_t *head, *body; /* as a transaction has them */
    size_t body_capacity;
    uint32_t head_len;
    int big_fd;
};
/* Durable now. True: the pieces of RECENT are the table's; false: they are too large. */
bool spool_recent_put(struct spool_recents *table, const struct spool_recent *recent);
/* The caller's now; NULL: not there. */
struct spool_recent *spool_recent_take(struct spool_recents *table, uint64_t id);
void spool_recent_free(struct spool_recent **recent);
void spool_recents_clear(struct spool_recents *table);

#endif
