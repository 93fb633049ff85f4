/* A wait-free queue of many senders and one reader, who sleeps on an eventfd. */
#include "core/mailbox.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A sender preempted in the middle of an enqueue keeps the receiver waiting: give it the
 * processor rather than sleep for the library's 10 ms. */
#define CDS_WFCQ_WAIT_SLEEP(msec) ((void)(msec), (void)sched_yield())
#define _LGPL_SOURCE
#include <urcu/wfcqueue.h>

#include "core/err.h"
#include "core/mem.h"

struct mailbox {
    struct __cds_wfcq_head head; /* the receiver's cache line */
    int fd;
    uint64_t signals_owed; /* written, or about to be, and not read back yet */
    char apart[64];
    struct cds_wfcq_tail tail; /* the senders' */
    atomic_bool sleeping;
};

/* What mailbox_run() has taken and not run yet. */
struct batch {
    struct __cds_wfcq_head head;
    struct cds_wfcq_tail tail;
};

_Static_assert(sizeof(struct cds_wfcq_node) == sizeof(((struct mailbox_item *)0)->link),
               "a queue node fits the item");

static struct cds_wfcq_node *item_node(struct mailbox_item *item)
{
    return (struct cds_wfcq_node *)(void *)item->link;
}

static struct mailbox_item *node_item(struct cds_wfcq_node *node)
{
    return (struct mailbox_item *)(void *)node;
}

#ifndef MAILRACE_TSAN

static void queue_push(struct mailbox *mb, struct cds_wfcq_node *node)
{
    cds_wfcq_node_init(node);
    (void)cds_wfcq_enqueue(&mb->head, &mb->tail, node);
    /* The exchange of the tail was a full barrier: SLEEPING is read after it. */
}

static bool queue_empty(struct mailbox *mb)
{
    return cds_wfcq_empty(&mb->head, &mb->tail);
}

static struct cds_wfcq_node *queue_take(struct mailbox *mb, struct batch *batch)
{
    __cds_wfcq_init(&batch->head, &batch->tail);
    if (__cds_wfcq_splice_blocking(&batch->head, &batch->tail, &mb->head, &mb->tail) ==
        CDS_WFCQ_RET_SRC_EMPTY)
        return NULL;
    return __cds_wfcq_first_blocking(&batch->head, &batch->tail);
}

static struct cds_wfcq_node *queue_after(struct batch *batch, struct cds_wfcq_node *node)
{
    return __cds_wfcq_next_blocking(&batch->head, &batch->tail, node);
}

#else

/* The same queue in C11 terms. liburcu 0.13 orders memory by inline assembly, in which
 * ThreadSanitizer sees no ordering at all: it would report every hand-over as a race. */

static struct cds_wfcq_node *node_next(struct cds_wfcq_node *node)
{
    struct cds_wfcq_node *next;

    while (!(next = __atomic_load_n(&node->next, __ATOMIC_ACQUIRE)))
        (void)sched_yield();
    return next;
}

static void queue_push(struct mailbox *mb, struct cds_wfcq_node *node)
{
    struct cds_wfcq_node *last;

    __atomic_store_n(&node->next, NULL, __ATOMIC_RELAXED);
    last = __atomic_exchange_n(&mb->tail.p, node, __ATOMIC_SEQ_CST);
    __atomic_store_n(&last->next, node, __ATOMIC_RELEASE);
}

static bool queue_empty(struct mailbox *mb)
{
    return __atomic_load_n(&mb->tail.p, __ATOMIC_SEQ_CST) == &mb->head.node;
}

static struct cds_wfcq_node *queue_take(struct mailbox *mb, struct batch *batch)
{
    struct cds_wfcq_node *first;

    if (queue_empty(mb))
        return NULL;
    first = node_next(&mb->head.node);
    __atomic_store_n(&mb->head.node.next, NULL, __ATOMIC_RELAXED);
    batch->tail.p = __atomic_exchange_n(&mb->tail.p, &mb->head.node, __ATOMIC_SEQ_CST);
    return first;
}

static struct cds_wfcq_node *queue_after(struct batch *batch, struct cds_wfcq_node *node)
{
    return node == batch->tail.p ? NULL : node_next(node);
}

#endif

struct mailbox *mailbox_new(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct mailbox *mb;

    if (fd < 0)
        return NULL;
    mb = MEM_NEW(struct mailbox);
    mb->fd = fd;
    __cds_wfcq_init(&mb->head, &mb->tail);
    return mb;
}

void mailbox_free(struct mailbox **mb)
{
    if (!*mb)
        return;
    while (mailbox_run(*mb) > 0)
        ;
    (void)close((*mb)->fd);
    mem_free(*mb);
    *mb = NULL;
}

void mailbox_send(struct mailbox *mb, struct mailbox_item *item)
{
    uint64_t one = 1;

    ASSERT(item->run);
    queue_push(mb, item_node(item));
    /* Of all who find the receiver asleep one wakes it. */
    if (!atomic_load(&mb->sleeping) || !atomic_exchange(&mb->sleeping, false))
        return;
    /* The counter cannot overflow, so that nothing but a signal handler can stop this write. */
    while (write(mb->fd, &one, sizeof one) < 0)
        ASSERT(errno == EINTR);
}

size_t mailbox_run(struct mailbox *mb)
{
    struct batch batch;
    struct cds_wfcq_node *node = queue_take(mb, &batch);
    size_t count = 0;

    while (node) {
        struct mailbox_item *item = node_item(node);

        node = queue_after(&batch, node); /* before ITEM is its receiver's again */
        item->run(item);
        count++;
    }
    return count;
}

bool mailbox_sleep_begin(struct mailbox *mb)
{
    if (!queue_empty(mb))
        return false;
    /* Announce, then look again (sequentially consistent, against the sender's enqueue, then look):
     * either we see the item or its sender sees that we sleep. */
    atomic_store(&mb->sleeping, true);
#ifndef MAILRACE_TSAN
    atomic_thread_fence(memory_order_seq_cst);
#endif
    if (queue_empty(mb))
        return true;
    mailbox_sleep_abandon(mb);
    return false;
}

void mailbox_sleep_abandon(struct mailbox *mb)
{
    if (!atomic_exchange(&mb->sleeping, false))
        mb->signals_owed++;
}

void mailbox_sleep_end(struct mailbox *mb)
{
    uint64_t signals;

    mailbox_sleep_abandon(mb);
    /* The sender that found us asleep may not have written yet: then its signal wakes us once
     * more for nothing and is read after that. */
    if (mb->signals_owed > 0 && read(mb->fd, &signals, sizeof signals) == sizeof signals)
        mb->signals_owed -= signals;
}

int mailbox_fd(const struct mailbox *mb)
{
    return mb->fd;
}
