/* queue/spool_crash: cut before every sync, model. */
#include <errno.h>

#include "core/clock.h"
#include "queue/spool.h"
#include "queue/spool_format.h"
#include "spool_bed.h"

/* --- Power cuts before every sync, segments being used again all the while --- */

struct cuts {
    struct bed *bed;
    struct faulty_io *disk;
    bool settled[BED_MESSAGES_MAX]; /* and that is on the disk */
    bool settling[BED_MESSAGES_MAX];
    unsigned sent, count;
};

static void cut_and_look(void *owner)
{
    struct cuts *c = owner;
    for (uint64_t i = 0; i < 6; i++) {
        struct bed *reader = bed_new();
        static char row[64];
        snprintf(row, sizeof row, "cut %u", c->count++);
        unit_row(row);
        faulty_io_power_cut(c->disk, reader->path, FAULTY_CUT_LOTTERY, c->count * 7919);
        struct faulty_io *f = faulty_io_new(reader->path);
        reader->io = faulty_io_of(f);
        if (CHECK(bed_open(reader, NULL) == ERR_OK))
            bed_recover(reader);
        CHECK_U64(reader->damaged, 0);
        for (unsigned n = 0; n < c->sent; n++) {
            const struct bed_message *m = &c->bed->messages[n];
            if (c->settled[n])
                CHECK(!reader->messages[n].found);
            else if (m->answered && m->err == ERR_OK && !c->settling[n])
                CHECK(reader->messages[n].found);
        }
        bed_free(&reader);
        faulty_io_free(&f);
    }
}

static void test_cut_before_every_sync(void)
{
    enum { ROUNDS = 12, EACH = 20 };
    struct cuts *c = MEM_NEW(struct cuts);
    struct spool_stats stats;
    struct bed *b = c->bed = bed_new();
    c->disk = faulty_io_new(b->path);
    b->io = faulty_io_of(c->disk);
    CHECK(bed_open(b, NULL) == ERR_OK);
    faulty_io_before_sync(c->disk, cut_and_look, c);
    uint64_t latest = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < EACH; i++)
            bed_send(b, c->sent++, i == 5 ? 9000 : 2500);
        bed_work(b);
        latest = b->messages[c->sent - 1].ref.segment;
        for (unsigned n = 0; n < c->sent; n++) {
            bool stays = n % (4 * EACH) == 3 && n / EACH + 3 > round;
            if (c->settling[n] || stays)
                continue;
            c->settling[n] = true;
            spool_message_done(b->spool, &b->messages[n].ref);
        }
        bed_work(b);
        for (unsigned n = 0; n < c->sent; n++)
            c->settled[n] = c->settling[n];
    }
    CHECK(c->count > 100);
    spool_stats_read(b->spool, &stats);
    CHECK(latest >> SPOOL_SLOT_BITS > stats.segments + 3);
    faulty_io_before_sync(c->disk, NULL, NULL);
    bed_free(&b);
    faulty_io_free(&c->disk);
    mem_free(c);
}

/* --- Weeks of random work with power cuts and failing syncs, against a model --- */

struct model {
    bool lives[BED_MESSAGES_MAX];
    uint32_t attempts[BED_MESSAGES_MAX];
    /* Settled, or left unanswered, while the power was going: either way is right. */
    bool unsure[BED_MESSAGES_MAX];
    bool power_is_going;
    unsigned next;
};

static uint64_t lot(uint64_t *seed, uint64_t below)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (*seed >> 33) % below;
}

static void model_work(struct bed *b, struct model *m, unsigned from)
{
    bed_work(b);
    for (unsigned i = from; i < m->next; i++) {
        CHECK(b->messages[i].answered);
        m->lives[i] = b->messages[i].err == ERR_OK;
        m->unsure[i] = b->messages[i].doubtful;
        CHECK(!m->unsure[i] || m->power_is_going);
        m->attempts[i] = 0;
    }
}

