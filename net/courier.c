/* The courier: its life, and the end of each loop's turn. */
#include "net/courier.h"

#include "core/mem.h"
#include "net/session_pool_private.h"

static void on_turn_end(struct loop_task *task)
{
    struct courier *c = CONTAINER_OF(task, struct courier, task);
    struct cds_list_head work, changed;
    struct pool_session *s;
    struct pool_destination *d;
    list_take_all(&c->work, &work);
    while ((s = LIST_FIRST(&work, struct pool_session, work))) {
        list_remove(&s->work);
        pool_session_work(s);
    }
    list_take_all(&c->changed, &changed);
    while ((d = LIST_FIRST(&changed, struct pool_destination, changed))) {
        list_remove(&d->changed);
        pool_pump(d);
    }
}

enum err courier_new(struct loop *loop, const struct courier_settings *settings,
                     struct courier **out, struct err_detail *why)
{
    struct dns *dns;
    enum err e = dns_new(loop, settings->dns, &dns, why);
    if (e != ERR_OK)
        return e;
    struct courier *c = MEM_NEW(struct courier);
    c->loop = loop;
    c->dns = dns;
    arena_init(&c->arena, 0);
    c->settings = *settings;
    c->settings.dns = NULL;
    c->settings.helo = arena_strdup(&c->arena, settings->helo);
    c->settings.tls = settings->tls ? tls_context_ref(settings->tls) : NULL;
    if (c->settings.connect_timeout_ms == 0)
        c->settings.connect_timeout_ms = POOL_CONNECT_MS;
    if (c->settings.idle_timeout_ms == 0)
        c->settings.idle_timeout_ms = POOL_IDLE_MS;
    table_init(&c->destinations);
    list_init(&c->changed);
    list_init(&c->work);
    c->task.run = on_turn_end;
    c->gave_up = pool_gave_up;
    buf_init(&c->out, POOL_OUTPUT_BYTES);
    *out = c;
    return ERR_OK;
}

static void stop_destination(void *owner, struct table_node *node)
{
    (void)owner;
    pool_destination_stop(CONTAINER_OF(node, struct pool_destination, node));
}

void courier_free(struct courier **cp)
{
    struct courier *c = *cp;
    if (!c)
        return;
    c->stopping = true;
    table_visit(&c->destinations, stop_destination, NULL);
    ASSERT(c->destinations.count == 0 && c->session_count == 0);
    loop_task_cancel(c->loop, &c->task);
    dns_free(&c->dns);
    if (c->settings.tls)
        tls_context_unref(&c->settings.tls);
    buf_free(&c->out);
    table_free(&c->destinations);
    arena_free(&c->arena);
    mem_free(c);
    *cp = NULL;
}

void courier_deliver(struct courier *c, struct courier_job *job)
{
    ASSERT(!c->stopping);
    ASSERT(job->route->domain || job->route->smart_host_count > 0);
    courier_job_start(job);
    pool_add_job(pool_destination_of(c, job->route), job);
}

void courier_tls_set(struct courier *c, struct tls_context *tls)
{
    tls_context_unref(&c->settings.tls);
    c->settings.tls = tls_context_ref(tls);
}

size_t courier_connections(const struct courier *c)
{
    return c->session_count;
}
