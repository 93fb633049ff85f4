/* tests/support/queue_settings.h - settings of the queue for tests that read no configuration: what
 * Exchange's schedule and a small installation have. */
#ifndef TESTS_QUEUE_SETTINGS_H
#define TESTS_QUEUE_SETTINGS_H

#include "queue/retry.h"
#include "queue/spool.h"

#define TEST_RETRY_SETTINGS                                                                        \
    ((struct retry_settings){.glitch_retry_count = 4,                                              \
                             .transient_failure_retry_count = 6,                                   \
                             .glitch_retry_interval_ms = 60000,                                    \
                             .transient_failure_retry_interval_ms = 300000,                        \
                             .outbound_connection_failure_retry_interval_ms = 600000,              \
                             .message_retry_interval_ms = 300000,                                  \
                             .message_expiration_timeout_ms = 172800000,                           \
                             .delay_notification_timeout_ms = 14400000})

#define TEST_SPOOL_SETTINGS                                                                        \
    ((struct spool_settings){.segment_size_bytes = 32 << 20,                                       \
                             .inline_max_bytes = 128 << 10,                                        \
                             .min_free_bytes = 256 << 20})

#endif
