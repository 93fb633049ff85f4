/* net/mx: order, order is fair, domain, inside when allowed, at most twenty, own name is
 * implicit MX, smart hosts, cancel. */
#include "net/mx.h"

#include <stdio.h>

#include "core/log.h"
#include "core/rand.h"
#include "fake_dns.h"
#include "unit.h"

/* ---- Order ---- */

/* "10 a, 20 b": preferences and hosts. */
static size_t mx_of(const char *text, struct dns_mx *mx)
{
    struct bytes rest = bytes_of(text), entry;
    size_t count = 0;
    bool more = rest.len > 0;
    while (more) {
        struct bytes preference, host;
        uint64_t n;
        more = bytes_split(rest, ',', &entry, &rest);
        bytes_split(bytes_trim(entry), ' ', &preference, &host);
        CHECK_U64(bytes_to_u64(preference, UINT16_MAX, &n), ERR_OK);
        mx[count].preference = (uint16_t)n;
        CHECK(bytes_to_cstr(host, mx[count].host, sizeof mx[count].host));
        count++;
    }
    return count;
}

static void test_order(void)
{
    static const struct {
        const char *name, *in, *local, *out;
    } rows[] = {
        {"by preference", "30 c, 10 a, 20 b", "x", "10 a, 20 b, 30 c"},
        {"extremes", "65535 c, 0 a, 1 b", "x", "0 a, 1 b, 65535 c"},
        {"own name and worse", "30 c, 10 a, 20 own", "own", "10 a"},
        {"own name, other case", "30 c, 10 a, 20 OWN", "own", "10 a"},
        {"own name with a dot", "30 c, 10 a, 20 own", "own.", "10 a"},
        {"equal to the own name", "20 b, 10 a, 20 own, 20 c", "own", "10 a"},
        {"own name first", "10 own, 20 b", "own", ""},
        {"own name alone", "10 own", "own", ""},
        {"own name twice", "10 a, 20 own, 30 b, 40 own", "own", "10 a"},
        {"no own name", "20 b, 10 a", NULL, "10 a, 20 b"},
        {"a part of the own name", "10 ow, 20 owner", "own", "10 ow, 20 owner"},
        {"nothing", "", "own", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct dns_mx in[8], out[8];
        size_t wanted = mx_of(rows[i].out, out);
        size_t count = mx_order(in, mx_of(rows[i].in, in), rows[i].local);
        CHECK_U64(count, wanted);
        for (size_t k = 0; k < count && k < wanted; k++) {
            CHECK_STR(in[k].host, out[k].host);
            CHECK_U64(in[k].preference, out[k].preference);
        }
    }
}

/* Each of three equals leads about a third of the time; the better one always leads them. */
static void test_order_is_fair(void)
{
    unsigned led[3] = {0};
    bool best_first = true;
    rand_seed(5);
    for (int round = 0; round < 3000; round++) {
        struct dns_mx mx[4];
        CHECK_U64(mx_order(mx, mx_of("20 0, 20 1, 5 best, 20 2", mx), "x"), 4);
        best_first = best_first && mx[0].preference == 5;
        led[mx[1].host[0] - '0']++;
    }
    CHECK(best_first);
    for (size_t i = 0; i < ARRAY_SIZE(led); i++)
        CHECK(led[i] > 900 && led[i] < 1100);
}

/* ---- Resolution ---- */

static const struct fake_dns_row zone[] = {
    {"two.test", FAKE_MX, 0, "20:b.test 10:a.test", 0},
    {"a.test", FAKE_A, 0, "198.51.100.1", 0},
    {"a.test", FAKE_AAAA, 0, "2001:db8::1", 0},
    {"b.test", FAKE_A, 0, "198.51.100.2", 0},
    {"null.test", FAKE_MX, 0, "0:.", 0},
    {"null.test", FAKE_A, 0, "198.51.100.9", 0},
    {"nullmix.test", FAKE_MX, 0, "0:. 10:b.test", 0},
    {"implicit.test", FAKE_A, 0, "198.51.100.3", 0},
    {"empty.test", 16, 0, NULL, 0},
    {"mxfails.test", FAKE_MX, FAKE_SERVFAIL, NULL, 0},
    {"mxfails.test", FAKE_A, 0, "198.51.100.9", 0},
    {"bad.test", FAKE_MX, 0, "#000a", 0},
    {"bad.test", FAKE_A, 0, "198.51.100.9", 0},
    {"gone.test", FAKE_MX, 0, "10:gone1.test 20:gone2.test", 0},
    {"gone.test", FAKE_A, 0, "198.51.100.9", 0},
    {"unsure.test", FAKE_MX, 0, "10:gone1.test 20:fails.test", 0},
    {"fails.test", FAKE_A, FAKE_SERVFAIL, NULL, 0},
    {"fails.test", FAKE_AAAA, FAKE_SERVFAIL, NULL, 0},
    {"half.test", FAKE_MX, 0, "10:fails.test 20:b.test", 0},
    {"self.test", FAKE_MX, 0, "10:relay.test 20:b.test", 0},
    {"backup.test", FAKE_MX, 0, "10:a.test 20:Relay.TEST 30:b.test", 0},
    {"inside.test", FAKE_MX, 0, "10:in1.test 20:in2.test", 0},
    {"in1.test", FAKE_A, 0, "127.0.0.1 10.0.0.1 169.254.169.254", 0},
    {"in2.test", FAKE_AAAA, 0, "::1 fe80::1 64:ff9b::7f00:1 2002:7f00:1::", 0},
    {"mixed.test", FAKE_MX, 0, "10:in1.test 20:b.test", 0},
    {"literal.test", FAKE_MX, 0, "10:192.0.2.1", 0},
    {"same.test", FAKE_MX, 0, "10:b.test 20:b2.test", 0},
    {"b2.test", FAKE_A, 0, "198.51.100.2", 0},
    {"crowd.test", FAKE_MX, 0, "10:c1.test 20:c2.test", 0},
    {"c1.test", FAKE_A, 0,
     "198.51.100.1 198.51.100.2 198.51.100.3 198.51.100.4 198.51.100.5 198.51.100.6 "
     "198.51.100.7 198.51.100.8 198.51.100.9 198.51.100.10 198.51.100.11 198.51.100.12",
     0},
    {"c2.test", FAKE_A, 0,
     "203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.4 203.0.113.5 203.0.113.6 203.0.113.7 "
     "203.0.113.8 203.0.113.9 203.0.113.10 203.0.113.11 203.0.113.12",
     0},
    {"onlymx.test", FAKE_MX, 0, "20:b.test 10:in3.test", 0},
    {"in3.test", FAKE_A, 0, "10.0.0.3", 0},
};

struct caught {
    unsigned calls;
    struct mail_status status;
    char text[700];
    char targets[2000];
    size_t count;
    uint16_t last_preference;
    struct mx_resolution **cancel;
};

static void on_result(void *owner, const struct mx_result *r)
{
    struct caught *c = owner;
    char at[ENDPOINT_TEXT_SIZE];
    size_t len = 0;
    c->calls++;
    c->status = r->status;
    CHECK(bytes_to_cstr(r->status.text, c->text, sizeof c->text));
    c->status.text = bytes_of(c->text);
    c->count = r->target_count;
    for (size_t i = 0; i < r->target_count && len < 1800; i++) {
        len += (size_t)snprintf(c->targets + len, sizeof c->targets - len, "%s%s %s", i ? ", " : "",
                                r->targets[i].host, endpoint_format(&r->targets[i].at, at));
        CHECK(r->targets[i].preference >= c->last_preference);
        c->last_preference = r->targets[i].preference;
    }
    if (c->cancel)
        mx_cancel(c->cancel);
}

struct fixture {
    struct fake_dns *server;
    struct loop *loop;
    struct dns *dns;
};

static const struct mx_settings plain = {"relay.test", 25, false};

static void set_up(struct fixture *f)
{
    log_configure(&(struct log_settings){LOG_ERROR, LOG_FORMAT_TEXT});
    f->server = fake_dns_start(zone, ARRAY_SIZE(zone));
    CHECK(f->server);
    CHECK_U64(loop_new(&f->loop, NULL), ERR_OK);
    const char *server = fake_dns_address(f->server);
    struct dns_settings settings = {.servers = &server, .server_count = 1};
    CHECK_U64(dns_new(f->loop, &settings, &f->dns, NULL), ERR_OK);
}

static void tear_down(struct fixture *f)
{
    dns_free(&f->dns);
    loop_free(&f->loop);
    fake_dns_stop(&f->server);
}

static void run_until_called(struct fixture *f, const struct caught *c)
{
    for (int turns = 0; turns < 300 && c->calls == 0; turns++)
        loop_turn(f->loop, 100);
    CHECK_U64(c->calls, 1);
}

static void check_status(const struct caught *c, const char *wanted)
{
    char text[800], code[32];
    mail_status_format(&c->status, text, sizeof text);
    /* The first two words: the reply code and the RFC 3463 code. */
    size_t end = strcspn(text, " ");
    end += 1 + strcspn(text + end + 1, " ");
    bytes_to_cstr(bytes_make(text, end), code, sizeof code);
    CHECK_STR(code, wanted);
    CHECK(c->text[0] != '\0');
}

static void test_domain(void)
{
    static const struct {
        const char *domain, *status, *targets;
        bool allow_special;
    } rows[] = {
        {"two.test", "250 2.0.0",
         "a.test 198.51.100.1:25, a.test [2001:db8::1]:25, b.test 198.51.100.2:25", false},
        {"two.test.", "250 2.0.0",
         "a.test 198.51.100.1:25, a.test [2001:db8::1]:25, b.test 198.51.100.2:25", false},
        {"null.test", "556 5.1.10", "", false},
        {"nullmix.test", "250 2.0.0", "b.test 198.51.100.2:25", false},
        {"implicit.test", "250 2.0.0", "implicit.test 198.51.100.3:25", false},
        {"implicit.test.", "250 2.0.0", "implicit.test 198.51.100.3:25", false},
        {"empty.test", "550 5.4.4", "", false},
        {"nowhere.test", "550 5.1.2", "", false},
        {"not a domain", "550 5.1.2", "", false},
        {"", "550 5.1.2", "", false},
        {"mxfails.test", "451 4.4.3", "", false},
        {"bad.test", "451 4.4.3", "", false},
        {"gone.test", "550 5.4.4", "", false},
        {"unsure.test", "451 4.4.3", "", false},
        {"half.test", "250 2.0.0", "b.test 198.51.100.2:25", false},
        {"self.test", "550 5.4.6", "", false},
        {"relay.test", "550 5.1.2", "", false},
        {"backup.test", "250 2.0.0", "a.test 198.51.100.1:25, a.test [2001:db8::1]:25", false},
        {"inside.test", "550 5.4.4", "", false},
        {"mixed.test", "250 2.0.0", "b.test 198.51.100.2:25", false},
        {"literal.test", "550 5.4.4", "", false},
        {"same.test", "250 2.0.0", "b.test 198.51.100.2:25", false},
        {"[192.0.2.1]", "250 2.0.0", "[192.0.2.1] 192.0.2.1:25", false},
        {"[IPv6:2001:db8::7]", "250 2.0.0", "[2001:db8::7] [2001:db8::7]:25", false},
        {"[ipv6:2001:db8::7]", "250 2.0.0", "[2001:db8::7] [2001:db8::7]:25", false},
        {"[127.0.0.1]", "550 5.4.4", "", false},
        {"[::ffff:10.0.0.1]", "550 5.4.4", "", false},
        {"[127.0.0.1]", "250 2.0.0", "[127.0.0.1] 127.0.0.1:25", true},
        {"[192.0.2]", "550 5.1.2", "", false},
        {"[]", "550 5.1.2", "", false},
        {"localhost", "550 5.4.4", "", false},
        {"localhost", "250 2.0.0", "localhost 127.0.0.1:25, localhost [::1]:25", true},
    };
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].domain);
        struct mx_settings settings = plain;
        struct caught c = {0};
        settings.allow_special_targets = rows[i].allow_special;
        CHECK(mx_resolve_domain(f.dns, &settings, rows[i].domain, on_result, &c));
        run_until_called(&f, &c);
        check_status(&c, rows[i].status);
        CHECK_STR(c.targets, rows[i].targets);
    }
    tear_down(&f);
}

