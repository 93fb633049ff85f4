/* The checks of receive connectors: each by itself, then all together. */
#include "policy/ruleset_check_private.h"

#include <stdlib.h>

#include "core/mem.h"

/* Which combinations are legal is Exchange's rule for AuthMechanism. */
static void check_auth(struct ruleset_check *check, const struct receive_connector *c)
{
    unsigned auth = c->auth_mechanism;
    bool tls = auth & RECEIVE_AUTH_TLS;
    bool external = auth & RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE;
    if ((auth & RECEIVE_AUTH_BASIC_REQUIRE_TLS) && (!tls || !(auth & RECEIVE_AUTH_BASIC)))
        ruleset_fault(check, c->origin,
                      "receive connector \"%s\": auth_mechanism: BasicAuthRequireTLS needs "
                      "BasicAuth and Tls beside it",
                      c->name);
    if (external && (auth & ~(unsigned)(RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE | RECEIVE_AUTH_TLS)))
        ruleset_fault(check, c->origin,
                      "receive connector \"%s\": auth_mechanism: ExternalAuthoritative combines "
                      "with Tls only",
                      c->name);
    if (external && !(c->permission_groups & RIGHTS_GROUP_EXCHANGE_SERVERS))
        ruleset_fault(check, c->origin,
                      "receive connector \"%s\": auth_mechanism: ExternalAuthoritative needs "
                      "ExchangeServers among permission_groups",
                      c->name);
    if (c->require_tls && !tls)
        ruleset_fault(check, c->origin,
                      "receive connector \"%s\": require_tls: true needs Tls in auth_mechanism",
                      c->name);
}

static rights_mask rights_on(const struct ruleset_settings *s, const struct receive_connector *c,
                             enum rights_principal principal)
{
    return rights_compile(c->permission_groups, c->permissions, c->permission_count,
                          s->server_permissions, s->server_permission_count, principal, NULL);
}

/* Named users and groups count when an entry lets them submit. */
static bool entry_gives_submit(const struct rights_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct rights_entry *e = &entries[i];
        if ((e->principal == RIGHTS_USER || e->principal == RIGHTS_GROUP) &&
            (e->allow & ~e->deny & RIGHTS_SUBMIT))
            return true;
    }
    return false;
}

/* No client can be a server, a partner or cert:NAME yet: that takes a client certificate. */
static bool can_be_submitted_to(const struct ruleset_settings *s, const struct receive_connector *c)
{
    if (rights_on(s, c, receive_connector_first_principal(c)) & RIGHTS_SUBMIT)
        return true;
    return (c->auth_mechanism & RECEIVE_AUTH_BASIC) &&
           ((rights_on(s, c, RIGHTS_AUTHENTICATED_USERS) & RIGHTS_SUBMIT) ||
            entry_gives_submit(c->permissions, c->permission_count) ||
            entry_gives_submit(s->server_permissions, s->server_permission_count));
}

/* Servers and partners may submit, if only they could prove what they are. */
static bool needs_certificate(const struct ruleset_settings *s, const struct receive_connector *c)
{
    return (rights_on(s, c, RIGHTS_EXCHANGE_SERVERS) | rights_on(s, c, RIGHTS_PARTNER_SERVERS) |
            rights_on(s, c, RIGHTS_LEGACY_SERVERS)) &
           RIGHTS_SUBMIT;
}

static void check_usable(struct ruleset_check *check, const struct receive_connector *c)
{
    const struct ruleset_settings *s = check->settings;
    if (can_be_submitted_to(s, c))
        return;
    if (needs_certificate(s, c))
        ruleset_warn(
            check, c->origin,
            "receive connector \"%s\": no client can use it: only servers and partners may "
            "submit, and in this version none can prove it by a certificate; "
            "ExternalAuthoritative in auth_mechanism takes all of remote_ip_ranges for "
            "servers",
            c->name);
    else
        ruleset_warn(check, c->origin,
                     "receive connector \"%s\": no client can use it: no permission group and no "
                     "entry gives ms-Exch-SMTP-Submit to a client that auth_mechanism lets in",
                     c->name);
}

