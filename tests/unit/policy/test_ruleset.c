#include "policy/ruleset.h"

#include <stdlib.h>
#include <time.h>

#include "core/mem.h"
#include "core/rand.h"
#include "rules_fixture.h"

#define ANON    RIGHTS_GROUP_ANONYMOUS_USERS
#define USERS   RIGHTS_GROUP_EXCHANGE_USERS
#define SERVERS RIGHTS_GROUP_EXCHANGE_SERVERS
#define TLS     RECEIVE_AUTH_TLS
#define BASIC   RECEIVE_AUTH_BASIC
#define BASICTL RECEIVE_AUTH_BASIC_REQUIRE_TLS
#define EXT     RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE
#define ALLOW_RELAY                                                                                \
    {                                                                                              \
        {                                                                                          \
            RIGHTS_ANONYMOUS, NULL, RIGHTS_ACCEPT_ANY_RECIPIENT, 0                                 \
        }                                                                                          \
    }
#define ALL4 "0.0.0.0-255.255.255.255"
#define P25  "0.0.0.0:25"

static const struct address_space everything[] = {{"*", 1}};
static const struct send_connector internet = RULES_SEND("Internet", everything, 1);

static void start(struct rules *r, const struct rules_connector *connectors, size_t count)
{
    rules_start(r, connectors, count);
    r->settings.send = &internet;
    r->settings.send_count = 1;
}

/* --- Single connectors: what is said, and whether it stops the start --- */

