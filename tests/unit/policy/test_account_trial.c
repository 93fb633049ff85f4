/* a logon in the name of nobody is the same work as one in a user's name. Counted: the same
 * hash function with the same parameters, once. And measured: 10,000 tries of each kind, in turn.
 */
#include "policy/account.h"

#include <crypt.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "unit.h"

/* --- What the library is asked for --- */

static unsigned hashes;   /* made */
static char setting[384]; /* of the last one */

/* Stands before the library's own. */
char *crypt_rn(const char *phrase, const char *with, void *data, int size)
{
    static char *(*real)(const char *, const char *, void *, int);
    if (!real) {
        void *found = dlsym(RTLD_NEXT, "crypt_rn");
        memcpy(&real, &found, sizeof real);
    }
    hashes++;
    snprintf(setting, sizeof setting, "%s", with);
    return real(phrase, with, data, size);
}

/* Method and cost: what stands before the salt. */
static void cost_of(const char *hash, char to[64])
{
    size_t fields = strncmp(hash, "$1$", 3) == 0 ? 2 : 3, len = 0;
    while (hash[len] && len < 63 && fields > 0)
        fields -= hash[len++] == '$';
    memcpy(to, hash, len);
    to[len] = '\0';
}

/* --- Users --- */

#define SHA512 "$6$rounds=1000$abcdefghijklmnop$"
#define COST   "$6$rounds=1000$"

static void make_hash(const char *phrase, const char *with, char to[ACCOUNT_HASH_SIZE])
{
    struct crypt_data *data = calloc(1, sizeof *data);
    const char *made = data ? crypt_rn(phrase, with, data, (int)sizeof *data) : NULL;
    CHECK(made && *made != '*');
    snprintf(to, ACCOUNT_HASH_SIZE, "%s", made ? made : "");
    free(data);
}

/* COUNT users user0, user1 ... with HASH, every EVERY-th with OTHER instead; one that is locked. */
static struct account_set *make_users(unsigned count, const char *hash, unsigned every,
                                      const char *other)
{
    char *text = NULL;
    size_t size;
    struct account_set *set = NULL;
    FILE *out = open_memstream(&text, &size);
    if (!CHECK(out))
        return NULL;
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "user%u:%s\n", i, every && i % every == 0 ? other : hash);
    fprintf(out, "locked:!%s\n", hash);
    fclose(out);
    CHECK(account_set_parse(bytes_of(text), "users", NULL, NULL, &set) == ERR_OK);
    free(text);
    return set;
}

/* As a worker and the auth pool do together. */
static bool log_on(const struct account_set *set, struct bytes name, const char *password)
{
    struct account_trial trial = account_trial_of(set, name);
    bool matches = account_verify(trial.hash, password);
    return trial.account && matches;
}

/* --- The work --- */

static void test_work(void)
{
    static const struct {
        const char *name, *user, *password;
        bool in;
    } rows[] = {
        {"the right password", "user7", "secret", true},
        {"the right password, the name in capitals", "USER7", "secret", true},
        {"a wrong password", "user7", "guess", false},
        {"an empty password", "user7", "", false},
        {"no such user", "nobody", "guess", false},
        {"no such user, a password that is another's", "nobody", "secret", false},
        {"no such user, an empty password", "nobody", "", false},
        {"a locked user with his password", "locked", "secret", false},
        {"a locked user with a wrong one", "locked", "guess", false},
        {"no name", "", "secret", false},
        {"a long name", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         "guess", false},
        {"part of a name", "user", "guess", false},
        {"a name with another behind a colon", "nobody:user7", "secret", false},
    };
    char hash[ACCOUNT_HASH_SIZE], cost[64];
    make_hash("secret", SHA512, hash);
    struct account_set *set = make_users(50, hash, 0, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        hashes = 0;
        CHECK(log_on(set, bytes_of(rows[i].user), rows[i].password) == rows[i].in);
        CHECK_U64(hashes, 1);
        cost_of(setting, cost);
        CHECK_STR(cost, COST);
    }
    account_set_unref(&set);
}

/* Where users differ in method, those who do not exist differ in the same shares, and each always
 * in the same way: what one try takes tells nothing, nor what many take. */
