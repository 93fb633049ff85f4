/* policy/rights: names parse back, spellings of rights, short format, groups, preset table,
 * principals, precedence, several identities, sources. */
#include "policy/rights.h"

#include <stdio.h>

#include "unit.h"

static void test_names_parse_back(void)
{
    for (unsigned i = 0; i < RIGHTS_COUNT; i++) {
        enum rights_right right = (enum rights_right)(1u << i), parsed;
        const char *name = rights_name(right);
        unit_row(name);
        CHECK(rights_parse(bytes_of(name), &parsed) == ERR_OK);
        CHECK_U64(parsed, right);
        CHECK(bytes_starts_nocase(bytes_of(name), BYTES("ms-Exch-")));
    }
    CHECK_STR(rights_name((enum rights_right)(1u << RIGHTS_COUNT)), "");
}

static void test_spellings_of_rights(void)
{
    static const struct {
        const char *text;
        unsigned right; /* 0: refused */
    } rows[] = {
        {"ms-Exch-SMTP-Accept-Any-Recipient", RIGHTS_ACCEPT_ANY_RECIPIENT},
        {"MS-Exch-SMTP-Accept-Any-Recipient", RIGHTS_ACCEPT_ANY_RECIPIENT},
        {"Ms-Exch-smtp-accept-any-RECIPIENT", RIGHTS_ACCEPT_ANY_RECIPIENT},
        {"SMTP-Accept-Any-Recipient", RIGHTS_ACCEPT_ANY_RECIPIENT},
        {"Accept-Any-Recipient", RIGHTS_ACCEPT_ANY_RECIPIENT},
        {"ms-exch-accept-any-sender", RIGHTS_ACCEPT_ANY_SENDER},
        {"  Submit  ", RIGHTS_SUBMIT},
        {"Accept-Headers-Routing", RIGHTS_ACCEPT_HEADERS_ROUTING},
        {"Bypass-Anti-Spam", RIGHTS_BYPASS_ANTI_SPAM},
        {"SMTPAcceptAnySender", RIGHTS_ACCEPT_ANY_SENDER},
        {"AcceptRoutingHeaders", RIGHTS_ACCEPT_HEADERS_ROUTING},
        {"Send-Exch50", RIGHTS_SEND_EXCH50},
        {"", 0},
        {"ms-Exch-", 0},
        {"ms-Exch-SMTP-", 0},
        {"Accept-Any-Recipients", 0},
        {"Accept-Any", 0},
        {"All", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum rights_right right = (enum rights_right)0;
        unit_row(rows[i].text);
        enum err e = rights_parse(bytes_of(rows[i].text), &right);
        CHECK_U64(e, rows[i].right ? ERR_OK : ERR_SYNTAX);
        CHECK_U64(right, rows[i].right);
    }
}

static void test_short_format(void)
{
    char text[512], small[10];
    rights_mask anonymous = rights_of_groups(RIGHTS_GROUP_ANONYMOUS_USERS, RIGHTS_ANONYMOUS);
    CHECK_STR(rights_format_short(anonymous, text, sizeof text),
              "SMTPSubmit SMTPAcceptAnySender SMTPAcceptAuthoritativeDomainSender "
              "AcceptRoutingHeaders");
    CHECK_STR(rights_format_short(0, text, sizeof text), "");
    CHECK_STR(rights_format_short(RIGHTS_SUBMIT | RIGHTS_BYPASS_ANTI_SPAM, small, sizeof small),
              "SMTPSubmi");
    rights_mask all = (1u << RIGHTS_COUNT) - 1;
    CHECK(strlen(rights_format_short(all, text, sizeof text)) < sizeof text - 1);
}

static void test_groups(void)
{
    static const struct {
        const char *text;
        enum err e;
        unsigned group;
    } rows[] = {
        {"AnonymousUsers", ERR_OK, RIGHTS_GROUP_ANONYMOUS_USERS},
        {"exchangeusers", ERR_OK, RIGHTS_GROUP_EXCHANGE_USERS},
        {" ExchangeServers ", ERR_OK, RIGHTS_GROUP_EXCHANGE_SERVERS},
        {"ExchangeLegacyServers", ERR_OK, RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS},
        {"Partners", ERR_OK, RIGHTS_GROUP_PARTNERS},
        {"Custom", ERR_OK, RIGHTS_GROUP_CUSTOM},
        {"None", ERR_OK, 0},
        {"Anonymous", ERR_SYNTAX, 99},
        {"", ERR_SYNTAX, 99},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct choice *found = choice_find(RIGHTS_GROUPS, bytes_of(rows[i].text));
        unit_row(rows[i].text);
        CHECK(!found == (rows[i].e != ERR_OK));
        CHECK_U64(found ? found->value : 99, rows[i].group);
    }
    CHECK_STR(choice_name(RIGHTS_GROUPS, RIGHTS_GROUP_PARTNERS), "Partners");
    CHECK_STR(choice_name(RIGHTS_GROUPS, 0), "None");
}

/* The columns of Exchange's table of permission groups. */
#define S   RIGHTS_SUBMIT
#define AR  RIGHTS_ACCEPT_ANY_RECIPIENT
#define AS  RIGHTS_ACCEPT_ANY_SENDER
#define AD  RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER
#define AF  RIGHTS_ACCEPT_AUTHENTICATION_FLAG
#define R   RIGHTS_ACCEPT_HEADERS_ROUTING
#define O   RIGHTS_ACCEPT_HEADERS_ORGANIZATION
#define F   RIGHTS_ACCEPT_HEADERS_FOREST
#define X50 RIGHTS_ACCEPT_EXCH50
#define BS  RIGHTS_BYPASS_ANTI_SPAM
#define BL  RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT

static void test_preset_table(void)
{
    static const struct {
        const char *name;
        unsigned group;
        enum rights_principal principal;
        rights_mask rights;
    } rows[] = {
        {"anonymous", RIGHTS_GROUP_ANONYMOUS_USERS, RIGHTS_ANONYMOUS, S | AS | AD | R},
        {"users", RIGHTS_GROUP_EXCHANGE_USERS, RIGHTS_AUTHENTICATED_USERS, S | AR | R | BS},
        {"servers", RIGHTS_GROUP_EXCHANGE_SERVERS, RIGHTS_EXCHANGE_SERVERS,
         S | AR | AS | AD | AF | R | O | F | X50 | BS | BL},
        {"externally secured", RIGHTS_GROUP_EXCHANGE_SERVERS, RIGHTS_EXTERNALLY_SECURED_SERVERS,
         S | AR | AS | AD | AF | R | X50 | BS | BL},
        {"legacy", RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS, RIGHTS_LEGACY_SERVERS,
         S | AR | AS | AD | AF | R | X50 | BS | BL},
        {"partners", RIGHTS_GROUP_PARTNERS, RIGHTS_PARTNER_SERVERS, S | R},
        {"custom", RIGHTS_GROUP_CUSTOM, RIGHTS_ANONYMOUS, 0},
        {"another's group", RIGHTS_GROUP_ANONYMOUS_USERS, RIGHTS_AUTHENTICATED_USERS, 0},
        {"anonymous of all other groups", 0xfe, RIGHTS_ANONYMOUS, 0},
        {"a named user has none of his own", 0x3f, RIGHTS_USER, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        CHECK_U64(rights_of_groups(rows[i].group, rows[i].principal), rows[i].rights);
    }
}

static void test_principals(void)
{
    static const struct {
        const char *text;
        enum err e;
        enum rights_principal principal;
        const char *name;
    } rows[] = {
        {"Anonymous", ERR_OK, RIGHTS_ANONYMOUS, ""},
        {"anonymous", ERR_OK, RIGHTS_ANONYMOUS, ""},
        {"NT AUTHORITY\\ANONYMOUS LOGON", ERR_OK, RIGHTS_ANONYMOUS, ""},
        {"NT Authority\\AnonymousLogon", ERR_OK, RIGHTS_ANONYMOUS, ""},
        {"NT-AUTORIT\xC3\x84T\\ANONYMOUS-ANMELDUNG", ERR_OK, RIGHTS_ANONYMOUS, ""},
        {"nt-autorit\xC3\xA4t\\anonymous-anmeldung", ERR_OK, RIGHTS_ANONYMOUS, ""},
        {"NT AUTHORITY\\Authenticated Users", ERR_OK, RIGHTS_AUTHENTICATED_USERS, ""},
        {"AuthenticatedUsers", ERR_OK, RIGHTS_AUTHENTICATED_USERS, ""},
        {"MS Exchange\\Externally Secured Servers", ERR_OK, RIGHTS_EXTERNALLY_SECURED_SERVERS, ""},
        {"ExternallySecuredServers", ERR_OK, RIGHTS_EXTERNALLY_SECURED_SERVERS, ""},
        {"MS Exchange\\Partner Servers", ERR_OK, RIGHTS_PARTNER_SERVERS, ""},
        {"MS Exchange\\Hub Transport Servers", ERR_OK, RIGHTS_EXCHANGE_SERVERS, ""},
        {"MS Exchange\\Edge Transport Servers", ERR_OK, RIGHTS_EXCHANGE_SERVERS, ""},
        {"CONTOSO\\Exchange Servers", ERR_OK, RIGHTS_EXCHANGE_SERVERS, ""},
        {"CONTOSO\\ExchangeLegacyInterop", ERR_OK, RIGHTS_LEGACY_SERVERS, ""},
        {"LegacyServers", ERR_OK, RIGHTS_LEGACY_SERVERS, ""},
        {"user:bob", ERR_OK, RIGHTS_USER, "bob"},
        {"User: bob ", ERR_OK, RIGHTS_USER, "bob"},
        {"group:printers", ERR_OK, RIGHTS_GROUP, "printers"},
        {"cert:gw.example.com", ERR_OK, RIGHTS_CERTIFICATE, "gw.example.com"},
        {"user:", ERR_SYNTAX, RIGHTS_PRINCIPAL_COUNT, ""},
        {"CONTOSO\\Anonymous", ERR_SYNTAX, RIGHTS_PRINCIPAL_COUNT, ""},
        {"CONTOSO\\bob", ERR_SYNTAX, RIGHTS_PRINCIPAL_COUNT, ""},
        {"\\Anonymous", ERR_SYNTAX, RIGHTS_PRINCIPAL_COUNT, ""},
        {"Everyone", ERR_SYNTAX, RIGHTS_PRINCIPAL_COUNT, ""},
        {"", ERR_SYNTAX, RIGHTS_PRINCIPAL_COUNT, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum rights_principal principal = RIGHTS_PRINCIPAL_COUNT;
        struct bytes name;
        unit_row(rows[i].text);
        CHECK_U64(rights_principal_parse(bytes_of(rows[i].text), &principal, &name), rows[i].e);
        CHECK_U64(principal, rows[i].principal);
        CHECK_BYTES(name, bytes_of(rows[i].name));
    }
    for (unsigned p = 0; p < RIGHTS_PRINCIPAL_COUNT; p++) {
        enum rights_principal back;
        struct bytes name;
        const char *text = rights_principal_name((enum rights_principal)p);
        unit_row(text);
        CHECK(rights_principal_parse(bytes_of(text), &back, &name) == ERR_OK && back == p);
    }
}

static void test_precedence(void)
{
    static const struct {
        const char *name;
        unsigned groups;
        struct rights_entry own, inherited;
        rights_mask wanted;
    } rows[] = {
        {"nothing is granted by default",
         0,
         {RIGHTS_ANONYMOUS, NULL, 0, 0},
         {RIGHTS_ANONYMOUS, NULL, 0, 0},
         0},
        {"an entry without any group",
         0,
         {RIGHTS_ANONYMOUS, NULL, S | AR | BS, 0},
         {RIGHTS_ANONYMOUS, NULL, 0, 0},
         S | AR | BS},
        {"explicit deny beats explicit allow",
         0,
         {RIGHTS_ANONYMOUS, NULL, S | AR, AR},
         {RIGHTS_ANONYMOUS, NULL, 0, 0},
         S},
        {"explicit deny beats the group",
         RIGHTS_GROUP_ANONYMOUS_USERS,
         {RIGHTS_ANONYMOUS, NULL, 0, AD},
         {RIGHTS_ANONYMOUS, NULL, 0, 0},
         S | AS | R},
        {"explicit deny beats inherited allow",
         0,
         {RIGHTS_ANONYMOUS, NULL, 0, S},
         {RIGHTS_ANONYMOUS, NULL, S | R, 0},
         R},
        {"explicit allow beats inherited deny",
         0,
         {RIGHTS_ANONYMOUS, NULL, AR, 0},
         {RIGHTS_ANONYMOUS, NULL, 0, AR},
         AR},
        {"the group beats inherited deny",
         RIGHTS_GROUP_ANONYMOUS_USERS,
         {RIGHTS_ANONYMOUS, NULL, 0, 0},
         {RIGHTS_ANONYMOUS, NULL, 0, S},
         S | AS | AD | R},
        {"inherited deny beats inherited allow",
         0,
         {RIGHTS_ANONYMOUS, NULL, 0, 0},
         {RIGHTS_ANONYMOUS, NULL, S | AR, AR},
         S},
        {"another principal's entries do not count",
         0,
         {RIGHTS_AUTHENTICATED_USERS, NULL, AR, S},
         {RIGHTS_PARTNER_SERVERS, NULL, AR, S},
         0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        CHECK_U64(rights_compile(rows[i].groups, &rows[i].own, 1, &rows[i].inherited, 1,
                                 RIGHTS_ANONYMOUS, NULL),
                  rows[i].wanted);
    }
}

/* A user is user:NAME, the groups and AuthenticatedUsers: a deny of one counts against all. */
static void test_several_identities(void)
{
    static const struct rights_entry entries[] = {
        {RIGHTS_USER, "bob", AS, 0},
        {RIGHTS_USER, "eve", 0, AR},
        {RIGHTS_GROUP, "printers", BL, 0},
        {RIGHTS_GROUP, "locked", 0, S},
    };
    static const struct {
        const char *name, *user, *group;
        rights_mask wanted;
    } rows[] = {
        {"plain user", "alice", "", S | AR | R | BS},
        {"allowed by name", "bob", "", S | AR | R | BS | AS},
        {"names without case", "BOB", "", S | AR | R | BS | AS},
        {"denied by name", "eve", "", S | R | BS},
        {"allowed by group", "alice", "printers", S | AR | R | BS | BL},
        {"denied by group", "bob", "locked", AR | R | BS | AS},
    };
    struct rights_acl acl = {RIGHTS_GROUP_EXCHANGE_USERS, entries, ARRAY_SIZE(entries)};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rights_identity who[] = {{RIGHTS_AUTHENTICATED_USERS, NULL},
                                        {RIGHTS_USER, rows[i].user},
                                        {RIGHTS_GROUP, rows[i].group}};
        unit_row(rows[i].name);
        CHECK_U64(rights_evaluate(&acl, NULL, who, ARRAY_SIZE(who)), rows[i].wanted);
    }
}

struct walk {
    char text[128];
};

static void write_source(void *owner, const struct rights_source *source)
{
    struct walk *w = owner;
    size_t len = strlen(w->text);
    CHECK(!source->entry != !source->group);
    snprintf(w->text + len, sizeof w->text - len, " %s+%x-%x",
             source->entry ? source->entry->name : choice_name(RIGHTS_GROUPS, source->group),
             source->allow, source->deny);
}

/* Identity by identity, groups before entries; what is of no identity is left out. */
static void test_sources(void)
{
    static const struct rights_entry entries[] = {
        {RIGHTS_USER, "bob", AS, 0},
        {RIGHTS_USER, "eve", 0, AR},
        {RIGHTS_GROUP, "locked", 0, S},
    };
    struct rights_acl acl = {RIGHTS_GROUP_EXCHANGE_USERS | RIGHTS_GROUP_ANONYMOUS_USERS, entries,
                             ARRAY_SIZE(entries)};
    struct rights_identity who[] = {
        {RIGHTS_GROUP, "LOCKED"}, {RIGHTS_AUTHENTICATED_USERS, NULL}, {RIGHTS_USER, "bob"}};
    struct walk w = {""};
    char wanted[128];
    rights_each_source(&acl, who, ARRAY_SIZE(who), write_source, &w);
    snprintf(wanted, sizeof wanted, " locked+0-%x ExchangeUsers+%x-0 bob+%x-0", (unsigned)S,
             (unsigned)(S | R | AR | BS), (unsigned)AS);
    CHECK_STR(w.text, wanted);
}

UNIT_MAIN("policy/rights", {"names parse back", test_names_parse_back},
          {"spellings of rights", test_spellings_of_rights}, {"short format", test_short_format},
          {"groups", test_groups}, {"preset table", test_preset_table},
          {"principals", test_principals}, {"precedence", test_precedence},
          {"several identities", test_several_identities}, {"sources", test_sources})
