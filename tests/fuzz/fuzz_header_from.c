/* Whom a reader sees as the sender: the values of From and Sender as the scanner keeps them, then
 * the addresses in them.
 */
#include "fuzz_split.h"

#include "core/mail.h"
#include "net/header_from.h"
#include "net/header_scan.h"

#define KEPT_MAX 300

static void scan_start(struct header_scan *scan, char *from)
{
    *scan = (struct header_scan){
        .local_name = BYTES("relay.example"), .from = from, .from_max = KEPT_MAX};
}

/* However it comes, the same is kept. */
static void keep_check(struct bytes in, struct header_scan *whole, char *from)
{
    char other[KEPT_MAX];
    struct header_scan octets;
    scan_start(whole, from);
    scan_start(&octets, other);
    header_scan_feed(whole, in);
    for (size_t i = 0; i < in.len; i++)
        header_scan_feed(&octets, bytes_sub(in, i, 1));
    MUST_HOLD(whole->from_len <= KEPT_MAX && whole->from_cut == octets.from_cut);
    MUST_HOLD(bytes_equal(bytes_make(from, whole->from_len), bytes_make(other, octets.from_len)));
}

/* It ends, never beyond its room, and no domain holds what would make it look like another. */
static void addresses_check(struct bytes rest)
{
    char address[HEADER_FROM_ADDRESS_MAX];
    size_t len = 0;
    for (size_t before = rest.len + 1; header_from_next(&rest, address, &len); before = rest.len) {
        MUST_HOLD(rest.len < before && len <= sizeof address);
        struct bytes domain = mail_domain(bytes_make(address, len));
        for (size_t i = 0; i < domain.len && domain.ptr[0] != '['; i++)
            MUST_HOLD((unsigned char)domain.ptr[i] > ' ' && !strchr("\"()<>\\,;:", domain.ptr[i]));
    }
    MUST_HOLD(rest.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char from[KEPT_MAX];
    struct header_scan scan;
    struct bytes in = bytes_make((const char *)data, size);
    keep_check(in, &scan, from);
    addresses_check(bytes_make(from, scan.from_len));
    addresses_check(in);
    return 0;
}
