#include "queue/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"
#include "queue/spool_private.h"

void spool_settings_defaults(struct spool_settings *s)
{
    *s = (struct spool_settings){
        .path = "/var/spool/mailrace",
        .segment_size_bytes = 32 * 1024 * 1024,
        .inline_max_bytes = 128 * 1024,
        .min_free_bytes = 256 * 1024 * 1024,
    };
}

/* --- Opening --- */

static enum err check_settings(const struct spool_settings *s, struct err_detail *why)
{
    if (s->segment_size_bytes < SPOOL_SEGMENT_MIN || s->segment_size_bytes > SPOOL_SEGMENT_MAX ||
        s->segment_size_bytes % SPOOL_HEADER_BYTES != 0)
        return err_set(why, ERR_LIMIT,
                       "%s: segment size %" PRIu64
                       " is not a multiple of 4096 from 64 KiB to 1 GiB",
                       s->path, s->segment_size_bytes);
    if (s->inline_max_bytes > s->segment_size_bytes / 4)
        return err_set(why, ERR_LIMIT,
                       "%s: inline limit %" PRIu64 " is more than a quarter of the segment size",
                       s->path, s->inline_max_bytes);
    return ERR_OK;
}

static struct spool *spool_new(const struct spool_settings *settings, struct io *io)
{
    struct spool *spool = MEM_NEW(struct spool);
    spool->settings = *settings;
    spool->path = mem_strdup(settings->path);
    /* With a slash at its end a symbolic link would be followed. */
    for (size_t len = strlen(spool->path); len > 1 && spool->path[len - 1] == '/'; len--)
        spool->path[len - 1] = '\0';
    spool->settings.path = spool->path;
    spool->io = io;
    spool->root_fd = spool->segments_fd = spool->big_fd = -1;
    spool->quarantine_fd = spool->lock_fd = spool->creation.fd = -1;
    for (size_t i = 0; i < SPOOL_SLOTS; i++)
        spool->slots[i].fd = -1;
    spool->txns_end = &spool->txns;
    spool->settles_end = &spool->settles;
    spool->mailbox = mailbox_new();
    return spool;
}

/* What is queued must go out even when nothing can come in: a full disk is no reason not to
 * start. */
static enum err first_segment(struct spool *spool, struct err_detail *why)
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

enum err spool_open(const struct spool_settings *settings, struct io *io, struct spool **out,
                    struct err_detail *why)
{
    *out = NULL;
    enum err err = check_settings(settings, why);
    if (err != ERR_OK)
        return err;
    struct spool *spool = spool_new(settings, io);
    err = spool_directories_open(spool, why);
    if (err == ERR_OK)
        err = spool_recover(spool, why);
    if (err == ERR_OK)
        err = first_segment(spool, why);
    if (err != ERR_OK) {
        spool_free(&spool);
        return err;
    }
    spool_segments_count(spool);
    spool_space_refresh(spool);
    KILL_POINT("spool_opened");
    *out = spool;
    return ERR_OK;
}

/* What was queued and not written is gone, as in a crash: spool_stop() first. */
static void drop_queued(struct spool *spool)
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

void spool_free(struct spool **spool)
{
    struct spool *s = *spool;
    if (!s)
        return;
    ASSERT(!s->started);
    mailbox_free(&s->mailbox);
    drop_queued(s);
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

static void settle_send(struct spool *spool, enum spool_settle_kind kind,
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

void spool_outcome_write(struct spool *spool, const struct spool_ref *ref,
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

void spool_message_done(struct spool *spool, const struct spool_ref *ref)
{
    KILL_POINT("spool_done_given");
    settle_send(spool, SPOOL_SETTLE_DONE, ref, settle_new(0));
}

void spool_message_quarantine(struct spool *spool, const struct spool_ref *ref, const char *why)
{
    struct spool_settle *s = settle_new(strlen(why));
    memcpy(s->head, why, strlen(why));
    settle_send(spool, SPOOL_SETTLE_QUARANTINE, ref, s);
}

/* --- Asking --- */

bool spool_accepts(const struct spool *spool, uint64_t want, struct mail_status *status)
{
    enum err health = (enum err)atomic_load_explicit(&spool->health, memory_order_relaxed);
    if (health != ERR_OK && health != ERR_NOSPACE) {
        *status = MAIL_STATUS(451, 4, 3, 0, "Local error in processing, try again later");
        return false;
    }
    uint64_t room = atomic_load_explicit(&spool->disk_free_bytes, memory_order_relaxed), need;
    /* A big body needs a file: what is ready in segments is of no use to it. */
    if (want <= spool->settings.inline_max_bytes)
        room += atomic_load_explicit(&spool->ready_bytes, memory_order_relaxed);
    uint64_t promised = atomic_load_explicit(&spool->promised_bytes, memory_order_relaxed);
    if (health == ERR_OK && !__builtin_add_overflow(want, promised, &want) &&
        !__builtin_add_overflow(want, want / 2, &need) &&
        !__builtin_add_overflow(need, spool->settings.min_free_bytes, &need) && need <= room)
        return true;
    *status = MAIL_STATUS(452, 4, 3, 1, "Insufficient system storage, try again later");
    return false;
}

void spool_stats_read(const struct spool *spool, struct spool_stats *out)
{
    *out = (struct spool_stats){
        .live_messages = atomic_load_explicit(&spool->live_messages, memory_order_relaxed),
        .segments = atomic_load_explicit(&spool->segments, memory_order_relaxed),
        .segments_free = atomic_load_explicit(&spool->segments_free, memory_order_relaxed),
        .segments_poisoned = atomic_load_explicit(&spool->segments_poisoned, memory_order_relaxed),
        .quarantined = atomic_load_explicit(&spool->quarantined, memory_order_relaxed),
        .syncs = atomic_load_explicit(&spool->syncs, memory_order_relaxed),
        .groups = atomic_load_explicit(&spool->groups, memory_order_relaxed),
        .records = atomic_load_explicit(&spool->records, memory_order_relaxed),
        .healthy = atomic_load_explicit(&spool->health, memory_order_relaxed) == ERR_OK,
    };
}
