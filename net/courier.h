/* net/courier.h - delivers: takes an envelope to a destination and brings back what each
 * recipient was told.
 *
 * One courier per delivery thread, with its loop, its resolver and its open sessions
 * (net/session_pool_private.h). Knows no time of retries and no disk. Jobs that have routes with
 * the same connection_key share connections.
 */
#ifndef NET_COURIER_H
#define NET_COURIER_H

#include "core/loop.h"
#include "net/courier_job.h"

struct courier;

MUST_USE enum err courier_new(struct loop *loop, const struct courier_settings *settings,
                              struct courier **out, struct err_detail *why);
/* Jobs under way end with 4.3.2; their on_done may deliver nothing more. Not from inside on_done.
 */
void courier_free(struct courier **c);
/* Takes JOB; its arena may be used by the courier until on_done. */
void courier_deliver(struct courier *c, struct courier_job *job);
/* For handshakes from now on, in place of settings->tls: a reference of its own is taken. */
void courier_tls_set(struct courier *c, struct tls_context *tls);
size_t courier_connections(const struct courier *c);

#endif
