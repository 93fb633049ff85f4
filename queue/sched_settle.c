/* What an attempt's answers mean for a group: decided, applied, logged, reported, recorded. */
#include "core/clock.h"
#include "core/log.h"
#include "queue/sched_shapes_private.h"
#include "queue/settle.h"

struct settling {
    struct sched *sched;
    struct sched_message *m;
    struct sched_group *group; /* gone after place(), if nothing of it waits */
    uint32_t attempts;         /* its */
    const struct mail_attempt *attempt;
    struct sched_dest *dest; /* NULL: no route */
    bool only_waited;        /* its destination was tried for another message */
    struct arena arena;
    struct mail_rcpt *rcpts;       /* beside those of the attempt */
    struct spool_message original; /* envelope and meta, when READ */
    bool read, waits, delayed;
};

static bool older_than(const struct settling *x, uint64_t limit_ms)
{
    int64_t age;
    if (__builtin_sub_overflow(clock_wall_ms(), x->m->received_at_ms, &age) || age < 0)
        return false;
    return (uint64_t)age >= limit_ms;
}

static bool delay_due(const struct settling *x)
{
    unsigned not_again = SCHED_NO_REPORT | SCHED_DELAY_TOLD | SCHED_DELAY_TELLING;
    return !(x->m->flags & not_again) &&
           older_than(x, x->sched->settings.retry.delay_notification_timeout_ms);
}

/* Only what may end in a report, or in giving up, needs the envelope from the disk. */
static bool needs_envelope(const struct settling *x)
{
    const struct mail_attempt *a = x->attempt;
    bool late =
        older_than(x, x->sched->settings.retry.message_expiration_timeout_ms) || delay_due(x);
    bool success = (x->m->flags & SCHED_WANTS_SUCCESS) && !a->dsn_passed;
    for (size_t i = 0; i < a->rcpt_count; i++)
        if (mail_status_ok(&a->results[i]) ? success
                                           : late || mail_status_permanent(&a->results[i]))
            return true;
    return false;
}

/* Without the envelope: what was delivered is delivered, all else waits. */
static void decide_blindly(struct settling *x)
{
    for (size_t i = 0; i < x->attempt->rcpt_count; i++) {
        x->rcpts[i].status = x->attempt->results[i];
        bool ok = mail_status_ok(&x->rcpts[i].status);
        x->rcpts[i].state = ok ? MAIL_RCPT_DELIVERED : MAIL_RCPT_PENDING;
        x->waits |= !ok;
    }
}

static void decide(struct settling *x)
{
    const struct mail_attempt *a = x->attempt;
    x->rcpts = ARENA_NEW_ARRAY(&x->arena, struct mail_rcpt, a->rcpt_count);
    for (size_t i = 0; i < a->rcpt_count; i++)
        x->rcpts[i].index = a->rcpts[i];
    if (!x->read) {
        decide_blindly(x);
        return;
    }
    struct settle_facts facts = {
        .envelope = &x->original.envelope,
        .meta = &x->original.meta,
        .delay_notified = x->m->flags & (SCHED_DELAY_TOLD | SCHED_DELAY_TELLING),
        .now_ms = clock_wall_ms(),
    };
    bool due = delay_due(x);
    x->waits = settle(&facts, &x->sched->settings.retry, a, x->rcpts, &x->delayed);
    if (due && x->delayed)
        x->m->flags |= SCHED_DELAY_TELLING;
    else if (due && x->waits)
        x->m->flags |= SCHED_DELAY_TOLD; /* not asked for: not to be looked into again */
}

static void apply(struct settling *x)
{
    const struct mail_attempt *a = x->attempt;
    bool uniform = true;
    for (size_t i = 1; i < a->rcpt_count; i++)
        uniform &= x->rcpts[i].state == x->rcpts[0].state;
    if (!uniform)
        sched_message_widen(x->m);
    if (!(x->m->flags & SCHED_WIDE)) {
        x->m->flags |= x->waits ? 0 : SCHED_ENDED;
        return;
    }
    for (size_t i = 0; i < a->rcpt_count; i++) {
        struct sched_rcpt *rcpt = &x->m->wide->rcpts[a->rcpts[i]];
        sched_rcpt_note(rcpt, &x->rcpts[i].status);
        rcpt->state = x->rcpts[i].state;
        bool delay = x->rcpts[i].report == MAIL_REPORT_DELAYED;
        rcpt->report = delay ? MAIL_REPORT_NONE : x->rcpts[i].report;
        if (rcpt->state != MAIL_RCPT_PENDING)
            rcpt->group = NULL;
    }
}

