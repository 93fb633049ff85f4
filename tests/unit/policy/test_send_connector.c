/* policy/send_connector: send rights, address space parse, selection, nothing matches, order is
 * irrelevant. */
#include "policy/send_connector.h"

#include "unit.h"

static void test_address_space_parse(void)
{
    static const struct {
        const char *text;
        const char *space; /* NULL: refused */
        unsigned cost;
    } rows[] = {
        {"*", "*", 1},
        {"*;10", "*", 10},
        {"contoso.com", "contoso.com", 1},
        {"SMTP:contoso.com;1", "contoso.com", 1},
        {"smtp:*.contoso.com;100", "*.contoso.com", 100},
        {" contoso.com ; 5 ", "contoso.com", 5},
        {"*.com", "*.com", 1},
        {"--", "--", 1},
        {"--;3", "--", 3},
        {"*contoso.com", NULL, 0},
        {"contoso.*", NULL, 0},
        {"contoso.com;0", NULL, 0},
        {"contoso.com;101", NULL, 0},
        {"contoso.com;", NULL, 0},
        {"contoso.com;x", NULL, 0},
        {"X400:c=us;1", NULL, 0},
        {"", NULL, 0},
        {";5", NULL, 0},
        {"---", "---", 1}, /* hyphens are legal in a label */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bytes space = BYTES_EMPTY;
        unsigned cost = 0;
        struct err_detail why = {""};
        unit_row(rows[i].text);
        enum err e = address_space_parse(bytes_of(rows[i].text), &space, &cost, &why);
        CHECK_U64(e, rows[i].space ? ERR_OK : ERR_SYNTAX);
        if (rows[i].space) {
            CHECK_BYTES(space, bytes_of(rows[i].space));
            CHECK_U64(cost, rows[i].cost);
        } else {
            CHECK(why.text[0] != '\0');
        }
    }
}

#define CONNECTOR(n, on, max, ...)                                                                 \
    {                                                                                              \
        .name = (n), .enabled = (on), .max_message_size_bytes = (max),                             \
        .spaces = (const struct address_space[]){__VA_ARGS__},                                     \
        .space_count =                                                                             \
            sizeof((const struct address_space[]){__VA_ARGS__}) / sizeof(struct address_space)     \
    }
#define NO_LIMIT UINT64_MAX

static const struct send_connector connectors[] = {
    CONNECTOR("internet", true, 1000, {"*", 10}),
    CONNECTOR("contoso exact", true, NO_LIMIT, {"contoso.com", 50}),
    CONNECTOR("contoso tree", true, NO_LIMIT, {"*.contoso.com", 1}, {"*.fabrikam.com", 1}),
    CONNECTOR("contoso eu", true, NO_LIMIT, {"*.eu.contoso.com", 99}),
    CONNECTOR("b dear", true, NO_LIMIT, {"cost.example", 20}),
    CONNECTOR("a cheap", true, NO_LIMIT, {"cost.example", 5}),
    CONNECTOR("Zed", true, NO_LIMIT, {"name.example", 5}),
    CONNECTOR("alpha", true, NO_LIMIT, {"name.example", 5}),
    CONNECTOR("off", false, NO_LIMIT, {"off.example", 1}),
    CONNECTOR("inbound", true, NO_LIMIT, {"--", 1}),
    CONNECTOR("branch", true, NO_LIMIT, {"*.branch.example", 1}),
    CONNECTOR("tiny", true, 10, {"tiny.example", 1}),
};

static const struct accepted_domain domains[] = {
    {.name = "ours.example", .origin = ""},
    {.name = "*.branch.example", .origin = ""},
    {.name = "*.deep.eu.contoso.com", .origin = ""},
    {.name = "tree.example", .origin = "", .match_subdomains = true},
    {.name = "fabrikam.com", .origin = ""},
};

static void test_selection(void)
{
    static const struct {
        const char *name, *domain;
        uint64_t octets;
        const char *connector; /* NULL: none */
        bool too_big;
    } rows[] = {
        {"everything", "elsewhere.example", 0, "internet", false},
        {"exact over tree, whatever the cost", "contoso.com", 0, "contoso exact", false},
        {"case and final dot", "CONTOSO.com.", 0, "contoso exact", false},
        {"subdomain", "a.contoso.com", 0, "contoso tree", false},
        {"longest suffix", "a.eu.contoso.com", 0, "contoso eu", false},
        {"tree covers its root", "eu.contoso.com", 0, "contoso eu", false},
        {"cost", "cost.example", 0, "a cheap", false},
        {"name, without case", "name.example", 0, "alpha", false},
        {"disabled", "off.example", 0, "internet", false},
        {"accepted domain by --", "ours.example", 0, "inbound", false},
        {"-- holds below MatchSubDomains", "x.tree.example", 0, "inbound", false},
        {"the accepted domain's own space over --", "x.branch.example", 0, "branch", false},
        {"-- over a wider space", "x.deep.eu.contoso.com", 0, "inbound", false},
        {"-- over a tree that covers its root", "fabrikam.com", 0, "inbound", false},
        {"not accepted, so not --", "x.ours.example", 0, "internet", false},
        {"literal", "[192.0.2.1]", 0, "internet", false},
        {"within the limit", "elsewhere.example", 1000, "internet", false},
        {"beyond the limit", "elsewhere.example", 1001, NULL, true},
        {"the next best when size excludes", "tiny.example", 11, "internet", false},
        {"all excluded by size", "tiny.example", 5000, NULL, true},
    };
    struct domain_set *set;
    CHECK(domain_set_build(domains, ARRAY_SIZE(domains), &set, NULL) == ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct send_choice r = send_connector_find(connectors, ARRAY_SIZE(connectors), set,
                                                   bytes_of(rows[i].domain), rows[i].octets);
        CHECK_STR(r.connector ? r.connector->name : "(none)",
                  rows[i].connector ? rows[i].connector : "(none)");
        CHECK(r.too_big == rows[i].too_big);
        CHECK(!r.space == !r.connector);
    }
    domain_set_free(&set);
}

