/* Every call that the spool makes of its disk fails, in every way: what was acknowledged is never
 * lost, what was refused never comes back, nothing hangs, and once the disk works again so does
 * the spool.
 *
 * Of a message that is answered "doubtful" nothing is known until the disk has taken the note that
 * it is void; the client was told neither yes nor no.
 */
#include <stdlib.h>
#include <errno.h>

#include "campaign.h"
#include "core/clock.h"
#include "queue/spool.h"
#include "spool_bed.h"

enum { ROUNDS = 7, EACH = 8, COUNT = ROUNDS * EACH, LATER = COUNT, TRIES = 3 };
enum { BIG = 5, BIG_OCTETS = 20000, SMALL_OCTETS = 6500, REOPENS_AT = 4 };

struct fault {
    const char *name;
    unsigned kinds;
    int errnum;
    enum faulty_mode mode;
    bool invisible; /* no message may be refused for it */
};

#define INTERRUPTIBLE (FAULTY_READS | FAULTY_WRITES)
static const struct fault FAULTS[] = {
    {"EIO once", FAULTY_ANY, EIO, FAULTY_ONCE, false},
    {"EIO for good", FAULTY_ANY, EIO, FAULTY_FOR_GOOD, false},
    {"ENOSPC once", FAULTY_ANY, ENOSPC, FAULTY_ONCE, false},
    {"ENOSPC for good", FAULTY_WRITES | FAULTY_SYNCS | FAULTY_OTHERS, ENOSPC, FAULTY_FOR_GOOD,
     false},
    {"EDQUOT once", FAULTY_ANY, EDQUOT, FAULTY_ONCE, false},
    {"EDQUOT for good", FAULTY_WRITES | FAULTY_SYNCS | FAULTY_OTHERS, EDQUOT, FAULTY_FOR_GOOD,
     false},
    {"EINTR once", INTERRUPTIBLE, EINTR, FAULTY_ONCE, true},
    {"EINTR again and again", INTERRUPTIBLE, EINTR, FAULTY_EVERY_OTHER, true},
    {"short write once", FAULTY_WRITES, EIO, FAULTY_SHORT, false},
    {"short writes for good", FAULTY_WRITES, EIO, FAULTY_SHORT_FOR_GOOD, false},
    {"sync fails once", FAULTY_SYNCS, EIO, FAULTY_ONCE, false},
    {"syncs fail for good", FAULTY_SYNCS, EIO, FAULTY_FOR_GOOD, false},
    {"every other sync fails", FAULTY_SYNCS, EIO, FAULTY_EVERY_OTHER, false},
};

static uint64_t doubtful; /* messages, in all trials */

struct trial {
    struct bed *bed;
    struct faulty_io *disk;
    bool settling[COUNT + 1]; /* told that it is done, perhaps not on the disk yet */
    bool settled[COUNT + 1];
    bool unsure[COUNT + 1];       /* the process ended before it could write what became of it */
    uint32_t attempts[COUNT + 1]; /* as given */
    bool outcomes_settled;        /* and on the disk */
    bool voids_settled;           /* what was doubtful has been declared void there */
    unsigned sent;
};

static bool for_good(enum faulty_mode mode)
{
    return mode == FAULTY_FOR_GOOD || mode == FAULTY_SHORT_FOR_GOOD || mode == FAULTY_EVERY_OTHER;
}

static bool accepted(const struct trial *t, unsigned i)
{
    return t->bed->messages[i].answered && t->bed->messages[i].err == ERR_OK;
}

static bool refused(const struct trial *t, unsigned i)
{
    const struct bed_message *m = &t->bed->messages[i];
    return m->answered && m->err != ERR_OK && (t->voids_settled || !m->doubtful);
}

/* --- What happens meanwhile --- */

/* As after a failed start: again, and what has failed once may not fail again. */
static bool open_again(struct trial *t)
{
    for (int i = 0; i < TRIES && !t->bed->spool; i++) {
        struct err_detail why = {""};
        faulty_io_new_process(t->disk);
        enum err err = bed_open(t->bed, &why);
        campaign_check(err == ERR_OK || *why.text, "refused to start without a reason");
        if (err == ERR_OK)
            bed_recover(t->bed);
    }
    return t->bed->spool;
}

