/* net/dns_rdata.h - record data as it came from the network: hostile bytes to values.
 *
 * RFC 1035 3.3.9 and 3.4.1, RFC 3596 2.2. Pure; every length is checked.
 */
#ifndef NET_DNS_RDATA_H
#define NET_DNS_RDATA_H

#include "core/bytes.h"
#include "net/dns.h"

/* Labels of letters, digits, '-' and '_', at most 63 and 253 octets (RFC 1035 2.3.4); one final
 * dot is fine. */
bool dns_name_valid(struct bytes name);

/* ERR_CORRUPT for anything but a preference and one uncompressed host name. */
MUST_USE enum err dns_parse_mx(struct bytes rdata, struct dns_mx *out);

/* 4 octets are an A, 16 an AAAA; which one it must be the caller knows. */
MUST_USE enum err dns_parse_addr(struct bytes rdata, bool v6, struct ipaddr *out);

/* Puts MX among the COUNT best of at most DNS_MX_MAX, lowest preference first, equals as they
 * came; returns the new count. */
size_t dns_mx_insert(struct dns_mx *best, size_t count, const struct dns_mx *mx);

#endif
