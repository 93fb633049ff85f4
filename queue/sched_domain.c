/* Recipient domains, and the route that each had last. */
#include "core/clock.h"
#include "core/mem.h"
#include "queue/sched_shapes_private.h"

/* A domain without mail is kept for a while: the next message finds its route ready. */
#define IDLE_MS  (3 * 60 * 1000)
#define IDLE_MAX 4096

static struct sched_domain *find(const struct sched *sched, struct bytes name, uint64_t hash)
{
    TABLE_EACH (node, &sched->domains, hash) {
        struct sched_domain *domain = CONTAINER_OF(node, struct sched_domain, node);
        if (bytes_equal(name, bytes_make(domain->name, domain->len)))
            return domain;
    }
    return NULL;
}

static struct sched_domain *longest_idle(const struct sched *sched)
{
    return LIST_FIRST(&sched->idle, struct sched_domain, idle);
}

static void idle_remove(struct sched *sched, struct sched_domain *domain)
{
    ASSERT(sched->idle_count > 0);
    list_remove(&domain->idle);
    sched->idle_count--;
}

static void forget_route(struct sched_domain *domain)
{
    if (!domain->route)
        return;
    route_unref(&domain->route);
    sched_dest_put(domain->dest);
    domain->dest = NULL;
}

static void domain_free(struct sched *sched, struct sched_domain *domain)
{
    idle_remove(sched, domain);
    table_remove(&sched->domains, &domain->node);
    forget_route(domain);
    mem_free(domain);
}

static void sweep(struct timer *timer)
{
    struct sched *sched = CONTAINER_OF(timer, struct sched, idle_timer);
    uint64_t now = clock_mono_ms();
    struct sched_domain *domain;
    while ((domain = longest_idle(sched)) && now - domain->idle_since_ms >= IDLE_MS)
        domain_free(sched, domain);
    if (domain)
        timer_set(loop_timers(sched->loop), timer, domain->idle_since_ms + IDLE_MS);
}

struct sched_domain *sched_domain_get(struct sched *sched, struct bytes name)
{
    uint64_t hash = table_hash(&sched->domains, name);
    struct sched_domain *domain = find(sched, name, hash);
    if (domain) {
        if (domain->refs++ == 0)
            idle_remove(sched, domain);
        return domain;
    }
    domain = mem_zalloc(sizeof *domain + name.len + 1);
    list_init(&domain->idle);
    domain->refs = 1;
    domain->len = (uint32_t)name.len;
    memcpy(domain->name, name.ptr, name.len);
    table_add(&sched->domains, &domain->node, hash);
    return domain;
}

void sched_domain_put(struct sched *sched, struct sched_domain *domain)
{
    ASSERT(domain->refs > 0);
    if (--domain->refs > 0)
        return;
    domain->idle_since_ms = loop_now_ms(sched->loop);
    list_add(&sched->idle, &domain->idle);
    if (++sched->idle_count > IDLE_MAX)
        domain_free(sched, longest_idle(sched));
    sched->idle_timer.on_due = sweep;
    if (!timer_armed(&sched->idle_timer))
        timer_set(loop_timers(sched->loop), &sched->idle_timer, domain->idle_since_ms + IDLE_MS);
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
    bool current = domain->route && domain->generation == sched->generation;
    if (current && octets >= domain->octets_min && octets <= domain->octets_max)
        return domain->dest;
    *status = MAIL_STATUS(451, 4, 4, 4, "No route");
    struct route *route =
        sched->ops.route(sched->owner, bytes_make(domain->name, domain->len), octets, status);
    if (!route) {
        ASSERT(!mail_status_ok(status));
        return NULL;
    }
    if (current && bytes_equal(bytes_of(route->key), bytes_of(domain->dest->key))) {
        route_unref(&route);
        widen_route(domain, octets);
        return domain->dest;
    }
    struct sched_dest *dest = sched_dest_get(sched, route->key);
    forget_route(domain);
    domain->dest = dest;
    domain->route = route;
    domain->generation = sched->generation;
    domain->octets_min = domain->octets_max = octets;
    return dest;
}

void sched_domains_free(struct sched *sched)
{
    struct sched_domain *domain;
    while ((domain = longest_idle(sched)))
        domain_free(sched, domain);
    timer_cancel(&sched->idle_timer);
    ASSERT(sched->domains.count == 0);
}
