/* MX, A and AAAA data from bytes of the network. */
#include "net/dns_rdata.h"

#define NAME_OCTETS_MAX  255 /* in wire form */
#define NAME_TEXT_MAX    253
#define LABEL_OCTETS_MAX 63

/* A host name's characters; more than that is legal in the DNS, but not where mail goes, and
 * would be ambiguous as text. */
static bool host_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
}

static bool label_valid(struct bytes label)
{
    for (size_t i = 0; i < label.len; i++)
        if (!host_char(label.ptr[i]))
            return false;
    return label.len > 0 && label.len <= LABEL_OCTETS_MAX;
}

bool dns_name_valid(struct bytes name)
{
    struct bytes label;
    bool more;
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > NAME_TEXT_MAX)
        return false;
    do {
        more = bytes_split(name, '.', &label, &name);
        if (!label_valid(label))
            return false;
    } while (more);
    return true;
}

/* NAME: the whole rest of the record data. No compression: the resolver has undone it, so that
 * the two high bits of a length (a pointer, RFC 1035 4.1.4) are an error here. */
static enum err parse_name(struct bytes name, char host[256])
{
    size_t at = 0, len = 0;
    if (name.len == 0 || name.len > NAME_OCTETS_MAX)
        return ERR_CORRUPT;
    for (;;) {
        size_t label_len = (unsigned char)name.ptr[at++];
        if (label_len == 0)
            break;
        /* After the label there is at least the length octet of the next. */
        if (label_len > LABEL_OCTETS_MAX || label_len >= name.len - at)
            return ERR_CORRUPT;
        struct bytes label = bytes_sub(name, at, label_len);
        if (!label_valid(label))
            return ERR_CORRUPT;
        if (len > 0)
            host[len++] = '.';
        memcpy(host + len, label.ptr, label.len);
        len += label.len;
        at += label_len;
    }
    host[len] = '\0';
    return at == name.len ? ERR_OK : ERR_CORRUPT;
}

enum err dns_parse_mx(struct bytes rdata, struct dns_mx *out)
{
    if (rdata.len < 3)
        return ERR_CORRUPT;
    const unsigned char *p = (const unsigned char *)rdata.ptr;
    out->preference = (uint16_t)(p[0] << 8 | p[1]);
    return parse_name(bytes_from(rdata, 2), out->host);
}

enum err dns_parse_addr(struct bytes rdata, bool v6, struct ipaddr *out)
{
    if (rdata.len != (v6 ? 16u : 4u))
        return ERR_CORRUPT;
    *out = v6 ? IPADDR_V6_ANY : IPADDR_V4_ANY;
    memcpy(out->octets + sizeof out->octets - rdata.len, rdata.ptr, rdata.len);
    return ERR_OK;
}

size_t dns_mx_insert(struct dns_mx *best, size_t count, const struct dns_mx *mx)
{
    size_t at = count;
    while (at > 0 && best[at - 1].preference > mx->preference)
        at--;
    if (at == DNS_MX_MAX)
        return count;
    if (count < DNS_MX_MAX)
        count++;
    memmove(best + at + 1, best + at, (count - at - 1) * sizeof *best);
    best[at] = *mx;
    return count;
}
