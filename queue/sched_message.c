/* A message: its groups, and what the spool is told of it. */
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "queue/sched_shapes_private.h"

#define POOL_MAX  4096
#define TEXT_KEPT 512 /* as the spool cuts it */

struct sched_message *sched_message_new(struct sched *sched, const struct spool_ref *ref)
{
    struct sched_message *m = LIST_FIRST(&sched->messages_pool, struct sched_message, group.link);
    if (m) {
        list_remove(&m->group.link);
        sched->messages_pooled--;
        memset(m, 0, sizeof *m);
    } else {
        m = MEM_NEW(struct sched_message);
    }
    m->sched = sched;
    m->ref = *ref;
    (void)sched_index_add(&sched->messages_by_id, ref->id, m);
    m->group.timer.on_due = m->sched->upward.group_due;
    sched_count(&sched->counters.messages, 1);
    return m;
}

struct sched_wide *sched_wide_new(uint32_t rcpt_count)
{
    struct sched_wide *wide;
    wide = mem_zalloc(sizeof *wide + rcpt_count * sizeof wide->rcpts[0]);
    list_init(&wide->extras);
    return wide;
}

static void wide_free(struct sched_message *m)
{
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        sched_domain_put(m->sched, m->wide->rcpts[i].domain);
        mem_free((char *)m->wide->rcpts[i].status.text.ptr);
    }
    mem_free(m->wide);
}

static void message_free(struct sched_message *m)
{
    struct sched *sched = m->sched;
    sched_index_remove(&sched->messages_by_id, m->ref.id, m);
    if (m->flags & SCHED_WIDE)
        wide_free(m);
    else
        sched_domain_put(sched, m->domain);
    sched_count(&sched->counters.messages, -1);
    if (sched->messages_pooled >= POOL_MAX) {
        mem_free(m);
        return;
    }
    list_add_first(&sched->messages_pool, &m->group.link);
    sched->messages_pooled++;
}

void sched_messages_free_pool(struct sched *sched)
{
    LIST_EACH_SAFE (m, &sched->messages_pool, struct sched_message, group.link)
        mem_free(m);
    list_init(&sched->messages_pool);
    sched->messages_pooled = 0;
}

void sched_message_release(struct sched_message *m)
{
    bool wide = m->flags & SCHED_WIDE;
    if (m->group.place == SCHED_NOWHERE && m->busy == 0 && !(wide && !list_empty(&m->wide->extras)))
        message_free(m);
}

void sched_message_widen(struct sched_message *m)
{
    if (m->flags & SCHED_WIDE)
        return;
    struct sched_wide *wide = sched_wide_new(m->rcpt_count);
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        wide->rcpts[i].domain = m->domain;
        wide->rcpts[i].group = &m->group;
        if (i > 0)
            m->domain->refs++;
    }
    m->wide = wide;
    m->flags |= SCHED_WIDE;
}

void sched_rcpt_note(struct sched_rcpt *rcpt, const struct mail_status *status)
{
    struct bytes text = bytes_sub(status->text, 0, TEXT_KEPT);
    char *copy = mem_alloc(text.len + 1);
    memcpy(copy, text.ptr, text.len);
    mem_free((char *)rcpt->status.text.ptr);
    rcpt->status = *status;
    rcpt->status.text = bytes_make(copy, text.len);
}

bool sched_message_waits(const struct sched_message *m)
{
    if (!(m->flags & SCHED_WIDE))
        return !(m->flags & SCHED_ENDED);
    for (uint32_t i = 0; i < m->rcpt_count; i++)
        if (m->wide->rcpts[i].state == MAIL_RCPT_PENDING)
            return true;
    return false;
}

/* --- Groups --- */

struct sched_group *sched_group_new(struct sched_message *m)
{
    ASSERT(m->flags & SCHED_WIDE);
    struct sched_extra *extra = MEM_NEW(struct sched_extra);
    extra->message = m;
    extra->group.extra = true;
    extra->group.timer.on_due = m->sched->upward.group_due;
    list_add_first(&m->wide->extras, &extra->link);
    return &extra->group;
}

