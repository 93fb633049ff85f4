#include "queue/sched.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "queue/sched_private.h"

struct sched *sched_new(struct loop *loop, const struct sched_settings *settings,
                        struct spool *spool, const struct sched_ops *ops, void *owner)
{
    struct sched *sched = MEM_NEW(struct sched);
    ASSERT(settings->window_max > 0 && settings->jobs_max > 0);
    sched->loop = loop;
    sched->settings = *settings;
    sched->settings.hostname = mem_strdup(settings->hostname);
    sched->settings.postmaster = mem_strdup(settings->postmaster);
    sched->spool = spool;
    sched->ops = *ops;
    sched->owner = owner;
    sched_table_init(&sched->domains);
    sched_table_init(&sched->dests);
    sched->ring.ring_next = sched->ring.ring_prev = &sched->ring;
    return sched;
}

/* --- Coming in --- */

struct arrival {
    struct bytes domain;
    struct mail_status status;
    uint8_t state; /* enum spool_rcpt_state */
};

/* A message on its way to the scheduler's thread. */
struct submission {
    struct mailbox_item item;
    struct sched *sched;
    struct spool_ref ref;
    int64_t received_at_ms;
    uint64_t octets;
    uint32_t rcpt_count;
    uint16_t flags;
    bool tried; /* OUTCOME was given */
    uint32_t attempts;
    int64_t next_attempt_at_ms;
    bool host_failed;      /* all that wait were told that their destination cannot be reached */
    struct arrival *rcpts; /* one a recipient, in arena; NULL: narrow */
    struct arena arena;
    uint32_t domain_len;
    char domain[]; /* narrow: in lower case */
};

static struct bytes first_domain(const struct mail_envelope *envelope)
{
    return envelope->rcpt_count > 0 ? mail_domain(envelope->rcpts[0].address) : BYTES_EMPTY;
}

static bool one_domain(const struct mail_envelope *envelope, struct bytes domain)
{
    for (size_t i = 1; i < envelope->rcpt_count; i++)
        if (!bytes_equal_nocase(mail_domain(envelope->rcpts[i].address), domain))
            return false;
    return true;
}

static bool all_wait(const struct spool_outcome *outcome)
{
    for (size_t i = 0; outcome && i < outcome->rcpt_count; i++)
        if (outcome->rcpts[i].state != SPOOL_RCPT_PENDING)
            return false;
    return true;
}

/* The destination's own failures are not stored: what its messages were told stands for them.
 * 4.4.4 is ours for "no route"; a message that a server itself told 4.4.x waits with the rest
 * once, which does no harm. */
static bool all_host_failed(const struct spool_outcome *outcome)
{
    size_t waiting = 0;
    for (size_t i = 0; i < outcome->rcpt_count; i++) {
        const uint16_t *e = outcome->rcpts[i].status.enhanced;
        if (outcome->rcpts[i].state != SPOOL_RCPT_PENDING)
            continue;
        if (e[0] != 4 || e[1] != 4 || e[2] == 4)
            return false;
        waiting++;
    }
    return waiting > 0;
}

static uint16_t flags_of(const struct mail_envelope *envelope, const struct spool_meta *meta)
{
    unsigned flags = 0;
    if (envelope->sender.len == 0 || meta->is_dsn)
        return SCHED_NO_REPORT;
    for (size_t i = 0; i < envelope->rcpt_count; i++)
        if (envelope->rcpts[i].notify & MAIL_NOTIFY_SUCCESS)
            flags |= SCHED_WANTS_SUCCESS;
    return (uint16_t)flags;
}

static void copy_lower(char *to, struct bytes from)
{
    for (size_t i = 0; i < from.len; i++)
        to[i] = bytes_lower(from.ptr[i]);
}

static void copy_rcpts(struct submission *s, const struct mail_envelope *envelope,
                       const struct spool_outcome *outcome)
{
    s->rcpts = ARENA_NEW_ARRAY(&s->arena, struct arrival, envelope->rcpt_count);
    for (size_t i = 0; i < envelope->rcpt_count; i++) {
        struct bytes domain = mail_domain(envelope->rcpts[i].address);
        char *lower = arena_alloc(&s->arena, domain.len + 1);
        copy_lower(lower, domain);
        s->rcpts[i].domain = bytes_make(lower, domain.len);
    }
    for (size_t i = 0; outcome && i < outcome->rcpt_count; i++) {
        const struct spool_rcpt_outcome *o = &outcome->rcpts[i];
        if (o->rcpt >= envelope->rcpt_count || o->state > SPOOL_RCPT_FAILED)
            continue; /* from the disk: not ours to trust */
        s->rcpts[o->rcpt].status = mail_status_copy(&s->arena, &o->status);
        s->rcpts[o->rcpt].state = o->state;
    }
}

