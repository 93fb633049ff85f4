/* queue/spool_recover: EIO once, EIO for good, ENOSPC once, ENOSPC for good, EINTR, short write,
 * bit flips, truncation, torn tail, both headers damaged, newer version, strange files, record
 * in a body. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/clock.h"
#include "queue/spool.h"
#include "queue/spool_format.h"
#include "spool_bed.h"

/* --- Every call fails once, or from there on --- */

enum { BEFORE = 4, AFTER = 8, LATER = 10 }; /* messages of the scenario */

static void scenario(struct bed *b)
{
    for (unsigned i = 0; i < BEFORE; i++)
        bed_send(b, i, i == 2 ? 20000 : 600);
    bed_work(b);
    if (b->messages[0].err == ERR_OK)
        bed_outcome(b, 0, 1);
    if (b->messages[1].err == ERR_OK)
        spool_message_done(b->spool, &b->messages[1].ref);
    for (unsigned i = BEFORE; i < AFTER; i++)
        bed_send(b, i, i == 6 ? 20000 : 600);
    bed_work(b);
}

/* What a reader of the directory at PATH finds; a dead process's, or one after a power cut. */
static void check_left(struct bed *b, const char *path, bool voids_written)
{
    struct bed *reader = bed_new();
    struct err_detail why = {""};
    snprintf(reader->path, sizeof reader->path, "%s", path);
    struct faulty_io *f = faulty_io_new(path);
    reader->io = faulty_io_of(f);
    if (!CHECK(bed_open(reader, &why) == ERR_OK))
        fprintf(stderr, "%s\n", why.text);
    if (reader->spool)
        bed_recover(reader);
    CHECK_U64(reader->damaged, 0);
    for (unsigned i = 0; i < LATER; i++) {
        const struct bed_message *m = &b->messages[i];
        if (m->answered && m->err == ERR_OK && i != 1)
            CHECK(reader->messages[i].found);
        if (m->answered && m->err != ERR_OK && (voids_written || !m->doubtful))
            CHECK(!reader->messages[i].found);
    }
    bed_free(&reader);
    faulty_io_free(&f);
}

static void check_all_ends(struct bed *b, struct faulty_io *f, bool voids_written)
{
    char cut[TEMP_DIR_SIZE + 32];
    for (unsigned lot = 0; lot < 3; lot++) {
        snprintf(cut, sizeof cut, "%s/cut%u", b->dir, lot);
        faulty_io_power_cut(f, cut, lot ? FAULTY_CUT_LOTTERY : FAULTY_CUT_SYNCED, lot * 99);
        check_left(b, cut, voids_written);
        temp_dir_remove(cut);
    }
    spool_free(&b->spool);
    check_left(b, b->path, voids_written);
}

/* False when the scenario ended before the N-th call. */
static bool run_failing(uint64_t n, int errnum, enum faulty_mode mode)
{
    struct mail_status status;
    struct bed *b = bed_new();
    struct faulty_io *f = faulty_io_new(b->path);
    b->io = faulty_io_of(f);
    faulty_io_fail(f, n, errnum, mode);
    enum err err = bed_open(b, NULL);
    if (err == ERR_OK)
        scenario(b);
    bool reached = faulty_io_has_failed(f);
    for (unsigned i = 0; b->spool && i < AFTER; i++)
        CHECK(b->messages[i].answered);
    bool stuck = reached && mode == FAULTY_FOR_GOOD;
    if (b->spool && stuck && b->messages[AFTER - 1].err != ERR_OK)
        CHECK(!spool_accepts(b->spool, 1, &status));
    if (!b->spool) {
        CHECK(reached);
        faulty_io_heal(f);
        CHECK(bed_open(b, NULL) == ERR_OK);
        scenario(b);
        stuck = false;
    } else if (n % 2) {
        /* The disk comes back: so does the spool, and what failed is void now. */
        faulty_io_heal(f);
        clock_virtual_advance(10000);
        bed_work(b);
        CHECK(spool_accepts(b->spool, 1, &status));
        bed_send(b, AFTER, 600);
        bed_work(b);
        CHECK_U64(b->messages[AFTER].err, ERR_OK);
        stuck = false;
    }
    faulty_io_heal(f);
    CHECK_U64(faulty_io_second_tries(f), 0);
    check_all_ends(b, f, !stuck);
    bed_free(&b);
    faulty_io_free(&f);
    return reached;
}

static void every_call(int errnum, enum faulty_mode mode)
{
    char row[64];
    uint64_t n = 1;
    bool reached = true;
    clock_virtual_start(1000, 1000);
    for (; reached && n < 1000; n++) {
        snprintf(row, sizeof row, "call %u", (unsigned)n);
        unit_row(row);
        reached = run_failing(n, errnum, mode);
    }
    CHECK(n > 40 && n < 1000);
    clock_virtual_end();
}

