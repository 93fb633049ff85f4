/* The header scanner: the same counts however the message is cut, and bounded by its text. */
#include "fuzz_split.h"

#include "net/header_scan.h"

static void scan_run(struct bytes in, enum fuzz_cut cut, struct header_scan *scan)
{
    struct fuzz_split split = fuzz_split_make(in, cut);
    struct bytes piece;

    memset(scan, 0, sizeof *scan);
    scan->local_name = BYTES("by.us");
    while (fuzz_split_next(&split, &piece))
        header_scan_feed(scan, piece);
}

static void same_check(const struct header_scan *a, const struct header_scan *b)
{
    MUST_HOLD(a->octets == b->octets && a->received == b->received);
    MUST_HOLD(a->local_hops == b->local_hops && a->ended == b->ended);
    MUST_HOLD(a->has_date == b->has_date && a->has_from == b->has_from);
    MUST_HOLD(a->has_message_id == b->has_message_id);
    MUST_HOLD(memcmp(a->message_id, b->message_id, sizeof a->message_id) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make((const char *)data, size);
    struct header_scan scan;
    struct header_scan other;

    scan_run(in, FUZZ_OCTETS, &scan);
    for (unsigned cut = 0; cut < FUZZ_CUTS; cut++) {
        scan_run(in, (enum fuzz_cut)cut, &other);
        same_check(&scan, &other);
    }
    MUST_HOLD(scan.octets <= size && scan.local_hops <= scan.received);
    MUST_HOLD(scan.received <= size / sizeof("Received") + 1);
    size_t len = strnlen(scan.message_id, sizeof scan.message_id);
    MUST_HOLD(len < sizeof scan.message_id && (len == 0 || scan.has_message_id));
    for (size_t i = 0; i < len; i++)
        MUST_HOLD(scan.message_id[i] > ' ' && scan.message_id[i] < 0x7F);
    /* What was counted as header is one: read alone it is all header. */
    if (scan.ended) {
        scan_run(bytes_sub(in, 0, scan.octets), FUZZ_WHOLE, &other);
        MUST_HOLD(!other.ended && other.octets == scan.octets);
        MUST_HOLD(other.received == scan.received && other.local_hops == scan.local_hops);
    }
    return 0;
}
