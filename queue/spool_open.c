/* One log from its first segment to its end. */
#include "queue/spool_log_private.h"

#include "core/mem.h"
#include "queue/spool_recovered_private.h"

static struct spool_log *log_new(const struct spool_settings *settings, struct io *io,
                                 const struct spool_log *first, unsigned number)
{
    struct spool_log *log = MEM_NEW(struct spool_log);
    log->mailbox = mailbox_new();
    spool_directory_init(&log->dir, settings->path, io, first ? &first->dir : NULL, number);
    spool_segments_init(&log->segments, &log->dir, settings->segment_size_bytes);
    spool_intake_init(&log->intake, &log->segments, log->mailbox, settings->inline_max_bytes);
    spool_updates_init(&log->updates, log->mailbox, settings->segment_size_bytes / 2);
    log->reclaim.segments = &log->segments;
    log->health.dir = &log->dir;
    return log;
}

/* What is queued must go out even when nothing can come in: a full disk is no reason not to
 * start. */
static enum err first_segment(struct spool_log *log, struct err_detail *why)
{
    enum err err = spool_reclaim_rotate(&log->reclaim);
    if (err == ERR_OK)
        return ERR_OK; /* the writer makes the next one ready */
    if (err != ERR_NOSPACE)
        return err_set(why, err, "%s/segments: no segment can be made (%s)", log->dir.path,
                       err_name(err));
    spool_health_fail(&log->health, err);
    return ERR_OK;
}

enum err spool_log_open(const struct spool_settings *settings, struct io *io,
                        const struct spool_log *first, unsigned number, struct spool_log **out,
                        struct err_detail *why)
{
    struct spool_log *log = log_new(settings, io, first, number);
    enum err err = spool_directory_open(&log->dir, why);
    if (err == ERR_OK)
        err = spool_recover(log, why);
    if (err != ERR_OK)
        spool_log_free(&log);
    *out = log;
    return err;
}

enum err spool_log_prepare(struct spool_log *log, struct err_detail *why)
{
    enum err err = first_segment(log, why);
    if (err != ERR_OK)
        return err;
    spool_segments_count(&log->segments);
    spool_space_refresh(&log->health);
    return ERR_OK;
}

/* What was queued and not written is gone, as in a crash: the writer is stopped first. */
void spool_log_free(struct spool_log **log)
{
    struct spool_log *l = *log;
    if (!l)
        return;
    ASSERT(!l->started);
    mailbox_free(&l->mailbox);
    spool_updates_free(&l->updates);
    spool_intake_free(&l->intake);
    spool_recovered_free(l);
    spool_reclaim_free(&l->reclaim);
    spool_segments_free(&l->segments);
    spool_directory_close(&l->dir);
    spool_index_free(&l->index);
    spool_moved_free(&l->moved);
    mem_free(l->moved_dones.items);
    mem_free(l);
    *log = NULL;
}