static void test_eio_once(void)
{
    every_call(EIO, FAULTY_ONCE);
}

static void test_eio_for_good(void)
{
    every_call(EIO, FAULTY_FOR_GOOD);
}

static void test_enospc_once(void)
{
    every_call(ENOSPC, FAULTY_ONCE);
}

static void test_enospc_for_good(void)
{
    every_call(ENOSPC, FAULTY_FOR_GOOD);
}

static void test_eintr(void)
{
    every_call(EINTR, FAULTY_ONCE);
}

static void test_short_write(void)
{
    every_call(EIO, FAULTY_SHORT);
}

/* --- Damage. The files of a spool in memory, to be planted with changes --- */

struct image {
    char name[16];
    uint8_t *data;
    size_t len;
};

struct images {
    struct image files[8];
    size_t count;
};

static void images_take(struct images *images, const struct bed *b)
{
    char path[TEMP_DIR_SIZE * 2];
    images->count = 0;
    for (unsigned slot = 0; slot < ARRAY_SIZE(images->files); slot++) {
        struct image *image = &images->files[images->count];
        snprintf(image->name, sizeof image->name, "seg-%03x", slot);
        snprintf(path, sizeof path, "%s/segments/%s", b->path, image->name);
        int fd = open(path, O_RDONLY);
        if (fd < 0)
            continue;
        image->data = mem_alloc(64 * 1024);
        image->len = (size_t)read(fd, image->data, 64 * 1024);
        close(fd);
        images->count++;
    }
}

static void images_free(struct images *images)
{
    for (size_t i = 0; i < images->count; i++)
        mem_free(images->files[i].data);
}

static void plant(const struct bed *b, const struct images *images)
{
    char path[TEMP_DIR_SIZE * 2];
    temp_dir_remove(b->path);
    snprintf(path, sizeof path, "%s/segments", b->path);
    CHECK(mkdir(b->path, 0700) == 0 && mkdir(path, 0700) == 0);
    for (size_t i = 0; i < images->count; i++) {
        snprintf(path, sizeof path, "%s/segments/%s", b->path, images->files[i].name);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        size_t len = images->files[i].len;
        CHECK(write(fd, images->files[i].data, len) == (ssize_t)len);
        close(fd);
    }
}

enum { DAMAGE_MESSAGES = 18 };

/* A spool with a segment full of messages, all in the first; SEALED: another start has been. */
static struct bed *damage_bed(struct images *images, bool sealed)
{
    struct bed *b = bed_new();
    struct faulty_io *f = faulty_io_new(b->path);
    b->io = faulty_io_of(f);
    CHECK(bed_open(b, NULL) == ERR_OK);
    for (unsigned i = 0; i < DAMAGE_MESSAGES; i++) {
        bed_send(b, i, 300 + i * 250);
        bed_work(b);
    }
    CHECK_U64(b->messages[0].ref.segment, b->messages[DAMAGE_MESSAGES - 1].ref.segment);
    if (sealed && bed_restart(b)) {
        bed_send(b, DAMAGE_MESSAGES, 10); /* the checkpoint rides with it */
        bed_work(b);
    }
    spool_free(&b->spool);
    b->io = io_system;
    faulty_io_free(&f);
    images_take(images, b);
    return b;
}

/* Opens what was planted, on a disk that syncs in no time. */
struct planted {
    struct bed *bed;
    struct faulty_io *disk;
    bool open;
};

static struct planted planted_open(struct bed *b, const struct images *images)
{
    struct err_detail why = {""};
    plant(b, images);
    struct planted p = {b, faulty_io_new(b->path), false};
    b->io = faulty_io_of(p.disk);
    p.open = CHECK(bed_open(b, &why) == ERR_OK);
    if (p.open) {
        bed_recover(b);
        bed_work(b); /* what could not be read is set aside */
    } else {
        fprintf(stderr, "%s\n", why.text);
    }
    return p;
}

static void planted_close(struct planted *p)
{
    spool_free(&p->bed->spool);
    faulty_io_free(&p->disk);
    p->bed->io = io_system;
}

static unsigned lost_messages(const struct bed *b)
{
    unsigned lost = 0;
    for (unsigned i = 0; i < DAMAGE_MESSAGES; i++)
        lost += !b->messages[i].found;
    return lost;
}

static uint64_t quarantined(const struct bed *b)
{
    struct spool_stats stats;
    spool_stats_read(b->spool, &stats);
    return stats.quarantined;
}

static void refs_take(const struct bed *b, struct spool_ref refs[DAMAGE_MESSAGES])
{
    for (unsigned i = 0; i < DAMAGE_MESSAGES; i++)
        refs[i] = b->messages[i].ref;
}

