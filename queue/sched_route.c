#include "core/log.h"
#include "queue/sched_private.h"

static void leg_unroutable(struct sched_leg *leg, const uint32_t *rcpts,
                           const struct mail_status *results, size_t count)
{
    struct sched_attempt attempt = {.rcpts = rcpts, .results = results, .count = count, .host = ""};
    sched_leg_settle(leg, &attempt);
}

static void to_dest(struct sched_leg *leg, struct sched_dest *dest,
                    const struct sched_restore *restore)
{
    if (restore)
        sched_dest_restore(dest, restore->failures, restore->next_at_ms);
    sched_dest_queue(dest, leg);
}

static void route_narrow(struct sched_leg *leg, const struct sched_restore *restore)
{
    struct sched_message *m = sched_leg_message(leg);
    struct mail_status status;
    struct sched_dest *dest = sched_domain_route(m->sched, m->domain, m->octets, &status);
    if (dest) {
        to_dest(leg, dest, restore);
        return;
    }
    struct arena arena;
    arena_init(&arena, 0);
    size_t count;
    const uint32_t *rcpts = sched_leg_rcpts(leg, &arena, &count);
    struct mail_status *results = ARENA_NEW_ARRAY(&arena, struct mail_status, count);
    for (size_t i = 0; i < count; i++)
        results[i] = status;
    leg_unroutable(leg, rcpts, results, count);
    arena_free(&arena);
}

/* Marks (LEG) or forgets (NULL) at each destination the leg that waits there. */
static void mark_legs(struct sched_message *m, bool mark)
{
    if (m->leg.place == SCHED_READY)
        m->leg.dest->gather = mark ? &m->leg : NULL;
    for (struct sched_extra *e = m->wide->extras; e; e = e->next)
        if (e->leg.place == SCHED_READY)
            e->leg.dest->gather = mark ? &e->leg : NULL;
}

struct parting {
    struct sched_leg *leg; /* what is parted; it goes with the first group */
    uint32_t attempts;
    bool used;
};

static struct sched_leg *next_leg(struct parting *p)
{
    if (!p->used) {
        p->used = true;
        return p->leg;
    }
    struct sched_leg *leg = sched_leg_new(sched_leg_message(p->leg));
    leg->attempts = p->attempts;
    return leg;
}

static void route_wide(struct sched_leg *leg, const struct sched_restore *restore)
{
    struct sched_message *m = sched_leg_message(leg);
    struct parting p = {.leg = leg, .attempts = leg->attempts};
    struct arena arena;
    size_t count, stuck = 0;
    arena_init(&arena, 0);
    const uint32_t *rcpts = sched_leg_rcpts(leg, &arena, &count);
    uint32_t *stuck_rcpts = ARENA_NEW_ARRAY(&arena, uint32_t, count);
    struct mail_status *results = ARENA_NEW_ARRAY(&arena, struct mail_status, count);

    mark_legs(m, true);
    for (size_t i = 0; i < count; i++) {
        struct sched_rcpt *rcpt = &m->wide->rcpts[rcpts[i]];
        struct sched_dest *dest =
            sched_domain_route(m->sched, rcpt->domain, m->octets, &results[stuck]);
        if (!dest) {
            stuck_rcpts[stuck++] = rcpts[i];
            continue;
        }
        if (!dest->gather) {
            dest->gather = next_leg(&p);
            to_dest(dest->gather, dest, restore);
        }
        rcpt->leg = dest->gather;
    }
    mark_legs(m, false);
    if (stuck > 0) {
        struct sched_leg *stays = next_leg(&p);
        for (size_t i = 0; i < stuck; i++)
            m->wide->rcpts[stuck_rcpts[i]].leg = stays;
        leg_unroutable(stays, stuck_rcpts, results, stuck);
    } else if (!p.used) {
        sched_leg_drop(leg);
    }
    arena_free(&arena);
}

void sched_leg_route(struct sched_leg *leg, const struct sched_restore *restore)
{
    if (sched_leg_message(leg)->flags & SCHED_WIDE)
        route_wide(leg, restore);
    else
        route_narrow(leg, restore);
}

struct sched_way *sched_leg_way(struct sched_leg *leg, struct sched_dest *dest)
{
    struct sched_message *m = sched_leg_message(leg);
    struct mail_status status;
    struct sched_domain *first = NULL;
    bool moved = false;
    if (!(m->flags & SCHED_WIDE)) {
        first = m->domain;
        moved = sched_domain_route(m->sched, first, m->octets, &status) != dest;
    }
    for (uint32_t i = 0; (m->flags & SCHED_WIDE) && !moved && i < m->rcpt_count; i++) {
        struct sched_rcpt *rcpt = &m->wide->rcpts[i];
        if (rcpt->leg != leg)
            continue;
        moved = sched_domain_route(m->sched, rcpt->domain, m->octets, &status) != dest;
        first = first ? first : rcpt->domain;
    }
    if (moved) {
        sched_leg_take(leg);
        sched_leg_route(leg, NULL);
        return NULL;
    }
    ASSERT(first && first->way);
    first->way->refs++;
    return first->way;
}
