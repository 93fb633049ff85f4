/* core/task.h - work sent to the thread of a mailbox, with an answer that comes back.
 *
 *     the asker's thread       the worker's thread            the asker's thread
 *     task_ask()           ->  run() ... task_answer()    ->  answered(), or task_wait()
 *
 * Embedded in a struct of the asker's, on the heap, that holds question and answer. Ownership moves
 * with it: until task_ask() and from the answer on it is the asker's, between them the worker's.
 * The asker may go before the answer comes: task_abandon(). Then the last to hold the task frees
 * it by release(), and answered() is not called.
 */
#ifndef CORE_TASK_H
#define CORE_TASK_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/err.h"
#include "core/mailbox.h"

struct task {
    /* The asker sets these once; the rest is private. */
    void (*run)(struct task *task);      /* on the worker's thread; task_answer() now or later */
    void (*answered)(struct task *task); /* on the asker's thread: TASK is free to be asked again,
                                          * or freed. Not needed for task_wait() */
    void (*release)(struct task *task);  /* abandoned: frees it; on either thread */
    struct mailbox_item item;
    struct mailbox *home;
    sem_t waiter;
    _Atomic int state;
};

/* The answer runs on HOME, which belongs to the calling thread and must outlive the answer, wanted
 * or not. HOME NULL: task_wait() is to follow. */
void task_ask(struct task *task, struct mailbox *worker, struct mailbox *home);
/* For a thread without a mailbox: sleeps until the answer is there. False: not within WAIT_MS; TASK
 * is abandoned. */
MUST_USE bool task_wait(struct task *task, unsigned wait_ms);
/* The asker's thread, after task_ask() and before the answer. TASK is not the asker's any more. */
void task_abandon(struct task *task);

/* The worker's thread, once for each run(). TASK is not the worker's any more. */
void task_answer(struct task *task);
/* The worker's thread: the rest of the work is for nothing. */
bool task_abandoned(const struct task *task);

#endif
