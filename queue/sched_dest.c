/* A destination: its queue, its window, and the time until it is tried again. */
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "queue/sched_shapes_private.h"

#define REPLY_KEPT 400

static bool in_ring(const struct sched_dest *dest)
{
    return !list_empty(&dest->ring);
}

void sched_dest_update(struct sched_dest *dest)
{
    struct sched *sched = dest->sched;
    bool may = dest->queued > 0 &&
               (dest->waiting ? dest->probe_due : dest->jobs < sched->settings.window_max);
    if (may == in_ring(dest))
        return;
    if (!may) {
        list_remove(&dest->ring);
        return;
    }
    list_add(&sched->ring, &dest->ring);
    sched_pump_soon(sched);
}

/* --- Life --- */

static void on_probe_due(struct timer *timer)
{
    struct sched_dest *dest = CONTAINER_OF(timer, struct sched_dest, timer);
    dest->probe_due = true;
    sched_dest_update(dest);
}

static struct sched_dest *find(const struct sched *sched, struct bytes key, uint64_t hash)
{
    TABLE_EACH (node, &sched->dests, hash) {
        struct sched_dest *dest = CONTAINER_OF(node, struct sched_dest, node);
        if (bytes_equal(key, bytes_of(dest->key)))
            return dest;
    }
    return NULL;
}

struct sched_dest *sched_dest_get(struct sched *sched, const char *key)
{
    struct bytes name = bytes_of(key);
    uint64_t hash = table_hash(&sched->dests, name);
    struct sched_dest *dest = find(sched, name, hash);
    if (dest) {
        dest->refs++;
        return dest;
    }
    dest = mem_zalloc(sizeof *dest + name.len + 1);
    dest->sched = sched;
    dest->refs = 1;
    dest->timer.on_due = on_probe_due;
    list_init(&dest->ring);
    list_init(&dest->queue);
    memcpy(dest->key, key, name.len);
    table_add(&sched->dests, &dest->node, hash);
    dest->serial = ++sched->dest_serial;
    (void)sched_index_add(&sched->dests_by_serial, dest->serial, dest);
    sched_count(&sched->counters.destinations, 1);
    return dest;
}

static void open_window(struct sched_dest *dest)
{
    if (dest->waiting)
        sched_count(&dest->sched->counters.destinations_waiting, -1);
    dest->waiting = dest->probe_due = false;
    timer_cancel(&dest->timer);
}

void sched_dest_put(struct sched_dest *dest)
{
    ASSERT(dest->refs > 0);
    if (--dest->refs > 0)
        return;
    ASSERT(dest->queued == 0 && dest->jobs == 0 && !in_ring(dest));
    open_window(dest);
    table_remove(&dest->sched->dests, &dest->node);
    sched_index_remove(&dest->sched->dests_by_serial, dest->serial, dest);
    sched_count(&dest->sched->counters.destinations, -1);
    mem_free((char *)dest->last.text.ptr);
    mem_free(dest);
}

void sched_dest_queue(struct sched_dest *dest, struct sched_group *group)
{
    ASSERT(group->place == SCHED_NOWHERE);
    bool starts_at_once = dest->queued == 0 && !dest->waiting;
    group->place = SCHED_READY;
    group->dest = dest;
    dest->refs++;
    list_add(&dest->queue, &group->link);
    dest->queued++;
    /* The mail that goes straight through needs no timer. Only the first in a queue can be
     * without one, which shut_window() puts right. */
    if (!starts_at_once)
        sched_group_watch(group);
    sched_dest_update(dest);
}

void sched_dest_unqueue(struct sched_group *group)
{
    struct sched_dest *dest = group->dest;
    ASSERT(group->place == SCHED_READY && dest->queued > 0);
    list_remove(&group->link);
    dest->queued--;
    group->place = SCHED_NOWHERE;
    group->dest = NULL;
    sched_dest_update(dest);
    sched_dest_put(dest);
}

/* --- Reached, and not reached --- */

static void shut_window(struct sched_dest *dest, uint64_t delay_ms)
{
    if (!dest->waiting)
        sched_count(&dest->sched->counters.destinations_waiting, 1);
    dest->waiting = true;
    dest->probe_due = false;
    dest->next_attempt_at_ms = clock_wall_ms() + (int64_t)delay_ms;
    timer_set(loop_timers(dest->sched->loop), &dest->timer, clock_mono_ms() + delay_ms);
    struct sched_group *first = LIST_FIRST(&dest->queue, struct sched_group, link);
    if (first && !timer_armed(&first->timer))
        sched_group_watch(first);
    sched_dest_update(dest);
}

/* Stands for the answer to all that wait: it must be one to wait for. */
static void keep_reason(struct sched_dest *dest, const struct mail_status *why)
{
    const struct mail_status unreachable = MAIL_STATUS_INIT(451, 4, 4, 1, "Not reachable");
    if (mail_status_ok(why) || mail_status_permanent(why))
        why = &unreachable;
    struct bytes text = bytes_sub(why->text, 0, REPLY_KEPT);
    char *copy = mem_alloc(text.len + 1);
    memcpy(copy, text.ptr, text.len);
    mem_free((char *)dest->last.text.ptr);
    dest->last = *why;
    dest->last.text = bytes_make(copy, text.len);
}

void sched_dest_failed(struct sched_dest *dest, uint32_t epoch, const struct mail_status *why)
{
    if (epoch != dest->epoch)
        return; /* the whole window found the same host dead: that is one failure */
    dest->epoch++;
    dest->failures++;
    dest->failed_at_ms = clock_wall_ms();
    keep_reason(dest, why);
    shut_window(dest, retry_destination_delay(&dest->sched->settings.retry, dest->failures));
    LOG(LOG_WARNING, "destination_waiting", LOG_STR("destination", dest->key),
        LOG_U64("failures", dest->failures), LOG_U64("messages", dest->queued),
        LOG_U64("next_s", (uint64_t)(dest->next_attempt_at_ms - dest->failed_at_ms) / 1000));
}

void sched_dest_reached(struct sched_dest *dest)
{
    dest->failures = 0;
    if (!dest->waiting)
        return;
    dest->epoch++;
    open_window(dest);
    sched_dest_update(dest);
}

void sched_dest_restore(struct sched_dest *dest, uint32_t failures, int64_t next_at_ms)
{
    if (dest->jobs > 0 || (dest->waiting && failures <= dest->failures))
        return;
    dest->failures = failures;
    keep_reason(dest, &MAIL_STATUS(451, 4, 4, 1, "Not reachable before the restart"));
    shut_window(dest, retry_delay_until(&dest->sched->settings.retry, next_at_ms, clock_wall_ms()));
}

void sched_dest_probe_now(struct sched_dest *dest)
{
    if (!dest->waiting)
        return;
    timer_cancel(&dest->timer);
    dest->next_attempt_at_ms = clock_wall_ms();
    dest->probe_due = true;
    sched_dest_update(dest);
}
