/* net/smtp_sink.h - a server that takes every message and keeps none: where the demonstration's
 * mail and the load generator's end. Threads and loops of its own, one SO_REUSEPORT listener each,
 * so that it does not saturate first.
 */
#ifndef NET_SMTP_SINK_H
#define NET_SMTP_SINK_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/ipaddr.h"

struct smtp_sink;

struct smtp_sink_counts {
    uint64_t connections, messages, octets;
};

/* Whoever wants to see the messages: per connection one session of the observer's, made by on_open;
 * all calls for it come on one thread. on_end comes before the sender is told 250; a message that
 * ended otherwise just begins anew. */
struct smtp_sink_observer {
    void *owner;
    void *(*on_open)(void *owner);
    void (*on_begin)(void *session);
    void (*on_text)(void *session, struct bytes text);
    void (*on_end)(void *session);
    void (*on_close)(void *session);
};

/* AT with port 0: the kernel picks one. On failure nothing runs. */
MUST_USE enum err smtp_sink_start(const struct endpoint *at, unsigned threads,
                                  struct smtp_sink **out, struct err_detail *why);
/* OBSERVER (NULL: none) is the caller's and in place until the sink is stopped. */
MUST_USE enum err smtp_sink_start_observed(const struct endpoint *at, unsigned threads,
                                           const struct smtp_sink_observer *observer,
                                           struct smtp_sink **out, struct err_detail *why);
void smtp_sink_stop(struct smtp_sink **sink);
struct endpoint smtp_sink_address(const struct smtp_sink *sink);
void smtp_sink_read(const struct smtp_sink *sink, struct smtp_sink_counts *out); /* any thread */

#endif
