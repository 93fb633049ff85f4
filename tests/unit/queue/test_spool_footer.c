/* queue/spool_footer: items, trailer, facts, handing over, only footers are read, damaged
 * footer, damaged body, long inline text. */
#include <fcntl.h>
#include <unistd.h>

#include "queue/spool.h"
#include "queue/spool_format.h"
#include "spool_bed.h"

/* --- The bytes --- */

static size_t put_item(uint8_t *to, enum spool_type type, uint32_t offset, uint32_t length,
                       uint64_t id, const void *payload, uint32_t payload_len)
{
    struct spool_item item = {.type = type,
                              .offset = offset,
                              .length = length,
                              .id = id,
                              .payload = payload,
                              .payload_len = payload_len};
    spool_item_encode(&item, to);
    return SPOOL_ITEM_BYTES + payload_len;
}

/* A MESSAGE, an OUTCOME, a DONE and a CHECKPOINT; ends at 4096 + 4 * 96. */
static size_t put_items(uint8_t *to)
{
    uint8_t generation[8], done[SPOOL_DONE_LENGTH(2)], end[SPOOL_CHECKPOINT_LENGTH];
    struct spool_checkpoint checkpoint = {8192, 4096, SPOOL_CHECKPOINT_SEALED};
    spool_put_u64(generation, 4096);
    spool_done_encode(4096, 2, done);
    spool_done_put(done, 0, 5);
    spool_done_put(done, 1, 6);
    spool_checkpoint_encode(&checkpoint, end);
    size_t len = put_item(to, SPOOL_MESSAGE, 4096, 96, 7, "", 0);
    len += put_item(to + len, SPOOL_OUTCOME, 4192, 96, 7, generation, 8);
    len += put_item(to + len, SPOOL_DONE, 4288, 96, 0, done, sizeof done);
    len += put_item(to + len, SPOOL_CHECKPOINT, 4384, 96, 0, end, sizeof end);
    return len;
}

static void test_items(void)
{
    static const struct {
        const char *name;
        size_t at; /* byte that is changed */
        uint8_t to;
        uint32_t end;
        bool valid;
    } rows[] = {
        {"right", 0, 1, 4480, true},
        {"type 0", 0, 0, 4480, false},
        {"type 6", 0, 6, 4480, false},
        {"not the first place", 4, 8, 4480, false},
        {"length odd", 8, 97, 4480, false},
        {"too short", 8, 56, 4480, false},
        {"gap", 8, 104, 4480, false},
        {"payload beyond the end", 14, 255, 4480, false},
        {"no id", 16, 0, 4480, false},
        {"ends sooner", 0, 1, 4384, false},
        {"ends later", 0, 1, 4576, false},
        {"outcome without generation", 24 + 12, 7, 4480, false},
        {"done of nobody", 24 + 32 + 24 + 8, 0, 4480, false},
    };
    uint8_t items[512];
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        size_t len = put_items(items);
        items[rows[i].at] = rows[i].to;
        CHECK(spool_items_valid(items, len, rows[i].end) == rows[i].valid);
    }
    size_t len = put_items(items);
    for (size_t cut = 0; cut < len; cut++)
        CHECK(!spool_items_valid(items, cut, 4480));
    CHECK(spool_items_valid(items, 0, SPOOL_HEADER_BYTES));
}

