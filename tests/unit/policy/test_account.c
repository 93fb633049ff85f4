/* policy/account: the users file, every fault in it, groups, allowed senders, hashes, A-09 the
 * unknown cost what the known do. */
#include "policy/account.h"

#include <stdio.h>

#include "unit.h"

/* "secret", by SHA-512 at its lowest cost: fast enough for a test. */
#define HASH                                                                                       \
    "$6$rounds=1000$saltsalt$"                                                                     \
    "LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/"

struct told {
    char text[4096];
    unsigned faults, warnings;
};

static void take(void *owner, const char *where, bool is_warning, const char *text)
{
    struct told *t = owner;
    size_t len = strlen(t->text);
    snprintf(t->text + len, sizeof t->text - len, "%s: %s\n", where, text);
    if (is_warning)
        t->warnings++;
    else
        t->faults++;
}

static struct account_set *parse(const char *text, struct told *told)
{
    struct account_set *set = NULL;
    *told = (struct told){.faults = 0};
    enum err e = account_set_parse(bytes_of(text), "users", take, told, &set);
    CHECK((e != ERR_OK) == !set);
    CHECK((e == ERR_OK) == (told->faults == 0));
    return set;
}

static void test_file(void)
{
    static const char text[] = "# who may log on\n"
                               "\n"
                               "bob:" HASH "\n"
                               "ann:" HASH ":app, staff:ann@x.example,@y.example\r\n"
                               "  carl@x.example : " HASH " : : * \n"
                               "locked:!" HASH "\n"
                               "star:*";
    struct told told;
    struct account_set *set = parse(text, &told);
    if (!CHECK(set)) {
        fputs(told.text, stderr);
        return;
    }
    CHECK_U64(account_set_count(set), 5);
    CHECK_STR(account_set_at(set, 0)->name, "ann");
    const struct account *ann = account_find(set, BYTES("ANN"));
    CHECK(ann == account_set_at(set, 0));
    CHECK_U64(ann->group_count, 2);
    CHECK_STR(ann->groups[1], "staff");
    CHECK_U64(ann->sender_count, 2);
    CHECK_STR(ann->hash, HASH);
    CHECK(!ann->locked);
    CHECK(account_find(set, BYTES("bob"))->group_count == 0);
    CHECK_STR(account_find(set, BYTES("carl@x.example"))->senders[0], "*");
    CHECK(account_find(set, BYTES("locked"))->locked && account_find(set, BYTES("star"))->locked);
    CHECK(!account_find(set, BYTES("")) && !account_find(set, BYTES("an")));
    CHECK(!account_find(set, BYTES("anna")) && !account_find(NULL, BYTES("ann")));
    struct account_set *other = account_set_ref(set);
    account_set_unref(&set);
    CHECK(!set && account_set_count(other) == 5);
    account_set_unref(&other);
}

