/* The route by a send connector: one block of memory that holds all its texts. */
#include "mailrace/outbound_route.h"

#include <stdio.h>
#include <string.h>

#include "config/conf.h"
#include "core/mem.h"
#include "policy/header_firewall.h"

#define KEY_EXTERNAL  "external:"
#define KEY_SMARTHOST "smarthost:"
#define KEY_MX        "mx:"

static void route_free(struct route *route)
{
    struct rules *rules = route->owner;
    rules_release(&rules);
    mem_free(route);
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t texts_size(const struct send_connector *c, struct bytes domain)
{
    size_t size = sizeof KEY_EXTERNAL KEY_SMARTHOST + 2 * domain.len + 1;
    size += 2 * text_size(c->name) + text_size(c->fqdn);
    for (size_t i = 0; i < c->smart_host_count; i++)
        size += text_size(c->smart_hosts[i]);
    return size;
}

static const char *put(char **at, const char *text)
{
    if (!text)
        return NULL;
    size_t size = text_size(text);
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

/* Recipients in accepted domains and others may share a smart host, and its connections; but where
 * addresses are rewritten they are not sent the same. */
static void put_keys(struct route *r, char **at, const struct send_connector *c,
                     struct bytes domain)
{
    const char *kind = r->rewrites ? KEY_EXTERNAL : "";
    r->key = *at;
    if (c->dns_routing_enabled)
        *at += sprintf(*at, "%s" KEY_MX BYTES_FMT, kind, BYTES_ARG(domain)) + 1;
    else
        *at += sprintf(*at, "%s" KEY_SMARTHOST "%s", kind, c->name) + 1;
    r->connection_key = r->key + strlen(kind);
}

static void put_next_hop(struct route *r, char **at, const struct send_connector *c,
                         struct bytes domain, const char **hosts)
{
    if (c->dns_routing_enabled) {
        r->domain = memcpy(*at, domain.ptr, domain.len); /* zeroed memory: a NUL follows */
        *at += domain.len + 1;
        return;
    }
    r->smart_hosts = hosts;
    r->smart_host_count = c->smart_host_count;
    for (size_t i = 0; i < c->smart_host_count; i++)
        hosts[i] = put(at, c->smart_hosts[i]);
}

static enum route_tls tls_of(const struct send_connector *c)
{
    if (c->ignore_starttls)
        return ROUTE_TLS_NEVER;
    return c->require_tls ? ROUTE_TLS_ENCRYPT : ROUTE_TLS_MAY;
}

struct route *outbound_route_new(struct rules *rules, const struct send_connector *c,
                                 struct bytes domain, size_t couriers)
{
    ASSERT(couriers > 0);
    bool by_mx = c->dns_routing_enabled;
    size_t hosts_size = by_mx ? 0 : c->smart_host_count * sizeof(const char *);
    struct route *r = mem_zalloc(sizeof *r + hosts_size + texts_size(c, domain));
    const char **hosts = (const char **)(r + 1);
    char *at = (char *)hosts + hosts_size;
    atomic_init(&r->refs, 1);
    r->release = route_free;
    r->rewrites = ruleset_rewrites_to(rules->ruleset, domain);
    r->stripped_classes = header_firewall_on_send(send_connector_rights(c));
    put_keys(r, &at, c, domain);
    put_next_hop(r, &at, c, domain, hosts);
    r->connector = put(&at, c->name);
    r->helo = put(&at, c->fqdn);
    r->port = by_mx ? rules->conf->mx_port : c->port;
    r->source = c->source_ip_address;
    r->force_helo = c->force_helo;
    r->chunking = c->chunking_enabled;
    r->tls = tls_of(c);
    r->messages_max = c->smtp_max_messages_per_connection;
    r->connections_max = c->max_connections;
    if (!by_mx)
        r->connections_max = (r->connections_max + couriers - 1) / couriers;
    r->inactivity_timeout_ms = c->connection_inactivity_timeout_ms;
    r->protocol_logged = c->protocol_logging_verbose;
    if (r->rewrites)
        r->owner = rules;
    else
        rules_release(&rules);
    return r;
}