static void settle_round(struct trial *t, unsigned round)
{
    for (unsigned i = 0; i < round * EACH; i++) {
        bool straggles = i % (2 * EACH) == 1;
        if (!accepted(t, i) || t->settling[i] || straggles)
            continue;
        if (i / EACH + 1 < round) {
            spool_message_done(t->bed->spool, &t->bed->messages[i].ref);
            t->settling[i] = true;
        } else {
            bed_outcome(t->bed, i, round);
            t->attempts[i] = round;
        }
    }
}

/* The process ends in good order and another takes over. On a disk that is broken what is done, or
 * that a doubtful message is void, may stay unwritten. */
static void reopen(struct trial *t, bool broken)
{
    struct bed *b = t->bed;
    spool_stop(b->spool);
    for (unsigned i = 0; broken && i < t->sent; i++)
        t->unsure[i] = t->settling[i] || b->messages[i].doubtful || t->attempts[i] > 0;
    spool_free(&b->spool);
}

/* Segments fill, are sealed, emptied but for a straggler, and used again; in the middle the process
 * ends and another takes over. */
static void play(struct trial *t, const struct fault *fault)
{
    struct bed *b = t->bed;
    for (unsigned round = 0; round < ROUNDS && open_again(t); round++) {
        settle_round(t, round);
        for (unsigned i = 0; i < EACH; i++)
            bed_send(b, t->sent++, i == BIG ? BIG_OCTETS : SMALL_OCTETS);
        bed_work(b);
        for (unsigned i = 0; i < t->sent; i++)
            campaign_check(b->messages[i].answered, "message %u has no answer", i);
        for (unsigned i = t->sent - EACH; i < t->sent; i++)
            doubtful += b->messages[i].doubtful;
        if (round + 1 == REOPENS_AT)
            reopen(t, for_good(fault->mode) && faulty_io_has_failed(t->disk));
    }
}

/* --- What is left of it --- */

static void check_left(struct trial *t, const char *path, const char *when)
{
    struct bed *reader = bed_new();
    struct err_detail why = {""};
    snprintf(reader->path, sizeof reader->path, "%s", path);
    struct faulty_io *f = faulty_io_new(path);
    reader->io = faulty_io_of(f);
    if (campaign_check(bed_open(reader, &why) == ERR_OK, "%s: %s", when, why.text))
        bed_recover(reader);
    campaign_check(reader->damaged == 0, "%s: %zu damaged", when, reader->damaged);
    for (unsigned i = 0; i <= COUNT; i++) {
        bool found = reader->messages[i].found;
        if (accepted(t, i) && !t->settling[i])
            campaign_check(found, "%s: message %u is lost", when, i);
        if (t->unsure[i])
            continue;
        if (found && t->outcomes_settled)
            campaign_check(reader->messages[i].attempts == t->attempts[i],
                           "%s: message %u has forgotten its recipients", when, i);
        if (t->settled[i])
            campaign_check(!found, "%s: message %u was done and is back", when, i);
        if (refused(t, i))
            campaign_check(!found, "%s: message %u was refused and is back", when, i);
    }
    bed_free(&reader);
    faulty_io_free(&f);
}

static void check_power_cuts(struct trial *t)
{
    static const struct {
        const char *name;
        enum faulty_cut cut;
    } CUTS[] = {
        {"only what was synced", FAULTY_CUT_SYNCED},
        {"a lottery", FAULTY_CUT_LOTTERY},
        {"another lottery", FAULTY_CUT_LOTTERY},
    };
    char to[TEMP_DIR_SIZE + 32];
    for (size_t i = 0; i < ARRAY_SIZE(CUTS); i++) {
        snprintf(to, sizeof to, "%s/cut%zu", t->bed->dir, i);
        faulty_io_power_cut(t->disk, to, CUTS[i].cut, campaign_random_seed());
        check_left(t, to, CUTS[i].name);
        temp_dir_remove(to);
    }
}

/* The disk is well again: so must the spool be, without a restart. */
static void check_service(struct trial *t)
{
    struct bed *b = t->bed;
    struct mail_status status;
    for (int i = 0; i < TRIES; i++) {
        clock_virtual_advance(10000);
        bed_work(b);
    }
    campaign_check(spool_accepts(b->spool, 1000, &status), "takes nothing in any more");
    bed_send(b, LATER, SMALL_OCTETS);
    bed_work(b);
    campaign_check(accepted(t, LATER), "a message is refused on a disk that works");
    memcpy(t->settled, t->settling, sizeof t->settled);
    t->outcomes_settled = t->voids_settled = true;
}

