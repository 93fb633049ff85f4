/* Record data from the DNS: whatever it is, a host name that comes out is one that could be asked
 * for, and writing it back gives the octets it came from. */
#include "fuzz_split.h"

#include "net/dns_rdata.h"

static size_t write_name(const char *host, uint8_t to[300])
{
    struct bytes rest = bytes_of(host), label;
    size_t len = 0;
    bool more = rest.len > 0;
    while (more) {
        more = bytes_split(rest, '.', &label, &rest);
        to[len++] = (uint8_t)label.len;
        memcpy(to + len, label.ptr, label.len);
        len += label.len;
    }
    to[len++] = 0;
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rdata = bytes_make((const char *)data, size);
    struct dns_mx mx;
    struct ipaddr addr;
    uint8_t again[300];

    if (dns_parse_mx(rdata, &mx) == ERR_OK) {
        size_t len = write_name(mx.host, again);
        MUST_HOLD(mx.host[0] == '\0' || dns_name_valid(bytes_of(mx.host)));
        MUST_HOLD(len + 2 == size && memcmp(again, data + 2, len) == 0);
        MUST_HOLD(mx.preference == (data[0] << 8 | data[1]));
    }
    MUST_HOLD((dns_parse_addr(rdata, false, &addr) == ERR_OK) == (size == 4));
    MUST_HOLD((dns_parse_addr(rdata, true, &addr) == ERR_OK) == (size == 16));
    (void)dns_name_valid(rdata);
    return 0;
}
