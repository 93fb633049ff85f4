/* policy/domain_set: find, faults, default, many, match, types. */
#include "policy/domain_set.h"

#include <stdio.h>

#include "unit.h"

static const struct accepted_domain domains[] = {
    {"contoso.com", "a:1", DOMAIN_AUTHORITATIVE, false, false, NULL},
    {"*.contoso.com", "a:2", DOMAIN_INTERNAL_RELAY, false, false, NULL},
    {"*.eu.contoso.com", "a:3", DOMAIN_EXTERNAL_RELAY, false, false, NULL},
    {"Exact.EU.contoso.com", "a:4", DOMAIN_AUTHORITATIVE, false, false, NULL},
    {"fabrikam.com", "a:5", DOMAIN_AUTHORITATIVE, true, true, NULL},
    {"*.branch.example.com", "a:6", DOMAIN_INTERNAL_RELAY, false, false, NULL},
    {"single", "a:7", DOMAIN_INTERNAL_RELAY, false, false, NULL},
    {"final.example.", "a:8", DOMAIN_INTERNAL_RELAY, false, false, NULL},
};

static void test_find(void)
{
    static const struct {
        const char *domain;
        const char *name; /* NULL: not accepted */
    } rows[] = {
        {"contoso.com", "contoso.com"},
        {"CONTOSO.com", "contoso.com"},
        {"contoso.com.", "contoso.com"},
        {"a.contoso.com", "*.contoso.com"},
        {"a.b.contoso.com", "*.contoso.com"},
        {"eu.contoso.com", "*.contoso.com"},
        {"x.eu.contoso.com", "*.eu.contoso.com"},
        {"exact.eu.contoso.com", "Exact.EU.contoso.com"},
        {"y.exact.eu.contoso.com", "*.eu.contoso.com"},
        {"fabrikam.com", "fabrikam.com"},
        {"deep.er.fabrikam.com", "fabrikam.com"},
        {"x.branch.example.com", "*.branch.example.com"},
        {"branch.example.com", NULL},
        {"single", "single"},
        {"x.single", NULL},
        {"final.example", "final.example"},
        {"final.example.", "final.example"},
        {"xcontoso.com", NULL},
        {"contoso.com.ext.example", NULL},
        {"com", NULL},
        {"", NULL},
        {".", NULL},
        {".contoso.com", NULL},
        {"contoso.com..", NULL},
        {"[192.0.2.1]", NULL},
        {"[contoso.com]", NULL},
        {"*.contoso.com ", NULL},
    };
    struct domain_set *set;
    CHECK(domain_set_build(domains, ARRAY_SIZE(domains), &set, NULL) == ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].domain);
        const struct accepted_domain *d = domain_set_find(set, bytes_of(rows[i].domain));
        CHECK_STR(d ? d->name : "(none)", rows[i].name ? rows[i].name : "(none)");
    }
    struct bytes nul = BYTES("contoso.com\0.ext");
    CHECK(!domain_set_find(set, nul));
    CHECK_STR(domain_set_default(set)->name, "fabrikam.com");
    domain_set_free(&set);
    CHECK(!set);
    domain_set_free(&set);
}

