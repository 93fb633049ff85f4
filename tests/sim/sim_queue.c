/* sim_queue - the scheduler and the spool, both real, against a made-up world on a virtual clock:
 * two weeks of mail, dead hosts, refusals, lost replies and crashes in some seconds.
 *
 * What must hold in the end (promises P2 and P3): each recipient of each accepted message got it,
 * or its sender got a report that says so, or a rule forbade the report; nobody got it twice
 * unless a crash or a lost reply came between; every retry came when it was due, also after a
 * restart. Run it as: sim_queue [SEED]; the same seed runs the same weeks.
 */
#include <inttypes.h>
#include <time.h>

#include "core/log.h"
#include "core/mem.h"
#include "queue_world.h"
#include "queue_settings.h"

/* --- Mail comes in --- */

struct intake {
    int number;
    struct spool_meta meta;
    struct mail_envelope envelope;
    struct spool_txn *txn;
};

static void on_stored(void *owner, const struct spool_committed *result)
{
    struct intake *in = owner;
    struct message *m = &sim.messages[in->number];
    if (!result->err) {
        m->accepted = true;
        if (!sim.crashing)
            sched_submit(sim.sched, &result->ref, &in->envelope, &in->meta, NULL);
    }
}

static void make_rcpts(struct message *m, int number, struct arena *arena, struct mail_rcpt *out)
{
    static const uint8_t notifies[] = {0,
                                       0,
                                       0,
                                       MAIL_NOTIFY_NEVER,
                                       MAIL_NOTIFY_SUCCESS,
                                       MAIL_NOTIFY_FAILURE,
                                       MAIL_NOTIFY_SUCCESS | MAIL_NOTIFY_FAILURE};
    /* The schedule of one host: a message for several would have a schedule at each. */
    bool one = sim.scenario->messages == 1 || chance(70);
    m->rcpt_count = one ? 1 : 1 + (size_t)rand_below(RCPTS_MAX);
    for (size_t i = 0; i < m->rcpt_count; i++) {
        struct rcpt *r = &m->rcpts[i];
        r->dest = (int)rand_below(DESTS);
        r->notify = notifies[rand_below(ARRAY_SIZE(notifies))];
        out[i] = (struct mail_rcpt){
            .address = bytes_of(arena_printf(arena, "m%dr%zu@d%d.test", number, i, r->dest)),
            .notify = r->notify};
    }
}

static void send_one(void)
{
    int number = sim.sent++;
    struct message *m = &sim.messages[number];
    char text[TEXT_MAX];
    size_t len = make_text(number, text);
    struct spool_txn *txn = spool_begin(sim.spool, loop_mailbox(sim.loop));
    struct arena *arena = spool_txn_arena(txn);
    struct intake *in = ARENA_NEW(arena, struct intake);

    m->null_sender = chance(10);
    m->accepted_at_ms = clock_wall_ms();
    in->number = number;
    in->meta = (struct spool_meta){.received_at_ms = clock_wall_ms(),
                                   .octets = len,
                                   .connector = BYTES("sim"),
                                   .message_id = BYTES("<x@y>")};
    in->envelope =
        (struct mail_envelope){.sender = BYTES_EMPTY, .envid = BYTES_EMPTY, .auth = BYTES_EMPTY};
    if (!m->null_sender)
        in->envelope.sender = bytes_of(arena_printf(arena, "u@s%d.test", number % SENDERS));
    in->envelope.rcpts = ARENA_NEW_ARRAY(arena, struct mail_rcpt, RCPTS_MAX);
    make_rcpts(m, number, arena, in->envelope.rcpts);
    in->envelope.rcpt_count = m->rcpt_count;
    if (spool_append(txn, bytes_make(text, len)))
        spool_abort(&txn);
    else
        spool_commit(txn, &in->envelope, &in->meta, on_stored, in);
}

static void on_arrival(struct timer *timer)
{
    if (sim.sent >= sim.scenario->messages)
        return;
    for (uint64_t n = chance(5) ? 1 + rand_below(40) : 1; n > 0; n--)
        if (sim.sent < sim.scenario->messages)
            send_one();
    uint64_t gap = (uint64_t)(8 * DAY) / (uint64_t)sim.scenario->messages * 3;
    timer_set(loop_timers(sim.loop), timer, clock_mono_ms() + rand_below(gap));
}

/* --- Life and death --- */

