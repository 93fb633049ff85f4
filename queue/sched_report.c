#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"
#include "queue/dsn.h"
#include "queue/sched_private.h"

/* A report that could not be stored is made again: its message stays in the spool until then. */
#define AGAIN_MS (60 * 1000)

struct sched_report {
    struct sched_report *next, *prev;
    struct sched *sched; /* NULL: freed while the spool had the report */
    struct sched_message *message;
    struct timer timer;
    struct arena arena; /* what it says */
    struct arena work;  /* of this try to write it */
    struct sched_report_rcpt *rcpts;
    size_t count;
    const char *host;
    bool only_delay;
    bool committing;
    /* The report itself, while it is written and committed. */
    struct spool_txn *txn;
    struct mail_envelope envelope;
    struct spool_meta meta;
    bool line_begins;
};

static void report_free(struct sched_report *report)
{
    struct sched *sched = report->sched;
    if (sched) {
        *(report->prev ? &report->prev->next : &sched->reports) = report->next;
        if (report->next)
            report->next->prev = report->prev;
    }
    timer_cancel(&report->timer);
    arena_free(&report->work);
    arena_free(&report->arena);
    mem_free(report);
}

/* --- Its end --- */

static void settle_wide(struct sched_message *m, const struct sched_report *report)
{
    for (size_t i = 0; (m->flags & SCHED_WIDE) && i < report->count; i++)
        if (report->rcpts[i].kind != SETTLE_REPORT_DELAYED)
            m->wide->rcpts[report->rcpts[i].rcpt].unreported = false;
}

/* What a narrow message that still waits was last told: nobody else remembers. */
static struct spool_rcpt_outcome *narrow_outcomes(struct sched_report *report)
{
    struct spool_rcpt_outcome *out =
        ARENA_NEW_ARRAY(&report->work, struct spool_rcpt_outcome, report->count);
    for (size_t i = 0; i < report->count; i++)
        out[i] = (struct spool_rcpt_outcome){report->rcpts[i].rcpt, SPOOL_RCPT_PENDING,
                                             report->rcpts[i].status};
    return out;
}

static void report_over(struct sched_report *report, bool durable)
{
    struct sched_message *m = report->message;
    bool delay_told = false;
    for (size_t i = 0; i < report->count; i++)
        delay_told |= report->rcpts[i].kind == SETTLE_REPORT_DELAYED;
    if (delay_told)
        m->flags &= (uint16_t)~SCHED_DELAY_TELLING;
    if (delay_told && durable)
        m->flags |= SCHED_DELAY_TOLD;
    settle_wide(m, report);
    m->busy--;
    if (m->flags & SCHED_DEAD)
        sched_message_release(m);
    else
        sched_message_record(m, narrow_outcomes(report), report->count);
    report_free(report);
}

static void try_again_later(struct sched_report *report)
{
    LOG(LOG_ERROR, "report_not_stored", LOG_U64("original", report->message->ref.id),
        LOG_U64("next_s", AGAIN_MS / 1000));
    if (report->only_delay || (report->message->flags & SCHED_DEAD)) {
        report_over(report, false); /* it comes up again with the next attempt */
        return;
    }
    timer_set(loop_timers(report->sched->loop), &report->timer, clock_mono_ms() + AGAIN_MS);
}

static void on_committed(void *owner, const struct spool_committed *result)
{
    struct sched_report *report = owner;
    struct sched *sched = report->sched;
    report->committing = false;
    report->txn = NULL;
    if (!sched) {
        report_free(report);
        return;
    }
    if (result->err) {
        try_again_later(report);
        return;
    }
    sched_count(&sched->counters.reports, 1);
    LOG(LOG_INFO, "report_sent", LOG_U64("id", result->ref.id),
        LOG_U64("original", report->message->ref.id), LOG_U64("rcpts", report->count));
    KILL_POINT("report_committed");
    sched_submit(sched, &result->ref, &report->envelope, &report->meta, NULL);
    report_over(report, true);
}

/* --- Writing it --- */

static bool append(void *owner, struct bytes piece)
{
    struct sched_report *report = owner;
    report->meta.octets += piece.len;
    for (size_t i = 0; i < piece.len; i++) {
        if (report->line_begins && piece.ptr[i] == '.')
            report->meta.notes |= SCHED_NOTE_DOT_LINE;
        report->line_begins = piece.ptr[i] == '\n';
    }
    return spool_append(report->txn, piece) == ERR_OK;
}

