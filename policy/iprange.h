/* policy/iprange.h - remote IP ranges in all the forms that administrators type.
 *
 * A range is first..last, both included, in one family. Pure.
 */
#ifndef POLICY_IPRANGE_H
#define POLICY_IPRANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/ipaddr.h"

struct iprange {
    struct ipaddr first, last;
};

/* The longest text of a range as it is written. */
#define IPRANGE_WRITTEN_MAX 128

/* "192.0.2.1", "10.0.0.0/8" (host bits set: masked), "10.2.0.0(255.255.0.0)", "a-b", IPv6 alike.
 * CLASSFUL: a bare IPv4 network address gets its class's mask (the 2007 console). */
MUST_USE enum err iprange_parse(struct bytes text, bool classful, struct iprange *out,
                                struct err_detail *why);
#define IPRANGE_TEXT_SIZE 100
char *iprange_format(const struct iprange *r, char to[IPRANGE_TEXT_SIZE]);

bool iprange_contains(const struct iprange *r, const struct ipaddr *a);
bool iprange_is_all(const struct iprange *r); /* every address of its family */
/* A bare address with a host part of zero ("192.168.1.0"): check warns. */
bool iprange_looks_like_network(struct bytes text);

enum iprange_relation {
    IPRANGE_DISJOINT,
    IPRANGE_EQUAL,
    IPRANGE_INSIDE,
    IPRANGE_AROUND,
    IPRANGE_OVERLAP
};
enum iprange_relation iprange_relation(const struct iprange *a, const struct iprange *b,
                                       struct iprange *common);

struct iprange_prefix {
    struct ipaddr addr;
    unsigned bits; /* 0..128; IPv4 /n is 96 + n */
};
/* The fewest prefixes that make up R: at most 254. Returns how many. */
#define IPRANGE_PREFIXES_MAX 254
size_t iprange_to_prefixes(const struct iprange *r,
                           struct iprange_prefix out[IPRANGE_PREFIXES_MAX]);

#endif
