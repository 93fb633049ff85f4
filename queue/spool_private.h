/* queue/spool_private.h - what the files of the spool share.
 *
 * A spool is one log that takes messages in, and further ones if 0.1.0 made them: those are only
 * emptied. Each has a writer, directories and ids of its own and knows nothing of the others.
 *
 * Who owns what: a transaction belongs to its thread until spool_commit(), then to the writer,
 * then to its thread again. All of struct spool_log is the writer's but for what is marked atomic
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
#define SPOOL_SLOTS_SPARE    16            /* with fewer free slots segments are emptied sooner */
#define SPOOL_PROMISE_MAX    (1ULL << 40)

/* --- Segments --- */

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
    SPOOL_SEGMENT_RETIRING, /* nobody needs anything of it: as soon as nobody reads it, it goes */
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
    uint64_t disk_generation; /* the one whose records a recovery would still find */
    uint32_t size, end;
    uint32_t version;                                  /* of its header */
    uint64_t live, live_bytes;                         /* messages */
    uint64_t outcomes, outcome_bytes, outcomes_latest; /* the rest has been overtaken */
    struct spool_about *abouts;
    size_t about_count, about_capacity;
    /* The footer: in memory while it grows, or if it cannot be written; else on the disk. */
    uint8_t *items;
    size_t items_len, items_capacity;
};

/* A segment on its way: written with zeros step by step between groups. */
struct spool_creation {
    bool under_way;
    int fd;
    uint32_t slot, written;
    uint64_t retry_at_ms; /* after a failure */
};

/* --- Live messages: an open-addressing table of 16 bytes an entry, a quarter to a half of it free
 * --- */

struct spool_entry {
    uint64_t id;         /* 0: free */
    uint32_t outcome_at; /* offset of the latest OUTCOME; 0: there is none */
    uint16_t outcome_slot;
    uint16_t slot : 12;
    uint16_t big : 1;
    uint16_t moving : 1;  /* its copy is in the group that is being written */
    uint16_t moved : 1;   /* spool->moved knows where it is */
    uint16_t missing : 1; /* recovery: there is an OUTCOME, the message was not met so far */
};
_Static_assert(sizeof(struct spool_entry) == 16, "a queued message costs RAM");

struct spool_index {
    struct spool_entry *entries;
    size_t count, capacity;
};
void spool_index_free(struct spool_index *index);
struct spool_entry *spool_index_find(const struct spool_index *index, uint64_t id);
/* Of several with this id the one of SLOT. */
struct spool_entry *spool_index_find_in(const struct spool_index *index, uint64_t id,
                                        uint32_t slot);
/* One more, even if there is one. The pointer is good until the next change. */
struct spool_entry *spool_index_add(struct spool_index *index, uint64_t id, uint32_t slot);
void spool_index_remove(struct spool_index *index, struct spool_entry *entry);

/* --- Moved messages: from the id to where the message is now. Written by the writer, read by all;
 * see spool_moved.c --- */

struct spool_moved_table;
struct spool_moved {
    struct spool_moved_table *_Atomic table;
    _Atomic uint64_t version; /* odd: being changed */
    _Atomic uint32_t readers;
    struct spool_moved_table *retired; /* somebody may still read them */
};
void spool_moved_put(struct spool_moved *moved, const struct spool_ref *ref);
void spool_moved_remove(struct spool_moved *moved, uint64_t id);
/* Any thread. */
bool spool_moved_get(struct spool_moved *moved, uint64_t id, struct spool_ref *out);
void spool_moved_free(struct spool_moved *moved);

/* --- Committed a moment ago, and not read yet: see spool_recent.c --- */

#define SPOOL_RECENT 1024

struct spool_recent {
    struct spool_log *spool;
    uint64_t id;
    uint8_t *head, *body; /* as a transaction has them */
    uint32_t head_len;
    int big_fd;
};
struct spool_txn;
/* Durable now: takes the pieces of TXN, if they are small. Any thread. */
void spool_recent_put(struct spool_txn *txn);
/* The caller's now; NULL: not there. Any thread. */
struct spool_recent *spool_recent_take(struct spool_log *spool, uint64_t id);
void spool_recent_free(struct spool_recent **recent);
void spool_recent_clear(struct spool_log *spool);

/* --- Work for the writer --- */

