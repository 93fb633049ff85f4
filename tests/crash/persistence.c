/* The power goes, on any file system that keeps its word about fsync and gives no other: whatever
 * subset of the unsynced pieces is on the disk, what was acknowledged is there, what was refused or
 * settled is not, and nothing is there in part.
 *
 * A scenario is written down once (op_log.h); each moment before a sync, and the end, is then tried
 * with subsets: all of them up to 12 pieces, a sample beyond.
 */
#include <unistd.h>

#include "campaign.h"
#include "core/clock.h"
#include "op_log.h"
#include "queue/spool.h"
#include "spool_bed.h"

enum { MESSAGES_MAX = 160, ROUNDS = 14, EXHAUSTIVE_MAX = 12, SAMPLE_FIRST = 12, SAMPLE = 400 };
enum { SCENARIOS_LEAST = 6 };
#define NEVER SIZE_MAX

struct history {     /* of a message: operations before ... */
    bool unanswered; /* the process died first: a start decides */
    size_t accepted_at, refused_at;
    size_t done_at;    /* ... it was said that it is done */
    size_t settled_at; /* ... and that was written */
    size_t attempts_at[ROUNDS + 1];
};

struct scenario {
    uint64_t seed, state;
    struct bed *bed;
    struct op_log *log;
    struct history messages[MESSAGES_MAX];
    uint32_t attempts[MESSAGES_MAX]; /* the last given */
    unsigned sent;
    size_t *points; /* operations before which the power goes */
    size_t point_count;
};

static uint64_t lot(struct scenario *s, uint64_t below)
{
    s->state = s->state * 6364136223846793005U + 1442695040888963407U;
    return (s->state >> 33) % below;
}

/* --- The scenario --- */

/* What the writer has answered is no longer its own, as if it were answered on another thread. */
static void note_answers(void *owner)
{
    struct scenario *s = owner;
    size_t now = op_log_length(s->log);
    bed_answers(s->bed);
    if (op_log_is_dead(s->log))
        return;
    for (unsigned i = 0; i < s->sent; i++) {
        const struct bed_message *m = &s->bed->messages[i];
        struct history *h = &s->messages[i];
        if (!m->answered || m->doubtful || h->unanswered || h->accepted_at != NEVER ||
            h->refused_at != NEVER)
            continue;
        *(m->err == ERR_OK ? &h->accepted_at : &h->refused_at) = now;
    }
}

static void send_some(struct scenario *s)
{
    for (uint64_t n = 1 + lot(s, 4); n > 0 && s->sent < MESSAGES_MAX; n--) {
        static const size_t OCTETS[] = {0, 100, 700, 7000, 7800, 7900, 9000};
        struct history *h = &s->messages[s->sent];
        *h = (struct history){false, NEVER, NEVER, NEVER, NEVER, {0}};
        for (unsigned i = 0; i <= ROUNDS; i++)
            h->attempts_at[i] = NEVER;
        bed_send(s->bed, s->sent++, OCTETS[lot(s, ARRAY_SIZE(OCTETS))]);
    }
}

static void settle_some(struct scenario *s, unsigned round)
{
    for (unsigned i = 0; i < s->sent; i++) {
        struct history *h = &s->messages[i];
        if (h->accepted_at == NEVER || h->done_at != NEVER)
            continue;
        if (lot(s, i % 10 == 3 ? 30 : 2) == 0) {
            h->done_at = op_log_length(s->log);
            spool_message_done(s->bed->spool, &s->bed->messages[i].ref);
        } else if (lot(s, 4) == 0) {
            s->attempts[i] = round;
            bed_outcome(s->bed, i, round);
        }
    }
}

static void work(struct scenario *s)
{
    while (spool_step(s->bed->spool))
        ;
    note_answers(s);
    if (op_log_is_dead(s->log))
        return;
    struct spool_stats stats;
    spool_stats_read(s->bed->spool, &stats);
    if (!stats.healthy) {
        clock_virtual_advance(10000);
        while (spool_step(s->bed->spool))
            ;
        note_answers(s);
    }
    /* Nothing waits any more. */
    for (unsigned i = 0; i < s->sent; i++) {
        struct history *h = &s->messages[i];
        if (h->done_at != NEVER && h->settled_at == NEVER)
            h->settled_at = op_log_length(s->log);
        if (h->attempts_at[s->attempts[i]] == NEVER)
            h->attempts_at[s->attempts[i]] = op_log_length(s->log);
    }
}