static void test_inside_when_allowed(void)
{
    struct fixture f;
    struct mx_settings settings = {"relay.test", 2525, true};
    struct caught c = {0};
    set_up(&f);
    mx_resolve_domain(f.dns, &settings, "inside.test", on_result, &c);
    run_until_called(&f, &c);
    CHECK_U64(c.count, 7);
    CHECK(strstr(c.targets, "in1.test 127.0.0.1:2525"));
    CHECK(strstr(c.targets, "in2.test [::1]:2525"));
    tear_down(&f);
}

static void test_at_most_twenty(void)
{
    struct fixture f;
    struct caught c = {0};
    set_up(&f);
    mx_resolve_domain(f.dns, &plain, "crowd.test", on_result, &c);
    run_until_called(&f, &c);
    CHECK_U64(c.count, MX_TARGETS_MAX);
    CHECK(bytes_starts_nocase(bytes_of(c.targets), BYTES("c1.test ")));
    CHECK(strstr(c.targets, "c2.test "));
    tear_down(&f);
}

static void test_own_name_is_implicit_mx(void)
{
    struct fixture f;
    struct mx_settings settings = {"implicit.test", 25, false};
    struct caught c = {0};
    set_up(&f);
    mx_resolve_domain(f.dns, &settings, "Implicit.Test", on_result, &c);
    run_until_called(&f, &c);
    check_status(&c, "550 5.4.6");
    tear_down(&f);
}

