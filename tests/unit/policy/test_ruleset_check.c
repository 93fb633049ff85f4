/* policy/ruleset_check: open relay of several, receive checks, settings checks, names twice. */
#include "policy/ruleset.h"

#include <stdio.h>

#include "rules_fixture.h"

/* --- Single connectors: what is said, and whether it stops the start --- */

static const struct {
    const char *name;
    struct rules_connector c;
    size_t faults, warnings;
    const char *says; /* with its origin */
} receive_rows[] = {
    {"plain",
     {.name = "A", .bindings = {P25}, .ranges = {"10.0.0.0/8"}, .groups = ANON, .auth = TLS},
     0,
     0,
     ""},
    {"no name",
     {.name = "", .bindings = {P25}, .ranges = {"10.0.0.0/8"}, .groups = ANON, .auth = TLS},
     1,
     0,
     "t.conf:10: a receive connector needs a name"},
    {"no binding",
     {.name = "A", .bindings = {NULL}, .ranges = {"10.0.0.0/8"}, .groups = ANON, .auth = TLS},
     1,
     0,
     "t.conf:10: receive connector \"A\": bindings: at least one"},
    {"no range",
     {.name = "A", .bindings = {P25}, .ranges = {NULL}, .groups = ANON, .auth = TLS},
     1,
     0,
     "t.conf:10: receive connector \"A\": remote_ip_ranges: at least one"},
    {"binding twice",
     {.name = "A", .bindings = {P25, P25}, .ranges = {"10.0.0.0/8"}, .groups = ANON, .auth = TLS},
     0,
     1,
     "0.0.0.0:25 stands"},
    {"BasicAuthRequireTLS without BasicAuth",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.0/8"},
      .groups = ANON,
      .auth = TLS | BASICTL},
     1,
     0,
     "BasicAuthRequireTLS needs BasicAuth and Tls"},
    {"BasicAuthRequireTLS without Tls",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.0/8"},
      .groups = ANON,
      .auth = BASIC | BASICTL},
     1,
     0,
     "BasicAuthRequireTLS needs BasicAuth and Tls"},
    {"BasicAuthRequireTLS complete",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.0/8"},
      .groups = USERS,
      .auth = TLS | BASIC | BASICTL},
     0,
     0,
     ""},
    {"ExternalAuthoritative with BasicAuth",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = SERVERS,
      .auth = EXT | BASIC | TLS},
     1,
     0,
     "combines with Tls only"},
    {"ExternalAuthoritative without the group",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = ANON,
      .auth = EXT | TLS,
      .permissions = {{RIGHTS_EXTERNALLY_SECURED_SERVERS, NULL, RIGHTS_SUBMIT, 0}}},
     1,
     0,
     "needs ExchangeServers among permission_groups"},
    {"ExternalAuthoritative with both groups",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = SERVERS | ANON,
      .auth = EXT | TLS},
     0,
     0,
     ""},
    {"RequireTLS without Tls",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = ANON,
      .auth = BASIC,
      .require_tls = true},
     1,
     0,
     "require_tls: true needs Tls"},
    {"two rules broken are two faults",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = ANON,
      .auth = BASICTL,
      .require_tls = true},
     2,
     0,
     "require_tls"},
    {"nobody: no group",
     {.name = "A", .bindings = {P25}, .ranges = {"10.0.0.9"}, .groups = 0, .auth = TLS},
     0,
     1,
     "t.conf:10: warning: receive connector \"A\": no client can use it"},
    {"nobody: users cannot authenticate",
     {.name = "A", .bindings = {P25}, .ranges = {"10.0.0.9"}, .groups = USERS, .auth = TLS},
     0,
     1,
     "no client can use it"},
    {"nobody: the group is denied",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = ANON,
      .auth = TLS,
      .permissions = {{RIGHTS_ANONYMOUS, NULL, 0, RIGHTS_SUBMIT}}},
     0,
     1,
     "no client can use it"},
    {"nobody: servers without a certificate",
     {.name = "A", .bindings = {P25}, .ranges = {"10.0.0.9"}, .groups = SERVERS, .auth = TLS},
     0,
     1,
     "no client can use it: only servers and partners"},
    {"nobody: partners",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = RIGHTS_GROUP_PARTNERS,
      .auth = TLS},
     0,
     1,
     "no client can use it: only servers and partners"},
    {"nobody: users by Integrated alone",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = USERS,
      .auth = TLS | RECEIVE_AUTH_INTEGRATED},
     0,
     1,
     "no client can use it: no permission group"},
    {"nobody: an entry for a certificate",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = 0,
      .auth = TLS | BASIC,
      .permissions = {{RIGHTS_CERTIFICATE, "gw", RIGHTS_SUBMIT, 0}}},
     0,
     1,
     "no client can use it: no permission group"},
    {"somebody: servers that are externally secured",
     {.name = "A", .bindings = {P25}, .ranges = {"10.0.0.9"}, .groups = SERVERS, .auth = EXT},
     0,
     0,
     ""},
    {"somebody: a named user",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = 0,
      .auth = BASIC,
      .permissions = {{RIGHTS_USER, "bob", RIGHTS_SUBMIT, 0}}},
     0,
     0,
     ""},
    {"somebody: an entry without a group",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.9"},
      .groups = 0,
      .auth = TLS,
      .permissions = {{RIGHTS_ANONYMOUS, NULL, RIGHTS_SUBMIT, 0}}},
     0,
     0,
     ""},
    {"looks like a network",
     {.name = "A", .bindings = {P25}, .ranges = {"192.168.1.0"}, .groups = ANON, .auth = TLS},
     0,
     1,
     "t.conf:11: warning: receive connector \"A\": remote_ip_ranges: \"192.168.1.0\" is one"},
    {"a network written out",
     {.name = "A", .bindings = {P25}, .ranges = {"192.168.1.0/24"}, .groups = ANON, .auth = TLS},
     0,
     0,
     ""},
    {"the same range twice",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.1", "10.0.0.1/32"},
      .groups = ANON,
      .auth = TLS},
     0,
     1,
     "t.conf:12: warning: receive connector \"A\": remote_ip_ranges: 10.0.0.1/32 is there "
     "already, at t.conf:11"},
    {"own ranges may overlap",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.1-10.0.0.9", "10.0.0.5-10.0.0.20"},
      .groups = ANON,
      .auth = TLS},
     0,
     0,
     ""},
    {"no binding of the range's family",
     {.name = "A", .bindings = {P25}, .ranges = {"10.0.0.1", "::1"}, .groups = ANON, .auth = TLS},
     0,
     1,
     "t.conf:12: warning: receive connector \"A\": remote_ip_ranges: \"::1\" never matches: "
     "none of the bindings is IPv6"},
    {"everybody without relay",
     {.name = "A", .bindings = {P25}, .ranges = {ALL4}, .groups = ANON, .auth = TLS},
     0,
     0,
     ""},
    {"open relay",
     {.name = "A",
      .bindings = {P25},
      .ranges = {ALL4},
      .groups = ANON,
      .auth = TLS,
      .permissions = ALLOW_RELAY},
     1,
     0,
     "t.conf:10: receive connector \"A\": Anonymous has ms-Exch-SMTP-Accept-Any-Recipient"},
    {"open relay in two halves",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"128.0.0.0/1", "0.0.0.0/1"},
      .groups = ANON,
      .auth = TLS,
      .permissions = ALLOW_RELAY},
     1,
     0,
     "an open relay"},
    {"open relay over IPv6",
     {.name = "A",
      .bindings = {"[::]:25"},
      .ranges = {"::/0"},
      .groups = ANON,
      .auth = TLS,
      .permissions = ALLOW_RELAY},
     1,
     0,
     "an open relay"},
    {"all but one address",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"0.0.0.0-255.255.255.254"},
      .groups = ANON,
      .auth = TLS,
      .permissions = ALLOW_RELAY},
     0,
     0,
     ""},
    {"open relay by intent",
     {.name = "A",
      .bindings = {P25},
      .ranges = {ALL4},
      .groups = ANON,
      .auth = TLS,
      .permissions = ALLOW_RELAY,
      .open_relay = true},
     0,
     0,
     ""},
    {"relay for named hosts",
     {.name = "A",
      .bindings = {P25},
      .ranges = {"10.0.0.1"},
      .groups = ANON,
      .auth = TLS,
      .permissions = ALLOW_RELAY},
     0,
     0,
     ""},
    {"users may relay from anywhere",
     {.name = "A",
      .bindings = {"0.0.0.0:587"},
      .ranges = {"0.0.0.0/0"},
      .groups = USERS,
      .auth = TLS | BASIC},
     0,
     0,
     ""},
    {"externally secured from anywhere",
     {.name = "A", .bindings = {P25}, .ranges = {ALL4}, .groups = SERVERS, .auth = EXT | TLS},
     0,
     1,
     "ExternalAuthoritative trusts all of them"},
};