static void test_bit_flips(void)
{
    struct images images;
    struct bed *b = damage_bed(&images, true);
    struct spool_ref refs[DAMAGE_MESSAGES];
    char row[64];
    refs_take(b, refs);
    uint32_t end = refs[DAMAGE_MESSAGES - 1].offset + refs[DAMAGE_MESSAGES - 1].length;
    unsigned hits = 0;
    for (size_t sector = 0; sector < images.files[0].len; sector += 512) {
        size_t at = sector + sector / 512 * 37 % 512;
        uint8_t bit = (uint8_t)(1U << (sector / 512 % 8));
        snprintf(row, sizeof row, "octet %u", (unsigned)at);
        unit_row(row);
        images.files[0].data[at] ^= bit;
        struct planted p = planted_open(b, &images);
        if (p.open) {
            CHECK_U64(b->damaged, 0);
            for (unsigned i = 0; i < DAMAGE_MESSAGES; i++)
                CHECK(b->messages[i].found ||
                      (at >= refs[i].offset && at < refs[i].offset + refs[i].length));
            CHECK_U64(quarantined(b), lost_messages(b));
            if (at >= end || at < SPOOL_HEADER_BYTES)
                CHECK_U64(lost_messages(b), 0);
            hits += lost_messages(b);
        }
        planted_close(&p);
        images.files[0].data[at] ^= bit;
    }
    CHECK(hits > 60);
    images_free(&images);
    bed_free(&b);
}

static void test_truncation(void)
{
    struct images images;
    struct bed *b = damage_bed(&images, true);
    struct spool_ref refs[DAMAGE_MESSAGES];
    char row[64];
    refs_take(b, refs);
    size_t whole = images.files[0].len;
    for (size_t len = 0; len < whole; len += 512) {
        snprintf(row, sizeof row, "cut at %u", (unsigned)len);
        unit_row(row);
        images.files[0].len = len;
        struct planted p = planted_open(b, &images);
        if (p.open) {
            CHECK_U64(b->damaged, 0);
            for (unsigned i = 0; i < DAMAGE_MESSAGES; i++)
                CHECK(b->messages[i].found == (refs[i].offset + refs[i].length <= len));
            CHECK(b->messages[DAMAGE_MESSAGES].found);
            CHECK((quarantined(b) > 0) == (lost_messages(b) > 0));
            /* It is not written to again. */
            for (unsigned i = 100; i < 200; i++)
                bed_send(b, i, 1000);
            bed_work(b);
            for (unsigned i = 100; i < 200; i++)
                CHECK(b->messages[i].ref.segment != refs[0].segment);
        }
        planted_close(&p);
    }
    images_free(&images);
    bed_free(&b);
}

static void test_torn_tail(void)
{
    struct images images;
    struct bed *b = damage_bed(&images, false);
    struct spool_ref last = b->messages[DAMAGE_MESSAGES - 1].ref;
    char row[64];
    uint8_t *whole = mem_alloc(last.length);
    memcpy(whole, images.files[0].data + last.offset, last.length);
    size_t text_end = last.length;
    while (whole[text_end - 1] == 0)
        text_end--;
    for (uint32_t kept = 0; kept <= last.length; kept += kept < 200 ? 1 : 97) {
        snprintf(row, sizeof row, "%u octets of the last record", (unsigned)kept);
        unit_row(row);
        memset(images.files[0].data + last.offset, 0, last.length);
        memcpy(images.files[0].data + last.offset, whole, kept);
        struct planted p = planted_open(b, &images);
        if (p.open) {
            CHECK_U64(b->damaged, 0);
            CHECK_U64(quarantined(b), 0);
            CHECK_U64(lost_messages(b), kept >= text_end ? 0 : 1);
            CHECK(b->messages[DAMAGE_MESSAGES - 1].found == (kept >= text_end));
        }
        planted_close(&p);
    }
    mem_free(whole);
    images_free(&images);
    bed_free(&b);
}

static void test_both_headers_damaged(void)
{
    struct images images;
    struct bed *b = damage_bed(&images, true);
    images.files[0].data[9] ^= 1;
    images.files[0].data[SPOOL_HEADER_COPY_AT + 9] ^= 1;
    struct planted p = planted_open(b, &images);
    if (p.open) {
        CHECK_U64(lost_messages(b), DAMAGE_MESSAGES);
        CHECK(b->messages[DAMAGE_MESSAGES].found);
        CHECK_U64(quarantined(b), 1);
    }
    planted_close(&p);
    images_free(&images);
    bed_free(&b);
}

