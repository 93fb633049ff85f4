/* Publishes by liburcu, and frees what was replaced when its last reader is through. */
#include "core/snapshot.h"

#include <stdint.h>

/* Read sections inlined; ThreadSanitizer is not to look into them. */
#ifndef MAILRACE_TSAN
#define _LGPL_SOURCE
#endif
#include <urcu/urcu-memb.h>

#include "core/err.h"
#include "core/mem.h"

#ifdef MAILRACE_TSAN
#include <sanitizer/tsan_interface.h>
#include <semaphore.h>
#endif

struct snapshot {
    void *current;
    void (*free_object)(void *object);
};

struct retired {
    struct rcu_head head;
    void *object;
    void (*free_object)(void *object);
};

/* A grace period orders every read section before the freeing, but by system calls and assembly
 * inside liburcu, where ThreadSanitizer does not look: tell it what they guarantee. Nothing in
 * other builds. */
static void tsan_before(const char *event)
{
#ifdef MAILRACE_TSAN
    __tsan_release((void *)(uintptr_t)event);
#else
    (void)event;
#endif
}

static void tsan_after(const char *event)
{
#ifdef MAILRACE_TSAN
    __tsan_acquire((void *)(uintptr_t)event);
#else
    (void)event;
#endif
}

static const char sections_left;

struct snapshot *snapshot_new(void (*free_object)(void *object))
{
    struct snapshot *s = MEM_NEW(struct snapshot);

    s->free_object = free_object;
    return s;
}

void snapshot_free(struct snapshot **s)
{
    if (!*s)
        return;
    snapshot_barrier();
    if ((*s)->current)
        (*s)->free_object((*s)->current);
    mem_free(*s);
    *s = NULL;
}

void snapshot_read_begin(void)
{
    urcu_memb_read_lock();
}

void snapshot_read_end(void)
{
    tsan_before(&sections_left);
    urcu_memb_read_unlock();
}

const void *snapshot_get(const struct snapshot *s)
{
    return __atomic_load_n(&s->current, __ATOMIC_CONSUME);
}

static void retired_free(struct rcu_head *head)
{
    struct retired *retired = caa_container_of(head, struct retired, head);

    tsan_after(&sections_left);
    retired->free_object(retired->object);
    mem_free(retired);
}

void snapshot_publish(struct snapshot *s, void *object)
{
    void *old = __atomic_exchange_n(&s->current, object, __ATOMIC_ACQ_REL);
    struct retired *retired;

    if (!old)
        return;
    retired = MEM_NEW(struct retired);
    retired->object = old;
    retired->free_object = s->free_object;
    tsan_before(&sections_left);
    urcu_memb_call_rcu(&retired->head, retired_free);
}

#ifndef MAILRACE_TSAN

void snapshot_barrier(void)
{
    urcu_memb_barrier();
}

#else

/* liburcu's barrier hands memory between threads out of ThreadSanitizer's sight, which it reports.
 * Callbacks run in the order of their queue, and there is only the default one: so the last of
 * them stands for all. */
struct last {
    struct rcu_head head;
    sem_t reached;
};

static void last_reached(struct rcu_head *head)
{
    tsan_after(&sections_left);
    (void)sem_post(&caa_container_of(head, struct last, head)->reached);
}

void snapshot_barrier(void)
{
    struct last *last = MEM_NEW(struct last);

    (void)sem_init(&last->reached, 0, 0);
    tsan_before(&sections_left);
    urcu_memb_call_rcu(&last->head, last_reached);
    while (sem_wait(&last->reached) != 0)
        ;
    (void)sem_destroy(&last->reached);
    mem_free(last);
}

#endif