static void test_faults(void)
{
    static const struct {
        const char *name, *text, *says;
        unsigned faults, warnings;
    } rows[] = {
        {"no hash", "ann\n", "users:1: name:hash", 1, 0},
        {"empty hash", "\nann:\n", "users:2: user \"ann\"", 1, 0},
        {"a password in place of a hash", "ann:secret\n", "no hash that crypt(3) knows", 1, 0},
        {"another system's hash", "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "no hash", 1, 0},
        {"no name", ":" HASH "\n", "users:1: name:hash", 1, 0},
        {"twice", "ann:" HASH "\nAnn:" HASH "\n", "stands there twice", 1, 0},
        {"five fields", "ann:" HASH ":a:b@c:d\n", "more than four fields", 1, 0},
        {"empty group", "ann:" HASH ":a,,b\n", "is no name of a group", 1, 0},
        {"sender without a domain", "ann:" HASH "::ann\n", "\"ann\" is no allowed sender", 1, 0},
        {"control character", "ann\x01:" HASH "\n", "users:1: name:hash", 1, 0},
        {"every one of them", "a\nb\nc:x\n", "users:3: ", 3, 0},
        {"old hash", "ann:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n", "easily guessed", 0, 1},
        {"DES", "ann:saHW9GdxihkGQ\n", "easily guessed", 0, 1},
        {"nothing at all", "", "", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct told told;
        unit_row(rows[i].name);
        struct account_set *set = parse(rows[i].text, &told);
        CHECK_U64(told.faults, rows[i].faults);
        CHECK_U64(told.warnings, rows[i].warnings);
        CHECK(strstr(told.text, rows[i].says));
        account_set_unref(&set);
    }
}

static void test_too_many_groups(void)
{
    char text[2000] = "ann:" HASH ":g";
    struct told told;
    for (unsigned i = 1; i < ACCOUNT_GROUPS_MAX; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ",g%u", i);
    struct account_set *set = parse(text, &told);
    struct rights_identity who[ACCOUNT_IDENTITIES_MAX];
    CHECK_U64(account_identities(account_set_at(set, 0), who), ACCOUNT_IDENTITIES_MAX);
    CHECK(who[0].principal == RIGHTS_AUTHENTICATED_USERS && who[1].principal == RIGHTS_USER);
    CHECK_STR(who[1].name, "ann");
    CHECK_STR(who[ACCOUNT_IDENTITIES_MAX - 1].name, "g31");
    account_set_unref(&set);
    snprintf(text + strlen(text), sizeof text - strlen(text), ",onemore");
    set = parse(text, &told);
    CHECK(strstr(told.text, "at most 32 groups"));
    account_set_unref(&set);
}

static void test_senders(void)
{
    static const struct {
        const char *account, *senders, *address;
        bool may;
    } rows[] = {
        {"ann", "a@x.example", "a@x.example", true},
        {"ann", "a@x.example", "A@X.Example", true},
        {"ann", "a@x.example", "b@x.example", false},
        {"ann", "a@x.example", "", false},
        {"ann", "", "ann", false},
        {"ann", "", "ann@x.example", false},
        {"ann@x.example", "", "Ann@x.example", true},
        {"ann@x.example", "", "ann@y.example", false},
        {"ann", "@x.example", "b@x.example", true},
        {"ann", "*@x.example", "b@x.example", true},
        {"ann", "*@x.example", "b@sub.x.example", false},
        {"ann", "*@*.x.example", "b@sub.x.example", true},
        {"ann", "*@*.x.example", "b@x.example", false},
        {"ann", "@x.example", "b@notx.example", false},
        {"ann", "@x.example", "\"b@x.example\"@evil.example", false},
        {"ann", "@x.example", "b", false},
        {"ann", "*", "b@anything.example", true},
        {"ann", "*", "", false},
        {"ann", "a@x.example,@y.example", "c@y.example", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[500], row[500];
        struct told told;
        snprintf(row, sizeof row, "%s with %s as %s", rows[i].account, rows[i].senders,
                 rows[i].address);
        unit_row(row);
        snprintf(text, sizeof text, "%s:%s::%s\n", rows[i].account, HASH, rows[i].senders);
        struct account_set *set = parse(text, &told);
        if (!CHECK(set))
            continue;
        CHECK(account_may_send_as(account_set_at(set, 0), bytes_of(rows[i].address)) ==
              rows[i].may);
        account_set_unref(&set);
    }
}

static void test_verify(void)
{
    char hash[ACCOUNT_HASH_SIZE], again[ACCOUNT_HASH_SIZE];
    CHECK(account_hash("correct horse", hash) == ERR_OK);
    CHECK(account_hash("correct horse", again) == ERR_OK);
    CHECK(strncmp(hash, "$y$", 3) == 0 && strcmp(hash, again) != 0);
    CHECK(account_verify(hash, "correct horse"));
    CHECK(!account_verify(hash, "correct hors"));
    CHECK(!account_verify(hash, "correct horse "));
    CHECK(!account_verify(hash, ""));
    CHECK(!account_verify("*0", "x") && !account_verify("", "") && !account_verify("!", "x"));
    CHECK(!account_verify("no hash", "no hash"));
    CHECK(account_verify(HASH, "secret") && !account_verify(HASH, "Secret"));
}

/* Who does not exist is checked against somebody's hash, so at somebody's cost. */
static void test_dummy(void)
{
    struct told told;
    char text[1000], own[ACCOUNT_HASH_SIZE];
    CHECK(account_hash("x", own) == ERR_OK);
    snprintf(text, sizeof text, "ann:%s\nbob:!locked\n", own);
    struct account_set *set = parse(text, &told);
    for (const char *name = "nobody"; *name; name++)
        CHECK_STR(account_dummy_hash(set, bytes_of(name)), own);
    CHECK_STR(account_dummy_hash(set, BYTES("")), own);
    account_set_unref(&set);
    const char *nobody = account_dummy_hash(NULL, BYTES("x"));
    CHECK(strncmp(nobody, "$y$j9T$", 7) == 0 && !account_verify(nobody, ""));
    set = parse("bob:!locked\n", &told);
    CHECK_STR(account_dummy_hash(set, BYTES("bob")), nobody);
    account_set_unref(&set);
    /* The same name always costs the same, in whatever case. */
    set = parse("a:" HASH "\nb:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n", &told);
    CHECK(account_dummy_hash(set, BYTES("eve")) == account_dummy_hash(set, BYTES("EVE")));
    account_set_unref(&set);
}

UNIT_MAIN("policy/account", {"the users file", test_file}, {"every fault in it", test_faults},
          {"groups", test_too_many_groups}, {"allowed senders", test_senders},
          {"hashes", test_verify}, {"A-09 the unknown cost what the known do", test_dummy})
