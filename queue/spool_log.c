/* One log from its first segment to its end, and what is handed to its writer. */
#include "queue/spool_private.h"

#include <stdio.h>
#include <string.h>

#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

/* --- Opening --- */

/* PATH of the spool, or a folder in it. */
static char *path_of(const struct spool_log *first, unsigned number, const char *path)
{
    char name[SPOOL_NAME_SIZE];
    if (first)
        path = first->path;
    size_t len = strlen(path);
    char *to = mem_alloc(len + SPOOL_NAME_SIZE + 1);
    memcpy(to, path, len + 1);
    /* With a slash at its end a symbolic link would be followed. */
    for (; len > 1 && to[len - 1] == '/'; len--)
        to[len - 1] = '\0';
    if (first)
        snprintf(to + len, SPOOL_NAME_SIZE + 1, "/%s", spool_log_name(number, name));
    return to;
}

static struct spool_log *log_new(const struct spool_settings *settings, struct io *io,
                                 const struct spool_log *first, unsigned number)
{
    struct spool_log *spool = MEM_NEW(struct spool_log);
    spool->number = number;
    spool->first = first;
    spool->settings = *settings;
    spool->path = path_of(first, number, settings->path);
    spool->settings.path = spool->path;
    spool->io = io;
    spool->root_fd = spool->segments_fd = spool->big_fd = -1;
    spool->quarantine_fd = spool->lock_fd = spool->creation.fd = -1;
    for (size_t i = 0; i < SPOOL_SLOTS; i++)
        spool->slots[i].fd = -1;
    spool->txns_end = &spool->txns;
    spool->version = SPOOL_VERSION_PLAIN;
    spool->settles_end = &spool->settles;
    spool->mailbox = mailbox_new();
    return spool;
}

/* What is queued must go out even when nothing can come in: a full disk is no reason not to
 * start. */
static enum err first_segment(struct spool_log *spool, struct err_detail *why)
{
    enum err err = spool_segment_rotate(spool);
    if (err == ERR_OK)
        return ERR_OK; /* the writer makes the next one ready */
    if (err != ERR_NOSPACE)
        return err_set(why, err, "%s/segments: no segment can be made (%s)", spool->path,
                       err_name(err));
    spool_trouble(spool, err);
    return ERR_OK;
}

enum err spool_log_open(const struct spool_settings *settings, struct io *io,
                        const struct spool_log *first, unsigned number, struct spool_log **out,
                        struct err_detail *why)
{
    struct spool_log *spool = log_new(settings, io, first, number);
    enum err err = spool_directories_open(spool, why);
    if (err == ERR_OK)
        err = spool_recover(spool, why);
    if (err != ERR_OK)
        spool_log_free(&spool);
    *out = spool;
    return err;
}

enum err spool_log_prepare(struct spool_log *spool, struct err_detail *why)
{
    enum err err = first_segment(spool, why);
    if (err != ERR_OK)
        return err;
    spool_segments_count(spool);
    spool_space_refresh(spool);
    return ERR_OK;
}

/* What was queued and not written is gone, as in a crash: spool_stop() first. */
static void drop_queued(struct spool_log *spool)
{
    for (struct spool_txn *txn = spool->txns, *next; txn; txn = next) {
        next = txn->next;
        spool_txn_free(txn);
    }
    for (struct spool_settle *s = spool->settles, *next; s; s = next) {
        next = s->next;
        mem_free(s);
    }
    for (struct spool_orphan *o = spool->orphans, *next; o; o = next) {
        next = o->next;
        mem_free(o);
    }
}

void spool_log_free(struct spool_log **spool)
{
    struct spool_log *s = *spool;
    if (!s)
        return;
    ASSERT(!s->started);
    mailbox_free(&s->mailbox);
    drop_queued(s);
    spool_recent_clear(s);
    spool_recovered_free(s);
    for (size_t i = 0; i < SPOOL_SLOTS; i++) {
        if (s->slots[i].fd >= 0)
            (void)s->io->close(s->io, s->slots[i].fd);
        spool_items_clear(&s->slots[i]);
    }
    if (s->creation.fd >= 0)
        (void)s->io->close(s->io, s->creation.fd);
    spool_directories_close(s);
    spool_index_free(&s->index);
    mem_free(s->checkpoints);
    mem_free(s->moved_dones);
    mem_free(s->emptying.items);
    spool_moved_free(&s->moved);
    mem_free(s->path);
    mem_free(s);
    *spool = NULL;
}

/* --- Settling --- */

static void settle_send(struct spool_log *spool, enum spool_settle_kind kind,
                        const struct spool_ref *ref, struct spool_settle *s)
{
    s->spool = spool;
    s->kind = kind;
    s->ref = *ref;
    s->item.run = spool_on_settle;
    mailbox_send(spool->mailbox, &s->item);
}

static struct spool_settle *settle_new(size_t head_len)
{
    struct spool_settle *s = mem_zalloc(sizeof *s + head_len);
    s->head_len = (uint32_t)head_len;
    return s;
}

void spool_log_outcome(struct spool_log *spool, const struct spool_ref *ref,
                       const struct spool_outcome *outcome)
{
    size_t len = spool_outcome_encode(ref->segment, outcome, NULL);
    if (len == 0 || spool_record_length(len, 0) > spool->settings.segment_size_bytes / 2) {
        /* The message will be tried again for all its recipients after a restart. */
        LOG(LOG_ERROR, "spool_outcome_too_large", LOG_U64("id", ref->id),
            LOG_U64("recipients", outcome->rcpt_count));
        return;
    }
    struct spool_settle *s = settle_new(len);
    spool_outcome_encode(ref->segment, outcome, s->head);
    KILL_POINT("spool_outcome_given");
    settle_send(spool, SPOOL_SETTLE_OUTCOME, ref, s);
}

void spool_log_done(struct spool_log *spool, const struct spool_ref *ref)
{
    KILL_POINT("spool_done_given");
    settle_send(spool, SPOOL_SETTLE_DONE, ref, settle_new(0));
}

void spool_log_quarantine(struct spool_log *spool, const struct spool_ref *ref, const char *why)
{
    struct spool_settle *s = settle_new(strlen(why));
    memcpy(s->head, why, strlen(why));
    settle_send(spool, SPOOL_SETTLE_QUARANTINE, ref, s);
}
