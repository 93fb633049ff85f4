/* Addresses and endpoints: read, written, and as the sockets have them. */
#include "core/ipaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

const struct ipaddr IPADDR_V4_ANY = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}};
const struct ipaddr IPADDR_V6_ANY = {{0}};

/* The first BITS bits that ADDR must have. */
struct prefix {
    uint8_t octets[16];
    uint8_t bits;
};

static bool prefix_holds(const struct prefix *p, const uint8_t *octets)
{
    size_t whole = p->bits / 8;
    unsigned rest = p->bits % 8;
    if (memcmp(p->octets, octets, whole) != 0)
        return false;
    return rest == 0 || ((p->octets[whole] ^ octets[whole]) >> (8 - rest)) == 0;
}

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool ipaddr_is_v4(const struct ipaddr *a)
{
    return memcmp(a->octets, v4_mapped, sizeof v4_mapped) == 0;
}

static void ipaddr_set_v4(struct ipaddr *out, const void *four)
{
    memcpy(out->octets, v4_mapped, sizeof v4_mapped);
    memcpy(out->octets + sizeof v4_mapped, four, 4);
}

bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
    return memcmp(a->octets, b->octets, sizeof a->octets) == 0;
}

int ipaddr_compare(const struct ipaddr *a, const struct ipaddr *b)
{
    return memcmp(a->octets, b->octets, sizeof a->octets);
}

bool ipaddr_is_loopback(const struct ipaddr *a)
{
    static const struct ipaddr v6_loopback = {{[15] = 1}};
    return ipaddr_is_v4(a) ? a->octets[12] == 127 : ipaddr_equal(a, &v6_loopback);
}

/* RFC 6890 and its registries: what no public mail exchanger can have. */
static bool v4_is_special(const uint8_t *octets)
{
    static const struct prefix special[] = {
        {{0}, 8},         /* this network */
        {{10}, 8},        /* private, RFC 1918 */
        {{100, 64}, 10},  /* shared by carriers, RFC 6598 */
        {{127}, 8},       /* loopback */
        {{169, 254}, 16}, /* link-local, RFC 3927; cloud metadata services */
        {{172, 16}, 12},  /* private */
        {{192, 168}, 16}, /* private */
        {{224}, 4},       /* multicast */
        {{240}, 4},       /* reserved, with the limited broadcast address */
    };
    for (size_t i = 0; i < ARRAY_SIZE(special); i++)
        if (prefix_holds(&special[i], octets))
            return true;
    return false;
}

/* ::/96 is unspecified, loopback and the dead "compatible" form of RFC 4291 2.5.5.1. */
static bool v6_is_special(const uint8_t *octets)
{
    static const struct prefix special[] = {
        {{0}, 96},          {{0xfc}, 7}, /* unique local, RFC 4193 */
        {{0xfe, 0x80}, 10},              /* link-local */
        {{0xfe, 0xc0}, 10},              /* site-local, RFC 3879 */
        {{0xff}, 8},                     /* multicast */
    };
    for (size_t i = 0; i < ARRAY_SIZE(special); i++)
        if (prefix_holds(&special[i], octets))
            return true;
    return false;
}

bool ipaddr_is_special(const struct ipaddr *a)
{
    /* Where a translator finds the IPv4 address: RFC 6052, RFC 3056. */
    static const struct prefix nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};
    static const struct prefix six_to_four = {{0x20, 0x02}, 16};
    if (ipaddr_is_v4(a))
        return v4_is_special(a->octets + 12);
    if (prefix_holds(&nat64, a->octets))
        return v4_is_special(a->octets + 12);
    if (prefix_holds(&six_to_four, a->octets))
        return v4_is_special(a->octets + 2);
    return v6_is_special(a->octets);
}

enum err ipaddr_parse(struct bytes text, struct ipaddr *out)
{
    char copy[INET6_ADDRSTRLEN];
    struct ipaddr a;
    uint8_t four[4];
    if (bytes_find(text, '\0', 0) != BYTES_NOT_FOUND || !bytes_to_cstr(text, copy, sizeof copy))
        return ERR_SYNTAX;
    if (inet_pton(AF_INET, copy, four) == 1)
        ipaddr_set_v4(&a, four);
    else if (inet_pton(AF_INET6, copy, a.octets) != 1)
        return ERR_SYNTAX;
    *out = a;
    return ERR_OK;
}

char *ipaddr_format(const struct ipaddr *a, char to[IPADDR_TEXT_SIZE])
{
    bool v4 = ipaddr_is_v4(a);
    const void *from = v4 ? a->octets + 12 : a->octets;
    ASSERT(inet_ntop(v4 ? AF_INET : AF_INET6, from, to, IPADDR_TEXT_SIZE));
    return to;
}

enum err endpoint_parse(struct bytes text, struct endpoint *out)
{
    struct endpoint e = {.port = 0};
    size_t colon = bytes_rfind(text, ':');
    if (colon == BYTES_NOT_FOUND)
        return ERR_SYNTAX;
    struct bytes host = bytes_sub(text, 0, colon);
    bool bracketed = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed)
        host = bytes_sub(host, 1, host.len - 2);
    /* Without brackets the last group of an IPv6 address would pass for a port. */
    else if (bytes_find(host, ':', 0) != BYTES_NOT_FOUND)
        return ERR_SYNTAX;
    uint64_t port;
    if (bytes_to_u64(bytes_from(text, colon + 1), UINT16_MAX, &port) != ERR_OK)
        return ERR_SYNTAX;
    e.port = (uint16_t)port;
    enum err err = ipaddr_parse(host, &e.addr);
    if (err == ERR_OK)
        *out = e;
    return err;
}

char *endpoint_format(const struct endpoint *e, char to[ENDPOINT_TEXT_SIZE])
{
    char addr[IPADDR_TEXT_SIZE];
    ipaddr_format(&e->addr, addr);
    snprintf(to, ENDPOINT_TEXT_SIZE, ipaddr_is_v4(&e->addr) ? "%s:%u" : "[%s]:%u", addr, e->port);
    return to;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && a->scope == b->scope && ipaddr_equal(&a->addr, &b->addr);
}

void endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out)
{
    *out = (struct endpoint){.port = 0};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        ipaddr_set_v4(&out->addr, &in.sin_addr);
        out->port = ntohs(in.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        memcpy(out->addr.octets, &in6.sin6_addr, sizeof out->addr.octets);
        out->port = ntohs(in6.sin6_port);
        out->scope = in6.sin6_scope_id;
    }
}

socklen_t endpoint_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (ipaddr_is_v4(&e->addr)) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};
        memcpy(&in.sin_addr, e->addr.octets + 12, sizeof in.sin_addr);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(e->port),
        .sin6_scope_id = e->scope,
    };
    memcpy(&in6.sin6_addr, e->addr.octets, sizeof in6.sin6_addr);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}
