/* A receiving thread. Other threads reach it by requests in its mailbox. */
#include "mailrace/worker.h"

#include <stdio.h>

#include "core/loop.h"
#include "core/mem.h"
#include "core/thread.h"
#include "net/listen.h"
#include "policy/auth_throttle.h"

#include "mailrace/inbound.h"

struct worker_listener {
    struct cds_list_head link;
    struct endpoint at;
    int fd;
    struct listener *listener;
};

struct worker {
    struct loop *loop;
    struct thread thread;
    char name[16];
    struct cds_list_head listeners;
    struct inbound_services services;
};

/* What other threads ask for. */
struct worker_request {
    struct mailbox_item item;
    struct worker *worker;
    struct endpoint at;
    int fd;
};

static void send_request(struct worker *w, void (*run)(struct mailbox_item *),
                         const struct endpoint *at, int fd)
{
    struct worker_request *r = MEM_NEW(struct worker_request);
    r->item.run = run;
    r->worker = w;
    r->fd = fd;
    if (at)
        r->at = *at;
    mailbox_send(loop_mailbox(w->loop), &r->item);
}

enum err worker_new(unsigned number, struct worker **out, struct err_detail *why)
{
    struct worker *w = MEM_NEW(struct worker);
    list_init(&w->listeners);
    list_init(&w->services.sessions);
    snprintf(w->name, sizeof w->name, "worker %u", number);
    enum err e = loop_new(&w->loop, why);
    if (e != ERR_OK) {
        mem_free(w);
        return e;
    }
    *out = w;
    return ERR_OK;
}

static void on_accept(void *owner, int fd, const struct endpoint *peer,
                      const struct endpoint *local)
{
    struct worker *w = owner;
    inbound_accept(&w->services, fd, peer, local);
}

static void run_listen(struct mailbox_item *item)
{
    struct worker_request *r = CONTAINER_OF(item, struct worker_request, item);
    struct worker_listener *l = MEM_NEW(struct worker_listener);
    l->at = r->at;
    l->listener = listener_start(r->worker->loop, r->fd, on_accept, r->worker);
    list_add(&r->worker->listeners, &l->link);
    mem_free(r);
}

static void close_listeners(struct worker *w, const struct endpoint *only)
{
    LIST_EACH_SAFE (l, &w->listeners, struct worker_listener, link) {
        if (only && !endpoint_equal(only, &l->at))
            continue;
        list_remove(&l->link);
        listener_stop(&l->listener);
        mem_free(l);
    }
}

static void run_unlisten(struct mailbox_item *item)
{
    struct worker_request *r = CONTAINER_OF(item, struct worker_request, item);
    close_listeners(r->worker, &r->at);
    mem_free(r);
}

static void run_drain(struct mailbox_item *item)
{
    struct worker_request *r = CONTAINER_OF(item, struct worker_request, item);
    struct worker *w = r->worker;
    mem_free(r);
    close_listeners(w, NULL);
    inbound_shutdown_all(&w->services);
}

void worker_listen(struct worker *w, const struct endpoint *at, int fd)
{
    send_request(w, run_listen, at, fd);
}

void worker_unlisten(struct worker *w, const struct endpoint *at)
{
    send_request(w, run_unlisten, at, -1);
}

void worker_drain(struct worker *w)
{
    send_request(w, run_drain, NULL, -1);
}

static void worker_run(void *arg)
{
    struct worker *w = arg;
    loop_run(w->loop);
    close_listeners(w, NULL);
    inbound_abort_all(&w->services);
    /* Deferred closings still have to run. */
    while (loop_turn(w->loop, 0))
        continue;
}

enum err worker_start(struct worker *w, const struct inbound_services *services,
                      struct err_detail *why)
{
    ASSERT(!w->thread.started);
    w->services = *services;
    w->services.loop = w->loop;
    w->services.throttle = auth_throttle_new();
    list_init(&w->services.sessions);
    return thread_start(&w->thread, w->name, worker_run, w, why);
}

void worker_stop(struct worker *w)
{
    loop_stop(w->loop);
    thread_join(&w->thread);
}

void worker_free(struct worker **worker)
{
    struct worker *w = *worker;
    if (!w)
        return;
    loop_free(&w->loop);
    ASSERT(list_empty(&w->services.sessions)); /* a commit that was under way has been answered */
    auth_throttle_free(&w->services.throttle);
    mem_free(w);
    *worker = NULL;
}
