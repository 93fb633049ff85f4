/* Failed logons, on a clock of our own: a failure leaks in 10 s, a source is full at 30, an account
 * at 100.
 */
#include "policy/auth_throttle.h"

#include <stdio.h>

#include "unit.h"

#define FAILURE_MS   10000u
#define SOURCE_FULL  30u
#define ACCOUNT_FULL 100u

static struct ipaddr address(const char *text)
{
    struct ipaddr a = IPADDR_V4_ANY;
    CHECK(ipaddr_parse(bytes_of(text), &a) == ERR_OK);
    return a;
}

static struct ipaddr numbered(uint32_t n)
{
    struct ipaddr a = address("10.0.0.0");
    for (int i = 15; i > 12; i--, n >>= 8)
        a.octets[i] = (uint8_t)n;
    return a;
}

static struct bytes name_of(uint32_t n, char to[16])
{
    return bytes_make(to, (size_t)snprintf(to, 16, "user%u", n));
}

static void fail(struct auth_throttle *t, const struct ipaddr *source, struct bytes account,
                 unsigned times, uint64_t now_ms)
{
    while (times--)
        auth_throttle_failed(t, source, account, now_ms);
}

/* One source, always the same account, from START on: the limit, and how it leaks. */
static void test_limit(void)
{
    static const struct {
        const char *name;
        unsigned failures;
        uint64_t wait_ms;
        bool allowed;
    } rows[] = {
        {"nothing has failed", 0, 0, true},
        {"one has", 1, 0, true},
        {"one short of the limit", SOURCE_FULL - 1, 0, true},
        {"the limit", SOURCE_FULL, 0, false},
        {"the limit, one has not quite leaked", SOURCE_FULL, FAILURE_MS - 1, false},
        {"the limit, one has leaked", SOURCE_FULL, FAILURE_MS, true},
        {"two above it, one has leaked", SOURCE_FULL + 2, FAILURE_MS, false},
        {"two above it, three have leaked", SOURCE_FULL + 2, 3 * FAILURE_MS, true},
        {"all has leaked", SOURCE_FULL, (uint64_t)SOURCE_FULL * FAILURE_MS, true},
        {"long ago", SOURCE_FULL, UINT32_MAX, true},
    };
    static const uint64_t starts[] = {0, 1, 987654321, UINT64_C(1) << 52};
    struct ipaddr source = address("192.0.2.1");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t j = 0; j < ARRAY_SIZE(starts); j++) {
            struct auth_throttle *t = auth_throttle_new();
            unit_row(rows[i].name);
            fail(t, &source, BYTES("ann"), rows[i].failures, starts[j]);
            CHECK(auth_throttle_allows(t, &source, BYTES("ann"), starts[j] + rows[i].wait_ms) ==
                  rows[i].allowed);
            auth_throttle_free(&t);
            CHECK(!t);
        }
}

/* A source that keeps failing at the limit gets one attempt in 10 s, for ever; a bucket that has
 * leaked starts anew. */
static void test_rate(void)
{
    struct auth_throttle *t = auth_throttle_new();
    struct ipaddr source = address("192.0.2.1");
    const uint64_t hour_ms = 3600000;
    unsigned tries = 0;
    for (uint64_t now = 0; now < hour_ms; now += 100) {
        if (!auth_throttle_allows(t, &source, BYTES("ann"), now))
            continue;
        fail(t, &source, BYTES("ann"), 1, now);
        tries++;
    }
    CHECK(tries >= SOURCE_FULL + hour_ms / FAILURE_MS - 1);
    CHECK(tries <= SOURCE_FULL + hour_ms / FAILURE_MS + 1);
    unit_row("a day later: the whole allowance, no more");
    for (tries = 0; auth_throttle_allows(t, &source, BYTES("ann"), 24 * hour_ms); tries++)
        fail(t, &source, BYTES("ann"), 1, 24 * hour_ms);
    CHECK_U64(tries, SOURCE_FULL);
    auth_throttle_free(&t);
}