static void check_recovered(const struct spool_message *m, const struct spool_outcome *outcome)
{
    int number, rcpt;
    if (m->meta.is_dsn || !parse_address(m->envelope.rcpts[0].address.ptr, &number, &rcpt))
        return;
    struct message *message = &sim.messages[number];
    message->accepted = true; /* whoever sent it did not hear so: RFC 1047 */
    if (!sim.scenario->quiet_crashes || message->rcpt_count > 1 || message->told_later_ms == 0)
        return;
    int64_t wait = outcome->next_attempt_at_ms - message->told_later_ms;
    if (outcome->attempts != message->attempts || wait < 5 * MINUTE ||
        wait > 5 * MINUTE * 17 / 16 + 1)
        wrong("the schedule was forgotten", number, 0);
}

static void on_recovered(void *owner, const struct spool_message *m,
                         const struct spool_outcome *outcome)
{
    (void)owner;
    check_recovered(m, outcome);
    sched_submit(sim.sched, &m->ref, &m->envelope, &m->meta, outcome);
}

static void start(void)
{
    static const struct sched_ops ops = {on_route, on_deliver};
    struct err_detail why;
    if (spool_open(&sim.settings, &sim.io, &sim.spool, &why)) {
        fprintf(stderr, "%s\n", why.text);
        exit(EXIT_FAILURE);
    }
    sim.sched = sched_new(sim.loop, &sim.sched_settings, sim.spool, &ops, NULL);
    spool_each_recovered(sim.spool, on_recovered, NULL);
}

static bool one_turn(void)
{
    sim.turn++;
    bool any = loop_turn(sim.loop, 0);
    return spool_step(sim.spool) || any;
}

static void forget_transfers(void)
{
    while (sim.transfers) {
        struct transfer *transfer = sim.transfers;
        struct spool_message m;
        struct arena arena;
        int number, rcpt;
        arena_init(&arena, 0);
        if (!spool_read(sim.spool, &transfer->job->ref, &arena, &m, NULL)) {
            /* It was begun, and the answer is lost with us: it begins anew. */
            if (!m.meta.is_dsn && parse_address(m.envelope.rcpts[0].address.ptr, &number, &rcpt))
                sim.messages[number].attempts--;
            spool_message_close(&m);
        }
        arena_free(&arena);
        sim.transfers = transfer->next;
        timer_cancel(&transfer->timer);
        mem_free(transfer);
    }
}

/* From here on nothing reaches the disk. What is still told to anyone is an error. */
static void stop(void)
{
    for (int i = 0; i < sim.sent; i++)
        if (sim.messages[i].last_turn + RECENT >= sim.turn && !sim.scenario->quiet_crashes)
            sim.messages[i].crashed = true;
    forget_transfers();
    sim.io_dead = sim.crashing = true;
    sched_free(&sim.sched);
    while (one_turn())
        ;
    spool_free(&sim.spool);
    sim.io_dead = sim.crashing = false;
}

static bool maybe_crash(bool quiet)
{
    const struct scenario *s = sim.scenario;
    if (s->crash_odds == 0 || (s->quiet_crashes && !quiet) || rand_below(s->crash_odds) > 0)
        return false;
    sim.crashes++;
    stop();
    start();
    return true;
}

static bool is_over(void)
{
    struct sched_stats stats;
    struct spool_stats spool;
    sched_stats_read(sim.sched, &stats);
    spool_stats_read(sim.spool, &spool);
    /* What was done last while the disk was full is noted when there is room again. */
    bool noted = sim.scenario->disk_full_percent == 0 || spool.live_messages == 0;
    return sim.sent >= sim.scenario->messages && stats.messages == 0 && noted;
}

static void run_weeks(void)
{
    int64_t end = START_MS + 14 * DAY;
    while (clock_wall_ms() < end) {
        bool any = one_turn();
        if (maybe_crash(!any) || any)
            continue;
        if (is_over())
            break;
        uint64_t next = timer_wheel_next(loop_timers(sim.loop)), now = clock_mono_ms();
        clock_virtual_advance(next == TIMER_NEVER ? (uint64_t)DAY : next > now ? next - now : 1);
    }
    while (one_turn())
        ;
}

/* --- The reckoning --- */