static int range_compare(const void *left, const void *right)
{
    const struct iprange *a = left, *b = right;
    return ipaddr_compare(&a->first, &b->first);
}

/* Whether FIRST is at most one behind LAST. */
static bool touches(const struct ipaddr *last, const struct ipaddr *first)
{
    struct ipaddr next = *last;
    for (size_t i = sizeof next.octets; i-- > 0 && ++next.octets[i] == 0;)
        ;
    return ipaddr_compare(first, last) <= 0 || ipaddr_equal(first, &next);
}

/* Two halves of the Internet are the Internet. */
static bool hold_all(struct iprange *ranges, size_t count)
{
    qsort(ranges, count, sizeof *ranges, range_compare);
    struct iprange sum = ranges[0];
    for (size_t i = 1; i < count && touches(&sum.last, &ranges[i].first); i++)
        if (ipaddr_compare(&ranges[i].last, &sum.last) > 0)
            sum.last = ranges[i].last;
    return count > 0 && iprange_is_all(&sum);
}

static size_t list_ranges(const struct receive_connector *c, bool v4, struct iprange *to)
{
    size_t count = 0;
    for (size_t i = 0; i < c->range_count; i++)
        if (ipaddr_is_v4(&c->ranges[i].range.first) == v4)
            to[count++] = c->ranges[i].range;
    return count;
}

static bool ranges_hold_all(const struct receive_connector *c, bool v4)
{
    struct iprange *ranges = MEM_NEW_ARRAY(struct iprange, c->range_count + 1);
    bool all = hold_all(ranges, list_ranges(c, v4, ranges));
    mem_free(ranges);
    return all;
}

bool ruleset_open_to_anonymous(const struct ruleset_settings *s, const struct receive_connector *c)
{
    return c->enabled && receive_connector_first_principal(c) == RIGHTS_ANONYMOUS &&
           (rights_on(s, c, RIGHTS_ANONYMOUS) & RIGHTS_SUBMIT) &&
           (ranges_hold_all(c, true) || ranges_hold_all(c, false));
}

static void check_open_relay(struct ruleset_check *check, const struct receive_connector *c)
{
    bool external = c->auth_mechanism & RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE;
    if (c->open_relay ||
        !(rights_on(check->settings, c, receive_connector_first_principal(c)) &
          RIGHTS_ACCEPT_ANY_RECIPIENT) ||
        !(ranges_hold_all(c, true) || ranges_hold_all(c, false)))
        return;
    if (external)
        ruleset_warn(check, c->origin,
                     "receive connector \"%s\": remote_ip_ranges holds every address and "
                     "ExternalAuthoritative trusts all of them: all that reach it may relay and "
                     "send as anyone; name the servers, or set open_relay = true",
                     c->name);
    else
        ruleset_fault(check, c->origin,
                      "receive connector \"%s\": Anonymous has ms-Exch-SMTP-Accept-Any-Recipient "
                      "and remote_ip_ranges holds every address: an open relay; name the hosts "
                      "that may relay, or set open_relay = true",
                      c->name);
}

static bool relays_for_anonymous(const struct ruleset_settings *s,
                                 const struct receive_connector *c)
{
    return c->enabled && !c->open_relay &&
           receive_connector_first_principal(c) == RIGHTS_ANONYMOUS &&
           (rights_on(s, c, RIGHTS_ANONYMOUS) & RIGHTS_ACCEPT_ANY_RECIPIENT);
}

