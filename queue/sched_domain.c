#include "core/clock.h"
#include "core/mem.h"
#include "queue/sched_private.h"

/* A domain nobody writes to is kept for a while: the next message finds its route ready. */
#define IDLE_MS  (3 * 60 * 1000)
#define IDLE_MAX 4096

static struct sched_domain *find(struct sched *sched, struct bytes name, uint64_t hash)
{
    struct sched_node *node = sched->domains.buckets[hash & sched->domains.mask];
    for (; node; node = node->next) {
        struct sched_domain *domain = CONTAINER_OF(node, struct sched_domain, node);
        if (node->hash == hash && bytes_equal(name, bytes_make(domain->name, domain->len)))
            return domain;
    }
    return NULL;
}

static void idle_remove(struct sched *sched, struct sched_domain *domain)
{
    *(domain->idle_prev ? &domain->idle_prev->idle_next : &sched->idle_head) = domain->idle_next;
    *(domain->idle_next ? &domain->idle_next->idle_prev : &sched->idle_tail) = domain->idle_prev;
    domain->idle_next = domain->idle_prev = NULL;
    sched->idle_count--;
}

static void forget_route(struct sched *sched, struct sched_domain *domain)
{
    if (!domain->way)
        return;
    sched_way_put(sched, domain->way);
    sched_dest_put(domain->dest);
    domain->way = NULL;
    domain->dest = NULL;
}

static void domain_free(struct sched *sched, struct sched_domain *domain)
{
    idle_remove(sched, domain);
    sched_table_remove(&sched->domains, &domain->node);
    forget_route(sched, domain);
    mem_free(domain);
}

static void sweep(struct timer *timer)
{
    struct sched *sched = CONTAINER_OF(timer, struct sched, idle_timer);
    uint64_t now = clock_mono_ms();
    while (sched->idle_head && now - sched->idle_head->idle_since_ms >= IDLE_MS)
        domain_free(sched, sched->idle_head);
    if (sched->idle_head)
        timer_set(loop_timers(sched->loop), timer, sched->idle_head->idle_since_ms + IDLE_MS);
}

struct sched_domain *sched_domain_get(struct sched *sched, struct bytes name)
{
    uint64_t hash = sched_table_hash(&sched->domains, name);
    struct sched_domain *domain = find(sched, name, hash);
    if (domain) {
        if (domain->refs++ == 0)
            idle_remove(sched, domain);
        return domain;
    }
    domain = mem_zalloc(sizeof *domain + name.len + 1);
    domain->node.hash = hash;
    domain->refs = 1;
    domain->len = (uint32_t)name.len;
    memcpy(domain->name, name.ptr, name.len);
    sched_table_add(&sched->domains, &domain->node);
    return domain;
}

void sched_domain_put(struct sched *sched, struct sched_domain *domain)
{
    ASSERT(domain->refs > 0);
    if (--domain->refs > 0)
        return;
    domain->idle_since_ms = loop_now_ms(sched->loop);
    domain->idle_prev = sched->idle_tail;
    *(sched->idle_tail ? &sched->idle_tail->idle_next : &sched->idle_head) = domain;
    sched->idle_tail = domain;
    if (++sched->idle_count > IDLE_MAX)
        domain_free(sched, sched->idle_head);
    sched->idle_timer.on_due = sweep;
    if (!timer_armed(&sched->idle_timer))
        timer_set(loop_timers(sched->loop), &sched->idle_timer, domain->idle_since_ms + IDLE_MS);
}

void sched_way_put(struct sched *sched, struct sched_way *way)
{
    ASSERT(way->refs > 0);
    if (--way->refs > 0)
        return;
    sched->ops.route_release(sched->owner, &way->route);
    mem_free(way);
}

/* Connectors are left out for messages above their size, so that the choice for a larger message
 * is among fewer. What is chosen for two sizes is therefore chosen for all between them. */
static void widen_route(struct sched_domain *domain, uint64_t octets)
{
    if (octets < domain->octets_min)
        domain->octets_min = octets;
    if (octets > domain->octets_max)
        domain->octets_max = octets;
}

struct sched_dest *sched_domain_route(struct sched *sched, struct sched_domain *domain,
                                      uint64_t octets, struct mail_status *status)
{
    struct sched_route route = {0};
    bool current = domain->way && domain->generation == sched->generation;
    if (current && octets >= domain->octets_min && octets <= domain->octets_max)
        return domain->dest;
    *status = MAIL_STATUS(451, 4, 4, 4, "No route");
    if (!sched->ops.route(sched->owner, bytes_make(domain->name, domain->len), octets, &route,
                          status)) {
        ASSERT(!mail_status_ok(status));
        return NULL;
    }
    if (current && bytes_equal(bytes_of(route.key), bytes_of(domain->dest->key))) {
        sched->ops.route_release(sched->owner, &route);
        widen_route(domain, octets);
        return domain->dest;
    }
    struct sched_dest *dest = sched_dest_get(sched, route.key);
    forget_route(sched, domain);
    domain->dest = dest;
    domain->way = MEM_NEW(struct sched_way);
    *domain->way = (struct sched_way){.route = route, .refs = 1};
    domain->generation = sched->generation;
    domain->octets_min = domain->octets_max = octets;
    return dest;
}

void sched_domains_free(struct sched *sched)
{
    while (sched->idle_head)
        domain_free(sched, sched->idle_head);
    timer_cancel(&sched->idle_timer);
    ASSERT(sched->domains.count == 0);
}