static void check_rcpt(const struct message *m, int number, int index)
{
    const struct rcpt *r = &m->rcpts[index];
    bool twice = m->ambiguous || m->crashed;
    bool wants_failure = r->notify == 0 || (r->notify & MAIL_NOTIFY_FAILURE);
    if (!m->accepted) {
        if (r->delivered > 0)
            wrong("delivered what was not accepted", number, index);
        return;
    }
    bool suppressed = m->null_sender || !wants_failure;
    bool reported = r->failed_reports > 0 || r->report_lost;
    if (r->delivered == 0 && !reported && !suppressed)
        wrong("lost", number, index);
    if (r->delivered == 0 && !r->refused && sim.scenario->down_percent == 0 &&
        sim.scenario->temp_percent < 90)
        wrong("neither delivered nor refused", number, index);
    if (r->delivered > 1 && !twice)
        wrong("delivered twice", number, index);
    if (r->delivered > 0 && r->failed_reports > 0 && !twice)
        wrong("delivered and reported", number, index);
    if (r->failed_reports > 0 && suppressed)
        wrong("reported against NOTIFY", number, index);
    if (sim.crashes == 0 &&
        (r->failed_reports > 1 || r->delay_reports > 1 || r->relayed_reports > 1))
        wrong("reported twice", number, index);
    bool wants_success = (r->notify & MAIL_NOTIFY_SUCCESS) && !m->null_sender;
    if (r->relayed_reports > 0 && !wants_success)
        wrong("success reported to nobody's wish", number, index);
    if (wants_success && r->delivered > 0 && !twice && r->relayed_reports == 0 && !r->report_lost)
        wrong("success was not reported", number, index);
}

static void check_all(void)
{
    struct sched_stats stats;
    struct spool_stats spool;
    sched_stats_read(sim.sched, &stats);
    spool_stats_read(sim.spool, &spool);
    if (stats.messages != 0 || stats.jobs_under_way != 0)
        wrong("the scheduler is not empty", (int)stats.messages, -1);
    if (spool.live_messages != 0)
        wrong("the spool is not empty", (int)spool.live_messages, -1);
    if (spool.quarantined != 0)
        wrong("quarantined", (int)spool.quarantined, -1);
    for (int i = 0; i < sim.sent; i++)
        for (size_t r = 0; r < sim.messages[i].rcpt_count; r++)
            check_rcpt(&sim.messages[i], i, (int)r);
    printf("%-30s %5d messages %6" PRIu64 " jobs %4u crashes %3u wrong\n", sim.scenario->name,
           sim.sent, sim.jobs, sim.crashes, sim.wrong);
}

/* --- A dead host's whole schedule, through restarts --- */

static int64_t probes[64];
static size_t probe_count;

static void on_probe(void *owner, struct sched_job *job)
{
    (void)owner;
    if (probe_count < ARRAY_SIZE(probes))
        probes[probe_count++] = clock_wall_ms();
    job->attempt.results =
        ARENA_NEW_ARRAY(&job->arena, struct mail_status, job->attempt.rcpt_count);
    for (size_t i = 0; i < job->attempt.rcpt_count; i++)
        job->attempt.results[i] = MAIL_STATUS(451, 4, 4, 1, "No answer");
    job->attempt.host_failed = true;
    sched_finished(sim.sched, job);
}

static void check_schedule(void)
{
    static const int64_t minutes[] = {1, 1, 1, 1, 5, 5, 5, 5, 5, 5, 10, 10, 10, 10};
    for (size_t i = 0; i < ARRAY_SIZE(minutes); i++) {
        int64_t waited = i + 1 < probe_count ? probes[i + 1] - probes[i] : 0;
        if (waited < minutes[i] * MINUTE || waited > minutes[i] * MINUTE * 17 / 16 + 1)
            wrong("a probe at the wrong time", (int)i, (int)(waited / 1000));
    }
    printf("%-30s %5zu probes %4u crashes %3u wrong\n", sim.scenario->name, probe_count,
           sim.crashes, sim.wrong);
}

static void run_probes(void)
{
    static const struct sched_ops ops = {on_route, on_probe};
    probe_count = 0;
    sched_free(&sim.sched);
    sim.sched = sched_new(sim.loop, &sim.sched_settings, sim.spool, &ops, NULL);
    send_one();
    while (probe_count < 16 && clock_wall_ms() < START_MS + DAY) {
        while (one_turn())
            ;
        if (chance(30)) {
            uint64_t due = timer_wheel_next(loop_timers(sim.loop)), away = clock_mono_ms();
            sim.crashes++;
            stop();
            if (due != TIMER_NEVER && due > away) /* away for a while, but back in time */
                clock_virtual_advance(rand_below(due - away));
            struct err_detail why;
            if (spool_open(&sim.settings, &sim.io, &sim.spool, &why))
                exit(EXIT_FAILURE);
            sim.sched = sched_new(sim.loop, &sim.sched_settings, sim.spool, &ops, NULL);
            while (spool_recovered_next(sim.spool, 3, on_recovered, NULL))
                ;
            continue;
        }
        uint64_t next = timer_wheel_next(loop_timers(sim.loop)), now = clock_mono_ms();
        clock_virtual_advance(next > now ? next - now : 1);
    }
    check_schedule();
}

