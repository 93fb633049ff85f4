/* queue/settle.h - what an attempt's answers mean for the message. Pure.
 *
 * 2xx: delivered. 5xx: failed. Else: wait, unless it is older than message_expiration_timeout and
 * has been tried: then failed with 4.4.7. Which of it is reported to the sender: RFC 3461 5.2, 6.1;
 * never for <>, never about a report (RFC 5321 4.5.4, 6.1).
 */
#ifndef QUEUE_SETTLE_H
#define QUEUE_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/retry.h"
#include "queue/spool.h"

struct settle_facts {
    const struct mail_envelope *envelope;
    const struct spool_meta *meta;
    bool delay_notified;
    int64_t now_ms; /* wall clock */
};

/* What ATTEMPT's answers mean. OUT is beside its recipients: each gets its status, its state and
 * the report that is due. True if any still waits. DELAYED is set when a delay report became due.
 */
bool settle(const struct settle_facts *facts, const struct retry_settings *retry,
            const struct mail_attempt *attempt, struct mail_rcpt *out, bool *delayed);

#endif
