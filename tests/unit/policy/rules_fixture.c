/* Settings for the tests of rules, from the rows of a table. */
#include "rules_fixture.h"

#include <stdio.h>

/* Limits as a configuration that says nothing of them has. */
static const struct receive_connector RULES_RECEIVE = {
    .enabled = true,
    .auth_mechanism = RECEIVE_AUTH_TLS,
    .bare_linefeed_rejection_enabled = true,
    .size_enabled = RECEIVE_SIZE_ENABLED,
    .pipelining_enabled = true,
    .delivery_status_notification_enabled = true,
    .enhanced_status_codes_enabled = true,
    .eight_bit_mime_enabled = true,
    .chunking_enabled = true,
    .binary_mime_enabled = true,
    .smtp_utf8_enabled = true,
    .max_message_size_bytes = 36 << 20,
    .max_header_size_bytes = 256 << 10,
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
    .connection_timeout_ms = 600000,
    .connection_inactivity_timeout_ms = 300000,
    .tarpit_interval_ms = 5000,
    .auth_tarpit_interval_ms = 5000,
};

/* Connector I stands at "t.conf:<I>0", its range J at "t.conf:<I><J + 1>". */
static void rules_add(struct rules *r, const struct rules_connector *from)
{
    size_t i = r->settings.receive_count++;
    struct receive_connector *c = &r->receive[i];
    *c = RULES_RECEIVE;
    snprintf(r->origins[i][0], sizeof r->origins[i][0], "t.conf:%zu0", i + 1);
    c->name = from->name;
    c->origin = r->origins[i][0];
    c->enabled = !from->disabled;
    c->open_relay = from->open_relay;
    c->require_tls = from->require_tls;
    c->permission_groups = from->groups;
    c->auth_mechanism = from->auth;
    c->permissions = from->permissions;
    while (c->permission_count < 3 && (from->permissions[c->permission_count].allow ||
                                       from->permissions[c->permission_count].deny))
        c->permission_count++;
    c->bindings = r->bindings[i];
    for (; c->binding_count < 3 && from->bindings[c->binding_count]; c->binding_count++)
        CHECK(endpoint_parse(bytes_of(from->bindings[c->binding_count]),
                             &r->bindings[i][c->binding_count]) == ERR_OK);
    c->ranges = r->ranges[i];
    for (; c->range_count < RULES_RANGES_MAX && from->ranges[c->range_count]; c->range_count++) {
        size_t j = c->range_count;
        struct receive_connector_range *range = &r->ranges[i][j];
        snprintf(r->origins[i][j + 1], sizeof r->origins[i][j + 1], "t.conf:%zu%zu", i + 1, j + 1);
        range->text = from->ranges[j];
        range->origin = r->origins[i][j + 1];
        CHECK(iprange_parse(bytes_of(range->text), false, &range->range, NULL) == ERR_OK);
    }
}

void rules_start(struct rules *r, const struct rules_connector *connectors, size_t count)
{
    memset(r, 0, sizeof *r);
    r->settings.hostname = "relay.example.com";
    r->settings.receive = r->receive;
    for (size_t i = 0; i < count && connectors[i].name; i++)
        rules_add(r, &connectors[i]);
}

void rules_report(void *owner, const struct ruleset_fault *fault)
{
    struct rules *r = owner;
    size_t used = strlen(r->text);
    snprintf(r->text + used, sizeof r->text - used, "%s: %s%s\n", fault->where,
             fault->is_warning ? "warning: " : "", fault->text);
    if (fault->is_warning)
        r->warnings++;
    else
        r->faults++;
}

enum err rules_build(struct rules *r)
{
    return ruleset_build(&r->settings, rules_report, r, &r->set);
}

const struct address_space rules_everything[] = {{"*", 1}};
static const struct send_connector rules_internet = RULES_SEND("Internet", rules_everything, 1);

void rules_start_routed(struct rules *r, const struct rules_connector *connectors, size_t count)
{
    rules_start(r, connectors, count);
    r->settings.send = &rules_internet;
    r->settings.send_count = 1;
}
