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

void task_ask(struct task *task, struct mailbox *worker, struct mailbox *home)
{
    ASSERT(task->run && task->release && (task->answered || !home));
    int failed = home ? 0 : sem_init(&task->waiter, 0, 0);
    ASSERT(!failed);
    task->home = home;
    atomic_store(&task->state, TASK_ASKED);
    task->item.run = on_asked;
    mailbox_send(worker, &task->item);
}

void task_answer(struct task *task)
{
    /* An asker that waits may free TASK as soon as it has been woken, and not before; read first
     * all the same, because ThreadSanitizer does not know sem_clockwait(). */
    struct mailbox *home = task->home;
    int before = atomic_exchange(&task->state, TASK_ANSWERED);
    ASSERT(before != TASK_ANSWERED);
    if (before == TASK_ABANDONED) {
        task->release(task);
    } else if (!home) {
        (void)sem_post(&task->waiter);
    } else {
        task->item.run = on_answered;
        mailbox_send(home, &task->item);
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

/* The worker is about to wake us, or has. */
static void take_wake_up(struct task *task)
{
    while (sem_wait(&task->waiter) != 0)
        ASSERT(errno == EINTR);
}

void task_abandon(struct task *task)
{
    if (leave_to_worker(task) || task->home)
        return; /* freed there, or when it comes home */
    take_wake_up(task);
    task->release(task);
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

bool task_wait(struct task *task, unsigned wait_ms)
{
    struct timespec deadline = deadline_in(wait_ms);
    ASSERT(!task->home);
    while (sem_clockwait(&task->waiter, CLOCK_MONOTONIC, &deadline) != 0) {
        ASSERT(errno == EINTR || errno == ETIMEDOUT);
        if (errno != ETIMEDOUT)
            continue;
        if (leave_to_worker(task))
            return false;
        take_wake_up(task);
        return true;
    }
    /* Which shows ThreadSanitizer the order too. */
    ASSERT(atomic_load(&task->state) == TASK_ANSWERED);
    return true;
}
