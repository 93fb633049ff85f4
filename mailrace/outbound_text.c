/* A message's text for one next hop: the parts of the spool's text that remain. */
#include "mailrace/outbound_text.h"

#include "core/header_class.h"
#include "core/header_filter.h"
#include "core/mem.h"
#include "core/vector.h"
#include "net/header_rewrite.h"

#define BLOCK_OCTETS 16384
#define SPANS_MAX    65536

/* Octets of the spool's text that remain, or TEXT instead, and where the first of them stands in
 * ours. */
struct outbound_span {
    uint64_t at, from, len;
    const char *text;
};

static enum err add(struct outbound_text *t, struct arena *arena, struct outbound_span span)
{
    if (t->count == SPANS_MAX)
        return ERR_LIMIT;
    span.at = t->octets;
    t->octets += span.len;
    *VECTOR_ADD_IN(arena, t) = span;
    return ERR_OK;
}

static enum err keep(struct outbound_text *t, struct arena *arena, uint64_t from, uint64_t len)
{
    struct outbound_span *last = t->count ? &t->items[t->count - 1] : NULL;
    if (len == 0)
        return ERR_OK;
    if (last && !last->text && last->from + last->len == from) {
        t->octets += len;
        last->len += len;
        return ERR_OK;
    }
    return add(t, arena, (struct outbound_span){.from = from, .len = len});
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

static enum err leave_out(struct outbound_text *t, const struct spool_message *message,
                          unsigned classes, struct arena *arena)
{
    struct header_filter filter = {.strips = header_class_strips, .classes = classes};
    uint64_t at = 0, octets = message->meta.octets;
    char *block = mem_alloc(BLOCK_OCTETS);
    enum err e = ERR_OK;
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
        if (t->items[middle].at <= at)
            low = middle;
        else
            high = middle;
    }
    return &t->items[low];
}

enum err outbound_text_read(const struct outbound_text *t, uint64_t at, char *to, size_t len)
{
    ASSERT(at <= t->octets && len <= t->octets - at);
    while (len > 0) {
        const struct outbound_span *s = span_at(t, at);
        uint64_t skip = at - s->at, there = s->len - skip;
        size_t n = there < len ? (size_t)there : len;
        enum err e = ERR_OK;
        if (s->text)
            memcpy(to, s->text + skip, n);
        else
            e = spool_read_text(t->message, s->from + skip, to, n);
        if (e != ERR_OK)
            return e;
        at += n;
        to += n;
        len -= n;
    }
    return ERR_OK;
}

/* --- Rewriting: on what is left of the header --- */

struct rewriting {
    const struct outbound_text *from;
    struct outbound_text *to;
    const struct rewrite_set *rewrites;
    struct arena *arena;
    uint64_t done; /* of FROM */
    enum err err;
};

/* FROM's text up to END goes on unchanged. */
static void pass(struct rewriting *w, uint64_t end)
{
    while (w->done < end && w->err == ERR_OK) {
        const struct outbound_span *s = span_at(w->from, w->done);
        uint64_t skip = w->done - s->at, left = end - w->done;
        uint64_t n = s->len - skip < left ? s->len - skip : left;
        w->err = keep(w->to, w->arena, s->from + skip, n);
        w->done += n;
    }
}

static void on_address(void *owner, uint64_t at, struct bytes address)
{
    struct rewriting *w = owner;
    struct rewrite_result new = rewrite_outbound(w->rewrites, address);
    if (!new.entry || w->err != ERR_OK)
        return;
    pass(w, at);
    size_t len = new.local.len + 1 + new.domain.len;
    char *text = arena_alloc(w->arena, len);
    memcpy(text, new.local.ptr, new.local.len);
    text[new.local.len] = '@';
    memcpy(text + new.local.len + 1, new.domain.ptr, new.domain.len);
    if (w->err == ERR_OK)
        w->err = add(w->to, w->arena, (struct outbound_span){.text = text, .len = len});
    w->done += address.len;
}

static enum err rewrite(const struct outbound_text *from, struct outbound_text *to,
                        const struct rewrite_set *rewrites, struct arena *arena)
{
    struct rewriting w = {from, to, rewrites, arena, 0, ERR_OK};
    struct header_rewrite header = {.address = on_address, .owner = &w};
    char *block = mem_alloc(BLOCK_OCTETS);
    header.field = mem_alloc(HEADER_REWRITE_FIELD_MAX);
    for (uint64_t at = 0; at < from->octets && !header.ended && w.err == ERR_OK;) {
        uint64_t left = from->octets - at;
        size_t len = left < BLOCK_OCTETS ? (size_t)left : BLOCK_OCTETS;
        w.err = outbound_text_read(from, at, block, len);
        if (w.err == ERR_OK)
            header_rewrite_feed(&header, bytes_make(block, len));
        at += len;
    }
    header_rewrite_end(&header);
    mem_free(header.field);
    mem_free(block);
    pass(&w, from->octets);
    return w.err;
}

enum err outbound_text_make(struct outbound_text *t, const struct spool_message *message,
                            unsigned classes, const struct rewrite_set *rewrites,
                            struct arena *arena)
{
    struct outbound_text left = {.message = message};
    enum err e = classes ? leave_out(&left, message, classes, arena)
                         : keep(&left, arena, 0, message->meta.octets);
    *t = left;
    if (e != ERR_OK || !rewrites)
        return e;
    *t = (struct outbound_text){.message = message};
    return rewrite(&left, t, rewrites, arena);
}
