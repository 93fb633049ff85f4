#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "queue/sched_private.h"

#define POOL_MAX  4096
#define TEXT_KEPT 512 /* as the spool cuts it */

/* A look at a message that waits behind others comes back after this long. */
#define LOOK_AGAIN_MS (60 * 1000)

struct sched_message *sched_message_new(struct sched *sched, const struct spool_ref *ref)
{
    struct sched_message *m = sched->messages_pool;
    if (m) {
        sched->messages_pool = (struct sched_message *)m->group.next;
        sched->messages_pooled--;
        memset(m, 0, sizeof *m);
    } else {
        m = MEM_NEW(struct sched_message);
    }
    m->sched = sched;
    m->ref = *ref;
    (void)sched_index_add(&sched->messages_by_id, ref->id, m);
    m->group.timer.on_due = sched_group_due;
    sched_count(&sched->counters.messages, 1);
    return m;
}

struct sched_wide *sched_wide_new(uint32_t rcpt_count)
{
    struct sched_wide *wide;
    return mem_zalloc(sizeof *wide + rcpt_count * sizeof wide->rcpts[0]);
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
    m->group.next = (struct sched_group *)sched->messages_pool;
    sched->messages_pool = m;
    sched->messages_pooled++;
}

void sched_message_release(struct sched_message *m)
{
    bool wide = m->flags & SCHED_WIDE;
    if (m->group.place == SCHED_NOWHERE && m->busy == 0 && !(wide && m->wide->extras))
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
        return !(m->flags & SCHED_SETTLED);
    for (uint32_t i = 0; i < m->rcpt_count; i++)
        if (m->wide->rcpts[i].state == SPOOL_RCPT_PENDING)
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
    extra->group.timer.on_due = sched_group_due;
    extra->next = m->wide->extras;
    m->wide->extras = extra;
    return &extra->group;
}

void sched_group_take(struct sched_group *group)
{
    struct sched_dest *dest = group->dest;
    timer_cancel(&group->timer);
    if (group->place == SCHED_DEFERRED)
        sched_groups_remove(&sched_group_message(group)->sched->deferred, group);
    if (group->place == SCHED_READY) {
        sched_groups_remove(&dest->queue, group);
        sched_dest_update(dest);
        sched_dest_put(dest);
    }
    group->place = SCHED_NOWHERE;
    group->no_route = false;
    group->dest = NULL;
}

void sched_group_drop(struct sched_group *group)
{
    ASSERT(group->place != SCHED_JOB);
    sched_group_take(group);
    if (!group->extra)
        return;
    struct sched_extra *extra = CONTAINER_OF(group, struct sched_extra, group);
    struct sched_extra **link = &extra->message->wide->extras;
    while (*link != extra)
        link = &(*link)->next;
    *link = extra->next;
    mem_free(extra);
}

void sched_group_defer(struct sched_group *group, uint64_t delay_ms)
{
    struct sched *sched = sched_group_message(group)->sched;
    ASSERT(group->place == SCHED_NOWHERE);
    group->place = SCHED_DEFERRED;
    sched_groups_add(&sched->deferred, group);
    timer_set(loop_timers(sched->loop), &group->timer, clock_mono_ms() + delay_ms);
}

const uint32_t *sched_group_rcpts(struct sched_group *group, struct arena *arena, size_t *count)
{
    static const uint32_t first = 0;
    struct sched_message *m = sched_group_message(group);
    *count = 1;
    if (!(m->flags & SCHED_WIDE) && m->rcpt_count == 1)
        return &first;
    uint32_t *rcpts = ARENA_NEW_ARRAY(arena, uint32_t, m->rcpt_count);
    *count = 0;
    for (uint32_t i = 0; i < m->rcpt_count; i++)
        if (!(m->flags & SCHED_WIDE) || m->wide->rcpts[i].group == group)
            rcpts[(*count)++] = i;
    return rcpts;
}

/* --- Waiting too long behind a destination that cannot be reached --- */

/* When the sender is due to hear of it: first that it is late, in the end that it has expired. */
static int64_t word_due_at(const struct sched_message *m)
{
    const struct retry_settings *retry = &m->sched->settings.retry;
    bool told = m->flags & (SCHED_NO_REPORT | SCHED_DELAY_TOLD | SCHED_DELAY_TELLING);
    uint64_t after = retry->message_expiration_timeout_ms;
    if (!told && retry->delay_notification_timeout_ms < after)
        after = retry->delay_notification_timeout_ms;
    int64_t at;
    return __builtin_add_overflow(m->received_at_ms, after, &at) ? INT64_MAX : at;
}

