/* A spool as version 1 wrote it, kept in tests/data: every later program reads it, to the last
 * octet. With MAKE_SPOOL=DIR in the environment it is written instead (tests/data/make-spool). */
#include <stdlib.h>

#include "core/clock.h"
#include "queue/spool.h"
#include "queue/spool_format.h"
#include "spool_golden.h"

enum { COUNT = 34, BIG = 9, EMPTY = 4, LATE = 30 };

static bool settled(unsigned number)
{
    return number % 4 == 2;
}

static uint32_t attempts_of(unsigned number)
{
    return number % 5 == 1 ? number + 1 : 0;
}

static size_t octets_of(unsigned number)
{
    return number == BIG ? 9000 : number == EMPTY ? 0 : 3000 + number * 10;
}

/* --- Writing --- */

static void write_messages(struct bed *b, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        bed_send(b, i, octets_of(i));
        bed_work(b);
        ASSERT(b->messages[i].err == ERR_OK);
        if (attempts_of(i))
            bed_outcome(b, i, attempts_of(i));
        if (settled(i))
            spool_message_done(b->spool, &b->messages[i].ref);
        bed_work(b);
    }
}

/* Segments with a footer, and the last without: its process was killed. */
static void make(const char *path)
{
    struct bed *b = bed_new();
    snprintf(b->path, sizeof b->path, "%s", path);
    ASSERT(bed_open(b, NULL) == ERR_OK);
    write_messages(b, 0, LATE);
    spool_stop(b->spool);
    spool_free(&b->spool);
    ASSERT(bed_open(b, NULL) == ERR_OK);
    write_messages(b, LATE, COUNT);
    bed_free(&b);
}

/* --- Reading --- */

static void check_golden(struct bed *b)
{
    for (unsigned i = 0; i < COUNT; i++) {
        char row[32];
        snprintf(row, sizeof row, "message %u", i);
        unit_row(row);
        CHECK(b->messages[i].found == !settled(i));
        if (b->messages[i].found)
            CHECK_U64(b->messages[i].attempts, attempts_of(i));
    }
    CHECK_U64(b->damaged, 0);
}

static void test_every_message(void)
{
    struct spool_stats stats;
    struct err_detail why = {""};
    struct bed *b = golden_bed("spool-v1");
    if (!CHECK(bed_open(b, &why) == ERR_OK))
        fprintf(stderr, "%s\n", why.text);
    if (b->spool) {
        bed_recover(b);
        check_golden(b);
        spool_stats_read(b->spool, &stats);
        CHECK_U64(stats.quarantined, 0);
    }
    bed_free(&b);
}

static void on_golden(void *owner, const struct spool_message *m,
                      const struct spool_outcome *outcome)
{
    size_t *count = owner;
    unsigned number = (unsigned)(m->meta.received_at_ms - 1000);
    ++*count;
    if (!CHECK(number < COUNT && !settled(number)))
        return;
    CHECK_U64(m->meta.octets, octets_of(number));
    CHECK_U64(outcome->attempts, attempts_of(number));
    CHECK_U64(outcome->rcpt_count, attempts_of(number) ? 1 : 0);
    if (outcome->rcpt_count != 1)
        return;
    CHECK_U64(outcome->next_attempt_at_ms, 5000);
    CHECK_U64(outcome->rcpts[0].index, 1);
    CHECK_U64(outcome->rcpts[0].status.code, 450);
    CHECK_BYTES(outcome->rcpts[0].status.text, BYTES("later"));
}

static void test_every_outcome(void)
{
    size_t count = 0;
    struct bed *b = golden_bed("spool-v1");
    if (CHECK(bed_open(b, NULL) == ERR_OK))
        while (spool_recovered_next(b->spool, 5, on_golden, &count))
            ;
    CHECK_U64(count, COUNT - COUNT / 4);
    bed_free(&b);
}

/* It is worked with, and what was in it is still there. */
static void test_goes_on(void)
{
    struct bed *b = golden_bed("spool-v1");
    CHECK(bed_open(b, NULL) == ERR_OK);
    bed_recover(b);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 100; i < 120; i++)
            bed_send(b, i, 1500);
        bed_work(b);
        for (unsigned i = 100; i < 120; i++)
            spool_message_done(b->spool, &b->messages[i].ref);
        bed_work(b);
    }
    if (bed_restart(b))
        check_golden(b);
    bed_free(&b);
}

int main(void)
{
    static const struct unit_test tests[] = {{"every message", test_every_message},
                                             {"every outcome", test_every_outcome},
                                             {"goes on", test_goes_on}};
    const char *path = getenv("MAKE_SPOOL");
    if (path) {
        make(path);
        return 0;
    }
    return unit_main("queue/spool_golden", tests, ARRAY_SIZE(tests));
}