/* What the dead process wrote and did not sync is there; from now on it is so for good. */
static void take_over(struct scenario *s, unsigned i)
{
    struct history *h = &s->messages[i];
    const struct bed_message *m = &s->bed->messages[i];
    size_t now = op_log_length(s->log);
    if (h->accepted_at == NEVER && h->refused_at == NEVER) {
        *(m->found ? &h->accepted_at : &h->refused_at) = now;
        h->unanswered = true;
    }
    if (m->found) {
        h->done_at = NEVER; /* that it is done was not written */
        s->attempts[i] = m->attempts;
        if (h->attempts_at[m->attempts] == NEVER)
            h->attempts_at[m->attempts] = now;
    } else if (h->settled_at == NEVER) {
        h->settled_at = now;
    }
}

static void start(struct scenario *s)
{
    struct err_detail why = {""};
    if (campaign_check(bed_open(s->bed, &why) == ERR_OK, "%s", why.text))
        bed_recover(s->bed);
    campaign_check(s->bed->damaged == 0, "%zu damaged", s->bed->damaged);
}

/* It dies instead of a sync: what it has just written is on its way. */
static void die_at_work(struct scenario *s)
{
    op_log_die(s->log, 1 + (size_t)lot(s, 3));
    work(s);
    bed_answers(s->bed);
    spool_free(&s->bed->spool);
    bool died = op_log_is_dead(s->log);
    op_log_die(s->log, 0);
    start(s);
    for (unsigned i = 0; died && s->bed->spool && i < s->sent; i++)
        take_over(s, i);
}

static void add_points(struct scenario *s)
{
    s->points = MEM_NEW_ARRAY(size_t, op_log_length(s->log) + 1);
    for (size_t at = 1; at < op_log_length(s->log); at++)
        if (op_log_is_sync(s->log, at))
            s->points[s->point_count++] = at;
    s->points[s->point_count++] = op_log_length(s->log);
    for (size_t i = s->point_count; i > 1; i--) {
        size_t k = (size_t)lot(s, i), p = s->points[i - 1];
        s->points[i - 1] = s->points[k];
        s->points[k] = p;
    }
}

/* FAILING: some syncs fail, so that segments are given up and their ends declared void. TWO_LOGS:
 * as 0.1.0 had them, or after a restart as they are now: the second one takes nothing more, and
 * ends when it is empty. */
static struct scenario *scenario_record(uint64_t seed, bool failing, bool two_logs)
{
    struct scenario *s = MEM_NEW(struct scenario);
    s->seed = s->state = seed;
    s->bed = bed_new();
    if (two_logs)
        s->bed->logs = 2;
    s->log = op_log_new(s->bed->path);
    s->bed->io = op_log_io(s->log);
    op_log_before(s->log, note_answers, s);
    start(s);
    for (unsigned round = 1; round <= ROUNDS && s->bed->spool; round++) {
        if (failing && lot(s, 2) == 0)
            op_log_fail_sync(s->log, 1 + (size_t)lot(s, 4));
        send_some(s);
        settle_some(s, round);
        if (!failing && lot(s, 3) == 0)
            die_at_work(s);
        work(s);
        op_log_fail_sync(s->log, 0);
        work(s);
        if (lot(s, 5) == 0) { /* the process dies; what it wrote and did not sync is still there */
            spool_free(&s->bed->spool);
            if (two_logs)
                s->bed->logs = 1 + (unsigned)lot(s, 2);
            start(s);
        }
    }
    add_points(s);
    return s;
}

static void scenario_free(struct scenario **sp)
{
    struct scenario *s = *sp;
    bed_free(&s->bed);
    op_log_free(&s->log);
    mem_free(s->points);
    mem_free(s);
    *sp = NULL;
}

/* --- One state --- */

static struct io quick_io; /* the reader's: nothing depends on its syncs */

static int no_sync(struct io *io, int fd)
{
    (void)io;
    (void)fd;
    return 0;
}

static void check_message(const struct scenario *s, const struct bed *reader, unsigned i, size_t at)
{
    const struct history *h = &s->messages[i];
    const struct bed_message *m = &reader->messages[i];
    uint32_t attempts = 0;
    if (h->accepted_at <= at && h->done_at > at)
        campaign_check(m->found, "message %u is lost", i);
    if (h->settled_at <= at)
        campaign_check(!m->found, "message %u was done and is back", i);
    if (h->refused_at <= at)
        campaign_check(!m->found, "message %u was refused and is back", i);
    for (uint32_t k = 1; k <= ROUNDS; k++)
        if (h->attempts_at[k] <= at)
            attempts = k;
    if (m->found)
        campaign_check(m->attempts >= attempts, "message %u: %u attempts of %u", i, m->attempts,
                       attempts);
}

