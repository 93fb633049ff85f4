/* queue/sched_list: empty, status, settled, groups, filters, pages, bounded, coming_and_going,
 * restart, destinations, destination_pages, abandoned. */
#include "queue/sched_list.h"

#include <stdio.h>

#include "sched_fixture.h"

/* --- Asking, and listing to the end --- */

static void on_answered(void *owner, struct sched_list *list)
{
    (void)list;
    *(bool *)owner = true;
}

/* The scheduler works on this thread's loop, whose mailbox the answer comes to. */
static void ask(struct sched_list *list, size_t rows)
{
    bool answered = false;
    sched_list_ask(list, rows, loop_mailbox(world.loop), on_answered, &answered);
    CHECK(!answered);
    settle_down();
    CHECK(answered);
}

static struct sched_list *listing(enum sched_list_kind kind, const struct sched_list_filter *filter,
                                  uint64_t cursor)
{
    return sched_list_new(world.sched, kind, filter, cursor);
}

/* All messages that FILTER takes, by pages of ROWS: how often each was shown. */
static struct {
    unsigned shown[KEPT_MAX];
    unsigned total;
    bool ordered;
} all;

static void note_page(const struct sched_list *list)
{
    static uint64_t last;
    for (size_t i = 0; i < list->row_count; i++) {
        uint64_t id = list->rows[i].ref.id;
        all.ordered &= all.total == 0 || id > last;
        last = id;
        all.shown[id]++;
        all.total++;
    }
}

static void list_all(const struct sched_list_filter *filter, size_t rows)
{
    struct sched_list *list = listing(SCHED_LIST_MESSAGES, filter, 0);
    memset(&all, 0, sizeof all);
    all.ordered = true;
    while (!list->end) {
        ask(list, rows);
        CHECK(list->row_count <= rows);
        note_page(list);
    }
    CHECK(all.ordered);
    sched_list_free(&list);
}

/* The row of message ID, of a list that the caller frees; NULL: there is none. */
static const struct sched_list_row *show(uint64_t id, struct sched_list **list)
{
    *list = listing(SCHED_LIST_MESSAGE, NULL, id);
    ask(*list, 1);
    CHECK((*list)->end);
    return (*list)->row_count > 0 ? (*list)->rows : NULL;
}

/* --- Empty --- */

static void test_empty(void)
{
    struct sched_list *list;
    begin();
    list_all(NULL, 10);
    CHECK_U64(all.total, 0);
    CHECK(!show(1, &list));
    sched_list_free(&list);
    list = listing(SCHED_LIST_DESTINATIONS, NULL, 0);
    ask(list, 10);
    CHECK_U64(list->row_count, 0);
    CHECK(list->end);
    sched_list_free(&list);
    sched_list_free(&list);
    finish();
}

/* --- Each place that a message can be in --- */

static const struct status_row {
    const char *name;
    enum sched_list_status status;
    const char *destination;
    uint32_t attempts;
    int64_t next_in_ms; /* at least */
} status_rows[] = {
    {"ready", SCHED_LIST_READY, "a.test", 0, 0},
    {"active", SCHED_LIST_ACTIVE, "a.test", 0, 0},
    {"deferred", SCHED_LIST_DEFERRED, "a.test", 1, 5 * MINUTE},
    {"unreachable", SCHED_LIST_UNREACHABLE, "a.test", 1, 1},
    {"no route", SCHED_LIST_UNREACHABLE, "", 1, 1},
};

/* Brings a message to where ROW says; in the first row ten others are in jobs before it. */
static uint64_t bring_to(const struct status_row *row)
{
    for (unsigned i = 0; row->status == SCHED_LIST_READY && i < world.settings.window_max; i++)
        submit("before@a.test");
    uint64_t id = submit(strcmp(row->name, "no route") ? "a@a.test" : "a@none.test");
    if (row->status == SCHED_LIST_DEFERRED)
        answer(0, LATER, false);
    if (row->status == SCHED_LIST_UNREACHABLE && world.job_count > 0)
        answer(0, DEAD, true);
    return id;
}

static void check_status(const struct sched_list_row *shown, const struct status_row *row)
{
    CHECK_U64(shown->statuses, 1U << row->status);
    CHECK_U64(shown->attempts, row->attempts);
    CHECK_U64(shown->group_count, 1);
    CHECK_U64(shown->groups[0].status, row->status);
    CHECK_STR(shown->groups[0].destination, row->destination);
    CHECK(shown->next_attempt_at_ms >= clock_wall_ms() + row->next_in_ms);
    CHECK_U64(shown->next_attempt_at_ms, shown->groups[0].next_attempt_at_ms);
}