static struct dsn_rcpt *dsn_rcpts(struct sched_report *report, const struct mail_envelope *envelope)
{
    static const enum dsn_action actions[] = {
        [SETTLE_REPORT_NONE] = DSN_FAILED,
        [SETTLE_REPORT_FAILED] = DSN_FAILED,
        [SETTLE_REPORT_DELAYED] = DSN_DELAYED,
        [SETTLE_REPORT_RELAYED] = DSN_RELAYED,
    };
    struct dsn_rcpt *out = ARENA_NEW_ARRAY(&report->work, struct dsn_rcpt, report->count);
    for (size_t i = 0; i < report->count; i++) {
        const struct sched_report_rcpt *rcpt = &report->rcpts[i];
        out[i] = (struct dsn_rcpt){
            .rcpt = &envelope->rcpts[rcpt->rcpt],
            .action = actions[rcpt->kind],
            .status = rcpt->status,
            .remote_mta = rcpt->remote ? bytes_of(report->host) : BYTES_EMPTY,
        };
    }
    return out;
}

static bool write_report(struct sched_report *report, const struct spool_message *original)
{
    const struct sched_settings *settings = &report->sched->settings;
    struct dsn_facts facts = {
        .hostname = settings->hostname,
        .postmaster = settings->postmaster,
        .id = spool_txn_id(report->txn),
        .original = original,
        .now_ms = clock_wall_ms(),
        .rcpts = dsn_rcpts(report, &original->envelope),
        .rcpt_count = report->count,
    };
    if (__builtin_add_overflow(original->meta.received_at_ms,
                               settings->retry.message_expiration_timeout_ms,
                               &facts.retry_until_ms))
        facts.retry_until_ms = facts.now_ms;
    report->line_begins = true;
    report->meta = (struct spool_meta){
        .received_at_ms = facts.now_ms,
        .client = IPADDR_V4_ANY,
        .connector = BYTES_EMPTY,
        .message_id = dsn_message_id(&facts, &report->work),
        .is_dsn = true,
    };
    if (!dsn_write(&facts, &report->work, append, report))
        return false;
    dsn_envelope(&facts, &report->work, &report->envelope);
    return true;
}

/* The original's envelope must be the one we know: its recipients are named by index. */
static enum err read_original(struct sched_report *report, struct spool_message *original)
{
    struct err_detail why = {""};
    struct sched_message *m = report->message;
    enum err err = spool_read(report->sched->spool, &m->ref, &report->work, original, &why);
    if (!err && original->envelope.rcpt_count != m->rcpt_count) {
        spool_message_close(original);
        err = ERR_CORRUPT;
    }
    return err;
}

static void report_send(struct sched_report *report)
{
    struct sched_message *m = report->message;
    struct sched *sched = report->sched;
    struct spool_message original;
    arena_reset(&report->work);
    enum err err = (m->flags & SCHED_DEAD) ? ERR_CORRUPT : read_original(report, &original);
    if (err == ERR_CORRUPT) {
        if (!(m->flags & SCHED_DEAD))
            sched_message_quarantine(m, "the record cannot be read for a report");
        report_over(report, false);
        return;
    }
    if (err) {
        try_again_later(report);
        return;
    }
    report->txn = spool_begin(sched->spool, loop_mailbox(sched->loop));
    bool written = write_report(report, &original);
    spool_message_close(&original);
    if (!written) {
        spool_abort(&report->txn);
        try_again_later(report);
        return;
    }
    report->committing = true;
    KILL_POINT("report_written");
    spool_commit(report->txn, &report->envelope, &report->meta, on_committed, report);
}

static void on_due(struct timer *timer)
{
    report_send(CONTAINER_OF(timer, struct sched_report, timer));
}

void sched_report_start(struct sched_message *m, const struct sched_report_rcpt *rcpts,
                        size_t count, const char *host)
{
    struct sched *sched = m->sched;
    struct sched_report *report = MEM_NEW(struct sched_report);
    report->sched = sched;
    report->message = m;
    report->timer.on_due = on_due;
    arena_init(&report->arena, 0);
    arena_init(&report->work, 0);
    report->host = arena_strdup(&report->arena, host);
    report->rcpts = ARENA_NEW_ARRAY(&report->arena, struct sched_report_rcpt, count);
    report->count = count;
    report->only_delay = true;
    for (size_t i = 0; i < count; i++) {
        report->rcpts[i] = rcpts[i];
        report->rcpts[i].status = mail_status_copy(&report->arena, &rcpts[i].status);
        report->only_delay &= rcpts[i].kind == SETTLE_REPORT_DELAYED;
    }
    report->next = sched->reports;
    if (report->next)
        report->next->prev = report;
    sched->reports = report;
    m->busy++;
    report_send(report);
}

void sched_reports_free(struct sched *sched)
{
    while (sched->reports) {
        struct sched_report *report = sched->reports;
        struct sched_message *m = report->message;
        m->busy--;
        sched_message_release(m);
        sched->reports = report->next;
        if (report->next)
            report->next->prev = NULL;
        report->sched = NULL;
        if (!report->committing)
            report_free(report);
        else
            timer_cancel(&report->timer);
    }
}