/* --- What the log is told --- */

static const char *dest_name(const struct settling *x)
{
    return x->dest ? x->dest->key : "";
}

static bool expired(const struct settling *x, size_t i)
{
    return x->rcpts[i].status.code != x->attempt->results[i].code;
}

static void log_failed(const struct settling *x, size_t i)
{
    char reply[600], last[600];
    struct bytes address = x->original.envelope.rcpts[x->attempt->rcpts[i]].address;
    const char *report = x->rcpts[i].report == MAIL_REPORT_FAILED ? "yes"
                         : x->m->flags & SCHED_NO_REPORT          ? "null_sender"
                                                                  : "notify";
    mail_status_format(&x->rcpts[i].status, reply, sizeof reply);
    mail_status_format(&x->attempt->results[i], last, sizeof last);
    if (expired(x, i))
        LOG(LOG_WARNING, "message_expired", LOG_U64("id", x->m->ref.id), LOG_BYTES("rcpt", address),
            LOG_STR("destination", dest_name(x)), LOG_STR("reply", reply),
            LOG_STR("last_reply", last), LOG_STR("report", report),
            LOG_U64("attempts", x->attempts));
    else
        LOG(LOG_WARNING, "message_failed", LOG_U64("id", x->m->ref.id), LOG_BYTES("rcpt", address),
            LOG_STR("destination", dest_name(x)), LOG_STR("host", x->attempt->host),
            LOG_STR("reply", reply), LOG_STR("report", report), LOG_U64("attempts", x->attempts));
}

static void log_waiting(const struct settling *x, size_t i, int64_t next_at_ms)
{
    char reply[600];
    const struct mail_attempt *a = x->attempt;
    uint64_t next_s = (uint64_t)(next_at_ms - clock_wall_ms()) / 1000;
    mail_status_format(&x->rcpts[i].status, reply, sizeof reply);
    if (x->dest)
        LOG(LOG_INFO, "message_deferred", LOG_U64("id", x->m->ref.id),
            LOG_STR("destination", x->dest->key), LOG_STR("host", a->host), LOG_STR("reply", reply),
            LOG_U64("attempts", x->attempts), LOG_U64("ambiguous", a->ambiguous),
            LOG_U64("next_s", next_s));
    else
        LOG(LOG_WARNING, "message_unreachable", LOG_U64("id", x->m->ref.id),
            LOG_STR("reply", reply), LOG_U64("attempts", x->attempts), LOG_U64("next_s", next_s));
}

static void tell(const struct settling *x, int64_t next_at_ms)
{
    const struct mail_attempt *a = x->attempt;
    struct sched_counters *counters = &x->sched->counters;
    size_t delivered = 0, failed = 0, waiting = a->rcpt_count;
    for (size_t i = 0; i < a->rcpt_count; i++) {
        if (x->rcpts[i].state == MAIL_RCPT_DELIVERED && delivered++ == 0)
            sched_log_delivered(x->m, a, x->dest, &a->results[i]);
        if (x->rcpts[i].state == MAIL_RCPT_FAILED) {
            failed++;
            log_failed(x, i);
        }
        if (x->rcpts[i].state == MAIL_RCPT_PENDING && waiting == a->rcpt_count)
            waiting = i;
    }
    sched_count(&counters->delivered_rcpts, (int64_t)delivered);
    sched_count(&counters->failed_rcpts, (int64_t)failed);
    if (failed > 0 && (x->m->flags & SCHED_NO_REPORT))
        LOG(LOG_WARNING, "message_discarded", LOG_U64("id", x->m->ref.id), LOG_U64("rcpts", failed),
            LOG_STR("why", "no report to a null sender"));
    if (waiting == a->rcpt_count || x->only_waited)
        return;
    sched_count(&counters->deferrals, 1);
    log_waiting(x, waiting, next_at_ms);
}

