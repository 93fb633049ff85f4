#include "policy/header_firewall.h"

#include "unit.h"

#define ALL          (HEADER_FIREWALL_ORGANIZATION | HEADER_FIREWALL_FOREST | HEADER_FIREWALL_ROUTING)
#define TRUSTED_ONLY (HEADER_FIREWALL_ORGANIZATION | HEADER_FIREWALL_FOREST)

static const struct class_row {
    const char *name;
    unsigned class;
} class_rows[] = {
    {"Received", HEADER_FIREWALL_ROUTING},
    {"RECEIVED", HEADER_FIREWALL_ROUTING},
    {"Received-SPF", 0},
    {"X-Received", 0},
    {"Receive", 0},
    {"Resent-Date", HEADER_FIREWALL_ROUTING},
    {"resent-from", HEADER_FIREWALL_ROUTING},
    {"Resent-Message-ID", HEADER_FIREWALL_ROUTING},
    {"Resent-Reply-To", HEADER_FIREWALL_ROUTING},
    {"Resent", 0},
    {"References", 0},
    {"X-MS-Exchange-Organization-AuthAs", HEADER_FIREWALL_ORGANIZATION},
    {"x-ms-exchange-organization-scl", HEADER_FIREWALL_ORGANIZATION},
    {"X-MS-Exchange-Organization-", HEADER_FIREWALL_ORGANIZATION},
    {"X-MS-Exchange-Organization", 0},
    {"X-MS-Exchange-Forest-RulesExecuted", HEADER_FIREWALL_FOREST},
    {"X-MS-EXCHANGE-FOREST-X", HEADER_FIREWALL_FOREST},
    {"X-MS-Exchange-CrossPremises-AuthAs", 0},
    {"X-MS-Has-Attach", 0},
    {"X-MS-TNEF-Correlator", 0},
    {"From", 0},
    {"", 0},
};

static void test_classes(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(class_rows); i++) {
        unit_row(class_rows[i].name);
        CHECK_U64(header_firewall_class(bytes_of(class_rows[i].name)), class_rows[i].class);
        for (unsigned classes = 0; classes <= ALL; classes++)
            CHECK(header_firewall_strips(classes, bytes_of(class_rows[i].name)) ==
                  ((classes & class_rows[i].class) != 0));
    }
}

/* Who brings mail, by permission group, and what he loses. */
static const struct receive_row {
    const char *name;
    unsigned groups;
    enum rights_principal principal;
    unsigned stripped;
} receive_rows[] = {
    {"Internet: anonymous", RIGHTS_GROUP_ANONYMOUS_USERS, RIGHTS_ANONYMOUS, TRUSTED_ONLY},
    {"Client: users", RIGHTS_GROUP_EXCHANGE_USERS, RIGHTS_AUTHENTICATED_USERS, TRUSTED_ONLY},
    {"externally secured", RIGHTS_GROUP_EXCHANGE_SERVERS, RIGHTS_EXTERNALLY_SECURED_SERVERS,
     TRUSTED_ONLY},
    {"legacy servers", RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS, RIGHTS_LEGACY_SERVERS, TRUSTED_ONLY},
    {"partners", RIGHTS_GROUP_PARTNERS, RIGHTS_PARTNER_SERVERS, TRUSTED_ONLY},
    {"Internal: servers", RIGHTS_GROUP_EXCHANGE_SERVERS, RIGHTS_EXCHANGE_SERVERS, 0},
    {"Custom without a group", 0, RIGHTS_ANONYMOUS, ALL},
};

static void test_receive(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(receive_rows); i++) {
        const struct receive_row *row = &receive_rows[i];
        unit_row(row->name);
        CHECK_U64(header_firewall_on_receive(rights_of_groups(row->groups, row->principal)),
                  row->stripped);
    }
}

static const struct mask_row {
    const char *name;
    rights_mask rights;
    unsigned on_receive, on_send;
} mask_rows[] = {
    {"none", 0, ALL, ALL},
    {"accept routing", RIGHTS_ACCEPT_HEADERS_ROUTING, TRUSTED_ONLY, ALL},
    {"accept organization", RIGHTS_ACCEPT_HEADERS_ORGANIZATION,
     HEADER_FIREWALL_FOREST | HEADER_FIREWALL_ROUTING, ALL},
    {"accept forest", RIGHTS_ACCEPT_HEADERS_FOREST,
     HEADER_FIREWALL_ORGANIZATION | HEADER_FIREWALL_ROUTING, ALL},
    {"send routing", RIGHTS_SEND_HEADERS_ROUTING, ALL, TRUSTED_ONLY},
    {"send organization", RIGHTS_SEND_HEADERS_ORGANIZATION, ALL,
     HEADER_FIREWALL_FOREST | HEADER_FIREWALL_ROUTING},
    {"send forest", RIGHTS_SEND_HEADERS_FOREST, ALL,
     HEADER_FIREWALL_ORGANIZATION | HEADER_FIREWALL_ROUTING},
    {"every right", (1u << RIGHTS_COUNT) - 1, 0, 0},
};

static void test_masks(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(mask_rows); i++) {
        unit_row(mask_rows[i].name);
        CHECK_U64(header_firewall_on_receive(mask_rows[i].rights), mask_rows[i].on_receive);
        CHECK_U64(header_firewall_on_send(mask_rows[i].rights), mask_rows[i].on_send);
    }
}

static const struct stamp_row {
    const char *name;
    enum rights_principal principal;
    rights_mask rights;
    const char *auth_as, *mechanism;
} stamp_rows[] = {
    {"anonymous", RIGHTS_ANONYMOUS, RIGHTS_SUBMIT, "Anonymous", "00"},
    {"anonymous is never internal", RIGHTS_ANONYMOUS, RIGHTS_ACCEPT_AUTHENTICATION_FLAG,
     "Anonymous", "00"},
    {"logged on", RIGHTS_AUTHENTICATED_USERS, RIGHTS_ACCEPT_AUTHENTICATION_FLAG, "Internal", "02"},
    {"a named user", RIGHTS_USER, RIGHTS_ACCEPT_AUTHENTICATION_FLAG, "Internal", "02"},
    {"logged on without the flag", RIGHTS_AUTHENTICATED_USERS, RIGHTS_SUBMIT, "Anonymous", "02"},
    {"externally secured", RIGHTS_EXTERNALLY_SECURED_SERVERS, RIGHTS_ACCEPT_AUTHENTICATION_FLAG,
     "Internal", "0A"},
    {"partner", RIGHTS_PARTNER_SERVERS, RIGHTS_SUBMIT, "Partner", "06"},
    {"server", RIGHTS_EXCHANGE_SERVERS, RIGHTS_ACCEPT_AUTHENTICATION_FLAG, "Internal", "06"},
};

static void test_stamps(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(stamp_rows); i++) {
        const struct stamp_row *row = &stamp_rows[i];
        unit_row(row->name);
        CHECK_STR(header_firewall_auth_as(row->principal, row->rights), row->auth_as);
        CHECK_STR(header_firewall_auth_mechanism(row->principal), row->mechanism);
    }
}

UNIT_MAIN("policy/header_firewall", {"classes", test_classes}, {"receive", test_receive},
          {"masks", test_masks}, {"stamps", test_stamps})