static void test_faults(void)
{
    static const struct {
        const char *first, *second;
        enum err e;
        const char *says;
    } rows[] = {
        {"a.example", "A.Example", ERR_EXISTS, "at f:1"},
        {"a.example", "a.example.", ERR_EXISTS, "f:2"},
        {"*.a.example", "*.A.example", ERR_EXISTS, "*.A.example"},
        {"a.example", "*.a.example", ERR_OK, ""},
        {"a.example", "*contoso.com", ERR_SYNTAX, "before a dot"},
        {"a.example", "*", ERR_SYNTAX, "before a dot"},
        {"a.example", "a.*.com", ERR_SYNTAX, "before a dot"},
        {"a.example", "*.", ERR_SYNTAX, "1 to 255"},
        {"a.example", "", ERR_SYNTAX, "1 to 255"},
        {"a.example", "a..b", ERR_SYNTAX, "between dots"},
        {"a.example", ".b", ERR_SYNTAX, "between dots"},
        {"a.example", "a b", ERR_SYNTAX, "letters"},
        {"a.example",
         "b\xC3\xBC"
         "cher.example",
         ERR_SYNTAX, "xn--"},
        {"a.example", "user@b.example", ERR_SYNTAX, "letters"},
        {"a.example", "a234567890123456789012345678901234567890123456789012345678901234.x",
         ERR_SYNTAX, "63"},
        {"a.example", "a23456789012345678901234567890123456789012345678901234567890123.x", ERR_OK,
         ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct accepted_domain pair[] = {{.name = rows[i].first, .origin = "f:1"},
                                         {.name = rows[i].second, .origin = "f:2"}};
        struct domain_set *set = NULL;
        struct err_detail why = {""};
        unit_row(rows[i].second);
        CHECK_U64(domain_set_build(pair, 2, &set, &why), rows[i].e);
        CHECK(strstr(why.text, rows[i].says));
        CHECK(!set == (rows[i].e != ERR_OK));
        domain_set_free(&set);
    }
}

static void test_default(void)
{
    static const struct accepted_domain rows[] = {
        {.name = "*.wild.example", .is_default = true},
        {.name = "first.example"},
        {.name = "second.example", .is_default = true},
    };
    struct domain_set *set;
    CHECK(domain_set_build(NULL, 0, &set, NULL) == ERR_OK);
    CHECK(!domain_set_default(set));
    CHECK(!domain_set_find(set, BYTES("a.example")));
    domain_set_free(&set);
    CHECK(domain_set_build(rows, 2, &set, NULL) == ERR_OK);
    CHECK_STR(domain_set_default(set)->name, "first.example");
    domain_set_free(&set);
    CHECK(domain_set_build(rows, 3, &set, NULL) == ERR_OK);
    CHECK_STR(domain_set_default(set)->name, "second.example");
    domain_set_free(&set);
}

/* The set and the pattern rule must agree, however many there are. */
static void test_many(void)
{
    enum { COUNT = 3000 };
    static char names[COUNT][40];
    static struct accepted_domain many[COUNT];
    struct domain_set *set;
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "%sd%zu.example", i % 3 ? "" : "*.", i);
        many[i] = (struct accepted_domain){.name = names[i], .origin = ""};
    }
    CHECK(domain_set_build(many, COUNT, &set, NULL) == ERR_OK);
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT + 100; i++) {
        char own[40], below[40];
        snprintf(own, sizeof own, "d%zu.EXAMPLE", i);
        snprintf(below, sizeof below, "a.b.d%zu.example", i);
        wrong += !domain_set_find(set, bytes_of(own)) == (i < COUNT && i % 3 != 0);
        wrong += !domain_set_find(set, bytes_of(below)) == (i < COUNT && i % 3 == 0);
    }
    CHECK_U64(wrong, 0);
    domain_set_free(&set);
}

static void test_match(void)
{
    /* In order of falling specificity for "a.b.example". */
    static const char *const patterns[] = {"a.b.example", "*.b.example", "*.example", "*"};
    unsigned last = UINT32_MAX;
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        unit_row(patterns[i]);
        unsigned score = domain_match(bytes_of(patterns[i]), BYTES("A.b.example."), false);
        CHECK(score > 0 && score < last);
        last = score;
    }
    CHECK(domain_match(BYTES("*.b.example"), BYTES("b.example"), false) == 0);
    CHECK(domain_match(BYTES("*.b.example"), BYTES("b.example"), true) > 0);
    CHECK(domain_match(BYTES("*.b.example"), BYTES("xb.example"), true) == 0);
    CHECK(domain_match(BYTES("b.example"), BYTES("a.b.example"), true) == 0);
    CHECK(domain_match(BYTES("*"), BYTES("[192.0.2.1]"), true) > 0);
}

static void test_types(void)
{
    CHECK_U64(choice_find(DOMAIN_TYPES, BYTES("internalrelay"))->value, DOMAIN_INTERNAL_RELAY);
    CHECK(!choice_find(DOMAIN_TYPES, BYTES("Relay")));
    for (uint32_t t = 0; t <= DOMAIN_EXTERNAL_RELAY; t++)
        CHECK_U64(choice_find(DOMAIN_TYPES, bytes_of(choice_name(DOMAIN_TYPES, t)))->value, t);
}

UNIT_MAIN("policy/domain_set", {"find", test_find}, {"faults", test_faults},
          {"default", test_default}, {"many", test_many}, {"match", test_match},
          {"types", test_types})
