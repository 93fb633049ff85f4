/* core/mailbox.h - work handed from any thread to one thread; ownership moves with it.
 *
 * A wait-free queue (liburcu wfcqueue). Sending costs one exchange, and one eventfd write only
 * when the receiver sleeps. An item carries the function that its receiver runs, so every kind
 * of message is a struct that embeds one. Items of one sender arrive in order.
 */
#ifndef CORE_MAILBOX_H
#define CORE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mailbox;

/* Embedded; belongs to the mailbox from send until run. run() may free or send it on. */
struct mailbox_item {
    void *link[1]; /* the queue's own */
    void (*run)(struct mailbox_item *item);
};

/* NULL with errno when there is no descriptor for its eventfd. */
struct mailbox *mailbox_new(void);
/* The receiver, when no thread sends any more. Items still queued are run first. */
void mailbox_free(struct mailbox **mb);

/* Any thread. */
void mailbox_send(struct mailbox *mb, struct mailbox_item *item);

/* Receiver only. Runs everything that is queued now; returns how many. */
size_t mailbox_run(struct mailbox *mb);
/* Receiver only. True: announced that we are about to sleep, a sender will write to
 * mailbox_fd(); false: something is queued, do not sleep. */
bool mailbox_sleep_begin(struct mailbox *mb);
void mailbox_sleep_end(struct mailbox *mb); /* awake again; drains the eventfd */
/* Awake again, for a receiver that watches mailbox_fd() edge-triggered and never drains it: every
 * signal is an edge of its own, and the read is saved. */
void mailbox_sleep_abandon(struct mailbox *mb);
int mailbox_fd(const struct mailbox *mb);

#endif