static void look_after(struct sched_group *group, uint64_t delay_ms)
{
    timer_set(loop_timers(sched_group_message(group)->sched->loop), &group->timer,
              clock_mono_ms() + delay_ms);
}

void sched_group_watch(struct sched_group *group)
{
    int64_t wait;
    if (__builtin_sub_overflow(word_due_at(sched_group_message(group)), clock_wall_ms(), &wait) ||
        wait < LOOK_AGAIN_MS)
        wait = LOOK_AGAIN_MS;
    look_after(group, (uint64_t)wait);
}

/* A failed probe is an attempt for all who wait, but only one made after a message's time counts
 * for it: a clock that jumped ahead expires nothing that was not tried again. */
static void group_has_waited(struct sched_group *group)
{
    struct sched_message *m = sched_group_message(group);
    struct sched_dest *dest = group->dest;
    int64_t due_at = word_due_at(m);
    if (!dest->waiting || dest->failed_at_ms < due_at || clock_wall_ms() < due_at) {
        sched_group_watch(group);
        return;
    }
    struct arena arena;
    arena_init(&arena, 0);
    struct sched_attempt attempt = {
        .host = "", .dest = dest, .host_failed = true, .only_waited = true};
    attempt.rcpts = sched_group_rcpts(group, &arena, &attempt.count);
    struct mail_status *results = ARENA_NEW_ARRAY(&arena, struct mail_status, attempt.count);
    for (size_t i = 0; i < attempt.count; i++)
        results[i] = mail_status_copy(&arena, &dest->last);
    attempt.results = results;
    dest->refs++; /* this group may be the last that holds it */
    sched_group_settle(group, &attempt);
    sched_dest_put(dest);
    arena_free(&arena);
}

void sched_group_due(struct timer *timer)
{
    struct sched_group *group = CONTAINER_OF(timer, struct sched_group, timer);
    if (group->place == SCHED_READY) {
        group_has_waited(group);
        return;
    }
    sched_group_take(group);
    sched_group_route(group, NULL);
}

/* --- What the spool is told --- */

int64_t sched_group_next_at(const struct sched_group *group, int64_t now, uint64_t mono)
{
    if (group->place == SCHED_READY)
        return group->dest->waiting ? group->dest->next_attempt_at_ms : now;
    if (group->place == SCHED_DEFERRED && group->timer.due_ms > mono)
        return now + (int64_t)(group->timer.due_ms - mono);
    return now;
}

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

static struct spool_rcpt_outcome *wide_outcomes(const struct sched_message *m, struct arena *arena,
                                                size_t *count)
{
    struct spool_rcpt_outcome *out =
        ARENA_NEW_ARRAY(arena, struct spool_rcpt_outcome, m->rcpt_count);
    *count = 0;
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        const struct sched_rcpt *rcpt = &m->wide->rcpts[i];
        if (rcpt->status.code == 0)
            continue;
        /* Until its report is durable a failure must happen again after a restart. */
        bool again = rcpt->unreported && rcpt->state == SPOOL_RCPT_FAILED;
        out[(*count)++] =
            (struct spool_rcpt_outcome){i, again ? SPOOL_RCPT_PENDING : rcpt->state, rcpt->status};
    }
    return out;
}

static void write_outcome(struct sched_message *m, const struct spool_rcpt_outcome *rcpts,
                          size_t count)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct spool_outcome outcome = {.delay_notified = m->flags & SCHED_DELAY_TOLD};
    add_group(&outcome, &m->group);
    if (m->flags & SCHED_WIDE) {
        rcpts = wide_outcomes(m, &arena, &count);
        for (const struct sched_extra *e = m->wide->extras; e; e = e->next)
            add_group(&outcome, &e->group);
    }
    outcome.rcpts = rcpts;
    outcome.rcpt_count = count;
    spool_outcome_write(m->sched->spool, &m->ref, &outcome);
    arena_free(&arena);
}

void sched_message_record(struct sched_message *m, const struct spool_rcpt_outcome *rcpts,
                          size_t count)
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

void sched_message_quarantine(struct sched_message *m, const char *why)
{
    LOG(LOG_ERROR, "message_quarantined", LOG_U64("id", m->ref.id), LOG_STR("why", why));
    spool_message_quarantine(m->sched->spool, &m->ref, why);
    m->flags |= SCHED_DEAD;
    if (m->group.place != SCHED_JOB)
        sched_group_drop(&m->group);
    struct sched_extra *next = (m->flags & SCHED_WIDE) ? m->wide->extras : NULL;
    while (next) {
        struct sched_extra *extra = next;
        next = extra->next;
        if (extra->group.place != SCHED_JOB)
            sched_group_drop(&extra->group);
    }
    sched_message_release(m);
}
