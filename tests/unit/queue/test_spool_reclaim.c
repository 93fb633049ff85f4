/* queue/spool_reclaim: old references stay good, settled while moving, power cuts, failing
 * syncs, damaged straggler, threads, moved table, orphans, poisoned file is removed later,
 * promises, disk full twice. */
#include <fcntl.h>
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/thread.h"
#include "queue/spool.h"
#include "queue/spool_private.h"
#include "spool_bed.h"

enum { STRAGGLERS = 8, FILLER_FIRST = 100, FILLER_EACH = 20 };

static struct bed *bed_ready(struct faulty_io **f)
{
    struct bed *b = bed_new();
    if (f) {
        *f = faulty_io_new(b->path);
        b->io = faulty_io_of(*f);
    }
    CHECK(bed_open(b, NULL) == ERR_OK);
    return b;
}

static void filler_round(struct bed *b, unsigned round)
{
    unsigned first = FILLER_FIRST + round % 200 * FILLER_EACH;
    for (unsigned i = first; i < first + FILLER_EACH; i++)
        bed_send(b, i, 1500);
    bed_work(b);
    for (unsigned i = first; i < first + FILLER_EACH; i++) {
        CHECK_U64(b->messages[i].err, ERR_OK);
        spool_message_done(b->spool, &b->messages[i].ref);
    }
    bed_work(b);
}

/* Where message NUMBER really is now; 0: it cannot be read. */
static uint64_t place_of(struct bed *b, unsigned number)
{
    struct arena arena;
    struct spool_message m;
    uint64_t segment = 0;
    arena_init(&arena, 0);
    if (CHECK(spool_read(b->spool, &b->messages[number].ref, &arena, &m, NULL) == ERR_OK)) {
        CHECK(bed_envelope_right(&m, number));
        CHECK(bed_text_right(&m, number));
        segment = m.ref.segment;
        spool_message_close(&m);
    }
    arena_free(&arena);
    return segment;
}

static bool all_moved(struct bed *b)
{
    unsigned moved = 0;
    for (unsigned i = 0; i < STRAGGLERS; i++)
        moved += place_of(b, i) != b->messages[i].ref.segment;
    return moved == STRAGGLERS;
}

/* Stragglers, one of them with a big file, half of them with an outcome, in the first segment. */
static unsigned stragglers_move(struct bed *b)
{
    unsigned round = 0;
    for (unsigned i = 0; i < STRAGGLERS; i++)
        bed_send(b, i, i == 3 ? 20000 : 700 + i);
    bed_work(b);
    for (unsigned i = 0; i < STRAGGLERS; i += 2)
        bed_outcome(b, i, 5 + i);
    bed_work(b);
    do
        filler_round(b, round);
    while (++round < 100 && !all_moved(b));
    CHECK(round < 100);
    return round;
}

static void test_old_references_stay_good(void)
{
    struct bed *b = bed_ready(NULL);
    struct spool_stats stats;
    unsigned round = stragglers_move(b);
    /* And once more: moved messages move again. */
    uint64_t first = place_of(b, 0);
    for (unsigned n = 0; n < 100 && place_of(b, 0) == first; n++)
        filler_round(b, ++round);
    CHECK(place_of(b, 0) != first);
    spool_stats_read(b->spool, &stats);
    CHECK_U64(stats.live_messages, STRAGGLERS);
    CHECK(stats.segments <= 5);
    bed_outcome(b, 1, 77);
    bed_outcome(b, 2, 78);
    spool_message_done(b->spool, &b->messages[3].ref);
    spool_message_done(b->spool, &b->messages[4].ref);
    spool_message_quarantine(b->spool, &b->messages[5].ref, "a test");
    bed_work(b);
    bed_outcome(b, 4, 99); /* too late */
    bed_work(b);
    if (bed_restart(b)) {
        static const uint32_t attempts[STRAGGLERS] = {5, 77, 78, 0, 0, 0, 11, 0};
        CHECK_U64(b->found, STRAGGLERS - 3);
        CHECK_U64(b->damaged, 0);
        for (unsigned i = 0; i < STRAGGLERS; i++) {
            CHECK(b->messages[i].found == (i < 3 || i > 5));
            if (b->messages[i].found)
                CHECK_U64(b->messages[i].attempts, attempts[i]);
        }
    }
    bed_free(&b);
}