static const struct {
    const char *name;
    const char *hosts[4];
    size_t first;
    const char *status, *targets;
} smart_host_rows[] = {
    {"name", {"b.test"}, 0, "250 2.0.0", "b.test 198.51.100.2:25"},
    {"name and port", {"b.test:587"}, 0, "250 2.0.0", "b.test 198.51.100.2:587"},
    {"literal", {"[10.1.2.3]"}, 0, "250 2.0.0", "[10.1.2.3] 10.1.2.3:25"},
    {"literal and port", {"[10.1.2.3]:26"}, 0, "250 2.0.0", "[10.1.2.3] 10.1.2.3:26"},
    {"IPv6 and port", {"[2001:db8::7]:26"}, 0, "250 2.0.0", "[2001:db8::7] [2001:db8::7]:26"},
    {"IPv6 tagged", {"[IPv6:::1]"}, 0, "250 2.0.0", "[::1] [::1]:25"},
    {"bare addresses",
     {"10.1.2.3", "10.1.2.4:26", "2001:db8::7"},
     0,
     "250 2.0.0",
     "[10.1.2.3] 10.1.2.3:25, [10.1.2.4] 10.1.2.4:26, [2001:db8::7] [2001:db8::7]:25"},
    {"in order",
     {"b.test", "[10.1.2.3]", "implicit.test"},
     0,
     "250 2.0.0",
     "b.test 198.51.100.2:25, [10.1.2.3] 10.1.2.3:25, implicit.test 198.51.100.3:25"},
    {"from the second",
     {"b.test", "[10.1.2.3]", "implicit.test"},
     1,
     "250 2.0.0",
     "[10.1.2.3] 10.1.2.3:25, implicit.test 198.51.100.3:25, b.test 198.51.100.2:25"},
    {"round and round",
     {"b.test", "[10.1.2.3]", "implicit.test"},
     3000000002,
     "250 2.0.0",
     "implicit.test 198.51.100.3:25, b.test 198.51.100.2:25, [10.1.2.3] 10.1.2.3:25"},
    {"its own MX is not asked", {"null.test"}, 0, "250 2.0.0", "null.test 198.51.100.9:25"},
    {"MX without an address",
     {"onlymx.test:26", "b.test"},
     0,
     "250 2.0.0",
     "in3.test 10.0.0.3:26, b.test 198.51.100.2:26, b.test 198.51.100.2:25"},
    {"one of two is gone", {"nowhere.test", "b.test"}, 0, "250 2.0.0", "b.test 198.51.100.2:25"},
    {"gone", {"nowhere.test"}, 0, "451 4.4.4", ""},
    {"nothing behind the name", {"empty.test"}, 0, "451 4.4.4", ""},
    {"DNS fails", {"fails.test", "nowhere.test"}, 0, "451 4.4.3", ""},
    {"bad port", {"b.test:0"}, 0, "451 4.4.4", ""},
    {"port too large", {"b.test:65536"}, 0, "451 4.4.4", ""},
    {"broken literal", {"[10.1.2.3"}, 0, "451 4.4.4", ""},
    {"name in brackets", {"[b.test]"}, 0, "451 4.4.4", ""},
    {"empty", {""}, 0, "451 4.4.4", ""},
};

