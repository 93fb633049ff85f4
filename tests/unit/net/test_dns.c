/* net/dns: MX, addresses, malformed answers, second family late, cancel, free drops queries,
 * many at once, settings. */
#include "net/dns.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"
#include "fake_dns.h"
#include "unit.h"

#define MANY_MX 150
static char many_mx[MANY_MX * 24];

static const struct fake_dns_row zone[] = {
    {"mx.test", FAKE_MX, 0, "20:b.test 10:a.test 20:c.test", 0},
    {"null.test", FAKE_MX, 0, "0:.", 0},
    {"many.test", FAKE_MX, 0, many_mx, 0},
    {"v4.test", FAKE_A, 0, "192.0.2.1 192.0.2.2", 0},
    {"v6.test", FAKE_AAAA, 0, "2001:db8::1", 0},
    {"both.test", FAKE_A, 0, "192.0.2.1", 0},
    {"both.test", FAKE_AAAA, 0, "2001:db8::1 2001:db8::2", 0},
    {"crowd.test", FAKE_A, 0, "192.0.2.1 192.0.2.2", 0},
    {"crowd.test", FAKE_AAAA, 0,
     "2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4 2001:db8::5 2001:db8::6 2001:db8::7 "
     "2001:db8::8 2001:db8::9 2001:db8::a 2001:db8::b 2001:db8::c 2001:db8::d 2001:db8::e "
     "2001:db8::f 2001:db8::10 2001:db8::11 2001:db8::12 2001:db8::13 2001:db8::14 2001:db8::15",
     0},
    {"v6fails.test", FAKE_A, 0, "192.0.2.1", 0},
    {"v6fails.test", FAKE_AAAA, FAKE_SERVFAIL, NULL, 0},
    {"v4fails.test", FAKE_A, FAKE_REFUSED, NULL, 0},
    {"v4fails.test", FAKE_AAAA, 0, "2001:db8::1", 0},
    {"v4only-unsure.test", FAKE_AAAA, FAKE_SERVFAIL, NULL, 0},
    {"v6odd.test", FAKE_A, 0, "192.0.2.1", 0},
    {"v6odd.test", FAKE_AAAA, FAKE_NXDOMAIN, NULL, 0},
    {"servfail.test", FAKE_MX, FAKE_SERVFAIL, NULL, 0},
    {"refused.test", FAKE_MX, FAKE_REFUSED, NULL, 0},
    {"formerr.test", FAKE_MX, FAKE_FORMERR, NULL, 0},
    {"short0.test", FAKE_MX, 0, "#", 0},
    {"short1.test", FAKE_MX, 0, "#00", 0},
    {"short2.test", FAKE_MX, 0, "#000a", 0},
    {"loop.test", FAKE_MX, 0, "#000ac029", 0}, /* a pointer to itself */
    {"beyond.test", FAKE_MX, 0, "#000ac0ff", 0},
    {"label.test", FAKE_MX, 0, "#000a4061", 0},
    {"reserved.test", FAKE_MX, 0, "#000a80616100", 0},
    {"odd.test", FAKE_MX, 0, "#000a03610a6200", 0},
    {"partly.test", FAKE_MX, 0, "#000a03610a6200 20:good.test", 0},
    {"a5.test", FAKE_A, 0, "#c000020101", 0},
    {"a3.test", FAKE_A, 0, "#c00002", 0},
    {"garbage.test", FAKE_MX, 0, "10:a.test", FAKE_GARBAGE},
    {"header.test", FAKE_MX, 0, "10:a.test", FAKE_HEADER_ONLY},
    {"count.test", FAKE_MX, 0, "10:a.test", FAKE_COUNT_TOO_BIG},
    {"cut.test", FAKE_MX, 0, "10:a.test", FAKE_CUT_SHORT},
    {"othername.test", FAKE_MX, 0, "10:a.test", FAKE_OTHER_NAME},
    {"otherid.test", FAKE_MX, 0, "10:a.test", FAKE_OTHER_ID},
    {"silent.test", FAKE_MX, 0, "10:a.test", FAKE_SILENT},
    {"v6silent.test", FAKE_A, 0, "192.0.2.1", 0},
    {"v6silent.test", FAKE_AAAA, 0, "2001:db8::1", FAKE_SILENT},
};