static void test_shares(void)
{
    static const struct {
        const char *name, *suffix;
        unsigned users, every;
    } rows[] = {
        {"a tenth", "", 100, 10},
        {"a tenth, all names alike at the end", "@contoso.com", 100, 10},
        {"a third, as many users as the multiplier of a poor hash", "@contoso.com", 30, 3},
    };
    char most[ACCOUNT_HASH_SIZE], some[ACCOUNT_HASH_SIZE];
    make_hash("secret", SHA512, most);
    make_hash("secret", "$1$saltsalt$", some);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct account_set *set = make_users(rows[i].users, most, rows[i].every, some);
        unsigned others = 0;
        unit_row(rows[i].name);
        for (unsigned n = 0; n < 3000; n++) {
            char name[64];
            int len = snprintf(name, sizeof name, "nobody%u%s", n, rows[i].suffix);
            struct account_trial trial = account_trial_of(set, bytes_make(name, (size_t)len));
            CHECK(!trial.account);
            CHECK(trial.hash == account_trial_of(set, bytes_make(name, (size_t)len)).hash);
            others += strcmp(trial.hash, some) == 0;
        }
        unsigned wanted = 3000 / rows[i].every;
        CHECK(others > wanted * 3 / 4 && others < wanted * 5 / 4);
        account_set_unref(&set);
    }
}

/* With nobody to resemble, at the cost of a new password. */
static void test_nobody_at_all(void)
{
    char own[ACCOUNT_HASH_SIZE], wanted[64], cost[64];
    CHECK(account_hash("x", own) == ERR_OK);
    cost_of(own, wanted);
    hashes = 0;
    CHECK(!log_on(NULL, BYTES("ann"), "guess"));
    CHECK_U64(hashes, 1);
    cost_of(setting, cost);
    CHECK_STR(cost, wanted);
}

/* --- The time --- */

#define TRIES 10000

/* Of this thread alone: what else the machine does is not in it. */
static double cpu_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        abort();
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

struct sample {
    double us[TRIES];
    size_t count;
    double mean, variance, median, spread; /* spread: of the middle half, as a normal's sigma */
};

static int compare(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void summarize(struct sample *s)
{
    double sum = 0, squares = 0;
    qsort(s->us, s->count, sizeof s->us[0], compare);
    for (size_t i = 0; i < s->count; i++)
        sum += s->us[i];
    s->mean = sum / (double)s->count;
    for (size_t i = 0; i < s->count; i++)
        squares += (s->us[i] - s->mean) * (s->us[i] - s->mean);
    s->variance = squares / (double)(s->count - 1);
    s->median = s->us[s->count / 2];
    s->spread = (s->us[s->count * 3 / 4] - s->us[s->count / 4]) / 1.349;
}

/* Whether the difference of the two is under one sigma: of the means against the sample's whole
 * variance, and, as a few late tries make that large, of the medians against the middle half's. */
static bool means_agree(const struct sample *a, const struct sample *b)
{
    double difference = a->mean - b->mean;
    return difference * difference < (a->variance + b->variance) / 2;
}

static bool medians_agree(const struct sample *a, const struct sample *b)
{
    double difference = a->median - b->median, sigma = (a->spread + b->spread) / 2;
    double least = a->median / 100; /* what no network lets through */
    sigma = sigma > least ? sigma : least;
    return difference * difference < sigma * sigma;
}

static void try_once(struct sample *s, const struct account_set *set, const char *name)
{
    double began = cpu_us();
    (void)log_on(set, bytes_of(name), "guess");
    s->us[s->count++] = cpu_us() - began;
}

static void test_time(void)
{
    static struct sample known, unknown, without;
    char hash[ACCOUNT_HASH_SIZE], name[2][32];
    make_hash("secret", SHA512, hash);
    struct account_set *set = make_users(1000, hash, 0, NULL);
    for (unsigned i = 0; i < TRIES; i++) {
        bool first = i % 4 == 0 || i % 4 == 3; /* who comes first changes, so that drift cancels */
        snprintf(name[0], sizeof name[0], "user%u", 100 + i % 900);
        snprintf(name[1], sizeof name[1], "nope%u", 100 + i % 900);
        try_once(first ? &known : &unknown, set, name[!first]);
        try_once(first ? &unknown : &known, set, name[first]);
        double began = cpu_us();
        CHECK(!account_find(set, bytes_of(name[1])));
        without.us[without.count++] = cpu_us() - began;
    }
    summarize(&known);
    summarize(&unknown);
    summarize(&without);
    printf("known: mean %.1f us, median %.1f; unknown: mean %.1f, median %.1f; sigma %.2f\n",
           known.mean, known.median, unknown.mean, unknown.median,
           (known.spread + unknown.spread) / 2);
    CHECK_U64(known.count, TRIES);
    CHECK_U64(unknown.count, TRIES);
    CHECK(means_agree(&known, &unknown));
    CHECK(medians_agree(&known, &unknown));
    unit_row("the judgement sees an answer without a check");
    CHECK(!medians_agree(&known, &without));
    account_set_unref(&set);
}

UNIT_MAIN("policy/account_trial", {"A-09 the same work for everybody", test_work},
          {"A-09 users of several methods", test_shares},
          {"A-09 an empty users file", test_nobody_at_all},
          {"A-09 the same time over 10,000 tries", test_time})
