/* queue/spool_update_private.h - what is said about a message after it was committed: an outcome,
 * or that it is done, or that it cannot be read.
 */
#ifndef QUEUE_SPOOL_UPDATE_PRIVATE_H
#define QUEUE_SPOOL_UPDATE_PRIVATE_H

#include "core/list.h"
#include "core/mailbox.h"
#include "queue/spool_message.h"

enum spool_update_kind { SPOOL_UPDATE_OUTCOME, SPOOL_UPDATE_DONE, SPOOL_UPDATE_QUARANTINE };

struct spool_updates {
    struct mailbox *writer;
    uint64_t record_max;        /* bytes of an OUTCOME */
    struct cds_list_head queue; /* the writer's: in the order they were given */
};

struct spool_update {
    struct mailbox_item item;
    struct cds_list_head link;
    struct spool_updates *updates;
    enum spool_update_kind kind;
    struct spool_ref ref;
    uint64_t queued_at_ms;
    uint32_t head_len;
    uint8_t head[]; /* OUTCOME: the head; QUARANTINE: the reason */
};

void spool_updates_init(struct spool_updates *updates, struct mailbox *writer, uint64_t record_max);
void spool_updates_free(struct spool_updates *updates);
/* Any thread. */
void spool_update_outcome(struct spool_updates *updates, const struct spool_ref *ref,
                          const struct spool_outcome *outcome);
void spool_update_done(struct spool_updates *updates, const struct spool_ref *ref);
void spool_update_quarantine(struct spool_updates *updates, const struct spool_ref *ref,
                             const char *why);

#endif
