/* What a connector offers: STARTTLS and AUTH, before TLS and after it. */
#include "policy/receive_connector.h"

#include "rules_fixture.h"

static void test_offer(void)
{
    static const struct {
        const char *name;
        unsigned auth;
        bool require_tls, certificate, under_tls;
        bool starttls, may_log_on;
    } rows[] = {
        {"nothing", 0, false, true, false, false, false},
        {"Tls", TLS, false, true, false, true, false},
        {"Tls without a certificate", TLS, false, false, false, false, false},
        {"Tls once it is up", TLS, false, true, true, false, false},
        {"a certificate, and no Tls", BASIC, false, true, false, false, true},
        {"BasicAuth in clear", TLS | BASIC, false, true, false, true, true},
        {"BasicAuth under TLS", TLS | BASIC, false, true, true, false, true},
        {"BasicAuth with require_tls", TLS | BASIC, true, true, false, true, false},
        {"the same under TLS", TLS | BASIC, true, true, true, false, true},
        {"BasicAuthRequireTLS", TLS | BASIC | BASICTL, false, true, false, true, false},
        {"BasicAuthRequireTLS under TLS", TLS | BASIC | BASICTL, false, true, true, false, true},
        {"BasicAuthRequireTLS alone", TLS | BASICTL, false, true, true, false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct receive_connector c = {.auth_mechanism = rows[i].auth,
                                      .require_tls = rows[i].require_tls};
        struct receive_connector_offer offer =
            receive_connector_offer(&c, rows[i].certificate, rows[i].under_tls);
        unit_row(rows[i].name);
        CHECK(offer.starttls == rows[i].starttls);
        CHECK(offer.auth == rows[i].may_log_on);
    }
}

UNIT_MAIN("policy/receive_connector", {"offer", test_offer})
