/* core/thread.h - where threads start: named, all signals blocked, registered with RCU. */
#ifndef CORE_THREAD_H
#define CORE_THREAD_H

#include <pthread.h>

#include "core/err.h"

struct thread {
    pthread_t id;
    char name[16];
    void (*run)(void *arg);
    void *arg;
    int started;
};

/* T must stay in place until joined. ARG is the thread's. */
MUST_USE enum err thread_start(struct thread *t, const char *name, void (*run)(void *), void *arg,
                               struct err_detail *why);
/* Waits for its end; nothing if it never started. */
void thread_join(struct thread *t);

/* Blocks every signal in the calling thread (the main thread reads them by signalfd) and
 * registers it with RCU. Once, first thing in a program. */
void thread_main_init(void);
void thread_main_exit(void);

unsigned thread_cpu_count(void);

#endif
