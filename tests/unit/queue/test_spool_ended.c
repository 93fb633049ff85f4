/* queue/spool ended: ended, not ended, ending fails, power cut while ending. */
#include <fcntl.h>
#include <errno.h>
#include <unistd.h>

#include "op_log.h"
#include "spool_crowd.h"

/* --- A log of 0.1.0 that has no message left ends --- */

/* The name of what log 1 has ended as, or empty; how many there are. */
static size_t ended_names(const struct bed *b, char last[SPOOL_NAME_SIZE])
{
    size_t count = 0;
    uint64_t next_id;
    int fd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char **names = io_system->list(io_system, fd);
    *last = '\0';
    for (char **name = names; *name; name++) {
        if (!spool_ended_name_parse(*name, &next_id))
            continue;
        snprintf(last, SPOOL_NAME_SIZE, "%s", *name);
        count++;
    }
    io_list_free(&names);
    close(fd);
    return count;
}

static void settle_all(struct crowd *c)
{
    for (unsigned i = 0; i < MESSAGES; i++)
        if (c->bed->messages[i].answered && c->bed->messages[i].err == ERR_OK)
            spool_message_done(c->bed->spool, &c->bed->messages[i].ref);
    bed_work(c->bed);
}

static bool reopen(struct crowd *c)
{
    c->bed->logs = 1;
    return bed_restart(c->bed);
}

/* For good: its name says which ids it had. */
static void test_ended(void)
{
    char name[SPOOL_NAME_SIZE], again[SPOOL_NAME_SIZE], below[SPOOL_NAME_SIZE + 16];
    struct crowd c = crowd_new(2);
    uint64_t last = 0, next_id = 0;
    send_all(&c);
    for (unsigned i = 1; i < MESSAGES; i += 2)
        last = c.bed->messages[i].ref.id > last ? c.bed->messages[i].ref.id : last;
    settle_all(&c);
    CHECK(reopen(&c));
    CHECK_U64(c.bed->found, 0);
    CHECK(!there(c.bed, "log-1"));
    CHECK_U64(ended_names(c.bed, name), 1);
    CHECK(spool_ended_name_parse(name, &next_id) && next_id > last && spool_log_of(next_id) == 1);
    snprintf(below, sizeof below, "%s/segments", name);
    CHECK(!there(c.bed, below));
    CHECK(reopen(&c));
    CHECK_U64(ended_names(c.bed, again), 1);
    CHECK_STR(again, name);
    crowd_free(&c);
}