/* What is said while the copy is in the group that is being written. */
static void test_settled_while_moving(void)
{
    struct bed *b = bed_ready(NULL);
    unsigned round = 0;
    for (unsigned i = 0; i < STRAGGLERS; i++)
        bed_send(b, i, 700);
    bed_work(b);
    for (; round < 60; round++) {
        unsigned first = FILLER_FIRST + round * FILLER_EACH;
        for (unsigned i = first; i < first + FILLER_EACH; i++)
            bed_send(b, i, 1500);
        bed_work(b);
        for (unsigned i = first; i < first + FILLER_EACH; i++)
            spool_message_done(b->spool, &b->messages[i].ref);
        for (unsigned i = 0; i < STRAGGLERS - 1; i++)
            bed_outcome(b, i, round + 1);
        if (round == 59)
            spool_message_done(b->spool, &b->messages[0].ref);
        bed_work(b);
    }
    CHECK(place_of(b, 1) != b->messages[1].ref.segment);
    if (bed_restart(b)) {
        CHECK_U64(b->found, STRAGGLERS - 1);
        for (unsigned i = 1; i < STRAGGLERS; i++)
            CHECK_U64(b->messages[i].attempts, i == STRAGGLERS - 1 ? 0 : round);
    }
    bed_free(&b);
}

/* --- Power cuts before every sync while messages move --- */

struct cuts {
    struct bed *bed;
    struct faulty_io *disk;
    unsigned count;
    uint32_t attempts; /* of every straggler, on the disk; one more may be on its way */
    bool known, going;
};

static void cut_and_look(void *owner)
{
    struct cuts *c = owner;
    for (unsigned i = 0; c->known && i < 3; i++) {
        char row[64];
        struct bed *reader = bed_new();
        snprintf(row, sizeof row, "cut %u", c->count++);
        unit_row(row);
        faulty_io_power_cut(c->disk, reader->path, i ? FAULTY_CUT_LOTTERY : FAULTY_CUT_SYNCED,
                            c->count * 7919);
        if (CHECK(bed_open(reader, NULL) == ERR_OK))
            bed_recover(reader);
        CHECK_U64(reader->damaged, 0);
        for (unsigned n = 0; n < STRAGGLERS; n++) {
            bool wanted = !c->going || n > 1;
            CHECK(reader->messages[n].found || !wanted);
            uint32_t attempts = reader->messages[n].attempts;
            if (wanted)
                CHECK(attempts == c->attempts || attempts == c->attempts + 1);
        }
        bed_free(&reader);
    }
}

static void test_power_cuts(void)
{
    struct cuts c = {0};
    struct bed *b = c.bed = bed_ready(&c.disk);
    faulty_io_before_sync(c.disk, cut_and_look, &c);
    for (unsigned i = 0; i < STRAGGLERS; i++)
        bed_send(b, i, i == 3 ? 20000 : 700);
    bed_work(b);
    c.known = true;
    for (unsigned round = 0; round < 24; round++) {
        filler_round(b, round);
        if (round % 3 == 0) {
            for (unsigned i = 0; i < STRAGGLERS; i++)
                bed_outcome(b, i, c.attempts + 1);
            bed_work(b);
            c.attempts++;
        }
    }
    CHECK(place_of(b, 2) != b->messages[2].ref.segment);
    c.going = true;
    spool_message_done(b->spool, &b->messages[0].ref);
    spool_message_done(b->spool, &b->messages[1].ref);
    bed_work(b);
    for (unsigned round = 0; round < 6; round++)
        filler_round(b, round);
    CHECK(c.count > 100);
    faulty_io_before_sync(c.disk, NULL, NULL);
    /* Once it is on the disk it stays so, whatever place recovery finds. */
    if (bed_restart(b))
        CHECK_U64(b->found, STRAGGLERS - 2);
    bed_free(&b);
    faulty_io_free(&c.disk);
}

