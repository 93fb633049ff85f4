/* The writer: waits, gathers, runs groups, and answers for the spool's health.
 *
 * A message is written as soon as the writer is free; outcomes wait a few milliseconds for one to
 * ride with. When a group fails its segment is poisoned; before the senders are told, another
 * segment is opened and the failed part is declared void there. As long as that cannot be done
 * the spool takes nothing in, and tries again every few seconds; the senders of the group are
 * told that it is not known what has become of it.
 */
#include "queue/spool_private.h"

#include <errno.h>
#include <poll.h>

#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

enum { SPACE_EVERY_MS = 100, IDLE_MS = 500, HEAL_FIRST_MS = 1000, HEAL_MAX_MS = 8000 };

#define CREATE_STEP_BYTES (1024 * 1024)

void spool_on_commit(struct mailbox_item *item)
{
    struct spool_txn *txn = CONTAINER_OF(item, struct spool_txn, item);
    /* So that the disk works on all of a group at once, and each sync waits for little. */
    if (txn->big_fd >= 0)
        txn->spool->io->write_begin(txn->spool->io, txn->big_fd);
    txn->next = NULL;
    if (txn->version > txn->spool->version)
        txn->spool->version = txn->version;
    *txn->spool->txns_end = txn;
    txn->spool->txns_end = &txn->next;
}

void spool_on_settle(struct mailbox_item *item)
{
    struct spool_settle *s = CONTAINER_OF(item, struct spool_settle, item);
    s->next = NULL;
    s->queued_at_ms = clock_mono_ms();
    *s->spool->settles_end = s;
    s->spool->settles_end = &s->next;
}

void spool_on_orphan(struct mailbox_item *item)
{
    struct spool_orphan *orphan = CONTAINER_OF(item, struct spool_orphan, item);
    orphan->next = orphan->spool->orphans;
    orphan->spool->orphans = orphan;
}

/* Fails closed: what cannot be asked is taken for full. */
void spool_space_refresh(struct spool_log *spool)
{
    struct statvfs vfs;
    uint64_t free_bytes = 0;
    if (spool->io->fstatvfs(spool->io, spool->root_fd, &vfs) == 0)
        free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    else
        LOG(LOG_ERROR, "spool_statvfs_failed", LOG_STR("path", spool->path),
            LOG_STR("error", err_name(err_from_errno(errno))));
    atomic_store_explicit(&spool->disk_free_bytes, free_bytes, memory_order_relaxed);
    spool->space_at_ms = clock_mono_ms() + SPACE_EVERY_MS;
}

/* --- Health --- */

void spool_trouble(struct spool_log *spool, enum err err)
{
    uint64_t wait = (uint64_t)HEAL_FIRST_MS << (spool->failures < 4 ? spool->failures : 4);
    spool->failures++;
    spool->heal_at_ms = clock_mono_ms() + (wait < HEAL_MAX_MS ? wait : HEAL_MAX_MS);
    KILL_POINT("spool_unhealthy");
    atomic_store(&spool->health, (int)err);
    LOG(LOG_ERROR, "spool_unhealthy", LOG_STR("path", spool->path),
        LOG_STR("error", err_name(err)));
}

/* Another segment, in which what failed is void. */
static bool write_voids(struct spool_log *spool)
{
    struct spool_txn *none;
    enum err err;
    if (spool_group_run(spool, SPOOL_GROUP_VOIDS, &none, &err) != SPOOL_GROUP_FAILED)
        return true;
    spool_trouble(spool, err);
    return false;
}

static bool heal(struct spool_log *spool)
{
    if (!write_voids(spool))
        return false;
    KILL_POINT("spool_healed");
    atomic_store(&spool->health, ERR_OK);
    LOG(LOG_WARNING, "spool_healthy_again", LOG_STR("path", spool->path));
    return true;
}

static void txns_fail(struct spool_txn *txn, enum err err, bool doubtful)
{
    for (struct spool_txn *next; txn; txn = next) {
        next = txn->next;
        txn->result.doubtful = doubtful;
        spool_txn_complete(txn, err);
    }
}

static void queued_txns_fail(struct spool_log *spool)
{
    struct spool_txn *txns = spool->txns;
    spool->txns = NULL;
    spool->txns_end = &spool->txns;
    txns_fail(txns, (enum err)atomic_load(&spool->health), false);
}

/* --- One turn --- */

static bool settles_due(const struct spool_log *spool, uint64_t now_ms)
{
    return spool->settles && now_ms - spool->settles->queued_at_ms >= SPOOL_SETTLE_WAIT_MS;
}

static bool group_due(const struct spool_log *spool, bool at_once)
{
    if (spool->txns || spool->void_count > 0 || spool_reclaim_wanted(spool))
        return true;
    if (spool->settles && at_once)
        return true;
    return settles_due(spool, clock_mono_ms());
}

/* What is answered 451 must be void on the disk first (P4); where that cannot be had nobody is
 * answered. Intake reopens at once after the first failure in a row, and after a growing pause
 * when it fails again. */