static void test_receive_checks(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(receive_rows); i++) {
        struct rules r;
        unit_row(receive_rows[i].name);
        rules_start_routed(&r, &receive_rows[i].c, 1);
        CHECK_U64(rules_build(&r), receive_rows[i].faults ? ERR_SYNTAX : ERR_OK);
        CHECK(!r.set == (receive_rows[i].faults > 0));
        CHECK_U64(r.faults, receive_rows[i].faults);
        CHECK_U64(r.warnings, receive_rows[i].warnings);
        if (!CHECK(strstr(r.text, receive_rows[i].says)))
            printf("%s", r.text);
        ruleset_free(&r.set);
    }
}

/* --- Domains, send connectors, names --- */

static const struct rules_connector plain_connector = {
    .name = "A", .bindings = {P25}, .ranges = {"10.0.0.1"}, .groups = ANON, .auth = TLS};

static const struct address_space bad_spaces[] = {{"*contoso_spaces.com", 1}};

static const struct address_space costly_spaces[] = {{"contoso_spaces.com", 101}};

static const struct address_space contoso_spaces[] = {{"contoso_spaces.com", 1}};

static const struct address_space branch[] = {{"*.branch.example", 1}};

static const char *const host[] = {"gw.example.com", "[192.0.2.7]:2526", "[2001:db8::1]"};

