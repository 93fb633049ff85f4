/* The checks of accepted domains, of send connectors, and of the routes from one to the other. */
#include "policy/ruleset_check_private.h"

#include <stdlib.h>

#include "core/mem.h"

static bool is_wildcard(const char *name)
{
    return bytes_starts_nocase(bytes_of(name), BYTES("*."));
}

static void check_domain(struct ruleset_check *check, const struct accepted_domain *d)
{
    struct err_detail why;
    const char *name = ruleset_text(d->name);
    if (domain_pattern_check(bytes_of(name), &why) != ERR_OK)
        ruleset_fault(check, d->origin, "accepted domain \"%.64s\": %s", name, why.text);
    else if (is_wildcard(name) && d->is_default)
        ruleset_fault(check, d->origin,
                      "accepted domain \"%s\": default: a wildcard cannot be the default, which "
                      "gives postmaster its address",
                      name);
    else if (is_wildcard(name) && !strchr(name + 2, '.'))
        ruleset_warn(check, d->origin,
                     "accepted domain \"%s\": takes in mail for a whole top-level domain from "
                     "anyone",
                     name);
    if (d->recipients && d->type != DOMAIN_AUTHORITATIVE)
        ruleset_fault(check, d->origin,
                      "accepted domain \"%.64s\": recipients_file: only we can know who exists in "
                      "an Authoritative domain; of %s the next host decides",
                      name, choice_name(DOMAIN_TYPES, d->type));
}

/* What we complete an address with is ours. */
static void check_default_domains(struct ruleset_check *check, const struct domain_set *domains)
{
    const struct ruleset_settings *s = check->settings;
    for (size_t i = 0; i < s->receive_count; i++) {
        const struct receive_connector *c = &s->receive[i];
        if (c->default_domain && !domain_set_find(domains, bytes_of(c->default_domain)))
            ruleset_fault(check, c->origin,
                          "receive connector \"%.64s\": default_domain: \"%.100s\" is no accepted "
                          "domain",
                          ruleset_text(c->name), c->default_domain);
    }
}

void ruleset_check_domains(struct ruleset_check *check)
{
    const struct ruleset_settings *s = check->settings;
    struct ruleset_name *names = MEM_NEW_ARRAY(struct ruleset_name, s->domain_count + 1);
    const struct accepted_domain *standard = NULL;
    for (size_t i = 0; i < s->domain_count; i++) {
        const struct accepted_domain *d = &s->domains[i];
        names[i] = (struct ruleset_name){ruleset_text(d->name), d->origin, i};
        check_domain(check, d);
        if (d->is_default && standard)
            ruleset_fault(check, d->origin,
                          "accepted domain \"%.64s\": default: \"%.64s\" at %s is it already",
                          ruleset_text(d->name), ruleset_text(standard->name),
                          ruleset_text(standard->origin));
        else if (d->is_default)
            standard = d;
    }
    ruleset_check_duplicates(check, "accepted domain", names, s->domain_count);
    mem_free(names);
    struct domain_set *set = NULL;
    struct err_detail why;
    enum err e = domain_set_build(s->domains, s->domain_count, &set, &why);
    if (e != ERR_OK && !check->faulty)
        ruleset_fault(check, "", "%s", why.text); /* equal but for a final dot */
    if (e == ERR_OK)
        check_default_domains(check, set);
    domain_set_free(&set);
}

/* "gw.example.com", "[192.0.2.7]", either with ":port". */
static bool smart_host_valid(struct bytes text)
{
    struct endpoint e;
    uint64_t port;
    if (text.len > 1 && text.ptr[0] == '[') {
        if (text.ptr[text.len - 1] == ']')
            return ipaddr_parse(bytes_sub(text, 1, text.len - 2), &e.addr) == ERR_OK;
        return endpoint_parse(text, &e) == ERR_OK && e.port != 0;
    }
    struct bytes host, after;
    if (bytes_split(text, ':', &host, &after) &&
        (bytes_to_u64(after, UINT16_MAX, &port) != ERR_OK || port == 0))
        return false;
    bool wildcard = bytes_starts_nocase(host, BYTES("*."));
    return !wildcard && domain_pattern_check(host, NULL) == ERR_OK;
}

