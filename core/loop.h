/* core/loop.h - a thread's epoll loop: descriptors, timers, a mailbox, and work put off to the
 * end of the turn.
 *
 * Everything on a loop runs on the loop's thread; only loop_mailbox() and loop_stop() may be used
 * from others. Descriptors are watched edge-triggered, for reading and writing at once, so that
 * waiting for something else costs no system call: a reader that meets EAGAIN waits for the next
 * edge.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/list.h"
#include "core/mailbox.h"
#include "core/timer.h"

struct loop;

/* Embedded in the owner of a descriptor. */
struct loop_watch {
    int fd;
    void (*on_ready)(struct loop_watch *w, uint32_t epoll_events);
};

/* Work for the end of this turn, run once each time it is deferred. */
struct loop_task {
    struct cds_list_head link;
    bool queued;
    void (*run)(struct loop_task *task);
};

MUST_USE enum err loop_new(struct loop **out, struct err_detail *why);
/* Runs what is still in the mailbox or deferred; watches must be gone, armed timers are disarmed.
 * Not while another thread may still be in loop_stop() or mailbox_send(): join those first. */
void loop_free(struct loop **loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* One turn: mailbox, ready descriptors, due timers, deferred tasks. Waits at most WAIT_MS (-1:
 * until something happens; the next timer always bounds it). True if anything was done. */
bool loop_turn(struct loop *loop, int wait_ms);
void loop_stop(struct loop *loop); /* any thread */
/* For a thread that lives on its mailbox and has no thread waiting for it: under load it looks into
 * it every millisecond instead of being woken for every few items. */
void loop_gather(struct loop *loop);

/* Adds with EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLET. */
MUST_USE enum err loop_watch_add(struct loop *loop, struct loop_watch *w);
/* Adds with EVENTS as they are (listeners: level-triggered EPOLLIN). */
MUST_USE enum err loop_watch_add_events(struct loop *loop, struct loop_watch *w, uint32_t events);
void loop_watch_modify(struct loop *loop, struct loop_watch *w, uint32_t events);
/* Before close(); no event for W is delivered afterwards, in this turn neither. */
void loop_watch_remove(struct loop *loop, struct loop_watch *w);

struct timer_wheel *loop_timers(struct loop *loop);
uint64_t loop_now_ms(const struct loop *loop); /* monotonic, read once a turn */
struct mailbox *loop_mailbox(struct loop *loop);
/* Queued already: stays where it is. Work deferred by deferred work may run in the same turn. */
void loop_defer(struct loop *loop, struct loop_task *task);
/* TASK will not run unless it is deferred again; nothing if it is not queued. */
void loop_task_cancel(struct loop *loop, struct loop_task *task);

/* Scratch for reads, shared by all descriptors of the loop: valid until the handler returns. */
#define LOOP_SCRATCH_BYTES (128 * 1024)
char *loop_scratch(struct loop *loop);

#endif
