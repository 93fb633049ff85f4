/* policy/recipient_set: has, faults, many faults, many, empty and holders. */
#include "policy/recipient_set.h"

#include <stdio.h>

#include "core/mem.h"

#include "unit.h"

static const char FILE_TEXT[] = "# who is here\n"
                                "anna@Contoso.example\r\n"
                                "  Berta  # the second\n"
                                "\n"
                                "c#d@contoso.example\n"
                                "\"e f\"\n" /* refused: see the table of faults */;

static const struct has_row {
    const char *name, *local, *domain;
    bool has;
} has_rows[] = {
    {"as written", "anna", "Contoso.example", true},
    {"without case", "ANNA", "contoso.EXAMPLE", true},
    {"final dot", "anna", "contoso.example.", true},
    {"the address is of one domain", "anna", "other.example", false},
    {"the address alone", "anna", "", false},
    {"a local part is of every domain", "berta", "contoso.example", true},
    {"of every other", "BERTA", "sub.contoso.example", true},
    {"the comment", "#", "contoso.example", false},
    {"a word of the comment", "the", "contoso.example", false},
    {"# within a word", "c#d", "contoso.example", true},
    {"before the #", "c", "contoso.example", false},
    {"begins like one", "ann", "contoso.example", false},
    {"begins with one", "annax", "contoso.example", false},
    {"nobody", "", "contoso.example", false},
    {"an address as a local part", "anna@contoso.example", "", false},
    {"a split elsewhere", "anna@contoso", "example", false},
};

static void test_has(void)
{
    struct recipient_set *set;
    struct bytes text = bytes_sub(bytes_of(FILE_TEXT), 0, sizeof FILE_TEXT - 1 - 6);
    if (!CHECK(recipient_set_parse(text, "file", NULL, NULL, &set) == ERR_OK))
        return;
    CHECK_U64(recipient_set_count(set), 3);
    for (size_t i = 0; i < ARRAY_SIZE(has_rows); i++) {
        const struct has_row *row = &has_rows[i];
        unit_row(row->name);
        CHECK(recipient_set_has(set, bytes_of(row->local), bytes_of(row->domain)) == row->has);
    }
    recipient_set_unref(&set);
    CHECK(!set);
}

struct told {
    size_t count;
    char where[64], text[128];
};

static void tell(void *owner, const char *where, const char *text)
{
    struct told *told = owner;
    told->count++;
    bytes_to_cstr(bytes_of(where), told->where, sizeof told->where);
    bytes_to_cstr(bytes_of(text), told->text, sizeof told->text);
}

static const struct fault_row {
    const char *name, *text, *where, *fault;
} fault_rows[] = {
    {"two words", "a\nb c\n", "r.txt:2",
     "\"b c\": an address or a local part is wanted, one a line"},
    {"no local part", "@x.example", "r.txt:1",
     "\"@x.example\": an address or a local part is wanted, one a line"},
    {"no domain", "\n\na@\n", "r.txt:3",
     "\"a@\": an address or a local part is wanted, one a line"},
    {"control", "a\x01@x\n", "r.txt:1",
     "\"a\\x01@x\": an address or a local part is wanted, one a line"},
};

static void test_faults(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(fault_rows); i++) {
        const struct fault_row *row = &fault_rows[i];
        struct recipient_set *set;
        struct told told = {0};
        unit_row(row->name);
        CHECK(recipient_set_parse(bytes_of(row->text), "r.txt", tell, &told, &set) == ERR_SYNTAX);
        CHECK(!set);
        CHECK_U64(told.count, 1);
        CHECK_STR(told.where, row->where);
        CHECK_STR(told.text, row->fault);
    }
}

static void test_many_faults(void)
{
    struct recipient_set *set;
    struct told told = {0};
    char text[2000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "a b\n"[i % 4];
    CHECK(recipient_set_parse(bytes_make(text, sizeof text), "r.txt", tell, &told, &set) ==
          ERR_SYNTAX);
    CHECK_U64(told.count, 20);
}

static void test_many(void)
{
    enum { COUNT = 200000 };
    char *text = mem_alloc((size_t)COUNT * 32);
    size_t len = 0;
    for (int i = 0; i < COUNT; i++)
        len += (size_t)snprintf(text + len, 32, "user%d@d%d.example\n", i, i % 7);
    struct recipient_set *set;
    if (CHECK(recipient_set_parse(bytes_make(text, len), "r.txt", NULL, NULL, &set) == ERR_OK)) {
        size_t found = 0, wrong = 0;
        CHECK_U64(recipient_set_count(set), COUNT);
        for (int i = 0; i < COUNT; i++) {
            char local[16], domain[16];
            snprintf(local, sizeof local, "User%d", i);
            snprintf(domain, sizeof domain, "D%d.example", i % 7);
            found += recipient_set_has(set, bytes_of(local), bytes_of(domain));
            snprintf(domain, sizeof domain, "D%d.example", (i + 1) % 7);
            wrong += recipient_set_has(set, bytes_of(local), bytes_of(domain));
        }
        CHECK_U64(found, COUNT);
        CHECK_U64(wrong, 0);
        recipient_set_unref(&set);
    }
    mem_free(text);
}

static void test_empty_and_holders(void)
{
    struct recipient_set *set, *none = NULL;
    unit_row("an empty file: nobody exists");
    if (!CHECK(recipient_set_parse(BYTES("# none\n"), "r.txt", NULL, NULL, &set) == ERR_OK))
        return;
    CHECK(!recipient_set_has(set, BYTES("a"), BYTES("x.example")));
    struct recipient_set *second = recipient_set_ref(set);
    recipient_set_unref(&set);
    CHECK_U64(recipient_set_count(second), 0);
    recipient_set_unref(&second);
    CHECK(!recipient_set_ref(NULL));
    recipient_set_unref(&none);
}

UNIT_MAIN("policy/recipient_set", {"has", test_has}, {"faults", test_faults},
          {"many faults", test_many_faults}, {"many", test_many},
          {"empty and holders", test_empty_and_holders})
