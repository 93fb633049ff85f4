#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "queue/sched_private.h"

#define REPLY_KEPT 400

void sched_groups_add(struct sched_groups *groups, struct sched_group *group)
{
    group->next = NULL;
    group->prev = groups->tail;
    *(groups->tail ? &groups->tail->next : &groups->head) = group;
    groups->tail = group;
    groups->count++;
}

void sched_groups_remove(struct sched_groups *groups, struct sched_group *group)
{
    *(group->prev ? &group->prev->next : &groups->head) = group->next;
    *(group->next ? &group->next->prev : &groups->tail) = group->prev;
    group->next = group->prev = NULL;
    groups->count--;
}

/* --- The ring of destinations that may start a job: each has its turn --- */

static void ring_remove(struct sched_dest *dest)
{
    dest->ring_prev->ring_next = dest->ring_next;
    dest->ring_next->ring_prev = dest->ring_prev;
    dest->ring_next = dest->ring_prev = NULL;
}

void sched_pump_soon(struct sched *sched)
{
    sched->pump.run = sched_pump;
    loop_defer(sched->loop, &sched->pump);
}

void sched_dest_update(struct sched_dest *dest)
{
    struct sched *sched = dest->sched;
    bool may = dest->queue.head &&
               (dest->waiting ? dest->probe_due : dest->jobs < sched->settings.window_max);
    if (may == (dest->ring_next != NULL))
        return;
    if (!may) {
        ring_remove(dest);
        return;
    }
    dest->ring_next = &sched->ring;
    dest->ring_prev = sched->ring.ring_prev;
    dest->ring_prev->ring_next = dest;
    sched->ring.ring_prev = dest;
    sched_pump_soon(sched);
}

/* --- Life --- */

static void on_probe_due(struct timer *timer)
{
    struct sched_dest *dest = CONTAINER_OF(timer, struct sched_dest, timer);
    dest->probe_due = true;
    sched_dest_update(dest);
}

struct sched_dest *sched_dest_get(struct sched *sched, const char *key)
{
    struct bytes name = bytes_of(key);
    uint64_t hash = sched_table_hash(&sched->dests, name);
    struct sched_node *node = sched->dests.buckets[hash & sched->dests.mask];
    for (; node; node = node->next) {
        struct sched_dest *dest = CONTAINER_OF(node, struct sched_dest, node);
        if (node->hash == hash && bytes_equal(name, bytes_of(dest->key))) {
            dest->refs++;
            return dest;
        }
    }
    struct sched_dest *dest = mem_zalloc(sizeof *dest + name.len + 1);
    dest->node.hash = hash;
    dest->sched = sched;
    dest->refs = 1;
    dest->timer.on_due = on_probe_due;
    dest->key = (char *)(dest + 1);
    memcpy(dest->key, key, name.len);
    sched_table_add(&sched->dests, &dest->node);
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
    ASSERT(!dest->queue.head && dest->jobs == 0 && !dest->ring_next);
    open_window(dest);
    sched_table_remove(&dest->sched->dests, &dest->node);
    sched_index_remove(&dest->sched->dests_by_serial, dest->serial, dest);
    sched_count(&dest->sched->counters.destinations, -1);
    mem_free((char *)dest->last.text.ptr);
    mem_free(dest);
}

void sched_dest_queue(struct sched_dest *dest, struct sched_group *group)
{
    ASSERT(group->place == SCHED_NOWHERE);
    bool starts_at_once = !dest->queue.head && !dest->waiting;
    group->place = SCHED_READY;
    group->dest = dest;
    dest->refs++;
    sched_groups_add(&dest->queue, group);
    /* The mail that goes straight through needs no timer. Only the first in a queue can be
     * without one, which shut_window() puts right. */
    if (!starts_at_once)
        sched_group_watch(group);
    sched_dest_update(dest);
}

/* --- Good and bad days --- */

static void shut_window(struct sched_dest *dest, uint64_t delay_ms)
{
    if (!dest->waiting)
        sched_count(&dest->sched->counters.destinations_waiting, 1);
    dest->waiting = true;
    dest->probe_due = false;
    dest->next_attempt_at_ms = clock_wall_ms() + (int64_t)delay_ms;
    timer_set(loop_timers(dest->sched->loop), &dest->timer, clock_mono_ms() + delay_ms);
    if (dest->queue.head && !timer_armed(&dest->queue.head->timer))
        sched_group_watch(dest->queue.head);
    sched_dest_update(dest);
}

/* Stands for the answer to all who wait: it must be one to wait for. */
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
        LOG_U64("failures", dest->failures), LOG_U64("messages", dest->queue.count),
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

/* --- Starting jobs --- */

static struct sched_work *work_new(struct sched *sched)
{
    struct sched_work *work = sched->works_pool;
    if (work) {
        sched->works_pool = work->next;
    } else {
        work = MEM_NEW(struct sched_work);
        arena_init(&work->job.arena, 1024);
    }
    work->sched = sched;
    work->prev = NULL;
    work->next = sched->works;
    if (work->next)
        work->next->prev = work;
    sched->works = work;
    return work;
}

static void start_one(struct sched_dest *dest)
{
    struct sched *sched = dest->sched;
    struct sched_group *group = dest->queue.head;
    struct sched_way *way = sched_group_way(group, dest);
    if (!way)
        return;
    struct sched_message *m = sched_group_message(group);
    dest->refs++; /* the job's */
    sched_group_take(group);
    group->place = SCHED_JOB;
    group->dest = dest;
    m->busy++;
    dest->jobs++;
    dest->probe_due = false;
    sched_count(&sched->counters.jobs_under_way, 1);

    struct sched_work *work = work_new(sched);
    work->group = group;
    work->dest = dest;
    work->way = way;
    work->epoch = dest->epoch;
    work->job.ref = m->ref;
    work->job.route = way->route;
    work->job.message = m;
    work->job.rcpts = sched_group_rcpts(group, &work->job.arena, &work->job.rcpt_count);
    sched->ops.deliver(sched->owner, &work->job);
}

void sched_pump(struct loop_task *task)
{
    struct sched *sched = CONTAINER_OF(task, struct sched, pump);
    while (!sched->draining && sched->ring.ring_next != &sched->ring &&
           sched_jobs_under_way(sched) < sched->settings.jobs_max) {
        struct sched_dest *dest = sched->ring.ring_next;
        ring_remove(dest);
        dest->refs++;
        start_one(dest);
        sched_dest_update(dest); /* behind all others */
        sched_dest_put(dest);
    }
}
