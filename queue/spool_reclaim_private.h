/* queue/spool_reclaim_private.h - which segment is used next: one that is ready, or empty, or new;
 * and which one is being emptied. The writer's.
 */
#ifndef QUEUE_SPOOL_RECLAIM_PRIVATE_H
#define QUEUE_SPOOL_RECLAIM_PRIVATE_H

#include "queue/spool_slots_private.h"

/* The segment that is being emptied, a batch in each group (spool_carry.c). */
struct spool_emptying {
    struct spool_segment *from;
    uint8_t *items;
    size_t items_len;
    size_t at, next; /* read up to here; and up to here when the group is synced */
    bool failed;
};

struct spool_reclaim {
    struct spool_segments *segments;
    struct spool_emptying emptying;
    uint64_t retiring_at_ms; /* look again at what was being read */
    uint64_t doomed_at_ms;   /* and at what could not be removed */
};

/* Does a record about GENERATION that stands in SEGMENT have to be kept when SEGMENT goes? */
bool spool_reclaim_counts(const struct spool_segments *segments,
                          const struct spool_segment *segment, uint64_t generation);
/* Begins with the segment that is cheapest to empty, if none is being emptied. False: there is
 * none. */
bool spool_reclaim_begin(struct spool_reclaim *reclaim);
/* What was carried on of it is on the disk; when that was all it retires. */
void spool_reclaim_carried(struct spool_reclaim *reclaim);
/* Renews a segment of which nothing is needed. False: there is none. */
bool spool_reclaim_quick(struct spool_reclaim *reclaim);
bool spool_reclaim_wanted(const struct spool_reclaim *reclaim);
/* Looks again, if it is time, at what could not be renewed or removed before. */
bool spool_reclaim_retry(struct spool_reclaim *reclaim);
/* Seals the active one and activates the oldest READY one; recycles or makes one if need be. */
MUST_USE enum err spool_reclaim_rotate(struct spool_reclaim *reclaim);
void spool_reclaim_free(struct spool_reclaim *reclaim);

#endif