struct spool_txn {
    struct mailbox_item item;
    struct spool_txn *next;
    struct spool_log *spool;
    struct mailbox *home;
    struct arena arena;
    uint64_t id, octets;
    enum err failed; /* an append failed: commit will say so */
    uint8_t *head;   /* SPOOL_RECORD_BYTES for the header, then the head */
    uint32_t head_len, length;
    uint32_t version; /* of the segment that it needs, at least */
    uint64_t head_hash, body_hash;
    uint8_t *facts; /* behind the head's padding, in the same piece */
    uint32_t facts_len;
    uint64_t promised; /* its part of spool->promised_bytes */
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
    struct spool_log *spool;
    enum spool_settle_kind kind;
    struct spool_ref ref;
    uint64_t queued_at_ms;
    uint32_t head_len;
    uint8_t head[]; /* OUTCOME: the head; QUARANTINE: the reason */
};

/* Found by recovery, not yet asked for: 12 bytes a message, given back segment by segment. */
struct spool_found {
    uint32_t at;         /* of its item in the footer; without a footer: of its record */
    uint32_t outcome_at; /* 0: none */
    uint16_t outcome_slot;
};
struct spool_found_segment {
    uint32_t slot;
    bool has_footer;
    uint64_t generation;
    struct spool_found *messages;
    size_t count;
};

/* A file without a record that could not be removed: the writer tries again. */
struct spool_orphan {
    struct mailbox_item item;
    struct spool_orphan *next;
    struct spool_log *spool;
    uint64_t id;
};

/* The segment that is being emptied, a batch in each group. */
struct spool_emptying {
    struct spool_segment *from;
    uint8_t *items;
    size_t items_len;
    size_t at, next; /* read up to here; and up to here when the group is synced */
    bool failed;
};

struct spool_done_id {
    uint64_t generation, id;
};

struct spool_log {
    unsigned number;
    const struct spool_log *first; /* NULL: this is it */
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
    _Atomic uint64_t promised_bytes; /* to transactions that are open */
    _Atomic uint64_t live_messages, segments, segments_free, segments_poisoned, quarantined;
    _Atomic uint64_t syncs, groups, records;

    uint64_t generation_count; /* the last one used */
    uint32_t version;          /* of segments to come: never below that of one that is there */
    uint32_t slots_used;       /* beyond: all NONE */
    struct spool_segment *active;
    struct spool_creation creation;
    bool something_died;    /* since reclaim last found nothing */
    bool short_of_space;    /* no segment could be made */
    bool footers_due;       /* of some segment */
    uint64_t reclaim_at_ms; /* look again at what somebody was reading */
    struct spool_emptying emptying;
    uint64_t last_group_bytes;

    struct spool_index index;
    struct spool_moved moved;
    struct spool_done_id *moved_dones; /* to be written before anything else is said of them */
    size_t moved_done_count, moved_done_capacity;
    struct spool_orphan *orphans;
    uint64_t orphans_at_ms;
    struct spool_txn *txns, **txns_end;
    struct spool_settle *settles, **settles_end;
    struct spool_checkpoint *checkpoints; /* to be written; voids first */
    size_t checkpoint_count, void_count, checkpoint_capacity;

    unsigned failures; /* in a row */
    uint64_t heal_at_ms, space_at_ms;

    /* spool_open()'s, then of the one thread that asks for it. */
    struct spool_recovered *recovered;
    struct spool_recent *_Atomic recent[SPOOL_RECENT];
    _Atomic unsigned recent_big;

    struct spool_segment slots[SPOOL_SLOTS];
};

/* --- The logs of a spool --- */

struct spool {
    struct spool_log *logs[SPOOL_LOGS]; /* by number; 0 takes messages in. NULL: there is none */
    unsigned recovered;                 /* the log that hands over what it found */
};

/* --- spool_log.c, and what one log does of spool.h --- */
/* FIRST: log 0, in whose directory the others live; NULL for itself. */
MUST_USE enum err spool_log_open(const struct spool_settings *settings, struct io *io,
                                 const struct spool_log *first, unsigned number,
                                 struct spool_log **out, struct err_detail *why);