void sched_group_take(struct sched_group *group)
{
    timer_cancel(&group->timer);
    if (group->place == SCHED_READY)
        sched_dest_unqueue(group);
    else if (group->place == SCHED_DEFERRED)
        list_remove(&group->link);
    group->place = SCHED_NOWHERE;
    group->no_route = false;
}

void sched_group_drop(struct sched_group *group)
{
    ASSERT(group->place != SCHED_JOB);
    sched_group_take(group);
    if (!group->extra)
        return;
    struct sched_extra *extra = CONTAINER_OF(group, struct sched_extra, group);
    list_remove(&extra->link);
    mem_free(extra);
}

void sched_group_defer(struct sched_group *group, uint64_t delay_ms)
{
    struct sched *sched = sched_group_message(group)->sched;
    ASSERT(group->place == SCHED_NOWHERE);
    group->place = SCHED_DEFERRED;
    list_add(&sched->deferred, &group->link);
    timer_set(loop_timers(sched->loop), &group->timer, clock_mono_ms() + delay_ms);
}

/* --- What the spool is told --- */

static void add_group(struct spool_outcome *outcome, const struct sched_group *group)
{
    if (group->place == SCHED_NOWHERE)
        return;
    int64_t next = sched_group_next_at(group, clock_wall_ms(), clock_mono_ms());
    if (group->attempts > outcome->attempts)
        outcome->attempts = group->attempts;
    if (outcome->next_attempt_at_ms == 0 || next < outcome->next_attempt_at_ms)
        outcome->next_attempt_at_ms = next;
}

static struct mail_rcpt *wide_outcomes(const struct sched_message *m, struct arena *arena,
                                       size_t *count)
{
    struct mail_rcpt *out = ARENA_NEW_ARRAY(arena, struct mail_rcpt, m->rcpt_count);
    *count = 0;
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        const struct sched_rcpt *rcpt = &m->wide->rcpts[i];
        if (rcpt->status.code == 0)
            continue;
        /* Until its report is durable a failure must happen again after a restart. */
        bool again = rcpt->report != MAIL_REPORT_NONE && rcpt->state == MAIL_RCPT_FAILED;
        out[*count].index = i;
        out[*count].state = again ? MAIL_RCPT_PENDING : rcpt->state;
        out[(*count)++].status = rcpt->status;
    }
    return out;
}

static void write_outcome(struct sched_message *m, const struct mail_rcpt *rcpts, size_t count)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct spool_outcome outcome = {.delay_notified = m->flags & SCHED_DELAY_TOLD};
    add_group(&outcome, &m->group);
    if (m->flags & SCHED_WIDE) {
        rcpts = wide_outcomes(m, &arena, &count);
        LIST_EACH (extra, &m->wide->extras, struct sched_extra, link)
            add_group(&outcome, &extra->group);
    }
    outcome.rcpts = rcpts;
    outcome.rcpt_count = count;
    spool_outcome_write(m->sched->spool, &m->ref, &outcome);
    arena_free(&arena);
}

void sched_message_record(struct sched_message *m, const struct mail_rcpt *rcpts, size_t count)
{
    bool waits = sched_message_waits(m);
    if (!(m->flags & SCHED_DEAD)) {
        if (!waits && m->busy == 0)
            spool_message_done(m->sched->spool, &m->ref);
        else if (waits || (m->flags & SCHED_WIDE))
            write_outcome(m, rcpts, count);
    }
    sched_message_release(m);
}

static void drop_unless_in_job(struct sched_group *group)
{
    if (group->place != SCHED_JOB)
        sched_group_drop(group);
}

void sched_message_quarantine(struct sched_message *m, const char *why)
{
    LOG(LOG_ERROR, "message_quarantined", LOG_U64("id", m->ref.id), LOG_STR("why", why));
    ASSERT(!(m->flags & SCHED_DEAD));
    spool_message_quarantine(m->sched->spool, &m->ref, why);
    m->flags |= SCHED_DEAD;
    drop_unless_in_job(&m->group);
    if (m->flags & SCHED_WIDE)
        LIST_EACH_SAFE (extra, &m->wide->extras, struct sched_extra, link)
            drop_unless_in_job(&extra->group);
    sched_message_release(m);
}
