/* bench/load_bad: kinds, each kind, early talk, they take turns, some kinds only, nothing was
 * started, print. */
#include "bench/load_bad.h"

#include <semaphore.h>
#include <stdlib.h>

#include "core/thread.h"
#include "bench/sink/smtp_sink.h"

#include "unit.h"

enum { ALL = (1 << LOAD_BAD_KINDS) - 1 };

static void test_kinds(void)
{
    static const struct {
        const char *text;
        enum err e;
        unsigned kinds;
    } rows[] = {
        {"slow", ERR_OK, 1 << LOAD_BAD_SLOW},
        {"bare-lf", ERR_OK, 1 << LOAD_BAD_BARE_LF},
        {"half-close,early-talk", ERR_OK, 1 << LOAD_BAD_HALF_CLOSE | 1 << LOAD_BAD_EARLY_TALK},
        {"slow,bare-lf,early-talk,half-close", ERR_OK, ALL},
        {"slow,slow", ERR_OK, 1 << LOAD_BAD_SLOW},
        {"", ERR_SYNTAX, 0},
        {"slow,", ERR_SYNTAX, 0},
        {",slow", ERR_SYNTAX, 0},
        {"slow bare-lf", ERR_SYNTAX, 0},
        {"Slow", ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unsigned kinds;
        unit_row(rows[i].text);
        CHECK_U64(load_bad_parse_kinds(bytes_of(rows[i].text), &kinds), rows[i].e);
        if (rows[i].e == ERR_OK)
            CHECK_U64(kinds, rows[i].kinds);
    }
}

/* --- Against a sink --- */

struct watched {
    sem_t closed; /* once for each connection */
    struct smtp_sink *sink;
};

static void *on_open(void *owner)
{
    return owner;
}

static void on_begin(void *session)
{
    (void)session;
}

static void on_text(void *session, struct bytes text)
{
    (void)session;
    (void)text;
}

static void on_end(void *session)
{
    (void)session;
}

static void on_close(void *session)
{
    struct watched *w = session;
    ASSERT(sem_post(&w->closed) == 0);
}

/* KINDS, one session each, until that many connections have ended. */
static struct load_bad_totals run(unsigned kinds, unsigned long sessions, unsigned ended)
{
    struct watched w;
    const struct smtp_sink_observer observer = {&w,     on_open,  on_begin, on_text,
                                                on_end, on_close, NULL};
    struct smtp_sink_settings sink = {.threads = 1, .observer = &observer};
    struct load_bad_settings settings = {
        .sessions = sessions,
        .kinds = kinds,
        .interval_ms = 1,
        .from = "a@src.test",
        .rcpt = "b@dst.test",
    };
    struct load_bad_totals totals;
    struct load_bad *bad;
    CHECK(endpoint_parse(BYTES("127.0.0.1:0"), &sink.at) == ERR_OK);
    CHECK(sem_init(&w.closed, 0, 0) == 0);
    CHECK(smtp_sink_start_with(&sink, &w.sink, NULL) == ERR_OK);
    settings.to = smtp_sink_address(w.sink);
    CHECK(load_bad_start(&settings, &bad, NULL) == ERR_OK);
    while (ended--)
        CHECK(sem_wait(&w.closed) == 0);
    load_bad_stop(&bad, &totals);
    CHECK(!bad);
    smtp_sink_stop(&w.sink);
    sem_destroy(&w.closed);
    return totals;
}

static void check_balance(const struct load_bad_counts *c)
{
    CHECK_U64(c->refused + c->served + c->accepted + c->open, c->connections);
    CHECK_U64(c->failed, 0);
}

static void test_each_kind(void)
{
    /* Two rounds of its scripts have ended. What a kind never gets is 0. */
    static const struct {
        const char *name;
        enum load_bad_kind kind;
        unsigned ended;
        bool refused, served, accepted;
    } rows[] = {
        {"slow", LOAD_BAD_SLOW, 4, false, true, false},
        {"bare LF", LOAD_BAD_BARE_LF, 8, true, false, false},
        {"half close", LOAD_BAD_HALF_CLOSE, 6, true, true, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct load_bad_totals t = run(1u << rows[i].kind, 1, rows[i].ended);
        const struct load_bad_counts *c = &t.counts[rows[i].kind];
        check_balance(c);
        CHECK(c->connections >= rows[i].ended && c->open <= 1);
        CHECK(rows[i].refused || c->refused == 0);
        CHECK(rows[i].served || c->served == 0);
        CHECK(rows[i].accepted || c->accepted == 0);
    }
}

/* Whether the sink hears it before it has said its banner is up to the kernel. */
static void test_early_talk(void)
{
    struct load_bad_totals t = run(1u << LOAD_BAD_EARLY_TALK, 1, 4);
    const struct load_bad_counts *c = &t.counts[LOAD_BAD_EARLY_TALK];
    check_balance(c);
    CHECK(c->refused >= 1); /* DATA before its turn at least */
    CHECK_U64(c->served, 0);
}

static void test_they_take_turns(void)
{
    struct load_bad_totals t = run(ALL, 9, 60);
    CHECK_U64(t.sessions, 9);
    CHECK_U64(t.kinds, ALL);
    for (unsigned i = 0; i < LOAD_BAD_KINDS; i++) {
        check_balance(&t.counts[i]);
        CHECK(t.counts[i].connections > 0);
        CHECK(t.counts[i].open <= (i == 0 ? 3 : 2));
    }
}

static void test_some_kinds_only(void)
{
    struct load_bad_totals t = run(1 << LOAD_BAD_BARE_LF | 1 << LOAD_BAD_HALF_CLOSE, 3, 12);
    CHECK_U64(t.counts[LOAD_BAD_SLOW].connections, 0);
    CHECK_U64(t.counts[LOAD_BAD_EARLY_TALK].connections, 0);
    CHECK(t.counts[LOAD_BAD_BARE_LF].connections > 0);
    CHECK(t.counts[LOAD_BAD_HALF_CLOSE].connections > 0);
}

static void test_nothing_was_started(void)
{
    struct load_bad_totals t;
    struct load_bad *bad = NULL;
    load_bad_stop(&bad, &t);
    CHECK_U64(t.sessions, 0);
    CHECK_U64(t.kinds, 0);
}

/* --- Totals --- */

static void check_print(const struct load_bad_totals *t, bool json, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    load_bad_print(t, to, json);
    CHECK(fclose(to) == 0);
    CHECK_STR(text, wanted);
    free(text);
}

static void test_print(void)
{
    struct load_bad_totals t = {
        .kinds = 1 << LOAD_BAD_SLOW | 1 << LOAD_BAD_BARE_LF,
        .sessions = 5,
        .counts =
            {[LOAD_BAD_SLOW] = {.connections = 9, .refused = 1, .served = 6, .open = 2},
             [LOAD_BAD_BARE_LF] = {.connections = 8, .refused = 5, .accepted = 3, .failed = 4}},
    };
    check_print(&t, false,
                "bad clients: sessions 5, connections 17, refused 6, served 6, accepted 3, "
                "failed 4, open 2\n"
                "  slow: connections 9, refused 1, served 6, accepted 0, failed 0, open 2\n"
                "  bare LF: connections 8, refused 5, served 0, accepted 3, failed 4, open 0\n"
                "bare LF accepted: 3\n");
    check_print(&t, true,
                "{\"sessions\": 5, \"connections\": 17, \"refused\": 6, \"served\": 6, "
                "\"accepted\": 3, \"failed\": 4, \"open\": 2, "
                "\"slow\": {\"connections\": 9, \"refused\": 1, \"served\": 6, \"accepted\": 0, "
                "\"failed\": 0, \"open\": 2}, "
                "\"bare_lf\": {\"connections\": 8, \"refused\": 5, \"served\": 0, "
                "\"accepted\": 3, \"failed\": 4, \"open\": 0}}");
    t.kinds = 1 << LOAD_BAD_SLOW;
    t.counts[LOAD_BAD_BARE_LF] = (struct load_bad_counts){0};
    check_print(&t, false,
                "bad clients: sessions 5, connections 9, refused 1, served 6, accepted 0, "
                "failed 0, open 2\n"
                "  slow: connections 9, refused 1, served 6, accepted 0, failed 0, open 2\n");
}

UNIT_MAIN("bench/load_bad", {"kinds", test_kinds}, {"each kind", test_each_kind},
          {"early talk", test_early_talk}, {"they take turns", test_they_take_turns},
          {"some kinds only", test_some_kinds_only},
          {"nothing was started", test_nothing_was_started}, {"print", test_print})