struct caught {
    unsigned calls;
    enum dns_outcome outcome;
    bool secure;
    char text[1000]; /* "10 a.test, 20 b.test" or addresses */
    char why[100];
    size_t count;
    struct dns_query **cancel; /* what the callback cancels */
};

static void on_answer(void *owner, const struct dns_answer *a)
{
    struct caught *c = owner;
    size_t at = 0;
    char addr[IPADDR_TEXT_SIZE];
    c->calls++;
    c->outcome = a->outcome;
    c->secure = a->secure;
    c->count = a->mx_count + a->addr_count;
    snprintf(c->why, sizeof c->why, "%s", a->why ? a->why : "");
    for (size_t i = 0; i < a->mx_count && at < 900; i++)
        at += (size_t)snprintf(c->text + at, sizeof c->text - at, "%s%u %s", i ? ", " : "",
                               a->mx[i].preference, a->mx[i].host);
    for (size_t i = 0; i < a->addr_count && at < 900; i++)
        at += (size_t)snprintf(c->text + at, sizeof c->text - at, "%s%s", i ? ", " : "",
                               ipaddr_format(&a->addrs[i], addr));
    if (c->cancel)
        dns_cancel(c->cancel);
}

struct fixture {
    struct fake_dns *server;
    struct loop *loop;
    struct dns *dns;
};

static void set_up(struct fixture *f)
{
    struct err_detail why = {""};
    size_t at = 0;
    for (unsigned i = MANY_MX; i > 0; i--)
        at += (size_t)snprintf(many_mx + at, sizeof many_mx - at, "%u:m%u.test ", i, i);
    log_configure(&(struct log_settings){LOG_ERROR, LOG_FORMAT_TEXT});
    f->server = fake_dns_start(zone, ARRAY_SIZE(zone));
    CHECK(f->server);
    CHECK_U64(loop_new(&f->loop, NULL), ERR_OK);
    const char *server = fake_dns_address(f->server);
    struct dns_settings settings = {.servers = &server, .server_count = 1};
    CHECK_U64(dns_new(f->loop, &settings, &f->dns, &why), ERR_OK);
    CHECK_STR(why.text, "");
}

static void tear_down(struct fixture *f)
{
    dns_free(&f->dns);
    loop_free(&f->loop);
    fake_dns_stop(&f->server);
}

/* Long enough for a slow machine; a sound run never waits for it. */
static void run_until_called(struct fixture *f, const struct caught *c, unsigned calls)
{
    for (int turns = 0; turns < 300 && c->calls < calls; turns++)
        loop_turn(f->loop, 100);
    CHECK_U64(c->calls, calls);
}

static void test_mx(void)
{
    static const struct {
        const char *domain;
        enum dns_outcome outcome;
        const char *text;
    } rows[] = {
        {"mx.test", DNS_FOUND, "10 a.test, 20 b.test, 20 c.test"},
        {"MX.Test.", DNS_FOUND, "10 a.test, 20 b.test, 20 c.test"},
        {"null.test", DNS_FOUND, "0 "},
        {"v4.test", DNS_NO_DATA, ""},
        {"nowhere.test", DNS_NO_NAME, ""},
        {"servfail.test", DNS_TEMPORARY, ""},
        {"refused.test", DNS_TEMPORARY, ""},
        {"formerr.test", DNS_TEMPORARY, ""},
        {"", DNS_NO_NAME, ""},
        {"bad name.test", DNS_NO_NAME, ""},
        {"partly.test", DNS_FOUND, "20 good.test"},
        {"odd.test", DNS_TEMPORARY, ""},
    };
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].domain);
        struct caught c = {0};
        CHECK(dns_lookup_mx(f.dns, rows[i].domain, on_answer, &c));
        CHECK_U64(c.calls, 0);
        run_until_called(&f, &c, 1);
        CHECK_U64(c.outcome, rows[i].outcome);
        /* Equal preferences come in the resolver's order: compare what leads. */
        if (c.count == 3)
            CHECK(bytes_starts_nocase(bytes_of(c.text), BYTES("10 a.test, 20 ")));
        else
            CHECK_STR(c.text, rows[i].text);
        CHECK((c.outcome == DNS_FOUND) == (c.why[0] == '\0'));
        CHECK(!c.secure);
    }
    unit_row("the best hundred of many");
    struct caught c = {0};
    dns_lookup_mx(f.dns, "many.test", on_answer, &c);
    run_until_called(&f, &c, 1);
    CHECK_U64(c.count, DNS_MX_MAX);
    CHECK(bytes_starts_nocase(bytes_of(c.text), BYTES("1 m1.test, 2 m2.test, 3 m3.test, ")));
    tear_down(&f);
}

