/* Threads of low priority that check passwords, each with a loop and its mailbox. */
#include "mailrace/auth_pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/thread.h"

#define LOWER_PRIORITY 10

struct auth_thread {
    struct loop *loop;
    struct thread thread;
};

struct auth_pool {
    atomic_uint waiting; /* jobs that were submitted and are not answered yet */
    atomic_uint next;    /* thread: in turn */
    atomic_bool stopping;
    unsigned count;
    struct auth_thread threads[];
};

enum err auth_pool_new(unsigned threads, struct auth_pool **out, struct err_detail *why)
{
    unsigned count = threads ? threads : thread_cpu_count() / 2;
    count = count ? count : 1;
    struct auth_pool *pool = mem_zalloc(sizeof *pool + count * sizeof pool->threads[0]);
    for (unsigned i = 0; i < count; i++) {
        enum err e = loop_new(&pool->threads[i].loop, why);
        if (e != ERR_OK) {
            auth_pool_free(&pool);
            return e;
        }
        pool->count = i + 1;
    }
    *out = pool;
    return ERR_OK;
}

/* A logon can wait for mail that flows. Where it is refused the pool works all the same. */
static void run_thread(void *arg)
{
    struct auth_thread *t = arg;
    if (setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), LOWER_PRIORITY) != 0)
        LOG(LOG_WARNING, "priority_failed", LOG_STR("thread", t->thread.name),
            LOG_STR("reason", strerror(errno)));
    loop_run(t->loop);
}

enum err auth_pool_start(struct auth_pool *pool, struct err_detail *why)
{
    for (unsigned i = 0; i < pool->count; i++) {
        char name[16];
        snprintf(name, sizeof name, "auth %u", i);
        enum err e =
            thread_start(&pool->threads[i].thread, name, run_thread, &pool->threads[i], why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static void run_done(struct mailbox_item *item)
{
    struct auth_job *job = CONTAINER_OF(item, struct auth_job, item);
    job->on_done(job);
}

static void run_check(struct mailbox_item *item)
{
    struct auth_job *job = CONTAINER_OF(item, struct auth_job, item);
    bool wanted = !atomic_load_explicit(&job->abandoned, memory_order_relaxed) &&
                  !atomic_load_explicit(&job->pool->stopping, memory_order_relaxed);
    job->matches = wanted && account_verify(job->hash, job->password);
    explicit_bzero(job->password, sizeof job->password);
    explicit_bzero(job->hash, sizeof job->hash);
    atomic_fetch_sub_explicit(&job->pool->waiting, 1, memory_order_relaxed);
    item->run = run_done;
    mailbox_send(job->reply_to, item);
}

bool auth_pool_submit(struct auth_pool *pool, struct auth_job *job)
{
    if (atomic_fetch_add_explicit(&pool->waiting, 1, memory_order_relaxed) >=
        AUTH_POOL_WAITING_MAX) {
        atomic_fetch_sub_explicit(&pool->waiting, 1, memory_order_relaxed);
        return false;
    }
    ASSERT(job->on_done && job->reply_to);
    unsigned turn = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    job->pool = pool;
    job->item.run = run_check;
    mailbox_send(loop_mailbox(pool->threads[turn % pool->count].loop), &job->item);
    return true;
}

void auth_pool_stop(struct auth_pool *pool)
{
    atomic_store_explicit(&pool->stopping, true, memory_order_relaxed);
    for (unsigned i = 0; i < pool->count; i++) {
        if (pool->threads[i].thread.started)
            loop_stop(pool->threads[i].loop);
        thread_join(&pool->threads[i].thread);
        loop_free(&pool->threads[i].loop); /* runs, and so answers, what still waits */
    }
}

void auth_pool_free(struct auth_pool **at)
{
    struct auth_pool *pool = *at;
    *at = NULL;
    for (unsigned i = 0; pool && i < pool->count; i++)
        loop_free(&pool->threads[i].loop);
    mem_free(pool);
}
