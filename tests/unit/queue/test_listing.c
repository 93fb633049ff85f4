/* queue/listing: empty, filters, cursor, unreadable, segment_gone, beside_delivery, freed_early. */
#include "queue/listing.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/thread.h"
#include "plain_route.h"
#include "queue_settings.h"
#include "spool_bed.h"

/* A real spool, a scheduler on a thread of its own, and a courier that answers at once: 250 for
 * messages at "go.test", 450 for all else. */
struct rig {
    struct bed *bed;
    struct loop *loop;
    struct thread thread;
    struct sched *sched;
};

static struct route *on_route(void *owner, struct bytes domain, uint64_t octets,
                              struct mail_status *status)
{
    (void)owner;
    (void)octets;
    (void)status;
    return plain_route_new(domain);
}

static void on_deliver(void *owner, struct sched_job *job)
{
    struct rig *rig = owner;
    struct mail_attempt *attempt = &job->attempt;
    attempt->results = ARENA_NEW_ARRAY(&job->arena, struct mail_status, attempt->rcpt_count);
    bool go = strcmp(job->route->key, "go.test") == 0;
    for (size_t i = 0; i < attempt->rcpt_count; i++)
        attempt->results[i] =
            go ? MAIL_STATUS(250, 2, 0, 0, "Ok") : MAIL_STATUS(450, 4, 2, 0, "Later");
    sched_finished(rig->sched, job);
}

static void run_loop(void *loop)
{
    loop_run(loop);
}

static struct rig *rig_new(void)
{
    struct rig *rig = MEM_NEW(struct rig);
    struct sched_settings settings = {
        .window_max = 20, .jobs_max = 100, .hostname = "relay.test", .postmaster = "postmaster"};
    settings.retry = TEST_RETRY_SETTINGS;
    rig->bed = bed_new();
    CHECK(bed_open(rig->bed, NULL) == ERR_OK);
    CHECK(loop_new(&rig->loop, NULL) == ERR_OK);
    const struct sched_ops ops = {on_route, on_deliver};
    rig->sched = sched_new(rig->loop, &settings, rig->bed->spool, &ops, rig);
    return rig;
}

static void rig_start(struct rig *rig)
{
    CHECK(thread_start(&rig->thread, "scheduler", run_loop, rig->loop, NULL) == ERR_OK);
}

static void rig_free(struct rig **rig)
{
    loop_stop((*rig)->loop);
    thread_join(&(*rig)->thread);
    sched_free(&(*rig)->sched);
    loop_free(&(*rig)->loop);
    bed_free(&(*rig)->bed);
    mem_free(*rig);
    *rig = NULL;
}

static const char *const CONNECTORS[] = {"Default", "Printers"};

/* Message NUMBER of the bed, "NUMBER@example.com" to RCPT, durable and then the scheduler's. */
static void submit(struct rig *rig, unsigned number, const char *to)
{
    char sender[32];
    snprintf(sender, sizeof sender, "%u@example.com", number);
    struct mail_rcpt rcpts[2] = {{.address = bytes_of(to)}, {.address = BYTES("copy@kept.test")}};
    struct mail_envelope envelope = {
        .sender = bytes_of(number ? sender : ""), .rcpts = rcpts, .rcpt_count = 1 + number % 2};
    struct spool_meta meta = {.received_at_ms = clock_wall_ms(),
                              .octets = 700,
                              .connector = bytes_of(CONNECTORS[number % 2])};
    struct bed_message *m = &rig->bed->messages[number];
    struct spool_txn *txn = spool_begin(rig->bed->spool, rig->bed->home);
    *m = (struct bed_message){0};
    bed_append(txn, number, 700);
    spool_commit(txn, &envelope, &meta, bed_on_done, m);
    bed_work(rig->bed);
    CHECK_U64(m->err, ERR_OK);
    sched_submit(rig->sched, &m->ref, &envelope, &meta, NULL);
}

/* --- What a listing shows --- */

static struct {
    unsigned shown[BED_MESSAGES_MAX]; /* by number */
    unsigned rows, unreadable;
    uint64_t unreadable_id;
} seen;

