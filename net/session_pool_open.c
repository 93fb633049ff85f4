#include "core/mem.h"
#include "net/session_pool_private.h"

/* Where a session connects to: resolutions are shared by the connections of a minute, and each
 * connection begins one host further on. */

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
        if (by_mx && t->targets[i].preference != t->targets[0].preference) {
            break;
        }
        if (i == 0 || !same_host(&t->targets[i - 1], &t->targets[i])) {
            starts[hosts++] = i;
        }
    }
    return hosts > 0 ? starts[wanted % hosts] : 0;
}

size_t pool_target_next(const struct pool_session *s, uint64_t now_ms)
{
    const struct pool_targets *t = s->targets;
    size_t avoided = SIZE_MAX;
    for (size_t i = 0; i < t->count; i++) {
        size_t at = (s->start + i) % t->count;
        if ((s->tried & ((uint32_t)1 << at)) != 0) {
            continue;
        }
        if (t->avoid_until_ms[at] <= now_ms) {
            return at;
        }
        avoided = avoided == SIZE_MAX ? at : avoided;
    }
    return avoided;
}

static void session_start(struct pool_session *s)
{
    struct pool_destination *d = s->destination;
    s->targets = d->targets;
    s->targets->refs++;
    s->start = start_of(s->targets, d->rotation++ - s->targets->first, s->route->domain != NULL);
    pool_session_connect(s);
}

static struct pool_targets *targets_copy(const struct mx_result *result, size_t first,
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

/* The sessions that wait for the answer, one by one: each may end, and the last one that does
 * takes the jobs with it. */
static struct pool_session *session_waiting(struct pool_destination *d)
{
    struct pool_session *s = d->sessions;
    while (s != NULL && s->phase != POOL_RESOLVING) {
        s = s->next;
    }
    return s;
}

static void on_resolved(void *owner, const struct mx_result *result)
{
    struct pool_destination *d = owner;
    uint64_t now = loop_now_ms(d->courier->loop);
    d->resolution = NULL;
    d->resolving = false;
    bool found = mail_status_ok(&result->status) && result->target_count > 0;
    if (found) {
        pool_targets_unref(&d->targets);
        d->targets = targets_copy(result, d->rotation, now + POOL_TARGETS_MS);
    }
    struct pool_session *s;
    while ((s = session_waiting(d)) != NULL) {
        if (found) {
            session_start(s);
        } else {
            struct pool_failure *f = &s->failure;
            f->status = result->status;
            (void)bytes_to_cstr(result->status.text, f->text, sizeof f->text);
            f->status.text = bytes_of(f->text);
            pool_trace_unresolved(s, f->status.text);
            pool_gave_up(s);
        }
    }
}

void pool_resolve(struct pool_session *s)
{
    struct pool_destination *d = s->destination;
    struct courier *c = d->courier;
    const struct route *route = d->route;
    s->phase = POOL_RESOLVING;
    if (d->targets != NULL && d->targets->until_ms > loop_now_ms(c->loop)) {
        session_start(s);
        return;
    }
    if (d->resolving) {
        return;
    }
    struct mx_settings settings = {
        .local_name = c->settings.helo,
        .port = route->port ? route->port : 25,
        .allow_special_targets = c->settings.allow_special_targets,
    };
    d->resolving = true; /* the answer may come before the call returns */
    struct mx_resolution *r =
        route->domain
            ? mx_resolve_domain(c->dns, &settings, route->domain, on_resolved, d)
            : mx_resolve_smart_hosts(c->dns, &settings, route->smart_hosts, route->smart_host_count,
                                     d->rotation % route->smart_host_count, on_resolved, d);
    if (d->resolving) {
        d->resolution = r;
    }
}