/* It is to be written to. */
MUST_USE enum err spool_log_prepare(struct spool_log *log, struct err_detail *why);
void spool_log_free(struct spool_log **spool);
bool spool_log_recovered_next(struct spool_log *spool, size_t max, spool_each each, void *owner);
void spool_log_each_recovered(struct spool_log *spool, spool_each each, void *owner);
MUST_USE enum err spool_log_start(struct spool_log *spool, struct err_detail *why);
bool spool_log_step(struct spool_log *spool);
void spool_log_stop(struct spool_log *spool);
struct spool_txn *spool_log_begin(struct spool_log *spool, struct mailbox *home);
MUST_USE enum err spool_log_read(struct spool_log *spool, const struct spool_ref *ref,
                                 struct arena *arena, struct spool_message *out,
                                 struct err_detail *why);
MUST_USE enum err spool_log_read_head(struct spool_log *spool, const struct spool_ref *ref,
                                      struct arena *arena, struct spool_head *out,
                                      struct err_detail *why);
bool spool_log_read_recent(struct spool_log *spool, const struct spool_ref *ref,
                           struct arena *arena, struct spool_message *out);
void spool_log_outcome(struct spool_log *spool, const struct spool_ref *ref,
                       const struct spool_outcome *outcome);
void spool_log_done(struct spool_log *spool, const struct spool_ref *ref);
void spool_log_quarantine(struct spool_log *spool, const struct spool_ref *ref, const char *why);

/* --- spool_ended.c --- */
/* True: the log has been ended, and is to be closed. */
bool spool_ended_try(struct spool_log *spool);
/* Removes what is left in a log that ended before, in the directory of FIRST, whose names have been
 * synced. */
void spool_ended_clean(const struct spool_log *first, const char *name);

/* --- spool_directory.c --- */
/* Opens or makes them, checks them, takes the lock. */
MUST_USE enum err spool_directories_open(struct spool_log *spool, struct err_detail *why);
void spool_directories_close(struct spool_log *spool);

/* --- spool_segment.c --- */
bool spool_generation_exists(const struct spool_log *spool, uint64_t generation);
/* For reading: counted, to be given back. NULL: that generation is gone. Any thread. */
struct spool_segment *spool_segment_hold(struct spool_log *spool, uint64_t generation);
void spool_segment_release(struct spool_segment *segment);
/* Room for records and their items. */
uint32_t spool_segment_room(const struct spool_segment *segment);
/* Gives a dead segment a new generation, synced: it is READY. A failure dooms it. */
MUST_USE enum err spool_segment_renew(struct spool_log *spool, struct spool_segment *segment);
/* Removes the file of a segment nobody needs; DOOMED if that fails. */
void spool_segment_remove(struct spool_log *spool, struct spool_segment *segment);
/* Writes at least BYTES more of the segment under way, starting one if there is none. ERR_AGAIN:
 * more to do. ERR_OK: one more is READY. */
MUST_USE enum err spool_segment_create(struct spool_log *spool, uint64_t bytes);
/* Seals the active one and activates the oldest READY one; recycles or makes one if need be. */
MUST_USE enum err spool_segment_rotate(struct spool_log *spool);
/* Nothing more goes into the active one. */
void spool_segment_seal(struct spool_log *spool);
/* Never again: everything at or after END is void. */
void spool_segment_poison(struct spool_log *spool, struct spool_segment *segment, uint32_t end);
unsigned spool_segments_ready(const struct spool_log *spool);
void spool_segments_count(struct spool_log *spool); /* for the statistics */
void spool_checkpoint_queue(struct spool_log *spool, const struct spool_checkpoint *checkpoint);

/* --- spool_items.c: the footer while a segment lives --- */
/* Accounts for a record that stands in SEGMENT, and keeps its item. */
void spool_items_add(struct spool_segment *segment, const struct spool_item *item);
/* The same without keeping it: the footer is on the disk. */
void spool_items_account(struct spool_segment *segment, const struct spool_item *item);
void spool_items_clear(struct spool_segment *segment);
/* A copy, from memory or from the disk. False: they cannot be read, or are not right. */
bool spool_items_load(struct spool_log *spool, const struct spool_segment *segment, uint8_t **items,
                      size_t *len);
/* Reads the footer of a segment; ERR_NOTFOUND: there is none (END is 0), or only its end is known.
 * ITEMS is the caller's. */
MUST_USE enum err spool_footer_read(struct io *io, int fd,
                                    const struct spool_segment_header *header, uint8_t **items,
                                    size_t *len, uint32_t *end);
