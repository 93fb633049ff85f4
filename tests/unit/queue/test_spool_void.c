/* queue/spool void: void refused, removed for good. */
#include <errno.h>

#include "core/clock.h"
#include "queue/spool.h"
#include "spool_bed.h"

/* --- The disk takes neither the group nor the note that it is void --- */

enum { DOUBTFUL = 1, REFUSED = 2 };

static void check_doubt(struct bed *b, struct faulty_io *f, bool voided, bool *seen)
{
    char to[TEMP_DIR_SIZE + 32];
    snprintf(to, sizeof to, "%s/cut", b->dir);
    for (uint64_t lot = 1; lot <= 24; lot++) {
        struct bed *reader = bed_new();
        faulty_io_power_cut(f, to, FAULTY_CUT_LOTTERY, lot * 7919);
        snprintf(reader->path, sizeof reader->path, "%s", to);
        if (CHECK(bed_open(reader, NULL) == ERR_OK))
            bed_recover(reader);
        CHECK(reader->messages[0].found);
        CHECK(!reader->messages[REFUSED].found);
        CHECK(!voided || !reader->messages[DOUBTFUL].found);
        *seen |= reader->messages[DOUBTFUL].found;
        bed_free(&reader);
        temp_dir_remove(to);
    }
}

/* No client is told 451 of a message that may come back. */
static void test_void_refused(void)
{
    clock_virtual_start(1000, 1000);
    struct bed *b = bed_new();
    struct faulty_io *f = faulty_io_new(b->path);
    struct mail_status status;
    bool seen = false;
    b->io = faulty_io_of(f);
    CHECK(bed_open(b, NULL) == ERR_OK);
    bed_send(b, 0, 600);
    bed_work(b);
    CHECK(b->messages[0].err == ERR_OK && !b->messages[0].doubtful);
    faulty_io_fail_kinds(f, FAULTY_SYNCS, 1, EIO, FAULTY_FOR_GOOD);
    bed_send(b, DOUBTFUL, 600);
    bed_work(b);
    CHECK(b->messages[DOUBTFUL].err == ERR_IO && b->messages[DOUBTFUL].doubtful);
    CHECK(!spool_accepts(b->spool, 1, &status));
    unit_row("what was never written is refused");
    bed_send(b, REFUSED, 600);
    bed_work(b);
    CHECK(b->messages[REFUSED].err == ERR_IO && !b->messages[REFUSED].doubtful);
    check_doubt(b, f, false, &seen);
    CHECK(seen);
    unit_row("the disk is back");
    faulty_io_heal(f);
    clock_virtual_advance(10000);
    bed_work(b);
    CHECK(spool_accepts(b->spool, 1, &status));
    check_doubt(b, f, true, &seen);
    bed_free(&b);
    faulty_io_free(&f);
    clock_virtual_end();
}

struct removed {
    struct bed *bed;
    struct faulty_io *disk;
    unsigned looked;
};

/* At the first sync after the answer: those that follow cover the name as well. */
static void look_once_refused(void *owner)
{
    struct removed *r = owner;
    char to[TEMP_DIR_SIZE + 32];
    (void)mailbox_run(r->bed->home);
    if (!r->bed->messages[0].answered || r->looked > 0)
        return;
    snprintf(to, sizeof to, "%s/cut", r->bed->dir);
    while (r->looked++ < 64) {
        struct bed *reader = bed_new();
        faulty_io_power_cut(r->disk, to, FAULTY_CUT_LOTTERY, r->looked * 7919U);
        snprintf(reader->path, sizeof reader->path, "%s", to);
        if (CHECK(bed_open(reader, NULL) == ERR_OK))
            bed_recover(reader);
        CHECK_U64(reader->found, 0);
        bed_free(&reader);
        temp_dir_remove(to);
    }
}

/* The first group of a segment fails: no VOID, since the file is removed and stays away. */
static void test_removed_for_good(void)
{
    struct bed *b = bed_new();
    struct removed r = {b, faulty_io_new(b->path), 0};
    b->io = faulty_io_of(r.disk);
    CHECK(bed_open(b, NULL) == ERR_OK);
    bed_work(b); /* another segment is ready */
    faulty_io_fail_sync(r.disk, 1, EIO);
    faulty_io_before_sync(r.disk, look_once_refused, &r);
    bed_send(b, 0, 300);
    bed_work(b);
    CHECK(b->messages[0].err == ERR_IO && !b->messages[0].doubtful);
    CHECK(r.looked > 0);
    bed_free(&b);
    faulty_io_free(&r.disk);
}

UNIT_MAIN("queue/spool void", {"void refused", test_void_refused},
          {"removed for good", test_removed_for_good})
