/* queue/listing.h - the messages of the queue, for a thread that may wait: what the scheduler knows
 * (queue/sched_list.h) together with what the envelope in the spool says.
 *
 * The scheduler gives a page at a time; the envelopes are read by the calling thread, from the
 * segments, without their texts. Delivery waits for neither; a thread that lists much should be
 * SCHED_IDLE. A message that finishes between the two is left out. One thread at a time; scheduler
 * and spool must outlive it.
 */
#ifndef QUEUE_LISTING_H
#define QUEUE_LISTING_H

#include "queue/sched_list.h"
#include "queue/spool.h"

struct listing_filter { /* patterns, core/bytes.h; NULL: any. Copied */
    struct sched_list_filter known;
    const char *sender;    /* "" is <> */
    const char *rcpt;      /* of some recipient, settled or not */
    const char *connector; /* receive connector */
};

struct listing_row { /* until the next one */
    const struct sched_list_row *known;
    struct mail_envelope envelope;
    struct spool_meta meta;
    struct err_detail why;
};

enum listing_result {
    LISTING_ROW,
    LISTING_UNREADABLE, /* the record fails its checks, or the disk: KNOWN and WHY, no envelope;
                         * the filter has been asked for what the scheduler knows only */
    LISTING_END,
    LISTING_STOPPED, /* the scheduler did not answer */
};

struct listing;
/* To begin behind CURSOR, 0: at the first. WANTED: about so many rows will be asked for; 0: all.
 * The scheduler is asked at once. */
struct listing *listing_new(struct sched *sched, struct spool *spool,
                            const struct listing_filter *filter, uint64_t cursor, size_t wanted);
void listing_free(struct listing **listing);

MUST_USE enum listing_result listing_next(struct listing *listing, struct listing_row *row);
/* Where another listing goes on: behind all that this one has handed out or left out. */
uint64_t listing_cursor(const struct listing *listing);

#endif
