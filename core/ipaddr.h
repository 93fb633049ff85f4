/* core/ipaddr.h - an IP address as 128 bits, IPv4 at ::ffff:0:0/96 (RFC 4291 2.5.5.2), and an
 * address with a port.
 *
 * An IPv4-mapped IPv6 peer therefore *is* its IPv4 address. Byte order is that of the wire, so
 * addresses compare as memory. Any thread.
 */
#ifndef CORE_IPADDR_H
#define CORE_IPADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/bytes.h"
#include "core/err.h"

struct ipaddr {
    uint8_t octets[16];
};

struct endpoint {
    struct ipaddr addr;
    uint16_t port;
    uint32_t scope; /* IPv6 zone index, 0 without */
};

#define IPADDR_TEXT_SIZE   64
#define ENDPOINT_TEXT_SIZE 80

extern const struct ipaddr IPADDR_V4_ANY; /* 0.0.0.0 */
extern const struct ipaddr IPADDR_V6_ANY; /* :: */

bool ipaddr_is_v4(const struct ipaddr *a);
bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b);
int ipaddr_compare(const struct ipaddr *a, const struct ipaddr *b);
bool ipaddr_is_loopback(const struct ipaddr *a);
/* Not for mail learnt from MX records: loopback, link-local, multicast, unspecified, and their
 * mapped and translated forms (RFC 6890). */
bool ipaddr_is_special(const struct ipaddr *a);

/* "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"; no port, no brackets, no zone. */
MUST_USE enum err ipaddr_parse(struct bytes text, struct ipaddr *out);
/* IPv4 in dotted form, IPv6 per RFC 5952. Returns TO. */
char *ipaddr_format(const struct ipaddr *a, char to[IPADDR_TEXT_SIZE]);

/* "192.0.2.1:25", "[::1]:25". */
MUST_USE enum err endpoint_parse(struct bytes text, struct endpoint *out);
char *endpoint_format(const struct endpoint *e, char to[ENDPOINT_TEXT_SIZE]);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

void endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out);
/* IPv4 gives an AF_INET address. Returns the length. */
socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out);

#endif
