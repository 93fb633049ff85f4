/* What the answers to an attempt mean for each recipient, and what the sender is told of it. */
#include "queue/settle.h"

#include "core/err.h"

static int64_t age_ms(const struct settle_facts *facts)
{
    int64_t age;
    if (__builtin_sub_overflow(facts->now_ms, facts->meta->received_at_ms, &age))
        return 0; /* a stored time that no clock has shown */
    return age;
}

static bool older_than(const struct settle_facts *facts, uint64_t limit_ms)
{
    int64_t age = age_ms(facts);
    return age >= 0 && (uint64_t)age >= limit_ms;
}

/* RFC 5321 4.5.4, 6.1: no report about a report, none to the null reverse-path. */
static bool may_report(const struct settle_facts *facts)
{
    return facts->envelope->sender.len > 0 && !facts->meta->is_dsn;
}

/* RFC 3461 4.1: without NOTIFY failures are reported, and delays where the local policy has it. */
static bool wants(uint8_t notify, uint8_t kind)
{
    if (notify == 0)
        return kind != MAIL_NOTIFY_SUCCESS;
    return (notify & MAIL_NOTIFY_NEVER) == 0 && (notify & kind) != 0;
}

static void settle_delivered(const struct settle_facts *facts, uint8_t notify, bool dsn_passed,
                             struct mail_rcpt *rcpt)
{
    rcpt->state = MAIL_RCPT_DELIVERED;
    if (may_report(facts) && !dsn_passed && wants(notify, MAIL_NOTIFY_SUCCESS))
        rcpt->report = MAIL_REPORT_RELAYED;
}

static void settle_failed(const struct settle_facts *facts, uint8_t notify, struct mail_rcpt *rcpt)
{
    rcpt->state = MAIL_RCPT_FAILED;
    if (may_report(facts) && wants(notify, MAIL_NOTIFY_FAILURE))
        rcpt->report = MAIL_REPORT_FAILED;
}

static void settle_waiting(const struct settle_facts *facts, const struct retry_settings *retry,
                           uint8_t notify, struct mail_rcpt *rcpt)
{
    rcpt->state = MAIL_RCPT_PENDING;
    bool due = !facts->delay_notified && older_than(facts, retry->delay_notification_timeout_ms);
    if (due && may_report(facts) && wants(notify, MAIL_NOTIFY_DELAY))
        rcpt->report = MAIL_REPORT_DELAYED;
}

bool settle(const struct settle_facts *facts, const struct retry_settings *retry,
            const struct mail_attempt *attempt, struct mail_rcpt *out, bool *delayed)
{
    bool waiting = false;
    bool expired = older_than(facts, retry->message_expiration_timeout_ms);
    *delayed = false;
    for (size_t i = 0; i < attempt->rcpt_count; i++) {
        ASSERT(attempt->rcpts[i] < facts->envelope->rcpt_count);
        struct mail_rcpt *rcpt = &out[i];
        uint8_t notify = facts->envelope->rcpts[attempt->rcpts[i]].notify;
        rcpt->status = attempt->results[i];
        rcpt->report = MAIL_REPORT_NONE;
        if (!mail_status_ok(&rcpt->status) && !mail_status_permanent(&rcpt->status) && expired)
            rcpt->status = MAIL_STATUS(550, 4, 4, 7, "QUEUE.Expired; message expired");
        if (mail_status_ok(&rcpt->status))
            settle_delivered(facts, notify, attempt->dsn_passed, rcpt);
        else if (mail_status_permanent(&rcpt->status))
            settle_failed(facts, notify, rcpt);
        else
            settle_waiting(facts, retry, notify, rcpt);
        waiting |= rcpt->state == MAIL_RCPT_PENDING;
        *delayed |= rcpt->report == MAIL_REPORT_DELAYED;
    }
    return waiting;
}