/* Writes one that is due. False: none is. */
bool spool_footer_write_next(struct spool_log *spool);
/* Everything that is due. */
void spool_footers_write(struct spool_log *spool);

/* --- spool_group.c --- */
enum spool_group_kind { SPOOL_GROUP_ALL, SPOOL_GROUP_VOIDS };
enum spool_group_result { SPOOL_GROUP_EMPTY, SPOOL_GROUP_WRITTEN, SPOOL_GROUP_FAILED };
/* One group from what is queued. A failure is dealt with when it returns, but for health and the
 * transactions in FAILED, which still wait to be told so. */
enum spool_group_result spool_group_run(struct spool_log *spool, enum spool_group_kind kind,
                                        struct spool_txn **failed, enum err *err);

/* --- spool_reclaim.c --- */
struct spool_group;
/* A batch of what others need of a segment that is being emptied, into GROUP. False: nothing to
 * do now. */
bool spool_reclaim_batch(struct spool_log *spool, struct spool_group *group);
/* The group was synced, or failed. */
void spool_reclaim_end(struct spool_log *spool, bool synced);
/* Renews a segment of which nobody needs anything. False: there is none. */
bool spool_reclaim_quick(struct spool_log *spool);
bool spool_reclaim_wanted(const struct spool_log *spool);
/* SEGMENT has lost something: is it worth a look now? */
void spool_reclaim_consider(struct spool_log *spool, const struct spool_segment *segment);
/* Removes again what could not be removed before. */
bool spool_reclaim_retry(struct spool_log *spool);

/* --- spool_quarantine.c --- */
/* Copies LEN bytes to quarantine/NAME, synced. Once for a name. */
MUST_USE enum err spool_set_aside(struct spool_log *spool, const char *name, const uint8_t *data,
                                  size_t len);
/* Reads what can be read; blocks the disk refuses are zeros. Returns the bytes up to the file's
 * end; UNREADABLE counts refused blocks. */
size_t spool_salvage(struct spool_log *spool, int fd, uint8_t *to, size_t len, uint64_t at,
                     size_t *unreadable);
/* The message REF, unreadable as it may be: its record and its big file. */
MUST_USE enum err spool_set_aside_message(struct spool_log *spool, const struct spool_ref *ref,
                                          struct bytes reason);

/* --- spool_files.c --- */
struct spool_files {
    struct spool_log *spool;
    uint32_t order[SPOOL_SLOTS]; /* slots, latest generation first */
    size_t count;
    uint64_t id_max; /* ids below have been handed out */
};
/* Adopts the segment files; sets aside those whose header is damaged. */
MUST_USE enum err spool_files_find(struct spool_files *files, struct err_detail *why);

/* --- spool_recover.c --- */
MUST_USE enum err spool_recover(struct spool_log *spool, struct err_detail *why);

/* --- spool_recovered.c --- */
void spool_recovered_free(struct spool_log *spool);
/* Takes MESSAGES over; the segment is kept from being used again until they were asked for. */
void spool_recovered_add(struct spool_log *spool, const struct spool_found_segment *found);
/* The outcome in ENTRY was found after its message. */
void spool_recovered_late(struct spool_log *spool, const struct spool_entry *entry);
/* Those with the latest generation were added first; they are handed over last. */
void spool_recovered_begin(struct spool_log *spool);

/* --- spool_txn.c --- */
void spool_orphan_keep(struct spool_log *spool, uint64_t id); /* the writer's */
void spool_txn_complete(struct spool_txn *txn, enum err err); /* to its home */
void spool_txn_free(struct spool_txn *txn);

/* --- spool_read.c --- */
/* As spool_read(), without checking a text that did not come along with the envelope. */
MUST_USE enum err spool_read_record(struct spool_log *spool, const struct spool_ref *ref,
                                    struct arena *arena, struct spool_message *out,
                                    struct spool_head *head, struct err_detail *why);

/* --- spool_writer.c: what runs on the writer --- */
void spool_on_orphan(struct mailbox_item *item);
void spool_on_commit(struct mailbox_item *item);
void spool_on_settle(struct mailbox_item *item);
void spool_space_refresh(struct spool_log *spool);
/* Takes nothing in until it has been mended; tried again in a while. */
void spool_trouble(struct spool_log *spool, enum err err);

#endif