static void model_step(struct bed *b, struct model *m, uint64_t *seed)
{
    unsigned from = m->next;
    for (uint64_t n = lot(seed, 12); n > 0 && m->next < BED_MESSAGES_MAX; n--)
        bed_send(b, m->next++, (size_t)lot(seed, 20) == 0 ? 9000 : (size_t)lot(seed, 4000));
    for (unsigned i = 0; i < from; i++) {
        if (!m->lives[i])
            continue;
        /* Most go soon, one in thirty stays long. */
        uint64_t odds = i % 30 == 7 ? 100 : 3;
        if (lot(seed, odds) == 0) {
            spool_message_done(b->spool, &b->messages[i].ref);
            m->lives[i] = false;
            m->unsure[i] = m->power_is_going;
        } else if (lot(seed, 10) == 0) {
            bed_outcome(b, i, ++m->attempts[i]);
            m->unsure[i] = m->power_is_going;
        }
    }
    model_work(b, m, from);
}

static void model_check(struct bed *b, struct model *m)
{
    size_t lives = 0;
    for (unsigned i = 0; i < m->next; i++) {
        if (m->unsure[i]) {
            m->lives[i] = b->messages[i].found;
            m->attempts[i] = b->messages[i].attempts;
            m->unsure[i] = false;
        }
        CHECK(b->messages[i].found == m->lives[i]);
        if (m->lives[i])
            CHECK_U64(b->messages[i].attempts, m->attempts[i]);
        lives += m->lives[i];
    }
    CHECK_U64(b->found, lives);
    CHECK_U64(b->damaged, 0);
}

static void model_power_cut(struct bed *b, struct faulty_io **f, uint64_t *seed)
{
    char cut[TEMP_DIR_SIZE + 64];
    snprintf(cut, sizeof cut, "%s/cut", b->dir);
    faulty_io_power_cut(*f, cut, lot(seed, 2) ? FAULTY_CUT_LOTTERY : FAULTY_CUT_SYNCED, *seed);
    spool_free(&b->spool);
    faulty_io_free(f);
    temp_dir_remove(b->path);
    CHECK(rename(cut, b->path) == 0);
    *f = faulty_io_new(b->path);
    b->io = faulty_io_of(*f);
}

/* How many times a poisoned segment was seen. */
static uint64_t model_run(uint64_t seed)
{
    struct bed *b = bed_new();
    struct model *m = MEM_NEW(struct model);
    struct faulty_io *f = faulty_io_new(b->path);
    struct spool_stats stats;
    uint64_t poisoned = 0;
    b->io = faulty_io_of(f);
    CHECK(bed_open(b, NULL) == ERR_OK);
    for (int step = 0; step < 120 && b->spool; step++) {
        if (lot(&seed, 15) == 0)
            faulty_io_fail_sync(f, 1 + lot(&seed, 4), EIO);
        model_step(b, m, &seed);
        clock_virtual_advance(10000);
        faulty_io_heal(f);
        bed_work(b); /* what waited for the disk is written now */
        spool_stats_read(b->spool, &stats);
        CHECK(stats.healthy);
        poisoned += stats.segments_poisoned;
        CHECK_U64(faulty_io_second_tries(f), 0);
        if (lot(&seed, 6) != 0)
            continue;
        if (lot(&seed, 3)) {
            m->power_is_going = true;
            faulty_io_fail(f, 1 + lot(&seed, 12), EIO, FAULTY_FOR_GOOD);
            model_step(b, m, &seed);
            m->power_is_going = false;
            model_power_cut(b, &f, &seed);
        }
        if (bed_restart(b))
            model_check(b, m);
    }
    CHECK_U64(stats.quarantined, 0);
    CHECK(stats.segments < 60);
    bed_free(&b);
    faulty_io_free(&f);
    mem_free(m);
    return poisoned;
}

static void test_model(void)
{
    char row[32];
    uint64_t poisoned = 0;
    clock_virtual_start(1000, 1000);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        snprintf(row, sizeof row, "seed %u", (unsigned)seed);
        unit_row(row);
        poisoned += model_run(seed);
    }
    CHECK(poisoned > 0);
    clock_virtual_end();
}

UNIT_MAIN("queue/spool_crash", {"cut before every sync", test_cut_before_every_sync},
          {"model", test_model})
