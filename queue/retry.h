/* queue/retry.h - when to try again, by the names of Exchange's settings. Pure.
 *
 * A destination that cannot be reached: glitch_retry_count times every glitch_retry_interval, then
 * transient_failure_retry_count times every transient_failure_retry_interval, then every
 * outbound_connection_failure_retry_interval. A message that was told 4xx: every
 * message_retry_interval. A little jitter, so that a thousand messages do not wake as one.
 */
#ifndef QUEUE_RETRY_H
#define QUEUE_RETRY_H

#include <stdint.h>

struct retry_settings {
    uint32_t glitch_retry_count, transient_failure_retry_count;
    uint64_t glitch_retry_interval_ms, transient_failure_retry_interval_ms;
    uint64_t outbound_connection_failure_retry_interval_ms;
    uint64_t message_retry_interval_ms;
    uint64_t message_expiration_timeout_ms;
    uint64_t delay_notification_timeout_ms;
};

/* Milliseconds until the next attempt after FAILURES (>= 1) in a row to reach a destination. */
uint64_t retry_destination_delay(const struct retry_settings *s, uint32_t failures);
uint64_t retry_message_delay(const struct retry_settings *s);
/* Milliseconds from NOW to a stored time (both wall clock), never more than the longest delay: the
 * clock may have been set back in between. 0: it has passed. */
uint64_t retry_delay_until(const struct retry_settings *s, int64_t at_ms, int64_t now_ms);

#endif
