/* queue/spool_moved_private.h - moved messages: from the id to where the message is now. Written by
 * the writer, read by all: see spool_moved.c.
 */
#ifndef QUEUE_SPOOL_MOVED_PRIVATE_H
#define QUEUE_SPOOL_MOVED_PRIVATE_H

#include <stdatomic.h>

#include "queue/spool_message.h"

struct spool_moved_table;
struct spool_moved {
    struct spool_moved_table *_Atomic table;
    _Atomic uint64_t version; /* odd: being changed */
    _Atomic uint32_t readers;
    struct spool_moved_table *retired; /* they may still be read */
};
void spool_moved_put(struct spool_moved *moved, const struct spool_ref *ref);
void spool_moved_remove(struct spool_moved *moved, uint64_t id);
/* Any thread. */
bool spool_moved_get(struct spool_moved *moved, uint64_t id, struct spool_ref *out);
void spool_moved_free(struct spool_moved *moved);

#endif