static void test_addrs(void)
{
    static const struct {
        const char *host;
        enum dns_outcome outcome;
        size_t count;
        const char *text; /* NULL: the resolver may have changed the order */
    } rows[] = {
        {"v4.test", DNS_FOUND, 2, NULL},
        {"v6.test", DNS_FOUND, 1, "2001:db8::1"},
        {"both.test", DNS_FOUND, 3, NULL},
        {"v6fails.test", DNS_FOUND, 1, "192.0.2.1"},
        {"v6odd.test", DNS_FOUND, 1, "192.0.2.1"},
        {"v4fails.test", DNS_FOUND, 1, "2001:db8::1"},
        {"v4only-unsure.test", DNS_TEMPORARY, 0, ""},
        {"mx.test", DNS_NO_DATA, 0, ""},
        {"nowhere.test", DNS_NO_NAME, 0, ""},
        {"192.0.2.7", DNS_FOUND, 1, "192.0.2.7"},
        {"2001:db8::7", DNS_FOUND, 1, "2001:db8::7"},
        {"a..b", DNS_NO_NAME, 0, ""},
        {"localhost", DNS_FOUND, 2, "127.0.0.1, ::1"},
    };
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].host);
        struct caught c = {0};
        CHECK(dns_lookup_addrs(f.dns, rows[i].host, on_answer, &c));
        CHECK_U64(c.calls, 0);
        run_until_called(&f, &c, 1);
        CHECK_U64(c.outcome, rows[i].outcome);
        CHECK_U64(c.count, rows[i].count);
        if (rows[i].text)
            CHECK_STR(c.text, rows[i].text);
    }
    unit_row("neither family crowds the other out");
    struct caught c = {0};
    dns_lookup_addrs(f.dns, "crowd.test", on_answer, &c);
    run_until_called(&f, &c, 1);
    CHECK_U64(c.count, DNS_ADDR_MAX);
    CHECK(strstr(c.text, "192.0.2.1") && strstr(c.text, "192.0.2.2"));
    CHECK(bytes_starts_nocase(bytes_of(c.text), BYTES("192.0.2.")));
    tear_down(&f);
}

/* Whatever the resolver makes of such answers, it is neither a find nor an absence. Those that
 * it takes for nobody's answer end by our own deadline, on the virtual clock. */
