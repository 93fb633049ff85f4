/* net/listen.h - a listening socket per binding and worker (SO_REUSEPORT), accepted in batches.
 *
 * Descriptor shortage (EMFILE, ENFILE, ENOBUFS, ENOMEM) pauses the listener for a second instead
 * of spinning; one descriptor is kept in reserve to tell the peer "421" first.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "core/err.h"
#include "core/ipaddr.h"
#include "core/loop.h"

struct listener;

/* Binds and listens; not yet watched. Names the address in WHY (EADDRINUSE, EACCES, ...). Port 0
 * picks one. Main thread, before privileges are dropped. */
MUST_USE enum err listen_open(const struct endpoint *at, int *fd, struct err_detail *why);
/* Fails where another socket listens already, be it one of us: what the kernel lets processes of
 * one user share would give each a part of the connections. For the first start, when none of our
 * own sockets is there yet. */
MUST_USE enum err listen_check_free(const struct endpoint *at, struct err_detail *why);
/* The address a socket really has (after port 0). */
struct endpoint listen_address(int fd);

/* Watches FD on LOOP and takes it over. on_accept gets each connection's descriptor (non-blocking,
 * close-on-exec, TCP_NODELAY) and owns it. */
struct listener *listener_start(struct loop *loop, int fd,
                                void (*on_accept)(void *owner, int fd, const struct endpoint *peer,
                                                  const struct endpoint *local),
                                void *owner);
void listener_stop(struct listener **l); /* closes */

#endif
