/* net/dns.h - asynchronous, caching, validating look-ups through libunbound, one per loop.
 *
 * We write no resolver. Exactly one callback for each query, from the loop.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/ipaddr.h"
#include "core/loop.h"

struct dns;

struct dns_settings {
    const char *const *servers; /* "192.0.2.53" or "192.0.2.53:5353"; none: /etc/resolv.conf */
    size_t server_count;
    bool dnssec_validation; /* with the root's trust anchor */
};

MUST_USE enum err dns_new(struct loop *loop, const struct dns_settings *settings, struct dns **out,
                          struct err_detail *why);
void dns_free(struct dns **dns); /* queries under way are dropped, their callbacks not called */

enum dns_outcome {
    DNS_FOUND,
    DNS_NO_DATA,   /* the name is there, this type is not */
    DNS_NO_NAME,   /* NXDOMAIN */
    DNS_TEMPORARY, /* SERVFAIL, timeout, bogus: never treat as absence (RFC 5321 5.1) */
};

struct dns_mx {
    uint16_t preference;
    char host[256]; /* without final dot; "" for the null MX "." (RFC 7505) */
};

#define DNS_MX_MAX   100
#define DNS_ADDR_MAX 20

struct dns_answer { /* valid during the callback */
    enum dns_outcome outcome;
    bool secure;     /* DNSSEC validated */
    const char *why; /* for humans when not found */
    const struct dns_mx *mx;
    size_t mx_count;
    const struct ipaddr *addrs;
    size_t addr_count;
};

struct dns_query; /* freed after its callback */
typedef void (*dns_callback)(void *owner, const struct dns_answer *answer);

struct dns_query *dns_lookup_mx(struct dns *dns, const char *domain, dns_callback cb, void *owner);
/* A and AAAA together; FOUND if either is (KB972744: a failing AAAA blocks nothing). */
struct dns_query *dns_lookup_addrs(struct dns *dns, const char *host, dns_callback cb, void *owner);
void dns_cancel(struct dns_query **q); /* its callback will not be called */

#endif