static void test_receive_checks(void)
{
    static const struct {
        const char *name;
        struct rules_connector c;
        size_t faults, warnings;
        const char *says; /* with its origin */
    } rows[] = {
        {"plain",
         {.name = "A", .bindings = {P25}, .ranges = {"10.0.0.0/8"}, .groups = ANON, .auth = TLS},
         0,
         0,
         ""},
        {"no name",
         {.name = "", .bindings = {P25}, .ranges = {"10.0.0.0/8"}, .groups = ANON, .auth = TLS},
         1,
         0,
         "t.conf:10: a receive connector needs a name"},
        {"no binding",
         {.name = "A", .bindings = {NULL}, .ranges = {"10.0.0.0/8"}, .groups = ANON, .auth = TLS},
         1,
         0,
         "t.conf:10: receive connector \"A\": bindings: at least one"},
        {"no range",
         {.name = "A", .bindings = {P25}, .ranges = {NULL}, .groups = ANON, .auth = TLS},
         1,
         0,
         "t.conf:10: receive connector \"A\": remote_ip_ranges: at least one"},
        {"binding twice",
         {.name = "A",
          .bindings = {P25, P25},
          .ranges = {"10.0.0.0/8"},
          .groups = ANON,
          .auth = TLS},
         0,
         1,
         "0.0.0.0:25 stands"},
        {"BasicAuthRequireTLS without BasicAuth",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.0/8"},
          .groups = ANON,
          .auth = TLS | BASICTL},
         1,
         0,
         "BasicAuthRequireTLS needs BasicAuth and Tls"},
        {"BasicAuthRequireTLS without Tls",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.0/8"},
          .groups = ANON,
          .auth = BASIC | BASICTL},
         1,
         0,
         "BasicAuthRequireTLS needs BasicAuth and Tls"},
        {"BasicAuthRequireTLS complete",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.0/8"},
          .groups = USERS,
          .auth = TLS | BASIC | BASICTL},
         0,
         0,
         ""},
        {"ExternalAuthoritative with BasicAuth",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.9"},
          .groups = SERVERS,
          .auth = EXT | BASIC | TLS},
         1,
         0,
         "combines with Tls only"},
        {"ExternalAuthoritative without the group",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.9"},
          .groups = ANON,
          .auth = EXT | TLS,
          .permissions = {{RIGHTS_EXTERNALLY_SECURED_SERVERS, NULL, RIGHTS_SUBMIT, 0}}},
         1,
         0,
         "needs ExchangeServers among permission_groups"},
        {"ExternalAuthoritative with both groups",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.9"},
          .groups = SERVERS | ANON,
          .auth = EXT | TLS},
         0,
         0,
         ""},
        {"RequireTLS without Tls",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.9"},
          .groups = ANON,
          .auth = BASIC,
          .require_tls = true},
         1,
         0,
         "require_tls: true needs Tls"},
        {"two rules broken are two faults",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.9"},
          .groups = ANON,
          .auth = BASICTL,
          .require_tls = true},
         2,
         0,
         "require_tls"},
        {"nobody: no group",
         {.name = "A", .bindings = {P25}, .ranges = {"10.0.0.9"}, .groups = 0, .auth = TLS},
         0,
         1,
         "t.conf:10: warning: receive connector \"A\": nobody can use it"},
        {"nobody: users cannot authenticate",
         {.name = "A", .bindings = {P25}, .ranges = {"10.0.0.9"}, .groups = USERS, .auth = TLS},
         0,
         1,
         "nobody can use it"},
        {"nobody: the group is denied",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.9"},
          .groups = ANON,
          .auth = TLS,
          .permissions = {{RIGHTS_ANONYMOUS, NULL, 0, RIGHTS_SUBMIT}}},
         0,
         1,
         "nobody can use it"},
        {"somebody: a named user",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.9"},
          .groups = 0,
          .auth = BASIC,
          .permissions = {{RIGHTS_USER, "bob", RIGHTS_SUBMIT, 0}}},
         0,
         0,
         ""},
        {"somebody: an entry without a group",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.9"},
          .groups = 0,
          .auth = TLS,
          .permissions = {{RIGHTS_ANONYMOUS, NULL, RIGHTS_SUBMIT, 0}}},
         0,
         0,
         ""},
        {"looks like a network",
         {.name = "A", .bindings = {P25}, .ranges = {"192.168.1.0"}, .groups = ANON, .auth = TLS},
         0,
         1,
         "t.conf:11: warning: receive connector \"A\": remote_ip_ranges: \"192.168.1.0\" is one"},
        {"a network written out",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"192.168.1.0/24"},
          .groups = ANON,
          .auth = TLS},
         0,
         0,
         ""},
        {"the same range twice",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.1", "10.0.0.1/32"},
          .groups = ANON,
          .auth = TLS},
         0,
         1,
         "t.conf:12: warning: receive connector \"A\": remote_ip_ranges: 10.0.0.1/32 is there "
         "already, at t.conf:11"},
        {"own ranges may overlap",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.1-10.0.0.9", "10.0.0.5-10.0.0.20"},
          .groups = ANON,
          .auth = TLS},
         0,
         0,
         ""},
        {"no binding of the range's family",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.1", "::1"},
          .groups = ANON,
          .auth = TLS},
         0,
         1,
         "t.conf:12: warning: receive connector \"A\": remote_ip_ranges: \"::1\" never matches: "
         "none of the bindings is IPv6"},
        {"everybody without relay",
         {.name = "A", .bindings = {P25}, .ranges = {ALL4}, .groups = ANON, .auth = TLS},
         0,
         0,
         ""},
        {"open relay",
         {.name = "A",
          .bindings = {P25},
          .ranges = {ALL4},
          .groups = ANON,
          .auth = TLS,
          .permissions = ALLOW_RELAY},
         1,
         0,
         "t.conf:10: receive connector \"A\": Anonymous has ms-Exch-SMTP-Accept-Any-Recipient"},
        {"open relay in two halves",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"128.0.0.0/1", "0.0.0.0/1"},
          .groups = ANON,
          .auth = TLS,
          .permissions = ALLOW_RELAY},
         1,
         0,
         "an open relay"},
        {"open relay over IPv6",
         {.name = "A",
          .bindings = {"[::]:25"},
          .ranges = {"::/0"},
          .groups = ANON,
          .auth = TLS,
          .permissions = ALLOW_RELAY},
         1,
         0,
         "an open relay"},
        {"all but one address",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"0.0.0.0-255.255.255.254"},
          .groups = ANON,
          .auth = TLS,
          .permissions = ALLOW_RELAY},
         0,
         0,
         ""},
        {"open relay by intent",
         {.name = "A",
          .bindings = {P25},
          .ranges = {ALL4},
          .groups = ANON,
          .auth = TLS,
          .permissions = ALLOW_RELAY,
          .open_relay = true},
         0,
         0,
         ""},
        {"relay for named hosts",
         {.name = "A",
          .bindings = {P25},
          .ranges = {"10.0.0.1"},
          .groups = ANON,
          .auth = TLS,
          .permissions = ALLOW_RELAY},
         0,
         0,
         ""},
        {"users may relay from anywhere",
         {.name = "A",
          .bindings = {"0.0.0.0:587"},
          .ranges = {"0.0.0.0/0"},
          .groups = USERS,
          .auth = TLS | BASIC},
         0,
         0,
         ""},
        {"externally secured from anywhere",
         {.name = "A", .bindings = {P25}, .ranges = {ALL4}, .groups = SERVERS, .auth = EXT | TLS},
         0,
         1,
         "ExternalAuthoritative trusts all of them"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rules r;
        unit_row(rows[i].name);
        start(&r, &rows[i].c, 1);
        CHECK_U64(rules_build(&r), rows[i].faults ? ERR_SYNTAX : ERR_OK);
        CHECK((r.set == NULL) == (rows[i].faults > 0));
        CHECK_U64(r.faults, rows[i].faults);
        CHECK_U64(r.warnings, rows[i].warnings);
        if (!CHECK(strstr(r.text, rows[i].says) != NULL))
            printf("%s", r.text);
        ruleset_free(&r.set);
    }
}

