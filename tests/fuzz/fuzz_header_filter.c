/* The header filter: the same text however the message is cut, what goes is a field of its class,
 * and what remains holds none. */
#include "fuzz_split.h"

#include "core/header_filter.h"

static bool strips(unsigned classes, struct bytes name)
{
    MUST_HOLD(name.len > 0 && name.len <= HEADER_FILTER_HEAD_MAX);
    return (classes & 1 && bytes_equal_nocase(name, BYTES("Received"))) ||
           (classes & 2 && bytes_starts_nocase(name, BYTES("X-")));
}

static void filter_run(struct bytes in, unsigned classes, enum fuzz_cut cut, struct fuzz_text *out)
{
    struct header_filter filter = {.strips = strips, .classes = classes};
    struct fuzz_split split = fuzz_split_make(in, cut);
    struct bytes piece;
    out->len = 0;
    while (fuzz_split_next(&split, &piece)) {
        /* A copy that ends where the piece does, and is gone when the next one comes. */
        char *copy = malloc(piece.len);
        MUST_HOLD(copy);
        memcpy(copy, piece.ptr, piece.len);
        struct bytes rest = bytes_make(copy, piece.len);
        while (rest.len > 0)
            fuzz_text_add(out, header_filter_next(&filter, &rest));
        free(copy);
    }
    fuzz_text_add(out, header_filter_end(&filter));
    MUST_HOLD(filter.stripped == (out->len != in.len));
}

/* OUT is IN with whole lines left out. */
static void lines_check(struct bytes in, struct bytes out)
{
    while (in.len > 0) {
        size_t lf = bytes_find(in, '\n', 0);
        size_t len = lf == BYTES_NOT_FOUND ? in.len : lf + 1;
        if (out.len >= len && memcmp(in.ptr, out.ptr, len) == 0)
            out = bytes_from(out, len);
        in = bytes_from(in, len);
    }
    MUST_HOLD(out.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_text whole, other;
    struct bytes in = bytes_make((const char *)data, size);
    if (size > FUZZ_TEXT_MAX)
        return 0;
    for (unsigned classes = 0; classes < 4; classes++) {
        filter_run(in, classes, FUZZ_WHOLE, &whole);
        for (unsigned cut = FUZZ_OCTETS; cut < FUZZ_CUTS; cut++) {
            filter_run(in, classes, (enum fuzz_cut)cut, &other);
            MUST_HOLD(bytes_equal(fuzz_text_bytes(&whole), fuzz_text_bytes(&other)));
        }
        MUST_HOLD(whole.len <= size && (classes || whole.len == size));
        /* A second time there is nothing left to strip. */
        filter_run(fuzz_text_bytes(&whole), classes, FUZZ_WHOLE, &other);
        MUST_HOLD(bytes_equal(fuzz_text_bytes(&whole), fuzz_text_bytes(&other)));
        lines_check(in, fuzz_text_bytes(&whole));
    }
    return 0;
}
