/* policy/decide: rejected domains, mail, rcpt, open relay battery, domain apart from address. */
#include "policy/decide.h"

#include "rules_fixture.h"

#define S  RIGHTS_SUBMIT
#define AR RIGHTS_ACCEPT_ANY_RECIPIENT
#define AS RIGHTS_ACCEPT_ANY_SENDER
#define AD RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER

#define ANONYMOUS RIGHTS_ANONYMOUS
#define USER      RIGHTS_AUTHENTICATED_USERS
#define SECURE    RIGHTS_EXTERNALLY_SECURED_SERVERS

#define NOT_AUTHENTICATED "530 5.7.1 Client was not authenticated"
#define NOT_SUBMIT        "550 5.7.1 Client does not have permissions to submit mail to this server"
#define NOT_OURS          "550 5.7.1 Anonymous client does not have permissions to send as this sender"
#define NOT_SENDER        "550 5.7.1 Client does not have permissions to send as this sender"
#define NO_RELAY          "550 5.7.1 Unable to relay"
#define SENDER_OK         "250 2.1.0 Sender OK"
#define RCPT_OK           "250 2.1.5 Recipient OK"
#define RCPT_SYNTAX       "550 5.1.3 Invalid recipient address"

static const struct accepted_domain domains[] = {
    {.name = "ours.example", .type = DOMAIN_AUTHORITATIVE, .is_default = true},
    {.name = "*.ours.example", .type = DOMAIN_AUTHORITATIVE},
    {.name = "relay.example", .type = DOMAIN_INTERNAL_RELAY},
    {.name = "outside.example", .type = DOMAIN_EXTERNAL_RELAY},
};

static struct ruleset *rules_of_domains(void)
{
    static struct rules r;
    rules_start(&r, NULL, 0);
    r.settings.domains = domains;
    r.settings.domain_count = ARRAY_SIZE(domains);
    CHECK(rules_build(&r) == ERR_OK);
    return r.set;
}

static void check_verdict(const struct decide_verdict *v, const char *reply, rights_mask missing,
                          bool tarpit)
{
    char text[200];
    CHECK_STR(mail_status_format(&v->status, text, sizeof text), reply);
    CHECK(v->accepted == mail_status_ok(&v->status));
    CHECK_U64(v->missing, missing);
    CHECK(v->tarpit == tarpit);
    CHECK(v->reason && v->reason[0]);
}

