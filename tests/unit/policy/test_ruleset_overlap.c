/* policy/ruleset_overlap: overlaps, conflict text, random overlaps. */
#include "policy/ruleset.h"

#include <stdio.h>
#include <time.h>

#include "core/rand.h"
#include "rules_fixture.h"

/* --- Two connectors on one binding --- */

static const struct {
    const char *name;
    const char *a[RULES_RANGES_MAX], *b[RULES_RANGES_MAX];
    const char *b_binding;
    size_t faults;
    const char *common; /* in the report */
} overlap_rows[] = {
    {"apart", {"10.0.0.0/24"}, {"10.0.1.0/24"}, P25, 0, ""},
    {"inside", {"10.0.0.0/8"}, {"10.1.0.0/16"}, P25, 0, ""},
    {"inside, same start", {"10.0.0.0/8"}, {"10.0.0.0/16"}, P25, 0, ""},
    {"inside, same end", {"10.0.0.0/8"}, {"10.255.0.0/16"}, P25, 0, ""},
    {"around", {"10.1.0.0/16"}, {"10.0.0.0/8"}, P25, 0, ""},
    {"equal", {"10.0.0.0/8"}, {"10.0.0.0-10.255.255.255"}, P25, 1, "both hold 10.0.0.0/8;"},
    {"everybody twice", {ALL4}, {ALL4}, P25, 1, "both hold 0.0.0.0/0;"},
    {"in part",
     {"10.0.0.0-10.0.0.9"},
     {"10.0.0.5-10.0.0.20"},
     P25,
     1,
     "both hold 10.0.0.5-10.0.0.9;"},
    {"in part, the other way",
     {"10.0.0.5-10.0.0.20"},
     {"10.0.0.0-10.0.0.9"},
     P25,
     1,
     "both hold 10.0.0.5-10.0.0.9;"},
    {"one address", {"10.0.0.0-10.0.0.9"}, {"10.0.0.9-10.0.0.20"}, P25, 1, "both hold 10.0.0.9;"},
    {"side by side", {"10.0.0.0-10.0.0.9"}, {"10.0.0.10-10.0.0.20"}, P25, 0, ""},
    {"every pair is named",
     {"10.0.0.0-10.0.0.9", "10.1.0.0/24", "10.2.0.0/24"},
     {"10.0.0.5-10.0.0.20", "10.1.0.128-10.1.1.0", "10.2.0.0/24", "10.9.0.0/16"},
     P25,
     3,
     "both hold 10.1.0.128/25;"},
    {"one against many",
     {"10.0.0.0-10.0.0.100"},
     {"10.0.0.50-10.0.0.200", "10.0.0.60-10.0.0.210", "10.0.0.70-10.0.0.80"},
     P25,
     2,
     "both hold 10.0.0.60-10.0.0.100;"},
    {"many against one",
     {"10.0.0.0-10.0.0.50", "10.0.0.0-10.0.0.60", "10.0.0.0-10.0.0.255"},
     {"10.0.0.40-10.0.0.90"},
     P25,
     2,
     "both hold 10.0.0.40-10.0.0.60;"},
    {"an own range in between",
     {"10.0.0.0-10.0.0.50"},
     {"10.0.0.0-10.0.0.255", "10.0.0.20-10.0.0.30", "10.0.0.25-10.0.0.60"},
     P25,
     1,
     "both hold 10.0.0.25-10.0.0.50;"},
    {"another port", {"10.0.0.0/8"}, {"10.0.0.0/8"}, "0.0.0.0:587", 0, ""},
    {"an address of its own", {"10.0.0.0/8"}, {"10.0.0.0/8"}, "192.0.2.1:25", 0, ""},
};

static void test_overlaps(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(overlap_rows); i++) {
        struct rules_connector pair[2] = {
            {.name = "First", .bindings = {P25}, .ranges = {NULL}, .groups = ANON, .auth = TLS},
            {.name = "Second",
             .bindings = {overlap_rows[i].b_binding},
             .ranges = {NULL},
             .groups = ANON,
             .auth = TLS}};
        struct rules r;
        unit_row(overlap_rows[i].name);
        memcpy(pair[0].ranges, overlap_rows[i].a, sizeof pair[0].ranges);
        memcpy(pair[1].ranges, overlap_rows[i].b, sizeof pair[1].ranges);
        rules_start_routed(&r, pair, 2);
        CHECK_U64(rules_build(&r), overlap_rows[i].faults ? ERR_SYNTAX : ERR_OK);
        CHECK_U64(r.faults, overlap_rows[i].faults);
        CHECK_U64(r.warnings, 0);
        CHECK(strstr(r.text, overlap_rows[i].common));
        if (overlap_rows[i].faults)
            CHECK(strstr(r.text, "\"First\" (t.conf:10)") &&
                  strstr(r.text, "\"Second\" (t.conf:20)"));
        ruleset_free(&r.set);
        pair[1].disabled = true;
        rules_start_routed(&r, pair, 2);
        CHECK(rules_build(&r) == ERR_OK); /* one that does not listen cannot conflict */
        ruleset_free(&r.set);
    }
}

