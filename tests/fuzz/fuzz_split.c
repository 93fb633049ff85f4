/* Cuts an input into pieces, and gathers text. */
#include "fuzz_split.h"

struct fuzz_split fuzz_split_make(struct bytes in, enum fuzz_cut cut)
{
    struct fuzz_split s = {cut, 0x9E3779B97F4A7C15u, in};

    for (size_t i = 0; i < in.len; i++)
        s.seed = (s.seed ^ (unsigned char)in.ptr[i]) * 0x100000001B3u;
    return s;
}

bool fuzz_split_next(struct fuzz_split *s, struct bytes *piece)
{
    size_t len = s->cut == FUZZ_OCTETS ? 1 : s->rest.len;

    if (s->cut == FUZZ_RANDOM) {
        s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t draw = s->seed >> 33;
        len = (size_t)(draw & 1 ? draw >> 1 & 7 : draw >> 1 & 255) + 1;
    }
    *piece = bytes_sub(s->rest, 0, len);
    s->rest = bytes_from(s->rest, piece->len);
    return piece->len > 0;
}

void fuzz_text_add(struct fuzz_text *t, struct bytes b)
{
    MUST_HOLD(b.len <= sizeof t->data - t->len);
    if (b.len > 0)
        memcpy(t->data + t->len, b.ptr, b.len);
    t->len += b.len;
}

struct bytes fuzz_text_bytes(const struct fuzz_text *t)
{
    return bytes_make(t->data, t->len);
}

void fuzz_within(struct bytes part, struct bytes whole)
{
    if (part.len == 0)
        return;
    MUST_HOLD(part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
    for (size_t i = 0; i < part.len; i++)
        MUST_HOLD((unsigned char)part.ptr[i] >= ' ' && part.ptr[i] != 0x7F);
}
