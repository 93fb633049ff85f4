/* Starts a thread: name, signals, RCU; and joins it. */
#include "core/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <urcu/urcu-memb.h>

/* A fault's own signal stays open: blocked, it ends the process without a word from the tool that
 * reports crashes (sanitizers, a debugger). */
static void signals_block(sigset_t *before)
{
    sigset_t set;
    int failed;

    sigfillset(&set);
    sigdelset(&set, SIGSEGV);
    sigdelset(&set, SIGBUS);
    sigdelset(&set, SIGFPE);
    sigdelset(&set, SIGILL);
    failed = pthread_sigmask(SIG_BLOCK, &set, before);
    ASSERT(!failed);
}

static void *thread_entry(void *arg)
{
    struct thread *t = arg;

    (void)pthread_setname_np(pthread_self(), t->name);
    urcu_memb_register_thread();
    t->run(t->arg);
    urcu_memb_unregister_thread();
    return NULL;
}

enum err thread_start(struct thread *t, const char *name, void (*run)(void *), void *arg,
                      struct err_detail *why)
{
    sigset_t before;
    int errnum;

    (void)snprintf(t->name, sizeof t->name, "%s", name);
    t->run = run;
    t->arg = arg;
    /* Blocked here, because a thread starts with its maker's mask: not even its first
     * instruction can be interrupted. */
    signals_block(&before);
    errnum = pthread_create(&t->id, NULL, thread_entry, t);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    t->started = errnum == 0;
    if (errnum)
        return err_set_errno(why, errnum, "cannot start thread %s", t->name);
    return ERR_OK;
}

void thread_join(struct thread *t)
{
    int failed;

    if (!t->started)
        return;
    failed = pthread_join(t->id, NULL);
    ASSERT(!failed);
    t->started = 0;
}

void thread_main_init(void)
{
    signals_block(NULL);
    urcu_memb_register_thread();
}

void thread_main_exit(void)
{
    urcu_memb_unregister_thread();
}

unsigned thread_cpu_count(void)
{
    cpu_set_t set;
    int count = 0;

    /* Machines with more than 1,024 processors overflow the set: EINVAL, then ask how many are
     * online. */
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    else
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}
