/* Tasks: one atomic word decides which of asker and worker, if the asker goes early, frees one. */
#include "core/task.h"

#include <errno.h>
#include <time.h>

#include "core/err.h"

enum { TASK_ASKED, TASK_ANSWERED, TASK_ABANDONED };

static void on_asked(struct mailbox_item *item)
{
    struct task *task = CONTAINER_OF(item, struct task, item);
    if (task_abandoned(task))
        task->release(task);
    else
        task->run(task);
}

static void on_answered(struct mailbox_item *item)
{
    struct task *task = CONTAINER_OF(item, struct task, item);
    if (task_abandoned(task))
        task->release(task);
    else
        task->answered(task);
}

static void ask(struct task *task, struct mailbox *worker)
{
    ASSERT(task->run && task->release);
    atomic_store(&task->state, TASK_ASKED);
    task->item.run = on_asked;
    mailbox_send(worker, &task->item);
}

void task_ask(struct task *task, struct mailbox *worker, struct mailbox *home)
{
    ASSERT(task->answered);
    task->home = home;
    task->waiter = NULL;
    ask(task, worker);
}

void task_answer(struct task *task)
{
    /* From here on the asker may free TASK: what is needed of it is read before. */
    sem_t *waiter = task->waiter;
    int before = atomic_exchange(&task->state, TASK_ANSWERED);
    ASSERT(before != TASK_ANSWERED);
    if (before == TASK_ABANDONED) {
        task->release(task);
    } else if (waiter) {
        (void)sem_post(waiter);
    } else {
        task->item.run = on_answered;
        mailbox_send(task->home, &task->item);
    }
}

bool task_abandoned(const struct task *task)
{
    return atomic_load(&task->state) == TASK_ABANDONED;
}

/* True: the worker frees TASK. */
static bool leave_to_worker(struct task *task)
{
    int before = atomic_exchange(&task->state, TASK_ABANDONED);
    ASSERT(before != TASK_ABANDONED);
    return before == TASK_ASKED;
}

void task_abandon(struct task **task)
{
    ASSERT((*task)->home);
    (void)leave_to_worker(*task); /* else it is on its way home, and is freed there */
    *task = NULL;
}

static struct timespec deadline_in(unsigned wait_ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static bool wait_until(sem_t *waiter, const struct timespec *deadline)
{
    while (sem_clockwait(waiter, CLOCK_MONOTONIC, deadline) != 0) {
        ASSERT(errno == EINTR || errno == ETIMEDOUT);
        if (errno == ETIMEDOUT)
            return false;
    }
    return true;
}

bool task_ask_wait(struct task *task, struct mailbox *worker, unsigned wait_ms)
{
    struct timespec deadline = deadline_in(wait_ms);
    sem_t waiter;
    int failed = sem_init(&waiter, 0, 0);
    ASSERT(!failed);
    task->home = NULL;
    task->waiter = &waiter;
    ask(task, worker);
    bool answered = wait_until(&waiter, &deadline);
    if (!answered && !leave_to_worker(task)) {
        /* The worker was quicker and is about to post, or has: WAITER must last until then. */
        while (sem_wait(&waiter) != 0)
            ASSERT(errno == EINTR);
        answered = true;
    } else if (answered) {
        /* Read, so that ThreadSanitizer, which does not know sem_clockwait(), sees the order. */
        ASSERT(atomic_load(&task->state) == TASK_ANSWERED);
    }
    (void)sem_destroy(&waiter);
    return answered;
}
