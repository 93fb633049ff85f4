/* policy/rewrite: look-ups, one entry, two entries, in a ruleset. */
#include "policy/rewrite.h"

#include <stdio.h>

#include "policy/ruleset.h"

#include "unit.h"

static const char *const spared[] = {"own.flat.example", "Two.flat.example."};
static const struct rewrite_entry entries[] = {
    {"chief", "t:1", "boss@int.example", "Chief@ext.example", false, NULL, 0},
    {"all", "t:2", "int.example", "ext.example", false, NULL, 0},
    {"out", "t:3", "lab.example.", "ext.example", true, NULL, 0},
    {"flat", "t:4", "*.flat.example", "ext.example", true, spared, ARRAY_SIZE(spared)},
    {"near", "t:5", "*.eu.flat.example", "eu.example", true, NULL, 0},
    {"one below", "t:6", "one.flat.example", "one.example", false, NULL, 0},
    {"far", "t:7", "*.own.flat.example", "deep.example", true, NULL, 0},
    {"one way", "t:8", "lone@int.example", "solo@other.example", true, NULL, 0},
    {"moved", "t:9", "desk@lab.example", "desk@ext.example", false, NULL, 0},
};

static const char *joined(const struct rewrite_result *r, char to[128])
{
    struct bytes address = rewrite_address(r, to, 127);
    if (!r->entry)
        return "-";
    to[address.len] = '\0';
    CHECK(rewrite_address(r, to, address.len).len == address.len);
    CHECK(rewrite_address(r, to, address.len - 1).len == 0); /* no room */
    return to;
}

static void test_look_up(void)
{
    static const struct {
        const char *address, *out, *in; /* "-": stays */
    } rows[] = {
        {"boss@int.example", "Chief@ext.example", "-"},
        {"BOSS@INT.Example", "Chief@ext.example", "-"},
        {"boss@int.example.", "Chief@ext.example", "-"},
        {"Other.Name@int.example", "Other.Name@ext.example", "-"},
        {"\"q @ q\"@int.example", "\"q @ q\"@ext.example", "-"},
        {"x@sub.int.example", "-", "-"},
        {"x@xint.example", "-", "-"},
        {"lone@int.example", "solo@other.example", "-"},
        {"x@lab.example", "x@ext.example", "-"},
        {"desk@lab.example", "desk@ext.example", "-"},
        {"x@a.flat.example", "x@ext.example", "-"},
        {"x@a.b.FLAT.example", "x@ext.example", "-"},
        {"x@flat.example", "-", "-"},
        {"x@own.flat.example", "-", "-"},
        {"x@two.flat.example", "-", "-"},
        {"x@a.two.flat.example", "x@ext.example", "-"},
        {"x@a.own.flat.example", "x@deep.example", "-"},
        {"x@eu.flat.example", "x@ext.example", "-"},
        {"x@a.eu.flat.example", "x@eu.example", "-"},
        {"x@one.flat.example", "x@one.example", "-"},
        {"x@.flat.example", "-", "-"},
        {"chief@ext.example", "-", "boss@int.example"},
        {"Any@EXT.example", "-", "Any@int.example"},
        {"desk@ext.example", "-", "desk@lab.example"},
        {"solo@other.example", "-", "-"},
        {"x@one.example", "-", "x@one.flat.example"},
        {"x@eu.example", "-", "-"},
        {"x@a.ext.example", "-", "-"},
        {"postmaster", "-", "-"},
        {"", "-", "-"},
        {"@", "-", "-"},
        {"x@", "-", "-"},
        {"x@.", "-", "-"},
        {"int.example", "-", "-"},
    };
    struct rewrite_set *set = NULL;
    struct err_detail why = {""};
    size_t which;
    CHECK(rewrite_set_build(entries, ARRAY_SIZE(entries), &set, &which, &why) == ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows) && set; i++) {
        char text[128];
        unit_row(rows[i].address);
        struct rewrite_result r = rewrite_outbound(set, bytes_of(rows[i].address));
        CHECK_STR(joined(&r, text), rows[i].out);
        r = rewrite_inbound(set, bytes_of(rows[i].address));
        CHECK_STR(joined(&r, text), rows[i].in);
    }
    rewrite_set_free(&set);
    CHECK(!set);
}

