/* The sender that a reader sees: the header's From. */
#include "policy/decide.h"

#include "rules_fixture.h"

#define AS RIGHTS_ACCEPT_ANY_SENDER
#define AD RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER
#define SU RIGHTS_SUBMIT

#define NOT_THIS_SENDER "550 5.7.1 Client does not have permissions to send as this sender"
#define NOT_ANONYMOUS   "550 5.7.1 Anonymous client does not have permissions to send as this sender"

static const struct rules_connector connectors[] = {
    {.name = "A", .bindings = {"0.0.0.0:25"}, .ranges = {"10.0.0.0/8"}, .groups = 1, .auth = 1}};
static const struct accepted_domain domains[] = {
    {.name = "ours.example", .type = DOMAIN_AUTHORITATIVE, .is_default = true},
    {.name = "branch.example", .type = DOMAIN_INTERNAL_RELAY},
};

static const struct {
    const char *name;
    rights_mask rights;
    enum rights_principal principal;
    const char *from;
    bool entitled, hidden;
    const char *reply; /* NULL: accepted */
    rights_mask missing;
} from_rows[] = {
    {"anonymous, elsewhere", SU | AS, RIGHTS_ANONYMOUS, "a@x.example", 0, 0, NULL, 0},
    {"anonymous, our domain", SU | AS, RIGHTS_ANONYMOUS, "a@ours.example", 0, 0, NOT_ANONYMOUS, AD},
    {"anonymous, our domain, any case", SU | AS, RIGHTS_ANONYMOUS, "a@OURS.example.", 0, 0,
     NOT_ANONYMOUS, AD},
    {"anonymous with the right", SU | AS | AD, RIGHTS_ANONYMOUS, "a@ours.example", 0, 0, NULL, 0},
    {"anonymous, a domain that is not ours to speak for", SU | AS, RIGHTS_ANONYMOUS,
     "a@branch.example", 0, 0, NULL, 0},
    {"anonymous without any sender: a report", SU, RIGHTS_ANONYMOUS, "a@x.example", 0, 0, NULL, 0},
    {"anonymous, nothing readable", SU | AS, RIGHTS_ANONYMOUS, "", 0, 0, NULL, 0},
    {"anonymous, too long to read", SU | AS, RIGHTS_ANONYMOUS, "", 0, true, NOT_THIS_SENDER, AS},
    {"user, his own", SU, RIGHTS_AUTHENTICATED_USERS, "a@ours.example", true, 0, NULL, 0},
    {"user, another's", SU, RIGHTS_AUTHENTICATED_USERS, "b@ours.example", 0, 0, NOT_THIS_SENDER,
     AS},
    {"user, elsewhere", SU, RIGHTS_AUTHENTICATED_USERS, "b@x.example", 0, 0, NOT_THIS_SENDER, AS},
    {"user, nothing readable", SU, RIGHTS_AUTHENTICATED_USERS, "", 0, 0, NOT_THIS_SENDER, AS},
    {"user with any sender", SU | AS | AD, RIGHTS_AUTHENTICATED_USERS, "b@ours.example", 0, 0, NULL,
     0},
    {"user with any sender but ours", SU | AS, RIGHTS_AUTHENTICATED_USERS, "b@ours.example", 0, 0,
     NOT_THIS_SENDER, AD},
    {"user with any sender but ours, and his own", SU | AS, RIGHTS_AUTHENTICATED_USERS,
     "a@ours.example", true, 0, NULL, 0},
};

static void test_from(void)
{
    struct rules r;
    rules_start(&r, connectors, ARRAY_SIZE(connectors));
    r.settings.domains = domains;
    r.settings.domain_count = ARRAY_SIZE(domains);
    CHECK(rules_build(&r) == ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(from_rows); i++) {
        char reply[200];
        struct decide_facts facts = {
            .rights = from_rows[i].rights,
            .principal = from_rows[i].principal,
            .sender = bytes_of(from_rows[i].from),
            .sender_domain = mail_domain(bytes_of(from_rows[i].from)),
            .sender_entitled = from_rows[i].entitled,
            .sender_hidden = from_rows[i].hidden,
        };
        unit_row(from_rows[i].name);
        struct decide_verdict v = decide(DECIDE_FROM, &facts, r.set);
        CHECK(v.accepted == !from_rows[i].reply && v.reason);
        if (!v.accepted)
            CHECK_STR(mail_status_format(&v.status, reply, sizeof reply), from_rows[i].reply);
        CHECK_U64(v.missing, from_rows[i].missing);
        CHECK(v.accepted || decide_from_matters(from_rows[i].rights));
    }
    ruleset_free(&r.set);
}

static void test_rights_of_user(void)
{
    static const struct rules_connector with_users[] = {
        {.name = "Clients",
         .bindings = {"0.0.0.0:587"},
         .ranges = {"10.0.0.0/8"},
         .groups = RIGHTS_GROUP_ANONYMOUS_USERS | RIGHTS_GROUP_EXCHANGE_USERS,
         .auth = RECEIVE_AUTH_TLS | RECEIVE_AUTH_BASIC,
         .permissions = {{RIGHTS_USER, "ann", AS, 0},
                         {RIGHTS_GROUP, "Apps", RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT, 0},
                         {RIGHTS_GROUP, "guests", 0, RIGHTS_ACCEPT_ANY_RECIPIENT}}}};
    static const char *const groups[] = {"apps", "guests"};
    static const rights_mask users =
        SU | RIGHTS_ACCEPT_ANY_RECIPIENT | RIGHTS_ACCEPT_HEADERS_ROUTING | RIGHTS_BYPASS_ANTI_SPAM;
    static const struct {
        struct account account;
        rights_mask wanted;
    } rows[] = {
        {{.name = "bob"}, users}, /* AS and AD of Anonymous are lost */
        {{.name = "Ann"}, users | AS},
        {{.name = "carl", .groups = groups, .group_count = 1},
         users | RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT},
        {{.name = "dora", .groups = groups, .group_count = 2},
         (users | RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT) & ~(rights_mask)RIGHTS_ACCEPT_ANY_RECIPIENT},
    };
    struct rules r;
    uint32_t index = 7;
    rules_start(&r, with_users, ARRAY_SIZE(with_users));
    CHECK(rules_build(&r) == ERR_OK);
    CHECK(ruleset_connector_find(r.set, BYTES("Clients"), &index) && index == 0);
    CHECK(!ruleset_connector_find(r.set, BYTES("clients"), &index));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].account.name);
        CHECK_U64(ruleset_rights_of_user(r.set, 0, &rows[i].account), rows[i].wanted);
    }
    ruleset_free(&r.set);
}

UNIT_MAIN("policy/decide, From", {"the header's sender", test_from},
          {"rights after a logon", test_rights_of_user})