static void test_not_ended(void)
{
    static const struct {
        const char *name, *file;
        bool settled;
    } rows[] = {
        {"a message lives in it", NULL, false},
        {"something is set aside in it", "log-1/quarantine/x", true},
        {"a strange file", "log-1/x", true},
        {"a strange file among segments", "log-1/segments/x", true},
        {"a strange file among texts", "log-1/big/x", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char name[SPOOL_NAME_SIZE], path[TEMP_DIR_SIZE * 2];
        unit_row(rows[i].name);
        struct crowd c = crowd_new(2);
        send_all(&c);
        if (rows[i].settled)
            settle_all(&c);
        spool_free(&c.bed->spool);
        snprintf(path, sizeof path, "%s/%s", c.bed->path, rows[i].file ? rows[i].file : "x");
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        CHECK(fd >= 0 && close(fd) == 0);
        CHECK(reopen(&c));
        CHECK(there(c.bed, "log-1"));
        CHECK_U64(ended_names(c.bed, name), 0);
        CHECK(!rows[i].file || there(c.bed, rows[i].file));
        CHECK_U64(c.bed->found, rows[i].settled ? 0 : MESSAGES);
        crowd_free(&c);
    }
}

/* Messages in log 0, none in log 1: what was done in its first segment is said in a later one. */
static void surplus_made(struct crowd *c)
{
    for (unsigned i = 0; i < MESSAGES; i++)
        send_from(c, i, 7000);
    bed_work(c->bed);
    answers_take(c);
    CHECK(c->bed->messages[1].ref.segment != c->bed->messages[MESSAGES - 1].ref.segment);
    for (unsigned i = 1; i < MESSAGES; i += 2)
        spool_message_done(c->bed->spool, &c->bed->messages[i].ref);
    bed_work(c->bed);
    spool_free(&c->bed->spool);
    c->bed->logs = 1;
}

/* Whatever came of the ending, it is complete now, and log 0 has not noticed. */
static void check_surplus(struct crowd *c)
{
    char name[SPOOL_NAME_SIZE], below[SPOOL_NAME_SIZE + 16];
    CHECK(bed_restart(c->bed));
    for (unsigned i = 0; i < MESSAGES; i++)
        CHECK(c->bed->messages[i].found == (i % 2 == 0));
    CHECK_U64(c->bed->damaged, 0);
    CHECK(!there(c->bed, "log-1"));
    CHECK_U64(ended_names(c->bed, name), 1);
    snprintf(below, sizeof below, "%s/segments", name);
    CHECK(!there(c->bed, below));
    send_from(c, MESSAGES, 700);
    bed_work(c->bed);
    answers_take(c);
    CHECK_U64(c->bed->messages[MESSAGES].err, ERR_OK);
}

/* Every call of a start that ends a log fails, once or from there on. */
static void test_ending_fails(void)
{
    static const enum faulty_mode MODES[] = {FAULTY_ONCE, FAULTY_FOR_GOOD};
    for (size_t mode = 0; mode < ARRAY_SIZE(MODES); mode++) {
        bool reached = true;
        uint64_t n = 1;
        for (; reached && n < 1000; n++) {
            char row[40];
            snprintf(row, sizeof row, "call %u%s", (unsigned)n, mode ? " and on" : "");
            unit_row(row);
            struct crowd c = crowd_new(2);
            surplus_made(&c);
            faulty_io_fail(c.disk, n, EIO, MODES[mode]);
            (void)!bed_open(c.bed, NULL);
            reached = faulty_io_has_failed(c.disk);
            CHECK(reached || !there(c.bed, "log-1"));
            spool_free(&c.bed->spool);
            faulty_io_heal(c.disk);
            faulty_io_new_process(c.disk);
            if (CHECK(bed_open(c.bed, NULL) == ERR_OK))
                check_surplus(&c);
            crowd_free(&c);
        }
        CHECK(n > 60 && n < 1000);
    }
}

/* --- The power goes at any time of it, and each subset of what was not synced is on the disk ---
 */

struct ending {
    struct crowd *crowd;
    struct op_log *log;
    unsigned states, as_log, as_ended;
};

static void check_ending(struct ending *e, size_t at, const bool *kept)
{
    char name[SPOOL_NAME_SIZE], own[sizeof e->crowd->bed->path];
    struct bed *b = e->crowd->bed;
    snprintf(own, sizeof own, "%s", b->path);
    ASSERT(snprintf(b->path, sizeof b->path, "%s/state", b->dir) > 0);
    op_log_leave(e->log, at, kept, b->path);
    e->as_log += there(b, "log-1");
    e->as_ended += ended_names(b, name) > 0;
    struct faulty_io *f = faulty_io_new(b->path);
    b->io = faulty_io_of(f);
    check_surplus(e->crowd);
    spool_free(&b->spool);
    faulty_io_free(&f);
    temp_dir_remove(b->path);
    snprintf(b->path, sizeof b->path, "%s", own);
    e->states++;
}

static void check_subsets(struct ending *e, size_t at)
{
    enum { DOUBTS_MAX = 4 };
    size_t doubts = op_log_doubts(e->log, at);
    bool *kept = MEM_NEW_ARRAY(bool, doubts + 1);
    uint64_t seed = at;
    for (unsigned set = 0; set < 1U << (doubts < DOUBTS_MAX ? doubts : DOUBTS_MAX); set++) {
        for (size_t i = 0; i < doubts; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            kept[i] = doubts <= DOUBTS_MAX ? set >> i & 1 : set > 1 ? seed >> 63 : set;
        }
        check_ending(e, at, kept);
    }
    mem_free(kept);
}

static void test_power_cut_while_ending(void)
{
    char row[40];
    struct crowd c = crowd_new(2);
    struct ending e = {.crowd = &c};
    spool_free(&c.bed->spool);
    faulty_io_free(&c.disk);
    temp_dir_remove(c.bed->path);
    e.log = op_log_new(c.bed->path);
    c.bed->io = op_log_io(e.log);
    c.bed->logs_made = false;
    CHECK(bed_open(c.bed, NULL) == ERR_OK);
    surplus_made(&c);
    size_t from = op_log_length(e.log);
    CHECK(bed_open(c.bed, NULL) == ERR_OK);
    CHECK(!there(c.bed, "log-1"));
    bed_work(c.bed);
    spool_free(&c.bed->spool);
    for (size_t at = from; at <= op_log_length(e.log); at++) {
        snprintf(row, sizeof row, "operation %u", (unsigned)at);
        unit_row(row);
        check_subsets(&e, at);
    }
    CHECK(e.states > 100 && e.as_log > 20 && e.as_ended > 20);
    op_log_free(&e.log);
    c.disk = NULL;
    crowd_free(&c);
}

UNIT_MAIN("queue/spool ended", {"ended", test_ended}, {"not ended", test_not_ended},
          {"ending fails", test_ending_fails},
          {"power cut while ending", test_power_cut_while_ending})