static bool run_group(struct spool_log *spool)
{
    struct spool_txn *failed;
    enum err err;
    enum spool_group_result result = spool_group_run(spool, SPOOL_GROUP_ALL, &failed, &err);
    if (result == SPOOL_GROUP_WRITTEN)
        spool->failures = 0;
    if (result != SPOOL_GROUP_FAILED)
        return result == SPOOL_GROUP_WRITTEN || spool->txns;
    bool first = spool->failures == 0;
    spool_trouble(spool, err);
    bool said = first ? heal(spool) : write_voids(spool);
    txns_fail(failed, err, !said && spool->void_count > 0);
    return true;
}

/* Works on the next segment if none is ready and none can be had by recycling, faster than the
 * FILLED bytes of the last group eat up the active one. */
static bool create_ahead(struct spool_log *spool, uint64_t filled)
{
    const struct spool_creation *c = &spool->creation;
    if (spool_segments_ready(spool) >= SPOOL_READY_MIN || spool_reclaim_wanted(spool) ||
        (!c->under_way && clock_mono_ms() < c->retry_at_ms))
        return false;
    /* A failure is logged, and matters only when the active segment is full. */
    enum err err = spool_segment_create(spool, filled + CREATE_STEP_BYTES);
    return err == ERR_OK || err == ERR_AGAIN;
}

static bool unhealthy(const struct spool_log *spool)
{
    return atomic_load(&spool->health) != ERR_OK;
}

/* AT_ONCE: outcomes do not wait for company. */
static bool turn(struct spool_log *spool, bool at_once)
{
    uint64_t now_ms = clock_mono_ms();
    if (now_ms >= spool->space_at_ms)
        spool_space_refresh(spool);
    bool did = false;
    if (unhealthy(spool) && now_ms >= spool->heal_at_ms)
        did = heal(spool);
    uint64_t filled = 0;
    if (!unhealthy(spool) && group_due(spool, at_once)) {
        uint64_t before = atomic_load_explicit(&spool->ready_bytes, memory_order_relaxed);
        did |= run_group(spool);
        uint64_t after = atomic_load_explicit(&spool->ready_bytes, memory_order_relaxed);
        filled = before > after ? before - after : 0;
    }
    if (!unhealthy(spool)) {
        did |= create_ahead(spool, filled);
        did |= spool_footer_write_next(spool);
    }
    did |= spool_reclaim_retry(spool);
    if (unhealthy(spool) && spool->txns) {
        queued_txns_fail(spool);
        did = true;
    }
    return did;
}

bool spool_log_step(struct spool_log *spool)
{
    ASSERT(!spool->started);
    bool ran = mailbox_run(spool->mailbox) > 0;
    return turn(spool, true) || ran;
}

/* --- The thread --- */

static int wait_ms(const struct spool_log *spool)
{
    uint64_t now_ms = clock_mono_ms(), until = now_ms + IDLE_MS;
    if (unhealthy(spool) && spool->heal_at_ms < until)
        until = spool->heal_at_ms;
    if (!unhealthy(spool) && spool->settles &&
        spool->settles->queued_at_ms + SPOOL_SETTLE_WAIT_MS < until)
        until = spool->settles->queued_at_ms + SPOOL_SETTLE_WAIT_MS;
    return until > now_ms ? (int)(until - now_ms) : 0;
}

static void sleep_until_work(struct spool_log *spool)
{
    if (!mailbox_sleep_begin(spool->mailbox))
        return;
    struct pollfd pollfd = {.fd = mailbox_fd(spool->mailbox), .events = POLLIN};
    if (poll(&pollfd, 1, wait_ms(spool)) < 0 && errno != EINTR)
        LOG(LOG_ERROR, "spool_wait_failed", LOG_STR("error", err_name(err_from_errno(errno))));
    mailbox_sleep_end(spool->mailbox);
}

/* What still waits gets one more chance, though it be too early to try again. Then the footer, for
 * a quick start. */
static void finish(struct spool_log *spool)
{
    if (unhealthy(spool) && (spool->void_count > 0 || spool->settles) && heal(spool))
        while (spool->settles && run_group(spool) && !unhealthy(spool))
            ;
    if (!unhealthy(spool) && spool->active && spool->active->end > SPOOL_HEADER_BYTES)
        spool_segment_seal(spool);
    spool_footers_write(spool);
    if (spool->settles || spool->void_count > 0)
        LOG(LOG_ERROR, "spool_outcomes_lost", LOG_STR("path", spool->path));
}

static void writer_run(void *arg)
{
    struct spool_log *spool = arg;
    for (;;) {
        bool ran = mailbox_run(spool->mailbox) > 0;
        if (turn(spool, spool->stopping) || ran)
            continue;
        if (spool->stopping)
            break;
        sleep_until_work(spool);
    }
    finish(spool);
}

static void on_stop(struct mailbox_item *item)
{
    CONTAINER_OF(item, struct spool_log, stop)->stopping = true;
}

enum err spool_log_start(struct spool_log *spool, struct err_detail *why)
{
    spool->stopping = false;
    enum err err = thread_start(&spool->thread, "spool", writer_run, spool, why);
    spool->started = err == ERR_OK;
    return err;
}

void spool_log_stop(struct spool_log *spool)
{
    if (!spool->started) {
        while (spool_log_step(spool))
            ;
        finish(spool);
        return;
    }
    spool->stop.run = on_stop;
    mailbox_send(spool->mailbox, &spool->stop);
    thread_join(&spool->thread);
    spool->started = false;
}
