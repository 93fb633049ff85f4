/* A block of counters a thread, and the sum over all blocks. */
#include "core/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"

/* One a thread, on cache lines of its own; only its thread writes. Blocks are never freed: a
 * thread that ends leaves its block, counts included, to the next one that starts counting. */
struct metrics_block {
    _Atomic int64_t values[METRICS_MAX];
    struct metrics_block *next;
    atomic_bool taken;
};

/* Written at start only, before there are threads. */
static struct metrics_info metrics_table[METRICS_MAX];
static size_t metrics_used;

static _Atomic(struct metrics_block *) metrics_blocks;
static _Thread_local struct metrics_block *metrics_own;
static pthread_once_t metrics_once = PTHREAD_ONCE_INIT;
static pthread_key_t metrics_key; /* for its destructor: the end of a thread */

static metrics_id metrics_register(const char *name, const char *help, enum metrics_kind kind)
{
    for (size_t i = 0; i < metrics_used; i++)
        if (strcmp(metrics_table[i].name, name) == 0)
            return (metrics_id)i;
    ASSERT(metrics_used < METRICS_MAX);
    metrics_table[metrics_used] = (struct metrics_info){.name = name, .help = help, .kind = kind};
    return (metrics_id)metrics_used++;
}

metrics_id metrics_counter(const char *name, const char *help)
{
    return metrics_register(name, help, METRICS_COUNTER);
}

metrics_id metrics_gauge(const char *name, const char *help)
{
    return metrics_register(name, help, METRICS_GAUGE);
}

static void metrics_thread_ended(void *block)
{
    metrics_own = NULL;
    atomic_store_explicit(&((struct metrics_block *)block)->taken, false, memory_order_release);
}

static void metrics_key_create(void)
{
    ASSERT(pthread_key_create(&metrics_key, metrics_thread_ended) == 0);
}

/* The list only grows, at its head, so that it is walked without a lock. */
static struct metrics_block *metrics_block_claim(void)
{
    struct metrics_block *block = atomic_load(&metrics_blocks);
    for (; block; block = block->next) {
        bool taken = false;
        if (atomic_compare_exchange_strong(&block->taken, &taken, true))
            return block;
    }
    block = mem_zalloc_lines(sizeof *block);
    atomic_init(&block->taken, true);
    block->next = atomic_load(&metrics_blocks);
    while (!atomic_compare_exchange_weak(&metrics_blocks, &block->next, block))
        continue;
    return block;
}

static __attribute__((noinline)) void metrics_thread_began(void)
{
    pthread_once(&metrics_once, metrics_key_create);
    metrics_own = metrics_block_claim();
    ASSERT(pthread_setspecific(metrics_key, metrics_own) == 0);
}

void metrics_add(metrics_id id, int64_t n)
{
    ASSERT(id < METRICS_MAX);
    if (!metrics_own)
        metrics_thread_began();
    /* There is one writer: a load and a store do, no locked instruction. */
    _Atomic int64_t *value = &metrics_own->values[id];
    int64_t old = atomic_load_explicit(value, memory_order_relaxed);
    atomic_store_explicit(value, (int64_t)((uint64_t)old + (uint64_t)n), memory_order_relaxed);
}

int64_t metrics_read(metrics_id id)
{
    ASSERT(id < METRICS_MAX);
    uint64_t sum = 0;
    for (struct metrics_block *block = atomic_load(&metrics_blocks); block; block = block->next)
        sum += (uint64_t)atomic_load_explicit(&block->values[id], memory_order_relaxed);
    return (int64_t)sum;
}

size_t metrics_count(void)
{
    return metrics_used;
}

struct metrics_info metrics_describe(metrics_id id)
{
    ASSERT(id < metrics_used);
    return metrics_table[id];
}
