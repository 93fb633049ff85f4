/* queue/spool logs: each message has its log, settled in its log, ids are never used again,
 * found bit by bit, foreign ids, quarantine in its log, an older log fails, power cut, refused,
 * locked as a whole, threads. */
#include <errno.h>

#include "core/clock.h"
#include "core/thread.h"
#include "spool_crowd.h"

/* What 0.1.0 left: each log has its own; what comes now goes to the first. */
static void test_each_message_has_its_log(void)
{
    static const struct {
        const char *name;
        unsigned logs;
    } rows[] = {{"one", 1}, {"two", 2}, {"four", 4}, {"most", 16}};
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
        unit_row(rows[row].name);
        struct crowd c = crowd_new(rows[row].logs);
        struct spool_stats stats;
        send_all(&c);
        for (unsigned i = 0; i < MESSAGES; i++) {
            CHECK(c.bed->messages[i].answered);
            CHECK_U64(c.bed->messages[i].err, ERR_OK);
            CHECK_U64(log_of(&c, i), i % rows[row].logs);
        }
        CHECK(there(c.bed, "log-1") == (rows[row].logs > 1));
        CHECK(!there(c.bed, "log-0"));
        spool_stats_read(c.bed->spool, &stats);
        CHECK_U64(stats.live_messages, MESSAGES);
        CHECK_U64(stats.groups, rows[row].logs);
        CHECK(stats.healthy);
        c.bed->logs = 1;
        if (bed_restart(c.bed))
            CHECK_U64(c.bed->found, MESSAGES);
        send_all(&c);
        for (unsigned i = 0; i < MESSAGES; i++)
            CHECK_U64(log_of(&c, i), 0);
        crowd_free(&c);
    }
}

static void check_readable(struct crowd *c, unsigned number)
{
    struct arena arena;
    struct spool_message m;
    arena_init(&arena, 0);
    if (CHECK(spool_read(c->bed->spool, &c->bed->messages[number].ref, &arena, &m, NULL) ==
              ERR_OK)) {
        CHECK(bed_text_right(&m, number));
        spool_message_close(&m);
    }
    arena_free(&arena);
}

/* What is said of a message reaches its log, also after a restart. */
static void test_settled_in_its_log(void)
{
    static const struct {
        const char *name;
        unsigned logs;
    } rows[] = {{"one", 1}, {"two", 2}, {"three", 3}, {"four", 4}};
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
        unit_row(rows[row].name);
        struct crowd c = crowd_new(rows[row].logs);
        struct bed *b = c.bed;
        send_all(&c);
        for (unsigned i = 0; i < MESSAGES; i++)
            if (i % 5 == 0)
                spool_message_done(b->spool, &b->messages[i].ref);
            else
                bed_outcome(b, i, i + 1);
        bed_work(b);
        b->logs = 1;
        if (!bed_restart(b))
            return;
        CHECK_U64(b->found, MESSAGES - MESSAGES / 5);
        CHECK_U64(b->damaged, 0);
        for (unsigned i = 0; i < MESSAGES; i++) {
            CHECK(b->messages[i].found == (i % 5 != 0));
            if (i % 5 == 0)
                continue;
            CHECK_U64(b->messages[i].attempts, i + 1);
            check_readable(&c, i);
            spool_message_done(b->spool, &b->messages[i].ref);
        }
        send_all(&c);
        for (unsigned i = 0; i < MESSAGES; i++)
            CHECK_U64(log_of(&c, i), 0);
        if (bed_restart(b))
            CHECK_U64(b->found, MESSAGES);
        CHECK_U64(b->damaged, 0);
        crowd_free(&c);
    }
}

static void test_ids_are_never_used_again(void)
{
    uint64_t last[3] = {0};
    struct crowd c = crowd_new(3);
    for (unsigned round = 0; round < 4; round++) {
        send_all(&c);
        for (unsigned i = 0; i < MESSAGES; i++) {
            uint64_t id = c.bed->messages[i].ref.id;
            CHECK_U64(log_of(&c, i), round == 0 ? i % 3 : 0);
            CHECK(id > last[log_of(&c, i)]);
            last[log_of(&c, i)] = id;
            spool_message_done(c.bed->spool, &c.bed->messages[i].ref);
        }
        bed_work(c.bed);
        c.bed->logs = 1;
        if (bed_restart(c.bed))
            CHECK_U64(c.bed->found, 0);
    }
    crowd_free(&c);
}