static const char *const bad_host[] = {"gw example", "[192.0.2]", "gw.example:0", "", "*.x"};

static const struct {
    const char *name;
    struct send_connector send[2];
    struct accepted_domain domains[2];
    size_t faults, warnings;
    const char *says;
} settings_rows[] = {
    {"plain_connector", {RULES_SEND("S", rules_everything, 1)}, {{.name = NULL}}, 0, 0, ""},
    {"no send connector",
     {{.name = NULL}},
     {{.name = NULL}},
     0,
     1,
     "t.conf:10: warning: send_connectors: none is enabled"},
    {"send names twice",
     {RULES_SEND("S", rules_everything, 1), RULES_SEND("s", contoso_spaces, 1)},
     {{.name = NULL}},
     1,
     0,
     "t.conf:90: send connector \"s\": the name is taken, at t.conf:90"},
    {"no address space",
     {RULES_SEND("S", NULL, 0)},
     {{.name = NULL}},
     1,
     0,
     "address_spaces: at least one"},
    {"bad_spaces address space",
     {RULES_SEND("S", bad_spaces, 1)},
     {{.name = NULL}},
     1,
     0,
     "address_spaces: \"*contoso_spaces.com\""},
    {"bad_spaces cost", {RULES_SEND("S", costly_spaces, 1)}, {{.name = NULL}}, 1, 0, "cost 101"},
    {"smart hosts",
     {{.name = "S",
       .enabled = true,
       .spaces = rules_everything,
       .space_count = 1,
       .smart_hosts = host,
       .smart_host_count = 3}},
     {{.name = NULL}},
     0,
     0,
     ""},
    {"smart hosts missing",
     {{.name = "S", .enabled = true, .spaces = rules_everything, .space_count = 1}},
     {{.name = NULL}},
     1,
     0,
     "smart_hosts: needed"},
    {"smart hosts and DNS",
     {{.name = "S",
       .enabled = true,
       .spaces = rules_everything,
       .space_count = 1,
       .smart_hosts = host,
       .smart_host_count = 1,
       .dns_routing_enabled = true}},
     {{.name = NULL}},
     1,
     0,
     "dns_routing_enabled must be false"},
    {"bad_spaces smart hosts",
     {{.name = "S",
       .enabled = true,
       .spaces = rules_everything,
       .space_count = 1,
       .smart_hosts = bad_host,
       .smart_host_count = 5}},
     {{.name = NULL}},
     5,
     0,
     "\"[192.0.2]\" is neither"},
    {"RequireTLS and IgnoreSTARTTLS",
     {{.name = "S",
       .enabled = true,
       .spaces = rules_everything,
       .space_count = 1,
       .dns_routing_enabled = true,
       .require_tls = true,
       .ignore_starttls = true}},
     {{.name = NULL}},
     1,
     0,
     "ignore_starttls = false"},
    {"bad_spaces domain",
     {RULES_SEND("S", rules_everything, 1)},
     {{.name = "*contoso_spaces.com", .origin = "t.conf:70"}},
     1,
     0,
     "t.conf:70: accepted domain \"*contoso_spaces.com\""},
    {"domain twice",
     {RULES_SEND("S", rules_everything, 1)},
     {{.name = "a.example", .origin = "t.conf:70"}, {.name = "A.example", .origin = "t.conf:71"}},
     1,
     0,
     "t.conf:71: accepted domain \"A.example\": the name is taken, at t.conf:70"},
    {"domain twice but for a dot",
     {RULES_SEND("S", rules_everything, 1)},
     {{.name = "a.example", .origin = "t.conf:70"}, {.name = "a.example.", .origin = "t.conf:71"}},
     1,
     0,
     "t.conf:71"},
    {"two defaults",
     {RULES_SEND("S", rules_everything, 1)},
     {{.name = "a.example", .origin = "t.conf:70", .is_default = true},
      {.name = "b.example", .origin = "t.conf:71", .is_default = true}},
     1,
     0,
     "t.conf:71: accepted domain \"b.example\": default"},
    {"a wildcard as default",
     {RULES_SEND("S", rules_everything, 1)},
     {{.name = "*.a.example", .origin = "t.conf:70", .is_default = true}},
     1,
     0,
     "a wildcard cannot be the default"},
    {"a whole top-level domain",
     {RULES_SEND("S", rules_everything, 1)},
     {{.name = "*.com", .origin = "t.conf:70"}},
     0,
     1,
     "whole top-level domain"},
    {"relay domain without a way",
     {RULES_SEND("S", contoso_spaces, 1)},
     {{.name = "a.example", .origin = "t.conf:70", .type = DOMAIN_INTERNAL_RELAY},
      {.name = "contoso_spaces.com", .origin = "t.conf:71", .type = DOMAIN_EXTERNAL_RELAY}},
     0,
     1,
     "t.conf:70: warning: accepted domain \"a.example\": InternalRelay without"},
    {"authoritative domain without a way",
     {RULES_SEND("S", contoso_spaces, 1)},
     {{.name = "a.example", .origin = "t.conf:70"},
      {.name = "contoso_spaces.com", .origin = "t.conf:71"}},
     0,
     1,
     "t.conf:70: warning: accepted domain \"a.example\": Authoritative without"},
    {"relay wildcard with a way",
     {RULES_SEND("S", branch, 1)},
     {{.name = "*.branch.example", .origin = "t.conf:70", .type = DOMAIN_INTERNAL_RELAY}},
     0,
     0,
     ""},
    {"relay wildcard without",
     {RULES_SEND("S", contoso_spaces, 1)},
     {{.name = "*.branch.example", .origin = "t.conf:70", .type = DOMAIN_INTERNAL_RELAY}},
     0,
     1,
     "\"*.branch.example\": InternalRelay"},
};

