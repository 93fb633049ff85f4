/* queue/spool_group_private.h - a group while it is put together: its records, in memory of its own
 * or in that of transactions. The writer's.
 *
 * spool_gather.c fills it, with what spool_carry.c carries on of a segment that is emptied;
 * spool_group.c lays the bytes out and stores them; spool_apply.c draws the consequences.
 */
#ifndef QUEUE_SPOOL_GROUP_PRIVATE_H
#define QUEUE_SPOOL_GROUP_PRIVATE_H

#include "queue/spool_log_private.h"

#define SPOOL_GROUP_BYTES    (8 * 1024 * 1024)
#define SPOOL_GROUP_TXNS     4096
#define SPOOL_SMALL_BYTES    (1024 * 1024) /* of outcomes in one group */
#define SPOOL_UPDATE_WAIT_MS 10            /* so long outcomes wait for messages to ride with */
#define SPOOL_KEPT_PART      8             /* of the last segment: one part is not for messages */
/* A DONE record for one id, or a CHECKPOINT, and its item. */
#define SPOOL_SMALL_COST 136

/* A record in the group's own memory: a small one, or a message that is written again. */
struct spool_small {
    enum spool_type type;
    uint64_t id;
    size_t at;
    uint32_t head_len, body_len, length;
    uint64_t head_hash, body_hash;
    size_t facts_at; /* of a message: in group->facts */
    uint32_t facts_len;
};

struct spool_group_bytes {
    uint8_t *items;
    size_t count, capacity;
};

struct spool_group {
    struct spool_log *log;
    struct spool_segment *segment;
    uint32_t start, room;           /* offset in the segment; bytes, also for the footer's items */
    uint32_t used;                  /* by records */
    uint32_t cost;                  /* with their items */
    uint32_t reserved;              /* of room, for the first message */
    struct spool_group_bytes bytes; /* the small records */
    struct spool_group_bytes facts; /* of messages that are written again */
    struct {
        struct spool_small *items;
        size_t count, capacity;
    } smalls;
    struct {
        struct spool_done_id *items;
        size_t count, capacity;
    } dones;
    size_t moved_done_count; /* of log->moved_dones */
    size_t checkpoint_count;
    bool reclaims;
    struct cds_list_head txns;
    size_t txn_count;
    uint64_t txn_bytes;
    struct cds_list_head updates;
};

/* --- spool_group.c --- */
/* WANTED bytes or less, in the active segment. */
void spool_group_init(struct spool_group *group, struct spool_log *log, uint64_t wanted);
void spool_group_free(struct spool_group *group);
uint32_t spool_group_cost(enum spool_type type, uint32_t length, uint32_t head_len);
uint32_t spool_group_room(const struct spool_group *group);
/* What messages must leave of the active segment. */
uint64_t spool_group_kept(const struct spool_segments *segments);
/* Adds a small record. */
void spool_group_add(struct spool_group *group, enum spool_type type, uint64_t id,
                     const uint8_t *head, uint32_t head_len);
/* Adds a message from elsewhere: its record as it was read, and the payload of its item. */
void spool_group_add_again(struct spool_group *group, const struct spool_record *record,
                           const uint8_t *bytes, const struct spool_item *item);
/* Writes the records and syncs them. */
MUST_USE enum err spool_group_store(struct spool_group *group);

/* --- spool_carry.c --- */
/* A batch of what is still needed of a segment that is being emptied, into GROUP. False: nothing
 * to do now. */
bool spool_carry_batch(struct spool_group *group);

/* --- spool_apply.c --- */
/* The group is on the disk. */
void spool_group_apply(struct spool_group *group);
/* It is not. Outcomes go back to the front of the queue: they must not be lost while we run. */
void spool_group_undo(struct spool_group *group, struct cds_list_head *failed);

/* --- spool_gather.c --- */
enum spool_group_kind { SPOOL_GROUP_ALL, SPOOL_GROUP_VOIDS };
enum spool_group_result { SPOOL_GROUP_EMPTY, SPOOL_GROUP_WRITTEN, SPOOL_GROUP_FAILED };
/* One group from what is queued. A failure is dealt with when it returns, but for health and the
 * transactions in FAILED, which still wait to be told so. */
enum spool_group_result spool_group_run(struct spool_log *log, enum spool_group_kind kind,
                                        struct cds_list_head *failed, enum err *err);

#endif
