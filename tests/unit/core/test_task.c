/* core/task: answered, asked_again, answered_later, abandoned, wait_ends, threads_wait,
 * threads_give_up, threads_abandon. */
#include "core/task.h"

#include "core/loop.h"
#include "core/mem.h"
#include "core/thread.h"

#include "unit.h"

/* A question that doubles a number, and what became of all of them. */
static _Atomic unsigned runs, answers, releases;

struct doubling {
    struct task task;
    unsigned number, doubled;
    struct doubling **kept; /* the worker does not answer, it leaves the task here */
    struct mailbox *worker; /* for ask_again() */
};

static void doubling_run(struct task *task)
{
    struct doubling *d = CONTAINER_OF(task, struct doubling, task);
    atomic_fetch_add(&runs, 1);
    d->doubled = d->number * 2;
    if (d->kept)
        *d->kept = d;
    else
        task_answer(task);
}

static void doubling_answered(struct task *task)
{
    struct doubling *d = CONTAINER_OF(task, struct doubling, task);
    atomic_fetch_add(&answers, 1);
    CHECK_U64(d->doubled, d->number * 2);
    mem_free(d);
}

static void doubling_release(struct task *task)
{
    atomic_fetch_add(&releases, 1);
    mem_free(CONTAINER_OF(task, struct doubling, task));
}

static struct doubling *doubling_new(unsigned number)
{
    struct doubling *d = MEM_NEW(struct doubling);
    d->task.run = doubling_run;
    d->task.answered = doubling_answered;
    d->task.release = doubling_release;
    d->number = number;
    return d;
}

static void begin(void)
{
    runs = answers = releases = 0;
}

/* --- One thread plays both: each order of events --- */

static void test_answered(void)
{
    struct mailbox *worker = mailbox_new(), *home = mailbox_new();
    begin();
    task_ask(&doubling_new(4)->task, worker, home);
    CHECK_U64(mailbox_run(home), 0);
    CHECK_U64(mailbox_run(worker), 1);
    CHECK_U64(runs, 1);
    CHECK_U64(answers, 0); /* not on the worker's thread */
    CHECK_U64(mailbox_run(home), 1);
    CHECK_U64(answers, 1);
    CHECK_U64(releases, 0);
    mailbox_free(&worker);
    mailbox_free(&home);
}

/* The answer is the next question, until the number is large enough. */
static void ask_again(struct task *task)
{
    struct doubling *d = CONTAINER_OF(task, struct doubling, task);
    atomic_fetch_add(&answers, 1);
    d->number = d->doubled;
    if (d->number < 100)
        task_ask(task, d->worker, task->home);
    else
        mem_free(d);
}

static void test_asked_again(void)
{
    struct mailbox *worker = mailbox_new(), *home = mailbox_new();
    struct doubling *d = doubling_new(10);
    begin();
    d->worker = worker;
    d->task.answered = ask_again;
    task_ask(&d->task, worker, home);
    while (mailbox_run(worker) + mailbox_run(home) > 0)
        ;
    CHECK_U64(runs, 4); /* 20, 40, 80, 160 */
    CHECK_U64(answers, 4);
    CHECK_U64(releases, 0);
    mailbox_free(&worker);
    mailbox_free(&home);
}

static void test_answered_later(void)
{
    struct mailbox *worker = mailbox_new(), *home = mailbox_new();
    struct doubling *kept = NULL, *d = doubling_new(4);
    begin();
    d->kept = &kept;
    task_ask(&d->task, worker, home);
    CHECK_U64(mailbox_run(worker), 1);
    CHECK(kept == d);
    CHECK_U64(mailbox_run(home), 0);
    CHECK(!task_abandoned(&kept->task));
    task_answer(&kept->task);
    CHECK_U64(mailbox_run(home), 1);
    CHECK_U64(answers, 1);
    mailbox_free(&worker);
    mailbox_free(&home);
}