/* --- The scenarios --- */

static const struct scenario scenarios[] = {
    {.name = "a calm world", .messages = 1200},
    {.name = "dead destinations", .messages = MESSAGES, .down_percent = 40},
    {.name = "every answer", .messages = MESSAGES, .temp_percent = 40, .perm_percent = 15},
    {.name = "lost replies",
     .messages = 1200,
     .temp_percent = 10,
     .perm_percent = 5,
     .ambiguous_percent = 10},
    {.name = "quiet restarts",
     .messages = 1200,
     .temp_percent = 50,
     .perm_percent = 10,
     .crash_odds = 250,
     .quiet_crashes = true},
    {.name = "a full disk at times",
     .messages = 1200,
     .temp_percent = 20,
     .perm_percent = 20,
     .disk_full_percent = 10},
    {.name = "crashes at any time",
     .messages = MESSAGES,
     .down_percent = 30,
     .temp_percent = 30,
     .perm_percent = 10,
     .ambiguous_percent = 3,
     .crash_odds = 700},
    {.name = "a dead host, with restarts", .messages = 1, .quiet_crashes = true},
};

static void remove_tree(const char *path)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0)
        fprintf(stderr, "%s is left behind\n", path);
}

static bool run(const struct scenario *scenario, uint64_t seed, const char *path)
{
    memset(&sim, 0, sizeof sim);
    sim.scenario = scenario;
    sim.messages = MEM_NEW_ARRAY(struct message, (size_t)scenario->messages);
    sim.io = *io_system;
    sim.io.pwritev = io_pwritev_;
    sim.io.fdatasync = sim.io.fsync = io_sync;
    sim.io.unlinkat = io_unlinkat_;
    sim.io.renameat = io_renameat_;
    clock_virtual_start(1000, START_MS);
    rand_seed(seed);
    for (size_t i = 0; i < ARRAY_SIZE(sim.dests); i++)
        sim.dests[i].flip_at_ms = START_MS + (int64_t)rand_below((uint64_t)(2 * DAY));
    sim.settings = TEST_SPOOL_SETTINGS;
    sim.settings.path = path;
    sim.settings.segment_size_bytes = 1 << 20;
    sim.settings.inline_max_bytes = INLINE_MAX;
    sim.settings.min_free_bytes = 0;
    sim.sched_settings.retry = TEST_RETRY_SETTINGS;
    sim.sched_settings.window_max = 20;
    sim.sched_settings.jobs_max = 60;
    sim.sched_settings.hostname = "relay.test";
    sim.sched_settings.postmaster = "postmaster@relay.test";
    if (loop_new(&sim.loop, NULL))
        return false;
    start();
    if (scenario->messages > 1) {
        sim.arrival.on_due = on_arrival;
        timer_set(loop_timers(sim.loop), &sim.arrival, clock_mono_ms());
        run_weeks();
        check_all();
    } else {
        run_probes();
    }
    stop();
    timer_cancel(&sim.arrival);
    loop_free(&sim.loop);
    mem_free(sim.messages);
    clock_virtual_end();
    remove_tree(path);
    return sim.wrong == 0;
}

int main(int argc, char **argv)
{
    const char *text = argc > 1 ? argv[1] : getenv("SEED");
    const char *dir = getenv("TMPDIR");
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    int passed = 0, failed = 0;
    char base[400], path[500];
    printf("SEED=%" PRIu64 "\n", seed);
    log_configure(&(struct log_settings){.level = getenv("SIM_LOG") ? LOG_INFO : LOG_ERROR});
    snprintf(base, sizeof base, "%s/sim_queue.XXXXXX", dir && *dir ? dir : "/tmp");
    if (!mkdtemp(base)) {
        perror(base);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
        snprintf(path, sizeof path, "%s/%zu", base, i);
        *(run(&scenarios[i], seed + i, path) ? &passed : &failed) += 1;
    }
    remove_tree(base);
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
