/* The world of the simulation: disk, destinations, oracle. */
#include "queue_world.h"

#include "plain_route.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "core/mem.h"

struct sim sim;

void wrong(const char *what, int message, int rcpt)
{
    if (sim.wrong++ < 20)
        fprintf(stderr, "%s: message %d recipient %d: %s\n", sim.scenario->name, message, rcpt,
                what);
}

bool chance(unsigned percent)
{
    return rand_below(100) < percent;
}

ssize_t io_pwritev_(struct io *io, int fd, const struct iovec *iov, int count, off_t at)
{
    bool full = sim.scenario->disk_full_percent > 0 &&
                (uint64_t)(clock_wall_ms() / HOUR) % 100 < sim.scenario->disk_full_percent;
    (void)io;
    if (sim.io_dead || full) {
        errno = sim.io_dead ? EIO : ENOSPC;
        return -1;
    }
    return pwritev(fd, iov, count, at);
}

int io_sync(struct io *io, int fd)
{
    (void)io;
    (void)fd;
    errno = EIO;
    return sim.io_dead ? -1 : 0;
}

int io_unlinkat_(struct io *io, int dirfd, const char *name, int flags)
{
    (void)io;
    errno = EIO;
    return sim.io_dead ? -1 : unlinkat(dirfd, name, flags);
}

int io_renameat_(struct io *io, int olddir, const char *old, int newdir, const char *name)
{
    (void)io;
    errno = EIO;
    return sim.io_dead ? -1 : renameat(olddir, old, newdir, name);
}

static bool is_down(struct dest *dest)
{
    bool sender = dest >= &sim.dests[DESTS];
    unsigned percent = sender ? sim.scenario->down_percent / 4 : sim.scenario->down_percent;
    while (percent > 0 && dest->flip_at_ms <= clock_wall_ms()) {
        uint64_t most = (uint64_t)(sender ? 6 * HOUR : 4 * DAY);
        uint64_t length = 1 + rand_below(chance(70) ? most / 50 : most);
        dest->down = !dest->down;
        dest->flip_at_ms += (int64_t)(dest->down ? length : length * (100 - percent) / percent);
    }
    return dest->down;
}

struct route *on_route(void *owner, struct bytes domain, uint64_t octets,
                       struct mail_status *status)
{
    (void)owner;
    (void)octets;
    if (domain.len < 2) {
        *status = MAIL_STATUS(550, 5, 1, 2, "No domain");
        return NULL;
    }
    /* Two domains have one destination. */
    return plain_route_new(bytes_equal(domain, BYTES("d1.test")) ? BYTES("d0.test") : domain);
}

static int dest_of(const char *key)
{
    int n = (int)strtol(key + 1, NULL, 10);
    return key[0] == 's' ? DESTS + n : n;
}

size_t make_text(int message, char to[TEXT_MAX])
{
    size_t len = (size_t)snprintf(to, TEXT_MAX, "Subject: %d\r\n\r\n", message);
    size_t total = 100 + (size_t)message * 2654435761u % (TEXT_MAX - 200);
    for (size_t i = 0; len < total; i++) {
        memcpy(to + len, i % 20 == 19 ? "\r\n" : "ab", 2);
        len += 2;
    }
    return len;
}

static char *read_text(const struct spool_message *m, struct arena *arena)
{
    char *text = arena_alloc(arena, (size_t)m->meta.octets + 1);
    if (spool_read_text(m, 0, text, (size_t)m->meta.octets))
        wrong("the text cannot be read", -1, -1);
    return text;
}

bool parse_address(const char *text, int *message, int *rcpt)
{
    return sscanf(text, "m%dr%d@", message, rcpt) == 2 && *message < sim.sent &&
           (size_t)*rcpt < sim.messages[*message].rcpt_count;
}

/* The report reached the sender (or was refused): whom does it name, and as what? */
static void report_arrives(const char *text, bool refused)
{
    static const char field[] = "\r\nFinal-Recipient: rfc822; ";
    while ((text = strstr(text, field))) {
        int message, rcpt;
        text += sizeof field - 1;
        if (!parse_address(text, &message, &rcpt)) {
            wrong("a report about nobody", -1, -1);
            return;
        }
        struct rcpt *r = &sim.messages[message].rcpts[rcpt];
        const char *action = strstr(text, "\r\nAction: ");
        if (sim.messages[message].null_sender)
            wrong("a report to the null sender", message, rcpt);
        if (refused)
            r->report_lost = true;
        else if (action && strncmp(action + 10, "failed", 6) == 0)
            r->failed_reports++;
        else if (action && strncmp(action + 10, "delayed", 7) == 0)
            r->delay_reports++;
        else
            r->relayed_reports++;
    }
}

static void check_text(const struct spool_message *m, int message, struct arena *arena)
{
    char expected[TEXT_MAX];
    size_t len = make_text(message, expected);
    if (m->meta.octets != len || memcmp(read_text(m, arena), expected, len) != 0)
        wrong("the text has changed", message, -1);
}

/* Retries are due after the interval and a sixteenth at most; nothing else stands in the way
 * where only answers of 4xx are given. */
static void check_time(struct message *m, int number)
{
    m->attempts++;
    if (m->told_later_ms == 0 || m->crashed)
        return;
    int64_t waited = clock_wall_ms() - m->told_later_ms;
    if (waited < 5 * MINUTE)
        wrong("tried again too early", number, 0);
    if (sim.scenario->down_percent == 0 && sim.scenario->ambiguous_percent == 0 &&
        waited > 5 * MINUTE * 17 / 16 + 1)
        wrong("tried again too late", number, 0);
    m->told_later_ms = 0;
}

