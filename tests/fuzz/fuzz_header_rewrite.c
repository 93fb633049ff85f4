/* The addresses of a header: the same however the text is cut, in order, where they say, and none
 * behind the first empty line. */
#include "fuzz_split.h"

#include "net/header_rewrite.h"

#define SHOWN_MAX 8192

struct shown {
    struct bytes text;
    size_t count;
    uint64_t end;
    struct {
        uint64_t at, len;
    } list[SHOWN_MAX];
};

static void on_address(void *owner, uint64_t at, struct bytes address)
{
    struct shown *s = owner;
    MUST_HOLD(at >= s->end && at + address.len <= s->text.len && address.len >= 3);
    MUST_HOLD(memcmp(s->text.ptr + at, address.ptr, address.len) == 0);
    MUST_HOLD(bytes_find(address, '@', 1) < address.len - 1);
    s->end = at + address.len;
    if (s->count < SHOWN_MAX) {
        s->list[s->count].at = at;
        s->list[s->count].len = address.len;
    }
    s->count++;
}

static void run(struct bytes in, enum fuzz_cut cut, struct shown *out)
{
    static char field[HEADER_REWRITE_FIELD_MAX];
    struct header_rewrite r = {.address = on_address, .owner = out, .field = field};
    struct fuzz_split split = fuzz_split_make(in, cut);
    struct bytes piece;
    out->text = in;
    out->count = 0;
    out->end = 0;
    while (fuzz_split_next(&split, &piece)) {
        /* A copy that ends where the piece does, and is gone when the next one comes. */
        char *copy = malloc(piece.len);
        MUST_HOLD(copy);
        memcpy(copy, piece.ptr, piece.len);
        header_rewrite_feed(&r, bytes_make(copy, piece.len));
        free(copy);
    }
    header_rewrite_end(&r);
}

/* The place of the first empty line, or the text's end. */
static size_t header_end(struct bytes in)
{
    for (size_t at = 0; at < in.len;) {
        size_t lf = bytes_find(in, '\n', at);
        if (in.ptr[at] == '\n' || (in.ptr[at] == '\r' && lf == at + 1))
            return at;
        at = lf == BYTES_NOT_FOUND ? in.len : lf + 1;
    }
    return in.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct shown whole, other;
    struct bytes in = bytes_make((const char *)data, size);
    run(in, FUZZ_WHOLE, &whole);
    for (unsigned cut = FUZZ_OCTETS; cut < FUZZ_CUTS; cut++) {
        run(in, (enum fuzz_cut)cut, &other);
        size_t compared = whole.count < SHOWN_MAX ? whole.count : SHOWN_MAX;
        MUST_HOLD(whole.count == other.count);
        MUST_HOLD(memcmp(whole.list, other.list, compared * sizeof whole.list[0]) == 0);
    }
    MUST_HOLD(whole.end <= header_end(in));
    return 0;
}