static void test_abandoned(void)
{
    static const struct {
        const char *name;
        bool run, answer; /* before it is abandoned */
        unsigned runs;
    } rows[] = {
        {"before it runs", false, false, 0},
        {"while it is worked on", true, false, 1},
        {"when the answer is on its way", true, true, 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct mailbox *worker = mailbox_new(), *home = mailbox_new();
        struct doubling *kept = NULL, *d = doubling_new(1);
        unit_row(rows[i].name);
        begin();
        d->kept = &kept;
        task_ask(&d->task, worker, home);
        if (rows[i].run)
            mailbox_run(worker);
        if (rows[i].answer)
            task_answer(&kept->task);
        task_abandon(&d->task);
        if (rows[i].run && !rows[i].answer) {
            CHECK(task_abandoned(&kept->task));
            task_answer(&kept->task);
        }
        mailbox_run(worker);
        mailbox_run(home);
        CHECK_U64(runs, rows[i].runs);
        CHECK_U64(answers, 0);
        CHECK_U64(releases, 1);
        mailbox_free(&worker);
        mailbox_free(&home);
    }
}

static void test_wait_ends(void)
{
    struct mailbox *worker = mailbox_new();
    begin();
    struct doubling *d = doubling_new(1);
    task_ask(&d->task, worker, NULL);
    CHECK(!task_wait(&d->task, 1)); /* WORKER does not run */
    CHECK_U64(releases, 0);
    mailbox_free(&worker);
    CHECK_U64(runs, 0);
    CHECK_U64(releases, 1);
}

/* --- A worker with a loop, askers of each kind beside each other --- */

enum { ASKERS = 4, ASKED_EACH = 3000, UNDER_WAY = 16 };

struct asker {
    struct thread thread;
    struct mailbox *worker;
    unsigned right;
};

static void wait_for_each(void *arg)
{
    struct asker *a = arg;
    for (unsigned i = 0; i < ASKED_EACH; i++) {
        struct doubling *d = doubling_new(i);
        task_ask(&d->task, a->worker, NULL);
        if (!task_wait(&d->task, 60000))
            return;
        a->right += d->doubled == 2 * i;
        mem_free(d);
    }
}

/* Hardly any time to wait: each is answered in time, or abandoned, or both at once. */
static void wait_not_at_all(void *arg)
{
    struct asker *a = arg;
    for (unsigned i = 0; i < ASKED_EACH; i++) {
        struct doubling *d = doubling_new(i);
        task_ask(&d->task, a->worker, NULL);
        if (i % 8 == 0)
            task_abandon(&d->task);
        if (i % 8 == 0 || !task_wait(&d->task, 0))
            continue;
        a->right += d->doubled == 2 * i;
        mem_free(d);
        atomic_fetch_add(&answers, 1);
    }
}

/* A mailbox of its own; every other question is abandoned right away or a little later. */
static void ask_and_abandon(void *arg)
{
    struct asker *a = arg;
    struct mailbox *home = mailbox_new();
    for (unsigned i = 0; i < ASKED_EACH; i++) {
        struct task *kept[UNDER_WAY];
        for (unsigned k = 0; k < UNDER_WAY; k++) {
            kept[k] = &doubling_new(i)->task;
            task_ask(kept[k], a->worker, home);
        }
        for (unsigned k = 0; k < UNDER_WAY; k++)
            task_abandon(kept[k]);
        i += UNDER_WAY;
        mailbox_run(home);
    }
    /* HOME must outlive the answers: this one is behind them all. */
    struct doubling *last = doubling_new(1);
    task_ask(&last->task, a->worker, NULL);
    a->right += task_wait(&last->task, 60000);
    mem_free(last);
    mailbox_free(&home);
}

static void run_loop(void *loop)
{
    loop_run(loop);
}

static void ask_beside(void (*asker_run)(void *), struct asker askers[ASKERS])
{
    struct thread thread = {0};
    struct loop *loop;
    begin();
    CHECK(loop_new(&loop, NULL) == ERR_OK);
    CHECK(thread_start(&thread, "worker", run_loop, loop, NULL) == ERR_OK);
    for (unsigned i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.worker = loop_mailbox(loop)};
        CHECK(thread_start(&askers[i].thread, "asker", asker_run, &askers[i], NULL) == ERR_OK);
    }
    for (unsigned i = 0; i < ASKERS; i++)
        thread_join(&askers[i].thread);
    loop_stop(loop);
    thread_join(&thread);
    loop_free(&loop);
}

static void test_threads_wait(void)
{
    struct asker askers[ASKERS] = {0};
    ask_beside(wait_for_each, askers);
    for (unsigned i = 0; i < ASKERS; i++)
        CHECK_U64(askers[i].right, ASKED_EACH);
    CHECK_U64(runs, ASKERS * ASKED_EACH);
    CHECK_U64(releases, 0);
}

static void test_threads_give_up(void)
{
    struct asker askers[ASKERS] = {0};
    unsigned right = 0;
    ask_beside(wait_not_at_all, askers);
    for (unsigned i = 0; i < ASKERS; i++)
        right += askers[i].right;
    CHECK_U64(right, answers);
    CHECK_U64(answers + releases, ASKERS * ASKED_EACH); /* each exactly once */
}

static void test_threads_abandon(void)
{
    struct asker askers[ASKERS] = {0};
    unsigned asked = (ASKED_EACH + UNDER_WAY) / (UNDER_WAY + 1) * UNDER_WAY;
    ask_beside(ask_and_abandon, askers);
    for (unsigned i = 0; i < ASKERS; i++)
        CHECK_U64(askers[i].right, 1);
    CHECK_U64(releases, ASKERS * asked);
    CHECK_U64(answers, 0);
}

UNIT_MAIN("core/task", {"answered", test_answered}, {"asked_again", test_asked_again},
          {"answered_later", test_answered_later}, {"abandoned", test_abandoned},
          {"wait_ends", test_wait_ends}, {"threads_wait", test_threads_wait},
          {"threads_give_up", test_threads_give_up}, {"threads_abandon", test_threads_abandon})
