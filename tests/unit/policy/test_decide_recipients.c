/* RCPT where the recipients of an authoritative domain are known. */
#include "policy/decide.h"

#include "rules_fixture.h"

#define S         RIGHTS_SUBMIT
#define AR        RIGHTS_ACCEPT_ANY_RECIPIENT
#define ANONYMOUS RIGHTS_ANONYMOUS
#define USER      RIGHTS_AUTHENTICATED_USERS
#define RCPT_OK   "250 2.1.5 Recipient OK"
#define UNKNOWN   "550 5.1.1 User unknown"

static const struct rcpt_row {
    const char *name;
    rights_mask rights;
    enum rights_principal who;
    const char *rcpt, *domain, *reply;
    bool tarpit;
} rows[] = {
    {"known", S, ANONYMOUS, "anna@ours.example", "ours.example", RCPT_OK, false},
    {"in another case", S, ANONYMOUS, "ANNA@Ours.Example", "Ours.Example", RCPT_OK, false},
    {"a local part alone", S, ANONYMOUS, "berta@ours.example", "ours.example", RCPT_OK, false},
    {"unknown", S, ANONYMOUS, "carl@ours.example", "ours.example", UNKNOWN, true},
    {"unknown to one who may relay", S | AR, ANONYMOUS, "carl@ours.example", "ours.example",
     UNKNOWN, true},
    {"unknown to a user: no tarpit", S | AR, USER, "carl@ours.example", "ours.example", UNKNOWN,
     false},
    {"of the domain above", S, ANONYMOUS, "anna@sub.ours.example", "sub.ours.example", UNKNOWN,
     true},
    {"a local part below", S, ANONYMOUS, "berta@sub.ours.example", "sub.ours.example", RCPT_OK,
     false},
    {"postmaster exists", S, ANONYMOUS, "PostMaster@ours.example", "ours.example", RCPT_OK, false},
    {"postmaster alone", S, ANONYMOUS, "postmaster", "", RCPT_OK, false},
    {"a domain without a file", S, ANONYMOUS, "carl@free.example", "free.example", RCPT_OK, false},
    {"elsewhere", S | AR, ANONYMOUS, "carl@ext.example", "ext.example", RCPT_OK, false},
};

static void test_rcpt(void)
{
    struct recipient_set *set;
    if (!CHECK(recipient_set_parse(BYTES("anna@ours.example\nberta\n"), "f", NULL, NULL, &set) ==
               ERR_OK))
        return;
    const struct accepted_domain domains[] = {
        {.name = "ours.example", .recipients = set, .match_subdomains = true},
        {.name = "free.example"},
    };
    struct rules r;
    rules_start(&r, NULL, 0);
    r.settings.domains = domains;
    r.settings.domain_count = ARRAY_SIZE(domains);
    CHECK(rules_build(&r) == ERR_OK);
    recipient_set_unref(&set); /* the rules hold it too */
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct rcpt_row *row = &rows[i];
        struct decide_facts facts = {.rights = row->rights,
                                     .principal = row->who,
                                     .sender = BYTES("a@ext.example"),
                                     .sender_domain = BYTES("ext.example"),
                                     .rcpt = bytes_of(row->rcpt),
                                     .rcpt_domain = bytes_of(row->domain)};
        char text[200];
        unit_row(row->name);
        struct decide_verdict v = decide(DECIDE_RCPT, &facts, r.set);
        CHECK_STR(mail_status_format(&v.status, text, sizeof text), row->reply);
        CHECK(v.accepted == mail_status_ok(&v.status));
        CHECK(v.tarpit == row->tarpit);
        CHECK_U64(v.missing, 0);
    }
    ruleset_free(&r.set);
}

static void test_only_authoritative(void)
{
    struct recipient_set *set;
    if (!CHECK(recipient_set_parse(BYTES("anna\n"), "f", NULL, NULL, &set) == ERR_OK))
        return;
    const struct accepted_domain domain = {.name = "ours.example",
                                           .origin = "t.conf:70",
                                           .type = DOMAIN_INTERNAL_RELAY,
                                           .recipients = set};
    struct rules r;
    rules_start_routed(&r, NULL, 0);
    r.settings.domains = &domain;
    r.settings.domain_count = 1;
    CHECK(rules_build(&r) == ERR_SYNTAX);
    CHECK(strstr(r.text, "t.conf:70: accepted domain \"ours.example\": recipients_file: "));
    recipient_set_unref(&set);
}

UNIT_MAIN("policy/decide of recipients", {"rcpt", test_rcpt},
          {"only authoritative", test_only_authoritative})