static struct mail_status answer_of(struct rcpt *rcpt)
{
    if (chance(sim.scenario->perm_percent)) {
        rcpt->refused = true;
        return MAIL_STATUS(550, 5, 1, 1, "Unknown user");
    }
    if (chance(sim.scenario->temp_percent))
        return MAIL_STATUS(450, 4, 2, 0, "Greylisted");
    rcpt->delivered++;
    return MAIL_STATUS(250, 2, 0, 0, "Taken");
}

static void transfer_mail(struct sched_job *job, const struct spool_message *m)
{
    bool ambiguous = chance(sim.scenario->ambiguous_percent);
    for (size_t i = 0; i < job->attempt.rcpt_count; i++) {
        int number, rcpt;
        if (!parse_address(m->envelope.rcpts[job->attempt.rcpts[i]].address.ptr, &number, &rcpt)) {
            wrong("an unknown address", -1, -1);
            return;
        }
        struct message *message = &sim.messages[number];
        if (i == 0)
            check_text(m, number, &job->arena);
        message->last_turn = sim.turn;
        job->attempt.results[i] = answer_of(&message->rcpts[rcpt]);
        if (message->rcpt_count == 1 && job->attempt.results[i].code == 450 && !ambiguous)
            message->told_later_ms = clock_wall_ms();
        if (ambiguous) { /* it came through, and the reply was lost */
            message->ambiguous = job->attempt.ambiguous = job->attempt.host_failed = true;
            job->attempt.results[i] = MAIL_STATUS(451, 4, 4, 2, "Connection lost");
        }
    }
}

static void transfer_report(struct sched_job *job, const struct spool_message *m)
{
    bool refused = chance(sim.scenario->perm_percent / 2);
    if (m->envelope.sender.len > 0 || m->envelope.rcpt_count != 1)
        wrong("a report with a sender", -1, -1);
    report_arrives(read_text(m, &job->arena), refused);
    job->attempt.results[0] =
        refused ? MAIL_STATUS(550, 5, 1, 1, "Unknown user") : MAIL_STATUS(250, 2, 0, 0, "Taken");
}

/* What is under way together fails together, which is one failure: it counts from the first, even
 * if others got through after the failed one began. What began before the last failure, or before
 * the destination was reached again, says nothing. Whoever waited for that begins at that very
 * moment, and does count. */
static void dest_failed(struct dest *dest, int64_t begun_at_ms)
{
    if (begun_at_ms >= dest->reached_at_ms && begun_at_ms > dest->failed_at_ms)
        dest->failed_at_ms = clock_wall_ms();
}

static void dest_reached(struct dest *dest)
{
    if (dest->failed_at_ms > 0)
        dest->reached_at_ms = clock_wall_ms();
    dest->failed_at_ms = 0;
}

/* The scheduler hears of a failure one turn later, which is not yet later on the clock. */
static bool must_rest(const struct dest *dest)
{
    return dest->failed_at_ms > 0 && clock_wall_ms() > dest->failed_at_ms &&
           clock_wall_ms() < dest->failed_at_ms + MINUTE;
}

static void transfer_end(struct timer *timer)
{
    struct transfer *transfer = CONTAINER_OF(timer, struct transfer, timer), **link;
    struct sched_job *job = transfer->job;
    struct dest *dest = &sim.dests[dest_of(job->route->key)];
    struct spool_message m;
    struct err_detail why;
    for (link = &sim.transfers; *link != transfer;)
        link = &(*link)->next;
    *link = transfer->next;
    int64_t begun_at_ms = transfer->begun_at_ms;
    mem_free(transfer);

    job->attempt.results =
        ARENA_NEW_ARRAY(&job->arena, struct mail_status, job->attempt.rcpt_count);
    if (is_down(dest)) {
        job->attempt.host_failed = true;
        for (size_t i = 0; i < job->attempt.rcpt_count; i++)
            job->attempt.results[i] = MAIL_STATUS(451, 4, 4, 1, "No answer");
        dest_failed(dest, begun_at_ms);
    } else if (spool_read(sim.spool, &job->ref, &job->arena, &m, &why)) {
        fprintf(stderr, "message %" PRIu64 ": %s\n", job->ref.id, why.text);
        wrong("unreadable", -1, -1);
        job->unreadable = true;
    } else {
        bytes_to_cstr(bytes_of(job->route->key), job->attempt.host, sizeof job->attempt.host);
        (m.meta.is_dsn ? transfer_report : transfer_mail)(job, &m);
        spool_message_close(&m);
        if (job->attempt.host_failed)
            dest_failed(dest, begun_at_ms);
        else
            dest_reached(dest);
    }
    sched_finished(sim.sched, job);
}

void on_deliver(void *owner, struct sched_job *job)
{
    struct dest *dest = &sim.dests[dest_of(job->route->key)];
    struct transfer *transfer = MEM_NEW(struct transfer);
    struct arena arena;
    struct spool_message m;
    int number, rcpt;
    (void)owner;
    sim.jobs++;
    if (must_rest(dest) && sim.crashes == 0)
        wrong("a dead destination is not left alone", -1, -1);
    arena_init(&arena, 0);
    if (!spool_read(sim.spool, &job->ref, &arena, &m, NULL)) {
        if (!m.meta.is_dsn && parse_address(m.envelope.rcpts[0].address.ptr, &number, &rcpt))
            check_time(&sim.messages[number], number);
        spool_message_close(&m);
    }
    arena_free(&arena);
    transfer->job = job;
    transfer->begun_at_ms = clock_wall_ms();
    transfer->timer.on_due = transfer_end;
    transfer->next = sim.transfers;
    sim.transfers = transfer;
    timer_set(loop_timers(sim.loop), &transfer->timer, clock_mono_ms() + rand_below(20000));
}
