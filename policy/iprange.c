/* Ranges as numbers of 128 bits: read, written, compared, cut into prefixes. */
#include "policy/iprange.h"

#include <stdio.h>

/* Addresses as numbers; IPv4 keeps its 96 bits in front, so that both families count alike. */
typedef unsigned __int128 iprange_number;

static iprange_number to_number(const struct ipaddr *a)
{
    iprange_number n = 0;
    for (size_t i = 0; i < sizeof a->octets; i++)
        n = n << 8 | a->octets[i];
    return n;
}

static struct ipaddr from_number(iprange_number n)
{
    struct ipaddr a;
    for (size_t i = sizeof a.octets; i-- > 0; n >>= 8)
        a.octets[i] = (uint8_t)(n & 0xff);
    return a;
}

/* All ones in the last COUNT bits; COUNT may be 128. */
static iprange_number low_bits(unsigned count)
{
    return count >= 128 ? ~(iprange_number)0 : ((iprange_number)1 << count) - 1;
}

static struct iprange range_of_prefix(const struct ipaddr *a, unsigned host_bits)
{
    iprange_number mask = low_bits(host_bits), n = to_number(a);
    return (struct iprange){from_number(n & ~mask), from_number(n | mask)};
}

/* A zone ("fe80::1%11") is accepted and dropped: addresses here carry none. */
static bool parse_address(struct bytes text, struct ipaddr *out)
{
    text = bytes_trim(text);
    size_t percent = bytes_find(text, '%', 0);
    bool zoned = percent != BYTES_NOT_FOUND;
    if (zoned && (percent + 1 == text.len || bytes_find(text, ':', 0) == BYTES_NOT_FOUND))
        return false;
    return ipaddr_parse(zoned ? bytes_sub(text, 0, percent) : text, out) == ERR_OK;
}

static enum err fail(struct err_detail *why, struct bytes text, const char *what)
{
    char shown[128];
    return err_set(why, ERR_SYNTAX,
                   "\"%s\" %s (allowed: 192.0.2.1, 10.0.0.0/8, 10.2.0.0(255.255.0.0), "
                   "192.0.2.1-192.0.2.9, and IPv6 alike)",
                   bytes_escape(text, shown, sizeof shown), what);
}

/* A netmask as a number of host bits: ones first, then zeros only. */
static bool parse_mask(struct bytes text, unsigned *host_bits)
{
    struct ipaddr mask;
    if (!parse_address(text, &mask) || !ipaddr_is_v4(&mask))
        return false;
    uint32_t inverse = (uint32_t)~to_number(&mask);
    if ((inverse & (inverse + 1)) != 0)
        return false;
    *host_bits = (unsigned)__builtin_popcount(inverse);
    return true;
}

static enum err parse_masked(struct bytes text, struct bytes head, struct bytes mask,
                             struct iprange *out, struct err_detail *why)
{
    struct ipaddr a;
    unsigned host_bits;
    if (!parse_address(head, &a))
        return fail(why, text, "has no valid address before the mask");
    if (!ipaddr_is_v4(&a))
        return fail(why, text, "has a dotted mask on an IPv6 address");
    if (!parse_mask(mask, &host_bits))
        return fail(why, text, "has a mask that is not ones followed by zeros");
    *out = range_of_prefix(&a, host_bits);
    return ERR_OK;
}

/* "::ffff:10.0.0.0/104" is 10.0.0.0/8: the length then counts all 128 bits. */
static enum err parse_cidr(struct bytes text, struct bytes head, struct bytes length,
                           struct iprange *out, struct err_detail *why)
{
    struct ipaddr a;
    uint64_t bits;
    if (!parse_address(head, &a))
        return fail(why, text, "has no valid address before the \"/\"");
    bool dotted = bytes_find(head, ':', 0) == BYTES_NOT_FOUND;
    uint64_t max = dotted ? 32 : 128;
    if (bytes_to_u64(bytes_trim(length), max, &bits) != ERR_OK)
        return fail(why, text,
                    dotted ? "has a prefix length outside 0..32"
                           : "has a prefix length outside 0..128");
    if (!dotted && ipaddr_is_v4(&a) && bits < 96)
        return fail(why, text, "spans IPv4 and IPv6: write one range for each");
    *out = range_of_prefix(&a, (unsigned)(max - bits));
    return ERR_OK;
}

static enum err parse_bounds(struct bytes text, struct bytes first, struct bytes last,
                             struct iprange *out, struct err_detail *why)
{
    struct iprange r;
    if (!parse_address(first, &r.first))
        return fail(why, text, "has no valid first address");
    if (!parse_address(last, &r.last))
        return fail(why, text, "has no valid last address: write both in full");
    if (ipaddr_is_v4(&r.first) != ipaddr_is_v4(&r.last))
        return fail(why, text, "mixes IPv4 and IPv6");
    if (ipaddr_compare(&r.first, &r.last) > 0)
        return fail(why, text, "ends before it begins");
    *out = r;
    return ERR_OK;
}

/* Host bits of the classful network that A is the base of, or 0: a host, or no class's. */
static unsigned classful_host_bits(const struct ipaddr *a)
{
    uint32_t n = (uint32_t)to_number(a);
    unsigned top = n >> 24;
    unsigned bits = top == 0 || top >= 224 ? 0 : top < 128 ? 24 : top < 192 ? 16 : 8;
    return (n & (uint32_t)low_bits(bits)) == 0 ? bits : 0;
}

