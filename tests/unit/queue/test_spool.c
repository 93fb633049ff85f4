/* queue/spool: commit and read, one sync a group, abort leaves nothing, leftover big file is
 * removed, latest outcome wins, done forgets, recycling, segments are used again, failed sync,
 * unreadable message is quarantined, room, directories, locked, settings are checked, too large
 * an envelope, thread. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "queue/spool.h"
#include "spool_bed.h"

static struct bed *bed_ready(void)
{
    struct bed *b = bed_new();
    struct err_detail why = {""};
    if (!CHECK(bed_open(b, &why) == ERR_OK))
        fprintf(stderr, "%s\n", why.text);
    return b;
}

static void test_commit_and_read(void)
{
    static const struct {
        const char *name;
        size_t octets;
    } rows[] = {
        {"empty", 0},      {"one octet", 1},  {"small", 900},          {"the limit", 8192},
        {"over it", 8193}, {"large", 100000}, {"past one read", 8100},
    };
    struct bed *b = bed_ready();
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        bed_send(b, i, rows[i].octets);
    bed_work(b);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct arena arena;
        struct spool_message m;
        arena_init(&arena, 0);
        CHECK(b->messages[i].answered);
        CHECK_U64(b->messages[i].err, ERR_OK);
        CHECK(spool_read(b->spool, &b->messages[i].ref, &arena, &m, NULL) == ERR_OK);
        CHECK_U64(m.meta.octets, rows[i].octets);
        CHECK(bed_envelope_right(&m, i));
        CHECK(bed_text_right(&m, i));
        char octet;
        CHECK(spool_read_text(&m, rows[i].octets, &octet, 1) == ERR_LIMIT);
        spool_message_close(&m);
        spool_message_close(&m);
        arena_free(&arena);
    }
    unit_row("restart");
    if (bed_restart(b)) {
        CHECK_U64(b->found, ARRAY_SIZE(rows));
        CHECK_U64(b->damaged, 0);
    }
    bed_free(&b);
}

static void test_one_sync_a_group(void)
{
    struct bed *b = bed_ready();
    struct spool_stats before, after;
    spool_stats_read(b->spool, &before);
    for (unsigned i = 0; i < 20; i++)
        bed_send(b, i, 700);
    bed_work(b);
    spool_stats_read(b->spool, &after);
    CHECK_U64(after.groups - before.groups, 1);
    CHECK_U64(after.syncs - before.syncs, 1);
    CHECK_U64(after.live_messages, 20);
    CHECK(after.healthy);
    if (bed_restart(b))
        CHECK_U64(b->found, 20);
    for (unsigned i = 0; i < 20; i++)
        CHECK(b->messages[i].found);
    bed_free(&b);
}

static size_t files_in(const struct bed *b, const char *sub)
{
    char path[TEMP_DIR_SIZE * 2];
    snprintf(path, sizeof path, "%s/%s", b->path, sub);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    char **names = io_system->list(io_system, fd);
    size_t count = 0;
    while (names && names[count])
        count++;
    io_list_free(&names);
    close(fd);
    return count;
}

static void test_abort_leaves_nothing(void)
{
    struct bed *b = bed_ready();
    struct spool_txn *small = spool_begin(b->spool, b->home);
    struct spool_txn *large = spool_begin(b->spool, b->home);
    CHECK(spool_txn_id(small) != spool_txn_id(large));
    bed_append(small, 1, 100);
    bed_append(large, 2, 50000);
    CHECK_U64(files_in(b, "big"), 1);
    spool_abort(&small);
    spool_abort(&large);
    CHECK(!small && !large);
    spool_abort(&small);
    bed_work(b);
    CHECK_U64(files_in(b, "big"), 0);
    if (bed_restart(b))
        CHECK_U64(b->found, 0);
    bed_free(&b);
}

/* A crash between the first piece and the commit. */
static void test_leftover_big_file_is_removed(void)
{
    struct bed *b = bed_ready();
    bed_send(b, 1, 20000);
    bed_work(b);
    struct spool_txn *txn = spool_begin(b->spool, b->home);
    uint64_t id = spool_txn_id(txn);
    bed_append(txn, 2, 50000);
    CHECK_U64(files_in(b, "big"), 2);
    char copy[TEMP_DIR_SIZE * 2], from[TEMP_DIR_SIZE * 2];
    snprintf(from, sizeof from, "%s/big/%016llx", b->path, (unsigned long long)id);
    snprintf(copy, sizeof copy, "%s/kept", b->dir);
    CHECK(link(from, copy) == 0);
    spool_abort(&txn);
    CHECK(rename(copy, from) == 0);
    if (bed_restart(b)) {
        CHECK_U64(b->found, 1);
        CHECK_U64(files_in(b, "big"), 1);
        txn = spool_begin(b->spool, b->home);
        CHECK(spool_txn_id(txn) > id);
        spool_abort(&txn);
    }
    bed_free(&b);
}

