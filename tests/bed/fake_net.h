/* tests/bed/fake_net.h - a network in memory, in the place of net/conn.h and net/dns.h: connections
 * are pairs of queues, names are looked up in a rule, and no descriptor is opened. One thread; time
 * is the loops'.
 *
 * A program that links it gets these functions for the library's. TLS cannot be had on it.
 *
 * Names: the host "mx<N>.test" has the address 203.0.113.N; the domain "d<N>.test" has that host as
 * its mail exchanger; any other name does not exist.
 */
#ifndef TESTS_FAKE_NET_H
#define TESTS_FAKE_NET_H

#include "core/loop.h"
#include "net/conn.h"

/* FD stands for the new connection: it is for conn_accepted() alone. */
typedef void (*fake_net_accept)(void *owner, int fd, const struct endpoint *peer,
                                const struct endpoint *local);

/* Connections to AT are accepted from now on; those to other addresses are refused. */
void fake_net_listen(const struct endpoint *at, fake_net_accept accept, void *owner);
void fake_net_unlisten(const struct endpoint *at);
/* One of so many writes loses its connection, with a part of what was written; 0: none does. */
void fake_net_cuts(unsigned odds);
/* Every connection is lost, at both ends, at the next turn of its loop. */
void fake_net_cut_all(void);
/* Nothing listens, nothing is cut. No connection may be left. */
void fake_net_reset(void);
/* As conn_connect(), from an address of the caller's choice. */
struct conn *fake_net_connect(struct loop *loop, const struct endpoint *from,
                              const struct endpoint *to, const struct conn_ops *ops, void *owner);

#endif
