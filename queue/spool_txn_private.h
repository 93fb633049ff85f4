/* queue/spool_txn_private.h - messages on their way in.
 *
 * A transaction belongs to its thread until spool_commit(), then to the writer, then to its thread
 * again.
 */
#ifndef QUEUE_SPOOL_TXN_PRIVATE_H
#define QUEUE_SPOOL_TXN_PRIVATE_H

#include "core/list.h"
#include "core/mailbox.h"
#include "queue/spool_orphan_private.h"
#include "queue/spool_recent_private.h"
#include "queue/spool_slots_private.h"

#define SPOOL_PROMISE_MAX (1ULL << 40)

struct spool_intake {
    _Atomic uint64_t promised_bytes; /* to transactions that are open */
    struct spool_recents recents;
    const struct spool_directory *dir;
    struct spool_segments *segments; /* their size, version and next id */
    struct mailbox *writer;
    uint64_t inline_max_bytes;
    struct spool_orphans orphans;
    struct cds_list_head txns; /* the writer's: not written yet */
};

struct spool_txn {
    struct mailbox_item item;
    struct cds_list_head link; /* the writer's */
    struct spool_intake *intake;
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
    uint64_t promised; /* its part of the intake's promised_bytes */
    uint8_t *body;
    size_t body_len, body_capacity;
    int big_fd; /* -1: inline so far */
    struct spool_hasher *hasher;
    spool_done done;
    void *owner;
    struct spool_committed result;
};

void spool_intake_init(struct spool_intake *intake, struct spool_segments *segments,
                       struct mailbox *writer, uint64_t inline_max_bytes);
void spool_intake_free(struct spool_intake *intake);
/* Any thread; see spool_begin(). */
struct spool_txn *spool_txn_new(struct spool_intake *intake, struct mailbox *home);
void spool_txn_complete(struct spool_txn *txn, enum err err); /* to its home */
/* All of TXNS; DOUBTFUL: see struct spool_committed. */
void spool_txns_fail(struct cds_list_head *txns, enum err err, bool doubtful);

#endif
