/* The writer: waits, gathers, runs groups, and answers for its log's health.
 *
 * A message is written as soon as the writer is free; outcomes wait a few milliseconds for one to
 * ride with. When a group fails its segment is poisoned; before the senders are told, another
 * segment is opened and the failed part is declared void there. As long as that cannot be done
 * the log takes nothing in, and tries again every few seconds; the senders of the group are
 * told that it is not known what came of it.
 */
#include "queue/spool_group_private.h"

#include <errno.h>
#include <poll.h>

#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

enum { IDLE_MS = 500 };

#define CREATE_STEP_BYTES (1024 * 1024)

/* --- Trouble --- */

/* Another segment, in which what failed is void. */
static bool write_voids(struct spool_log *log)
{
    struct cds_list_head none;
    enum err err;
    if (spool_group_run(log, SPOOL_GROUP_VOIDS, &none, &err) != SPOOL_GROUP_FAILED)
        return true;
    ASSERT(list_empty(&none));
    spool_health_fail(&log->health, err);
    return false;
}

static bool heal(struct spool_log *log)
{
    if (!write_voids(log))
        return false;
    spool_health_mend(&log->health);
    return true;
}

/* --- One turn --- */

static const struct spool_update *first_update(const struct spool_log *log)
{
    return LIST_FIRST(&log->updates.queue, struct spool_update, link);
}

static bool group_due(const struct spool_log *log, bool at_once)
{
    const struct spool_update *first = first_update(log);
    if (!list_empty(&log->intake.txns) || log->segments.void_count > 0 ||
        spool_reclaim_wanted(&log->reclaim))
        return true;
    return first && (at_once || clock_mono_ms() - first->queued_at_ms >= SPOOL_UPDATE_WAIT_MS);
}

/* What is answered 451 must be void on the disk first (P4); where that cannot be had there is no
 * answer. Intake reopens at once after the first failure in a row, and after a growing pause
 * when it fails again. */
static bool run_group(struct spool_log *log)
{
    struct cds_list_head failed;
    enum err err;
    enum spool_group_result result = spool_group_run(log, SPOOL_GROUP_ALL, &failed, &err);
    if (result == SPOOL_GROUP_WRITTEN)
        log->health.failures = 0;
    if (result != SPOOL_GROUP_FAILED)
        return result == SPOOL_GROUP_WRITTEN || !list_empty(&log->intake.txns);
    bool first = log->health.failures == 0;
    spool_health_fail(&log->health, err);
    bool said = first ? heal(log) : write_voids(log);
    spool_txns_fail(&failed, err, !said && log->segments.void_count > 0);
    return true;
}

/* Works on the next segment if none is ready and none can be had by recycling, faster than the
 * FILLED bytes of the last group eat up the active one. */
static bool create_ahead(struct spool_log *log, uint64_t filled)
{
    const struct spool_creation *c = &log->segments.creation;
    if (spool_segments_ready(&log->segments) >= SPOOL_READY_MIN ||
        spool_reclaim_wanted(&log->reclaim) || (!c->under_way && clock_mono_ms() < c->retry_at_ms))
        return false;
    /* A failure is logged, and matters only when the active segment is full. */
    enum err err = spool_segment_create(&log->segments, filled + CREATE_STEP_BYTES);
    return err == ERR_OK || err == ERR_AGAIN;
}

static bool unhealthy(const struct spool_log *log)
{
    return !spool_is_healthy(&log->health);
}

static bool queued_txns_fail(struct spool_log *log)
{
    if (!unhealthy(log) || list_empty(&log->intake.txns))
        return false;
    spool_txns_fail(&log->intake.txns, (enum err)atomic_load(&log->health.err), false);
    return true;
}

