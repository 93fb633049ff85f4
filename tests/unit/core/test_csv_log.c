/* core/csv_log: names and head, numbers, full files, age, age of a silent log, age within a day,
 * room, oldest is by number, failures, half a line, flood, thread, not writable, new limits. */
#include "core/csv_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/csv_log_private.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/thread.h"

#include "faulty_io.h"
#include "unit.h"

#define T0     1377129600000 /* 2013-08-22T00:00:00.000Z */
#define DAY_MS 86400000
#define HEAD_OF(date)                                                                              \
    "#Software: Mailrace\r\n#Version: 1.2\r\n#Log-Type: Test Log\r\n#Date: " date                  \
    "\r\n#Fields: date-time,data\r\n"
#define HEAD HEAD_OF("2013-08-22T00:00:00.000Z")

/* --- A directory, its files, and what our own log says --- */

struct rig {
    char dir[TEMP_DIR_SIZE];
    struct faulty_io *disk;
    struct csv_log_settings settings;
    struct csv_log_files files;
    int said; /* our own log */
};

static int directory_of(const struct rig *r)
{
    int fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void setup(struct rig *r)
{
    *r = (struct rig){.said = memfd_create("said", MFD_CLOEXEC)};
    clock_virtual_start(1000000, T0);
    log_redirect(r->said);
    temp_dir_new(r->dir);
    r->disk = faulty_io_new(r->dir);
    r->settings = (struct csv_log_settings){.prefix = "RECV",
                                            .type = "Test Log",
                                            .fields = "date-time,data",
                                            .version = "1.2",
                                            .path = r->dir,
                                            .io = faulty_io_of(r->disk)};
    r->settings.limits = (struct csv_log_limits){
        .file_bytes = 10 << 20, .all_bytes = 250 << 20, .age_ms = 30ull * DAY_MS};
    r->files =
        (struct csv_log_files){.settings = r->settings, .directory = directory_of(r), .fd = -1};
}

static void teardown(struct rig *r)
{
    csv_log_files_close(&r->files);
    close(r->files.directory);
    CHECK_U64(faulty_io_second_tries(r->disk), 0);
    faulty_io_free(&r->disk);
    temp_dir_remove(r->dir);
    log_redirect(STDERR_FILENO);
    close(r->said);
    clock_virtual_end();
}

/* As another process finds it. */
static void restart(struct rig *r)
{
    csv_log_files_close(&r->files);
    r->files.octets = 0;
    r->files.day[0] = '\0';
}

static void make(const struct rig *r, const char *name, uint64_t octets, int64_t changed_ms)
{
    int fd = openat(r->files.directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct timespec times[2] = {{.tv_sec = changed_ms / 1000}, {.tv_sec = changed_ms / 1000}};
    CHECK(fd >= 0 && ftruncate(fd, (off_t)octets) == 0 && futimens(fd, times) == 0);
    close(fd);
}

/* The kernel's time is not ours. */
static void age(const struct rig *r, const char *name, int64_t changed_ms)
{
    struct timespec times[2] = {{.tv_sec = changed_ms / 1000}, {.tv_sec = changed_ms / 1000}};
    CHECK(utimensat(r->files.directory, name, times, 0) == 0);
}

static bool there(const struct rig *r, const char *name)
{
    return faccessat(r->files.directory, name, F_OK, 0) == 0;
}

static size_t count(const struct rig *r)
{
    size_t n = 0;
    char **names = io_system->list(io_system, r->files.directory);
    while (names && names[n])
        n++;
    io_list_free(&names);
    return n;
}

/* All of a file; the next call's. */
static struct bytes content(const struct rig *r, const char *name)
{
    static char text[8 << 20];
    int fd = openat(r->files.directory, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    CHECK(n >= 0);
    return bytes_make(text, n > 0 ? (size_t)n : 0);
}

/* Lines of our own log with EVENT in them. */
static unsigned said(const struct rig *r, const char *event)
{
    char text[65536];
    ssize_t n = pread(r->said, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    unsigned times = 0;
    for (const char *at = text; (at = strstr(at, event)); at++)
        times++;
    return times;
}

static bool put(struct rig *r, const char *line, int64_t now_ms)
{
    return csv_log_files_write(&r->files, bytes_of(line), now_ms);
}

static struct csv_log *log_of(struct rig *r)
{
    struct csv_log *log = NULL;
    CHECK(csv_log_new(&r->settings, directory_of(r), &log, NULL) == ERR_OK);
    return log;
}

static void turn(struct csv_log *log, const char *line)
{
    csv_log_write(log, bytes_of(line));
    (void)csv_log_drain(log);
}

/* --- Files --- */

static void test_names_and_head(void)
{
    struct rig r;
    struct stat st;
    setup(&r);
    CHECK(put(&r, "one\r\n", T0));
    CHECK(put(&r, "two\r\n", T0 + DAY_MS - 1));
    CHECK_BYTES(content(&r, "RECV20130822-1.log"), BYTES(HEAD "one\r\ntwo\r\n"));
    CHECK(fstatat(r.files.directory, "RECV20130822-1.log", &st, 0) == 0 &&
          (st.st_mode & 0777 & ~0640u) == 0);
    CHECK(put(&r, "three\r\n", T0 + DAY_MS));
    CHECK_BYTES(content(&r, "RECV20130823-1.log"),
                BYTES(HEAD_OF("2013-08-23T00:00:00.000Z") "three\r\n"));
    restart(&r);
    CHECK(put(&r, "four\r\n", T0 + DAY_MS + 5));
    CHECK_BYTES(content(&r, "RECV20130823-2.log"),
                BYTES(HEAD_OF("2013-08-23T00:00:00.005Z") "four\r\n"));
    CHECK_U64(count(&r), 3);
    teardown(&r);
}

static const struct number_row {
    const char *name, *found, *wanted;
} number_rows[] = {
    {"none", NULL, "RECV20130822-1.log"},
    {"one of today", "RECV20130822-1.log", "RECV20130822-2.log"},
    {"a gap", "RECV20130822-41.log", "RECV20130822-42.log"},
    {"of another day", "RECV20130821-7.log", "RECV20130822-1.log"},
    {"of a day to come", "RECV20130823-7.log", "RECV20130822-1.log"},
    {"of another log", "SEND20130822-7.log", "RECV20130822-1.log"},
    {"of a log with a longer prefix", "RECVX20130822-7.log", "RECV20130822-1.log"},
    {"packed", "RECV20130822-7.log.gz", "RECV20130822-1.log"},
    {"a zero too many", "RECV20130822-07.log", "RECV20130822-1.log"},
    {"a digit too few", "RECV2013082-7.log", "RECV20130822-1.log"},
    {"no number", "RECV20130822-.log", "RECV20130822-1.log"},
    {"a sign", "RECV20130822-+7.log", "RECV20130822-1.log"},
    {"no hyphen", "RECV20130822x7.log", "RECV20130822-1.log"},
    {"other case", "recv20130822-7.log", "RECV20130822-1.log"},
    {"the prefix alone", "RECV", "RECV20130822-1.log"},
    {"a number beyond all", "RECV20130822-99999999999999999999.log", "RECV20130822-1.log"},
};

static void test_numbers(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(number_rows); i++) {
        const struct number_row *row = &number_rows[i];
        struct rig r;
        unit_row(row->name);
        setup(&r);
        if (row->found)
            make(&r, row->found, 0, T0);
        CHECK(put(&r, "one\r\n", T0));
        CHECK(there(&r, row->wanted));
        CHECK(!row->found || there(&r, row->found));
        teardown(&r);
    }
}

static void test_full_files(void)
{
    struct rig r;
    char name[64], line[8];
    setup(&r);
    size_t head = sizeof HEAD - 1;
    r.files.settings.limits.file_bytes = head + 5 * 5;
    for (unsigned i = 0; i < 12; i++) {
        snprintf(line, sizeof line, "%03u\r\n", i);
        CHECK(put(&r, line, T0));
    }
    for (unsigned n = 1; n <= 3; n++) {
        snprintf(name, sizeof name, "RECV20130822-%u.log", n);
        struct bytes text = content(&r, name);
        CHECK_U64(text.len, head + (n < 3 ? 25 : 10));
        snprintf(line, sizeof line, "%03u\r\n", 5 * (n - 1));
        CHECK_BYTES(bytes_sub(text, head, 5), bytes_of(line));
    }
    CHECK_U64(count(&r), 3);
    /* More at once than a file holds: it has one for itself. */
    char large[256];
    memset(large, 'x', sizeof large);
    CHECK(csv_log_files_write(&r.files, bytes_make(large, sizeof large), T0));
    CHECK_U64(content(&r, "RECV20130822-4.log").len, head + sizeof large);
    CHECK(put(&r, "on\r\n", T0));
    CHECK(there(&r, "RECV20130822-5.log"));
    teardown(&r);
}

static const struct age_row {
    const char *name, *file;
    int64_t age_ms;
    uint64_t limit_ms;
    bool stays;
} age_rows[] = {
    {"young", "RECV20130801-1.log", 29 * (int64_t)DAY_MS, 30ull * DAY_MS, true},
    {"as old as may be", "RECV20130723-1.log", 30 * (int64_t)DAY_MS, 30ull * DAY_MS, true},
    {"older", "RECV20130723-1.log", 30 * (int64_t)DAY_MS + 1000, 30ull * DAY_MS, false},
    {"older, without a limit", "RECV20010101-1.log", 9999 * (int64_t)DAY_MS, UINT64_MAX, true},
    {"an hour", "RECV20130821-1.log", 3601000, 3600000, false},
    {"from the future", "RECV20991231-1.log", -99 * (int64_t)DAY_MS, 3600000, true},
    {"of another log", "SEND20010101-1.log", 999 * (int64_t)DAY_MS, 30ull * DAY_MS, true},
    {"not quite the name", "RECV20010101-1.log.gz", 999 * (int64_t)DAY_MS, 30ull * DAY_MS, true},
};

static void test_age(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(age_rows); i++) {
        const struct age_row *row = &age_rows[i];
        struct rig r;
        unit_row(row->name);
        setup(&r);
        r.files.settings.limits.age_ms = row->limit_ms;
        make(&r, row->file, 10, T0 - row->age_ms);
        CHECK(put(&r, "one\r\n", T0));
        CHECK(there(&r, row->file) == row->stays);
        CHECK(there(&r, "RECV20130822-1.log"));
        teardown(&r);
    }
}

/* Once an hour, also when nothing is logged any more; the current file may be the one that goes. */
static void test_age_of_a_silent_log(void)
{
    struct rig r;
    setup(&r);
    r.settings.limits.age_ms = 2ull * DAY_MS;
    make(&r, "RECV20130821-1.log", 10, T0 - DAY_MS);
    make(&r, "SEND20130821-1.log", 10, T0 - DAY_MS);
    struct csv_log *log = log_of(&r);
    turn(log, "one\r\n");
    make(&r, "RECV20130101-1.log", 10, T0 - 3 * (int64_t)DAY_MS);
    age(&r, "RECV20130822-1.log", T0);
    clock_virtual_advance(CSV_LOG_TIDY_MS - 1);
    (void)csv_log_drain(log);
    CHECK(there(&r, "RECV20130101-1.log"));
    clock_virtual_advance(1);
    (void)csv_log_drain(log);
    CHECK(!there(&r, "RECV20130101-1.log"));
    CHECK(there(&r, "RECV20130821-1.log"));
    clock_virtual_advance(DAY_MS);
    (void)csv_log_drain(log);
    CHECK(!there(&r, "RECV20130821-1.log"));
    CHECK(there(&r, "RECV20130822-1.log"));
    clock_virtual_advance(DAY_MS);
    (void)csv_log_drain(log);
    CHECK(!there(&r, "RECV20130822-1.log"));
    CHECK(there(&r, "SEND20130821-1.log"));
    turn(log, "two\r\n");
    CHECK(bytes_ends_nocase(content(&r, "RECV20130824-1.log"), BYTES("data\r\ntwo\r\n")));
    csv_log_free(&log);
    teardown(&r);
}

/* An hour's limit: the file of today goes, and the next line has another. */
static void test_age_within_a_day(void)
{
    struct rig r;
    setup(&r);
    r.settings.limits.age_ms = CSV_LOG_TIDY_MS;
    struct csv_log *log = log_of(&r);
    turn(log, "one\r\n");
    age(&r, "RECV20130822-1.log", T0);
    clock_virtual_advance(2 * CSV_LOG_TIDY_MS);
    (void)csv_log_drain(log);
    CHECK_U64(count(&r), 0);
    turn(log, "two\r\n");
    CHECK(bytes_ends_nocase(content(&r, "RECV20130822-1.log"), BYTES("data\r\ntwo\r\n")));
    csv_log_free(&log);
    teardown(&r);
}

/* When a file begins there is room for all of it: 1000 octets in all, 100 in each. */
static const struct room_row {
    const char *name;
    uint64_t octets[4]; /* of RECV20130819-1.log and the days after */
    uint64_t foreign;   /* of SEND20130101-1.log */
    unsigned deleted;
} room_rows[] = {
    {"room", {200, 200, 200, 200}, 0, 0},
    {"just room", {300, 200, 200, 200}, 0, 0},
    {"an octet too much", {300, 200, 200, 201}, 0, 1},
    {"two must go", {100, 100, 500, 500}, 0, 3},
    {"the oldest are small", {10, 10, 500, 500}, 0, 3},
    {"all must go", {1, 1, 1, 5000}, 0, 4},
    {"only this prefix counts", {200, 200, 200, 200}, 100000, 0},
};

static void test_room(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(room_rows); i++) {
        const struct room_row *row = &room_rows[i];
        struct rig r;
        char name[64];
        unit_row(row->name);
        setup(&r);
        r.files.settings.limits.file_bytes = 100;
        r.files.settings.limits.all_bytes = 1000;
        make(&r, "SEND20130101-1.log", row->foreign, T0);
        for (unsigned n = 0; n < 4; n++) {
            snprintf(name, sizeof name, "RECV201308%02u-1.log", 18 + n);
            make(&r, name, row->octets[n], T0);
        }
        CHECK(put(&r, "one\r\n", T0));
        for (unsigned n = 0; n < 4; n++) {
            snprintf(name, sizeof name, "RECV201308%02u-1.log", 18 + n);
            CHECK(there(&r, name) == (n >= row->deleted));
        }
        CHECK(there(&r, "SEND20130101-1.log"));
        teardown(&r);
    }
}

/* Ten before nine: numbers, not letters, tell what is oldest. */
static void test_oldest_is_by_number(void)
{
    struct rig r;
    setup(&r);
    r.files.settings.limits.file_bytes = 100;
    r.files.settings.limits.all_bytes = 300;
    make(&r, "RECV20130822-9.log", 150, T0);
    make(&r, "RECV20130822-10.log", 150, T0);
    CHECK(put(&r, "one\r\n", T0));
    CHECK(!there(&r, "RECV20130822-9.log"));
    CHECK(there(&r, "RECV20130822-10.log"));
    CHECK(there(&r, "RECV20130822-11.log"));
    teardown(&r);
}

/* --- Failures --- */

static const struct fault_row {
    const char *name;
    unsigned kinds;
    uint64_t n;
    int errnum;
    enum faulty_mode mode;
    bool begun; /* a file was written to before */
} fault_rows[] = {
    {"no first file", FAULTY_OTHERS, 2, EACCES, FAULTY_FOR_GOOD, false},
    {"no list of files", FAULTY_OTHERS, 1, EIO, FAULTY_FOR_GOOD, false},
    {"no room for the head", FAULTY_WRITES, 1, ENOSPC, FAULTY_FOR_GOOD, false},
    {"room for some of the head", FAULTY_WRITES, 1, ENOSPC, FAULTY_SHORT_FOR_GOOD, false},
    {"disk full at a line", FAULTY_WRITES, 1, ENOSPC, FAULTY_FOR_GOOD, true},
    {"disk broken at a line", FAULTY_WRITES, 1, EIO, FAULTY_FOR_GOOD, true},
    {"quota", FAULTY_WRITES, 1, EDQUOT, FAULTY_FOR_GOOD, true},
};

static void test_failures(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(fault_rows); i++) {
        const struct fault_row *row = &fault_rows[i];
        struct rig r;
        unit_row(row->name);
        setup(&r);
        struct csv_log *log = log_of(&r);
        if (row->begun)
            turn(log, "before\r\n");
        faulty_io_fail_kinds(r.disk, row->kinds, row->n, row->errnum, row->mode);
        for (unsigned k = 0; k < 1000; k++) {
            turn(log, "lost\r\n");
            clock_virtual_advance(20);
        }
        CHECK_U64(said(&r, "csv_log_failed"), 1);
        CHECK_U64(said(&r, "log=RECV"), 1);
        CHECK_U64(said(&r, "csv_log_dropped"), 0);
        CHECK_U64(count(&r), row->begun ? 1 : 0);
        CHECK(faulty_io_seen(r.disk) < 50); /* 20 s: it does not hammer on a broken disk */
        faulty_io_heal(r.disk);
        clock_virtual_advance(CSV_LOG_RETRY_MS);
        turn(log, "after\r\n");
        CHECK_U64(said(&r, "csv_log_dropped log=RECV lines=1000\n"), 1);
        struct bytes text = content(&r, row->begun ? "RECV20130822-2.log" : "RECV20130822-1.log");
        CHECK(bytes_ends_nocase(text, BYTES("date-time,data\r\nafter\r\n")));
        /* A second time it is told again. */
        faulty_io_fail_kinds(r.disk, FAULTY_WRITES, 1, EIO, FAULTY_FOR_GOOD);
        turn(log, "lost\r\n");
        CHECK_U64(said(&r, "csv_log_failed"), 2);
        csv_log_free(&log);
        CHECK_U64(said(&r, "csv_log_dropped log=RECV lines=1\n"), 1);
        teardown(&r);
    }
}