static void test_failing_syncs(void)
{
    for (uint64_t n = 1; n <= 40; n++) {
        char row[32];
        struct faulty_io *f;
        snprintf(row, sizeof row, "sync %u", (unsigned)n);
        unit_row(row);
        clock_virtual_start(1000, 1000);
        struct bed *b = bed_ready(&f);
        for (unsigned i = 0; i < STRAGGLERS; i++)
            bed_send(b, i, 700);
        bed_work(b);
        for (unsigned i = 0; i < STRAGGLERS; i++)
            bed_outcome(b, i, 3);
        bed_work(b);
        faulty_io_fail_sync(f, n, EIO);
        for (unsigned round = 0; round < 20; round++) {
            unsigned first = FILLER_FIRST + round * FILLER_EACH;
            for (unsigned i = first; i < first + FILLER_EACH; i++)
                bed_send(b, i, 1500);
            bed_work(b);
            for (unsigned i = first; i < first + FILLER_EACH; i++)
                if (b->messages[i].err == ERR_OK)
                    spool_message_done(b->spool, &b->messages[i].ref);
            bed_work(b);
            clock_virtual_advance(10000);
        }
        CHECK(faulty_io_has_failed(f));
        CHECK_U64(faulty_io_second_tries(f), 0);
        CHECK(place_of(b, 0) != b->messages[0].ref.segment);
        if (bed_restart(b)) {
            CHECK_U64(b->found, STRAGGLERS);
            for (unsigned i = 0; i < STRAGGLERS; i++)
                CHECK_U64(b->messages[i].attempts, 3);
        }
        bed_free(&b);
        faulty_io_free(&f);
        clock_virtual_end();
    }
}

/* A damaged message is not copied and forgotten: it is set aside, and the others move. */
static void test_damaged_straggler(void)
{
    struct bed *b = bed_ready(NULL);
    struct spool_stats stats;
    char name[TEMP_DIR_SIZE * 2];
    for (unsigned i = 0; i < STRAGGLERS; i++)
        bed_send(b, i, 700);
    bed_work(b);
    const struct spool_ref *ref = &b->messages[2].ref;
    snprintf(name, sizeof name, "%s/segments/seg-%03x", b->path,
             (unsigned)spool_generation_slot(ref->segment));
    int fd = open(name, O_WRONLY);
    CHECK(pwrite(fd, "!", 1, ref->offset + ref->length - 100) == 1);
    close(fd);
    for (unsigned round = 0; round < 30; round++)
        filler_round(b, round);
    spool_stats_read(b->spool, &stats);
    CHECK_U64(stats.quarantined, 1);
    CHECK_U64(stats.live_messages, STRAGGLERS - 1);
    for (unsigned i = 0; i < STRAGGLERS; i++)
        if (i != 2)
            CHECK(place_of(b, i) != b->messages[i].ref.segment);
    if (bed_restart(b))
        CHECK_U64(b->found, STRAGGLERS - 1);
    bed_free(&b);
}

/* --- Readers on other threads --- */

struct reading {
    struct bed *bed;
    struct thread thread;
    _Atomic bool stop;
    uint64_t read, moved, wrong;
};

static void read_on(void *arg)
{
    struct reading *r = arg;
    struct arena arena;
    arena_init(&arena, 0);
    for (unsigned i = 0; !atomic_load(&r->stop); i = (i + 1) % STRAGGLERS) {
        struct spool_message m;
        const struct spool_ref *ref = &r->bed->messages[i].ref;
        if (spool_read(r->bed->spool, ref, &arena, &m, NULL) != ERR_OK) {
            r->wrong++;
            continue;
        }
        r->wrong += !bed_text_right(&m, i);
        r->moved += m.ref.segment != ref->segment;
        r->read++;
        spool_message_close(&m);
        arena_reset(&arena);
    }
    arena_free(&arena);
}

static void thread_round(struct bed *b, unsigned round)
{
    unsigned first = FILLER_FIRST + round % 200 * FILLER_EACH;
    for (unsigned i = first; i < first + FILLER_EACH; i++)
        bed_send(b, i, 1500);
    for (unsigned i = first; i < first + FILLER_EACH; i++) {
        while (!b->messages[i].answered)
            (void)mailbox_run(b->home);
        spool_message_done(b->spool, &b->messages[i].ref);
    }
}

static void test_threads(void)
{
    struct bed *b = bed_ready(NULL);
    struct reading readers[2] = {{.bed = b}, {.bed = b}};
    for (unsigned i = 0; i < STRAGGLERS; i++)
        bed_send(b, i, 700);
    bed_work(b);
    CHECK(spool_start(b->spool, NULL) == ERR_OK);
    for (unsigned i = 0; i < ARRAY_SIZE(readers); i++)
        CHECK(thread_start(&readers[i].thread, "reader", read_on, &readers[i], NULL) == ERR_OK);
    for (unsigned round = 0; round < 120; round++)
        thread_round(b, round);
    for (unsigned i = 0; i < ARRAY_SIZE(readers); i++)
        atomic_store(&readers[i].stop, true);
    for (unsigned i = 0; i < ARRAY_SIZE(readers); i++) {
        thread_join(&readers[i].thread);
        CHECK_U64(readers[i].wrong, 0);
        CHECK(readers[i].read > 0);
        CHECK(readers[i].moved > 0);
    }
    spool_stop(b->spool);
    CHECK(place_of(b, 0) != b->messages[0].ref.segment);
    bed_free(&b);
}

