/* Where a group goes next: to the queues of its destinations now, or on after it has waited. */
#include "core/clock.h"
#include "core/log.h"
#include "queue/sched_shapes_private.h"

static void to_dest(struct sched_group *group, struct sched_dest *dest,
                    const struct sched_restore *restore)
{
    if (restore)
        sched_dest_restore(dest, restore->failures, restore->next_at_ms);
    sched_dest_queue(dest, group);
}

/* The same STATUS for all recipients of GROUP. */
static void settle_all(struct sched_group *group, struct arena *arena, struct mail_attempt *attempt,
                       const struct mail_status *status, struct sched_dest *dest)
{
    attempt->rcpts = sched_group_rcpts(group, arena, &attempt->rcpt_count);
    attempt->results = ARENA_NEW_ARRAY(arena, struct mail_status, attempt->rcpt_count);
    for (size_t i = 0; i < attempt->rcpt_count; i++)
        attempt->results[i] = *status;
    sched_group_settle(group, attempt, dest);
}

static void route_narrow(struct sched_group *group, const struct sched_restore *restore)
{
    struct sched_message *m = sched_group_message(group);
    struct mail_status status;
    struct sched_dest *dest = sched_domain_route(m->sched, m->domain, m->octets, &status);
    if (dest) {
        to_dest(group, dest, restore);
        return;
    }
    struct arena arena;
    arena_init(&arena, 0);
    settle_all(group, &arena, &(struct mail_attempt){.host_failed = false}, &status, NULL);
    arena_free(&arena);
}

/* Marks (GROUP) or forgets (NULL) at each destination the group that waits there. */
static void mark_groups(struct sched_message *m, bool mark)
{
    if (m->group.place == SCHED_READY)
        m->group.dest->gather = mark ? &m->group : NULL;
    LIST_EACH (e, &m->wide->extras, struct sched_extra, link)
        if (e->group.place == SCHED_READY)
            e->group.dest->gather = mark ? &e->group : NULL;
}

struct dividing {
    struct sched_group *group; /* what is divided; it has the first destination */
    uint32_t attempts;
    bool used;
};

static struct sched_group *next_group(struct dividing *p)
{
    if (!p->used) {
        p->used = true;
        return p->group;
    }
    struct sched_group *group = sched_group_new(sched_group_message(p->group));
    group->attempts = p->attempts;
    return group;
}

static void route_wide(struct sched_group *group, const struct sched_restore *restore)
{
    struct sched_message *m = sched_group_message(group);
    struct dividing p = {.group = group, .attempts = group->attempts};
    struct arena arena;
    size_t count, stuck = 0;
    arena_init(&arena, 0);
    const uint32_t *rcpts = sched_group_rcpts(group, &arena, &count);
    uint32_t *stuck_rcpts = ARENA_NEW_ARRAY(&arena, uint32_t, count);
    struct mail_status *results = ARENA_NEW_ARRAY(&arena, struct mail_status, count);

    mark_groups(m, true);
    for (size_t i = 0; i < count; i++) {
        struct sched_rcpt *rcpt = &m->wide->rcpts[rcpts[i]];
        struct sched_dest *dest =
            sched_domain_route(m->sched, rcpt->domain, m->octets, &results[stuck]);
        if (!dest) {
            stuck_rcpts[stuck++] = rcpts[i];
            continue;
        }
        if (!dest->gather) {
            dest->gather = next_group(&p);
            to_dest(dest->gather, dest, restore);
        }
        rcpt->group = dest->gather;
    }
    mark_groups(m, false);
    if (stuck > 0) {
        struct sched_group *stays = next_group(&p);
        for (size_t i = 0; i < stuck; i++)
            m->wide->rcpts[stuck_rcpts[i]].group = stays;
        struct mail_attempt attempt = {
            .rcpts = stuck_rcpts, .rcpt_count = stuck, .results = results};
        sched_group_settle(stays, &attempt, NULL);
    } else if (!p.used) {
        sched_group_drop(group);
    }
    arena_free(&arena);
}

void sched_group_route(struct sched_group *group, const struct sched_restore *restore)
{
    if (sched_group_message(group)->flags & SCHED_WIDE)
        route_wide(group, restore);
    else
        route_narrow(group, restore);
}

struct route *sched_group_route_to(struct sched_group *group, struct sched_dest *dest)
{
    struct sched_message *m = sched_group_message(group);
    struct mail_status status;
    struct sched_domain *first = NULL;
    bool moved = false;
    if (!(m->flags & SCHED_WIDE)) {
        first = m->domain;
        moved = sched_domain_route(m->sched, first, m->octets, &status) != dest;
    }
    for (uint32_t i = 0; (m->flags & SCHED_WIDE) && !moved && i < m->rcpt_count; i++) {
        struct sched_rcpt *rcpt = &m->wide->rcpts[i];
        if (rcpt->group != group)
            continue;
        moved = sched_domain_route(m->sched, rcpt->domain, m->octets, &status) != dest;
        first = first ? first : rcpt->domain;
    }
    if (moved) {
        sched_group_take(group);
        sched_group_route(group, NULL);
        return NULL;
    }
    ASSERT(first && first->route);
    return route_ref(first->route);
}

/* --- After it has waited --- */

/* A failed probe is an attempt for all that wait, but only one made after a message's time counts
 * for it: a clock that jumped ahead expires nothing that was not tried again. */
static void group_has_waited(struct sched_group *group)
{
    struct sched_dest *dest = group->dest;
    int64_t due_at = sched_message_word_due_at(sched_group_message(group));
    if (!dest->waiting || dest->failed_at_ms < due_at || clock_wall_ms() < due_at) {
        sched_group_watch(group);
        return;
    }
    struct arena arena;
    arena_init(&arena, 0);
    struct mail_attempt attempt = {.host_failed = true};
    struct mail_status last = mail_status_copy(&arena, &dest->last);
    dest->refs++; /* this group may be the last that holds it */
    settle_all(group, &arena, &attempt, &last, dest);
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
