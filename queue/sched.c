/* The scheduler as a whole: its life, and what the administrator asks of it. */
#include "queue/sched.h"

#include "core/mem.h"
#include "queue/sched_shapes_private.h"

static const struct sched_upward UPWARD = {
    .group_due = sched_group_due,
    .submit = sched_submit,
};

static void copy_settings(struct sched *sched, const struct sched_settings *settings)
{
    ASSERT(settings->window_max > 0 && settings->jobs_max > 0);
    sched->settings = *settings;
    sched->settings.hostname = mem_strdup(settings->hostname);
    sched->settings.postmaster = mem_strdup(settings->postmaster);
}

static void free_settings(struct sched *sched)
{
    mem_free((char *)sched->settings.hostname);
    mem_free((char *)sched->settings.postmaster);
}

void sched_settings_set(struct sched *sched, const struct sched_settings *settings)
{
    ASSERT(settings->jobs_max == sched->settings.jobs_max);
    free_settings(sched);
    copy_settings(sched, settings);
    sched_pump_soon(sched); /* a window may have grown */
}

struct sched *sched_new(struct loop *loop, const struct sched_settings *settings,
                        struct spool *spool, const struct sched_ops *ops, void *owner)
{
    struct sched *sched = MEM_NEW(struct sched);
    sched->loop = loop;
    copy_settings(sched, settings);
    sched->spool = spool;
    sched->ops = *ops;
    sched->owner = owner;
    sched->upward = UPWARD;
    sched->pump.run = sched_pump;
    table_init(&sched->domains);
    table_init(&sched->dests);
    struct cds_list_head *const heads[] = {
        &sched->idle,       &sched->ring,          &sched->deferred, &sched->works,
        &sched->works_pool, &sched->messages_pool, &sched->reports};
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
        list_init(heads[i]);
    return sched;
}

/* --- The administrator --- */

void sched_drain(struct sched *sched)
{
    sched->draining = true;
}

size_t sched_jobs_under_way(const struct sched *sched)
{
    return (size_t)sched_counted(&sched->counters.jobs_under_way);
}

static void hold_all(struct cds_list_head *held, struct cds_list_head *groups)
{
    struct sched_group *group;
    while ((group = LIST_FIRST(groups, struct sched_group, link))) {
        sched_group_take(group);
        group->place = SCHED_HELD;
        list_add(held, &group->link);
    }
}

static void hold_queue(void *owner, struct table_node *node)
{
    struct sched_dest *dest = CONTAINER_OF(node, struct sched_dest, node);
    dest->refs++;
    hold_all(owner, &dest->queue);
    sched_dest_probe_now(dest);
    sched_dest_put(dest);
}

/* All that waits anywhere, out of its place, in HELD. */
static void take_all(struct sched *sched, struct cds_list_head *held)
{
    list_init(held);
    hold_all(held, &sched->deferred);
    table_visit(&sched->dests, hold_queue, held);
}

/* The next one of HELD, which is nowhere then; NULL: that was the last. */
static struct sched_group *next_held(struct cds_list_head *held)
{
    struct sched_group *group = LIST_FIRST(held, struct sched_group, link);
    if (!group)
        return NULL;
    list_remove(&group->link);
    group->place = SCHED_NOWHERE;
    return group;
}

void sched_retry_all(struct sched *sched)
{
    struct cds_list_head held;
    struct sched_group *group;
    sched->generation++;
    take_all(sched, &held);
    while ((group = next_held(&held)))
        sched_group_route(group, NULL);
}

void sched_stats_read(const struct sched *sched, struct sched_stats *out)
{
    const struct sched_counters *c = &sched->counters;
    *out = (struct sched_stats){
        .messages = sched_counted(&c->messages),
        .jobs_under_way = sched_counted(&c->jobs_under_way),
        .destinations = sched_counted(&c->destinations),
        .destinations_waiting = sched_counted(&c->destinations_waiting),
        .delivered_rcpts = sched_counted(&c->delivered_rcpts),
        .failed_rcpts = sched_counted(&c->failed_rcpts),
        .deferrals = sched_counted(&c->deferrals),
        .reports = sched_counted(&c->reports),
    };
}

/* --- The end: the spool has everything, and tells it again at the next start --- */

static void forget_waiting(struct sched *sched)
{
    struct cds_list_head held;
    struct sched_group *group;
    take_all(sched, &held);
    while ((group = next_held(&held))) {
        struct sched_message *m = sched_group_message(group);
        sched_group_drop(group);
        sched_message_release(m);
    }
}

void sched_free(struct sched **sched)
{
    struct sched *s = *sched;
    if (!s)
        return;
    s->draining = true;
    /* What was sent to us, jobs that came back too, and what that sends us in turn. */
    while (mailbox_run(loop_mailbox(s->loop)) > 0)
        ;
    sched_jobs_forget(s);
    forget_waiting(s);
    sched_reports_free(s);
    loop_task_cancel(s->loop, &s->pump);
    sched_domains_free(s);
    ASSERT(s->dests.count == 0 && s->messages_by_id.total == 0);
    sched_index_free(&s->messages_by_id);
    sched_index_free(&s->dests_by_serial);
    table_free(&s->domains);
    table_free(&s->dests);
    sched_messages_free_pool(s);
    free_settings(s);
    mem_free(s);
    *sched = NULL;
}
