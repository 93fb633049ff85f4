/* policy/ruleset_notes: notes. */
#include "rules_fixture.h"

static const struct rules_connector connectors[] = {
    {.name = "Default", .bindings = {P25}, .ranges = {ALL4}, .groups = ANON, .auth = TLS},
    {.name = "Halves", .bindings = {P25}, .ranges = {"0.0.0.0/1", "128.0.0.0/1"}, .groups = ANON},
    {.name = "Inside", .bindings = {P25}, .ranges = {"10.0.0.0/8"}, .groups = ANON},
    {.name = "Users", .bindings = {P25}, .ranges = {ALL4}, .groups = USERS, .auth = TLS | BASIC},
    {.name = "Off", .bindings = {P25}, .ranges = {ALL4}, .groups = ANON, .disabled = true},
    {.name = "Trusted", .bindings = {P25}, .ranges = {ALL4}, .groups = SERVERS, .auth = EXT},
};

static const struct accepted_domain domains[] = {
    {.name = "ours.example", .origin = "t.conf:70"},
    {.name = "branch.example", .origin = "t.conf:71", .type = DOMAIN_INTERNAL_RELAY},
};

static const struct note_row {
    const char *name;
    size_t first, count;
    const char *text;
} rows[] = {
    {"no connector", 0, 0, ""},
    {"not open to anonymous clients from everywhere", 2, 4, ""},
    {"open", 0, 1,
     "t.conf:70: warning: accepted domain \"ours.example\" (Authoritative) is open to anonymous "
     "clients from everywhere, through receive connector \"Default\"\n"
     "t.conf:71: warning: accepted domain \"branch.example\" (InternalRelay) is open to anonymous "
     "clients from everywhere, through receive connector \"Default\"\n"},
    {"all that are", 0, 6,
     "t.conf:70: warning: accepted domain \"ours.example\" (Authoritative) is open to anonymous "
     "clients from everywhere, through receive connectors \"Default\", \"Halves\"\n"
     "t.conf:71: warning: accepted domain \"branch.example\" (InternalRelay) is open to anonymous "
     "clients from everywhere, through receive connectors \"Default\", \"Halves\"\n"},
};

static void test_notes(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rules r;
        unit_row(rows[i].name);
        rules_start(&r, connectors + rows[i].first, rows[i].count);
        r.settings.domains = domains;
        r.settings.domain_count = ARRAY_SIZE(domains);
        ruleset_notes(&r.settings, rules_report, &r);
        CHECK_STR(r.text, rows[i].text);
        CHECK_U64(r.faults, 0);
    }
}

UNIT_MAIN("policy/ruleset_notes", {"notes", test_notes})
