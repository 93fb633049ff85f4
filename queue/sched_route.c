#include "core/log.h"
#include "queue/sched_private.h"

static void group_unroutable(struct sched_group *group, const uint32_t *rcpts,
                             const struct mail_status *results, size_t count)
{
    struct sched_attempt attempt = {.rcpts = rcpts, .results = results, .count = count, .host = ""};
    sched_group_settle(group, &attempt);
}

static void to_dest(struct sched_group *group, struct sched_dest *dest,
                    const struct sched_restore *restore)
{
    if (restore)
        sched_dest_restore(dest, restore->failures, restore->next_at_ms);
    sched_dest_queue(dest, group);
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
    size_t count;
    const uint32_t *rcpts = sched_group_rcpts(group, &arena, &count);
    struct mail_status *results = ARENA_NEW_ARRAY(&arena, struct mail_status, count);
    for (size_t i = 0; i < count; i++)
        results[i] = status;
    group_unroutable(group, rcpts, results, count);
    arena_free(&arena);
}

/* Marks (GROUP) or forgets (NULL) at each destination the group that waits there. */
static void mark_groups(struct sched_message *m, bool mark)
{
    if (m->group.place == SCHED_READY)
        m->group.dest->gather = mark ? &m->group : NULL;
    for (struct sched_extra *e = m->wide->extras; e; e = e->next)
        if (e->group.place == SCHED_READY)
            e->group.dest->gather = mark ? &e->group : NULL;
}

struct parting {
    struct sched_group *group; /* what is parted; it goes with the first group */
    uint32_t attempts;
    bool used;
};

static struct sched_group *next_group(struct parting *p)
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
    struct parting p = {.group = group, .attempts = group->attempts};
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
        group_unroutable(stays, stuck_rcpts, results, stuck);
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

struct sched_way *sched_group_way(struct sched_group *group, struct sched_dest *dest)
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
    ASSERT(first && first->way);
    first->way->refs++;
    return first->way;
}