static void test_malformed(void)
{
    static const struct {
        const char *name;
        bool addrs;
    } rows[] = {
        {"short0.test", false},   {"short1.test", false},  {"short2.test", false},
        {"loop.test", false},     {"beyond.test", false},  {"label.test", false},
        {"reserved.test", false}, {"garbage.test", false}, {"header.test", false},
        {"count.test", false},    {"cut.test", false},     {"othername.test", false},
        {"otherid.test", false},  {"silent.test", false},  {"a5.test", true},
        {"a3.test", true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct fixture f;
        struct caught c = {0};
        clock_virtual_start(1000, 0);
        set_up(&f);
        if (rows[i].addrs)
            dns_lookup_addrs(f.dns, rows[i].name, on_answer, &c);
        else
            dns_lookup_mx(f.dns, rows[i].name, on_answer, &c);
        for (int turns = 0; turns < 300 && fake_dns_questions(f.server) == 0; turns++)
            loop_turn(f.loop, 20);
        CHECK(fake_dns_questions(f.server) > 0);
        clock_virtual_advance(20001);
        run_until_called(&f, &c, 1);
        CHECK_U64(c.outcome, DNS_TEMPORARY);
        CHECK_U64(c.count, 0);
        CHECK(c.why[0] != '\0');
        tear_down(&f);
        clock_virtual_end();
    }
}

/* An address in hand, the other family gets two seconds more, not the whole twenty. */
static void test_second_family_late(void)
{
    struct fixture f;
    struct caught c = {0}, other = {0};
    clock_virtual_start(1000, 0);
    set_up(&f);
    dns_lookup_addrs(f.dns, "v6silent.test", on_answer, &c);
    dns_lookup_addrs(f.dns, "v4.test", on_answer, &other);
    run_until_called(&f, &other, 1);
    /* Answers come in order of asking: the first A is here as well, or in the next turns. */
    for (int turns = 0; turns < 300 && c.calls == 0; turns++) {
        loop_turn(f.loop, 10);
        clock_virtual_advance(100);
    }
    CHECK_U64(c.calls, 1);
    CHECK(clock_mono_ms() >= 1000 + 2000);
    CHECK(clock_mono_ms() < 1000 + 20000);
    CHECK_U64(c.outcome, DNS_FOUND);
    CHECK_STR(c.text, "192.0.2.1");
    tear_down(&f);
    clock_virtual_end();
}

static void test_cancel(void)
{
    struct fixture f;
    struct caught cancelled = {0}, kept = {0}, inside = {0};
    set_up(&f);
    struct dns_query *q[4] = {
        dns_lookup_mx(f.dns, "mx.test", on_answer, &cancelled),
        dns_lookup_addrs(f.dns, "both.test", on_answer, &cancelled),
        dns_lookup_addrs(f.dns, "192.0.2.1", on_answer, &cancelled),
        dns_lookup_mx(f.dns, "silent.test", on_answer, &cancelled),
    };
    for (size_t i = 0; i < ARRAY_SIZE(q); i++) {
        dns_cancel(&q[i]);
        CHECK(!q[i]);
        dns_cancel(&q[i]);
    }
    struct dns_query *own = dns_lookup_mx(f.dns, "mx.test", on_answer, &inside);
    inside.cancel = &own;
    dns_lookup_addrs(f.dns, "both.test", on_answer, &kept);
    run_until_called(&f, &kept, 1);
    run_until_called(&f, &inside, 1);
    CHECK(!own);
    CHECK_U64(cancelled.calls, 0);
    tear_down(&f);
}

static void test_free_drops_queries(void)
{
    struct fixture f;
    struct caught c = {0};
    set_up(&f);
    dns_lookup_mx(f.dns, "silent.test", on_answer, &c);
    dns_lookup_addrs(f.dns, "both.test", on_answer, &c);
    dns_lookup_addrs(f.dns, "192.0.2.1", on_answer, &c);
    dns_free(&f.dns);
    CHECK(!f.dns);
    dns_free(&f.dns);
    loop_turn(f.loop, 0);
    CHECK_U64(c.calls, 0);
    tear_down(&f);
}

static void test_many_at_once(void)
{
    struct fixture f;
    struct caught c = {0};
    set_up(&f);
    for (int i = 0; i < 500; i++) {
        dns_lookup_mx(f.dns, "mx.test", on_answer, &c);
        dns_lookup_addrs(f.dns, i % 2 ? "both.test" : "nowhere.test", on_answer, &c);
    }
    run_until_called(&f, &c, 1000);
    tear_down(&f);
}

static void test_settings(void)
{
    static const struct {
        const char *server;
        enum err e;
    } rows[] = {
        {"192.0.2.53", ERR_OK},          {"192.0.2.53:5353", ERR_OK},      {"2001:db8::53", ERR_OK},
        {"[2001:db8::53]:5353", ERR_OK}, {"ns.example", ERR_SYNTAX},       {"", ERR_SYNTAX},
        {"192.0.2.53@53", ERR_SYNTAX},   {"192.0.2.53:99999", ERR_SYNTAX},
    };
    struct loop *loop;
    CHECK_U64(loop_new(&loop, NULL), ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].server);
        struct err_detail why = {""};
        struct dns *dns = NULL;
        struct dns_settings settings = {&rows[i].server, 1, false};
        CHECK_U64(dns_new(loop, &settings, &dns, &why), rows[i].e);
        CHECK(!dns == (rows[i].e != ERR_OK));
        CHECK((why.text[0] == '\0') == (rows[i].e == ERR_OK));
        dns_free(&dns);
    }
    unit_row("the system's servers, validated");
    struct dns *dns = NULL;
    CHECK_U64(dns_new(loop, &(struct dns_settings){.dnssec_validation = true}, &dns, NULL), ERR_OK);
    dns_free(&dns);
    loop_free(&loop);
}

UNIT_MAIN("net/dns", {"MX", test_mx}, {"addresses", test_addrs},
          {"malformed answers", test_malformed}, {"second family late", test_second_family_late},
          {"cancel", test_cancel}, {"free drops queries", test_free_drops_queries},
          {"many at once", test_many_at_once}, {"settings", test_settings})