static void test_latest_outcome_wins(void)
{
    struct bed *b = bed_ready();
    bed_send(b, 1, 100);
    bed_send(b, 2, 100);
    bed_work(b);
    bed_outcome(b, 1, 1);
    bed_work(b);
    bed_outcome(b, 1, 2);
    bed_outcome(b, 1, 3);
    bed_work(b);
    if (bed_restart(b)) {
        CHECK_U64(b->messages[1].attempts, 3);
        CHECK_U64(b->messages[2].attempts, 0);
    }
    bed_outcome(b, 1, 4);
    bed_work(b);
    if (bed_restart(b))
        CHECK_U64(b->messages[1].attempts, 4);
    bed_free(&b);
}

static void test_done_forgets(void)
{
    struct bed *b = bed_ready();
    struct spool_stats stats;
    for (unsigned i = 0; i < 4; i++)
        bed_send(b, i, i == 3 ? 30000 : 100);
    bed_work(b);
    struct spool_ref unknown = b->messages[0].ref;
    unknown.id += 1000;
    spool_message_done(b->spool, &unknown);
    spool_message_done(b->spool, &b->messages[1].ref);
    spool_message_done(b->spool, &b->messages[1].ref);
    spool_message_done(b->spool, &b->messages[3].ref);
    bed_work(b);
    spool_message_done(b->spool, &b->messages[1].ref);
    bed_outcome(b, 1, 7); /* too late: must not bring it back */
    bed_work(b);
    spool_stats_read(b->spool, &stats);
    CHECK_U64(stats.live_messages, 2);
    CHECK_U64(files_in(b, "big"), 0);
    if (bed_restart(b)) {
        CHECK_U64(b->found, 2);
        CHECK(b->messages[0].found && b->messages[2].found);
    }
    bed_free(&b);
}

/* Three times the spool's size through it, a few messages staying behind for a while. */
static void test_recycling(void)
{
    enum { ROUNDS = 60, EACH = 10, STAY = 37 };
    struct bed *b = bed_ready();
    struct spool_stats stats;
    uint64_t last_id = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned first = round * EACH;
        for (unsigned i = 0; i < EACH; i++)
            bed_send(b, first + i, 1500);
        bed_work(b);
        for (unsigned i = 0; i < EACH; i++) {
            CHECK_U64(b->messages[first + i].err, ERR_OK);
            CHECK(b->messages[first + i].ref.id > last_id);
            last_id = b->messages[first + i].ref.id;
            if ((first + i) % STAY == 0)
                bed_outcome(b, first + i, round + 1);
            else
                spool_message_done(b->spool, &b->messages[first + i].ref);
        }
        /* Those that stayed eight rounds go. */
        for (unsigned n = 0; n < first; n += STAY)
            if (n / EACH + 8 == round)
                spool_message_done(b->spool, &b->messages[n].ref);
        bed_work(b);
        if (!bed_restart(b))
            break;
        size_t wanted = 0;
        for (unsigned n = 0; n < first + EACH; n += STAY) {
            bool lives = n / EACH + 8 > round;
            CHECK(b->messages[n].found == lives);
            if (lives)
                CHECK_U64(b->messages[n].attempts, n / EACH + 1);
            wanted += lives;
        }
        CHECK_U64(b->found, wanted);
        CHECK_U64(b->damaged, 0);
    }
    spool_stats_read(b->spool, &stats);
    CHECK(stats.segments <= 10);
    CHECK_U64(stats.quarantined, 0);
    bed_free(&b);
}

