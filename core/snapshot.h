/* core/snapshot.h - publish an immutable object to readers that take no lock (liburcu, memb).
 *
 * Inside a read section: no system call, allocation, callback, log or lock; copy out what you
 * need and keep no pointer. Publishing retires the old object after all readers have left.
 */
#ifndef CORE_SNAPSHOT_H
#define CORE_SNAPSHOT_H

struct snapshot; /* the place where the current object is published */

/* FREE is called for each retired object, on RCU's own thread. */
struct snapshot *snapshot_new(void (*free_object)(void *object));
/* No reader may be left. Frees the current object too. */
void snapshot_free(struct snapshot **s);

/* Any registered thread. Sections nest. */
void snapshot_read_begin(void);
void snapshot_read_end(void);
/* Inside a section only; NULL before the first publication. */
const void *snapshot_get(const struct snapshot *s);

/* Takes OBJECT over. One publisher at a time. */
void snapshot_publish(struct snapshot *s, void *object);
/* Waits until every object retired so far has been freed. Not inside a section. */
void snapshot_barrier(void);

#endif