static void test_smart_hosts(void)
{
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < ARRAY_SIZE(smart_host_rows); i++) {
        unit_row(smart_host_rows[i].name);
        struct caught c = {0};
        size_t count = 0;
        while (count < ARRAY_SIZE(smart_host_rows[i].hosts) && smart_host_rows[i].hosts[count])
            count++;
        mx_resolve_smart_hosts(f.dns, &plain, smart_host_rows[i].hosts, count,
                               smart_host_rows[i].first, on_result, &c);
        run_until_called(&f, &c);
        check_status(&c, smart_host_rows[i].status);
        CHECK_STR(c.targets, smart_host_rows[i].targets);
    }
    tear_down(&f);
}

static void test_cancel(void)
{
    static const char *const hosts[] = {"onlymx.test", "b.test"};
    /* At every stage: before any answer, between answers, with an MX list followed. */
    for (int turns = 0; turns < 12; turns++) {
        struct fixture f;
        struct caught domain = {0}, smart = {0}, kept = {0};
        set_up(&f);
        struct mx_resolution *a = mx_resolve_domain(f.dns, &plain, "two.test", on_result, &domain);
        struct mx_resolution *b =
            mx_resolve_smart_hosts(f.dns, &plain, hosts, 2, 0, on_result, &smart);
        for (int i = 0; i < turns; i++)
            loop_turn(f.loop, 2);
        if (domain.calls == 0)
            mx_cancel(&a);
        if (smart.calls == 0)
            mx_cancel(&b);
        unsigned before = domain.calls + smart.calls;
        struct mx_resolution *own = mx_resolve_domain(f.dns, &plain, "half.test", on_result, &kept);
        kept.cancel = &own;
        run_until_called(&f, &kept);
        CHECK(!own);
        CHECK_U64(domain.calls + smart.calls, before);
        tear_down(&f);
    }
    struct mx_resolution *none = NULL;
    mx_cancel(&none);
    CHECK(!none);
}

UNIT_MAIN("net/mx", {"order", test_order}, {"order is fair", test_order_is_fair},
          {"domain", test_domain}, {"inside when allowed", test_inside_when_allowed},
          {"at most twenty", test_at_most_twenty},
          {"own name is implicit MX", test_own_name_is_implicit_mx},
          {"smart hosts", test_smart_hosts}, {"cancel", test_cancel})
