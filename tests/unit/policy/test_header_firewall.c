/* policy/header_firewall: receive, masks, stamps. */
#include "policy/header_firewall.h"

#include "unit.h"

#define ALL          (HEADER_CLASS_ORGANIZATION | HEADER_CLASS_FOREST | HEADER_CLASS_ROUTING)
#define TRUSTED_ONLY (HEADER_CLASS_ORGANIZATION | HEADER_CLASS_FOREST)

/* What is removed from mail, by the permission group of its sender. */
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
     HEADER_CLASS_FOREST | HEADER_CLASS_ROUTING, ALL},
    {"accept forest", RIGHTS_ACCEPT_HEADERS_FOREST,
     HEADER_CLASS_ORGANIZATION | HEADER_CLASS_ROUTING, ALL},
    {"send routing", RIGHTS_SEND_HEADERS_ROUTING, ALL, TRUSTED_ONLY},
    {"send organization", RIGHTS_SEND_HEADERS_ORGANIZATION, ALL,
     HEADER_CLASS_FOREST | HEADER_CLASS_ROUTING},
    {"send forest", RIGHTS_SEND_HEADERS_FOREST, ALL,
     HEADER_CLASS_ORGANIZATION | HEADER_CLASS_ROUTING},
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

UNIT_MAIN("policy/header_firewall", {"receive", test_receive}, {"masks", test_masks},
          {"stamps", test_stamps})