static void check_state(const struct scenario *s, struct bed *reader, size_t at, const bool *kept)
{
    struct err_detail why = {""};
    op_log_leave(s->log, at, kept, reader->path);
    if (campaign_check(bed_open(reader, &why) == ERR_OK, "%s", why.text)) {
        bed_recover(reader);
        struct spool_stats stats;
        spool_stats_read(reader->spool, &stats);
        campaign_check(reader->damaged == 0, "%zu in part", reader->damaged);
        campaign_check(stats.quarantined == 0, "%llu set aside though nothing is damaged",
                       (unsigned long long)stats.quarantined);
        for (unsigned i = 0; i < s->sent; i++)
            check_message(s, reader, i, at);
    }
    spool_free(&reader->spool);
    if (access(reader->path, F_OK) == 0)
        temp_dir_remove(reader->path);
}

/* --- Subsets --- */

struct search {
    const struct scenario *scenario;
    struct bed *reader;
    uint64_t states, points, whole;
    unsigned share; /* of the time, in percent: when it is up another scenario has its turn */
};

static bool check_kept(struct search *search, size_t at, const bool *kept)
{
    search->states++;
    check_state(search->scenario, search->reader, at, kept);
    return !campaign_share_is_up(search->share);
}

static bool all_subsets(struct search *search, size_t at, size_t doubts, bool *kept)
{
    for (uint32_t set = 0; set < 1U << doubts; set++) {
        for (size_t i = 0; i < doubts; i++)
            kept[i] = set >> i & 1;
        if (!check_kept(search, at, kept))
            return false;
    }
    return true;
}

/* None; all; all but one, and one alone; then by lot, few or many. */
static bool some_subsets(struct search *search, size_t at, size_t doubts, bool *kept, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        uint64_t odds = 1 + campaign_random(9);
        for (size_t i = 0; i < doubts; i++)
            kept[i] = n == 1 || (n > 1 && campaign_random(10) < odds);
        if (n >= SAMPLE_FIRST && n < SAMPLE_FIRST + 2 * doubts)
            for (size_t i = 0; i < doubts; i++)
                kept[i] = (i == (n - SAMPLE_FIRST) / 2) == (n % 2 == 0);
        if (!check_kept(search, at, kept))
            return false;
    }
    return true;
}

static bool check_point(struct search *search, size_t at, bool thorough)
{
    size_t doubts = op_log_doubts(search->scenario->log, at);
    bool *kept = MEM_NEW_ARRAY(bool, doubts + 1), more;
    size_t few = doubts < 4 ? (size_t)1 << doubts : SAMPLE_FIRST;
    campaign_case("scenario %llu, operation %zu, %zu in doubt",
                  (unsigned long long)search->scenario->seed, at, doubts);
    if (!thorough)
        more = some_subsets(search, at, doubts, kept, few);
    else if (doubts <= EXHAUSTIVE_MAX)
        more = all_subsets(search, at, doubts, kept);
    else
        more = some_subsets(search, at, doubts, kept, SAMPLE + 2 * doubts);
    search->points++;
    search->whole += more && thorough && doubts <= EXHAUSTIVE_MAX;
    mem_free(kept);
    return more;
}

static void search_scenario(struct search *search, bool failing, bool two_logs)
{
    uint64_t seed = campaign_random_seed();
    campaign_case("scenario %llu%s%s", (unsigned long long)seed, failing ? ", syncs fail" : "",
                  two_logs ? ", two logs" : "");
    struct scenario *s = scenario_record(seed, failing, two_logs);
    bool more = !campaign_case_failed();
    search->scenario = s;
    for (int thorough = 0; thorough < 2; thorough++)
        for (size_t i = 0; i < s->point_count && more; i++)
            more = check_point(search, s->points[i], thorough);
    scenario_free(&s);
}

int main(void)
{
    campaign_begin("persistence");
    clock_virtual_start(1000, 1000);
    quick_io = *io_system;
    quick_io.fsync = quick_io.fdatasync = no_sync;
    struct search search = {.reader = bed_new()};
    search.reader->io = &quick_io;
    uint64_t scenarios = 0;
    while (!campaign_time_is_up()) {
        search.share =
            scenarios < SCENARIOS_LEAST ? (unsigned)(scenarios + 1) * 100 / SCENARIOS_LEAST : 100;
        search_scenario(&search, scenarios % 2 == 1, scenarios % 3 == 2);
        scenarios++;
    }
    campaign_note("%llu scenarios, each third with two logs, %llu moments (%llu with every "
                  "subset), %llu states",
                  (unsigned long long)scenarios, (unsigned long long)search.points,
                  (unsigned long long)search.whole, (unsigned long long)search.states);
    bed_free(&search.reader);
    clock_virtual_end();
    return campaign_end();
}