static void test_newer_version(void)
{
    struct images images, after;
    struct bed *b = damage_bed(&images, true);
    struct err_detail why = {""};
    for (size_t copy = 0; copy <= SPOOL_HEADER_COPY_AT; copy += SPOOL_HEADER_COPY_AT) {
        uint8_t *header = images.files[1].data + copy;
        spool_put_u32(header + 4, 7);
        spool_put_u64(header + 56, spool_hash(header, 56));
    }
    images.files[0].data[0] ^= 1;
    plant(b, &images);
    CHECK_U64(bed_open(b, &why), ERR_LIMIT);
    CHECK(strstr(why.text, "version 7"));
    CHECK(strstr(why.text, b->path));
    images_take(&after, b);
    CHECK_U64(after.count, images.count);
    for (size_t i = 0; i < after.count && i < images.count; i++)
        CHECK(after.files[i].len == images.files[i].len &&
              memcmp(after.files[i].data, images.files[i].data, after.files[i].len) == 0);
    images_free(&images);
    images_free(&after);
    bed_free(&b);
}

static void test_strange_files(void)
{
    static const char *const rows[] = {"fifo", "link", "second name", "directory"};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct images images;
        struct err_detail why = {""};
        struct bed *b = damage_bed(&images, false);
        char name[TEMP_DIR_SIZE * 2], other[TEMP_DIR_SIZE * 2];
        unit_row(rows[i]);
        plant(b, &images);
        snprintf(name, sizeof name, "%s/segments/seg-005", b->path);
        snprintf(other, sizeof other, "%s/segments/seg-000", b->path);
        CHECK((i == 0   ? mkfifo(name, 0600)
               : i == 1 ? symlink("/etc/passwd", name)
               : i == 2 ? link(other, name)
                        : mkdir(name, 0700)) == 0);
        CHECK(bed_open(b, &why) != ERR_OK);
        CHECK(strstr(why.text, b->path));
        images_free(&images);
        bed_free(&b);
    }
}

/* A sender of a mail with a record in it, right but for the salt, gets it delivered as text
 * and never read as a record, damage or not. */
static void test_record_in_a_body(void)
{
    struct images images;
    struct bed *b = bed_new();
    CHECK(bed_open(b, NULL) == ERR_OK);
    bed_send(b, 0, 8);
    bed_work(b);
    struct spool_ref first = b->messages[0].ref;
    uint8_t forged[4096] = {0};
    uint8_t head[SPOOL_DONE_LENGTH(1)];
    spool_done_encode(first.segment, 1, head);
    spool_done_put(head, 0, first.id);
    for (uint32_t at = 0; at + 96 <= sizeof forged; at += 96) {
        struct spool_record record = {
            .type = SPOOL_DONE,
            .head_len = sizeof head,
            .generation = first.segment,
            .head_hash = spool_hash(head, sizeof head),
            .body_hash = spool_hash("", 0),
            .group = SPOOL_HEADER_BYTES,
        };
        /* Where the text will stand: head of 8 bytes' message and this one are as long. */
        record.offset = first.offset + first.length + (first.length - 8) + at;
        spool_record_encode(&record, 0, forged + at);
        memcpy(forged + at + SPOOL_RECORD_BYTES, head, sizeof head);
    }
    struct mail_rcpt rcpt = {.address = BYTES("a@example.net")};
    struct mail_envelope envelope = {.rcpts = &rcpt, .rcpt_count = 1};
    struct spool_meta meta = {0};
    struct spool_txn *txn = spool_begin(b->spool, b->home);
    CHECK(spool_append(txn, bytes_make((char *)forged, sizeof forged)) == ERR_OK);
    spool_commit(txn, &envelope, &meta, bed_on_done, &b->messages[1]);
    bed_work(b);
    bed_send(b, 2, 8);
    bed_work(b);
    spool_free(&b->spool);
    images_take(&images, b);
    images.files[0].data[b->messages[1].ref.offset] ^= 1;
    struct planted p = planted_open(b, &images);
    if (p.open) {
        CHECK(b->messages[0].found && b->messages[2].found);
        CHECK_U64(b->found, 2);
        CHECK_U64(quarantined(b), 1);
    }
    planted_close(&p);
    images_free(&images);
    bed_free(&b);
}

UNIT_MAIN("queue/spool_recover", {"EIO once", test_eio_once}, {"EIO for good", test_eio_for_good},
          {"ENOSPC once", test_enospc_once}, {"ENOSPC for good", test_enospc_for_good},
          {"EINTR", test_eintr}, {"short write", test_short_write}, {"bit flips", test_bit_flips},
          {"truncation", test_truncation}, {"torn tail", test_torn_tail},
          {"both headers damaged", test_both_headers_damaged},
          {"newer version", test_newer_version}, {"strange files", test_strange_files},
          {"record in a body", test_record_in_a_body})