static void check_smart_hosts(struct ruleset_check *check, const struct send_connector *c)
{
    if (c->dns_routing_enabled && c->smart_host_count > 0)
        ruleset_fault(check, c->origin,
                      "send connector \"%s\": smart_hosts: given, so dns_routing_enabled must be "
                      "false",
                      c->name);
    if (!c->dns_routing_enabled && c->smart_host_count == 0)
        ruleset_fault(check, c->origin,
                      "send connector \"%s\": smart_hosts: needed when dns_routing_enabled is "
                      "false",
                      c->name);
    for (size_t i = 0; i < c->smart_host_count; i++)
        if (!smart_host_valid(bytes_of(c->smart_hosts[i])))
            ruleset_fault(check, c->origin,
                          "send connector \"%s\": smart_hosts: \"%.100s\" is neither a name nor "
                          "[address] (allowed: gw.example.com, gw.example.com:2526, [192.0.2.7], "
                          "[192.0.2.7]:2526)",
                          c->name, ruleset_text(c->smart_hosts[i]));
}

static void check_spaces(struct ruleset_check *check, const struct send_connector *c)
{
    if (c->space_count == 0)
        ruleset_fault(check, c->origin,
                      "send connector \"%s\": address_spaces: at least one is needed", c->name);
    for (size_t i = 0; i < c->space_count; i++) {
        struct err_detail why = {"it holds more than an address space"};
        struct bytes text = bytes_of(c->spaces[i].space), space;
        unsigned cost;
        if (address_space_parse(text, &space, &cost, &why) != ERR_OK || !bytes_equal(text, space))
            ruleset_fault(check, c->origin,
                          "send connector \"%s\": address_spaces: \"%.100s\": %s (allowed: *, --, "
                          "contoso.com, *.contoso.com)",
                          c->name, ruleset_text(c->spaces[i].space), why.text);
        if (c->spaces[i].cost < 1 || c->spaces[i].cost > 100)
            ruleset_fault(check, c->origin,
                          "send connector \"%s\": address_spaces: cost %u: 1 to 100 are allowed",
                          c->name, c->spaces[i].cost);
    }
}

/* Mail for any domain must leave again: there are no mailboxes here. A wildcard is asked about with
 * a name below it. */
static void check_domain_route(struct ruleset_check *check, const struct accepted_domain *d,
                               const struct domain_set *domains)
{
    const struct ruleset_settings *s = check->settings;
    char name[300];
    if (strlen(d->name) > 256)
        return;
    struct bytes parts[] = {is_wildcard(d->name) ? BYTES("x") : BYTES_EMPTY,
                            bytes_from(bytes_of(d->name), is_wildcard(d->name) ? 1 : 0)};
    memcpy(name, parts[0].ptr, parts[0].len);
    memcpy(name + parts[0].len, parts[1].ptr, parts[1].len);
    struct bytes asked = {name, parts[0].len + parts[1].len};
    if (!send_connector_find(s->send, s->send_count, domains, asked, 0).connector)
        ruleset_warn(check, d->origin,
                     "accepted domain \"%s\": %s without a send connector that matches: its mail "
                     "will wait as unreachable",
                     d->name, choice_name(DOMAIN_TYPES, d->type));
}

static void check_routes(struct ruleset_check *check)
{
    const struct ruleset_settings *s = check->settings;
    struct domain_set *domains;
    bool any = false;
    for (size_t i = 0; i < s->send_count; i++)
        any = any || s->send[i].enabled;
    if (!any) {
        const char *where = s->send_count > 0      ? s->send[0].origin
                            : s->domain_count > 0  ? s->domains[0].origin
                            : s->receive_count > 0 ? s->receive[0].origin
                                                   : NULL;
        ruleset_warn(check, where,
                     "send_connectors: none is enabled: all mail will wait as unreachable");
        return;
    }
    if (domain_set_build(s->domains, s->domain_count, &domains, NULL) != ERR_OK)
        return; /* reported already */
    for (size_t i = 0; i < s->domain_count; i++)
        check_domain_route(check, &s->domains[i], domains);
    domain_set_free(&domains);
}

void ruleset_check_send(struct ruleset_check *check)
{
    const struct ruleset_settings *s = check->settings;
    struct ruleset_name *names = MEM_NEW_ARRAY(struct ruleset_name, s->send_count + 1);
    for (size_t i = 0; i < s->send_count; i++) {
        struct send_connector c = s->send[i];
        names[i] = (struct ruleset_name){c.name, c.origin, i};
        c.name = ruleset_text(c.name);
        check_spaces(check, &c);
        check_smart_hosts(check, &c);
        if (c.require_tls && c.ignore_starttls)
            ruleset_fault(check, c.origin,
                          "send connector \"%s\": require_tls: true needs ignore_starttls = false",
                          c.name);
    }
    ruleset_check_names(check, "send connector", names, s->send_count);
    mem_free(names);
    if (!check->faulty)
        check_routes(check);
}
