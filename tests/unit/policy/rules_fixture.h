/* Settings for the tests of rules: plain static tables, no file. */
#ifndef TESTS_RULES_FIXTURE_H
#define TESTS_RULES_FIXTURE_H

#include "policy/ruleset.h"

#include "unit.h"

#define RULES_RANGES_MAX 8

/* One receive connector in a row of a table. */
struct rules_connector {
    const char *name;
    const char *bindings[3];
    const char *ranges[RULES_RANGES_MAX];
    unsigned groups, auth;
    struct rights_entry permissions[3];
    bool disabled, open_relay, require_tls;
};

#define RULES_MAX 6

struct rules {
    struct receive_connector receive[RULES_MAX];
    struct endpoint bindings[RULES_MAX][3];
    struct receive_connector_range ranges[RULES_MAX][RULES_RANGES_MAX];
    char origins[RULES_MAX][RULES_RANGES_MAX + 1][24];
    struct ruleset_settings settings;
    char text[8192]; /* every report, "where: [warning: ]text\n" */
    size_t faults, warnings;
    struct ruleset *set;
};

void rules_start(struct rules *r, const struct rules_connector *connectors, size_t count);

void rules_report(void *owner, const struct ruleset_fault *fault);

enum err rules_build(struct rules *r);

#define RULES_SEND(n, spaces_, count_)                                                             \
    {                                                                                              \
        .name = (n), .origin = "t.conf:90", .enabled = true, .spaces = (spaces_),                  \
        .space_count = (count_), .dns_routing_enabled = true, .max_message_size_bytes = UINT64_MAX \
    }

/* Short words for the columns of tables. */
#define ANON    RIGHTS_GROUP_ANONYMOUS_USERS
#define USERS   RIGHTS_GROUP_EXCHANGE_USERS
#define SERVERS RIGHTS_GROUP_EXCHANGE_SERVERS
#define TLS     RECEIVE_AUTH_TLS
#define BASIC   RECEIVE_AUTH_BASIC
#define BASICTL RECEIVE_AUTH_BASIC_REQUIRE_TLS
#define EXT     RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE
#define ALLOW_RELAY                                                                                \
    {                                                                                              \
        {                                                                                          \
            RIGHTS_ANONYMOUS, NULL, RIGHTS_ACCEPT_ANY_RECIPIENT, 0                                 \
        }                                                                                          \
    }
#define ALL4 "0.0.0.0-255.255.255.255"
#define P25  "0.0.0.0:25"

extern const struct address_space rules_everything[];

/* With one send connector for everything, so that nothing is said about routes. */
void rules_start_routed(struct rules *r, const struct rules_connector *connectors, size_t count);

#endif
