/* queue/spool_private.h - what the files of the spool share.
 *
 * Who owns what: a transaction belongs to its thread until spool_commit(), then to the writer,
 * then to its thread again. All of struct spool is the writer's but for what is marked atomic
 * and what never changes after spool_open(). Before spool_start() the opener is the writer; in the
 * simulation whoever calls spool_step().
 */
#ifndef QUEUE_SPOOL_PRIVATE_H
#define QUEUE_SPOOL_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/thread.h"
#include "queue/spool.h"
#include "queue/spool_format.h"

#define SPOOL_GROUP_BYTES    (8 * 1024 * 1024)
#define SPOOL_GROUP_TXNS     4096
#define SPOOL_SMALL_BYTES    (1024 * 1024) /* of outcomes in one group */
#define SPOOL_SETTLE_WAIT_MS 10            /* so long outcomes wait for messages to ride with */
#define SPOOL_READY_MIN      1             /* segments kept ready ahead of need */
#define SPOOL_KEPT_PART      8             /* of the last segment: one part is not for messages */
#define SPOOL_READ_BYTES     (16 * 1024)   /* one pread brings envelope and small bodies */
#define SPOOL_NAME_SIZE      64

/* --- Segments --- */

/* A small record about messages of GENERATION: what reclaim must look at. */
struct spool_note {
    uint64_t generation;
    uint32_t offset, length;
};

enum spool_segment_state {
    SPOOL_SEGMENT_NONE,     /* the slot has no file */
    SPOOL_SEGMENT_READY,    /* new header synced, no record yet */
    SPOOL_SEGMENT_ACTIVE,   /* written to */
    SPOOL_SEGMENT_SEALED,   /* read only */
    SPOOL_SEGMENT_RETIRING, /* dead; what others need of it is in the group being written */
    SPOOL_SEGMENT_DOOMED,   /* dead and not to be used again, but the file could not be removed */
};

struct spool_segment {
    /* Readers: as long as generation is theirs and they are counted, fd and salt stay. */
    _Atomic uint64_t generation; /* 0: nothing to read */
    _Atomic uint32_t readers;
    int fd;
    uint64_t salt;
    /* The writer's. */
    enum spool_segment_state state;
    bool poisoned;            /* a write or a sync failed here */
    bool discard;             /* never written again: poisoned, damaged, or of another size */
    bool unprofitable;        /* retiring it would fill another: wait until more has died */
    uint64_t disk_generation; /* the one whose records a recovery would still find */
    uint32_t size, end;
    uint64_t live;
    struct spool_note *notes;
    size_t note_count, note_capacity;
};

/* A segment on its way: written with zeros step by step between groups. */
struct spool_creation {
    bool under_way;
    int fd;
    uint32_t slot, written;
    uint64_t retry_at_ms; /* after a failure */
};

/* --- Live messages: an open-addressing table of 16 bytes an entry --- */

struct spool_entry {
    uint64_t id; /* 0: free */
    uint16_t slot, outcome_slot;
    bool has_outcome, big;
};
struct spool_index {
    struct spool_entry *entries;
    size_t count, capacity;
};
void spool_index_free(struct spool_index *index);
struct spool_entry *spool_index_find(const struct spool_index *index, uint64_t id, uint32_t slot);
/* Finds or adds. The pointer is good until the next change. */
struct spool_entry *spool_index_add(struct spool_index *index, uint64_t id, uint32_t slot);
void spool_index_remove(struct spool_index *index, struct spool_entry *entry);

/* --- Work for the writer --- */

struct spool_txn {
    struct mailbox_item item;
    struct spool_txn *next;
    struct spool *spool;
    struct mailbox *home;
    struct arena arena;
    uint64_t id, octets;
    enum err failed; /* an append failed: commit will say so */
    uint8_t *head;   /* SPOOL_RECORD_BYTES for the header, then the head */
    uint32_t head_len, length;
    uint64_t head_hash, body_hash;
    uint8_t *body;
    size_t body_len, body_capacity;
    int big_fd; /* -1: inline so far */
    struct spool_hasher *hasher;
    spool_done done;
    void *owner;
    struct spool_committed result;
};

enum spool_settle_kind { SPOOL_SETTLE_OUTCOME, SPOOL_SETTLE_DONE, SPOOL_SETTLE_QUARANTINE };

struct spool_settle {
    struct mailbox_item item;
    struct spool_settle *next;
    struct spool *spool;
    enum spool_settle_kind kind;
    struct spool_ref ref;
    uint64_t queued_at_ms;
    uint32_t head_len;
    uint8_t head[]; /* OUTCOME: the head; QUARANTINE: the reason */
};

struct spool_found {               /* by recovery, for spool_each_recovered() */
    struct spool_ref ref, outcome; /* outcome.length 0: none */
};

struct spool {
    struct spool_settings settings;
    char *path;
    struct io *io;
    int root_fd, segments_fd, big_fd, quarantine_fd, lock_fd;
    struct mailbox *mailbox; /* to the writer */
    struct thread thread;
    struct mailbox_item stop;
    bool started, stopping;

    _Atomic uint64_t next_id;
    _Atomic int health; /* enum err; not ERR_OK: takes nothing in */
    _Atomic uint64_t disk_free_bytes, ready_bytes;
    _Atomic uint64_t live_messages, segments, segments_free, segments_poisoned, quarantined;
    _Atomic uint64_t syncs, groups, records;

    uint64_t generation_count; /* the last one used */
    uint32_t slots_used;       /* beyond: all NONE */
    struct spool_segment *active;
    struct spool_creation creation;
    bool something_died; /* since reclaim last found nothing */

