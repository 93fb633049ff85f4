/* Which address a session connects to next: each connection begins one host further on. */
#include "core/mem.h"
#include "net/session_pool_private.h"

static bool same_host(const struct mx_target *a, const struct mx_target *b)
{
    return a->at.port == b->at.port && bytes_equal_nocase(bytes_of(a->host), bytes_of(b->host));
}

/* Index of the first address of the WANTEDth host (round and round) among those that are as good
 * as the first: all smart hosts, or the MXs of the best preference. */
static size_t start_of(const struct pool_targets *t, size_t wanted, bool by_mx)
{
    size_t starts[MX_TARGETS_MAX];
    size_t hosts = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (by_mx && t->targets[i].preference != t->targets[0].preference)
            break;
        if (i == 0 || !same_host(&t->targets[i - 1], &t->targets[i]))
            starts[hosts++] = i;
    }
    return hosts > 0 ? starts[wanted % hosts] : 0;
}

void pool_targets_take(struct pool_session *s)
{
    struct pool_destination *d = s->destination;
    ASSERT(!s->targets && d->targets);
    s->targets = d->targets;
    s->targets->refs++;
    s->start = start_of(s->targets, d->rotation++ - s->targets->first, s->route->domain);
}

struct pool_targets *pool_targets_new(const struct mx_result *result, size_t first,
                                      uint64_t until_ms)
{
    struct pool_targets *t = MEM_NEW(struct pool_targets);
    t->refs = 1;
    t->first = first;
    t->until_ms = until_ms;
    t->count = result->target_count < MX_TARGETS_MAX ? result->target_count : MX_TARGETS_MAX;
    memcpy(t->targets, result->targets, t->count * sizeof *t->targets);
    return t;
}

void pool_targets_unref(struct pool_targets **targets)
{
    struct pool_targets *t = *targets;
    *targets = NULL;
    if (t && --t->refs == 0)
        mem_free(t);
}

size_t pool_target_next(const struct pool_session *s, uint64_t now_ms)
{
    const struct pool_targets *t = s->targets;
    size_t avoided = SIZE_MAX;
    for (size_t i = 0; i < t->count; i++) {
        size_t at = (s->start + i) % t->count;
        if ((s->tried & ((uint32_t)1 << at)) != 0)
            continue;
        if (t->avoid_until_ms[at] <= now_ms)
            return at;
        avoided = avoided == SIZE_MAX ? at : avoided;
    }
    return avoided;
}