static const struct {
    const char *name;
    rights_mask rights;
    enum rights_principal who;
    const char *sender;
    bool entitled;
    const char *reply;
    rights_mask missing;
    bool tarpit;
} mail_rows[] = {
    {"anonymous without Submit", 0, ANONYMOUS, "a@ext.example", false, NOT_AUTHENTICATED, S, false},
    {"all but Submit", AR | AS | AD, ANONYMOUS, "a@ext.example", false, NOT_AUTHENTICATED, S,
     false},
    {"null sender without Submit", 0, ANONYMOUS, "", false, NOT_AUTHENTICATED, S, false},
    {"user without Submit", AR | AS | AD, USER, "a@ext.example", true, NOT_SUBMIT, S, false},
    {"server without Submit", 0, SECURE, "", false, NOT_SUBMIT, S, false},
    {"null sender", S, ANONYMOUS, "", false, SENDER_OK, 0, false},
    {"null sender of a user", S, USER, "", false, SENDER_OK, 0, false},
    {"anonymous, group rights", S | AS | AD, ANONYMOUS, "a@ext.example", false, SENDER_OK, 0,
     false},
    {"anonymous as us", S | AS | AD, ANONYMOUS, "boss@ours.example", false, SENDER_OK, 0, false},
    {"anonymous as us without AD", S | AS, ANONYMOUS, "boss@ours.example", false, NOT_OURS, AD,
     true},
    {"in any case and with a final dot", S | AS, ANONYMOUS, "boss@OURS.Example.", false, NOT_OURS,
     AD, true},
    {"subdomain by wildcard", S | AS, ANONYMOUS, "boss@hq.ours.example", false, NOT_OURS, AD, true},
    {"anonymous as us with neither", S, ANONYMOUS, "boss@ours.example", false, NOT_OURS, AD, true},
    {"relay domains are not ours", S | AS, ANONYMOUS, "a@relay.example", false, SENDER_OK, 0,
     false},
    {"external relay neither", S | AS, ANONYMOUS, "a@outside.example", false, SENDER_OK, 0, false},
    {"AD does not give AS", S | AD, ANONYMOUS, "boss@ours.example", false, NOT_SENDER, AS, true},
    {"anonymous without AS", S | AD, ANONYMOUS, "a@ext.example", false, NOT_SENDER, AS, true},
    {"anonymous is entitled to none", S | AD, ANONYMOUS, "a@ext.example", true, NOT_SENDER, AS,
     true},
    {"user entitled", S | AR, USER, "bob@ours.example", true, SENDER_OK, 0, false},
    {"user not entitled", S | AR, USER, "boss@ours.example", false, NOT_SENDER, AS, false},
    {"user not entitled elsewhere", S | AR, USER, "a@ext.example", false, NOT_SENDER, AS, false},
    {"user with AS", S | AS, USER, "a@ext.example", false, SENDER_OK, 0, false},
    {"user with AS only, as us", S | AS, USER, "boss@ours.example", false, NOT_SENDER, AD, false},
    {"secured", S | AR | AS | AD, SECURE, "boss@ours.example", false, SENDER_OK, 0, false},
    {"sender without a domain", S | AS, ANONYMOUS, "spamtest", false, SENDER_OK, 0, false},
    {"our name as a local part", S | AS, ANONYMOUS, "\"boss@ours.example\"@ext.example", false,
     SENDER_OK, 0, false},
};

static void test_mail(void)
{
    struct ruleset *rules = rules_of_domains();
    for (size_t i = 0; i < ARRAY_SIZE(mail_rows); i++) {
        struct decide_facts facts = {
            .rights = mail_rows[i].rights,
            .principal = mail_rows[i].who,
            .sender = bytes_of(mail_rows[i].sender),
            .sender_domain = mail_domain(bytes_of(mail_rows[i].sender)),
            .sender_entitled = mail_rows[i].entitled,
        };
        unit_row(mail_rows[i].name);
        struct decide_verdict v = decide(DECIDE_MAIL, &facts, rules);
        check_verdict(&v, mail_rows[i].reply, mail_rows[i].missing, mail_rows[i].tarpit);
    }
    ruleset_free(&rules);
}

static struct decide_verdict ask_rcpt(const struct ruleset *rules, rights_mask rights,
                                      enum rights_principal who, const char *rcpt)
{
    struct decide_facts facts = {
        .rights = rights,
        .principal = who,
        .rcpt = bytes_of(rcpt),
        .rcpt_domain = mail_domain(bytes_of(rcpt)),
    };
    return decide(DECIDE_RCPT, &facts, rules);
}