/* A line cut in half ends its file: the next one begins another. */
static void test_half_a_line(void)
{
    struct rig r;
    setup(&r);
    struct csv_log *log = log_of(&r);
    turn(log, "before\r\n");
    faulty_io_fail_kinds(r.disk, FAULTY_WRITES, 1, ENOSPC, FAULTY_SHORT_FOR_GOOD);
    turn(log, "0123456789\r\n");
    clock_virtual_advance(CSV_LOG_RETRY_MS);
    faulty_io_heal(r.disk);
    turn(log, "after\r\n");
    CHECK(bytes_ends_nocase(content(&r, "RECV20130822-2.log"), BYTES("data\r\nafter\r\n")));
    csv_log_free(&log);
    teardown(&r);
}

/* What waits has a bound, and what is beyond it is counted. */
static void test_flood(void)
{
    struct rig r;
    char line[1024], wanted[100];
    setup(&r);
    struct csv_log *log = log_of(&r);
    memset(line, 'x', sizeof line);
    for (unsigned i = 0; i < 8192; i++)
        csv_log_write(log, bytes_make(line, sizeof line));
    size_t kept = csv_log_drain(log);
    CHECK(kept > (3u << 20) / sizeof line && kept < (4u << 20) / sizeof line);
    snprintf(wanted, sizeof wanted, "csv_log_dropped log=RECV lines=%zu\n", 8192 - kept);
    CHECK_U64(said(&r, wanted), 1);
    CHECK_U64(said(&r, "csv_log_failed"), 0);
    CHECK_U64(content(&r, "RECV20130822-1.log").len, sizeof HEAD - 1 + kept * sizeof line);
    turn(log, "again\r\n");
    CHECK(bytes_ends_nocase(content(&r, "RECV20130822-1.log"), BYTES("xagain\r\n")));
    csv_log_free(&log);
    teardown(&r);
}