static struct sched_message *make_message(struct submission *s)
{
    struct sched_message *m = sched_message_new(s->sched, &s->ref);
    m->received_at_ms = s->received_at_ms;
    m->octets = s->octets;
    m->rcpt_count = s->rcpt_count;
    m->flags = s->flags;
    m->group.attempts = s->attempts;
    if (!s->rcpts) {
        m->domain = sched_domain_get(s->sched, bytes_make(s->domain, s->domain_len));
        return m;
    }
    m->flags |= SCHED_WIDE;
    m->wide = sched_wide_new(s->rcpt_count);
    for (uint32_t i = 0; i < s->rcpt_count; i++) {
        struct sched_rcpt *rcpt = &m->wide->rcpts[i];
        rcpt->domain = sched_domain_get(s->sched, s->rcpts[i].domain);
        rcpt->state = s->rcpts[i].state;
        rcpt->group = rcpt->state == SPOOL_RCPT_PENDING ? &m->group : NULL;
        if (s->rcpts[i].status.code != 0)
            sched_rcpt_note(rcpt, &s->rcpts[i].status);
    }
    return m;
}

static void schedule(struct sched_message *m, const struct submission *s)
{
    const struct retry_settings *retry = &m->sched->settings.retry;
    uint64_t delay_ms = retry_delay_until(retry, s->next_attempt_at_ms, clock_wall_ms());
    struct sched_restore restore = {s->attempts, s->next_attempt_at_ms};
    if (!sched_message_waits(m))
        sched_message_record(m, NULL, 0);
    else if (s->tried && s->host_failed)
        sched_group_route(&m->group, &restore);
    else if (s->tried && delay_ms > 0)
        sched_group_defer(&m->group, delay_ms);
    else
        sched_group_route(&m->group, NULL);
}

static void on_submitted(struct mailbox_item *item)
{
    struct submission *s = CONTAINER_OF(item, struct submission, item);
    if (s->rcpt_count == 0)
        spool_message_quarantine(s->sched->spool, &s->ref, "a message without recipients");
    else
        schedule(make_message(s), s);
    arena_free(&s->arena);
    mem_free(s);
}

void sched_submit(struct sched *sched, const struct spool_ref *ref,
                  const struct mail_envelope *envelope, const struct spool_meta *meta,
                  const struct spool_outcome *outcome)
{
    struct bytes domain = first_domain(envelope);
    bool narrow = one_domain(envelope, domain) && all_wait(outcome);
    size_t domain_len = narrow ? domain.len : 0;
    struct submission *s = mem_alloc(sizeof *s + domain_len);
    *s = (struct submission){
        .item.run = on_submitted,
        .sched = sched,
        .ref = *ref,
        .received_at_ms = meta->received_at_ms,
        .octets = meta->octets,
        .rcpt_count = (uint32_t)envelope->rcpt_count,
        .flags = flags_of(envelope, meta),
        .domain_len = (uint32_t)domain_len,
    };
    arena_init(&s->arena, 1024);
    copy_lower(s->domain, bytes_sub(domain, 0, domain_len));
    if (outcome) {
        s->tried = outcome->rcpt_count > 0 || outcome->attempts > 0;
        s->attempts = outcome->attempts;
        s->next_attempt_at_ms = outcome->next_attempt_at_ms;
        s->host_failed = all_host_failed(outcome);
        s->flags |= outcome->delay_notified ? SCHED_DELAY_TOLD : 0;
    }
    if (!narrow)
        copy_rcpts(s, envelope, outcome);
    mailbox_send(loop_mailbox(sched->loop), &s->item);
}

/* --- Coming back --- */

static void work_remove(struct sched_work *work)
{
    struct sched *sched = work->sched;
    *(work->prev ? &work->prev->next : &sched->works) = work->next;
    if (work->next)
        work->next->prev = work->prev;
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
    sched_way_put(sched, work->way);
    sched_dest_update(work->dest);
    sched_dest_put(work->dest);
    arena_reset(&arena);
    *work = (struct sched_work){.job.arena = arena, .next = sched->works_pool};
    sched->works_pool = work;
}

/* Most mail: all taken, nobody to be told, nothing to be read. */
static bool finish_quickly(struct sched_work *work, const struct sched_attempt *attempt)
{
    struct sched_message *m = work->job.message;
    unsigned slow = SCHED_WIDE | (attempt->peer_has_dsn ? 0 : SCHED_WANTS_SUCCESS);
    if ((m->flags & slow) || m->busy > 0)
        return false;
    for (size_t i = 0; i < attempt->count; i++)
        if (!mail_status_ok(&attempt->results[i]))
            return false;
    sched_count(&work->sched->counters.delivered_rcpts, (int64_t)attempt->count);
    sched_log_delivered(m, attempt, &attempt->results[0]);
    m->flags |= SCHED_SETTLED;
    sched_message_record(m, NULL, 0);
    return true;
}

static const struct mail_status *not_attempted(struct sched_job *job)
{
    struct mail_status *results = ARENA_NEW_ARRAY(&job->arena, struct mail_status, job->rcpt_count);
    for (size_t i = 0; i < job->rcpt_count; i++)
        results[i] = MAIL_STATUS(451, 4, 3, 0, "Delivery was not attempted");
    return results;
}