static void test_trailer(void)
{
    struct spool_segment_header header = {.generation = 0x5003, .size = 65536, .salt = 99};
    struct spool_trailer trailer = {
        .generation = 0x5003, .items_len = 500, .items_hash = 0x1234567890abcdef, .end = 40000};
    struct spool_trailer out;
    uint8_t block[SPOOL_TRAILER_BYTES];
    spool_trailer_encode(&trailer, 99, block);
    CHECK(spool_trailer_decode(block, &header, &out));
    CHECK_U64(out.end, 40000);
    CHECK_U64(out.items_len, 500);
    CHECK_U64(out.items_hash, trailer.items_hash);
    for (size_t bit = 0; bit < sizeof block * 8; bit++) {
        block[bit / 8] ^= (uint8_t)(1U << bit % 8);
        CHECK(!spool_trailer_decode(block, &header, &out));
        block[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    static const struct {
        const char *name;
        uint64_t generation, items_len, salt;
        uint32_t end;
        bool valid;
    } rows[] = {
        {"empty", 0x5003, 0, 99, 4096, true},
        {"full", 0x5003, 65536 - 64 - 4096, 99, 4096, true},
        {"one too long", 0x5003, 65536 - 64 - 4096 + 1, 99, 4096, false},
        {"absurdly long", 0x5003, UINT64_MAX, 99, 4096, false},
        {"ends in the header", 0x5003, 0, 99, 4088, false},
        {"ends behind the trailer", 0x5003, 0, 99, 65536, false},
        {"an odd end", 0x5003, 0, 99, 4097, false},
        {"of an earlier use", 0x4003, 0, 99, 4096, false},
        {"by somebody else", 0x5003, 0, 98, 4096, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        trailer = (struct spool_trailer){
            .generation = rows[i].generation, .items_len = rows[i].items_len, .end = rows[i].end};
        spool_trailer_encode(&trailer, rows[i].salt, block);
        CHECK(spool_trailer_decode(block, &header, &out) == rows[i].valid);
    }
}

static void test_facts(void)
{
    struct arena arena;
    struct mail_rcpt rcpts[] = {
        {.address = BYTES("a.person@Example.NET"), .notify = 6},
        {.address = BYTES("postmaster")},
        {.address = BYTES("\"at@quoted\"@x.test"), .notify = 1},
    };
    struct mail_envelope envelope = {.sender = BYTES("s@example.com"),
                                     .rcpts = rcpts,
                                     .rcpt_count = 3},
                         out;
    struct spool_meta meta = {.received_at_ms = -5, .octets = 123456789012, .is_dsn = true}, told;
    uint8_t bytes[SPOOL_FACTS_MAX];
    arena_init(&arena, 0);
    for (int null_sender = 0; null_sender < 2; null_sender++) {
        envelope.sender = null_sender ? BYTES_EMPTY : BYTES("s@example.com");
        size_t len = spool_facts_encode(&envelope, &meta, NULL);
        CHECK_U64(spool_facts_encode(&envelope, &meta, bytes), len);
        CHECK(spool_facts_decode(bytes, len, &arena, &out, &told));
        CHECK((out.sender.len == 0) == null_sender);
        CHECK_U64(told.received_at_ms, meta.received_at_ms);
        CHECK_U64(told.octets, meta.octets);
        CHECK(told.is_dsn);
        CHECK_U64(out.rcpt_count, 3);
        for (size_t i = 0; i < 3 && i < out.rcpt_count; i++) {
            CHECK_BYTES(mail_domain(out.rcpts[i].address), mail_domain(rcpts[i].address));
            CHECK_U64(out.rcpts[i].notify, rcpts[i].notify);
        }
        for (size_t cut = 0; cut < len; cut++)
            CHECK(!spool_facts_decode(bytes, cut, &arena, &out, &told));
        bytes[16] |= 4;
        CHECK(!spool_facts_decode(bytes, len, &arena, &out, &told));
        bytes[16] &= 3;
        bytes[20] = 2;
        CHECK(!spool_facts_decode(bytes, len, &arena, &out, &told));
    }
    struct mail_rcpt many[600];
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = (struct mail_rcpt){.address = BYTES("a@b")};
    envelope = (struct mail_envelope){.rcpts = many, .rcpt_count = 333};
    CHECK_U64(spool_facts_encode(&envelope, &meta, NULL), 24 + 333 * 3);
    envelope.rcpt_count = 334;
    CHECK_U64(spool_facts_encode(&envelope, &meta, NULL), 0);
    arena_free(&arena);
}

/* --- A spool with sealed segments --- */

enum { COUNT = 60, DONE_EVERY = 7 };

static bool settled(unsigned number)
{
    return number % DONE_EVERY == 3;
}

static uint32_t attempts_of(unsigned number)
{
    return number % 5 == 1 ? number : 0;
}

/* Messages of 64 KiB segments' worth, closed in peace. */
static struct bed *sealed_bed(void)
{
    struct bed *b = bed_new();
    CHECK(bed_open(b, NULL) == ERR_OK);
    for (unsigned i = 0; i < COUNT; i++) {
        bed_send(b, i, i == 20 ? 30000 : 3000 + i);
        bed_work(b);
        if (attempts_of(i))
            bed_outcome(b, i, i);
        if (settled(i))
            spool_message_done(b->spool, &b->messages[i].ref);
    }
    bed_work(b);
    spool_stop(b->spool);
    CHECK(b->messages[0].ref.segment != b->messages[COUNT - 1].ref.segment);
    return b;
}

static void check_all(struct bed *b, const char *what)
{
    unit_row(what);
    CHECK_U64(b->damaged, 0);
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK(b->messages[i].found == !settled(i));
        if (b->messages[i].found)
            CHECK_U64(b->messages[i].attempts, attempts_of(i));
    }
}

struct routed {
    struct bed *bed;
    size_t count, wrong;
};

static void on_routed(void *owner, const struct spool_message *m,
                      const struct spool_outcome *outcome)
{
    struct routed *r = owner;
    unsigned number = (unsigned)(m->meta.received_at_ms - 1000);
    const struct mail_envelope *e = &m->envelope;
    bool right = number < COUNT && e->rcpt_count == 2 && e->sender.len > 0 &&
                 bytes_equal(mail_domain(e->rcpts[0].address), BYTES("example.net")) &&
                 e->rcpts[0].notify == 6 && !m->meta.is_dsn &&
                 m->ref.id == r->bed->messages[number].ref.id &&
                 outcome->attempts == attempts_of(number) &&
                 m->meta.octets == (number == 20 ? 30000 : 3000 + number);
    r->count++;
    r->wrong += !right;
}

/* Handed over in bits, while new messages come in. */
static void test_handing_over(void)
{
    struct bed *b = sealed_bed();
    struct routed routed = {.bed = b};
    spool_free(&b->spool);
    CHECK(bed_open(b, NULL) == ERR_OK);
    unsigned next = COUNT;
    while (spool_recovered_next(b->spool, 7, on_routed, &routed)) {
        bed_send(b, next++, 2000);
        bed_work(b);
    }
    CHECK_U64(routed.wrong, 0);
    CHECK_U64(routed.count, COUNT - (COUNT + DONE_EVERY - 4) / DONE_EVERY);
    CHECK(!spool_recovered_next(b->spool, 7, on_routed, &routed));
    for (unsigned i = COUNT; i < next; i++)
        CHECK_U64(b->messages[i].err, ERR_OK);
    if (bed_restart(b)) {
        check_all(b, "after it");
        for (unsigned i = COUNT; i < next; i++)
            CHECK(b->messages[i].found);
    }
    bed_free(&b);
}

static uint64_t read_bytes;
static struct io counting;

static ssize_t count_pread(struct io *io, int fd, void *to, size_t len, off_t at)
{
    (void)io;
    ssize_t n = io_system->pread(io_system, fd, to, len, at);
    read_bytes += n > 0 ? (uint64_t)n : 0;
    return n;
}

/* Of sealed segments a start reads headers and footers, and nothing else. */
static void test_only_footers_are_read(void)
{
    struct bed *b = sealed_bed();
    struct spool_stats stats;
    spool_stats_read(b->spool, &stats);
    spool_free(&b->spool);
    counting = *io_system;
    counting.pread = count_pread;
    b->io = &counting;
    read_bytes = 0;
    CHECK(bed_open(b, NULL) == ERR_OK);
    /* The segment that was ready is empty, and is looked through. */
    CHECK(stats.segments >= 4);
    CHECK(read_bytes < stats.segments * (SPOOL_HEADER_BYTES + 4096) + 2 * 64 * 1024);
    bed_recover(b);
    check_all(b, "counted");
    bed_free(&b);
}

/* Each 64 octets' worth of the footer damaged in turn: the records are read instead. */
static void test_damaged_footer(void)
{
    struct bed *b = sealed_bed();
    char name[TEMP_DIR_SIZE * 2], row[32];
    uint8_t tail[2048], octet;
    spool_free(&b->spool);
    snprintf(name, sizeof name, "%s/segments/seg-%03x", b->path,
             (unsigned)spool_generation_slot(b->messages[0].ref.segment));
    int fd = open(name, O_RDWR);
    CHECK(pread(fd, tail, sizeof tail, 65536 - (off_t)sizeof tail) == (ssize_t)sizeof tail);
    for (size_t back = 1; back < 1024; back += 37) {
        snprintf(row, sizeof row, "%u from the end", (unsigned)back);
        octet = (uint8_t)~tail[sizeof tail - back];
        CHECK(pwrite(fd, &octet, 1, 65536 - (off_t)back) == 1);
        if (bed_restart(b))
            check_all(b, row);
        spool_free(&b->spool);
        CHECK(pwrite(fd, tail, sizeof tail, 65536 - (off_t)sizeof tail) == (ssize_t)sizeof tail);
    }
    close(fd);
    bed_free(&b);
}

/* Damage in a sealed segment is not met at the start, but before the text goes anywhere. */
static void test_damaged_body(void)
{
    struct bed *b = sealed_bed();
    struct arena arena;
    struct spool_message m;
    struct err_detail why;
    struct routed routed = {.bed = b};
    char name[TEMP_DIR_SIZE * 2];
    const struct spool_ref *ref = &b->messages[2].ref;
    spool_free(&b->spool);
    snprintf(name, sizeof name, "%s/segments/seg-%03x", b->path,
             (unsigned)spool_generation_slot(ref->segment));
    int fd = open(name, O_RDWR);
    CHECK(pwrite(fd, "!", 1, ref->offset + ref->length - 9) == 1);
    close(fd);
    CHECK(bed_open(b, NULL) == ERR_OK);
    while (spool_recovered_next(b->spool, SIZE_MAX, on_routed, &routed))
        ;
    CHECK_U64(routed.wrong, 0);
    arena_init(&arena, 0);
    CHECK(spool_read(b->spool, ref, &arena, &m, &why) == ERR_CORRUPT);
    spool_message_quarantine(b->spool, ref, why.text);
    bed_work(b);
    CHECK(spool_read(b->spool, &b->messages[1].ref, &arena, &m, &why) == ERR_OK);
    spool_message_close(&m);
    arena_free(&arena);
    if (bed_restart(b))
        CHECK(!b->messages[2].found && b->messages[1].found);
    bed_free(&b);
}

/* Inline texts that do not come along with the envelope are checked too. */
static void test_long_inline_text(void)
{
    struct bed *b = bed_new();
    struct arena arena;
    struct spool_message m;
    char name[TEMP_DIR_SIZE * 2];
    b->settings.segment_size_bytes = 1024 * 1024;
    b->settings.inline_max_bytes = 256 * 1024;
    CHECK(bed_open(b, NULL) == ERR_OK);
    bed_send(b, 1, 100000);
    bed_work(b);
    const struct spool_ref *ref = &b->messages[1].ref;
    arena_init(&arena, 0);
    CHECK(spool_read(b->spool, ref, &arena, &m, NULL) == ERR_OK);
    CHECK(bed_text_right(&m, 1));
    spool_message_close(&m);
    snprintf(name, sizeof name, "%s/segments/seg-%03x", b->path,
             (unsigned)spool_generation_slot(ref->segment));
    int fd = open(name, O_RDWR);
    CHECK(pwrite(fd, "!", 1, ref->offset + 70000) == 1);
    close(fd);
    CHECK(spool_read(b->spool, ref, &arena, &m, NULL) == ERR_CORRUPT);
    arena_free(&arena);
    bed_free(&b);
}

UNIT_MAIN("queue/spool_footer", {"items", test_items}, {"trailer", test_trailer},
          {"facts", test_facts}, {"handing over", test_handing_over},
          {"only footers are read", test_only_footers_are_read},
          {"damaged footer", test_damaged_footer}, {"damaged body", test_damaged_body},
          {"long inline text", test_long_inline_text})