/* Without restarts in between the number of segments settles too. */
static void test_segments_are_used_again(void)
{
    struct bed *b = bed_ready();
    struct spool_stats stats;
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < 20; i++)
            bed_send(b, i, 1500);
        bed_work(b);
        for (unsigned i = 0; i < 20; i++)
            spool_message_done(b->spool, &b->messages[i].ref);
    }
    bed_work(b);
    spool_stats_read(b->spool, &stats);
    CHECK_U64(stats.live_messages, 0);
    CHECK(stats.segments <= 4);
    if (bed_restart(b))
        CHECK_U64(b->found, 0);
    bed_free(&b);
}

static void test_failed_sync(void)
{
    struct bed *b = bed_new();
    struct faulty_io *f = faulty_io_new(b->path);
    struct spool_stats stats;
    b->io = faulty_io_of(f);
    if (!CHECK(bed_open(b, NULL) == ERR_OK))
        return;
    /* Large enough for the segment not to be emptied at once. */
    for (unsigned i = 0; i < 3; i++)
        bed_send(b, i, 8000);
    bed_work(b);
    bed_outcome(b, 0, 1);
    spool_message_done(b->spool, &b->messages[1].ref);
    for (unsigned i = 10; i < 15; i++)
        bed_send(b, i, i == 14 ? 20000 : 500);
    /* The big file, its directory, then the group's own. */
    faulty_io_fail_sync(f, 3, EIO);
    bed_work(b);
    CHECK(faulty_io_has_failed(f));
    for (unsigned i = 10; i < 15; i++)
        CHECK_U64(b->messages[i].err, ERR_IO);
    for (unsigned i = 20; i < 25; i++)
        bed_send(b, i, 500);
    bed_work(b);
    for (unsigned i = 20; i < 25; i++)
        CHECK_U64(b->messages[i].err, ERR_OK);
    spool_stats_read(b->spool, &stats);
    CHECK(stats.healthy);
    CHECK_U64(stats.segments_poisoned, 1);
    CHECK_U64(stats.live_messages, 7);
    CHECK_U64(faulty_io_second_tries(f), 0);
    for (int again = 0; again < 2; again++) {
        if (!bed_restart(b))
            break;
        CHECK_U64(b->found, 7);
        CHECK_U64(b->damaged, 0);
        CHECK(b->messages[0].found && !b->messages[1].found && b->messages[2].found);
        CHECK_U64(b->messages[0].attempts, 1);
        spool_stats_read(b->spool, &stats);
        CHECK_U64(stats.segments_poisoned, 1);
    }
    bed_free(&b);
    faulty_io_free(&f);
}

static void test_unreadable_message_is_quarantined(void)
{
    struct bed *b = bed_ready();
    struct arena arena;
    struct spool_message m;
    struct spool_stats stats;
    char name[TEMP_DIR_SIZE * 2];
    bed_send(b, 1, 500);
    bed_send(b, 2, 30000);
    bed_work(b);
    snprintf(name, sizeof name, "%s/big/%016llx", b->path,
             (unsigned long long)b->messages[2].ref.id);
    int fd = open(name, O_WRONLY);
    CHECK(pwrite(fd, "!", 1, 12345) == 1);
    close(fd);
    arena_init(&arena, 0);
    struct err_detail why;
    CHECK(spool_read(b->spool, &b->messages[2].ref, &arena, &m, &why) == ERR_CORRUPT);
    CHECK(!m.log);
    spool_message_quarantine(b->spool, &b->messages[2].ref, why.text);
    bed_work(b);
    CHECK_U64(files_in(b, "quarantine"), 2);
    CHECK_U64(files_in(b, "big"), 0);
    spool_stats_read(b->spool, &stats);
    CHECK_U64(stats.quarantined, 1);
    CHECK_U64(stats.live_messages, 1);
    struct spool_ref wrong = b->messages[1].ref;
    wrong.id++;
    CHECK(spool_read(b->spool, &wrong, &arena, &m, NULL) == ERR_CORRUPT);
    wrong = b->messages[1].ref;
    wrong.offset += 8;
    CHECK(spool_read(b->spool, &wrong, &arena, &m, NULL) == ERR_CORRUPT);
    wrong = b->messages[1].ref;
    wrong.length = UINT32_MAX;
    CHECK(spool_read(b->spool, &wrong, &arena, &m, NULL) == ERR_CORRUPT);
    wrong = b->messages[1].ref;
    wrong.segment += 1U << 12;
    CHECK(spool_read(b->spool, &wrong, &arena, &m, NULL) == ERR_NOTFOUND);
    arena_free(&arena);
    if (bed_restart(b))
        CHECK_U64(b->found, 1);
    bed_free(&b);
}