static void note(const struct listing_row *row)
{
    uint64_t number = 0;
    struct bytes local = mail_local_part(row->envelope.sender);
    CHECK(local.len == 0 || bytes_to_u64(local, BED_MESSAGES_MAX - 1, &number) == ERR_OK);
    CHECK_U64(row->envelope.rcpt_count, 1 + number % 2);
    CHECK_U64(row->known->rcpt_count, row->envelope.rcpt_count);
    CHECK_U64(row->meta.octets, 700);
    CHECK_BYTES(row->meta.connector, bytes_of(CONNECTORS[number % 2]));
    CHECK_U64(row->known->received_at_ms, row->meta.received_at_ms);
    seen.shown[number]++;
    seen.rows++;
}

static void list_to_end(struct listing *listing)
{
    struct listing_row row;
    enum listing_result result;
    memset(&seen, 0, sizeof seen);
    while ((result = listing_next(listing, &row)) != LISTING_END && result != LISTING_STOPPED) {
        if (result == LISTING_ROW) {
            note(&row);
            continue;
        }
        CHECK(row.why.text[0] != '\0');
        CHECK_U64(row.envelope.rcpt_count, 0);
        seen.unreadable++;
        seen.unreadable_id = row.known->ref.id;
    }
    CHECK(result == LISTING_END);
}

static void list_all(struct rig *rig, const struct listing_filter *filter)
{
    struct listing *listing = listing_new(rig->sched, rig->bed->spool, filter, 0, 0);
    list_to_end(listing);
    listing_free(&listing);
}

static void test_empty(void)
{
    struct rig *rig = rig_new();
    rig_start(rig);
    list_all(rig, NULL);
    CHECK_U64(seen.rows + seen.unreadable, 0);
    rig_free(&rig);
}

static const struct filter_row {
    const char *name;
    struct listing_filter filter;
    const char *shown; /* numbers */
} filter_rows[] = {
    {"everything", {.sender = NULL}, "01234"},
    {"sender", {.sender = "3@example.com"}, "3"},
    {"senders", {.sender = "*@EXAMPLE.com"}, "1234"},
    {"null sender", {.sender = ""}, "0"},
    {"no such sender", {.sender = "*@example.org"}, ""},
    {"recipient", {.rcpt = "a@kept.test"}, "01"},
    {"second recipient", {.rcpt = "copy@*"}, "13"},
    {"connector", {.connector = "printers"}, "13"},
    {"two at once", {.connector = "Printers", .rcpt = "b@*"}, "3"},
    {"what the scheduler knows", {.known.domain = "other.test"}, "234"},
    {"both", {.known.domain = "other.test", .connector = "Default"}, "24"},
};

static void test_filters(void)
{
    struct rig *rig = rig_new();
    for (unsigned i = 0; i < 5; i++)
        submit(rig, i, i < 2 ? "a@kept.test" : "b@other.test");
    rig_start(rig);
    for (size_t i = 0; i < ARRAY_SIZE(filter_rows); i++) {
        const char *shown = filter_rows[i].shown;
        unit_row(filter_rows[i].name);
        list_all(rig, &filter_rows[i].filter);
        CHECK_U64(seen.rows, strlen(shown));
        for (size_t n = 0; shown[n]; n++)
            CHECK_U64(seen.shown[shown[n] - '0'], 1);
    }
    rig_free(&rig);
}

/* A page for each call, as an API gives it, each listing going on where the last one stopped. */
static void test_cursor(void)
{
    struct rig *rig = rig_new();
    for (unsigned i = 0; i < 50; i++)
        submit(rig, i, "a@kept.test");
    rig_start(rig);
    memset(&seen, 0, sizeof seen);
    uint64_t cursor = 0;
    for (unsigned page = 0; page < 6; page++) {
        struct listing_row row;
        struct listing *listing = listing_new(rig->sched, rig->bed->spool, NULL, cursor, 10);
        enum listing_result result = LISTING_ROW;
        for (unsigned i = 0; i < 10 && result == LISTING_ROW; i++) {
            result = listing_next(listing, &row);
            CHECK(result == (page < 5 ? LISTING_ROW : LISTING_END));
            if (result == LISTING_ROW)
                note(&row);
        }
        cursor = listing_cursor(listing);
        listing_free(&listing);
    }
    for (unsigned i = 0; i < 50; i++)
        CHECK_U64(seen.shown[i], 1);
    rig_free(&rig);
}