/* --- The thread --- */

#define WRITERS 4
#define LINES   2000

static void *write_lines(void *arg)
{
    for (unsigned i = 0; i < LINES; i++)
        csv_log_write(arg, BYTES("0123456789\r\n"));
    return NULL;
}

static void test_thread(void)
{
    struct rig r;
    struct err_detail why = {""};
    pthread_t writers[WRITERS];
    setup(&r);
    struct csv_log *log = log_of(&r);
    if (CHECK(csv_log_start(log, &why) == ERR_OK)) {
        for (unsigned i = 0; i < WRITERS; i++)
            CHECK(pthread_create(&writers[i], NULL, write_lines, log) == 0);
        for (unsigned i = 0; i < WRITERS; i++)
            pthread_join(writers[i], NULL);
    }
    csv_log_free(&log);
    CHECK_U64(content(&r, "RECV20130822-1.log").len, sizeof HEAD - 1 + 12 * WRITERS * LINES);
    CHECK_U64(said(&r, "csv_log"), 0);
    teardown(&r);
}

static void test_not_writable(void)
{
    struct rig r;
    struct err_detail why = {""};
    struct csv_log *log = NULL;
    setup(&r);
    make(&r, "file", 0, T0);
    int none = openat(r.files.directory, "file", O_RDONLY | O_CLOEXEC); /* for root as well */
    CHECK(none >= 0 && csv_log_new(&r.settings, none, &log, &why) == ERR_OK);
    CHECK(csv_log_start(log, &why) != ERR_OK);
    CHECK(strstr(why.text, r.dir));
    csv_log_free(&log);
    teardown(&r);
}

static void test_new_limits(void)
{
    struct rig r;
    setup(&r);
    struct csv_log *log = log_of(&r);
    turn(log, "one\r\n");
    turn(log, "two\r\n");
    struct csv_log_limits limits = r.settings.limits;
    limits.file_bytes = sizeof HEAD;
    csv_log_limit(log, &limits);
    turn(log, "three\r\n");
    CHECK_BYTES(content(&r, "RECV20130822-1.log"), BYTES(HEAD "one\r\ntwo\r\n"));
    CHECK_BYTES(content(&r, "RECV20130822-2.log"), BYTES(HEAD "three\r\n"));
    csv_log_free(&log);
    teardown(&r);
}

UNIT_MAIN("core/csv_log", {"names and head", test_names_and_head}, {"numbers", test_numbers},
          {"full files", test_full_files}, {"age", test_age},
          {"age of a silent log", test_age_of_a_silent_log},
          {"age within a day", test_age_within_a_day}, {"room", test_room},
          {"oldest is by number", test_oldest_is_by_number}, {"failures", test_failures},
          {"half a line", test_half_a_line}, {"flood", test_flood}, {"thread", test_thread},
          {"not writable", test_not_writable}, {"new limits", test_new_limits})
