/* net/mx.h - from a domain or a list of smart hosts to the addresses to try, in order.
 *
 * RFC 5321 5.1, RFC 7505. Ordering is pure; resolving
 * uses net/dns.h.
 */
#ifndef NET_MX_H
#define NET_MX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/ipaddr.h"
#include "core/mail.h"
#include "net/dns.h"

#define MX_TARGETS_MAX 20

struct mx_target {
    struct endpoint at;
    char host[256]; /* name from MX or the smart host list: for TLS and logs; "[ip]" for literals */
    uint16_t preference;
};

/* Sorts by preference, shuffles equals (core/rand.h), drops LOCAL_NAME and all that is not better
 * than it. Returns how many are left. */
size_t mx_order(struct dns_mx *mx, size_t count, const char *local_name);

struct mx_result {             /* valid during the callback */
    struct mail_status status; /* 250: targets are there; else why not, 4xx or 5xx */
    const struct mx_target *targets;
    size_t target_count;
};
struct mx_resolution;
typedef void (*mx_callback)(void *owner, const struct mx_result *result);

struct mx_settings {
    const char *local_name;
    uint16_t port;              /* 25 */
    bool allow_special_targets; /* tests and private networks: MX may lead to loopback and the like
                                 */
};

/* By MX of DOMAIN ("[192.0.2.1]" goes straight there). Exactly one callback, maybe at once. */
struct mx_resolution *mx_resolve_domain(struct dns *dns, const struct mx_settings *settings,
                                        const char *domain, mx_callback cb, void *owner);
/* HOSTS as in smart_hosts: "name", "name:port", "[ip]", "[ip]:port"; the list starts at FIRST and
 * goes round, one step for each new connection. A name is looked up by its addresses, and by MX if
 * it has none. */
struct mx_resolution *mx_resolve_smart_hosts(struct dns *dns, const struct mx_settings *settings,
                                             const char *const *hosts, size_t count, size_t first,
                                             mx_callback cb, void *owner);
void mx_cancel(struct mx_resolution **r);

#endif
