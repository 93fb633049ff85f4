/* The spool as others see it: log 0, which lives in the spool's directory itself and takes messages
 * in, and logs that 0.1.0 made, log n in log-n/ with directories of its own. Which is meant?
 */
#include "queue/spool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/kill_point.h"
#include "core/mem.h"
#include "queue/spool_private.h"
#include "queue/spool_recovered_private.h"

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

static enum err log_open(struct spool *spool, const struct spool_settings *settings, struct io *io,
                         unsigned number, struct err_detail *why)
{
    struct spool_log *first = spool->logs[0];
    struct spool_log **log = &spool->logs[number];
    enum err err = spool_log_open(settings, io, first, number, log, why);
    if (err != ERR_OK)
        return err;
    if (first && spool_ended_try(*log)) {
        spool_log_free(log);
        return ERR_OK;
    }
    return spool_log_prepare(*log, why);
}

/* One that 0.1.0 made takes no messages in any more; those in it are delivered. */
static enum err older_open(struct spool *spool, const struct spool_settings *settings,
                           const char *name, struct err_detail *why)
{
    struct spool_log *first = spool->logs[0];
    unsigned number;
    if (!spool_log_name_parse(name, &number))
        return ERR_OK;
    if (number == 0 || number >= SPOOL_LOGS)
        return err_set(why, ERR_LIMIT, "%s/%s: logs have numbers from 1 to %u", first->dir.path,
                       name, (unsigned)SPOOL_LOGS - 1);
    return log_open(spool, settings, first->dir.io, number, why);
}

static enum err logs_open(struct spool *spool, const struct spool_settings *settings, struct io *io,
                          struct err_detail *why)
{
    uint64_t next_id;
    enum err err = log_open(spool, settings, io, 0, why);
    if (err != ERR_OK)
        return err;
    char **names = io->list(io, spool->logs[0]->dir.root_fd);
    if (!names)
        return err_set_errno(why, errno, "%s cannot be listed", spool->logs[0]->dir.path);
    for (char **name = names; *name && err == ERR_OK; name++)
        if (spool_ended_name_parse(*name, &next_id))
            spool_ended_clean(&spool->logs[0]->dir, *name);
        else
            err = older_open(spool, settings, *name, why);
    io_list_free(&names);
    return err;
}

enum err spool_open(const struct spool_settings *settings, struct io *io, struct spool **out,
                    struct err_detail *why)
{
    *out = NULL;
    enum err err = check_settings(settings, why);
    if (err != ERR_OK)
        return err;
    struct spool *spool = MEM_NEW(struct spool);
    atomic_init(&spool->min_free_bytes, settings->min_free_bytes);
    err = logs_open(spool, settings, io, why);
    if (err != ERR_OK) {
        spool_free(&spool);
        return err;
    }
    KILL_POINT("spool_opened");
    *out = spool;
    return ERR_OK;
}

void spool_free(struct spool **spool)
{
    struct spool *s = *spool;
    if (!s)
        return;
    /* The first last: its lock is the whole spool's. */
    for (unsigned i = SPOOL_LOGS; i-- > 0;)
        spool_log_free(&s->logs[i]);
    mem_free(s);
    *spool = NULL;
}

static bool recovered_next(struct spool *spool, size_t max, spool_each each, void *owner)
{
    struct spool_log *log = spool->logs[spool->recovered];
    if (log && spool_recovered_some(log, max, each, owner))
        return true;
    spool->recovered++;
    return false;
}

bool spool_recovered_next(struct spool *spool, size_t max, spool_each each, void *owner)
{
    if (spool->recovered < SPOOL_LOGS && recovered_next(spool, max, each, owner))
        return true;
    while (spool->recovered < SPOOL_LOGS && !spool->logs[spool->recovered])
        spool->recovered++;
    return spool->recovered < SPOOL_LOGS;
}

void spool_each_recovered(struct spool *spool, spool_each each, void *owner)
{
    for (; spool->recovered < SPOOL_LOGS; spool->recovered++)
        if (spool->logs[spool->recovered])
            spool_recovered_all(spool->logs[spool->recovered], each, owner);
}

/* --- The writers --- */

enum err spool_start(struct spool *spool, struct err_detail *why)
{
    for (unsigned i = 0; i < SPOOL_LOGS; i++) {
        enum err err = spool->logs[i] ? spool_writer_start(spool->logs[i], why) : ERR_OK;
        if (err == ERR_OK)
            continue;
        while (i-- > 0)
            if (spool->logs[i])
                spool_writer_stop(spool->logs[i]);
        return err;
    }
    return ERR_OK;
}

bool spool_step(struct spool *spool)
{
    bool did = false;
    for (unsigned i = 0; i < SPOOL_LOGS; i++)
        did |= spool->logs[i] && spool_writer_step(spool->logs[i]);
    return did;
}

void spool_stop(struct spool *spool)
{
    for (unsigned i = 0; i < SPOOL_LOGS; i++)
        if (spool->logs[i])
            spool_writer_stop(spool->logs[i]);
}

/* --- Which log --- */

struct spool_txn *spool_begin(struct spool *spool, struct mailbox *home)
{
    return spool_txn_new(&spool->logs[0]->intake, home);
}

