/* queue/spool_head: sizes, many_recipients, damage, wrong_reference, segment_gone. */
#include <fcntl.h>
#include <unistd.h>

#include "queue/spool.h"
#include "queue/spool_private.h"
#include "spool_bed.h"

static struct bed *bed_ready(void)
{
    struct bed *b = bed_new();
    CHECK(bed_open(b, NULL) == ERR_OK);
    return b;
}

/* Of message NUMBER; ERR_OK only with the right envelope. */
static enum err read_head(struct bed *b, unsigned number)
{
    struct arena arena;
    struct spool_message m = {.segment_fd = -1, .big_fd = -1};
    struct err_detail why = {""};
    arena_init(&arena, 0);
    enum err err =
        spool_read_head(b->spool, &b->messages[number].ref, &arena, &m.envelope, &m.meta, &why);
    if (err == ERR_OK) {
        CHECK(bed_envelope_right(&m, number));
        CHECK_U64(bed_number(&m), number);
    } else {
        CHECK(why.text[0] != '\0');
    }
    arena_free(&arena);
    return err;
}

/* Flips a bit of the segment's file, AT octets into the record of message NUMBER. */
static void damage(struct bed *b, unsigned number, size_t at)
{
    const struct spool_ref *ref = &b->messages[number].ref;
    char path[TEMP_DIR_SIZE * 2];
    uint8_t octet;
    snprintf(path, sizeof path, "%s/segments/seg-%03x", b->path,
             (unsigned)spool_generation_slot(ref->segment));
    int fd = open(path, O_RDWR);
    CHECK(pread(fd, &octet, 1, (off_t)(ref->offset + at)) == 1);
    octet ^= 0x10;
    CHECK(pwrite(fd, &octet, 1, (off_t)(ref->offset + at)) == 1);
    close(fd);
}

static void test_sizes(void)
{
    static const size_t octets[] = {0, 1, 900, 8192, 8193, 100000};
    struct bed *b = bed_ready();
    for (unsigned i = 0; i < ARRAY_SIZE(octets); i++)
        bed_send(b, i, octets[i]);
    bed_work(b);
    for (unsigned i = 0; i < ARRAY_SIZE(octets); i++)
        CHECK(read_head(b, i) == ERR_OK);
    if (bed_restart(b))
        for (unsigned i = 0; i < ARRAY_SIZE(octets); i++)
            CHECK(read_head(b, i) == ERR_OK);
    bed_free(&b);
}

/* A head that one read does not bring. */
static void test_many_recipients(void)
{
    enum { RCPTS = 500 };
    struct bed *b = bed_ready();
    struct mail_rcpt rcpts[RCPTS];
    for (size_t i = 0; i < RCPTS; i++)
        rcpts[i] = (struct mail_rcpt){.address = BYTES("some.recipient@example.net")};
    struct mail_envelope envelope = {
        .sender = BYTES("a@example.com"), .rcpts = rcpts, .rcpt_count = RCPTS};
    struct spool_meta meta = {.received_at_ms = 1, .connector = BYTES("in")};
    spool_commit(spool_begin(b->spool, b->home), &envelope, &meta, bed_on_done, &b->messages[0]);
    bed_work(b);
    struct arena arena;
    struct mail_envelope out;
    arena_init(&arena, 0);
    CHECK(spool_read_head(b->spool, &b->messages[0].ref, &arena, &out, &meta, NULL) == ERR_OK);
    CHECK_U64(out.rcpt_count, RCPTS);
    CHECK_BYTES(out.rcpts[RCPTS - 1].address, BYTES("some.recipient@example.net"));
    arena_free(&arena);
    damage(b, 0, 10000);
    CHECK(read_head(b, 0) == ERR_CORRUPT);
    bed_free(&b);
}

static void test_damage(void)
{
    static const struct {
        const char *name;
        size_t at;
        enum err wanted;
    } rows[] = {
        {"magic", 0, ERR_CORRUPT},
        {"type", 4, ERR_CORRUPT},
        {"head length", 8, ERR_CORRUPT},
        {"generation", 16, ERR_CORRUPT},
        {"id", 24, ERR_CORRUPT},
        {"checksum of the head", 33, ERR_CORRUPT},
        {"first octet of the head", SPOOL_RECORD_BYTES, ERR_CORRUPT},
        {"sender", SPOOL_RECORD_BYTES + 62, ERR_CORRUPT},
        {"text: not looked at", SPOOL_RECORD_BYTES + 800, ERR_OK},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bed *b = bed_ready();
        unit_row(rows[i].name);
        bed_send(b, 0, 2000);
        bed_send(b, 1, 2000);
        bed_work(b);
        damage(b, 0, rows[i].at);
        CHECK(read_head(b, 0) == rows[i].wanted);
        CHECK(read_head(b, 1) == ERR_OK);
        bed_free(&b);
    }
}

static void test_wrong_reference(void)
{
    struct bed *b = bed_ready();
    struct arena arena;
    struct mail_envelope envelope;
    struct spool_meta meta;
    bed_send(b, 0, 700);
    bed_work(b);
    arena_init(&arena, 0);
    struct spool_ref ref = b->messages[0].ref;
    ref.id++;
    CHECK(spool_read_head(b->spool, &ref, &arena, &envelope, &meta, NULL) == ERR_CORRUPT);
    ref = b->messages[0].ref;
    ref.offset += 8;
    CHECK(spool_read_head(b->spool, &ref, &arena, &envelope, &meta, NULL) == ERR_CORRUPT);
    ref = b->messages[0].ref;
    ref.length = UINT32_MAX - 7;
    CHECK(spool_read_head(b->spool, &ref, &arena, &envelope, &meta, NULL) == ERR_CORRUPT);
    ref = b->messages[0].ref;
    ref.segment += 1ULL << 40;
    CHECK(spool_read_head(b->spool, &ref, &arena, &envelope, &meta, NULL) == ERR_NOTFOUND);
    ref = b->messages[0].ref;
    ref.id |= 9ULL << 56; /* a log that is not there */
    CHECK(spool_read_head(b->spool, &ref, &arena, &envelope, &meta, NULL) == ERR_NOTFOUND);
    arena_free(&arena);
    bed_free(&b);
}

/* The segment is used again; one message of it has been written elsewhere, the others are done. */
static void test_segment_gone(void)
{
    struct bed *b = bed_ready();
    for (unsigned i = 0; i < 10; i++)
        bed_send(b, i, 700);
    bed_work(b);
    for (unsigned i = 1; i < 10; i++)
        spool_message_done(b->spool, &b->messages[i].ref);
    bed_work(b);
    unsigned round = 0;
    for (; round < 100 && read_head(b, 1) != ERR_NOTFOUND; round++) {
        for (unsigned i = 100; i < 120; i++)
            bed_send(b, i, 1500);
        bed_work(b);
        for (unsigned i = 100; i < 120; i++)
            spool_message_done(b->spool, &b->messages[i].ref);
        bed_work(b);
    }
    CHECK(round > 0 && round < 100);
    CHECK(read_head(b, 0) == ERR_OK);
    bed_free(&b);
}

UNIT_MAIN("queue/spool_head", {"sizes", test_sizes}, {"many_recipients", test_many_recipients},
          {"damage", test_damage}, {"wrong_reference", test_wrong_reference},
          {"segment_gone", test_segment_gone})