static void check_invisible(const struct trial *t)
{
    for (unsigned i = 0; i < t->sent; i++)
        campaign_check(accepted(t, i), "message %u was refused", i);
    struct spool_stats stats;
    if (campaign_check(t->bed->spool, "the spool did not start"))
        spool_stats_read(t->bed->spool, &stats);
    if (t->bed->spool)
        campaign_check(stats.segments_poisoned + stats.quarantined == 0,
                       "%llu segments given up, %llu set aside",
                       (unsigned long long)stats.segments_poisoned,
                       (unsigned long long)stats.quarantined);
}

static struct trial *trial_new(bool two_logs)
{
    struct trial *t = MEM_NEW(struct trial);
    t->bed = bed_new();
    if (two_logs)
        t->bed->logs = 2;
    t->disk = faulty_io_new(t->bed->path);
    t->bed->io = faulty_io_of(t->disk);
    return t;
}

static void run_trial(const struct fault *fault, bool two_logs, uint64_t n)
{
    struct trial *t = trial_new(two_logs);
    faulty_io_fail_kinds(t->disk, fault->kinds, n, fault->errnum, fault->mode);
    play(t, fault);
    const char *call = faulty_io_failed_call(t->disk);
    if (call)
        campaign_detail(" (%s)", call);
    for (unsigned i = 0; i < t->sent && !for_good(fault->mode); i++)
        campaign_check(!t->bed->messages[i].doubtful, "message %u is in doubt for one error", i);
    campaign_check(t->bed->spool || for_good(fault->mode), "does not start after one error");
    if (fault->invisible)
        check_invisible(t);
    if (t->bed->spool)
        check_power_cuts(t);
    faulty_io_heal(t->disk);
    if (campaign_check(open_again(t), "does not start on a disk that works"))
        check_service(t);
    campaign_check(faulty_io_second_tries(t->disk) == 0, "wrote or synced again what had failed");
    check_power_cuts(t);
    spool_free(&t->bed->spool);
    check_left(t, t->bed->path, "the process ends");
    bed_free(&t->bed);
    faulty_io_free(&t->disk);
    mem_free(t);
}

/* --- Every fault at every call --- */

struct place {
    const struct fault *fault;
    bool two_logs;
    uint64_t n;
};

/* Calls of these kinds when none fails; the trial itself is the first case. */
static uint64_t count_calls(const struct fault *fault, bool two_logs)
{
    struct trial *t = trial_new(two_logs);
    campaign_case("%s: no call", fault->name);
    faulty_io_fail_kinds(t->disk, fault->kinds, UINT64_MAX, fault->errnum, fault->mode);
    play(t, fault);
    uint64_t calls = faulty_io_seen(t->disk);
    check_invisible(t);
    bed_free(&t->bed);
    faulty_io_free(&t->disk);
    mem_free(t);
    return calls;
}

static struct place *all_places(size_t *count)
{
    uint64_t calls[2 * ARRAY_SIZE(FAULTS)];
    *count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        *count += calls[i] = count_calls(&FAULTS[i / 2], i % 2);
    struct place *places = MEM_NEW_ARRAY(struct place, *count);
    size_t at = 0;
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        for (uint64_t n = 1; n <= calls[i]; n++)
            places[at++] = (struct place){&FAULTS[i / 2], i % 2, n};
    return places;
}

/* In an order of the seed's: a short run is a fair sample, a long one takes them all. */
static void shuffle(struct place *places, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = (size_t)campaign_random(i);
        struct place p = places[i - 1];
        places[i - 1] = places[k];
        places[k] = p;
    }
}

int main(void)
{
    const char *only = getenv("CASE"); /* "EIO once, two logs: 17" */
    campaign_begin("io_errors");
    clock_virtual_start(1000, 1000);
    size_t count, done = 0;
    struct place *places = all_places(&count);
    shuffle(places, count);
    for (; done < count && !campaign_time_is_up(); done++) {
        char name[80];
        const struct place *place = &places[done];
        snprintf(name, sizeof name, "%s%s: %llu", place->fault->name,
                 place->two_logs ? ", two logs" : "", (unsigned long long)place->n);
        if (only && strcmp(only, name) != 0)
            continue;
        campaign_case("%s", name);
        run_trial(place->fault, place->two_logs, place->n);
    }
    campaign_note("%zu of %zu places at which a call can fail, %llu messages left unanswered", done,
                  count, (unsigned long long)doubtful);
    mem_free(places);
    clock_virtual_end();
    return campaign_end();
}