/* FILLED: how many bytes of segments it took. */
static bool group_turn(struct spool_log *log, bool at_once, uint64_t *filled)
{
    *filled = 0;
    if (unhealthy(log) || !group_due(log, at_once))
        return false;
    uint64_t before = atomic_load_explicit(&log->segments.ready_bytes, memory_order_relaxed);
    bool did = run_group(log);
    uint64_t after = atomic_load_explicit(&log->segments.ready_bytes, memory_order_relaxed);
    *filled = before > after ? before - after : 0;
    return did;
}

/* AT_ONCE: outcomes do not wait for company. */
static bool turn(struct spool_log *log, bool at_once)
{
    uint64_t filled;
    bool did = false;
    spool_space_refresh(&log->health);
    if (unhealthy(log) && clock_mono_ms() >= log->health.heal_at_ms)
        did = heal(log);
    did |= group_turn(log, at_once, &filled);
    if (!unhealthy(log)) {
        did |= create_ahead(log, filled);
        did |= spool_footer_write_next(&log->segments);
    }
    did |= spool_reclaim_retry(&log->reclaim);
    spool_orphans_retry(&log->intake.orphans);
    did |= queued_txns_fail(log);
    return did;
}

bool spool_writer_step(struct spool_log *log)
{
    ASSERT(!log->started);
    bool ran = mailbox_run(log->mailbox) > 0;
    return turn(log, true) || ran;
}

/* --- The thread --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int wait_ms(const struct spool_log *log)
{
    uint64_t now_ms = clock_mono_ms(), until = now_ms + IDLE_MS;
    const struct spool_update *first = first_update(log);
    if (unhealthy(log))
        until = earlier(until, log->health.heal_at_ms);
    else if (first)
        until = earlier(until, first->queued_at_ms + SPOOL_UPDATE_WAIT_MS);
    return until > now_ms ? (int)(until - now_ms) : 0;
}

static void sleep_until_work(struct spool_log *log)
{
    if (!mailbox_sleep_begin(log->mailbox))
        return;
    struct pollfd pollfd = {.fd = mailbox_fd(log->mailbox), .events = POLLIN};
    if (poll(&pollfd, 1, wait_ms(log)) < 0 && errno != EINTR)
        LOG(LOG_ERROR, "spool_wait_failed", LOG_STR("error", err_name(err_from_errno(errno))));
    mailbox_sleep_end(log->mailbox);
}

/* What still waits gets one more chance, even if it is too early to try again. Then the footer, for
 * a quick start. */
static void finish(struct spool_log *log)
{
    struct spool_segments *segments = &log->segments;
    if (unhealthy(log) && (segments->void_count > 0 || first_update(log)) && heal(log))
        while (first_update(log) && run_group(log) && !unhealthy(log))
            ;
    if (!unhealthy(log) && segments->active && segments->active->end > SPOOL_HEADER_BYTES)
        spool_segment_seal(segments);
    spool_footers_write(segments);
    if (first_update(log) || segments->void_count > 0)
        LOG(LOG_ERROR, "spool_outcomes_lost", LOG_STR("path", log->dir.path));
}

static void writer_run(void *arg)
{
    struct spool_log *log = arg;
    for (;;) {
        bool ran = mailbox_run(log->mailbox) > 0;
        if (turn(log, log->stopping) || ran)
            continue;
        if (log->stopping)
            break;
        sleep_until_work(log);
    }
    finish(log);
}

static void on_stop(struct mailbox_item *item)
{
    CONTAINER_OF(item, struct spool_log, stop)->stopping = true;
}

enum err spool_writer_start(struct spool_log *log, struct err_detail *why)
{
    log->stopping = false;
    enum err err = thread_start(&log->thread, "spool", writer_run, log, why);
    log->started = err == ERR_OK;
    return err;
}

void spool_writer_stop(struct spool_log *log)
{
    if (!log->started) {
        while (spool_writer_step(log))
            ;
        finish(log);
        return;
    }
    log->stop.run = on_stop;
    mailbox_send(log->mailbox, &log->stop);
    thread_join(&log->thread);
    log->started = false;
}
