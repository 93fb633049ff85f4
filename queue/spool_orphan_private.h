/* queue/spool_orphan_private.h - files of large texts without a record that could not be removed:
 * the writer tries again.
 */
#ifndef QUEUE_SPOOL_ORPHAN_PRIVATE_H
#define QUEUE_SPOOL_ORPHAN_PRIVATE_H

#include "core/list.h"
#include "core/mailbox.h"
#include "queue/spool_directory_private.h"

struct spool_orphans {
    const struct spool_directory *dir;
    struct mailbox *writer;
    struct cds_list_head list; /* the writer's, and what follows */
    uint64_t retry_at_ms;
};
void spool_orphans_init(struct spool_orphans *orphans, const struct spool_directory *dir,
                        struct mailbox *writer);
void spool_orphans_free(struct spool_orphans *orphans);
/* Removes the file of ID now, or some time. Any thread. */
void spool_orphan_remove(struct spool_orphans *orphans, uint64_t id);
/* The same; the writer only. */
void spool_orphan_remove_here(struct spool_orphans *orphans, uint64_t id);
/* Removes again what could not be removed before; the writer. */
void spool_orphans_retry(struct spool_orphans *orphans);

#endif