static void test_settings_checks(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(settings_rows); i++) {
        struct rules r;
        unit_row(settings_rows[i].name);
        rules_start(&r, &plain_connector, 1);
        r.settings.send = settings_rows[i].send;
        while (r.settings.send_count < 2 && settings_rows[i].send[r.settings.send_count].name)
            r.settings.send_count++;
        r.settings.domains = settings_rows[i].domains;
        while (r.settings.domain_count < 2 &&
               settings_rows[i].domains[r.settings.domain_count].name)
            r.settings.domain_count++;
        CHECK_U64(rules_build(&r), settings_rows[i].faults ? ERR_SYNTAX : ERR_OK);
        CHECK_U64(r.faults, settings_rows[i].faults);
        CHECK_U64(r.warnings, settings_rows[i].warnings);
        if (!CHECK(strstr(r.text, settings_rows[i].says)))
            printf("%s", r.text);
        ruleset_free(&r.set);
    }
}

static void test_names_twice(void)
{
    static const struct rules_connector three[] = {
        {.name = "Same", .bindings = {P25}, .ranges = {"10.0.0.1"}, .groups = ANON, .auth = TLS},
        {.name = "Other", .bindings = {P25}, .ranges = {"10.0.0.2"}, .groups = ANON, .auth = TLS},
        {.name = "SAME", .bindings = {P25}, .ranges = {"10.0.0.3"}, .groups = ANON, .auth = TLS},
    };
    struct rules r;
    rules_start_routed(&r, three, 3);
    CHECK(rules_build(&r) == ERR_SYNTAX);
    CHECK_STR(r.text, "t.conf:30: receive connector \"SAME\": the name is taken, at t.conf:10\n");
    rules_start_routed(&r, three, 3);
    CHECK(ruleset_build(&r.settings, NULL, NULL, &r.set) == ERR_SYNTAX);
}

