/* policy/ruleset: select, bindings, rights, server permissions, inherited open relay, deep copy,
 * route of postmaster. */
#include "policy/ruleset.h"

#include "core/mem.h"
#include "rules_fixture.h"

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
    rules_start_routed(&r, selectable, ARRAY_SIZE(selectable));
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
            CHECK(m.connector == &ruleset_settings_of(r.set)->receive[m.connector_index]);
        }
    }
    ruleset_free(&r.set);
}

static void test_bindings(void)
{
    struct rules r;
    struct endpoint out[8];
    char text[ENDPOINT_TEXT_SIZE];
    rules_start_routed(&r, selectable, ARRAY_SIZE(selectable));
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
    rules_start_routed(&r, two, 2);
    CHECK(rules_build(&r) == ERR_OK);
    const struct receive_connector *c = ruleset_settings_of(r.set)->receive;
    CHECK_U64(receive_connector_first_principal(&c[0]), RIGHTS_ANONYMOUS);
    CHECK_U64(receive_connector_first_principal(&c[1]), RIGHTS_EXTERNALLY_SECURED_SERVERS);
    CHECK(ruleset_rights(r.set, 0, RIGHTS_ANONYMOUS) & RIGHTS_ACCEPT_ANY_RECIPIENT);
    /* Rights of one connector never reach another on the same binding. */
    CHECK_U64(ruleset_rights(r.set, 1, RIGHTS_ANONYMOUS), 0);
    CHECK(ruleset_rights(r.set, 1, RIGHTS_EXTERNALLY_SECURED_SERVERS) & RIGHTS_BYPASS_ANTI_SPAM);
    CHECK(ruleset_rights(r.set, 0, RIGHTS_AUTHENTICATED_USERS) & RIGHTS_ACCEPT_ANY_RECIPIENT);
    CHECK(!(ruleset_identity_rights(r.set, 0, eve, 2) & RIGHTS_ACCEPT_ANY_RECIPIENT));
    CHECK(ruleset_identity_rights(r.set, 0, eve, 2) & RIGHTS_SUBMIT);
    ruleset_free(&r.set);
}

/* Explicit deny, explicit allow, inherited deny, inherited allow: the first that names it. */
static void test_server_permissions(void)
{
    static const struct rights_entry server[] = {
        {RIGHTS_ANONYMOUS, NULL, RIGHTS_ACCEPT_ANY_RECIPIENT, RIGHTS_ACCEPT_ANY_SENDER},
        {RIGHTS_USER, "eve", RIGHTS_ACCEPT_ANY_SENDER, RIGHTS_ACCEPT_ANY_RECIPIENT},
        {RIGHTS_AUTHENTICATED_USERS, NULL, RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT, 0},
    };
    static const struct rules_connector two[] = {
        {.name = "Plain",
         .bindings = {P25},
         .ranges = {"10.0.0.1"},
         .groups = ANON | USERS,
         .auth = TLS | BASIC},
        {.name = "Strict",
         .bindings = {P25},
         .ranges = {"10.0.0.2"},
         .groups = ANON,
         .auth = TLS,
         .permissions = {{RIGHTS_ANONYMOUS, NULL, 0, RIGHTS_ACCEPT_ANY_RECIPIENT}}},
    };
    struct rights_identity eve[] = {{RIGHTS_AUTHENTICATED_USERS, NULL}, {RIGHTS_USER, "eve"}};
    struct rules r;
    rules_start_routed(&r, two, 2);
    r.settings.server_permissions = server;
    r.settings.server_permission_count = ARRAY_SIZE(server);
    CHECK(rules_build(&r) == ERR_OK);
    rights_mask plain = ruleset_rights(r.set, 0, RIGHTS_ANONYMOUS);
    rights_mask strict = ruleset_rights(r.set, 1, RIGHTS_ANONYMOUS);
    rights_mask hers = ruleset_identity_rights(r.set, 0, eve, 2);
    CHECK(plain & RIGHTS_ACCEPT_ANY_RECIPIENT);
    CHECK(plain & RIGHTS_ACCEPT_ANY_SENDER); /* the group's is explicit */
    CHECK(!(strict & RIGHTS_ACCEPT_ANY_RECIPIENT));
    CHECK(hers & RIGHTS_ACCEPT_ANY_SENDER);
    CHECK(hers & RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT);
    CHECK(hers & RIGHTS_ACCEPT_ANY_RECIPIENT); /* ExchangeUsers allows it explicitly */
    ruleset_free(&r.set);
}

/* An inherited right makes an open relay as its own would. */
static void test_inherited_open_relay(void)
{
    static const struct rights_entry relay = {RIGHTS_ANONYMOUS, NULL, RIGHTS_ACCEPT_ANY_RECIPIENT,
                                              0};
    static const struct rules_connector one = {
        .name = "All", .bindings = {P25}, .ranges = {ALL4}, .groups = ANON, .auth = TLS};
    struct rules r;
    rules_start_routed(&r, &one, 1);
    r.settings.server_permissions = &relay;
    r.settings.server_permission_count = 1;
    CHECK(rules_build(&r) == ERR_SYNTAX);
    CHECK(strstr(r.text, "an open relay"));
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
    rules_start_routed(r, &one, 1);
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
    CHECK_STR(ruleset_settings_of(set)->hostname, "relay.example.com");
    CHECK_STR(ruleset_route(set, BYTES("x.example"), 0).connector->name, "Internet");
    ruleset_free(&set);
}

static void test_route_of_postmaster(void)
{
    static const struct rules_connector one = {
        .name = "A", .bindings = {P25}, .ranges = {"10.0.0.1"}, .groups = ANON, .auth = TLS};
    static const struct address_space ours[] = {{"ours.example", 1}};
    static const struct send_connector sends[] = {RULES_SEND("Out", rules_everything, 1),
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

UNIT_MAIN("policy/ruleset", {"select", test_select}, {"bindings", test_bindings},
          {"rights", test_rights}, {"server permissions", test_server_permissions},
          {"inherited open relay", test_inherited_open_relay}, {"deep copy", test_deep_copy},
          {"route of postmaster", test_route_of_postmaster})