static void test_status(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(status_rows); i++) {
        const struct status_row *row = &status_rows[i];
        struct sched_list *list;
        unit_row(row->name);
        begin();
        uint64_t id = bring_to(row);
        const struct sched_list_row *shown = show(id, &list);
        if (CHECK(shown)) {
            CHECK_U64(shown->ref.id, id);
            CHECK_U64(shown->octets, 100);
            CHECK_U64(shown->received_at_ms, START_MS);
            CHECK_U64(shown->rcpt_count, 1);
            CHECK_U64(shown->rcpts[0].state, MAIL_RCPT_PENDING);
            check_status(shown, row);
        }
        sched_list_free(&list);
        struct sched_list_filter filter = {.statuses = 1U << row->status};
        list_all(&filter, 100);
        CHECK_U64(all.shown[id], 1);
        filter.statuses = ~filter.statuses;
        list_all(&filter, 100);
        CHECK_U64(all.shown[id], 0);
        finish();
    }
}

/* After the last recipient, while the report to its sender is not on the disk. */
static void test_settled(void)
{
    struct sched_list *list;
    begin();
    disk.commit_err = ERR_IO;
    uint64_t id = submit("a@a.test");
    answer(0, NEVER, false);
    const struct sched_list_row *shown = show(id, &list);
    if (CHECK(shown)) {
        CHECK_U64(shown->statuses, 1U << SCHED_LIST_SETTLED);
        CHECK_U64(shown->group_count, 0);
    }
    sched_list_free(&list);
    disk.commit_err = ERR_OK;
    pass(2 * MINUTE);
    CHECK(disk.kept[id].done);
    CHECK(!show(id, &list));
    sched_list_free(&list);
    finish();
}

/* --- One message, several destinations --- */

static void test_groups(void)
{
    static const struct mail_status mixed[] = {{550, {5, 1, 1}, {"Unknown", 7}},
                                               {451, {4, 2, 0}, {"Later", 5}}};
    struct sched_list *list;
    begin();
    uint64_t id = submit("a@a.test b@b.test c@a.test d@none.test e@c.test");
    answer(0, mixed, false); /* a.test: a fails, c waits */
    answer(1, DEAD, true);   /* c.test cannot be reached; b.test is still in its job */
    const struct sched_list_row *shown = show(id, &list);
    if (CHECK(shown)) {
        CHECK_U64(shown->rcpt_count, 5);
        CHECK_U64(shown->group_count, 4);
        CHECK_U64(shown->statuses, 1U << SCHED_LIST_ACTIVE | 1U << SCHED_LIST_DEFERRED |
                                       1U << SCHED_LIST_UNREACHABLE);
        CHECK_U64(shown->rcpts[0].state, MAIL_RCPT_FAILED);
        CHECK_BYTES(shown->rcpts[0].status.text, BYTES("Unknown"));
        static const char *const destinations[] = {NULL, "b.test", "a.test", "", "c.test"};
        for (uint32_t i = 1; i < 5; i++) {
            CHECK_U64(shown->rcpts[i].state, MAIL_RCPT_PENDING);
            if (CHECK(shown->rcpts[i].group < shown->group_count))
                CHECK_STR(shown->groups[shown->rcpts[i].group].destination, destinations[i]);
        }
        CHECK_U64(shown->groups[shown->rcpts[2].group].status, SCHED_LIST_DEFERRED);
        CHECK_BYTES(shown->rcpts[2].status.text, BYTES("Later"));
    }
    sched_list_free(&list);
    list_all(NULL, 100); /* with the report, once each */
    CHECK_U64(all.shown[id], 1);
    list_all(&(struct sched_list_filter){.destination = "a.test"}, 100);
    CHECK_U64(all.shown[id], 1);
    list_all(&(struct sched_list_filter){.destination = "d.test"}, 100);
    CHECK_U64(all.total, 0);
    answer(0, OK, false);
    finish();
}

/* --- Filters --- */

/* 1: a.test, 100 octets, deferred once. 2: b.test, 200, a minute later. 3: sh.test by the smart
 * host, 300, two minutes later. 4: b.test and c.test, 400, three minutes later. */
static void begin_four(void)
{
    begin();
    submit_as("s@x", "a@a.test", 0, 100);
    answer(0, LATER, false);
    pass(MINUTE);
    submit_as("s@x", "a@b.test", 0, 200);
    pass(MINUTE);
    submit_as("s@x", "a@sh.test", 0, 300);
    pass(MINUTE);
    submit_as("s@x", "a@b.test b@c.test", 0, 400);
}

