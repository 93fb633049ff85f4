/* One thread's turn: descriptors by epoll, timers, the mailbox, tasks. */
#include "core/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"

enum {
    EVENTS_MAX = 256,
    TASK_ROUNDS_MAX = 4, /* a turn, so that work which defers itself starves no other */
    GATHER_MS = 1,
    GATHER_ITEMS = 2, /* in a turn: less is no load */
};

struct loop {
    int epoll_fd;
    bool stopping;
    uint64_t now_ms;
    struct timer_wheel *timers;
    struct mailbox *mailbox;
    bool gathers, gathering;
    struct mailbox_item stop_item;
    atomic_bool stop_sent; /* STOP_ITEM is in the mailbox and may not be sent again */
    struct cds_list_head tasks;
    size_t task_count;
    unsigned event_count, event_at; /* of the batch being dispatched */
    struct epoll_event events[EVENTS_MAX];
    char *scratch; /* made at the first use: not every loop reads */
};

static void loop_stop_run(struct mailbox_item *item)
{
    struct loop *loop = CONTAINER_OF(item, struct loop, stop_item);

    loop->stopping = true;
    atomic_store(&loop->stop_sent, false);
}

/* The mailbox is marked by a null pointer. Edge-triggered, so that its signals need no read. */
static bool loop_open(struct loop *loop)
{
    struct epoll_event mailbox = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};

    loop->mailbox = mailbox_new();
    if (!loop->mailbox)
        return false;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll_fd >= 0 &&
           epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, mailbox_fd(loop->mailbox), &mailbox) == 0;
}

enum err loop_new(struct loop **out, struct err_detail *why)
{
    struct loop *loop = MEM_NEW(struct loop);

    *out = NULL;
    loop->epoll_fd = -1;
    list_init(&loop->tasks);
    loop->stop_item.run = loop_stop_run;
    if (!loop_open(loop)) {
        enum err e = err_set_errno(why, errno, "cannot make an event loop");

        loop_free(&loop);
        return e;
    }
    loop->now_ms = clock_mono_ms();
    loop->timers = timer_wheel_new(loop->now_ms);
    *out = loop;
    return ERR_OK;
}

/* A round runs what was queued when it began; what that defers in turn is for the next round. */
static bool loop_tasks_run(struct loop *loop)
{
    bool any = !list_empty(&loop->tasks);

    for (unsigned round = 0; round < TASK_ROUNDS_MAX && loop->task_count > 0; round++) {
        for (size_t left = loop->task_count; left > 0 && loop->task_count > 0; left--) {
            struct loop_task *task = LIST_FIRST(&loop->tasks, struct loop_task, link);

            loop_task_cancel(loop, task);
            task->run(task);
        }
    }
    return any;
}

void loop_free(struct loop **loop)
{
    struct loop *l = *loop;

    if (!l)
        return;
    while (l->mailbox && (mailbox_run(l->mailbox) > 0 || loop_tasks_run(l)))
        ;
    mailbox_free(&l->mailbox);
    timer_wheel_free(&l->timers);
    if (l->epoll_fd >= 0)
        (void)close(l->epoll_fd);
    mem_free(l->scratch);
    mem_free(l);
    *loop = NULL;
}

static int loop_wait_ms(const struct loop *loop, int wait_ms)
{
    uint64_t next_ms = timer_wheel_next(loop->timers);
    uint64_t left_ms;

    if (next_ms == TIMER_NEVER)
        return wait_ms;
    left_ms = next_ms > loop->now_ms ? next_ms - loop->now_ms : 0;
    if (wait_ms >= 0 && left_ms > (uint64_t)wait_ms)
        return wait_ms;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static void loop_wait(struct loop *loop, int wait_ms)
{
    bool announced = false;
    int n;

    wait_ms = loop->task_count > 0 ? 0 : loop_wait_ms(loop, wait_ms);
    if (loop->gathering) {
        /* What is sent meanwhile wakes no thread and is done in one go. */
        wait_ms = wait_ms != 0 ? GATHER_MS : 0;
    } else if (wait_ms != 0) {
        announced = mailbox_sleep_begin(loop->mailbox);
        if (!announced)
            wait_ms = 0;
    }
    n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_MAX, wait_ms);
    if (announced)
        mailbox_sleep_abandon(loop->mailbox);
    ASSERT(n >= 0 || errno == EINTR);
    loop->event_count = n > 0 ? (unsigned)n : 0;
    loop->now_ms = clock_mono_ms();
}

static bool loop_dispatch(struct loop *loop)
{
    bool any = false;

    for (loop->event_at = 0; loop->event_at < loop->event_count; loop->event_at++) {
        const struct epoll_event *event = &loop->events[loop->event_at];
        struct loop_watch *w = event->data.ptr;

        if (w) {
            w->on_ready(w, event->events);
            any = true;
        }
    }
    loop->event_count = 0;
    return any;
}

bool loop_turn(struct loop *loop, int wait_ms)
{
    size_t items;
    bool any;

    loop_wait(loop, wait_ms);
    any = loop_dispatch(loop);
    items = mailbox_run(loop->mailbox);
    loop->gathering = loop->gathers && items >= GATHER_ITEMS;
    any |= items > 0;
    any |= timer_wheel_advance(loop->timers, loop->now_ms) > 0;
    any |= loop_tasks_run(loop);
    return any;
}

void loop_run(struct loop *loop)
{
    while (!loop->stopping)
        loop_turn(loop, -1);
    loop->stopping = false;
}

void loop_gather(struct loop *loop)
{
    loop->gathers = true;
}

void loop_stop(struct loop *loop)
{
    if (!atomic_exchange(&loop->stop_sent, true))
        mailbox_send(loop->mailbox, &loop->stop_item);
}

enum err loop_watch_add_events(struct loop *loop, struct loop_watch *w, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};

    ASSERT(w->on_ready);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, w->fd, &event) != 0)
        return err_from_errno(errno);
    return ERR_OK;
}

enum err loop_watch_add(struct loop *loop, struct loop_watch *w)
{
    return loop_watch_add_events(loop, w, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

void loop_watch_modify(struct loop *loop, struct loop_watch *w, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    int failed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &event);

    ASSERT(!failed);
}

void loop_watch_remove(struct loop *loop, struct loop_watch *w)
{
    int failed = epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);

    ASSERT(!failed);
    /* Its owner may be freed now: the events of this batch that are still to come go too. */
    for (unsigned i = loop->event_at + 1; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == w)
            loop->events[i].data.ptr = NULL;
}

struct timer_wheel *loop_timers(struct loop *loop)
{
    return loop->timers;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

struct mailbox *loop_mailbox(struct loop *loop)
{
    return loop->mailbox;
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    if (task->queued)
        return;
    ASSERT(task->run);
    task->queued = true;
    list_add(&loop->tasks, &task->link);
    loop->task_count++;
}

void loop_task_cancel(struct loop *loop, struct loop_task *task)
{
    if (!task->queued)
        return;
    ASSERT(loop->task_count > 0);
    list_remove(&task->link);
    task->queued = false;
    loop->task_count--;
}

char *loop_scratch(struct loop *loop)
{
    if (!loop->scratch)
        loop->scratch = mem_alloc((size_t)LOOP_SCRATCH_BYTES);
    return loop->scratch;
}
