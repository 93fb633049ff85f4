/* The audit's arithmetic on journals made by hand: latency and order. */
#include "bench/load_audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/rand.h"
#include "core/vector.h"
#include "unit.h"

#define BASE 1700000000000000u

static struct load_records records;

static void note(enum load_fate fate, uint64_t run, uint64_t seq, uint64_t at_us, uint64_t sent_us)
{
    struct load_record *r = VECTOR_ADD(&records);
    *r = (struct load_record){.run = run, .seq = seq, .at_us = BASE + at_us};
    r->sent_us = (sent_us ? BASE + sent_us : 0) & LOAD_RECORD_US_MAX;
    r->fate = (unsigned)fate & 0xff;
}

static struct load_audit audit(void)
{
    struct load_audit a;
    load_audit_compute(&records, false, &a);
    mem_free(records.items);
    records = (struct load_records){0};
    return a;
}

static void test_nothing(void)
{
    struct load_audit a = audit();
    CHECK(load_audit_clean(&a));
    CHECK_U64(a.delivered + a.inversions + a.latency.total, 0);
}

static void test_latency(void)
{
    for (uint64_t i = 1; i <= 50; i++) {
        note(LOAD_ACKNOWLEDGED, 1, i, 1000, 0);
        note(LOAD_ARRIVED, 1, i, 2000 + i, 2000);
    }
    struct load_audit a = audit();
    CHECK_U64(a.latency.total, 50);
    CHECK_U64(load_histogram_percentile(&a.latency, 50), 25);
    CHECK_U64(load_histogram_percentile(&a.latency, 90), 45);
    CHECK_U64(a.latency.max_us, 50);
    CHECK_U64(a.untimed + a.early, 0);
}

/* Of copies the first counts, wherever it stands; a damaged one never does. */
static void test_latency_of_copies(void)
{
    note(LOAD_ARRIVED, 1, 1, 90, 10);
    note(LOAD_DAMAGED, 1, 1, 11, 10);
    note(LOAD_ARRIVED, 1, 1, 30, 10);
    note(LOAD_ARRIVED, 1, 1, 70, 10);
    struct load_audit a = audit();
    CHECK_U64(a.latency.total, 1);
    CHECK_U64(a.latency.max_us, 20);
    CHECK_U64(a.duplicated, 2);
    CHECK_U64(a.corrupted, 1);
    CHECK(!load_audit_clean(&a));
}

static void test_clocks(void)
{
    note(LOAD_ARRIVED, 1, 1, 100, 350);
    note(LOAD_ARRIVED, 1, 2, 200, 300);
    note(LOAD_ARRIVED, 1, 3, 300, 300);
    note(LOAD_ARRIVED, 1, 4, 400, 0);
    struct load_audit a = audit();
    CHECK_U64(a.early, 2);
    CHECK_U64(a.early_max_us, 250);
    CHECK_U64(a.untimed, 1);
    CHECK_U64(a.latency.total, 1);
    CHECK_U64(a.latency.max_us, 0);
}

static void test_order(void)
{
    static const struct {
        const char *name;
        uint64_t arrivals[8]; /* numbers in the order of arrival, 0 ends them */
        uint64_t inversions, overtaken, distance;
    } rows[] = {
        {"one", {5}, 0, 0, 0},
        {"in order", {1, 2, 3, 4}, 0, 0, 0},
        {"in order, with gaps", {1, 20, 300}, 0, 0, 0},
        {"two turned round", {2, 1, 3, 4}, 1, 1, 1},
        {"one comes last", {2, 3, 4, 5, 1}, 4, 1, 4},
        {"one comes first", {5, 1, 2, 3, 4}, 4, 4, 4},
        {"backwards", {5, 4, 3, 2, 1}, 10, 4, 4},
        {"the distance is in numbers", {900, 10, 20}, 2, 2, 890},
        {"odd count", {3, 1, 2, 7, 6, 5, 4}, 8, 5, 3},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        for (size_t k = 0; rows[i].arrivals[k]; k++)
            note(LOAD_ARRIVED, 1, rows[i].arrivals[k], 10 * k, 1);
        struct load_audit a = audit();
        CHECK_U64(a.inversions, rows[i].inversions);
        CHECK_U64(a.overtaken, rows[i].overtaken);
        CHECK_U64(a.distance_max, rows[i].distance);
    }
}

/* Times decide, not the places in the journals; equal ones count as in order; later copies and
 * other runs do not mix in. */
static void test_order_is_by_time_and_run(void)
{
    note(LOAD_ARRIVED, 1, 3, 30, 0);
    note(LOAD_ARRIVED, 1, 2, 20, 0);
    note(LOAD_ARRIVED, 1, 1, 10, 0);
    note(LOAD_ARRIVED, 1, 1, 40, 0);
    note(LOAD_ARRIVED, 2, 9, 5, 0);
    note(LOAD_ARRIVED, 2, 8, 5, 0);
    struct load_audit a = audit();
    CHECK_U64(a.inversions + a.overtaken + a.distance_max, 0);
    note(LOAD_ARRIVED, 1, 2, 10, 0);
    note(LOAD_ARRIVED, 1, 1, 20, 0);
    note(LOAD_ARRIVED, 2, 2, 10, 0);
    note(LOAD_ARRIVED, 2, 1, 20, 0);
    a = audit();
    CHECK_U64(a.inversions, 2);
    CHECK_U64(a.overtaken, 2);
}

