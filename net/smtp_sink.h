/* net/smtp_sink.h - a server that takes every message and keeps none: where the demonstration's
 * mail and the load generator's end. Threads and loops of its own, one SO_REUSEPORT listener each,
 * so that it does not saturate first.
 */
#ifndef NET_SMTP_SINK_H
#define NET_SMTP_SINK_H

#include <stdint.h>

#include "core/err.h"
#include "core/ipaddr.h"

struct smtp_sink;

struct smtp_sink_counts {
    uint64_t connections, messages, octets;
};

/* AT with port 0: the kernel picks one. On failure nothing runs. */
MUST_USE enum err smtp_sink_start(const struct endpoint *at, unsigned threads,
                                  struct smtp_sink **out, struct err_detail *why);
void smtp_sink_stop(struct smtp_sink **sink);
struct endpoint smtp_sink_address(const struct smtp_sink *sink);
void smtp_sink_read(const struct smtp_sink *sink, struct smtp_sink_counts *out); /* any thread */

#endif
