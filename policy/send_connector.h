/* policy/send_connector.h - send connectors: which one takes a recipient's domain.
 *
 * Most specific address space, then lowest cost, then name; deterministic, never balanced. Pure.
 */
#ifndef POLICY_SEND_CONNECTOR_H
#define POLICY_SEND_CONNECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/ipaddr.h"
#include "policy/domain_set.h"
#include "policy/rights.h"

struct address_space {
    const char *space; /* "*", "contoso.com", "*.contoso.com", "--" */
    unsigned cost;     /* 1..100 */
};
/* "[smtp:]space[;cost]". SPACE points into TEXT. */
MUST_USE enum err address_space_parse(struct bytes text, struct bytes *space, unsigned *cost,
                                      struct err_detail *why);

struct send_connector { /* New-SendConnector */
    const char *name;
    const char *origin;
    const char *comment;
    bool enabled;
    const struct address_space *spaces;
    size_t space_count;
    bool dns_routing_enabled;
    const char *const *smart_hosts; /* "gw.example.com", "[192.0.2.7]:2526" */
    size_t smart_host_count;
    uint16_t port;
    const char *fqdn; /* NULL: hostname */
    bool force_helo, require_tls, ignore_starttls, chunking_enabled;
    uint64_t max_message_size_bytes;
    uint64_t connection_inactivity_timeout_ms;
    uint64_t smtp_max_messages_per_connection;
    uint64_t max_connections; /* to one destination: max_per_domain_outbound_connections */
    struct ipaddr source_ip_address;
    bool protocol_logging_verbose;          /* protocol_logging_level */
    bool externally_secured;                /* SmartHostAuthMechanism ExternalAuthoritative */
    const struct rights_entry *permissions; /* of the Send rights */
    size_t permission_count;
};
/* The principal of the next hop: nothing is proved (ANONYMOUS LOGON), or it is trusted by decree.
 */
enum rights_principal send_connector_principal(const struct send_connector *c);
/* The Send rights of the next hop: by default all may see where a message has been
 * (ms-Exch-Send-Headers-Routing), the rest by permissions entries. */
rights_mask send_connector_rights(const struct send_connector *c);

struct send_choice {
    const struct send_connector *connector; /* NULL: none: the message is unreachable for now */
    const struct address_space *space;
    bool too_big; /* only size excluded a match: 5.3.4 */
};
/* Any thread inside a read section, or where the ruleset is held. DOMAINS answers "--". */
struct send_choice send_connector_find(const struct send_connector *connectors, size_t count,
                                       const struct domain_set *domains, struct bytes domain,
                                       uint64_t octets);

#endif