static void test_check(void)
{
    static const char *const below[] = {"x.a.example"}, *const beside[] = {"x.b.example"},
                             *const itself[] = {"a.example"}, *const wild[] = {"*.x.a.example"};
    static const struct {
        struct rewrite_entry entry;
        const char *says; /* how it begins; NULL: sound */
    } rows[] = {
        {{"address", "", "u@a.example", "v@b.example", false, NULL, 0}, NULL},
        {{"domain", "", "a.example", "b.example", true, NULL, 0}, NULL},
        {{"flat", "", "*.a.example", "a.example", true, below, 1}, NULL},
        {{"no internal", "", NULL, "b.example", false, NULL, 0}, "internal_address: is missing"},
        {{"no external", "", "b.example", "", false, NULL, 0}, "external_address: is missing"},
        {{"address to domain", "", "u@a.example", "b.example", false, NULL, 0},
         "external_address:"},
        {{"domain to address", "", "a.example", "u@b.example", false, NULL, 0},
         "external_address:"},
        {{"flat to address", "", "*.a.example", "u@b.example", true, NULL, 0}, "external_address:"},
        {{"to many", "", "a.example", "*.b.example", false, NULL, 0}, "external_address:"},
        {{"many to many", "", "*.a.example", "*.b.example", true, NULL, 0}, "external_address:"},
        {{"flat both ways", "", "*.a.example", "b.example", false, NULL, 0}, "outbound_only:"},
        {{"exceptions of a domain", "", "a.example", "b.example", true, below, 1},
         "exception_list:"},
        {{"exception elsewhere", "", "*.a.example", "b.example", true, beside, 1},
         "exception_list:"},
        {{"exception above", "", "*.a.example", "b.example", true, itself, 1}, "exception_list:"},
        {{"exception wild", "", "*.a.example", "b.example", true, wild, 1}, "exception_list:"},
        {{"wild address", "", "u@*.a.example", "v@b.example", true, NULL, 0}, "internal_address:"},
        {{"no local part", "", "@a.example", "v@b.example", true, NULL, 0}, "internal_address:"},
        {{"two signs", "", "u@v@a.example", "v@b.example", true, NULL, 0}, "internal_address:"},
        {{"quoted", "", "\"u\"@a.example", "v@b.example", true, NULL, 0}, "internal_address:"},
        {{"dots", "", "u..v@a.example", "v@b.example", true, NULL, 0}, "internal_address:"},
        {{"line", "", "u@a.example", "v\r\nX@b.example", true, NULL, 0}, "external_address:"},
        {{"star", "", "*", "b.example", true, NULL, 0}, "internal_address:"},
        {{"bad domain", "", "a.example", "b..example", true, NULL, 0}, "external_address:"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct err_detail why = {""};
        unit_row(rows[i].entry.name);
        enum err e = rewrite_entry_check(&rows[i].entry, &why);
        CHECK((e == ERR_OK) == !rows[i].says);
        CHECK(!rows[i].says || bytes_starts_nocase(bytes_of(why.text), bytes_of(rows[i].says)));
    }
}

static void test_twice(void)
{
    static const struct {
        const char *name;
        struct rewrite_entry two[2];
        bool sound;
    } rows[] = {
        {"internal domain",
         {{"a", "t:1", "a.example", "b.example", true, NULL, 0},
          {"b", "t:2", "A.example.", "c.example", true, NULL, 0}},
         false},
        {"internal address",
         {{"a", "t:1", "u@a.example", "u@b.example", true, NULL, 0},
          {"b", "t:2", "U@a.example", "u@c.example", true, NULL, 0}},
         false},
        {"wildcard",
         {{"a", "t:1", "*.a.example", "b.example", true, NULL, 0},
          {"b", "t:2", "*.A.example", "c.example", true, NULL, 0}},
         false},
        {"external, both ways back",
         {{"a", "t:1", "a.example", "b.example", false, NULL, 0},
          {"b", "t:2", "c.example", "B.example", false, NULL, 0}},
         false},
        {"external, one way back",
         {{"a", "t:1", "a.example", "b.example", false, NULL, 0},
          {"b", "t:2", "c.example", "b.example", true, NULL, 0}},
         true},
        {"domain and wildcard",
         {{"a", "t:1", "a.example", "b.example", false, NULL, 0},
          {"b", "t:2", "*.a.example", "b.example", true, NULL, 0}},
         true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rewrite_set *set = NULL;
        struct err_detail why = {""};
        size_t which = 0;
        unit_row(rows[i].name);
        enum err e = rewrite_set_build(rows[i].two, 2, &set, &which, &why);
        CHECK(e == (rows[i].sound ? ERR_OK : ERR_EXISTS) && which == 1);
        CHECK(!strstr(why.text, "t:1") == rows[i].sound);
        rewrite_set_free(&set);
    }
}

struct faults {
    size_t count;
    char last[256];
};

static void on_fault(void *owner, const struct ruleset_fault *fault)
{
    struct faults *f = owner;
    if (fault->is_warning)
        return;
    f->count++;
    snprintf(f->last, sizeof f->last, "%s: %.200s", fault->where, fault->text);
}

static void test_ruleset(void)
{
    struct rewrite_entry two[] = {entries[0], entries[1]};
    const struct accepted_domain ours = {.name = "int.example"};
    struct ruleset_settings s = {.hostname = "relay.example",
                                 .rewrites = two,
                                 .rewrite_count = 2,
                                 .domains = &ours,
                                 .domain_count = 1};
    struct ruleset *rules;
    struct faults faults = {0};
    CHECK(ruleset_build(&s, on_fault, &faults, &rules) == ERR_OK);
    memset(two, 0, sizeof two); /* what was built holds a copy */
    struct rewrite_result r = rewrite_outbound(ruleset_rewrites(rules), BYTES("boss@int.example"));
    char text[128];
    CHECK_STR(joined(&r, text), "Chief@ext.example");
    CHECK(ruleset_rewrites_to(rules, BYTES("x.example")) == ruleset_rewrites(rules));
    CHECK(!ruleset_rewrites_to(rules, BYTES("INT.example")));
    CHECK(!ruleset_rewrites_to(rules, BYTES_EMPTY));
    ruleset_free(&rules);
    s.rewrite_count = 0;
    CHECK(ruleset_build(&s, on_fault, &faults, &rules) == ERR_OK && !ruleset_rewrites(rules));
    ruleset_free(&rules);
    s.rewrite_count = 2;
    two[0] = two[1] = entries[0];
    two[1].origin = "t:12";
    two[1].internal_address = "other@int.example";
    two[1].outbound_only = true;
    CHECK(ruleset_build(&s, on_fault, &faults, &rules) == ERR_SYNTAX && faults.count == 1);
    CHECK_STR(faults.last, "t:12: address rewrite entry \"chief\": the name is taken, at t:1");
    two[1].name = "another";
    two[1].outbound_only = false;
    CHECK(ruleset_build(&s, on_fault, &faults, &rules) == ERR_SYNTAX && faults.count == 2);
    CHECK_STR(faults.last, "t:12: address rewrite entry \"another\": \"Chief@ext.example\" is "
                           "rewritten already, at t:1");
    two[1].external_address = "ext.example";
    CHECK(ruleset_build(&s, on_fault, &faults, &rules) == ERR_SYNTAX && faults.count == 3);
    CHECK(strstr(faults.last, "t:12: address rewrite entry \"another\": external_address:"));
}

UNIT_MAIN("policy/rewrite", {"look-ups", test_look_up}, {"one entry", test_check},
          {"two entries", test_twice}, {"in a ruleset", test_ruleset})