enum err iprange_parse(struct bytes text, bool classful, struct iprange *out,
                       struct err_detail *why)
{
    struct bytes head, tail;
    struct ipaddr a;
    if (text.len > IPRANGE_WRITTEN_MAX)
        return fail(why, text, "is too long");
    text = bytes_trim(text);
    if (bytes_split(text, '-', &head, &tail))
        return parse_bounds(text, head, tail, out, why);
    if (bytes_split(text, '(', &head, &tail)) {
        if (tail.len == 0 || tail.ptr[tail.len - 1] != ')')
            return fail(why, text, "lacks the closing parenthesis");
        return parse_masked(text, head, bytes_sub(tail, 0, tail.len - 1), out, why);
    }
    if (bytes_split(text, '/', &head, &tail)) {
        if (bytes_find(tail, '.', 0) != BYTES_NOT_FOUND)
            return parse_masked(text, head, tail, out, why);
        return parse_cidr(text, head, tail, out, why);
    }
    if (!parse_address(text, &a))
        return fail(why, text, "is not an address or a range");
    *out = range_of_prefix(&a, classful && ipaddr_is_v4(&a) ? classful_host_bits(&a) : 0);
    return ERR_OK;
}

char *iprange_format(const struct iprange *r, char to[IPRANGE_TEXT_SIZE])
{
    char first[IPADDR_TEXT_SIZE], last[IPADDR_TEXT_SIZE];
    struct iprange_prefix prefixes[IPRANGE_PREFIXES_MAX];
    ipaddr_format(&r->first, first);
    if (ipaddr_equal(&r->first, &r->last)) {
        snprintf(to, IPRANGE_TEXT_SIZE, "%s", first);
    } else if (iprange_to_prefixes(r, prefixes) == 1) {
        unsigned bits = prefixes[0].bits - (ipaddr_is_v4(&r->first) ? 96 : 0);
        snprintf(to, IPRANGE_TEXT_SIZE, "%s/%u", first, bits);
    } else {
        /* 45 octets is the longest text of an address: both fit. */
        snprintf(to, IPRANGE_TEXT_SIZE, "%.46s-%.46s", first, ipaddr_format(&r->last, last));
    }
    return to;
}

bool iprange_contains(const struct iprange *r, const struct ipaddr *a)
{
    return ipaddr_compare(&r->first, a) <= 0 && ipaddr_compare(a, &r->last) <= 0 &&
           ipaddr_is_v4(&r->first) == ipaddr_is_v4(a);
}

bool iprange_is_all(const struct iprange *r)
{
    bool v4 = ipaddr_is_v4(&r->first);
    struct iprange all = range_of_prefix(v4 ? &IPADDR_V4_ANY : &IPADDR_V6_ANY, v4 ? 32 : 128);
    return ipaddr_equal(&r->first, &all.first) && ipaddr_equal(&r->last, &all.last);
}

bool iprange_looks_like_network(struct bytes text)
{
    struct ipaddr a;
    if (!parse_address(text, &a))
        return false;
    return (to_number(&a) & low_bits(ipaddr_is_v4(&a) ? 8 : 64)) == 0;
}

enum iprange_relation iprange_relation(const struct iprange *a, const struct iprange *b,
                                       struct iprange *common)
{
    if (ipaddr_is_v4(&a->first) != ipaddr_is_v4(&b->first) ||
        ipaddr_compare(&a->last, &b->first) < 0 || ipaddr_compare(&b->last, &a->first) < 0)
        return IPRANGE_DISJOINT;
    int first = ipaddr_compare(&a->first, &b->first);
    int last = ipaddr_compare(&a->last, &b->last);
    if (common) {
        common->first = first < 0 ? b->first : a->first;
        common->last = last < 0 ? a->last : b->last;
    }
    if (first == 0 && last == 0)
        return IPRANGE_EQUAL;
    if (first >= 0 && last <= 0)
        return IPRANGE_INSIDE;
    return first <= 0 && last >= 0 ? IPRANGE_AROUND : IPRANGE_OVERLAP;
}

/* How many of the last bits of N are free to vary in a block that begins at N and stays within
 * N..LAST. */
static unsigned block_bits(iprange_number n, iprange_number last, unsigned max)
{
    unsigned bits = 0;
    while (bits < max && (n & low_bits(bits + 1)) == 0 && (n | low_bits(bits + 1)) <= last)
        bits++;
    return bits;
}

size_t iprange_to_prefixes(const struct iprange *r, struct iprange_prefix out[IPRANGE_PREFIXES_MAX])
{
    iprange_number n = to_number(&r->first), last = to_number(&r->last);
    unsigned max = ipaddr_is_v4(&r->first) ? 32 : 128;
    size_t count = 0;
    for (;;) {
        unsigned bits = block_bits(n, last, max);
        ASSERT(count < IPRANGE_PREFIXES_MAX);
        out[count++] = (struct iprange_prefix){from_number(n), 128 - bits};
        if ((n | low_bits(bits)) >= last)
            return count;
        n = (n | low_bits(bits)) + 1;
    }
}