static void test_rcpt(void)
{
    static const struct {
        const char *name;
        rights_mask rights;
        enum rights_principal who;
        const char *rcpt;
        const char *reply;
        rights_mask missing;
        bool tarpit;
    } rows[] = {
        {"authoritative", S, ANONYMOUS, "u@ours.example", RCPT_OK, 0, false},
        {"case", S, ANONYMOUS, "u@OURS.EXAMPLE", RCPT_OK, 0, false},
        {"final dot", S, ANONYMOUS, "u@ours.example.", RCPT_OK, 0, false},
        {"wildcard", S, ANONYMOUS, "u@a.ours.example", RCPT_OK, 0, false},
        {"internal relay", S, ANONYMOUS, "u@relay.example", RCPT_OK, 0, false},
        {"external relay", S, ANONYMOUS, "u@outside.example", RCPT_OK, 0, false},
        {"O-53 no subdomain", S, ANONYMOUS, "u@sub.relay.example", NO_RELAY, AR, true},
        {"foreign", S | AS | AD, ANONYMOUS, "u@ext.example", NO_RELAY, AR, true},
        {"foreign for a user without AR", S, USER, "u@ext.example", NO_RELAY, AR, false},
        {"foreign with AR", S | AR, ANONYMOUS, "u@ext.example", RCPT_OK, 0, false},
        {"foreign for a user", S | AR, USER, "u@ext.example", RCPT_OK, 0, false},
        {"O-76 postmaster", 0, ANONYMOUS, "postmaster", RCPT_OK, 0, false},
        {"O-76 POSTMASTER", S, ANONYMOUS, "POSTMASTER", RCPT_OK, 0, false},
        {"O-76 our postmaster", S, ANONYMOUS, "postmaster@ours.example", RCPT_OK, 0, false},
        {"foreign postmaster", S, ANONYMOUS, "postmaster@ext.example", NO_RELAY, AR, true},
        {"no domain", S, ANONYMOUS, "somebody", NO_RELAY, AR, true},
        {"no domain with AR", S | AR, ANONYMOUS, "somebody", RCPT_SYNTAX, 0, true},
        {"percent with AR", S | AR, ANONYMOUS, "user%ext.example@ours.example", RCPT_OK, 0, false},
        {"plus is harmless", S, ANONYMOUS, "u+tag@ours.example", RCPT_OK, 0, false},
        {"quoted is harmless", S, ANONYMOUS, "\"first last\"@ours.example", RCPT_OK, 0, false},
    };
    struct ruleset *rules = rules_of_domains();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct decide_verdict v = ask_rcpt(rules, rows[i].rights, rows[i].who, rows[i].rcpt);
        check_verdict(&v, rows[i].reply, rows[i].missing, rows[i].tarpit);
    }
    ruleset_free(&rules);
}

/* Patterns that an untrusted peer tries; each is a relay refusal. */
static void test_open_relay_battery(void)
{
    static const struct {
        const char *name, *rcpt;
    } rows[] = {
        {"O-01", "relaytest@ext.example"},
        {"O-05", "relaytest%ext.example@[192.0.2.10]"},
        {"O-06", "relaytest%ext.example@relay.test"},
        {"O-07", "\"relaytest@ext.example\""},
        {"O-08", "\"relaytest%ext.example\""},
        {"O-09", "relaytest@ext.example@[192.0.2.10]"},
        {"O-10", "\"relaytest@ext.example\"@[192.0.2.10]"},
        {"O-11", "relaytest@ext.example@relay.test"},
        {"O-14", "ext.example!relaytest"},
        {"O-15", "ext.example!relaytest@[192.0.2.10]"},
        {"O-16", "ext.example!relaytest@relay.test"},
        {"O-23", "user%ext.example@ours.example"},
        {"O-24", "ext.example!user@ours.example"},
        {"O-25", "user@ext.example@ours.example"},
        {"O-26", "\"user@ext.example\"@ours.example"},
        {"O-27", "\"user%ext.example\"@ours.example"},
        {"O-28", "\"ext.example!user\"@ours.example"},
        {"O-29", "user\\@ext.example@ours.example"},
        {"O-30", "\"a\\@ext.example\"@ours.example"},
        {"O-31", "user%ext%ext2@ours.example"},
        {"O-32", "a!b!user%ext@ours.example"},
        {"O-33", "@ours.example:user@ext.example"},
        {"O-33 in our domain", "@ext.example:user@ours.example"},
        {"O-37", "u@[127.0.0.1]"},
        {"O-38", "u@[IPv6:::1]"},
        {"O-39", "u@[IPv6:::ffff:127.0.0.1]"},
        {"O-40", "u@127.0.0.1"},
        {"O-42", "u@2130706433"},
        {"O-43", "u@localhost"},
        {"O-46", "u@ours.example,v@ext.example"},
        {"O-47", "u@ours.example;v@ext.example"},
        {"O-53", "u@sub.relay.example"},
        {"O-54", "u@xours.example"},
        {"O-54 without a dot", "u@xrelay.example"},
        {"O-55", "u@ours.example.ext.example"},
        {"O-56", "u@ours\xE3\x80\x82"
                 "example"},
        {"O-58", "|/bin/sh"},
        {"percent and our postmaster", "postmaster%ext.example"},
    };
    struct ruleset *rules = rules_of_domains();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct decide_verdict v = ask_rcpt(rules, S | AS | AD, ANONYMOUS, rows[i].rcpt);
        check_verdict(&v, NO_RELAY, AR, true);
    }
    struct decide_facts nul = {
        .rights = S,
        .rcpt = BYTES("u@ours.example\0.ext.example"),
        .rcpt_domain = BYTES("ours.example\0.ext.example"),
    };
    unit_row("O-44");
    struct decide_verdict v = decide(DECIDE_RCPT, &nul, rules);
    check_verdict(&v, NO_RELAY, AR, true);
    ruleset_free(&rules);
}

