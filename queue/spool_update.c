/* What is said about a message travels to the writer and waits there for a group. */
#include "queue/spool_update_private.h"

#include <string.h>

#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"
#include "queue/spool_format.h"

void spool_updates_init(struct spool_updates *updates, struct mailbox *writer, uint64_t record_max)
{
    *updates = (struct spool_updates){.writer = writer, .record_max = record_max};
    list_init(&updates->queue);
}

void spool_updates_free(struct spool_updates *updates)
{
    LIST_EACH_SAFE (u, &updates->queue, struct spool_update, link)
        mem_free(u);
    list_init(&updates->queue);
}

static void on_update(struct mailbox_item *item)
{
    struct spool_update *u = CONTAINER_OF(item, struct spool_update, item);
    u->queued_at_ms = clock_mono_ms();
    list_add(&u->updates->queue, &u->link);
}

static void update_send(struct spool_updates *updates, enum spool_update_kind kind,
                        const struct spool_ref *ref, struct spool_update *u)
{
    u->updates = updates;
    u->kind = kind;
    u->ref = *ref;
    u->item.run = on_update;
    mailbox_send(updates->writer, &u->item);
}

static struct spool_update *update_new(size_t head_len)
{
    struct spool_update *u = mem_zalloc(sizeof *u + head_len);
    u->head_len = (uint32_t)head_len;
    return u;
}

void spool_update_outcome(struct spool_updates *updates, const struct spool_ref *ref,
                          const struct spool_outcome *outcome)
{
    size_t len = spool_outcome_encode(ref->segment, outcome, NULL);
    if (len == 0 || spool_record_length(len, 0) > updates->record_max) {
        /* The message will be tried again for all its recipients after a restart. */
        LOG(LOG_ERROR, "spool_outcome_too_large", LOG_U64("id", ref->id),
            LOG_U64("recipients", outcome->rcpt_count));
        return;
    }
    struct spool_update *u = update_new(len);
    spool_outcome_encode(ref->segment, outcome, u->head);
    KILL_POINT("spool_outcome_given");
    update_send(updates, SPOOL_UPDATE_OUTCOME, ref, u);
}

void spool_update_done(struct spool_updates *updates, const struct spool_ref *ref)
{
    KILL_POINT("spool_done_given");
    update_send(updates, SPOOL_UPDATE_DONE, ref, update_new(0));
}

void spool_update_quarantine(struct spool_updates *updates, const struct spool_ref *ref,
                             const char *why)
{
    struct spool_update *u = update_new(strlen(why));
    memcpy(u->head, why, strlen(why));
    update_send(updates, SPOOL_UPDATE_QUARANTINE, ref, u);
}
