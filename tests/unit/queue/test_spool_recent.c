/* queue/spool_recent: once from memory, displaced, put back, refused, few descriptors, two
 * takers. */
#include "queue/spool_private.h"

#include <errno.h>

#include "core/thread.h"

#include "spool_bed.h"

static struct bed *bed_counted(struct faulty_io **f)
{
    struct bed *b = bed_new();
    *f = faulty_io_new(b->path);
    b->io = faulty_io_of(*f);
    b->settings.segment_size_bytes = 4 * 1024 * 1024;
    CHECK(bed_open(b, NULL) == ERR_OK);
    return b;
}

static void bed_end(struct bed *b, struct faulty_io *f)
{
    bed_free(&b);
    faulty_io_free(&f);
}

/* Reads message NUMBER and says how many calls that took. */
static uint64_t read_calls(struct bed *b, const struct faulty_io *f, unsigned number)
{
    struct arena arena;
    struct spool_message m;
    uint64_t before = faulty_io_calls(f);
    arena_init(&arena, 0);
    if (CHECK(spool_read_recent(b->spool, &b->messages[number].ref, &arena, &m, NULL) == ERR_OK)) {
        CHECK(bed_envelope_right(&m, number));
        CHECK(bed_text_right(&m, number));
        spool_message_close(&m);
        spool_message_close(&m);
    }
    arena_free(&arena);
    return faulty_io_calls(f) - before;
}

static void test_once_from_memory(void)
{
    static const struct {
        const char *name;
        size_t octets;
        uint64_t calls; /* of the first reader */
    } rows[] = {
        {"empty", 0, 0},
        {"small", 900, 0},
        {"the limit", 8192, 0},
        {"a big file: its text and the end of it", 9000, 2},
    };
    struct faulty_io *f;
    struct bed *b = bed_counted(&f);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        bed_send(b, i, rows[i].octets);
    bed_work(b);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        CHECK_U64(read_calls(b, f, i), rows[i].calls);
        CHECK(read_calls(b, f, i) > rows[i].calls);
    }
    bed_end(b, f);
}

static void test_displaced(void)
{
    struct faulty_io *f;
    struct bed *b = bed_counted(&f);
    for (unsigned i = 0; i <= SPOOL_RECENT; i++)
        bed_send(b, i, 100);
    bed_work(b);
    CHECK(read_calls(b, f, 0) > 0);
    CHECK_U64(read_calls(b, f, 1), 0);
    CHECK_U64(read_calls(b, f, SPOOL_RECENT), 0);
    bed_end(b, f);
}

/* Who looks for another leaves it where it is. */
static void test_put_back(void)
{
    struct faulty_io *f;
    struct bed *b = bed_counted(&f);
    bed_send(b, 0, 100);
    bed_work(b);
    struct spool_log *log = b->spool->logs[0];
    CHECK(!spool_recent_take(&log->intake.recents, b->messages[0].ref.id + SPOOL_RECENT));
    CHECK_U64(read_calls(b, f, 0), 0);
    CHECK(!spool_recent_take(&log->intake.recents, b->messages[0].ref.id));
    bed_end(b, f);
}

/* What was refused is not kept in memory. */
static void test_refused(void)
{
    struct faulty_io *f;
    struct bed *b = bed_counted(&f);
    bed_send(b, 0, 100);
    faulty_io_fail_sync(f, 1, EIO);
    bed_work(b);
    CHECK(b->messages[0].answered && b->messages[0].err != ERR_OK);
    for (size_t i = 0; i < SPOOL_RECENT; i++)
        CHECK(!b->spool->logs[0]->intake.recents.slots[i]);
    bed_end(b, f);
}

/* Many big files are committed and none is read: few stay open. */
static void test_few_descriptors(void)
{
    struct faulty_io *f;
    struct bed *b = bed_counted(&f);
    enum { MANY = 200 };
    for (unsigned i = 0; i < MANY; i++)
        bed_send(b, i, 9000);
    bed_work(b);
    CHECK(b->spool->logs[0]->intake.recents.big < MANY / 2);
    for (unsigned i = 0; i < MANY; i++)
        (void)read_calls(b, f, i);
    CHECK_U64(b->spool->logs[0]->intake.recents.big, 0);
    bed_end(b, f);
}

struct taker {
    struct thread thread;
    struct spool_log *log;
    uint64_t first, count, taken;
};

static void taker_run(void *arg)
{
    struct taker *t = arg;
    for (uint64_t i = 0; i < t->count; i++) {
        struct spool_recent *r = spool_recent_take(&t->log->intake.recents, t->first + i);
        t->taken += r ? 1 : 0;
        CHECK(!r || r->id == t->first + i);
        spool_recent_free(&r);
    }
}

/* The first one has it, and no other. */
static void test_two_takers(void)
{
    struct faulty_io *f;
    struct bed *b = bed_counted(&f);
    for (unsigned i = 0; i < SPOOL_RECENT; i++)
        bed_send(b, i, 100);
    bed_work(b);
    struct taker takers[2];
    for (size_t i = 0; i < ARRAY_SIZE(takers); i++) {
        takers[i] = (struct taker){
            .log = b->spool->logs[0], .first = b->messages[0].ref.id, .count = SPOOL_RECENT};
        CHECK(thread_start(&takers[i].thread, "taker", taker_run, &takers[i], NULL) == ERR_OK);
    }
    for (size_t i = 0; i < ARRAY_SIZE(takers); i++)
        thread_join(&takers[i].thread);
    CHECK_U64(takers[0].taken + takers[1].taken, SPOOL_RECENT);
    bed_end(b, f);
}

UNIT_MAIN("queue/spool_recent", {"once from memory", test_once_from_memory},
          {"displaced", test_displaced}, {"put back", test_put_back}, {"refused", test_refused},
          {"few descriptors", test_few_descriptors}, {"two takers", test_two_takers})
