/* mailrace/worker.h - a receiving thread: its loop, its listeners, its sessions. */
#ifndef MAILRACE_WORKER_H
#define MAILRACE_WORKER_H

#include "core/err.h"
#include "core/ipaddr.h"

struct inbound_services;
struct worker;

MUST_USE enum err worker_new(unsigned number, struct worker **out, struct err_detail *why);
/* Takes FD over; before worker_start() or, from any thread, after it. */
void worker_listen(struct worker *w, const struct endpoint *at, int fd);
/* Closes the listener of that address. Any thread. */
void worker_unlisten(struct worker *w, const struct endpoint *at);
/* Of SERVICES what is the same for all workers; the rest is the worker's to fill. */
MUST_USE enum err worker_start(struct worker *w, const struct inbound_services *services,
                               struct err_detail *why);
/* Closes the listeners and says 421 to every session. Any thread. */
void worker_drain(struct worker *w);
/* Ends the thread; sessions that are still open are cut. */
void worker_stop(struct worker *w);
void worker_free(struct worker **w);

#endif
