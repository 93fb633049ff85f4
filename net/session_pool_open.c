/* Where a session connects to: resolutions are shared by the connections of a minute. */
#include "net/session_pool_private.h"

static void session_start(struct pool_session *s)
{
    pool_targets_take(s);
    pool_session_connect(s);
}

/* The sessions that wait for the answer, one by one: each may end, and the last one that does
 * takes the jobs with it. */
static struct pool_session *session_waiting(struct pool_destination *d)
{
    LIST_EACH (s, &d->sessions, struct pool_session, link)
        if (s->phase == POOL_RESOLVING)
            return s;
    return NULL;
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
        d->targets = pool_targets_new(result, d->rotation, now + POOL_TARGETS_MS);
    }
    struct pool_session *s;
    while ((s = session_waiting(d))) {
        if (found) {
            session_start(s);
        } else {
            struct pool_failure *f = &s->failure;
            f->status = result->status;
            (void)bytes_to_cstr(result->status.text, f->text, sizeof f->text);
            f->status.text = bytes_of(f->text);
            pool_trace_unresolved(s, f->status.text);
            d->courier->gave_up(s);
        }
    }
}

void pool_resolve(struct pool_session *s)
{
    struct pool_destination *d = s->destination;
    struct courier *c = d->courier;
    const struct route *route = d->route;
    s->phase = POOL_RESOLVING;
    if (d->targets && d->targets->until_ms > loop_now_ms(c->loop)) {
        session_start(s);
        return;
    }
    if (d->resolving)
        return;
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
    if (d->resolving)
        d->resolution = r;
}