static void test_nothing_matches(void)
{
    struct send_choice r = send_connector_find(connectors + 1, ARRAY_SIZE(connectors) - 1, NULL,
                                               BYTES("elsewhere.example"), 0);
    CHECK(!r.connector && !r.too_big);
    r = send_connector_find(NULL, 0, NULL, BYTES("elsewhere.example"), 0);
    CHECK(!r.connector && !r.too_big);
}

/* The order in the file must not matter. */
static void test_order_is_irrelevant(void)
{
    struct send_connector reversed[ARRAY_SIZE(connectors)];
    size_t count = ARRAY_SIZE(connectors);
    for (size_t i = 0; i < count; i++)
        reversed[i] = connectors[count - 1 - i];
    static const char *const asked[] = {"name.example", "cost.example", "contoso.com", "x.example"};
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        unit_row(asked[i]);
        struct send_choice a = send_connector_find(connectors, count, NULL, bytes_of(asked[i]), 0);
        struct send_choice b = send_connector_find(reversed, count, NULL, bytes_of(asked[i]), 0);
        CHECK_STR(a.connector->name, b.connector->name);
    }
}

static const struct rights_entry see_all[] = {
    {RIGHTS_ANONYMOUS, NULL, RIGHTS_SEND_HEADERS_ORGANIZATION | RIGHTS_SEND_HEADERS_FOREST, 0}};
static const struct rights_entry see_nothing[] = {
    {RIGHTS_ANONYMOUS, NULL, RIGHTS_SEND_HEADERS_ROUTING, RIGHTS_SEND_HEADERS_ROUTING}};

static const struct send_rights_row {
    const char *name;
    bool secured, mx;
    const struct rights_entry *entry;
    enum rights_principal principal;
    rights_mask rights;
} send_rights_rows[] = {
    {"anonymous", false, false, NULL, RIGHTS_ANONYMOUS, RIGHTS_SEND_HEADERS_ROUTING},
    {"by MX", false, true, NULL, RIGHTS_ANONYMOUS, RIGHTS_SEND_HEADERS_ROUTING},
    {"secured", true, false, NULL, RIGHTS_EXTERNALLY_SECURED_SERVERS,
     RIGHTS_SEND_HEADERS_ROUTING | RIGHTS_SEND_EXCH50},
    {"no smart host is trusted by MX", true, true, NULL, RIGHTS_ANONYMOUS,
     RIGHTS_SEND_HEADERS_ROUTING},
    {"allowed", false, false, see_all, RIGHTS_ANONYMOUS,
     RIGHTS_SEND_HEADERS_ROUTING | RIGHTS_SEND_HEADERS_ORGANIZATION | RIGHTS_SEND_HEADERS_FOREST},
    {"denied", false, false, see_nothing, RIGHTS_ANONYMOUS, 0},
    {"denied to somebody else", true, false, see_nothing, RIGHTS_EXTERNALLY_SECURED_SERVERS,
     RIGHTS_SEND_HEADERS_ROUTING | RIGHTS_SEND_EXCH50},
};

static void test_send_rights(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(send_rights_rows); i++) {
        const struct send_rights_row *row = &send_rights_rows[i];
        struct send_connector c = {.enabled = true};
        unit_row(row->name);
        c.dns_routing_enabled = row->mx;
        c.externally_secured = row->secured;
        c.permissions = row->entry;
        c.permission_count = row->entry ? 1 : 0;
        CHECK_U64(send_connector_principal(&c), row->principal);
        CHECK_U64(send_connector_rights(&c), row->rights);
    }
}

UNIT_MAIN("policy/send_connector", {"send rights", test_send_rights},
          {"address space parse", test_address_space_parse}, {"selection", test_selection},
          {"nothing matches", test_nothing_matches},
          {"order is irrelevant", test_order_is_irrelevant}, )