/* --- Damage --- */

static void test_unreadable(void)
{
    struct rig *rig = rig_new();
    for (unsigned i = 0; i < 5; i++)
        submit(rig, i, "a@kept.test");
    const struct spool_ref *ref = &rig->bed->messages[2].ref;
    char path[TEMP_DIR_SIZE * 2];
    snprintf(path, sizeof path, "%s/segments/seg-%03x", rig->bed->path,
             (unsigned)(ref->segment & 0xfff));
    int fd = open(path, O_RDWR);
    CHECK(pwrite(fd, "damage", 6, (off_t)ref->offset + 64 + 64) == 6);
    close(fd);
    rig_start(rig);
    list_all(rig, NULL);
    CHECK_U64(seen.rows, 4);
    CHECK_U64(seen.shown[2], 0);
    CHECK_U64(seen.unreadable, 1);
    CHECK_U64(seen.unreadable_id, ref->id);
    rig_free(&rig);
}

/* All that was in the page is done, and its segment used again, before the envelopes are read. */
static void test_segment_gone(void)
{
    struct rig *rig = rig_new();
    struct bed *b = rig->bed;
    for (unsigned i = 0; i < 5; i++)
        submit(rig, i, "a@kept.test");
    while (loop_turn(rig->loop, 0))
        ;
    struct listing *listing = listing_new(rig->sched, b->spool, NULL, 0, 0);
    while (loop_turn(rig->loop, 0))
        ; /* the page is made */
    for (unsigned i = 0; i < 5; i++)
        spool_message_done(b->spool, &b->messages[i].ref);
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 100; i < 120; i++)
            bed_send(b, i, 1500);
        bed_work(b);
        for (unsigned i = 100; i < 120; i++)
            spool_message_done(b->spool, &b->messages[i].ref);
        bed_work(b);
    }
    list_to_end(listing);
    CHECK_U64(seen.rows + seen.unreadable, 0);
    listing_free(&listing);
    rig_start(rig);
    rig_free(&rig);
}

/* --- Beside delivery --- */

enum { KEPT = 300, ROUNDS = 20, PASSING_EACH = 20 };

/* Messages that stay, some of them in jobs by turns, and others that come and are delivered while
 * listing after listing runs: those that stay are in each exactly once. */
static void test_beside_delivery(void)
{
    struct rig *rig = rig_new();
    for (unsigned i = 0; i < KEPT; i++)
        submit(rig, i, "a@kept.test");
    rig_start(rig);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct listing *listing = listing_new(rig->sched, rig->bed->spool, NULL, 0, 0);
        for (unsigned i = 0; i < PASSING_EACH; i++)
            submit(rig, KEPT + round * PASSING_EACH + i, "a@go.test");
        list_to_end(listing);
        for (unsigned i = 0; i < KEPT; i++)
            CHECK_U64(seen.shown[i], 1);
        for (unsigned i = KEPT; i < BED_MESSAGES_MAX; i++)
            CHECK(seen.shown[i] <= 1);
        CHECK_U64(seen.unreadable, 0);
        listing_free(&listing);
    }
    rig_free(&rig);
}

static void test_freed_early(void)
{
    struct rig *rig = rig_new();
    for (unsigned i = 0; i < 50; i++)
        submit(rig, i, "a@kept.test");
    rig_start(rig);
    for (unsigned i = 0; i < 200; i++) {
        struct listing_row row;
        struct listing *listing = listing_new(rig->sched, rig->bed->spool, NULL, 0, 0);
        if (i % 2)
            CHECK(listing_next(listing, &row) == LISTING_ROW);
        listing_free(&listing);
        CHECK(!listing);
    }
    rig_free(&rig);
}

UNIT_MAIN("queue/listing", {"empty", test_empty}, {"filters", test_filters},
          {"cursor", test_cursor}, {"unreadable", test_unreadable},
          {"segment_gone", test_segment_gone}, {"beside_delivery", test_beside_delivery},
          {"freed_early", test_freed_early})
