/* mailrace/worker.h - a receiving thread: its loop, its listeners, its sessions. */
#ifndef MAILRACE_WORKER_H
#define MAILRACE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/ipaddr.h"

struct auth_throttle;
struct inbound;
struct loop;
struct relay;
struct worker;

MUST_USE enum err worker_new(struct relay *relay, unsigned number, struct worker **out,
                             struct err_detail *why);
/* Takes FD over; before worker_start() or, from any thread, after it. */
void worker_listen(struct worker *w, const struct endpoint *at, int fd);
/* Closes the listener of that address. Any thread. */
void worker_unlisten(struct worker *w, const struct endpoint *at);
MUST_USE enum err worker_start(struct worker *w, struct err_detail *why);
/* Closes the listeners and says 421 to every session. Any thread. */
void worker_drain(struct worker *w);
/* Ends the thread; sessions that are still open are cut. */
void worker_stop(struct worker *w);
void worker_free(struct worker **w);

/* Worker's thread: the list of sessions belongs to it. */
struct loop *worker_loop(struct worker *w);
struct relay *worker_relay(struct worker *w);
struct auth_throttle *worker_auth_throttle(struct worker *w); /* of its own connections */
void worker_session_added(struct worker *w, struct inbound *session);
void worker_session_removed(struct worker *w, struct inbound *session);
/* One more connection under max_connection_rate_per_minute? Each worker grants its share, refilled
 * evenly. */
bool worker_connection_allowed(struct worker *w, uint64_t rate_per_minute);

#endif