/* Who counts as the same. */
static void test_sources(void)
{
    static const struct {
        const char *name, *failed, *asks;
        bool allowed;
    } rows[] = {
        {"the same", "192.0.2.1", "192.0.2.1", false},
        {"a neighbour", "192.0.2.1", "192.0.2.2", true},
        {"IPv6, the same", "2001:db8:1:2::1", "2001:db8:1:2::1", false},
        {"IPv6, its network", "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", false},
        {"IPv6, the next network", "2001:db8:1:2::1", "2001:db8:1:3::1", true},
        {"the network of the IPv4 addresses is not IPv4", "::1", "192.0.2.1", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct auth_throttle *t = auth_throttle_new();
        struct ipaddr failed = address(rows[i].failed), asks = address(rows[i].asks);
        unit_row(rows[i].name);
        fail(t, &failed, BYTES("ann"), SOURCE_FULL, 5);
        CHECK(auth_throttle_allows(t, &asks, BYTES("ann"), 5) == rows[i].allowed);
        CHECK(auth_throttle_allows(t, &asks, BYTES("somebody else"), 5) == rows[i].allowed);
        auth_throttle_free(&t);
    }
}

/* One source tries a name once each. */
static void test_source_across_accounts(void)
{
    struct auth_throttle *t = auth_throttle_new();
    struct ipaddr source = address("192.0.2.1");
    char name[16];
    unsigned tries = 0;
    for (; auth_throttle_allows(t, &source, name_of(tries, name), 0) && tries < 1000; tries++)
        fail(t, &source, name_of(tries, name), 1, 0);
    CHECK_U64(tries, SOURCE_FULL);
    auth_throttle_free(&t);
}

/* Many sources try one name: full, it is closed to sources that have failed themselves, in any
 * case of its letters, and to no other. */
static void test_account_across_sources(void)
{
    struct auth_throttle *t = auth_throttle_new();
    unsigned tries = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct ipaddr source = numbered(i % 20);
        if (!auth_throttle_allows(t, &source, BYTES("ann"), 0))
            continue;
        fail(t, &source, BYTES("ann"), 1, 0);
        tries++;
    }
    CHECK_U64(tries, ACCOUNT_FULL);
    struct ipaddr failed = numbered(3), fresh = address("192.0.2.99");
    static const struct {
        const char *name, *account;
        bool from_failed, allowed;
    } rows[] = {
        {"a source that has failed", "ann", true, false},
        {"in capitals", "ANN", true, false},
        {"another account", "bob", true, true},
        {"a source that has not failed: the user's own", "ann", false, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        CHECK(auth_throttle_allows(t, rows[i].from_failed ? &failed : &fresh,
                                   bytes_of(rows[i].account), 0) == rows[i].allowed);
    }
    unit_row("a new source has one attempt, then the account counts");
    fail(t, &fresh, BYTES("ann"), 1, 0);
    CHECK(!auth_throttle_allows(t, &fresh, BYTES("ann"), 0));
    unit_row("the source has leaked, so the account no longer counts against it");
    CHECK(auth_throttle_allows(t, &fresh, BYTES("ann"), FAILURE_MS));
    auth_throttle_free(&t);
}

#define HOSTILE 200000u

/* Fills the table with HOSTILE sources and names of one failure each. */
static void flood(struct auth_throttle *t, uint64_t now_ms)
{
    char name[16];
    for (uint32_t i = 0; i < HOSTILE; i++) {
        struct ipaddr source = numbered(i + 1000);
        fail(t, &source, name_of(i, name), 1, now_ms);
    }
}

/* A place in the table is taken from the one that has failed least: a flood of names and sources
 * that failed once leaves those alone that failed more. */
static void test_flood(void)
{
    struct ipaddr full = address("192.0.2.1"), half = address("192.0.2.2");
    struct auth_throttle *t = auth_throttle_new();
    fail(t, &full, BYTES("ann"), SOURCE_FULL, 0);
    fail(t, &half, BYTES("bob"), SOURCE_FULL / 2, 0);
    for (uint32_t i = 0; i < 20; i++) {
        struct ipaddr source = numbered(i);
        fail(t, &source, BYTES("eve"), ACCOUNT_FULL / 20, 0);
    }
    flood(t, 0);
    unit_row("a full source stays full");
    CHECK(!auth_throttle_allows(t, &full, BYTES("x"), 0));
    unit_row("half a source has the other half left");
    fail(t, &half, BYTES("x"), SOURCE_FULL - SOURCE_FULL / 2 - 1, 0);
    CHECK(auth_throttle_allows(t, &half, BYTES("y"), 0));
    fail(t, &half, BYTES("x"), 1, 0);
    CHECK(!auth_throttle_allows(t, &half, BYTES("y"), 0));
    unit_row("a full account stays full, with new flooded sources too");
    for (uint32_t i = 0; i < 20; i++) {
        struct ipaddr source = numbered(i);
        CHECK(!auth_throttle_allows(t, &source, BYTES("eve"), 0));
    }
    auth_throttle_free(&t);
}

/* What a flood costs the others: nothing. A source that has not failed may log on, and when the
 * flood has leaked the table is as good as new. */
static void test_after_flood(void)
{
    struct auth_throttle *t = auth_throttle_new();
    flood(t, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct ipaddr source = numbered(i);
        if (!CHECK(auth_throttle_allows(t, &source, BYTES("ann"), 0)))
            break;
    }
    unit_row("as good as new");
    struct ipaddr source = address("192.0.2.1");
    unsigned tries = 0;
    for (; auth_throttle_allows(t, &source, BYTES("ann"), FAILURE_MS) && tries < 1000; tries++)
        fail(t, &source, BYTES("ann"), 1, FAILURE_MS);
    CHECK_U64(tries, SOURCE_FULL);
    auth_throttle_free(&t);
}

/* To have a counter forgotten takes more failures than it had counted: at least as many again in
 * each of the places where it could be. Tried with every name that a flood would use. */
static void test_price_of_forgetting(void)
{
    struct auth_throttle *t = auth_throttle_new();
    struct ipaddr source = address("192.0.2.1");
    char name[16];
    unsigned own = SOURCE_FULL - 1, spent = 0;
    fail(t, &source, BYTES("ann"), own, 0);
    /* A whole round of failures over all places, each as often as ours has failed, less one. */
    for (uint32_t i = 0; i < 10000; i++) {
        struct ipaddr other = numbered(i);
        fail(t, &other, name_of(i, name), own - 1, 0);
        spent += own - 1;
    }
    CHECK(spent > 250000);
    CHECK(auth_throttle_allows(t, &source, BYTES("bob"), 0));
    fail(t, &source, BYTES("bob"), 1, 0);
    CHECK(!auth_throttle_allows(t, &source, BYTES("bob"), 0));
    auth_throttle_free(&t);
}

UNIT_MAIN("policy/auth_throttle", {"the limit of a source", test_limit},
          {"the rate at the limit", test_rate}, {"who counts as one source", test_sources},
          {"a source across many accounts", test_source_across_accounts},
          {"an account across many sources", test_account_across_sources},
          {"a flood of names and sources", test_flood}, {"after a flood", test_after_flood},
          {"what it costs to be forgotten", test_price_of_forgetting})