/* A domain that the address does not end in must not hide what stands before it. */
static void test_domain_apart_from_address(void)
{
    struct ruleset *rules = rules_of_domains();
    struct decide_facts facts = {
        .rights = S,
        .rcpt = BYTES("user%ext.example@elsewhere.example"),
        .rcpt_domain = BYTES("ours.example"),
    };
    struct decide_verdict v = decide(DECIDE_RCPT, &facts, rules);
    check_verdict(&v, NO_RELAY, AR, true);
    ruleset_free(&rules);
}

/* Exchange: RejectReserved...RecipientDomains, RejectSingleLabelRecipientDomains. */
static void test_rejected_domains(void)
{
    enum {
        TOP = RECEIVE_REJECT_RESERVED_TOP_LEVEL,
        SECOND = RECEIVE_REJECT_RESERVED_SECOND_LEVEL,
        SINGLE = RECEIVE_REJECT_SINGLE_LABEL
    };
    static const struct {
        const char *name, *rcpt;
        unsigned rejected, detail; /* of 5.1.x; 0: accepted */
    } rows[] = {
        {"nothing is rejected", "u@a.test", 0, 0},
        {"test", "u@a.test", TOP, 4},
        {"the top level itself", "u@localhost", TOP | SINGLE, 4},
        {"any case", "u@A.INVALID", TOP, 4},
        {"only whole labels", "u@contest", TOP, 0},
        {"second level is not top level", "u@example.com", TOP | SINGLE, 0},
        {"example.com", "u@example.com", SECOND, 5},
        {"below example.org", "u@mail.Example.Org", SECOND, 5},
        {"another name that ends so", "u@myexample.com", SECOND, 0},
        {"single label", "u@printer", SINGLE, 6},
        {"an address literal has no labels", "u@[192.0.2.1]", TOP | SECOND | SINGLE, 0},
        {"two labels", "u@printer.net", SINGLE, 0},
        {"postmaster", "postmaster", TOP | SECOND | SINGLE, 0},
    };
    struct ruleset *rules = rules_of_domains();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct decide_facts facts = {
            .rights = RIGHTS_SUBMIT | RIGHTS_ACCEPT_ANY_RECIPIENT,
            .principal = RIGHTS_ANONYMOUS,
            .rcpt = bytes_of(rows[i].rcpt),
            .rcpt_domain = mail_domain(bytes_of(rows[i].rcpt)),
            .rejected_domains = rows[i].rejected,
        };
        unit_row(rows[i].name);
        struct decide_verdict v = decide(DECIDE_RCPT, &facts, rules);
        CHECK_U64(v.accepted, rows[i].detail == 0);
        CHECK_U64(v.status.code, rows[i].detail ? 550 : 250);
        if (rows[i].detail)
            CHECK_U64(v.status.enhanced[2], rows[i].detail);
    }
    ruleset_free(&rules);
}

UNIT_MAIN("policy/decide", {"rejected domains", test_rejected_domains}, {"mail", test_mail},
          {"rcpt", test_rcpt}, {"open relay battery", test_open_relay_battery},
          {"domain apart from address", test_domain_apart_from_address})