/* --- The table of moved messages --- */

static void test_moved_table(void)
{
    enum { COUNT = 3000 };
    struct spool_moved moved;
    memset(&moved, 0, sizeof moved);
    struct spool_ref ref;
    CHECK(!spool_moved_get(&moved, 1, &ref));
    for (uint32_t i = 1; i <= COUNT; i++)
        spool_moved_put(&moved, &(struct spool_ref){i, i * 2, i * 8, i * 3});
    for (uint32_t i = 1; i <= COUNT; i += 3)
        spool_moved_remove(&moved, i);
    spool_moved_remove(&moved, COUNT + 9);
    spool_moved_put(&moved, &(struct spool_ref){2, 77, 88, 99});
    for (uint32_t i = 1; i <= COUNT + 1; i++) {
        bool there = i <= COUNT && i % 3 != 1;
        CHECK(spool_moved_get(&moved, i, &ref) == there);
        if (!there || i == 2)
            continue;
        CHECK_U64(ref.id, i);
        CHECK_U64(ref.segment, i * 2);
        CHECK_U64(ref.offset, i * 8);
        CHECK_U64(ref.length, i * 3);
    }
    CHECK(spool_moved_get(&moved, 2, &ref) && ref.segment == 77 && ref.length == 99);
    spool_moved_free(&moved);
}

/* --- What cannot be removed --- */

