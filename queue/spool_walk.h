/* queue/spool_walk.h - over the records of a segment in memory, one after the other, with the rules
 * of queue/spool_format.h: what is a record, and what lies between records. Pure.
 */
#ifndef QUEUE_SPOOL_WALK_H
#define QUEUE_SPOOL_WALK_H

#include "queue/spool_format.h"

/* R7 for a record with its head in memory. */
bool spool_record_head_valid(const struct spool_record *record, struct arena *scratch);

enum spool_walk_event { SPOOL_WALK_RECORD, SPOOL_WALK_GAP, SPOOL_WALK_END };

/* Over a segment in memory, which must outlive what is found in it. */
struct spool_walk {
    const uint8_t *data; /* the whole file, or what there is of it */
    uint64_t len;        /* stop here: the file's or the checkpoint's end */
    struct spool_segment_header segment;
    uint64_t at;
    /* of the latest event */
    struct spool_record record;
    uint64_t gap_from, gap_to;
    bool gap_torn;
    bool pending; /* record was found behind a gap and is next */
    struct arena scratch;
};
void spool_walk_start(struct spool_walk *walk, const uint8_t *data, uint64_t len,
                      const struct spool_segment_header *segment);
/* RECORD passes R1 to R7. END: at is the segment's end. */
enum spool_walk_event spool_walk_next(struct spool_walk *walk);
void spool_walk_free(struct spool_walk *walk);

#endif