static void count_one(void *owner, const struct spool_message *m,
                      const struct spool_outcome *outcome)
{
    size_t *count = owner;
    CHECK(m->ref.id != 0 && outcome->attempts == 0);
    ++*count;
}

static void test_found_bit_by_bit(void)
{
    struct crowd c = crowd_new(4);
    send_all(&c);
    spool_free(&c.bed->spool);
    c.bed->logs = 1;
    CHECK(bed_open(c.bed, NULL) == ERR_OK);
    size_t count = 0, before = 0;
    while (spool_recovered_next(c.bed->spool, 4, count_one, &count)) {
        CHECK(count - before <= 4);
        before = count;
    }
    CHECK_U64(count, MESSAGES);
    CHECK(!spool_recovered_next(c.bed->spool, 4, count_one, &count));
    CHECK_U64(count, MESSAGES);
    crowd_free(&c);
}

/* An id of a log that is not there, or cannot be, does no harm. */
static void test_foreign_ids(void)
{
    struct crowd c = crowd_new(2);
    struct spool_stats stats;
    struct arena arena;
    struct spool_message m;
    arena_init(&arena, 0);
    send_all(&c);
    for (unsigned log = 2; log < 256; log += 23) {
        struct spool_ref ref = c.bed->messages[0].ref;
        ref.id |= (uint64_t)log << SPOOL_LOG_SHIFT;
        CHECK(spool_read(c.bed->spool, &ref, &arena, &m, NULL) == ERR_NOTFOUND);
        spool_message_close(&m);
        spool_message_done(c.bed->spool, &ref);
        spool_message_quarantine(c.bed->spool, &ref, "why not");
        spool_outcome_write(c.bed->spool, &ref, &(struct spool_outcome){.attempts = 3});
    }
    bed_work(c.bed);
    spool_stats_read(c.bed->spool, &stats);
    CHECK_U64(stats.live_messages, MESSAGES);
    CHECK_U64(stats.quarantined, 0);
    arena_free(&arena);
    crowd_free(&c);
}

static void test_quarantine_in_its_log(void)
{
    struct crowd c = crowd_new(2);
    char name[64];
    send_all(&c);
    const struct spool_ref *ref = &c.bed->messages[1].ref;
    spool_message_quarantine(c.bed->spool, ref, "cannot be read");
    bed_work(c.bed);
    snprintf(name, sizeof name, "log-1/quarantine/%016llx-%08x", (unsigned long long)ref->segment,
             (unsigned)ref->offset);
    CHECK(there(c.bed, name));
    if (bed_restart(c.bed))
        CHECK_U64(c.bed->found, MESSAGES - 1);
    crowd_free(&c);
}

/* An older log in trouble: it is told, and intake, which does not need that log, goes on. */
static void test_an_older_log_fails(void)
{
    struct mail_status status = {0};
    struct spool_stats stats;
    clock_virtual_start(1000, 1000);
    struct crowd c = crowd_new(2);
    send_all(&c);
    c.bed->logs = 1;
    CHECK(bed_restart(c.bed));
    bed_work(c.bed);
    faulty_io_fail_kinds(c.disk, FAULTY_WRITES | FAULTY_SYNCS, 1, EIO, FAULTY_FOR_GOOD);
    spool_message_done(c.bed->spool, &c.bed->messages[1].ref);
    bed_work(c.bed);
    spool_stats_read(c.bed->spool, &stats);
    CHECK(!stats.healthy);
    faulty_io_heal(c.disk);
    CHECK(spool_accepts(c.bed->spool, 1000, &status));
    send_from(&c, MESSAGES, 700);
    bed_work(c.bed);
    answers_take(&c);
    CHECK_U64(c.bed->messages[MESSAGES].err, ERR_OK);
    clock_virtual_advance(10000);
    bed_work(c.bed);
    spool_stats_read(c.bed->spool, &stats);
    CHECK(stats.healthy);
    if (bed_restart(c.bed))
        CHECK_U64(c.bed->found, MESSAGES);
    CHECK(!c.bed->messages[1].found);
    CHECK_U64(faulty_io_second_tries(c.disk), 0);
    crowd_free(&c);
    clock_virtual_end();
}

