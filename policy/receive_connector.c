/* What a receive connector says by itself. */
#include "policy/receive_connector.h"

#define KILOBYTE  ((uint64_t)1 << 10)
#define MEGABYTE  ((uint64_t)1 << 20)
#define SECOND_MS ((uint64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)

void receive_connector_defaults(struct receive_connector *c)
{
    *c = (struct receive_connector){
        .enabled = true,
        .auth_mechanism = RECEIVE_AUTH_TLS,
        .bare_linefeed_rejection_enabled = true, /* not Exchange's default: it smuggles mail */
        .size_enabled = true,
        .pipelining_enabled = true,
        .delivery_status_notification_enabled = true,
        .enhanced_status_codes_enabled = true,
        .eight_bit_mime_enabled = true,
        .chunking_enabled = true,
        .binary_mime_enabled = true,
        .smtp_utf8_enabled = true,
        .max_message_size_bytes = 36 * MEGABYTE,
        .max_header_size_bytes = 256 * KILOBYTE,
        .max_hop_count = 30,
        .max_local_hop_count = 8,
        .max_recipients_per_message = 200,
        .max_protocol_errors = 5,
        .max_logon_failures = 3,
        .max_inbound_connection = 5000,
        .max_inbound_connection_per_source = 20,
        .max_inbound_connection_percentage_per_source = 2,
        .message_rate_limit = RECEIVE_CONNECTOR_UNLIMITED,
        .message_rate_source = RECEIVE_RATE_IP_ADDRESS,
        .connection_timeout_ms = 10 * MINUTE_MS,
        .connection_inactivity_timeout_ms = 5 * MINUTE_MS,
        .tarpit_interval_ms = 5 * SECOND_MS,
        .auth_tarpit_interval_ms = 5 * SECOND_MS,
    };
}

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

static const struct {
    const char *name;
    unsigned bit;
} auth_table[] = {
    {"None", 0},
    {"Tls", RECEIVE_AUTH_TLS},
    {"BasicAuth", RECEIVE_AUTH_BASIC},
    {"BasicAuthRequireTLS", RECEIVE_AUTH_BASIC_REQUIRE_TLS},
    {"Integrated", RECEIVE_AUTH_INTEGRATED},
    {"ExchangeServer", RECEIVE_AUTH_EXCHANGE_SERVER},
    {"ExternalAuthoritative", RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE},
};

enum err receive_connector_auth_parse(struct bytes text, unsigned *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(auth_table); i++) {
        if (bytes_equal_nocase(bytes_trim(text), bytes_of(auth_table[i].name))) {
            *out = auth_table[i].bit;
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}
