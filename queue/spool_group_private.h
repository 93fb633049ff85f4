/* queue/spool_group_private.h - a group while it is put together: spool_group.c fills and writes
 * it, spool_reclaim.c adds what it carries on, spool_apply.c draws the consequences.
 */
#ifndef QUEUE_SPOOL_GROUP_PRIVATE_H
#define QUEUE_SPOOL_GROUP_PRIVATE_H

#include "queue/spool_private.h"

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

struct spool_group {
    struct spool_log *spool;
    struct spool_segment *segment;
    uint32_t start, room; /* offset in the segment; bytes, also for the footer's items */
    uint32_t used;        /* by records */
    uint32_t cost;        /* with their items */
    uint32_t reserved;    /* of room, for the first message */
    uint8_t *bytes;       /* the small records */
    size_t bytes_len, bytes_capacity;
    struct spool_small *smalls;
    size_t small_count, small_capacity;
    struct spool_done_id *dones;
    size_t done_count, done_capacity;
    size_t moved_done_count; /* of spool->moved_dones */
    size_t checkpoint_count;
    uint8_t *facts;
    size_t facts_len, facts_capacity;
    bool reclaims;
    struct spool_txn *txns, **txns_end;
    size_t txn_count;
    uint64_t txn_bytes;
    struct spool_settle *settles, **settles_end;
    struct iovec *iov;
    size_t iov_count;
};

/* A DONE record for one id, or a CHECKPOINT, and its item. */
#define SPOOL_SMALL_COST 136

static inline uint32_t spool_group_cost(enum spool_type type, uint32_t length, uint32_t head_len)
{
    return length + SPOOL_ITEM_BYTES + (type == SPOOL_OUTCOME ? 8 : head_len);
}

/* Adds a small record. */
void spool_group_add(struct spool_group *group, enum spool_type type, uint64_t id,
                     const uint8_t *head, uint32_t head_len);
/* Adds a message from elsewhere: its record as it was read, and the payload of its item. */
void spool_group_add_again(struct spool_group *group, const struct spool_record *record,
                           const uint8_t *bytes, const struct spool_item *item);
uint32_t spool_group_room(const struct spool_group *group);
/* What messages must leave of the segment, see there. */
uint64_t spool_group_kept(const struct spool_log *spool);

/* --- spool_apply.c --- */
void spool_group_apply(struct spool_group *group);
/* Outcomes go back to the front of the queue: they must not be lost while we run. */
void spool_group_undo(struct spool_group *group, struct spool_txn **failed);

#endif
