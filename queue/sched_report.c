/* Reports to the sender: written, committed like any message, and made again if that fails. */
#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"
#include "queue/dsn.h"
#include "queue/sched_shapes_private.h"

/* A report that could not be stored is made again: its message stays in the spool until then. */
#define AGAIN_MS (60 * 1000)

struct sched_report {
    struct cds_list_head link;
    struct sched *sched; /* NULL: freed while the spool had the report */
    struct sched_message *message;
    struct timer timer;
    struct arena arena; /* what it says */
    struct arena work;  /* of this try to write it */
    struct mail_rcpt *rcpts;
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
    list_remove(&report->link);
    timer_cancel(&report->timer);
    arena_free(&report->work);
    arena_free(&report->arena);
    mem_free(report);
}

/* --- Its end --- */

static void mark_durable(struct sched_message *m, const struct sched_report *report)
{
    for (size_t i = 0; (m->flags & SCHED_WIDE) && i < report->count; i++)
        if (report->rcpts[i].report != MAIL_REPORT_DELAYED)
            m->wide->rcpts[report->rcpts[i].index].report = MAIL_REPORT_NONE;
}

static void report_over(struct sched_report *report, bool durable)
{
    struct sched_message *m = report->message;
    bool delay_told = false;
    for (size_t i = 0; i < report->count; i++)
        delay_told |= report->rcpts[i].report == MAIL_REPORT_DELAYED;
    if (delay_told)
        m->flags &= (uint16_t)~SCHED_DELAY_TELLING;
    if (delay_told && durable)
        m->flags |= SCHED_DELAY_TOLD;
    mark_durable(m, report);
    ASSERT(m->busy > 0);
    m->busy--;
    if (m->flags & SCHED_DEAD)
        sched_message_release(m);
    else /* if it is narrow and still waits, only the report knows what it was told */
        sched_message_record(m, report->rcpts, report->count);
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
    sched->upward.submit(sched, &result->ref, &report->envelope, &report->meta, NULL);
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

/* What the envelope says of the recipients, and what became of them. */
static struct mail_rcpt *named_rcpts(struct sched_report *report,
                                     const struct mail_envelope *envelope)
{
    struct mail_rcpt *out = ARENA_NEW_ARRAY(&report->work, struct mail_rcpt, report->count);
    for (size_t i = 0; i < report->count; i++) {
        const struct mail_rcpt *rcpt = &report->rcpts[i];
        out[i] = envelope->rcpts[rcpt->index];
        out[i].report = rcpt->report;
        out[i].remote = rcpt->remote;
        out[i].status = rcpt->status;
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
        .rcpts = named_rcpts(report, &original->envelope),
        .rcpt_count = report->count,
        .remote_mta = bytes_of(report->host),
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

static struct sched_report *report_new(struct sched_message *m, const char *host, size_t rcpts_max)
{
    struct sched_report *report = MEM_NEW(struct sched_report);
    report->sched = m->sched;
    report->message = m;
    report->timer.on_due = on_due;
    arena_init(&report->arena, 0);
    arena_init(&report->work, 0);
    report->host = arena_strdup(&report->arena, host);
    report->rcpts = ARENA_NEW_ARRAY(&report->arena, struct mail_rcpt, rcpts_max);
    report->only_delay = true;
    list_add_first(&m->sched->reports, &report->link);
    m->busy++;
    return report;
}

static void report_add(struct sched_report *report, const struct mail_rcpt *rcpt)
{
    ASSERT(rcpt->index < report->message->rcpt_count);
    report->rcpts[report->count++] = (struct mail_rcpt){
        .report = rcpt->report,
        .remote = rcpt->remote,
        .index = rcpt->index,
        .status = mail_status_copy(&report->arena, &rcpt->status),
    };
    report->only_delay &= rcpt->report == MAIL_REPORT_DELAYED;
}

void sched_report_start(struct sched_message *m, const struct mail_rcpt *rcpts, size_t count,
                        const char *host)
{
    struct sched_report *report = NULL;
    for (size_t i = 0; i < count; i++) {
        if (rcpts[i].report == MAIL_REPORT_NONE)
            continue;
        if (!report)
            report = report_new(m, host, count - i);
        report_add(report, &rcpts[i]);
    }
    if (report)
        report_send(report);
}

void sched_reports_free(struct sched *sched)
{
    LIST_EACH_SAFE (report, &sched->reports, struct sched_report, link) {
        struct sched_message *m = report->message;
        m->busy--;
        sched_message_release(m);
        list_remove(&report->link);
        report->sched = NULL;
        if (!report->committing)
            report_free(report);
        else
            timer_cancel(&report->timer);
    }
}
