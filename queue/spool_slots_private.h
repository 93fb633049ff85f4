/* queue/spool_slots_private.h - the segments of one log: a slot each, who reads them, what they
 * hold.
 *
 * The writer's, but for what is atomic. Before the writer starts its opener is the writer.
 */
#ifndef QUEUE_SPOOL_SLOTS_PRIVATE_H
#define QUEUE_SPOOL_SLOTS_PRIVATE_H

#include <stdatomic.h>

#include "queue/spool_directory_private.h"
#include "queue/spool_format.h"

#define SPOOL_SLOTS_SPARE 16 /* with fewer free slots segments are emptied sooner */
#define SPOOL_READY_MIN   1  /* segments kept ready ahead of need */

/* DONE and CHECKPOINT records in a segment about one generation: what a segment that is emptied
 * must carry on as long as that generation is on the disk. */
struct spool_about {
    uint64_t generation, bytes;
};

enum spool_segment_state {
    SPOOL_SEGMENT_NONE,     /* the slot has no file */
    SPOOL_SEGMENT_READY,    /* new header synced, no record yet */
    SPOOL_SEGMENT_ACTIVE,   /* written to */
    SPOOL_SEGMENT_SEALED,   /* read only */
    SPOOL_SEGMENT_RETIRING, /* nothing in it is needed: as soon as it is not being read, it goes */
    SPOOL_SEGMENT_DOOMED,   /* not to be used again, but the file could not be removed yet */
};

struct spool_segment {
    /* Readers: as long as generation is theirs and they are counted, fd and salt stay. */
    _Atomic uint64_t generation; /* 0: nothing to read */
    _Atomic uint32_t readers;
    int fd;
    uint64_t salt;
    /* The writer's. */
    enum spool_segment_state state;
    bool poisoned;       /* a write or a sync failed here */
    bool discard;        /* never written again: poisoned or damaged */
    bool odd_size;       /* nor this: segments have another size now */
    bool stuck;          /* emptying it failed or is not worth it: until a generation vanishes */
    bool unlinked;       /* DOOMED: its name may or may not be gone after a power cut */
    bool footer_due;     /* its items are complete and not yet on the disk */
    bool footer_written; /* items are there and not in memory */
    uint64_t disk_generation; /* the one that a recovery would still find records of */
    uint32_t size, end;
    uint32_t version;                                  /* of its header */
    uint64_t live, live_bytes;                         /* messages */
    uint64_t outcomes, outcome_bytes, outcomes_latest; /* the rest has been overtaken */
    struct {
        struct spool_about *items;
        size_t count, capacity;
    } abouts;
    /* The footer: in memory while it grows, or if it cannot be written; else on the disk. */
    struct {
        uint8_t *items;
        size_t count, capacity; /* bytes */
    } footer;
};

/* A segment on its way: written with zeros step by step between groups. */
struct spool_creation {
    bool under_way;
    int fd;
    uint32_t slot, written;
    uint64_t retry_at_ms; /* after a failure */
};

struct spool_segments {
    const struct spool_directory *dir;
    uint64_t size_bytes; /* of those to come */

    _Atomic uint64_t count, count_free, count_poisoned, ready_bytes;

    uint64_t generation_count; /* the last one used */
    uint32_t version;          /* of segments to come: never below that of one that is there */
    uint32_t used;             /* slots beyond: all NONE */
    struct spool_segment *active;
    struct spool_creation creation;
    bool something_died; /* since reclaim last found nothing */
    bool short_of_space; /* no segment could be made */
    bool footers_due;    /* of some segment */
    struct {
        struct spool_checkpoint *items;
        size_t count, capacity;
    } checkpoints;     /* to be written; voids first */
    size_t void_count; /* of them */

    struct spool_segment slots[SPOOL_SLOTS];
    /* Message ids below were handed out; new headers say so. Every worker writes it, so that it
     * stands far from what the writer uses. */
    _Atomic uint64_t next_id;
};

/* --- spool_slots.c --- */
void spool_segments_init(struct spool_segments *segments, const struct spool_directory *dir,
                         uint64_t size_bytes);
uint32_t spool_segment_slot(const struct spool_segments *segments,
                            const struct spool_segment *segment);
struct spool_segment_header spool_segment_header_of(const struct spool_segment *segment);
bool spool_generation_exists(const struct spool_segments *segments, uint64_t generation);
/* For reading: counted, to be given back. NULL: that generation is gone. Any thread. */
struct spool_segment *spool_segment_hold(struct spool_segments *segments, uint64_t generation);
void spool_segment_release(struct spool_segment *segment);
/* Room for records and their items. */
uint32_t spool_segment_room(const struct spool_segment *segment);
unsigned spool_segments_ready(const struct spool_segments *segments);
void spool_segments_count(struct spool_segments *segments); /* for the statistics */
/* So many bytes would not be written again, even if that is all that keeps SEGMENT. */
uint64_t spool_segment_worth(const struct spool_segments *segments,
                             const struct spool_segment *segment);
/* SEGMENT has lost something: is it worth a look by reclaim now? */
void spool_segment_consider(struct spool_segments *segments, const struct spool_segment *segment);
void spool_checkpoint_queue(struct spool_segments *segments,
                            const struct spool_checkpoint *checkpoint);
/* The first COUNT are on the disk. */
void spool_checkpoints_written(struct spool_segments *segments, size_t count);

/* --- spool_items.c: the footer while a segment lives --- */
/* Accounts for a record that stands in SEGMENT, and keeps its item. */
void spool_items_add(struct spool_segment *segment, const struct spool_item *item);
/* The same without keeping it: the footer is on the disk. */
void spool_items_account(struct spool_segment *segment, const struct spool_item *item);
void spool_items_clear(struct spool_segment *segment);
/* A copy, from memory or from the disk. False: they cannot be read, or are not right. */
bool spool_items_load(struct spool_segments *segments, const struct spool_segment *segment,
                      uint8_t **items, size_t *len);
/* Reads the footer of a segment; ERR_NOTFOUND: there is none (END is 0), or only its end is known.
 * ITEMS is the caller's. */
MUST_USE enum err spool_footer_read(struct io *io, int fd,
                                    const struct spool_segment_header *header, uint8_t **items,
                                    size_t *len, uint32_t *end);
/* Writes one that is due. False: none is. */
bool spool_footer_write_next(struct spool_segments *segments);
/* Everything that is due. */
void spool_footers_write(struct spool_segments *segments);

/* --- spool_segment.c: the files --- */
/* Gives a dead segment a new generation, synced: it is READY. A failure dooms it. */
MUST_USE enum err spool_segment_renew(struct spool_segments *segments,
                                      struct spool_segment *segment);
/* It holds no record and has a version below that of segments to come: a new header, synced. */
MUST_USE enum err spool_segment_raise(struct spool_segments *segments,
                                      struct spool_segment *segment);
/* Removes the file of a segment of which nothing is needed; DOOMED if that fails. */
void spool_segment_remove(struct spool_segments *segments, struct spool_segment *segment);
/* Writes at least BYTES more of the segment under way, starting one if there is none. ERR_AGAIN:
 * more to do. ERR_OK: one more is READY. */
MUST_USE enum err spool_segment_create(struct spool_segments *segments, uint64_t bytes);
/* Nothing more goes into the active one. */
void spool_segment_seal(struct spool_segments *segments);
/* Never again: everything at or after END is void. */
void spool_segment_poison(struct spool_segments *segments, struct spool_segment *segment,
                          uint32_t end);
void spool_segments_free(struct spool_segments *segments);

#endif
