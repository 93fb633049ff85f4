#include "outbound_text.h"

#include "core/mem.h"
#include "net/header_filter.h"
#include "policy/header_firewall.h"

#define BLOCK_OCTETS 16384
#define SPANS_MAX    16384

/* Octets of the spool's text that remain, and where the first of them stands in ours. */
struct outbound_span {
    uint64_t at, from, len;
};

static enum err keep(struct outbound_text *t, struct arena *arena, uint64_t from, uint64_t len)
{
    struct outbound_span *last = t->count ? &t->spans[t->count - 1] : NULL;
    if (len == 0)
        return ERR_OK;
    t->octets += len;
    if (last && last->from + last->len == from) {
        last->len += len;
        return ERR_OK;
    }
    if (t->count == SPANS_MAX)
        return ERR_LIMIT;
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 4 * t->capacity : 16;
        struct outbound_span *spans = ARENA_NEW_ARRAY(arena, struct outbound_span, capacity);
        if (t->count)
            memcpy(spans, t->spans, t->count * sizeof *spans);
        t->spans = spans;
        t->capacity = capacity;
    }
    t->spans[t->count++] = (struct outbound_span){t->octets - len, from, len};
    return ERR_OK;
}

/* A piece lies in BLOCK, which is the spool's text from AT, or was held back right before it. */
static enum err keep_block(struct outbound_text *t, struct header_filter *filter,
                           struct arena *arena, struct bytes block, uint64_t at)
{
    struct bytes rest = block;
    enum err e = ERR_OK;
    while (rest.len && e == ERR_OK) {
        struct bytes piece = header_filter_next(filter, &rest);
        bool held = piece.ptr == filter->head;
        uint64_t from = held ? at - piece.len : at + (uint64_t)(piece.ptr - block.ptr);
        if (piece.len)
            e = keep(t, arena, from, piece.len);
    }
    return e;
}

enum err outbound_text_make(struct outbound_text *t, const struct spool_message *message,
                            unsigned classes, struct arena *arena)
{
    struct header_filter filter = {.strips = header_firewall_strips, .classes = classes};
    uint64_t at = 0, octets = message->meta.octets;
    char *block = mem_alloc(BLOCK_OCTETS);
    enum err e = ERR_OK;
    *t = (struct outbound_text){.message = message};
    while (at < octets && !filter.ended && e == ERR_OK) {
        size_t len = octets - at < BLOCK_OCTETS ? (size_t)(octets - at) : BLOCK_OCTETS;
        e = spool_read_text(message, at, block, len);
        if (e == ERR_OK)
            e = keep_block(t, &filter, arena, bytes_make(block, len), at);
        at += len;
    }
    mem_free(block);
    size_t held = header_filter_end(&filter).len;
    if (e == ERR_OK)
        e = keep(t, arena, at - held, held);
    return e == ERR_OK ? keep(t, arena, at, octets - at) : e;
}

/* The span that holds the octet AT. */
static const struct outbound_span *span_at(const struct outbound_text *t, uint64_t at)
{
    size_t low = 0, high = t->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (t->spans[middle].at <= at)
            low = middle;
        else
            high = middle;
    }
    return &t->spans[low];
}

enum err outbound_text_read(const struct outbound_text *t, uint64_t at, char *to, size_t len)
{
    ASSERT(at <= t->octets && len <= t->octets - at);
    while (len > 0) {
        const struct outbound_span *s = span_at(t, at);
        uint64_t skip = at - s->at, there = s->len - skip;
        size_t n = there < len ? (size_t)there : len;
        enum err e = spool_read_text(t->message, s->from + skip, to, n);
        if (e != ERR_OK)
            return e;
        at += n;
        to += n;
        len -= n;
    }
    return ERR_OK;
}
