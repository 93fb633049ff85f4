/* One group of recipients: its indexes, and the times it waits for. */
#include "core/clock.h"
#include "queue/sched_shapes_private.h"

/* A look at a message that waits behind others comes back after this long. */
#define LOOK_AGAIN_MS (60 * 1000)

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

int64_t sched_message_word_due_at(const struct sched_message *m)
{
    const struct retry_settings *retry = &m->sched->settings.retry;
    bool told = m->flags & (SCHED_NO_REPORT | SCHED_DELAY_TOLD | SCHED_DELAY_TELLING);
    uint64_t after = retry->message_expiration_timeout_ms;
    if (!told && retry->delay_notification_timeout_ms < after)
        after = retry->delay_notification_timeout_ms;
    int64_t at;
    return __builtin_add_overflow(m->received_at_ms, after, &at) ? INT64_MAX : at;
}

void sched_group_watch(struct sched_group *group)
{
    struct sched_message *m = sched_group_message(group);
    int64_t wait;
    ASSERT(group->place == SCHED_READY);
    if (__builtin_sub_overflow(sched_message_word_due_at(m), clock_wall_ms(), &wait) ||
        wait < LOOK_AGAIN_MS)
        wait = LOOK_AGAIN_MS;
    timer_set(loop_timers(m->sched->loop), &group->timer, clock_mono_ms() + (uint64_t)wait);
}

int64_t sched_group_next_at(const struct sched_group *group, int64_t now, uint64_t mono)
{
    if (group->place == SCHED_READY)
        return group->dest->waiting ? group->dest->next_attempt_at_ms : now;
    if (group->place == SCHED_DEFERRED && group->timer.due_ms > mono)
        return now + (int64_t)(group->timer.due_ms - mono);
    return now;
}