static const struct filter_row {
    const char *name;
    struct sched_list_filter filter;
    const char *shown; /* ids */
} filter_rows[] = {
    {"everything", {0}, "1234"},
    {"smallest", {.octets_min = 300}, "34"},
    {"largest", {.octets_max = 200}, "12"},
    {"of one size", {.octets_min = 200, .octets_max = 200}, "2"},
    {"from", {.received_from_ms = START_MS + MINUTE}, "234"},
    {"until", {.received_until_ms = START_MS + MINUTE}, "12"},
    {"tried", {.attempts_min = 1}, "1"},
    {"tried twice", {.attempts_min = 2}, ""},
    {"tried once at most", {.attempts_max = 1}, "1234"},
    {"domain", {.domain = "B.test"}, "24"},
    {"domain of a second recipient", {.domain = "c.test"}, "4"},
    {"domains", {.domain = "*.test"}, "1234"},
    {"no such domain", {.domain = "test"}, ""},
    {"destination", {.destination = "smart"}, "3"},
    {"destinations", {.destination = "?.test"}, ""},
    {"destination of a group", {.destination = "c.*"}, "4"},
    {"destination of a deferred one", {.destination = "a.test"}, "1"},
    {"active", {.statuses = 1U << SCHED_LIST_ACTIVE}, "234"},
    {"active or deferred",
     {.statuses = 1U << SCHED_LIST_ACTIVE | 1U << SCHED_LIST_DEFERRED},
     "1234"},
    {"two at once", {.domain = "b.test", .octets_min = 300}, "4"},
};

static void test_filters(void)
{
    begin_four();
    for (size_t i = 0; i < ARRAY_SIZE(filter_rows); i++) {
        const char *shown = filter_rows[i].shown;
        unit_row(filter_rows[i].name);
        list_all(&filter_rows[i].filter, 1 + i % 5);
        CHECK_U64(all.total, strlen(shown));
        for (size_t n = 0; shown[n]; n++)
            CHECK_U64(all.shown[shown[n] - '0'], 1);
    }
    finish();
}

/* --- Pages --- */

static void test_pages(void)
{
    static const size_t sizes[] = {1, 7, 64, 100, SCHED_LIST_ROWS_MAX};
    begin();
    for (unsigned i = 0; i < 300; i++)
        submit(i % 3 ? "a@a.test" : "b@b.test");
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        list_all(NULL, sizes[i]);
        CHECK_U64(all.total, 300);
        for (uint64_t id = 1; id <= 300; id++)
            CHECK_U64(all.shown[id], 1);
    }
    finish();
}

/* A step looks at so many and comes back, also if nothing matches. */
static void test_bounded(void)
{
    begin();
    for (unsigned i = 0; i < 1500; i++)
        submit("a@a.test");
    struct sched_list *list =
        listing(SCHED_LIST_MESSAGES, &(struct sched_list_filter){.domain = "b.test"}, 0);
    ask(list, 10);
    CHECK_U64(list->row_count, 0);
    CHECK(!list->end);
    CHECK(list->cursor >= 1000 && list->cursor < 1200);
    ask(list, 10);
    CHECK_U64(list->row_count, 0);
    CHECK(list->end);
    sched_list_free(&list);
    finish();
}

/* Between pages messages finish, fail and come; a quarter of them stays as it is. */
static void test_coming_and_going(void)
{
    begin();
    for (unsigned i = 0; i < 400; i++)
        submit(i % 4 == 3 ? "stays@none.test" : i % 2 ? "a@a.test" : "b@b.test");
    struct sched_list *list = listing(SCHED_LIST_MESSAGES, NULL, 0);
    memset(&all, 0, sizeof all);
    all.ordered = true;
    for (unsigned page = 0; !list->end; page++) {
        ask(list, 16);
        note_page(list);
        answer(page % world.job_count, OK, false);
        answer(page * 7 % world.job_count, LATER, false);
        if (page % 8 == 5)
            answer(0, DEAD, true);
        if (page % 8 == 6)
            sched_retry_all(world.sched); /* all are queued again */
        if (page < 20)
            submit("new@c.test");
        pass(page % 3 * SECOND);
    }
    CHECK(all.ordered);
    for (uint64_t id = 1; id <= 400; id++) {
        bool stayed = !disk.kept[id].done;
        CHECK(stayed ? all.shown[id] == 1 : all.shown[id] <= 1);
    }
    sched_list_free(&list);
    finish();
}

/* The cursor of a page from before a restart. */
static void test_restart(void)
{
    begin();
    for (unsigned i = 0; i < 100; i++)
        submit("a@a.test");
    for (unsigned i = 0; i < 10; i++)
        answer(0, LATER, false);
    answer(0, DEAD, true);
    struct sched_list *list = listing(SCHED_LIST_MESSAGES, NULL, 0);
    memset(&all, 0, sizeof all);
    all.ordered = true;
    ask(list, 40);
    note_page(list);
    uint64_t cursor = list->cursor;
    sched_list_free(&list);
    restart();
    list = listing(SCHED_LIST_MESSAGES, NULL, cursor);
    while (!list->end) {
        ask(list, 40);
        note_page(list);
    }
    sched_list_free(&list);
    CHECK_U64(all.total, 100);
    CHECK(all.ordered);
    const struct sched_list_row *shown = show(3, &list);
    if (CHECK(shown)) {
        CHECK_U64(shown->statuses, 1U << SCHED_LIST_DEFERRED);
        CHECK_U64(shown->attempts, 1);
    }
    sched_list_free(&list);
    finish();
}