/* NULL: the id names a log that is not there. */
static struct spool_log *log_of(const struct spool *spool, const struct spool_ref *ref)
{
    unsigned number = spool_log_of(ref->id);
    return number < SPOOL_LOGS ? spool->logs[number] : NULL;
}

enum err spool_read(struct spool *spool, const struct spool_ref *ref, struct arena *arena,
                    struct spool_message *out, struct err_detail *why)
{
    struct spool_log *log = log_of(spool, ref);
    if (log)
        return spool_log_read(log, ref, arena, out, why);
    *out = (struct spool_message){.ref = *ref, .segment_fd = -1, .big_fd = -1};
    return err_set(why, ERR_NOTFOUND, "message %" PRIu64 ": there is no such log", ref->id);
}

enum err spool_read_head(struct spool *spool, const struct spool_ref *ref, struct arena *arena,
                         struct mail_envelope *envelope, struct spool_meta *meta,
                         struct err_detail *why)
{
    struct spool_log *log = log_of(spool, ref);
    struct spool_head head;
    if (!log)
        return err_set(why, ERR_NOTFOUND, "message %" PRIu64 ": there is no such log", ref->id);
    enum err err = spool_log_read_head(log, ref, arena, &head, why);
    if (err == ERR_OK) {
        *envelope = head.envelope;
        *meta = head.meta;
    }
    return err;
}

enum err spool_read_recent(struct spool *spool, const struct spool_ref *ref, struct arena *arena,
                           struct spool_message *out, struct err_detail *why)
{
    struct spool_log *log = log_of(spool, ref);
    if (log && spool_log_read_recent(log, ref, arena, out))
        return ERR_OK;
    return spool_read(spool, ref, arena, out, why);
}

void spool_outcome_write(struct spool *spool, const struct spool_ref *ref,
                         const struct spool_outcome *outcome)
{
    struct spool_log *log = log_of(spool, ref);
    if (log)
        spool_update_outcome(&log->updates, ref, outcome);
}

void spool_message_done(struct spool *spool, const struct spool_ref *ref)
{
    struct spool_log *log = log_of(spool, ref);
    if (log)
        spool_update_done(&log->updates, ref);
}

void spool_message_quarantine(struct spool *spool, const struct spool_ref *ref, const char *why)
{
    struct spool_log *log = log_of(spool, ref);
    if (log)
        spool_update_quarantine(&log->updates, ref, why);
}

/* --- Asking --- */

bool spool_accepts(const struct spool *spool, uint64_t want, struct mail_status *status)
{
    const struct spool_log *log = spool->logs[0];
    int health = atomic_load_explicit(&log->health.err, memory_order_relaxed);
    if (health != ERR_OK && health != ERR_NOSPACE) {
        *status = MAIL_STATUS(451, 4, 3, 0, "Local error in processing, try again later");
        return false;
    }
    uint64_t room = atomic_load_explicit(&log->health.disk_free_bytes, memory_order_relaxed);
    uint64_t promised = atomic_load_explicit(&log->intake.promised_bytes, memory_order_relaxed);
    uint64_t min_free = atomic_load_explicit(&spool->min_free_bytes, memory_order_relaxed);
    uint64_t need;
    /* A big body needs a file: what is ready in segments is of no use to it. */
    if (want <= log->intake.inline_max_bytes)
        room += atomic_load_explicit(&log->segments.ready_bytes, memory_order_relaxed);
    if (health == ERR_OK && !__builtin_add_overflow(want, promised, &want) &&
        !__builtin_add_overflow(want, want / 2, &need) &&
        !__builtin_add_overflow(need, min_free, &need) && need <= room)
        return true;
    *status = MAIL_STATUS(452, 4, 3, 1, "Insufficient system storage, try again later");
    return false;
}

void spool_min_free_set(struct spool *spool, uint64_t bytes)
{
    atomic_store_explicit(&spool->min_free_bytes, bytes, memory_order_relaxed);
}

static void stats_add(const struct spool_log *log, struct spool_stats *out)
{
    out->live_messages += atomic_load_explicit(&log->live_messages, memory_order_relaxed);
    out->segments += atomic_load_explicit(&log->segments.count, memory_order_relaxed);
    out->segments_free += atomic_load_explicit(&log->segments.count_free, memory_order_relaxed);
    out->segments_poisoned +=
        atomic_load_explicit(&log->segments.count_poisoned, memory_order_relaxed);
    out->quarantined += atomic_load_explicit(&log->quarantined, memory_order_relaxed);
    out->syncs += atomic_load_explicit(&log->syncs, memory_order_relaxed);
    out->groups += atomic_load_explicit(&log->groups, memory_order_relaxed);
    out->records += atomic_load_explicit(&log->records, memory_order_relaxed);
    out->healthy &= spool_is_healthy(&log->health);
}

void spool_stats_read(const struct spool *spool, struct spool_stats *out)
{
    *out = (struct spool_stats){.healthy = true};
    for (unsigned i = 0; i < SPOOL_LOGS; i++)
        if (spool->logs[i])
            stats_add(spool->logs[i], out);
}