    struct spool_index index;
    struct spool_txn *txns, **txns_end;
    struct spool_settle *settles, **settles_end;
    struct spool_checkpoint *checkpoints; /* to be written; voids first */
    size_t checkpoint_count, void_count, checkpoint_capacity;

    unsigned failures; /* in a row */
    uint64_t heal_at_ms, space_at_ms;
    struct spool_found *found;
    size_t found_count;

    struct spool_segment slots[SPOOL_SLOTS];
};

/* --- spool_directory.c --- */
/* Opens or makes them, checks them, takes the lock. */
MUST_USE enum err spool_directories_open(struct spool *spool, struct err_detail *why);
void spool_directories_close(struct spool *spool);

/* --- spool_segment.c --- */
char *spool_segment_name(uint32_t slot, char to[SPOOL_NAME_SIZE]);
bool spool_generation_exists(const struct spool *spool, uint64_t generation);
/* For reading: counted, to be given back. NULL: that generation is gone. Any thread. */
struct spool_segment *spool_segment_hold(struct spool *spool, uint64_t generation);
void spool_segment_release(struct spool_segment *segment);
void spool_segment_note(struct spool_segment *segment, uint64_t generation, uint32_t offset,
                        uint32_t length);
void spool_segment_died(struct spool *spool, struct spool_segment *segment);
/* Gives a dead segment a new generation, synced: it is READY. A failure dooms it. */
MUST_USE enum err spool_segment_renew(struct spool *spool, struct spool_segment *segment);
/* Removes the file of a segment nobody needs. */
void spool_segment_remove(struct spool *spool, struct spool_segment *segment);
/* Writes at least BYTES more of the segment under way, starting one if there is none. ERR_AGAIN:
 * more to do. ERR_OK: one more is READY. */
MUST_USE enum err spool_segment_create(struct spool *spool, uint64_t bytes);
/* Seals the active one and activates the oldest READY one; recycles or makes one if need be. */
MUST_USE enum err spool_segment_rotate(struct spool *spool);
/* Never again: everything at or after END is void. */
void spool_segment_poison(struct spool *spool, struct spool_segment *segment, uint32_t end);
unsigned spool_segments_ready(const struct spool *spool);
void spool_segments_count(struct spool *spool); /* for the statistics */
void spool_checkpoint_queue(struct spool *spool, const struct spool_checkpoint *checkpoint);

/* --- spool_group.c --- */
enum spool_group_kind { SPOOL_GROUP_ALL, SPOOL_GROUP_VOIDS };
enum spool_group_result { SPOOL_GROUP_EMPTY, SPOOL_GROUP_WRITTEN, SPOOL_GROUP_FAILED };
/* One group from what is queued. A failure is dealt with when it returns, but for health and the
 * transactions in FAILED, which still wait to be told so. */
enum spool_group_result spool_group_run(struct spool *spool, enum spool_group_kind kind,
                                        struct spool_txn **failed, enum err *err);

struct spool_group;
/* Adds a small record to the group that is being put together. */
void spool_group_add(struct spool_group *group, enum spool_type type, uint64_t id,
                     uint64_t generation, const uint8_t *head, uint32_t head_len);
uint32_t spool_group_room(const struct spool_group *group);

/* --- spool_reclaim.c --- */
/* Picks a dead segment and adds to GROUP what others need of it; NULL: there is none. */
struct spool_segment *spool_reclaim_begin(struct spool *spool, struct spool_group *group);
/* The group was synced, or failed. */
void spool_reclaim_end(struct spool *spool, struct spool_segment *segment, bool synced);
/* Renews a dead segment of which nobody needs anything. False: there is none. */
bool spool_reclaim_quick(struct spool *spool);
bool spool_reclaim_wanted(const struct spool *spool);

/* --- spool_quarantine.c --- */
/* Copies LEN bytes to quarantine/NAME, synced. Once for a name. */
MUST_USE enum err spool_set_aside(struct spool *spool, const char *name, const uint8_t *data,
                                  size_t len);
/* Reads what can be read; blocks the disk refuses are zeros. Returns the bytes up to the file's
 * end; UNREADABLE counts refused blocks. */
size_t spool_salvage(struct spool *spool, int fd, uint8_t *to, size_t len, uint64_t at,
                     size_t *unreadable);
/* The message REF, unreadable as it may be: its record and its big file. */
MUST_USE enum err spool_set_aside_message(struct spool *spool, const struct spool_ref *ref,
                                          struct bytes reason);

/* --- spool_recover.c --- */
MUST_USE enum err spool_recover(struct spool *spool, struct err_detail *why);

/* --- spool_txn.c --- */
char *spool_big_name(uint64_t id, char to[SPOOL_NAME_SIZE]);
void spool_txn_complete(struct spool_txn *txn, enum err err); /* to its home */
void spool_txn_free(struct spool_txn *txn);

/* --- spool_read.c --- */
/* As spool_read(); the big file is opened and its size looked at, no more. */
MUST_USE enum err spool_read_record(struct spool *spool, const struct spool_ref *ref,
                                    struct arena *arena, struct spool_message *out,
                                    struct spool_head *head, struct err_detail *why);

/* --- spool_writer.c: what runs on the writer --- */
void spool_on_commit(struct mailbox_item *item);
void spool_on_settle(struct mailbox_item *item);
void spool_space_refresh(struct spool *spool);
/* Takes nothing in until it has been mended; tried again in a while. */
void spool_trouble(struct spool *spool, enum err err);

#endif
