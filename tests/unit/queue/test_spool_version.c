/* Which version a segment's header says: 1 until a message needs more, and then never 1 again. A
 * program of version 1 refuses what it cannot read instead of taking it for damage. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "queue/spool.h"
#include "queue/spool_format.h"
#include "spool_bed.h"

enum { PLAIN = 0, ORAR = 101 };

/* Both copies agree. 0: no segment there. */
static uint32_t version_of(const struct bed *b, uint32_t slot)
{
    char path[TEMP_DIR_SIZE * 2], name[SPOOL_NAME_SIZE];
    uint8_t block[SPOOL_HEADER_BYTES];
    struct spool_segment_header header;
    uint32_t version;
    snprintf(path, sizeof path, "%s/segments/%s", b->path, spool_segment_name(slot, name));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    CHECK(read(fd, block, sizeof block) == (ssize_t)sizeof block);
    close(fd);
    CHECK(spool_header_decode(block, sizeof block, slot, &header, &version) == ERR_OK);
    CHECK_U64(spool_get_u32(block + SPOOL_HEADER_COPY_AT + 4), version);
    return version;
}

static uint32_t version_under(const struct bed *b, unsigned number)
{
    return version_of(b, (uint32_t)(b->messages[number].ref.segment & (SPOOL_SLOTS - 1)));
}

static struct bed *bed_sending(unsigned number)
{
    struct bed *b = bed_new();
    CHECK(bed_open(b, NULL) == ERR_OK);
    bed_send(b, number, 300);
    bed_work(b);
    CHECK_U64(b->messages[number].err, ERR_OK);
    return b;
}

static void send_now(struct bed *b, unsigned number)
{
    bed_send(b, number, 300);
    bed_work(b);
    CHECK_U64(b->messages[number].err, ERR_OK);
}

static void test_orar_goes_elsewhere(void)
{
    struct bed *b = bed_sending(PLAIN);
    CHECK_U64(version_under(b, PLAIN), SPOOL_VERSION_PLAIN);
    send_now(b, ORAR);
    CHECK(b->messages[ORAR].ref.segment > b->messages[PLAIN].ref.segment);
    CHECK_U64(version_under(b, ORAR), SPOOL_VERSION_ORAR);
    /* What needs nothing goes along with it. */
    send_now(b, PLAIN + 1);
    CHECK_U64(b->messages[PLAIN + 1].ref.segment, b->messages[ORAR].ref.segment);
    if (bed_restart(b)) {
        CHECK_U64(b->damaged, 0);
        CHECK_U64(b->found, 3);
    }
    bed_free(&b);
}

static void test_empty_segment_is_raised(void)
{
    struct bed *b = bed_sending(ORAR);
    CHECK_U64(b->messages[ORAR].ref.segment & (SPOOL_SLOTS - 1), 0);
    CHECK_U64(version_of(b, 0), SPOOL_VERSION_ORAR);
    bed_free(&b);
}

static void test_one_group(void)
{
    struct bed *b = bed_sending(PLAIN);
    bed_send(b, PLAIN + 1, 300);
    bed_send(b, ORAR, 300);
    bed_send(b, PLAIN + 2, 300);
    bed_work(b);
    CHECK_U64(b->messages[PLAIN + 1].ref.segment, b->messages[PLAIN].ref.segment);
    CHECK_U64(version_under(b, ORAR), SPOOL_VERSION_ORAR);
    CHECK_U64(b->messages[PLAIN + 2].ref.segment, b->messages[ORAR].ref.segment);
    bed_free(&b);
}

/* As for an orar: above it, and whatever needs less goes along. */
static void test_options_go_above(void)
{
    struct bed *b = bed_sending(ORAR);
    b->options = MAIL_OPTION_SMTPUTF8;
    send_now(b, PLAIN);
    CHECK_U64(b->messages[PLAIN].ref.segment, b->messages[ORAR].ref.segment);
    CHECK_U64(version_under(b, ORAR), SPOOL_VERSION_ORAR);
    b->options = MAIL_OPTION_SMTPUTF8 | 128;
    send_now(b, PLAIN + 1);
    CHECK(b->messages[PLAIN + 1].ref.segment > b->messages[ORAR].ref.segment);
    CHECK_U64(version_under(b, PLAIN + 1), SPOOL_VERSION_OPTIONS);
    b->options = 0;
    send_now(b, ORAR + 7);
    CHECK_U64(b->messages[ORAR + 7].ref.segment, b->messages[PLAIN + 1].ref.segment);
    if (bed_restart(b)) {
        CHECK_U64(b->damaged, 0);
        CHECK_U64(b->found, 4);
    }
    bed_free(&b);
}

/* Messages may be carried to whatever is filled next, so that it must not be of less. */
static void test_stays_after_restart(void)
{
    struct bed *b = bed_sending(ORAR);
    if (bed_restart(b)) {
        send_now(b, PLAIN);
        CHECK(b->messages[PLAIN].ref.segment != b->messages[ORAR].ref.segment);
        CHECK_U64(version_under(b, PLAIN), SPOOL_VERSION_ORAR);
    }
    bed_free(&b);
}

/* The header of the segment that was ready cannot be synced: nothing is written to it, and the
 * message, which was in no group yet, goes into another. */
static void test_header_cannot_be_synced(void)
{
    for (unsigned used = 0; used < 2; used++) {
        struct bed *b = bed_new();
        struct faulty_io *f = faulty_io_new(b->path);
        b->io = faulty_io_of(f);
        unit_row(used ? "of the next segment" : "of the empty one under way");
        CHECK(bed_open(b, NULL) == ERR_OK);
        bed_work(b);
        if (used)
            send_now(b, PLAIN);
        bed_send(b, ORAR, 300);
        faulty_io_fail_sync(f, 1, EIO);
        bed_work(b);
        CHECK(faulty_io_has_failed(f));
        CHECK_U64(b->messages[ORAR].err, ERR_OK);
        CHECK_U64(version_under(b, ORAR), SPOOL_VERSION_ORAR);
        faulty_io_heal(f);
        send_now(b, ORAR + 7);
        CHECK_U64(version_under(b, ORAR + 7), SPOOL_VERSION_ORAR);
        CHECK_U64(faulty_io_second_tries(f), 0);
        if (bed_restart(b)) {
            CHECK_U64(b->damaged, 0);
            CHECK_U64(b->found, used + 2);
            CHECK(b->messages[ORAR].found && b->messages[ORAR + 7].found);
        }
        bed_free(&b);
        faulty_io_free(&f);
    }
}

UNIT_MAIN("queue/spool_version", {"orar goes elsewhere", test_orar_goes_elsewhere},
          {"empty segment is raised", test_empty_segment_is_raised}, {"one group", test_one_group},
          {"options go above", test_options_go_above},
          {"stays after a restart", test_stays_after_restart},
          {"header cannot be synced", test_header_cannot_be_synced})