static size_t files_in(const struct bed *b, const char *sub)
{
    char path[TEMP_DIR_SIZE * 2];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/%s", b->path, sub);
    DIR *dir = opendir(path);
    for (struct dirent *e; (e = readdir(dir));)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void test_orphans(void)
{
    struct faulty_io *f;
    clock_virtual_start(1000, 1000);
    struct bed *b = bed_ready(&f);
    bed_send(b, 1, 20000);
    bed_work(b);
    struct spool_txn *txn = spool_begin(b->spool, b->home);
    bed_append(txn, 2, 50000);
    CHECK_U64(files_in(b, "big"), 2);
    faulty_io_fail_kinds(f, FAULTY_OTHERS, 1, EIO, FAULTY_FOR_GOOD);
    spool_abort(&txn);
    spool_message_done(b->spool, &b->messages[1].ref);
    bed_work(b);
    CHECK_U64(files_in(b, "big"), 2);
    clock_virtual_advance(6000);
    bed_work(b);
    CHECK_U64(files_in(b, "big"), 2);
    faulty_io_heal(f);
    clock_virtual_advance(6000);
    bed_work(b);
    CHECK_U64(files_in(b, "big"), 0);
    bed_free(&b);
    faulty_io_free(&f);
    clock_virtual_end();
}

/* A poisoned segment that is not needed; its file cannot be removed at first. */
static void test_poisoned_file_is_removed_later(void)
{
    struct faulty_io *f;
    struct spool_stats stats;
    clock_virtual_start(1000, 1000);
    struct bed *b = bed_ready(&f);
    bed_send(b, 0, 8000);
    bed_send(b, 1, 8000);
    bed_send(b, 2, 8000);
    bed_work(b);
    faulty_io_fail_sync(f, 1, EIO);
    bed_send(b, 3, 500);
    bed_work(b);
    CHECK_U64(b->messages[3].err, ERR_IO);
    faulty_io_heal(f);
    clock_virtual_advance(10000);
    bed_work(b);
    spool_stats_read(b->spool, &stats);
    CHECK_U64(stats.segments_poisoned, 1);
    faulty_io_fail_kinds(f, FAULTY_OTHERS, 1, EIO, FAULTY_FOR_GOOD);
    for (unsigned i = 0; i < 3; i++)
        spool_message_done(b->spool, &b->messages[i].ref);
    bed_work(b);
    spool_stats_read(b->spool, &stats);
    CHECK_U64(stats.segments_poisoned, 1);
    faulty_io_heal(f);
    for (unsigned round = 0; round < 10; round++) {
        filler_round(b, round);
        clock_virtual_advance(6000);
    }
    bed_work(b);
    spool_stats_read(b->spool, &stats);
    CHECK_U64(stats.segments_poisoned, 0);
    CHECK(stats.healthy);
    bed_free(&b);
    faulty_io_free(&f);
    clock_virtual_end();
}

/* --- Room --- */

static bool promise_kept(uint64_t expected, size_t appended, uint64_t want, uint64_t free_bytes)
{
    struct bed *b = bed_new();
    struct faulty_io *f = faulty_io_new(b->path);
    struct mail_status status = {0};
    b->io = faulty_io_of(f);
    b->settings.min_free_bytes = 1000000;
    faulty_io_set_free(f, free_bytes);
    CHECK(bed_open(b, NULL) == ERR_OK);
    struct spool_txn *txn = spool_begin(b->spool, b->home);
    spool_txn_expect(txn, expected);
    bed_append(txn, 1, appended);
    bool taken = spool_accepts(b->spool, want, &status);
    CHECK_U64(status.code, taken ? 0 : 452);
    spool_abort(&txn);
    CHECK_U64(atomic_load(&b->spool->logs[0]->intake.promised_bytes), 0);
    bed_free(&b);
    faulty_io_free(&f);
    return taken;
}

static void test_promises(void)
{
    static const struct {
        const char *name;
        uint64_t expected;
        size_t appended;
        uint64_t want, promised;
    } rows[] = {
        {"nothing but open", 0, 0, 0, 65536},
        {"a small one", 0, 100, 0, 65536},
        {"SIZE", 1000000, 0, 0, 1000000},
        {"SIZE, some of it here", 1000000, 300000, 0, 1000000},
        {"no SIZE, but appended, and as much to come", 0, 400000, 0, 511500},
        {"with what is wanted", 1000000, 0, 6000, 1006000},
        {"an absurd SIZE", UINT64_MAX, 0, 0, 65536},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        /* The segment under way has room too. */
        uint64_t least = 1000000 + rows[i].promised * 3 / 2 - (64 * 1024 - SPOOL_HEADER_BYTES);
        unit_row(rows[i].name);
        CHECK(promise_kept(rows[i].expected, rows[i].appended, rows[i].want, least));
        CHECK(!promise_kept(rows[i].expected, rows[i].appended, rows[i].want, least - 1));
    }
}

/* Full, freed, full again: each time service comes back by itself. */
static void test_disk_full_twice(void)
{
    struct faulty_io *f;
    struct mail_status status;
    clock_virtual_start(1000, 1000);
    struct bed *b = bed_ready(&f);
    unsigned number = 0;
    for (int times = 0; times < 3; times++) {
        faulty_io_fail_kinds(f, FAULTY_WRITES | FAULTY_OTHERS, 1, ENOSPC, FAULTY_FOR_GOOD);
        for (unsigned i = 0; i < 40; i++, number++) {
            bed_send(b, number, 3000);
            bed_work(b);
            clock_virtual_advance(1000);
            CHECK(b->messages[number].answered);
        }
        CHECK_U64(b->messages[number - 1].err, ERR_NOSPACE);
        CHECK(!spool_accepts(b->spool, 1, &status));
        CHECK_U64(status.code, 452);
        faulty_io_heal(f);
        unsigned waited = 0;
        for (; waited <= 10 && !spool_accepts(b->spool, 1, &status); waited++) {
            clock_virtual_advance(1000);
            bed_work(b);
        }
        CHECK(waited <= 10);
        bed_send(b, number, 3000);
        bed_work(b);
        CHECK_U64(b->messages[number++].err, ERR_OK);
    }
    size_t stored = 0;
    for (unsigned i = 0; i < number; i++)
        stored += b->messages[i].err == ERR_OK;
    if (bed_restart(b))
        CHECK_U64(b->found, stored);
    bed_free(&b);
    faulty_io_free(&f);
    clock_virtual_end();
}

UNIT_MAIN("queue/spool_reclaim", {"old references stay good", test_old_references_stay_good},
          {"settled while moving", test_settled_while_moving}, {"power cuts", test_power_cuts},
          {"failing syncs", test_failing_syncs}, {"damaged straggler", test_damaged_straggler},
          {"threads", test_threads}, {"moved table", test_moved_table}, {"orphans", test_orphans},
          {"poisoned file is removed later", test_poisoned_file_is_removed_later},
          {"promises", test_promises}, {"disk full twice", test_disk_full_twice})
