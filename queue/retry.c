/* The intervals between attempts. */
#include "queue/retry.h"

#include "core/rand.h"

/* One part in so many is added at most: enough to spread a crowd, too little to be noticed. */
#define JITTER_PART 16

/* Only ever later: the configured interval is a promise to the other side. */
static uint64_t with_jitter(uint64_t interval_ms)
{
    uint64_t base = interval_ms > 0 ? interval_ms : 1;
    return base + rand_below(base / JITTER_PART + 1);
}

uint64_t retry_destination_delay(const struct retry_settings *s, uint32_t failures)
{
    uint64_t glitches = s->glitch_retry_count;
    if (failures <= glitches)
        return with_jitter(s->glitch_retry_interval_ms);
    if (failures <= glitches + s->transient_failure_retry_count)
        return with_jitter(s->transient_failure_retry_interval_ms);
    return with_jitter(s->outbound_connection_failure_retry_interval_ms);
}

uint64_t retry_message_delay(const struct retry_settings *s)
{
    /* The interval is the same for every attempt, as in Exchange. */
    return with_jitter(s->message_retry_interval_ms);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t delay_max(const struct retry_settings *s)
{
    uint64_t most = larger(s->glitch_retry_interval_ms, s->transient_failure_retry_interval_ms);
    most = larger(most, s->outbound_connection_failure_retry_interval_ms);
    most = larger(most, s->message_retry_interval_ms);
    return most + most / JITTER_PART + 1;
}

uint64_t retry_delay_until(const struct retry_settings *s, int64_t at_ms, int64_t now_ms)
{
    int64_t wait;
    if (at_ms <= now_ms)
        return 0;
    if (__builtin_sub_overflow(at_ms, now_ms, &wait) || (uint64_t)wait > delay_max(s))
        return delay_max(s);
    return (uint64_t)wait;
}