/* --- Destinations --- */

static const struct sched_list_dest *dest(const struct sched_list *list, const char *name)
{
    for (size_t i = 0; i < list->row_count; i++)
        if (strcmp(list->dests[i].destination, name) == 0)
            return &list->dests[i];
    return NULL;
}

static void test_destinations(void)
{
    begin();
    for (unsigned i = 0; i < 12; i++)
        submit("a@a.test"); /* ten go, two wait */
    submit("b@b.test");
    submit("c@c.test");
    answer(11, DEAD, true); /* c.test */
    answer(10, OK, false);  /* b.test */
    struct sched_list *list = listing(SCHED_LIST_DESTINATIONS, NULL, 0);
    ask(list, 100);
    CHECK(list->end);
    CHECK_U64(list->row_count, 3);
    const struct sched_list_dest *a = dest(list, "a.test"), *b = dest(list, "b.test"),
                                 *c = dest(list, "c.test");
    if (CHECK(a && b && c)) {
        CHECK_U64(a->ready, 2);
        CHECK_U64(a->active, 10);
        CHECK_U64(a->statuses, 1U << SCHED_LIST_READY | 1U << SCHED_LIST_ACTIVE);
        CHECK_U64(b->ready + b->active + b->statuses, 0);
        CHECK_U64(c->ready, 1);
        CHECK_U64(c->statuses, 1U << SCHED_LIST_UNREACHABLE);
        CHECK_U64(c->failures, 1);
        CHECK_U64(c->failed_at_ms, START_MS);
        CHECK(c->next_attempt_at_ms > START_MS);
        CHECK_BYTES(c->last.text, BYTES("Connection refused"));
    }
    sched_list_free(&list);
    struct sched_list_filter filter = {.statuses = 1U << SCHED_LIST_UNREACHABLE};
    list = listing(SCHED_LIST_DESTINATIONS, &filter, 0);
    ask(list, 100);
    CHECK_U64(list->row_count, 1);
    sched_list_free(&list);
    filter = (struct sched_list_filter){.destination = "b*"};
    list = listing(SCHED_LIST_DESTINATIONS, &filter, 0);
    ask(list, 100);
    CHECK(list->row_count == 1 && dest(list, "b.test"));
    sched_list_free(&list);
    finish();
}

static void test_destination_pages(void)
{
    unsigned shown = 0;
    begin();
    for (unsigned i = 0; i < 100; i++) {
        char to[32];
        snprintf(to, sizeof to, "a@d%u.test", i);
        submit(to);
    }
    struct sched_list *list = listing(SCHED_LIST_DESTINATIONS, NULL, 0);
    while (!list->end) {
        ask(list, 7);
        shown += (unsigned)list->row_count;
    }
    CHECK_U64(shown, 100);
    sched_list_free(&list);
    finish();
}

/* --- Askers that go --- */

static void test_abandoned(void)
{
    begin();
    submit("a@a.test");
    struct sched_list *list = listing(SCHED_LIST_MESSAGES, NULL, 0);
    bool answered = false;
    sched_list_ask(list, 10, loop_mailbox(world.loop), on_answered, &answered);
    sched_list_abandon(&list);
    CHECK(!list);
    settle_down();
    CHECK(!answered);
    list = listing(SCHED_LIST_MESSAGES, NULL, 0);
    sched_list_ask_only(list, 10);
    CHECK(!sched_list_wait(&list, 1)); /* the scheduler does not run */
    CHECK(!list);
    list = listing(SCHED_LIST_MESSAGES, NULL, 0);
    sched_list_ask_only(list, 10);
    settle_down();
    CHECK(sched_list_wait(&list, 1000));
    CHECK_U64(list->row_count, 1);
    sched_list_free(&list);
    finish();
}

UNIT_MAIN("queue/sched_list", {"empty", test_empty}, {"status", test_status},
          {"settled", test_settled}, {"groups", test_groups}, {"filters", test_filters},
          {"pages", test_pages}, {"bounded", test_bounded},
          {"coming_and_going", test_coming_and_going}, {"restart", test_restart},
          {"destinations", test_destinations}, {"destination_pages", test_destination_pages},
          {"abandoned", test_abandoned})