void sched_log_delivered(const struct sched_message *m, const struct mail_attempt *a,
                         const struct sched_dest *dest, const struct mail_status *status)
{
    char reply[600];
    if (!log_enabled(LOG_INFO))
        return;
    LOG(LOG_INFO, "message_delivered", LOG_U64("id", m->ref.id), LOG_STR("destination", dest->key),
        LOG_STR("host", a->host), LOG_U64("rcpts", a->rcpt_count),
        LOG_STR("reply", mail_status_format(status, reply, sizeof reply)));
}

/* --- Where the group goes --- */

/* When it is tried next, wall clock; 0 when it is no more. */
static int64_t place(struct settling *x)
{
    const struct retry_settings *retry = &x->sched->settings.retry;
    const struct mail_attempt *a = x->attempt;
    if (!x->waits) {
        sched_group_drop(x->group);
        return 0;
    }
    if (x->only_waited) {
        sched_group_watch(x->group);
        return x->dest->next_attempt_at_ms;
    }
    if (a->host_failed && x->dest->waiting) {
        sched_dest_queue(x->dest, x->group);
        return x->dest->next_attempt_at_ms;
    }
    uint64_t delay_ms = retry_message_delay(retry);
    if (!x->dest)
        delay_ms = retry_destination_delay(retry, x->group->attempts);
    else if (a->host_failed)
        delay_ms = retry_destination_delay(retry, 1); /* others get through: soon again */
    sched_group_defer(x->group, delay_ms);
    x->group->no_route = !x->dest;
    return clock_wall_ms() + (int64_t)delay_ms;
}

static void start_report(struct settling *x)
{
    const struct mail_attempt *a = x->attempt;
    bool answered = a->host[0] && !a->host_failed;
    for (size_t i = 0; i < a->rcpt_count; i++)
        x->rcpts[i].remote = answered && !expired(x, i);
    sched_report_start(x->m, x->rcpts, a->rcpt_count, a->host);
}

static void record(struct settling *x)
{
    if (x->only_waited && x->waits)
        return; /* a delay report, if any, is recorded when it is durable */
    sched_message_record(x->m, x->rcpts, x->attempt->rcpt_count);
}

/* False: the message is corrupt, and gone. */
static bool read_envelope(struct settling *x)
{
    struct err_detail why = {""};
    if (!needs_envelope(x))
        return true;
    enum err err = spool_read(x->sched->spool, &x->m->ref, &x->arena, &x->original, &why);
    x->read = err == ERR_OK && x->original.envelope.rcpt_count == x->m->rcpt_count;
    if (err == ERR_CORRUPT) {
        sched_message_quarantine(x->m, why.text);
        return false;
    }
    if (err)
        LOG(LOG_ERROR, "message_unreadable", LOG_U64("id", x->m->ref.id),
            LOG_STR("while", "settling"), LOG_STR("why", why.text));
    return true;
}

void sched_group_settle(struct sched_group *group, const struct mail_attempt *attempt,
                        struct sched_dest *dest)
{
    struct sched_message *m = sched_group_message(group);
    struct settling x = {.sched = m->sched, .m = m, .group = group, .attempt = attempt};
    x.dest = dest;
    x.only_waited = group->place == SCHED_READY;
    ASSERT(x.only_waited || group->place == SCHED_NOWHERE);
    ASSERT(dest || !attempt->host_failed);
    arena_init(&x.arena, 0);
    if (!x.only_waited)
        group->attempts++;
    if (attempt->host_failed && dest->failures > group->attempts)
        group->attempts = dest->failures; /* tried for all that wait there */
    x.attempts = group->attempts;
    if (read_envelope(&x)) {
        decide(&x);
        apply(&x);
        m->busy++; /* keeps it while its groups are moved */
        int64_t next_at_ms = place(&x);
        tell(&x, next_at_ms);
        start_report(&x);
        m->busy--;
        record(&x);
        if (x.read)
            spool_message_close(&x.original);
    }
    arena_free(&x.arena);
}