/* The Internet divided among connectors that relay is hardly meant, and yet it adds up. */
static void check_open_relay_together(struct ruleset_check *check, bool v4)
{
    const struct ruleset_settings *s = check->settings;
    const struct receive_connector *last = NULL;
    size_t room = 1, count = 0;
    for (size_t i = 0; i < s->receive_count; i++)
        room += s->receive[i].range_count;
    struct iprange *ranges = MEM_NEW_ARRAY(struct iprange, room);
    for (size_t i = 0; i < s->receive_count; i++) {
        const struct receive_connector *c = &s->receive[i];
        if (!relays_for_anonymous(s, c) || ranges_hold_all(c, v4))
            continue; /* one that holds all by itself was told of */
        size_t more = list_ranges(c, v4, ranges + count);
        last = more ? c : last;
        count += more;
    }
    if (hold_all(ranges, count))
        ruleset_fault(check, last->origin,
                      "receive connector \"%.64s\": with the others on which Anonymous has "
                      "ms-Exch-SMTP-Accept-Any-Recipient it holds every %s address: together an "
                      "open relay; name the hosts that may relay, or set open_relay = true",
                      ruleset_text(last->name), v4 ? "IPv4" : "IPv6");
    mem_free(ranges);
}

static void check_bindings(struct ruleset_check *check, const struct receive_connector *c)
{
    bool v4 = false, v6 = false;
    if (c->binding_count == 0)
        ruleset_fault(check, c->origin,
                      "receive connector \"%s\": bindings: at least one is needed", c->name);
    for (size_t i = 0; i < c->binding_count; i++) {
        char text[ENDPOINT_TEXT_SIZE];
        if (ipaddr_is_v4(&c->bindings[i].addr))
            v4 = true;
        else
            v6 = true;
        for (size_t j = 0; j < i; j++)
            if (endpoint_equal(&c->bindings[i], &c->bindings[j]))
                ruleset_warn(check, c->origin,
                             "receive connector \"%s\": bindings: %s stands twice", c->name,
                             endpoint_format(&c->bindings[i], text));
    }
    bool told[2] = {v6 || c->binding_count == 0, v4 || c->binding_count == 0};
    for (size_t i = 0; i < c->range_count && !(told[0] && told[1]); i++) {
        bool range_v4 = ipaddr_is_v4(&c->ranges[i].range.first);
        if (told[range_v4])
            continue;
        told[range_v4] = true;
        ruleset_warn(check, c->ranges[i].origin,
                     "receive connector \"%s\": remote_ip_ranges: \"%s\" never matches: none of "
                     "the bindings is %s",
                     c->name, ruleset_text(c->ranges[i].text), range_v4 ? "IPv4" : "IPv6");
    }
}

static void check_ranges(struct ruleset_check *check, const struct receive_connector *c)
{
    if (c->range_count == 0)
        ruleset_fault(check, c->origin,
                      "receive connector \"%s\": remote_ip_ranges: at least one is needed",
                      c->name);
    for (size_t i = 0; i < c->range_count; i++) {
        const struct receive_connector_range *r = &c->ranges[i];
        if (!ipaddr_equal(&r->range.first, &r->range.last) ||
            !iprange_looks_like_network(bytes_of(r->text)))
            continue;
        ruleset_warn(check, r->origin,
                     "receive connector \"%s\": remote_ip_ranges: \"%s\" is one host but looks "
                     "like a network: write its length, as in %s",
                     c->name, r->text,
                     ipaddr_is_v4(&r->range.first) ? "192.168.1.0/24" : "2001:db8::/64");
    }
}

void ruleset_check_receive(struct ruleset_check *check)
{
    const struct ruleset_settings *s = check->settings;
    struct ruleset_name *names = MEM_NEW_ARRAY(struct ruleset_name, s->receive_count + 1);
    for (size_t i = 0; i < s->receive_count; i++) {
        struct receive_connector c = s->receive[i];
        names[i] = (struct ruleset_name){c.name, c.origin, i};
        c.name = ruleset_text(c.name);
        check_bindings(check, &c);
        check_ranges(check, &c);
        check_auth(check, &c);
        check_open_relay(check, &c);
        if (c.banner && !bytes_starts_nocase(bytes_of(c.banner), BYTES("220")))
            ruleset_fault(check, c.origin, "receive connector \"%s\": banner: begins with \"220\"",
                          c.name);
        check_usable(check, &c);
    }
    check_open_relay_together(check, true);
    check_open_relay_together(check, false);
    ruleset_check_names(check, "receive connector", names, s->receive_count);
    mem_free(names);
}
