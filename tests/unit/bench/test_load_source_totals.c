/* bench/load_source_totals: too late, printing, merge. */
#include "bench/load_source_totals.h"

#include <stdlib.h>

#include "core/mem.h"

#include "unit.h"

static void test_too_late(void)
{
    static const struct {
        const char *name;
        uint64_t begun, late;
        bool refused;
    } rows[] = {
        {"nothing at all", 0, 0, false},   {"none late", 1000, 0, false},
        {"one per cent", 1000, 10, false}, {"a little more", 1000, 11, true},
        {"the only one", 1, 1, true},      {"all", 100, 100, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct source_counts *c = MEM_NEW(struct source_counts);
        unit_row(rows[i].name);
        c->begun = rows[i].begun;
        c->generator_late = rows[i].late;
        CHECK(source_counts_too_late(c) == rows[i].refused);
        mem_free(c);
    }
}

static char *printed(const struct source_totals *t, bool json,
                     void (*print)(const struct source_totals *, FILE *, bool))
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    print(t, to, json);
    fclose(to);
    return text;
}

static void check_has(const char *text, const char *part)
{
    unit_row(part);
    CHECK(strstr(text, part));
}

static void test_printing(void)
{
    struct source_totals *t = MEM_NEW(struct source_totals);
    t->open_loop = true;
    t->seconds = 2;
    t->cpu_seconds = 0.001;
    t->counts.begun = 104;
    t->counts.accepted = 100;
    t->counts.refused = 3;
    t->counts.failed = 1;
    t->counts.waited = 20;
    t->counts.unstarted = 6;
    t->counts.generator_late = 1;
    for (unsigned i = 0; i < 100; i++) {
        load_histogram_add(&t->counts.phases[LOAD_PHASE_DOT], 50);
        load_histogram_add(&t->counts.latency, 60);
    }
    char *json = printed(t, true, source_totals_print);
    check_has(json, "{\"accepted\": 100, \"refused\": 3, \"failed\": 1, ");
    check_has(json, "\"per_second\": 50.0, \"cpu_seconds\": 0.001, \"cpu_us_per_message\": 10.00");
    check_has(json, "\"latency_us\": {\"p50\": 60, \"p90\": 60, \"p99\": 60, \"p99.9\": 60, "
                    "\"max\": 60, \"count\": 100}");
    check_has(json, "\"ack_us\": {\"p50\": 50, ");
    check_has(json, "\"dot\": {\"p50\": 50, ");
    check_has(json, "\"late\": 26, \"late_share\": 0.236364, \"unstarted\": 6");
    check_has(json, "\"generator_late\": 1, \"generator_late_share\": 0.009615");
    char *text = printed(t, false, source_totals_print);
    check_has(text, "accepted 100, refused 3, failed 1 in 2.000 s: 50.0 messages/s\n");
    check_has(text, "begun late by the generator itself: 1 (share 0.009615)");
    char *late = printed(t, true, source_totals_print_too_late);
    check_has(late, "{\"no_result\": \"the generator itself began 0.96 % of the messages");
    free(json);
    free(text);
    free(late);
    mem_free(t);
}

static void test_merge(void)
{
    struct source_counts *sum = MEM_NEW(struct source_counts), *one = MEM_NEW(struct source_counts);
    uint64_t *numbers[] = {&one->begun,      &one->accepted,           &one->refused,
                           &one->failed,     &one->rcpts_refused,      &one->connections,
                           &one->handshakes, &one->connections_failed, &one->resumed,
                           &one->waited,     &one->unstarted,          &one->generator_late};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        *numbers[i] = i + 1;
    load_histogram_add(&one->latency, 5);
    for (size_t i = 0; i < LOAD_PHASES; i++)
        load_histogram_add(&one->phases[i], i);
    source_counts_merge(sum, one);
    CHECK(memcmp(sum, one, sizeof *sum) == 0);
    source_counts_merge(sum, one);
    CHECK_U64(sum->generator_late, 24);
    CHECK_U64(sum->phases[LOAD_PHASE_QUIT].total, 2);
    mem_free(sum);
    mem_free(one);
}

UNIT_MAIN("bench/load_source_totals", {"too late", test_too_late}, {"printing", test_printing},
          {"merge", test_merge})