static void test_power_cut(void)
{
    struct crowd c = crowd_new(3);
    struct bed *reader = bed_new();
    send_all(&c);
    for (unsigned i = 0; i < MESSAGES; i += 3)
        spool_message_done(c.bed->spool, &c.bed->messages[i].ref);
    bed_work(c.bed);
    faulty_io_power_cut(c.disk, reader->path, FAULTY_CUT_SYNCED, 1);
    CHECK(bed_open(reader, NULL) == ERR_OK);
    bed_recover(reader);
    CHECK_U64(reader->found, MESSAGES - MESSAGES / 3);
    CHECK_U64(reader->damaged, 0);
    bed_free(&reader);
    crowd_free(&c);
}

/* --- What is not opened --- */

static void test_refused(void)
{
    static const struct {
        const char *name, *from, *to, *why;
    } rows[] = {
        {"a segment of another log", "segments/seg-000", "log-1/segments/seg-000", "is of log 0"},
        {"and the other way round", "log-1/segments/seg-000", "segments/seg-000", "is of log 1"},
        {"a log for its first", "log-1", "log-0", "numbers from 1 to 15"},
        {"a log beyond", "log-1", "log-16", "numbers from 1 to 15"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        char from[TEMP_DIR_SIZE * 2], to[TEMP_DIR_SIZE * 2];
        struct err_detail why = {""};
        struct crowd c = crowd_new(2);
        send_all(&c);
        spool_free(&c.bed->spool);
        snprintf(from, sizeof from, "%s/%s", c.bed->path, rows[i].from);
        snprintf(to, sizeof to, "%s/%s", c.bed->path, rows[i].to);
        CHECK(rename(from, to) == 0);
        CHECK(bed_open(c.bed, &why) != ERR_OK);
        if (!CHECK(strstr(why.text, rows[i].why)))
            fprintf(stderr, "%s\n", why.text);
        crowd_free(&c);
    }
}

static void test_locked_as_a_whole(void)
{
    struct crowd c = crowd_new(2);
    struct spool *second = NULL;
    struct spool_settings settings = c.bed->settings;
    char path[TEMP_DIR_SIZE * 2];
    CHECK(spool_open(&settings, io_system, &second, NULL) == ERR_EXISTS);
    unit_row("one log by itself");
    snprintf(path, sizeof path, "%s/log-1", c.bed->path);
    settings.path = path;
    CHECK(spool_open(&settings, io_system, &second, NULL) == ERR_EXISTS);
    crowd_free(&c);
}

/* --- With threads --- */

static void test_threads(void)
{
    struct crowd c = crowd_new(3);
    struct spool_stats stats;
    /* The faulty disk is for one thread. */
    spool_free(&c.bed->spool);
    c.bed->io = io_system;
    c.bed->logs_made = false;
    CHECK(bed_open(c.bed, NULL) == ERR_OK);
    CHECK(spool_start(c.bed->spool, NULL) == ERR_OK);
    for (unsigned i = 0; i < MESSAGES; i++)
        send_from(&c, i, 700);
    for (unsigned i = 0; i < MESSAGES; i++)
        while (!c.bed->messages[i].answered)
            answers_take(&c);
    for (unsigned i = 0; i < MESSAGES; i++) {
        CHECK_U64(c.bed->messages[i].err, ERR_OK);
        CHECK_U64(log_of(&c, i), i % 3);
        if (i % 2 == 0)
            spool_message_done(c.bed->spool, &c.bed->messages[i].ref);
    }
    spool_stop(c.bed->spool);
    spool_stats_read(c.bed->spool, &stats);
    CHECK_U64(stats.live_messages, MESSAGES / 2);
    if (bed_restart(c.bed))
        CHECK_U64(c.bed->found, MESSAGES / 2);
    crowd_free(&c);
}

UNIT_MAIN("queue/spool logs", {"each message has its log", test_each_message_has_its_log},
          {"settled in its log", test_settled_in_its_log},
          {"ids are never used again", test_ids_are_never_used_again},
          {"found bit by bit", test_found_bit_by_bit}, {"foreign ids", test_foreign_ids},
          {"quarantine in its log", test_quarantine_in_its_log},
          {"an older log fails", test_an_older_log_fails}, {"power cut", test_power_cut},
          {"refused", test_refused}, {"locked as a whole", test_locked_as_a_whole},
          {"threads", test_threads})
