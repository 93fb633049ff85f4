/* Settings for the tests of rules, from the rows of a table. */
#include "rules_fixture.h"

#include <stdio.h>

/* Connector I stands at "t.conf:<I>0", its range J at "t.conf:<I><J + 1>". */
static void rules_add(struct rules *r, const struct rules_connector *from)
{
    size_t i = r->settings.receive_count++;
    struct receive_connector *c = &r->receive[i];
    receive_connector_defaults(c);
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