static void test_conflict_text(void)
{
    static const struct rules_connector pair[] = {
        {.name = "A",
         .bindings = {P25},
         .ranges = {"10.9.0.1", "10.0.0.0-10.0.0.9"},
         .groups = ANON,
         .auth = TLS},
        {.name = "B",
         .bindings = {P25},
         .ranges = {"10.0.0.5-10.0.0.20"},
         .groups = ANON,
         .auth = TLS},
    };
    struct rules r;
    rules_start_routed(&r, pair, 2);
    CHECK(rules_build(&r) == ERR_SYNTAX);
    CHECK_STR(
        r.text,
        "t.conf:21: receive connector \"B\" (t.conf:20): remote_ip_ranges: "
        "10.0.0.5-10.0.0.20 conflicts on binding 0.0.0.0:25 with receive connector \"A\" "
        "(t.conf:10) with the range 10.0.0.0-10.0.0.9 (t.conf:12), which overlaps it in part: both "
        "hold 10.0.0.5-10.0.0.9; of two ranges one must lie wholly inside the other\n");
}

/* --- The sweep against all pairs --- */

enum { CONNECTORS = 3, EACH = 5, ALL = CONNECTORS * EACH };

static enum iprange_relation relation_of(const struct rules *r, int a, int b)
{
    return iprange_relation(&r->ranges[a / EACH][a % EACH].range,
                            &r->ranges[b / EACH][b % EACH].range, NULL);
}

/* Exact repeats of one connector are told once, as a warning. */
static bool repeats(const struct rules *r, int a)
{
    for (int i = a - a % EACH; i < a; i++)
        if (relation_of(r, i, a) == IPRANGE_EQUAL)
            return true;
    return false;
}

static size_t conflicts_by_model(const struct rules *r)
{
    size_t count = 0;
    for (int a = 0; a < ALL; a++) {
        for (int b = 0; b < a - a % EACH; b++) {
            enum iprange_relation relation = relation_of(r, a, b);
            bool conflict = relation == IPRANGE_EQUAL || relation == IPRANGE_OVERLAP;
            count += conflict && !repeats(r, a) && !repeats(r, b);
        }
    }
    return count;
}

static void fill_random(struct rules *r)
{
    static char texts[CONNECTORS][EACH][40];
    struct rules_connector three[CONNECTORS] = {{.name = "A"}, {.name = "B"}, {.name = "C"}};
    for (int i = 0; i < ALL; i++) {
        struct rules_connector *c = &three[i / EACH];
        char *text = texts[i / EACH][i % EACH];
        unsigned first = (unsigned)rand_below(60);
        unsigned last = first + (unsigned)rand_below(rand_below(2) ? 4 : 60 - first);
        snprintf(text, sizeof texts[0][0], "10.0.0.%u-10.0.0.%u", first, last);
        c->bindings[0] = P25;
        c->groups = ANON;
        c->ranges[i % EACH] = text;
    }
    rules_start_routed(r, three, CONNECTORS);
}

static void test_random_overlaps(void)
{
    uint64_t seed = (uint64_t)time(NULL);
    char row[64];
    snprintf(row, sizeof row, "seed %llu", (unsigned long long)seed);
    printf("%s\n", row);
    unit_row(row);
    rand_seed(seed);
    for (int round = 0; round < 400; round++) {
        struct rules r;
        fill_random(&r);
        size_t wanted = conflicts_by_model(&r);
        CHECK_U64(rules_build(&r), wanted ? ERR_SYNTAX : ERR_OK);
        CHECK_U64(r.faults, wanted);
        ruleset_free(&r.set);
    }
}

UNIT_MAIN("policy/ruleset_overlap", {"overlaps", test_overlaps},
          {"conflict text", test_conflict_text}, {"random overlaps", test_random_overlaps})