static void test_open_relay_of_several(void)
{
    static const struct rules_connector halves[] = {
        {.name = "A",
         .bindings = {P25},
         .ranges = {"0.0.0.0/1"},
         .groups = ANON,
         .auth = TLS,
         .permissions = ALLOW_RELAY},
        {.name = "B",
         .bindings = {P25},
         .ranges = {"128.0.0.0/1"},
         .groups = ANON,
         .auth = TLS,
         .permissions = ALLOW_RELAY},
        {.name = "C", .bindings = {P25}, .ranges = {"10.0.0.1"}, .groups = ANON, .auth = TLS},
    };
    struct rules r;
    rules_start_routed(&r, halves, 3);
    CHECK(rules_build(&r) == ERR_SYNTAX);
    CHECK_U64(r.faults, 1);
    CHECK(strstr(r.text, "t.conf:20: receive connector \"B\": with the others"));
    unit_row("one of them on purpose");
    rules_start_routed(&r, halves, 3);
    r.receive[0].open_relay = true;
    CHECK(rules_build(&r) == ERR_OK);
    ruleset_free(&r.set);
    unit_row("one of them is disabled");
    rules_start_routed(&r, halves, 3);
    r.receive[0].enabled = false;
    CHECK(rules_build(&r) == ERR_OK);
    ruleset_free(&r.set);
}

UNIT_MAIN("policy/ruleset_check", {"open relay of several", test_open_relay_of_several},
          {"receive checks", test_receive_checks}, {"settings checks", test_settings_checks},
          {"names twice", test_names_twice})