static void test_room(void)
{
    static const struct {
        const char *name;
        uint64_t free, want;
        unsigned code; /* 0: taken in */
    } rows[] = {
        {"plenty", 100000000, 1000, 0},
        {"below the mark", 800000, 1000, 452},
        {"just", 1030000, 20000, 0},
        {"one and a half times", 1029999, 20000, 452},
        {"more than there is", 100000000, UINT64_MAX, 452},
        {"in segments", 990000, 1000, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct bed *b = bed_new();
        struct faulty_io *f = faulty_io_new(b->path);
        struct mail_status status = {0};
        b->io = faulty_io_of(f);
        b->settings.min_free_bytes = 1000000;
        faulty_io_set_free(f, rows[i].free);
        CHECK(bed_open(b, NULL) == ERR_OK);
        bool taken = spool_accepts(b->spool, rows[i].want, &status);
        CHECK(taken == (rows[i].code == 0));
        CHECK_U64(status.code, rows[i].code);
        bed_free(&b);
        faulty_io_free(&f);
    }
}

static const struct {
    const char *name;
    int shape;
    enum err err;
    const char *text;
} directory_rows[] = {
    {"symbolic link", 0, ERR_DENIED, "symbolic link"},
    {"link and slash", 1, ERR_DENIED, "symbolic link"},
    {"world-writable", 2, ERR_DENIED, "chmod it to 0700"},
    {"group-writable", 3, ERR_DENIED, "chmod it to 0700"},
    {"no parent", 4, ERR_NOTFOUND, "must exist"},
    {"a file", 5, ERR_DENIED, "no directory"},
    {"segments is a link", 6, ERR_DENIED, "/segments"},
    {"loose parent", 7, ERR_DENIED, "chmod o-w"},
    {"somebody else's", 8, ERR_DENIED, "change its owner"},
    {"lock is a link", 9, ERR_DENIED, "/lock"},
};

static void test_directories(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(directory_rows); i++) {
        unit_row(directory_rows[i].name);
        struct bed *b = bed_new();
        struct err_detail why = {""};
        char real[TEMP_DIR_SIZE + 32], sub[TEMP_DIR_SIZE * 2];
        snprintf(real, sizeof real, "%s/real", b->dir);
        CHECK(mkdir(real, 0700) == 0);
        snprintf(sub, sizeof sub, "%s/segments", b->path);
        switch (directory_rows[i].shape) {
        case 0:
        case 1:
            CHECK(symlink(real, b->path) == 0);
            if (directory_rows[i].shape == 1)
                strncat(b->path, "/", 2);
            break;
        case 2:
        case 3:
            CHECK(mkdir(b->path, 0700) == 0);
            CHECK(chmod(b->path, directory_rows[i].shape == 2 ? 0707 : 0770) == 0);
            break;
        case 4:
            snprintf(b->path, sizeof b->path, "%s/none/spool", b->dir);
            break;
        case 5:
            close(open(b->path, O_CREAT | O_WRONLY, 0600));
            break;
        case 6:
            CHECK(mkdir(b->path, 0700) == 0);
            CHECK(symlink(real, sub) == 0);
            break;
        case 7:
            CHECK(chmod(b->dir, 0777) == 0);
            break;
        case 8:
            CHECK(mkdir(b->path, 0700) == 0);
            if (geteuid() != 0 || chown(b->path, 65534, 65534) != 0) {
                unit_skip("only root can give a directory away");
                bed_free(&b);
                continue;
            }
            break;
        default:
            CHECK(mkdir(b->path, 0700) == 0);
            snprintf(sub, sizeof sub, "%s/lock", b->path);
            CHECK(symlink("/etc/passwd", sub) == 0);
            break;
        }
        CHECK_U64(bed_open(b, &why), directory_rows[i].err);
        CHECK(strstr(why.text, directory_rows[i].text));
        CHECK(strstr(why.text, b->dir));
        CHECK(!b->spool);
        bed_free(&b);
    }
}

