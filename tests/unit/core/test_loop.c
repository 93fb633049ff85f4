/* core/loop: edges, levels, remove_in_the_same_turn, tasks, endless_task_starves_nobody, timers,
 * real_time, stop_from_another_thread, gather, scratch. */
#include "core/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/thread.h"

#include "unit.h"

struct fixture {
    struct loop *loop;
    unsigned order; /* of the next event, see note() */
};

static void fixture_open(struct fixture *f)
{
    struct err_detail why;

    *f = (struct fixture){0};
    CHECK(loop_new(&f->loop, &why) == ERR_OK);
}

struct end {
    struct loop_watch watch;
    struct loop *loop;
    struct end *other; /* to be removed by whoever is ready first */
    unsigned events;
    unsigned runs;
};

static void end_ready(struct loop_watch *w, uint32_t events)
{
    struct end *e = CONTAINER_OF(w, struct end, watch);

    e->events |= events;
    e->runs++;
    if (e->other)
        loop_watch_remove(e->loop, &e->other->watch);
}

static void ends_open(struct fixture *f, struct end pair[2])
{
    int fds[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    for (int i = 0; i < 2; i++)
        pair[i] = (struct end){.watch = {.fd = fds[i], .on_ready = end_ready}, .loop = f->loop};
}

static void ends_close(struct end pair[2])
{
    (void)close(pair[0].watch.fd);
    (void)close(pair[1].watch.fd);
}

static void test_edges(void)
{
    struct fixture f;
    struct end pair[2];

    fixture_open(&f);
    ends_open(&f, pair);
    CHECK(loop_watch_add(f.loop, &pair[0].watch) == ERR_OK);
    CHECK(loop_watch_add(f.loop, &pair[0].watch) == ERR_EXISTS);
    CHECK(loop_turn(f.loop, -1));
    CHECK(pair[0].events == EPOLLOUT);
    CHECK(!loop_turn(f.loop, 0)); /* an edge is told once */
    CHECK(write(pair[1].watch.fd, "x", 1) == 1);
    CHECK(loop_turn(f.loop, -1));
    CHECK(pair[0].events & EPOLLIN);
    CHECK_U64(pair[0].runs, 2);
    loop_watch_remove(f.loop, &pair[0].watch);
    CHECK(write(pair[1].watch.fd, "x", 1) == 1);
    CHECK(!loop_turn(f.loop, 0));
    ends_close(pair);
    loop_free(&f.loop);
    CHECK(!f.loop);
}

static void test_levels(void)
{
    struct fixture f;
    struct end pair[2];

    fixture_open(&f);
    ends_open(&f, pair);
    CHECK(loop_watch_add_events(f.loop, &pair[0].watch, EPOLLIN) == ERR_OK);
    CHECK(!loop_turn(f.loop, 0));
    CHECK(write(pair[1].watch.fd, "x", 1) == 1);
    CHECK(loop_turn(f.loop, 0));
    CHECK(loop_turn(f.loop, 0));
    CHECK_U64(pair[0].runs, 2);
    loop_watch_modify(f.loop, &pair[0].watch, 0);
    CHECK(!loop_turn(f.loop, 0));
    loop_watch_modify(f.loop, &pair[0].watch, EPOLLIN);
    CHECK(loop_turn(f.loop, 0));
    loop_watch_remove(f.loop, &pair[0].watch);
    ends_close(pair);
    loop_free(&f.loop);
}

/* Both ends are ready in one batch; the first to be told removes the other. */
static void test_remove_in_the_same_turn(void)
{
    struct fixture f;
    struct end pair[2];

    fixture_open(&f);
    ends_open(&f, pair);
    pair[0].other = &pair[1];
    pair[1].other = &pair[0];
    CHECK(loop_watch_add(f.loop, &pair[0].watch) == ERR_OK);
    CHECK(loop_watch_add(f.loop, &pair[1].watch) == ERR_OK);
    CHECK(loop_turn(f.loop, 0));
    CHECK_U64(pair[0].runs + pair[1].runs, 1);
    loop_watch_remove(f.loop, pair[0].runs ? &pair[0].watch : &pair[1].watch);
    ends_close(pair);
    loop_free(&f.loop);
}

struct job {
    struct loop_task task;
    struct fixture *f;
    struct job *next;
    unsigned runs, ran_as;
    bool endless;
};

static void job_run(struct loop_task *task)
{
    struct job *j = CONTAINER_OF(task, struct job, task);

    j->runs++;
    j->ran_as = ++j->f->order;
    if (j->next)
        loop_defer(j->f->loop, &j->next->task);
    if (j->endless)
        loop_defer(j->f->loop, task);
}

static void test_tasks(void)
{
    struct fixture f;
    struct job jobs[4];

    fixture_open(&f);
    for (int i = 0; i < 4; i++)
        jobs[i] = (struct job){.task.run = job_run, .f = &f};
    jobs[0].next = &jobs[3];
    for (int i = 0; i < 3; i++) {
        loop_defer(f.loop, &jobs[i].task);
        loop_defer(f.loop, &jobs[i].task); /* once is enough */
    }
    loop_task_cancel(f.loop, &jobs[2].task);
    loop_task_cancel(f.loop, &jobs[2].task);
    CHECK(loop_turn(f.loop, -1)); /* does not sleep */
    while (!jobs[3].runs)
        CHECK(loop_turn(f.loop, -1));
    CHECK(jobs[0].ran_as == 1 && jobs[1].ran_as == 2 && jobs[3].ran_as == 3);
    CHECK_U64(jobs[2].runs, 0);
    loop_defer(f.loop, &jobs[2].task);
    loop_free(&f.loop); /* nothing is lost */
    CHECK_U64(jobs[2].runs, 1);
}

static void test_endless_task_starves_nobody(void)
{
    struct fixture f;
    struct end pair[2];
    struct job j = {.task.run = job_run, .f = &f, .endless = true};

    fixture_open(&f);
    ends_open(&f, pair);
    loop_defer(f.loop, &j.task);
    CHECK(loop_turn(f.loop, -1));
    CHECK(loop_watch_add(f.loop, &pair[0].watch) == ERR_OK);
    CHECK(loop_turn(f.loop, -1));
    CHECK_U64(pair[0].runs, 1);
    j.endless = false;
    loop_watch_remove(f.loop, &pair[0].watch);
    ends_close(pair);
    loop_free(&f.loop);
}

struct tick {
    struct timer timer;
    struct loop *loop;
    unsigned runs;
};

static void tick_due(struct timer *t)
{
    struct tick *tick = CONTAINER_OF(t, struct tick, timer);

    tick->runs++;
}

static void test_timers(void)
{
    struct fixture f;
    struct tick tick = {.timer.on_due = tick_due};

    clock_virtual_start(5000, 0);
    fixture_open(&f);
    CHECK_U64(loop_now_ms(f.loop), 5000);
    timer_set(loop_timers(f.loop), &tick.timer, 5100);
    CHECK(!loop_turn(f.loop, 0));
    clock_virtual_advance(99);
    CHECK(!loop_turn(f.loop, 0));
    clock_virtual_advance(1);
    CHECK(loop_turn(f.loop, 0));
    CHECK_U64(loop_now_ms(f.loop), 5100);
    CHECK_U64(tick.runs, 1);
    timer_set(loop_timers(f.loop), &tick.timer, 1); /* past: the turn does not sleep */
    CHECK(loop_turn(f.loop, -1));
    CHECK_U64(tick.runs, 2);
    loop_free(&f.loop);
    clock_virtual_end();
}

/* The wait is bounded by the next timer. */
static void test_real_time(void)
{
    struct fixture f;
    struct tick tick = {.timer.on_due = tick_due};
    uint64_t start_ms = clock_mono_ms();

    fixture_open(&f);
    timer_set(loop_timers(f.loop), &tick.timer, start_ms + 20);
    while (!tick.runs)
        loop_turn(f.loop, -1);
    CHECK(clock_mono_ms() >= start_ms + 20);
    loop_free(&f.loop);
}

struct visitor {
    struct thread thread;
    struct mailbox_item item;
    struct loop *loop;
    unsigned runs;
};

static void visitor_item_run(struct mailbox_item *item)
{
    CONTAINER_OF(item, struct visitor, item)->runs++;
}

static void visitor_run(void *arg)
{
    struct visitor *v = arg;

    mailbox_send(loop_mailbox(v->loop), &v->item);
    loop_stop(v->loop);
    loop_stop(v->loop);
}

static void test_stop_from_another_thread(void)
{
    struct fixture f;

    fixture_open(&f);
    for (int i = 0; i < 50; i++) {
        struct visitor v = {.item.run = visitor_item_run, .loop = f.loop};

        CHECK(thread_start(&v.thread, "visitor", visitor_run, &v, NULL) == ERR_OK);
        loop_run(f.loop);
        CHECK_U64(v.runs, 1);
        thread_join(&v.thread);
        /* The second stop may still be in the mailbox: it would stop the next run. */
        loop_stop(f.loop);
        loop_run(f.loop);
    }
    loop_free(&f.loop);
}

struct counted {
    struct mailbox_item item;
    unsigned runs;
};

static void counted_run(struct mailbox_item *item)
{
    CONTAINER_OF(item, struct counted, item)->runs++;
}

/* Under load it looks again soon by itself; a single item is no load, and it sleeps until the next
 * one wakes it. */
static void test_gather(void)
{
    struct fixture f;
    struct counted items[2] = {{.item.run = counted_run}, {.item.run = counted_run}};

    fixture_open(&f);
    loop_gather(f.loop);
    mailbox_send(loop_mailbox(f.loop), &items[0].item);
    mailbox_send(loop_mailbox(f.loop), &items[1].item);
    CHECK(loop_turn(f.loop, -1));
    CHECK_U64(items[0].runs + items[1].runs, 2);
    CHECK(!loop_turn(f.loop, -1)); /* else it would wait here for ever */

    struct visitor v = {.item.run = visitor_item_run, .loop = f.loop};
    CHECK(thread_start(&v.thread, "visitor", visitor_run, &v, NULL) == ERR_OK);
    loop_run(f.loop);
    CHECK_U64(v.runs, 1);
    thread_join(&v.thread);
    loop_free(&f.loop);
}

static void test_scratch(void)
{
    struct fixture f;
    char *scratch;

    fixture_open(&f);
    scratch = loop_scratch(f.loop);
    scratch[0] = 'a';
    scratch[LOOP_SCRATCH_BYTES - 1] = 'z';
    CHECK(loop_scratch(f.loop) == scratch);
    loop_free(&f.loop);
    loop_free(&f.loop);
    CHECK(!f.loop);
}

UNIT_MAIN("core/loop", {"edges", test_edges}, {"levels", test_levels},
          {"remove_in_the_same_turn", test_remove_in_the_same_turn}, {"tasks", test_tasks},
          {"endless_task_starves_nobody", test_endless_task_starves_nobody},
          {"timers", test_timers}, {"real_time", test_real_time},
          {"stop_from_another_thread", test_stop_from_another_thread}, {"gather", test_gather},
          {"scratch", test_scratch})