static void finish(struct sched_work *work)
{
    struct sched_job *job = &work->job;
    struct sched_dest *dest = work->dest;
    struct sched_attempt attempt = {
        .rcpts = job->rcpts,
        .results = job->results ? job->results : not_attempted(job),
        .count = job->rcpt_count,
        .host = job->host,
        .dest = dest,
        .host_failed = job->host_failed,
        .ambiguous = job->ambiguous,
        .peer_has_dsn = job->peer_has_dsn,
    };
    if (job->host_failed)
        sched_dest_failed(dest, work->epoch, &attempt.results[0]);
    else if (job->results)
        sched_dest_reached(dest);
    else
        dest->probe_due = dest->waiting; /* nothing was learnt: the probe is still to be made */
    if (!finish_quickly(work, &attempt))
        sched_group_settle(work->group, &attempt);
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

/* --- The administrator --- */

void sched_drain(struct sched *sched)
{
    sched->draining = true;
}

size_t sched_jobs_under_way(const struct sched *sched)
{
    return (size_t)atomic_load_explicit(&sched->counters.jobs_under_way, memory_order_relaxed);
}

static void hold(struct sched_groups *all, struct sched_group *group)
{
    sched_group_take(group);
    group->place = SCHED_HELD;
    sched_groups_add(all, group);
}

static struct sched_group *let_go(struct sched_groups *all)
{
    struct sched_group *group = all->head;
    sched_groups_remove(all, group);
    group->place = SCHED_NOWHERE;
    return group;
}

/* All that waits anywhere, out of its place, in one list. */
static struct sched_groups take_all(struct sched *sched)
{
    struct sched_groups all = {0};
    while (sched->deferred.head)
        hold(&all, sched->deferred.head);
    for (size_t i = 0; i <= sched->dests.mask; i++) {
        for (struct sched_node *node = sched->dests.buckets[i], *next; node; node = next) {
            struct sched_dest *dest = CONTAINER_OF(node, struct sched_dest, node);
            dest->refs++;
            while (dest->queue.head)
                hold(&all, dest->queue.head);
            sched_dest_probe_now(dest);
            next = node->next;
            sched_dest_put(dest);
        }
    }
    return all;
}

void sched_retry_all(struct sched *sched)
{
    sched->generation++;
    struct sched_groups all = take_all(sched);
    while (all.head)
        sched_group_route(let_go(&all), NULL);
}

void sched_stats_read(const struct sched *sched, struct sched_stats *out)
{
    const struct sched_counters *c = &sched->counters;
    *out = (struct sched_stats){
        .messages = atomic_load_explicit(&c->messages, memory_order_relaxed),
        .jobs_under_way = atomic_load_explicit(&c->jobs_under_way, memory_order_relaxed),
        .destinations = atomic_load_explicit(&c->destinations, memory_order_relaxed),
        .destinations_waiting =
            atomic_load_explicit(&c->destinations_waiting, memory_order_relaxed),
        .delivered_rcpts = atomic_load_explicit(&c->delivered_rcpts, memory_order_relaxed),
        .failed_rcpts = atomic_load_explicit(&c->failed_rcpts, memory_order_relaxed),
        .deferrals = atomic_load_explicit(&c->deferrals, memory_order_relaxed),
        .reports = atomic_load_explicit(&c->reports, memory_order_relaxed),
    };
}

/* --- The end: the spool has everything, and tells it again at the next start --- */

static void pools_free(struct sched *sched)
{
    while (sched->messages_pool) {
        struct sched_message *m = sched->messages_pool;
        sched->messages_pool = (struct sched_message *)m->group.next;
        mem_free(m);
    }
    while (sched->works_pool) {
        struct sched_work *work = sched->works_pool;
        sched->works_pool = work->next;
        arena_free(&work->job.arena);
        mem_free(work);
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
    while (s->works) {
        struct sched_work *work = s->works;
        work_remove(work);
        sched_group_drop(work->group);
        sched_message_release(work->job.message);
        work_recycle(work);
    }
    struct sched_groups all = take_all(s);
    while (all.head) {
        struct sched_group *group = let_go(&all);
        struct sched_message *m = sched_group_message(group);
        sched_group_drop(group);
        sched_message_release(m);
    }
    sched_reports_free(s);
    loop_task_cancel(s->loop, &s->pump);
    sched_domains_free(s);
    ASSERT(s->dests.count == 0 && s->messages_by_id.total == 0);
    sched_index_free(&s->messages_by_id);
    sched_index_free(&s->dests_by_serial);
    sched_table_free(&s->domains);
    sched_table_free(&s->dests);
    pools_free(s);
    mem_free((char *)s->settings.hostname);
    mem_free((char *)s->settings.postmaster);
    mem_free(s);
    *sched = NULL;
}