static void test_locked(void)
{
    struct bed *b = bed_ready();
    struct err_detail why = {""};
    struct spool *second = NULL;
    CHECK_U64(spool_open(&b->settings, io_system, &second, &why), ERR_EXISTS);
    CHECK(!second);
    CHECK(strstr(why.text, "in use by another process"));
    CHECK(strstr(why.text, b->path));
    bed_free(&b);
}

static void test_settings_are_checked(void)
{
    struct bed *b = bed_new();
    struct err_detail why = {""};
    b->settings.segment_size_bytes = 100000;
    CHECK_U64(bed_open(b, &why), ERR_LIMIT);
    b->settings.segment_size_bytes = 64 * 1024;
    b->settings.inline_max_bytes = 16 * 1024 + 1;
    CHECK_U64(bed_open(b, &why), ERR_LIMIT);
    bed_free(&b);
}

static void test_too_large_an_envelope(void)
{
    enum { RCPTS = 4000 };
    struct bed *b = bed_ready();
    struct mail_rcpt *rcpts = MEM_NEW_ARRAY(struct mail_rcpt, RCPTS);
    for (size_t i = 0; i < RCPTS; i++)
        rcpts[i].address = BYTES("somebody@example.net");
    struct mail_envelope envelope = {.rcpts = rcpts, .rcpt_count = RCPTS};
    struct spool_meta meta = {0};
    spool_commit(spool_begin(b->spool, b->home), &envelope, &meta, bed_on_done, &b->messages[0]);
    envelope.rcpt_count = 0;
    spool_commit(spool_begin(b->spool, b->home), &envelope, &meta, bed_on_done, &b->messages[1]);
    bed_send(b, 2, 10);
    bed_work(b);
    CHECK_U64(b->messages[0].err, ERR_LIMIT);
    CHECK_U64(b->messages[1].err, ERR_LIMIT);
    CHECK_U64(b->messages[2].err, ERR_OK);
    mem_free(rcpts);
    bed_free(&b);
}

static void read_and_settle(struct bed *b, unsigned number)
{
    struct arena arena;
    struct spool_message m;
    arena_init(&arena, 0);
    if (CHECK(spool_read(b->spool, &b->messages[number].ref, &arena, &m, NULL) == ERR_OK)) {
        CHECK(bed_text_right(&m, number));
        spool_message_close(&m);
    }
    arena_free(&arena);
    if (number % 100 != 0)
        spool_message_done(b->spool, &b->messages[number].ref);
}

/* The thread: messages read and settled while others come in, segments used again meanwhile. */
static void test_thread(void)
{
    enum { COUNT = 2000 };
    struct bed *b = bed_ready();
    CHECK(spool_start(b->spool, NULL) == ERR_OK);
    unsigned settled = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        bed_send(b, i, i % 50 == 0 ? 20000 : 300);
        (void)mailbox_run(b->home);
        for (; settled < i && b->messages[settled].answered; settled++)
            read_and_settle(b, settled);
    }
    spool_stop(b->spool);
    (void)mailbox_run(b->home);
    for (unsigned i = 0; i < COUNT; i++)
        CHECK(b->messages[i].answered && b->messages[i].err == ERR_OK);
    if (bed_restart(b)) {
        CHECK_U64(b->damaged, 0);
        for (unsigned i = 0; i < COUNT; i++)
            CHECK(b->messages[i].found == (i >= settled || i % 100 == 0));
    }
    bed_free(&b);
}

UNIT_MAIN("queue/spool", {"commit and read", test_commit_and_read},
          {"one sync a group", test_one_sync_a_group},
          {"abort leaves nothing", test_abort_leaves_nothing},
          {"leftover big file is removed", test_leftover_big_file_is_removed},
          {"latest outcome wins", test_latest_outcome_wins}, {"done forgets", test_done_forgets},
          {"recycling", test_recycling}, {"segments are used again", test_segments_are_used_again},
          {"failed sync", test_failed_sync},
          {"unreadable message is quarantined", test_unreadable_message_is_quarantined},
          {"room", test_room}, {"directories", test_directories}, {"locked", test_locked},
          {"settings are checked", test_settings_are_checked},
          {"too large an envelope", test_too_large_an_envelope}, {"thread", test_thread})
