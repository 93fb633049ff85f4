/* Jobs: started as the windows allow, and what they came back with. */
#include "core/mem.h"
#include "queue/sched.h"
#include "queue/sched_shapes_private.h"

/* --- Starting --- */

static struct sched_work *work_new(struct sched *sched)
{
    struct sched_work *work = LIST_FIRST(&sched->works_pool, struct sched_work, link);
    if (work) {
        list_remove(&work->link);
    } else {
        work = MEM_NEW(struct sched_work);
        arena_init(&work->job.arena, 1024);
    }
    work->sched = sched;
    list_add_first(&sched->works, &work->link);
    return work;
}

static void start_one(struct sched_dest *dest)
{
    struct sched *sched = dest->sched;
    struct sched_group *group = LIST_FIRST(&dest->queue, struct sched_group, link);
    ASSERT(group);
    struct route *route = sched_group_route_to(group, dest);
    if (!route)
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
    struct mail_attempt *attempt = &work->job.attempt;
    work->group = group;
    work->dest = dest;
    work->epoch = dest->epoch;
    work->job.ref = m->ref;
    work->job.route = route;
    work->job.message = m;
    attempt->rcpts = sched_group_rcpts(group, &work->job.arena, &attempt->rcpt_count);
    sched->ops.deliver(sched->owner, &work->job);
}

void sched_pump(struct loop_task *task)
{
    struct sched *sched = CONTAINER_OF(task, struct sched, pump);
    while (!sched->draining && !list_empty(&sched->ring) &&
           sched_counted(&sched->counters.jobs_under_way) < sched->settings.jobs_max) {
        struct sched_dest *dest = LIST_FIRST(&sched->ring, struct sched_dest, ring);
        list_remove(&dest->ring);
        dest->refs++;
        start_one(dest);
        sched_dest_update(dest); /* behind all others */
        sched_dest_put(dest);
    }
}

/* --- Coming back --- */

static void work_remove(struct sched_work *work)
{
    struct sched *sched = work->sched;
    ASSERT(work->dest->jobs > 0 && work->job.message->busy > 0);
    list_remove(&work->link);
    sched_count(&sched->counters.jobs_under_way, -1);
    work->dest->jobs--;
    work->job.message->busy--;
    work->group->place = SCHED_NOWHERE;
    work->group->dest = NULL;
}

static void work_recycle(struct sched_work *work)
{
    struct sched *sched = work->sched;
    struct arena arena = work->job.arena;
    route_unref(&work->job.route);
    sched_dest_update(work->dest);
    sched_dest_put(work->dest);
    arena_reset(&arena);
    *work = (struct sched_work){.job.arena = arena};
    list_add_first(&sched->works_pool, &work->link);
}

/* Most mail: all taken, no sender to be told, nothing to be read. */
static bool finish_quickly(struct sched_work *work)
{
    const struct mail_attempt *attempt = &work->job.attempt;
    struct sched_message *m = work->job.message;
    unsigned slow = SCHED_WIDE | (attempt->dsn_passed ? 0 : SCHED_WANTS_SUCCESS);
    if ((m->flags & slow) || m->busy > 0)
        return false;
    for (size_t i = 0; i < attempt->rcpt_count; i++)
        if (!mail_status_ok(&attempt->results[i]))
            return false;
    sched_count(&work->sched->counters.delivered_rcpts, (int64_t)attempt->rcpt_count);
    sched_log_delivered(m, attempt, work->dest, &attempt->results[0]);
    m->flags |= SCHED_ENDED;
    sched_message_record(m, NULL, 0);
    return true;
}

static void not_attempted(struct sched_job *job)
{
    struct mail_attempt *attempt = &job->attempt;
    attempt->results = ARENA_NEW_ARRAY(&job->arena, struct mail_status, attempt->rcpt_count);
    for (size_t i = 0; i < attempt->rcpt_count; i++)
        attempt->results[i] = MAIL_STATUS(451, 4, 3, 0, "Delivery was not attempted");
}

static void finish(struct sched_work *work)
{
    struct mail_attempt *attempt = &work->job.attempt;
    struct sched_dest *dest = work->dest;
    bool tried = attempt->results;
    if (!tried)
        not_attempted(&work->job);
    if (attempt->host_failed)
        sched_dest_failed(dest, work->epoch, &attempt->results[0]);
    else if (tried)
        sched_dest_reached(dest);
    else
        dest->probe_due = dest->waiting; /* nothing was learnt: the probe is still to be made */
    if (!finish_quickly(work))
        sched_group_settle(work->group, attempt, dest);
}

static void on_finished(struct mailbox_item *item)
{
    struct sched_work *work = CONTAINER_OF(item, struct sched_work, job.item);
    struct sched_message *m = work->job.message;
    work_remove(work);
    if (m->flags & SCHED_DEAD) {
        sched_group_drop(work->group);
        sched_message_release(m);
    } else if (work->job.unreadable) {
        work->dest->probe_due = work->dest->waiting;
        sched_message_quarantine(m, "it could not be read for delivery");
    } else {
        finish(work);
    }
    struct sched *sched = work->sched;
    work_recycle(work);
    sched_pump_soon(sched); /* others may have been waiting for jobs_max */
}

void sched_finished(struct sched *sched, struct sched_job *job)
{
    job->item.run = on_finished;
    mailbox_send(loop_mailbox(sched->loop), &job->item);
}

void sched_jobs_forget(struct sched *sched)
{
    struct sched_work *work;
    while ((work = LIST_FIRST(&sched->works, struct sched_work, link))) {
        struct sched_message *m = work->job.message;
        work_remove(work);
        sched_group_drop(work->group);
        sched_message_release(m);
        work_recycle(work);
    }
    while ((work = LIST_FIRST(&sched->works_pool, struct sched_work, link))) {
        list_remove(&work->link);
        arena_free(&work->job.arena);
        mem_free(work);
    }
}