/* Against counting every pair. */
static void test_order_of_any(void)
{
    rand_seed(20);
    for (unsigned round = 0; round < 50; round++) {
        size_t count = 1 + (size_t)rand_below(200);
        uint64_t numbers[200], pairs = 0;
        for (size_t i = 0; i < count; i++) {
            size_t other = (size_t)rand_below(i + 1);
            numbers[i] = numbers[other];
            numbers[other] = i + 1;
        }
        for (size_t i = 0; i < count; i++) {
            note(LOAD_ARRIVED, 1, numbers[i], i, 0);
            for (size_t k = i + 1; k < count; k++)
                pairs += numbers[i] > numbers[k];
        }
        CHECK_U64(audit().inversions, pairs);
    }
}

/* ---- journals --------------------------------------------------------------------------- */

static enum err read_text(const char *text, struct load_records *to)
{
    char path[] = "/tmp/unit-audit-XXXXXX";
    struct err_detail why;
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(close(fd) == 0);
    enum err e = load_journal_read(path, to, &why);
    CHECK(unlink(path) == 0);
    return e;
}

static void test_lines(void)
{
    static const struct {
        const char *line;
        bool ok;
        uint64_t at_us, sent_us;
    } rows[] = {
        {"arrived 00000000000000ab 7 100\n", true, 100, 0},
        {"arrived 00000000000000ab 7 100 sent=90\n", true, 100, 90},
        {"damaged 00000000000000ab 7 100 sent=90\n", true, 100, 90},
        {"arrived 00000000000000ab 7 100 sent=\n", false, 0, 0},
        {"arrived 00000000000000ab 7 100 sent=9x\n", false, 0, 0},
        {"arrived 00000000000000ab 7 100 sent=90 \n", false, 0, 0},
        {"arrived 00000000000000ab 7 100 sent=-90\n", false, 0, 0},
        {"arrived 00000000000000ab 7 100 90\n", false, 0, 0},
        {"arrived 00000000000000ab 7 100sent=90\n", false, 0, 0},
        {"arrived 00000000000000ab 7 72057594037927936\n", false, 0, 0},
        {"arrived 00000000000000ab 7 72057594037927935\n", true, 72057594037927935u, 0},
        {"arrivedd 00000000000000ab 7 1\n", false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct load_records got = {0};
        unit_row(rows[i].line);
        CHECK(read_text(rows[i].line, &got) == (rows[i].ok ? ERR_OK : ERR_SYNTAX));
        CHECK_U64(got.count, rows[i].ok);
        if (got.count) {
            CHECK_U64(got.items[0].run, 0xab);
            CHECK_U64(got.items[0].seq, 7);
            CHECK_U64(got.items[0].at_us, rows[i].at_us);
            CHECK_U64(got.items[0].sent_us, rows[i].sent_us);
        }
        mem_free(got.items);
    }
}

/* What is noted is read again. */
static void test_note_and_read(void)
{
    char path[] = "/tmp/unit-audit-XXXXXX";
    struct err_detail why;
    int fd = mkstemp(path), journal;
    const struct load_tag tag = {.run = UINT64_MAX, .seq = UINT64_MAX, .sent_us = 9999999999999999};
    uint64_t before = load_wall_us();
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK(load_journal_open(path, &journal, &why) == ERR_OK);
    for (unsigned fate = LOAD_ACKNOWLEDGED; fate <= LOAD_DAMAGED; fate++)
        load_journal_note(journal, (enum load_fate)fate, &tag);
    load_journal_note(-1, LOAD_ARRIVED, &tag);
    CHECK(close(journal) == 0);
    struct load_records got = {0};
    CHECK(load_journal_read(path, &got, &why) == ERR_OK);
    CHECK(unlink(path) == 0);
    CHECK_U64(got.count, 6);
    for (unsigned i = 0; i < got.count; i++) {
        CHECK_U64(got.items[i].fate, i);
        CHECK_U64(got.items[i].seq, UINT64_MAX);
        CHECK(got.items[i].at_us >= before);
        CHECK_U64(got.items[i].sent_us, i >= LOAD_ARRIVED ? tag.sent_us : 0);
    }
    mem_free(got.items);
}

UNIT_MAIN("bench/load_audit", {"nothing", test_nothing}, {"latency", test_latency},
          {"latency of copies", test_latency_of_copies}, {"clocks", test_clocks},
          {"order", test_order}, {"order is by time and run", test_order_is_by_time_and_run},
          {"order of any", test_order_of_any}, {"lines of a journal", test_lines},
          {"note and read", test_note_and_read})
