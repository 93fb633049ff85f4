/* What a receive connector says by itself. */
#include "policy/receive_connector.h"

void receive_connector_copy(struct arena *arena, const struct receive_connector *from,
                            struct receive_connector *to)
{
    const char **const texts[] = {&to->name, &to->origin, &to->comment,
                                  &to->fqdn, &to->banner, &to->default_domain};
    *to = *from;
    to->bindings = NULL;
    to->ranges = NULL;
    to->permissions = NULL;
    to->binding_count = to->range_count = to->permission_count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (*texts[i])
            *texts[i] = arena_strdup(arena, *texts[i]);
}

enum rights_principal receive_connector_first_principal(const struct receive_connector *connector)
{
    return connector->auth_mechanism & RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE
               ? RIGHTS_EXTERNALLY_SECURED_SERVERS
               : RIGHTS_ANONYMOUS;
}

unsigned receive_connector_rejected_domains(const struct receive_connector *c)
{
    unsigned domains = 0;
    domains |=
        c->reject_reserved_top_level_recipient_domains ? RECEIVE_REJECT_RESERVED_TOP_LEVEL : 0;
    domains |= c->reject_reserved_second_level_recipient_domains
                   ? RECEIVE_REJECT_RESERVED_SECOND_LEVEL
                   : 0;
    domains |= c->reject_single_label_recipient_domains ? RECEIVE_REJECT_SINGLE_LABEL : 0;
    return domains;
}

struct receive_connector_offer receive_connector_offer(const struct receive_connector *c,
                                                       bool certificate, bool under_tls)
{
    bool auth_needs_tls = c->require_tls || (c->auth_mechanism & RECEIVE_AUTH_BASIC_REQUIRE_TLS);
    return (struct receive_connector_offer){
        .starttls = certificate && (c->auth_mechanism & RECEIVE_AUTH_TLS) && !under_tls,
        .auth = (c->auth_mechanism & RECEIVE_AUTH_BASIC) && (under_tls || !auth_needs_tls),
    };
}

const struct choice RECEIVE_AUTH_MECHANISMS[] = {
    {"None", 0},
    {"Tls", RECEIVE_AUTH_TLS},
    {"BasicAuth", RECEIVE_AUTH_BASIC},
    {"BasicAuthRequireTLS", RECEIVE_AUTH_BASIC_REQUIRE_TLS},
    {"Integrated", RECEIVE_AUTH_INTEGRATED},
    {"ExchangeServer", RECEIVE_AUTH_EXCHANGE_SERVER},
    {"ExternalAuthoritative", RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE},
    {NULL, 0},
};
