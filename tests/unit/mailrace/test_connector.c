/* The block of a receive connector: what follows from its settings, and how long it lives. */
#include "mailrace/connector.h"

#include <stdlib.h>
#include <string.h>

#include "queue/spool_format.h"

#include "unit.h"

static struct connector_count *no_count(void)
{
    static struct {
        struct connector_count count;
        char name[8];
    } none;
    return &none.count;
}

static void test_limits_of_rights(void)
{
    static const struct {
        const char *name;
        rights_mask rights;
        uint64_t rcpts_set, size, rcpts;
    } rows[] = {
        {"anonymous", RIGHTS_SUBMIT, 200, 1000, 200},
        {"without a size limit", RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT, 200, UINT64_MAX, 200},
        {"trusted with headers alone", RIGHTS_ACCEPT_HEADERS_ORGANIZATION, 200, 1000, 200},
        {"a server of ours", RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT | RIGHTS_ACCEPT_HEADERS_ORGANIZATION,
         200, UINT64_MAX, SPOOL_RCPTS_MAX},
        {"more than a record holds", RIGHTS_SUBMIT, 512000, 1000, SPOOL_RCPTS_MAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct receive_connector settings = {.name = "C",
                                             .max_message_size_bytes = 1000,
                                             .max_recipients_per_message = rows[i].rcpts_set};
        struct connector *c = connector_new(&settings, rows[i].rights, "h.test", NULL, no_count());
        unit_row(rows[i].name);
        CHECK_U64(connector_message_size_max(c, rows[i].rights), rows[i].size);
        CHECK_U64(connector_rcpts_max(c, rows[i].rights), rows[i].rcpts);
        CHECK_U64(c->smtp.message_size_max, rows[i].size);
        CHECK_U64(c->smtp.rcpts_max, rows[i].rcpts);
        connector_unref(&c);
        CHECK(!c);
    }
}

static void test_offers(void)
{
    static const struct {
        const char *name;
        unsigned auth;
        bool certificate, require_tls;
        unsigned extensions;
        bool auth_require_tls;
    } rows[] = {
        {"none", 0, true, false, 0, false},
        {"Tls", RECEIVE_AUTH_TLS, true, false, SMTP_EXTENSION_STARTTLS, false},
        {"Tls without a certificate", RECEIVE_AUTH_TLS, false, false, 0, false},
        {"BasicAuth", RECEIVE_AUTH_BASIC, true, false,
         SMTP_EXTENSION_AUTH_LOGIN | SMTP_EXTENSION_AUTH_PLAIN, false},
        {"BasicAuthRequireTLS",
         RECEIVE_AUTH_TLS | RECEIVE_AUTH_BASIC | RECEIVE_AUTH_BASIC_REQUIRE_TLS, true, false,
         SMTP_EXTENSION_STARTTLS | SMTP_EXTENSION_AUTH_LOGIN | SMTP_EXTENSION_AUTH_PLAIN, true},
        {"require_tls", RECEIVE_AUTH_TLS | RECEIVE_AUTH_BASIC, true, true,
         SMTP_EXTENSION_STARTTLS | SMTP_EXTENSION_AUTH_LOGIN | SMTP_EXTENSION_AUTH_PLAIN, true},
    };
    struct tls_context *tls = NULL;
    if (!CHECK(tls_context_self_signed("h.test", &tls, NULL) == ERR_OK))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct receive_connector settings = {
            .name = "C", .auth_mechanism = rows[i].auth, .require_tls = rows[i].require_tls};
        struct connector *c =
            connector_new(&settings, 0, "h.test", rows[i].certificate ? tls : NULL, no_count());
        unit_row(rows[i].name);
        CHECK_U64(c->smtp.extensions, rows[i].extensions);
        CHECK(c->smtp.auth_require_tls == rows[i].auth_require_tls);
        CHECK(!c->tls == !(rows[i].extensions & SMTP_EXTENSION_STARTTLS));
        connector_unref(&c);
    }
    tls_context_unref(&tls);
}

/* The settings that it was made of may go at once, and with them the ruleset. */
static void test_own_texts(void)
{
    char name[] = "Name", banner[] = "220 hello", host[] = "h.test", domain[] = "d.test";
    struct receive_connector settings = {.name = name, .banner = banner, .default_domain = domain};
    struct connector *c = connector_new(&settings, 0, host, NULL, no_count());
    struct connector *second = connector_ref(c);
    memset(name, 'x', sizeof name - 1);
    memset(banner, 'x', sizeof banner - 1);
    memset(host, 'x', sizeof host - 1);
    memset(domain, 'x', sizeof domain - 1);
    connector_unref(&c);
    CHECK_BYTES(second->name, BYTES("Name"));
    CHECK_BYTES(second->fqdn, BYTES("h.test"));
    CHECK_BYTES(second->smtp.fqdn, BYTES("h.test"));
    CHECK_BYTES(second->smtp.banner, BYTES("220 hello"));
    CHECK_BYTES(second->smtp.default_domain, BYTES("d.test"));
    CHECK(!second->settings.ranges && !second->settings.bindings && !second->settings.permissions);
    connector_unref(&second);
    connector_unref(&second); /* NULL is nothing */
}

UNIT_MAIN("mailrace/connector", {"limits of rights", test_limits_of_rights},
          {"offers", test_offers}, {"own texts", test_own_texts})
