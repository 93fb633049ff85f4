/* policy/receive_connector.h - a receive connector as it is written: Exchange's properties under
 * their snake_case names.
 *
 * The struct is plain settings, filled by config; policy/ruleset.h compiles it.
 */
#ifndef POLICY_RECEIVE_CONNECTOR_H
#define POLICY_RECEIVE_CONNECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/choice.h"
#include "core/ipaddr.h"
#include "policy/iprange.h"
#include "policy/rights.h"

#define RECEIVE_CONNECTOR_UNLIMITED UINT64_MAX

enum receive_connector_auth { /* AuthMechanism, as bits; 0 is None */
                              RECEIVE_AUTH_TLS = 1,
                              RECEIVE_AUTH_BASIC = 2,
                              RECEIVE_AUTH_BASIC_REQUIRE_TLS = 4,
                              RECEIVE_AUTH_INTEGRATED = 8,
                              RECEIVE_AUTH_EXCHANGE_SERVER = 16,
                              RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE = 32,
};

enum receive_connector_rate_source { /* MessageRateSource */
                                     RECEIVE_RATE_NONE,
                                     RECEIVE_RATE_IP_ADDRESS,
                                     RECEIVE_RATE_USER,
                                     RECEIVE_RATE_ALL,
};

enum receive_connector_reject { /* domains in which it takes no recipients, from any client */
                                RECEIVE_REJECT_RESERVED_TOP_LEVEL = 1,    /* RFC 2606 2 */
                                RECEIVE_REJECT_RESERVED_SECOND_LEVEL = 2, /* RFC 2606 3 */
                                RECEIVE_REJECT_SINGLE_LABEL = 4,
};

enum receive_connector_size { /* SizeEnabled */
                              RECEIVE_SIZE_DISABLED,
                              RECEIVE_SIZE_ENABLED,
                              RECEIVE_SIZE_WITHOUT_VALUE, /* EHLO does not say the limit */
};

struct receive_connector_range {
    struct iprange range;
    const char *text;   /* as written */
    const char *origin; /* "relay.conf:31" or "app-servers.txt:7" */
};

struct receive_connector {
    const char *name;
    const char *origin; /* "relay.conf:27" */
    const char *comment;
    bool enabled;
    const struct endpoint *bindings;
    size_t binding_count;
    const struct receive_connector_range *ranges;
    size_t range_count;
    unsigned permission_groups;  /* enum rights_group */
    unsigned auth_mechanism;     /* enum receive_connector_auth */
    bool auth_mechanism_written; /* not the default: what it offers is counted on */
    const struct rights_entry *permissions;
    size_t permission_count;
    bool open_relay;          /* allow anonymous relay for the whole Internet */
    bool auth_stamps_enabled; /* X-MS-Exchange-Organization-AuthAs and its like are added */

    const char *fqdn;           /* NULL: hostname */
    const char *banner;         /* NULL: built from fqdn; else begins with "220" */
    const char *default_domain; /* completes addresses without a domain; NULL: they are refused */
    bool require_tls, require_ehlo_domain, bare_linefeed_rejection_enabled;
    enum receive_connector_size size_enabled;
    bool pipelining_enabled, delivery_status_notification_enabled, enhanced_status_codes_enabled;
    bool eight_bit_mime_enabled, chunking_enabled, smtp_utf8_enabled, long_addresses_enabled;
    bool orar_enabled;
    bool binary_mime_enabled; /* with chunking_enabled only */
    bool reject_reserved_top_level_recipient_domains;
    bool reject_reserved_second_level_recipient_domains;
    bool reject_single_label_recipient_domains;
    bool protocol_logging_verbose; /* protocol_logging_level */
    uint64_t max_message_size_bytes, max_header_size_bytes;
    uint64_t max_hop_count, max_local_hop_count;
    uint64_t max_recipients_per_message, max_protocol_errors;
    uint64_t max_logon_failures; /* 0: never */
    uint64_t max_inbound_connection, max_inbound_connection_per_source;
    uint64_t max_inbound_connection_percentage_per_source;
    uint64_t message_rate_limit; /* a minute and source */
    enum receive_connector_rate_source message_rate_source;
    uint64_t connection_timeout_ms, connection_inactivity_timeout_ms;
    uint64_t tarpit_interval_ms, auth_tarpit_interval_ms;
};

/* FROM without its lists (bindings, ranges, permissions); texts go into ARENA. */
void receive_connector_copy(struct arena *arena, const struct receive_connector *from,
                            struct receive_connector *to);
/* The principal of a session before it has proved another: externally secured, or anonymous. */
enum rights_principal receive_connector_first_principal(const struct receive_connector *c);
/* Its reject_... switches: enum receive_connector_reject. */
unsigned receive_connector_rejected_domains(const struct receive_connector *c);
/* What EHLO offers of TLS and of logging on, and so what the session takes: in clear, or UNDER_TLS.
 * CERTIFICATE: there is one. */
struct receive_connector_offer {
    bool starttls, auth;
};
struct receive_connector_offer receive_connector_offer(const struct receive_connector *c,
                                                       bool certificate, bool under_tls);
extern const struct choice RECEIVE_AUTH_MECHANISMS[]; /* Exchange's names of the bits */

#endif
