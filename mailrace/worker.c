#include "mailrace/worker.h"

#include <stdio.h>

#include "core/loop.h"
#include "core/mem.h"
#include "core/thread.h"
#include "net/listen.h"
#include "policy/auth_throttle.h"

#include "mailrace/inbound.h"
#include "mailrace/relay.h"

struct worker_listener {
    struct worker_listener *next;
    struct worker *worker;
    struct endpoint at;
    int fd;
    struct listener *listener;
};

struct worker {
    struct relay *relay;
    struct loop *loop;
    struct thread thread;
    char name[16];
    struct worker_listener *listeners;
    struct inbound *sessions;
    struct auth_throttle *throttle;
    double connections_left; /* of this minute's share */
    uint64_t refilled_ms;
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

enum err worker_new(struct relay *relay, unsigned number, struct worker **out,
                    struct err_detail *why)
{
    struct worker *w = MEM_NEW(struct worker);
    w->relay = relay;
    snprintf(w->name, sizeof w->name, "worker %u", number);
    enum err e = loop_new(&w->loop, why);
    if (e != ERR_OK) {
        mem_free(w);
        return e;
    }
    w->throttle = auth_throttle_new();
    *out = w;
    return ERR_OK;
}

static void on_accept(void *owner, int fd, const struct endpoint *peer,
                      const struct endpoint *local)
{
    inbound_accept(owner, fd, peer, local);
}

static void run_listen(struct mailbox_item *item)
{
    struct worker_request *r = CONTAINER_OF(item, struct worker_request, item);
    struct worker_listener *l = MEM_NEW(struct worker_listener);
    l->worker = r->worker;
    l->at = r->at;
    l->listener = listener_start(r->worker->loop, r->fd, on_accept, r->worker);
    l->next = r->worker->listeners;
    r->worker->listeners = l;
    mem_free(r);
}

static void close_listeners(struct worker *w, const struct endpoint *only)
{
    struct worker_listener **link = &w->listeners;
    while (*link) {
        struct worker_listener *l = *link;
        if (only && !endpoint_equal(only, &l->at)) {
            link = &l->next;
            continue;
        }
        *link = l->next;
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
    for (struct inbound *in = w->sessions, *next; in; in = next) {
        next = inbound_next(in);
        inbound_shutdown(in);
    }
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

static void abort_sessions(struct worker *w)
{
    for (struct inbound *in = w->sessions, *next; in; in = next) {
        next = inbound_next(in);
        inbound_abort(in);
    }
}

static void worker_run(void *arg)
{
    struct worker *w = arg;
    loop_run(w->loop);
    close_listeners(w, NULL);
    abort_sessions(w);
    /* Deferred closings still have to run. */
    while (loop_turn(w->loop, 0))
        continue;
}

enum err worker_start(struct worker *w, struct err_detail *why)
{
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
    auth_throttle_free(&w->throttle);
    mem_free(w);
    *worker = NULL;
}

struct loop *worker_loop(struct worker *w)
{
    return w->loop;
}

struct relay *worker_relay(struct worker *w)
{
    return w->relay;
}

struct auth_throttle *worker_auth_throttle(struct worker *w)
{
    return w->throttle;
}

bool worker_connection_allowed(struct worker *w, uint64_t rate_per_minute)
{
    if (rate_per_minute == UINT64_MAX)
        return true;
    uint64_t now_ms = loop_now_ms(w->loop);
    double share = (double)rate_per_minute / w->relay->worker_count;
    w->connections_left += share * (double)(now_ms - w->refilled_ms) / 60000.0;
    w->refilled_ms = now_ms;
    if (w->connections_left > share)
        w->connections_left = share;
    if (w->connections_left < 1)
        return false;
    w->connections_left--;
    return true;
}

void worker_session_added(struct worker *w, struct inbound *session)
{
    struct inbound_link *link = inbound_link(session);
    link->next = w->sessions;
    link->link = &w->sessions;
    if (w->sessions)
        inbound_link(w->sessions)->link = &link->next;
    w->sessions = session;
}

void worker_session_removed(struct worker *w, struct inbound *session)
{
    struct inbound_link *link = inbound_link(session);
    (void)w;
    *link->link = link->next;
    if (link->next)
        inbound_link(link->next)->link = link->link;
}