/* --- Two connectors on one binding --- */

static void test_overlaps(void)
{
    static const struct {
        const char *name;
        const char *a[RULES_RANGES_MAX], *b[RULES_RANGES_MAX];
        const char *b_binding;
        size_t faults;
        const char *common; /* in the report */
    } rows[] = {
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
        {"one address",
         {"10.0.0.0-10.0.0.9"},
         {"10.0.0.9-10.0.0.20"},
         P25,
         1,
         "both hold 10.0.0.9;"},
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
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rules_connector pair[2] = {
            {.name = "First", .bindings = {P25}, .ranges = {NULL}, .groups = ANON, .auth = TLS},
            {.name = "Second",
             .bindings = {rows[i].b_binding},
             .ranges = {NULL},
             .groups = ANON,
             .auth = TLS}};
        struct rules r;
        unit_row(rows[i].name);
        memcpy(pair[0].ranges, rows[i].a, sizeof pair[0].ranges);
        memcpy(pair[1].ranges, rows[i].b, sizeof pair[1].ranges);
        start(&r, pair, 2);
        CHECK_U64(rules_build(&r), rows[i].faults ? ERR_SYNTAX : ERR_OK);
        CHECK_U64(r.faults, rows[i].faults);
        CHECK_U64(r.warnings, 0);
        CHECK(strstr(r.text, rows[i].common) != NULL);
        if (rows[i].faults)
            CHECK(strstr(r.text, "\"First\" (t.conf:10)") &&
                  strstr(r.text, "\"Second\" (t.conf:20)"));
        ruleset_free(&r.set);
        pair[1].disabled = true;
        start(&r, pair, 2);
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
    start(&r, pair, 2);
    CHECK(rules_build(&r) == ERR_SYNTAX);
    CHECK_STR(r.text,
              "t.conf:21: receive connector \"B\" (t.conf:20): remote_ip_ranges: "
              "10.0.0.5-10.0.0.20 conflicts on binding 0.0.0.0:25 with receive connector \"A\" "
              "(t.conf:10), whose range 10.0.0.0-10.0.0.9 (t.conf:12) overlaps it in part: both "
              "hold 10.0.0.5-10.0.0.9; of two ranges one must lie wholly inside the other\n");
}

/* The sweep against all pairs. */
static void test_random_overlaps(void)
{
    uint64_t seed = (uint64_t)time(NULL);
    char row[64];
    snprintf(row, sizeof row, "seed %llu", (unsigned long long)seed);
    printf("%s\n", row);
    unit_row(row);
    rand_seed(seed);
    for (int round = 0; round < 400; round++) {
        static char texts[3][5][40];
        struct rules_connector three[3] = {{.name = "A"}, {.name = "B"}, {.name = "C"}};
        struct rules r;
        size_t wanted = 0;
        for (int c = 0; c < 3; c++) {
            three[c].bindings[0] = P25;
            three[c].groups = ANON;
            for (int k = 0; k < 5; k++) {
                unsigned first = (unsigned)rand_below(60);
                unsigned last = first + (unsigned)rand_below(rand_below(2) ? 4 : 60 - first);
                snprintf(texts[c][k], sizeof texts[c][k], "10.0.0.%u-10.0.0.%u", first, last);
                three[c].ranges[k] = texts[c][k];
            }
        }
        start(&r, three, 3);
        for (int a = 0; a < 15; a++) {
            for (int b = 0; b < (a / 5) * 5; b++) {
                enum iprange_relation relation = iprange_relation(
                    &r.ranges[a / 5][a % 5].range, &r.ranges[b / 5][b % 5].range, NULL);
                bool repeats = false; /* exact repeats of one connector are told once */
                for (int k = 0; k < 15; k++)
                    if ((k / 5 == a / 5 && k < a) || (k / 5 == b / 5 && k < b)) {
                        int twin = k / 5 == a / 5 ? a : b;
                        repeats = repeats || iprange_relation(&r.ranges[k / 5][k % 5].range,
                                                              &r.ranges[twin / 5][twin % 5].range,
                                                              NULL) == IPRANGE_EQUAL;
                    }
                wanted += !repeats && (relation == IPRANGE_EQUAL || relation == IPRANGE_OVERLAP);
            }
        }
        enum err e = rules_build(&r);
        CHECK_U64(r.faults, wanted);
        CHECK((e == ERR_OK) == (wanted == 0));
        ruleset_free(&r.set);
    }
}

/* --- Domains, send connectors, names --- */

static void test_settings_checks(void)
{
    static const struct rules_connector plain = {
        .name = "A", .bindings = {P25}, .ranges = {"10.0.0.1"}, .groups = ANON, .auth = TLS};
    static const struct address_space bad[] = {{"*contoso.com", 1}};
    static const struct address_space costly[] = {{"contoso.com", 101}};
    static const struct address_space contoso[] = {{"contoso.com", 1}};
    static const struct address_space branch[] = {{"*.branch.example", 1}};
    static const char *const host[] = {"gw.example.com", "[192.0.2.7]:2526", "[2001:db8::1]"};
    static const char *const bad_host[] = {"gw example", "[192.0.2]", "gw.example:0", "", "*.x"};
    static const struct {
        const char *name;
        struct send_connector send[2];
        struct accepted_domain domains[2];
        size_t faults, warnings;
        const char *says;
    } rows[] = {
        {"plain", {RULES_SEND("S", everything, 1)}, {{.name = NULL}}, 0, 0, ""},
        {"no send connector",
         {{.name = NULL}},
         {{.name = NULL}},
         0,
         1,
         "t.conf:10: warning: send_connectors: none is enabled"},
        {"send names twice",
         {RULES_SEND("S", everything, 1), RULES_SEND("s", contoso, 1)},
         {{.name = NULL}},
         1,
         0,
         "t.conf:90: send connector \"s\": the name is taken, at t.conf:90"},
        {"no address space",
         {RULES_SEND("S", NULL, 0)},
         {{.name = NULL}},
         1,
         0,
         "address_spaces: at least one"},
        {"bad address space",
         {RULES_SEND("S", bad, 1)},
         {{.name = NULL}},
         1,
         0,
         "address_spaces: \"*contoso.com\""},
        {"bad cost", {RULES_SEND("S", costly, 1)}, {{.name = NULL}}, 1, 0, "cost 101"},
        {"smart hosts",
         {{.name = "S",
           .enabled = true,
           .spaces = everything,
           .space_count = 1,
           .smart_hosts = host,
           .smart_host_count = 3}},
         {{.name = NULL}},
         0,
         0,
         ""},
        {"smart hosts missing",
         {{.name = "S", .enabled = true, .spaces = everything, .space_count = 1}},
         {{.name = NULL}},
         1,
         0,
         "smart_hosts: needed"},
        {"smart hosts and DNS",
         {{.name = "S",
           .enabled = true,
           .spaces = everything,
           .space_count = 1,
           .smart_hosts = host,
           .smart_host_count = 1,
           .dns_routing_enabled = true}},
         {{.name = NULL}},
         1,
         0,
         "dns_routing_enabled must be false"},
        {"bad smart hosts",
         {{.name = "S",
           .enabled = true,
           .spaces = everything,
           .space_count = 1,
           .smart_hosts = bad_host,
           .smart_host_count = 5}},
         {{.name = NULL}},
         5,
         0,
         "\"[192.0.2]\" is neither"},
        {"RequireTLS and IgnoreSTARTTLS",
         {{.name = "S",
           .enabled = true,
           .spaces = everything,
           .space_count = 1,
           .dns_routing_enabled = true,
           .require_tls = true,
           .ignore_starttls = true}},
         {{.name = NULL}},
         1,
         0,
         "ignore_starttls = false"},
        {"bad domain",
         {RULES_SEND("S", everything, 1)},
         {{.name = "*contoso.com", .origin = "t.conf:70"}},
         1,
         0,
         "t.conf:70: accepted domain \"*contoso.com\""},
        {"domain twice",
         {RULES_SEND("S", everything, 1)},
         {{.name = "a.example", .origin = "t.conf:70"},
          {.name = "A.example", .origin = "t.conf:71"}},
         1,
         0,
         "t.conf:71: accepted domain \"A.example\": the name is taken, at t.conf:70"},
        {"domain twice but for a dot",
         {RULES_SEND("S", everything, 1)},
         {{.name = "a.example", .origin = "t.conf:70"},
          {.name = "a.example.", .origin = "t.conf:71"}},
         1,
         0,
         "t.conf:71"},
        {"two defaults",
         {RULES_SEND("S", everything, 1)},
         {{.name = "a.example", .origin = "t.conf:70", .is_default = true},
          {.name = "b.example", .origin = "t.conf:71", .is_default = true}},
         1,
         0,
         "t.conf:71: accepted domain \"b.example\": default"},
        {"a wildcard as default",
         {RULES_SEND("S", everything, 1)},
         {{.name = "*.a.example", .origin = "t.conf:70", .is_default = true}},
         1,
         0,
         "a wildcard cannot be the default"},
        {"a whole top-level domain",
         {RULES_SEND("S", everything, 1)},
         {{.name = "*.com", .origin = "t.conf:70"}},
         0,
         1,
         "whole top-level domain"},
        {"relay domain without a way",
         {RULES_SEND("S", contoso, 1)},
         {{.name = "a.example", .origin = "t.conf:70", .type = DOMAIN_INTERNAL_RELAY},
          {.name = "contoso.com", .origin = "t.conf:71", .type = DOMAIN_EXTERNAL_RELAY}},
         0,
         1,
         "t.conf:70: warning: accepted domain \"a.example\": InternalRelay without"},
        {"relay wildcard with a way",
         {RULES_SEND("S", branch, 1)},
         {{.name = "*.branch.example", .origin = "t.conf:70", .type = DOMAIN_INTERNAL_RELAY}},
         0,
         0,
         ""},
        {"relay wildcard without",
         {RULES_SEND("S", contoso, 1)},
         {{.name = "*.branch.example", .origin = "t.conf:70", .type = DOMAIN_INTERNAL_RELAY}},
         0,
         1,
         "\"*.branch.example\": InternalRelay"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rules r;
        unit_row(rows[i].name);
        rules_start(&r, &plain, 1);
        r.settings.send = rows[i].send;
        while (r.settings.send_count < 2 && rows[i].send[r.settings.send_count].name)
            r.settings.send_count++;
        r.settings.domains = rows[i].domains;
        while (r.settings.domain_count < 2 && rows[i].domains[r.settings.domain_count].name)
            r.settings.domain_count++;
        CHECK_U64(rules_build(&r), rows[i].faults ? ERR_SYNTAX : ERR_OK);
        CHECK_U64(r.faults, rows[i].faults);
        CHECK_U64(r.warnings, rows[i].warnings);
        if (!CHECK(strstr(r.text, rows[i].says) != NULL))
            printf("%s", r.text);
        ruleset_free(&r.set);
    }
}

static void test_names_twice(void)
{
    static const struct rules_connector three[] = {
        {.name = "Same", .bindings = {P25}, .ranges = {"10.0.0.1"}, .groups = ANON, .auth = TLS},
        {.name = "Other", .bindings = {P25}, .ranges = {"10.0.0.2"}, .groups = ANON, .auth = TLS},
        {.name = "SAME", .bindings = {P25}, .ranges = {"10.0.0.3"}, .groups = ANON, .auth = TLS},
    };
    struct rules r;
    start(&r, three, 3);
    CHECK(rules_build(&r) == ERR_SYNTAX);
    CHECK_STR(r.text, "t.conf:30: receive connector \"SAME\": the name is taken, at t.conf:10\n");
    start(&r, three, 3);
    CHECK(ruleset_build(&r.settings, NULL, NULL, &r.set) == ERR_SYNTAX);
}

/* --- Selection --- */

static const struct rules_connector selectable[] = {
    {.name = "All",
     .bindings = {P25, "[::]:25"},
     .ranges = {ALL4, "::/0"},
     .groups = ANON,
     .auth = TLS},
    {.name = "Net",
     .bindings = {P25},
     .ranges = {"192.168.1.0-192.168.1.255"},
     .groups = ANON,
     .auth = TLS},
    {.name = "Host", .bindings = {P25}, .ranges = {"192.168.1.75"}, .groups = ANON, .auth = TLS},
    {.name = "Own address",
     .bindings = {"192.0.2.1:25"},
     .ranges = {"192.168.1.0/24", "10.0.0.0/8"},
     .groups = ANON,
     .auth = TLS},
    {.name = "Off",
     .bindings = {P25},
     .ranges = {"192.168.1.80"},
     .groups = ANON,
     .auth = TLS,
     .disabled = true},
    {.name = "Odd port",
     .bindings = {"[2001:db8::1]:0"},
     .ranges = {"::/0"},
     .groups = ANON,
     .auth = TLS},
};

static void test_select(void)
{
    static const struct {
        const char *local, *peer;
        const char *connector; /* NULL: none */
    } rows[] = {
        {"203.0.113.1:25", "192.168.1.75", "Host"},
        {"203.0.113.1:25", "192.168.1.100", "Net"},
        {"203.0.113.1:25", "192.168.2.1", "All"},
        {"203.0.113.1:25", "192.168.1.80", "Net"},
        {P25, "192.168.1.75", "Host"},
        {"192.0.2.1:25", "192.168.1.75", "Own address"},
        {"192.0.2.1:25", "10.9.9.9", "Own address"},
        {"192.0.2.1:25", "172.16.0.1", "All"},
        {"203.0.113.1:26", "192.168.1.75", NULL},
        {"[2001:db8::2]:25", "2001:db8::99", "All"},
        {"[2001:db8::1]:25", "2001:db8::99", "All"},
        {"[2001:db8::1]:4711", "2001:db8::99", "Odd port"},
        {"[2001:db8::2]:4711", "2001:db8::99", NULL},
        {"[::ffff:203.0.113.1]:25", "::ffff:192.168.1.75", "Host"},
    };
    struct rules r;
    start(&r, selectable, ARRAY_SIZE(selectable));
    CHECK(rules_build(&r) == ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct endpoint local;
        struct ipaddr peer;
        unit_row(rows[i].peer);
        CHECK(endpoint_parse(bytes_of(rows[i].local), &local) == ERR_OK);
        CHECK(ipaddr_parse(bytes_of(rows[i].peer), &peer) == ERR_OK);
        struct ruleset_match m = ruleset_select(r.set, &local, &peer);
        CHECK_STR(m.connector ? m.connector->name : "(none)",
                  rows[i].connector ? rows[i].connector : "(none)");
        if (m.connector) {
            CHECK(iprange_contains(&m.range->range, &peer));
            CHECK(m.connector == &ruleset_settings(r.set)->receive[m.connector_index]);
        }
    }
    ruleset_free(&r.set);
}

static void test_bindings(void)
{
    struct rules r;
    struct endpoint out[8];
    char text[ENDPOINT_TEXT_SIZE];
    start(&r, selectable, ARRAY_SIZE(selectable));
    CHECK(rules_build(&r) == ERR_OK);
    CHECK_U64(ruleset_bindings(r.set, NULL, 0), 4);
    CHECK_U64(ruleset_bindings(r.set, out, ARRAY_SIZE(out)), 4);
    size_t wildcards = 0;
    for (size_t i = 0; i < 4; i++)
        wildcards += strcmp(endpoint_format(&out[i], text), P25) == 0;
    CHECK_U64(wildcards, 1);
    struct endpoint local;
    CHECK(endpoint_parse(BYTES("192.0.2.1:25"), &local) == ERR_OK);
    struct endpoint candidates[RULESET_CANDIDATES];
    CHECK_U64(ruleset_candidates(r.set, &local, candidates), 2);
    CHECK(endpoint_equal(&candidates[0], &local));
    CHECK_STR(endpoint_format(&candidates[1], text), P25);
    ruleset_free(&r.set);
}

static void test_rights(void)
{
    static const struct rules_connector two[] = {
        {.name = "Relay",
         .bindings = {P25},
         .ranges = {"10.0.0.1"},
         .groups = ANON | USERS,
         .auth = TLS | BASIC,
         .permissions = {{RIGHTS_ANONYMOUS, NULL, RIGHTS_ACCEPT_ANY_RECIPIENT, 0},
                         {RIGHTS_USER, "eve", 0, RIGHTS_ACCEPT_ANY_RECIPIENT}}},
        {.name = "Secured",
         .bindings = {P25},
         .ranges = {"10.0.0.2"},
         .groups = SERVERS,
         .auth = TLS | EXT},
    };
    struct rights_identity eve[] = {{RIGHTS_AUTHENTICATED_USERS, NULL}, {RIGHTS_USER, "eve"}};
    struct rules r;
    start(&r, two, 2);
    CHECK(rules_build(&r) == ERR_OK);
    const struct receive_connector *c = ruleset_settings(r.set)->receive;
    CHECK_U64(ruleset_first_principal(&c[0]), RIGHTS_ANONYMOUS);
    CHECK_U64(ruleset_first_principal(&c[1]), RIGHTS_EXTERNALLY_SECURED_SERVERS);
    CHECK(ruleset_rights(r.set, 0, RIGHTS_ANONYMOUS) & RIGHTS_ACCEPT_ANY_RECIPIENT);
    /* Rights of one connector never reach another on the same binding. */
    CHECK_U64(ruleset_rights(r.set, 1, RIGHTS_ANONYMOUS), 0);
    CHECK(ruleset_rights(r.set, 1, RIGHTS_EXTERNALLY_SECURED_SERVERS) & RIGHTS_BYPASS_ANTI_SPAM);
    CHECK(ruleset_rights(r.set, 0, RIGHTS_AUTHENTICATED_USERS) & RIGHTS_ACCEPT_ANY_RECIPIENT);
    CHECK(!(ruleset_identity_rights(r.set, 0, eve, 2) & RIGHTS_ACCEPT_ANY_RECIPIENT));
    CHECK(ruleset_identity_rights(r.set, 0, eve, 2) & RIGHTS_SUBMIT);
    ruleset_free(&r.set);
}

/* Nothing of the settings may be needed after the build. */
static void test_deep_copy(void)
{
    static const struct rules_connector one = {.name = "A",
                                               .bindings = {P25},
                                               .ranges = {"10.0.0.1"},
                                               .groups = ANON,
                                               .auth = TLS,
                                               .permissions = ALLOW_RELAY};
    struct rules *r = MEM_NEW(struct rules);
    start(r, &one, 1);
    CHECK(rules_build(r) == ERR_OK);
    struct ruleset *set = r->set;
    memset(r, 0xa5, sizeof *r);
    mem_free(r);
    struct endpoint local;
    struct ipaddr peer;
    CHECK(endpoint_parse(BYTES("192.0.2.1:25"), &local) == ERR_OK);
    CHECK(ipaddr_parse(BYTES("10.0.0.1"), &peer) == ERR_OK);
    struct ruleset_match m = ruleset_select(set, &local, &peer);
    CHECK_STR(m.connector ? m.connector->name : "", "A");
    CHECK_STR(m.range ? m.range->text : "", "10.0.0.1");
    CHECK_STR(m.range ? m.range->origin : "", "t.conf:11");
    CHECK_STR(ruleset_settings(set)->hostname, "relay.example.com");
    CHECK_STR(ruleset_route(set, BYTES("x.example"), 0).connector->name, "Internet");
    ruleset_free(&set);
}

static void test_route_of_postmaster(void)
{
    static const struct rules_connector one = {
        .name = "A", .bindings = {P25}, .ranges = {"10.0.0.1"}, .groups = ANON, .auth = TLS};
    static const struct address_space ours[] = {{"ours.example", 1}};
    static const struct send_connector sends[] = {RULES_SEND("Out", everything, 1),
                                                  RULES_SEND("Home", ours, 1)};
    static const struct accepted_domain domain = {.name = "ours.example"};
    struct rules r;
    rules_start(&r, &one, 1);
    r.settings.send = sends;
    r.settings.send_count = 2;
    r.settings.domains = &domain;
    r.settings.domain_count = 1;
    CHECK(rules_build(&r) == ERR_OK);
    CHECK_STR(ruleset_route(r.set, BYTES_EMPTY, 0).connector->name, "Home");
    CHECK_STR(ruleset_route(r.set, BYTES("x.example"), 0).connector->name, "Out");
    ruleset_free(&r.set);
}

static void test_connector_defaults(void)
{
    struct receive_connector c;
    receive_connector_defaults(&c);
    CHECK(c.enabled && c.bare_linefeed_rejection_enabled && c.size_enabled && !c.require_tls);
    CHECK(c.pipelining_enabled && c.chunking_enabled && !c.require_ehlo_domain && !c.open_relay);
    CHECK_U64(c.max_message_size_bytes, 37748736);
    CHECK_U64(c.max_recipients_per_message, 200);
    CHECK_U64(c.max_protocol_errors, 5);
    CHECK_U64(c.max_hop_count, 30);
    CHECK_U64(c.max_local_hop_count, 8);
    CHECK_U64(c.max_inbound_connection, 5000);
    CHECK_U64(c.max_inbound_connection_per_source, 20);
    CHECK_U64(c.message_rate_limit, RECEIVE_CONNECTOR_UNLIMITED);
    CHECK_U64(c.connection_timeout_ms, 600000);
    CHECK_U64(c.connection_inactivity_timeout_ms, 300000);
    CHECK_U64(c.tarpit_interval_ms, 5000);
    unsigned auth = 99;
    CHECK(receive_connector_auth_parse(BYTES("basicauthrequiretls"), &auth) == ERR_OK);
    CHECK_U64(auth, RECEIVE_AUTH_BASIC_REQUIRE_TLS);
    CHECK(receive_connector_auth_parse(BYTES("None"), &auth) == ERR_OK && auth == 0);
    CHECK(receive_connector_auth_parse(BYTES("Plain"), &auth) == ERR_SYNTAX);
}

UNIT_MAIN("policy/ruleset", {"receive checks", test_receive_checks}, {"overlaps", test_overlaps},
          {"conflict text", test_conflict_text}, {"random overlaps", test_random_overlaps},
          {"settings checks", test_settings_checks}, {"names twice", test_names_twice},
          {"select", test_select}, {"bindings", test_bindings}, {"rights", test_rights},
          {"deep copy", test_deep_copy}, {"route of postmaster", test_route_of_postmaster},
          {"connector defaults", test_connector_defaults})
