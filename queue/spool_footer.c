/* The footer of a sealed segment: what a start wants to know of each record, and no more. See the
 * top of queue/spool_format.h.
 */
#include "queue/spool_format.h"

#include <string.h>

enum {
    TRAILER_MAGIC = 0x5849524d, /* "MRIX" */
    FACTS_FIXED = 24,
    FACT_NULL_SENDER = 1,
    FACT_IS_DSN = 2,
};

/* --- Items --- */

void spool_item_encode(const struct spool_item *item, uint8_t *to)
{
    spool_put_u32(to, (uint32_t)item->type);
    spool_put_u32(to + 4, item->offset);
    spool_put_u32(to + 8, item->length);
    spool_put_u32(to + 12, item->payload_len);
    spool_put_u64(to + 16, item->id);
    if (item->payload_len > 0)
        memcpy(to + SPOOL_ITEM_BYTES, item->payload, item->payload_len);
}

static bool payload_valid(const struct spool_item *item)
{
    struct spool_checkpoint checkpoint;
    uint64_t generation;
    uint32_t count;
    switch (item->type) {
    case SPOOL_MESSAGE:
    case SPOOL_BIG:
        return item->id != 0 && item->payload_len <= SPOOL_FACTS_MAX;
    case SPOOL_OUTCOME:
        return item->id != 0 && item->payload_len == 8;
    case SPOOL_DONE:
        return item->id == 0 &&
               spool_done_decode(item->payload, item->payload_len, &generation, &count);
    case SPOOL_CHECKPOINT:
        return item->id == 0 &&
               spool_checkpoint_decode(item->payload, item->payload_len, &checkpoint);
    }
    return false;
}

bool spool_item_next(const uint8_t *items, size_t len, size_t *at, struct spool_item *out)
{
    if (*at > len || len - *at < SPOOL_ITEM_BYTES)
        return false;
    const uint8_t *from = items + *at;
    uint32_t type = spool_get_u32(from);
    if (type < SPOOL_MESSAGE || type > SPOOL_CHECKPOINT)
        return false;
    *out = (struct spool_item){
        .type = (enum spool_type)type,
        .offset = spool_get_u32(from + 4),
        .length = spool_get_u32(from + 8),
        .payload_len = spool_get_u32(from + 12),
        .id = spool_get_u64(from + 16),
        .payload = from + SPOOL_ITEM_BYTES,
    };
    if (out->payload_len > len - *at - SPOOL_ITEM_BYTES || !payload_valid(out))
        return false;
    *at += SPOOL_ITEM_BYTES + (size_t)out->payload_len;
    return true;
}

bool spool_items_valid(const uint8_t *items, size_t len, uint32_t end)
{
    struct spool_item item;
    uint64_t from = SPOOL_HEADER_BYTES;
    size_t at = 0;
    while (at < len) {
        if (!spool_item_next(items, len, &at, &item))
            return false;
        if (item.offset != from || item.offset % 8 != 0 || item.length % 8 != 0 ||
            item.length < SPOOL_RECORD_BYTES || item.length > end - from)
            return false;
        from += item.length;
    }
    return from == end;
}

/* --- The trailer --- */

void spool_trailer_encode(const struct spool_trailer *trailer, uint64_t salt, uint8_t *to)
{
    memset(to, 0, SPOOL_TRAILER_BYTES);
    spool_put_u32(to, TRAILER_MAGIC);
    spool_put_u32(to + 4, trailer->end);
    spool_put_u64(to + 8, trailer->generation);
    spool_put_u64(to + 16, trailer->items_len);
    spool_put_u64(to + 24, trailer->items_hash);
    spool_put_u64(to + 56, spool_hash_salted(to, 56, salt));
}

bool spool_trailer_decode(const uint8_t *data, const struct spool_segment_header *segment,
                          struct spool_trailer *out)
{
    if (spool_get_u32(data) != TRAILER_MAGIC || spool_get_u64(data + 8) != segment->generation ||
        spool_get_u64(data + 56) != spool_hash_salted(data, 56, segment->salt))
        return false;
    *out = (struct spool_trailer){
        .generation = segment->generation,
        .end = spool_get_u32(data + 4),
        .items_len = spool_get_u64(data + 16),
        .items_hash = spool_get_u64(data + 24),
    };
    if (out->end < SPOOL_HEADER_BYTES || out->end % 8 != 0 ||
        out->end > segment->size - SPOOL_TRAILER_BYTES ||
        out->items_len > segment->size - SPOOL_TRAILER_BYTES - out->end)
        return false;
    return spool_get_u64(data + 32) == 0 && spool_get_u64(data + 40) == 0 &&
           spool_get_u64(data + 48) == 0;
}

/* --- Facts: what the scheduler must know of a message it has not seen --- */

static size_t facts_length(const struct mail_envelope *envelope)
{
    size_t len = FACTS_FIXED;
    for (size_t i = 0; i < envelope->rcpt_count && len <= SPOOL_FACTS_MAX; i++) {
        struct bytes domain = mail_domain(envelope->rcpts[i].address);
        len += domain.len > UINT8_MAX ? SPOOL_FACTS_MAX : 2 + domain.len;
    }
    return len <= SPOOL_FACTS_MAX ? len : 0;
}

size_t spool_facts_encode(const struct mail_envelope *envelope, const struct spool_meta *meta,
                          uint8_t *to)
{
    size_t len = facts_length(envelope);
    if (!to || len == 0)
        return len;
    spool_put_u64(to, (uint64_t)meta->received_at_ms);
    spool_put_u64(to + 8, meta->octets);
    spool_put_u32(to + 16, (envelope->sender.len == 0 ? FACT_NULL_SENDER : 0u) |
                               (meta->is_dsn ? FACT_IS_DSN : 0u));
    spool_put_u32(to + 20, (uint32_t)envelope->rcpt_count);
    to += FACTS_FIXED;
    for (size_t i = 0; i < envelope->rcpt_count; i++) {
        struct bytes domain = mail_domain(envelope->rcpts[i].address);
        *to++ = envelope->rcpts[i].notify;
        *to++ = (uint8_t)domain.len;
        if (domain.len > 0)
            memcpy(to, domain.ptr, domain.len);
        to += domain.len;
    }
    return len;
}

static bool rcpts_decode(const uint8_t *from, size_t left, uint32_t count, struct arena *arena,
                         struct mail_envelope *out)
{
    if (count == 0 || count > left / 2)
        return false;
    struct mail_rcpt *rcpts = ARENA_NEW_ARRAY(arena, struct mail_rcpt, count);
    for (uint32_t i = 0; i < count; i++) {
        if (left < 2 || left - 2 < from[1] || from[0] > 15)
            return false;
        size_t len = from[1];
        char *address = arena_alloc(arena, len + 1);
        address[0] = '@';
        memcpy(address + 1, from + 2, len);
        rcpts[i].notify = from[0];
        rcpts[i].address = bytes_make(address, len > 0 ? len + 1 : 0);
        from += 2 + len;
        left -= 2 + len;
    }
    out->rcpts = rcpts;
    out->rcpt_count = count;
    return left == 0;
}

bool spool_facts_decode(const uint8_t *data, size_t len, struct arena *arena,
                        struct mail_envelope *envelope, struct spool_meta *meta)
{
    *envelope = (struct mail_envelope){0};
    *meta = (struct spool_meta){0};
    if (len < FACTS_FIXED || spool_get_u32(data + 16) > (FACT_NULL_SENDER | FACT_IS_DSN))
        return false;
    uint32_t flags = spool_get_u32(data + 16);
    meta->received_at_ms = (int64_t)spool_get_u64(data);
    meta->octets = spool_get_u64(data + 8);
    meta->is_dsn = (flags & FACT_IS_DSN) != 0;
    envelope->sender = flags & FACT_NULL_SENDER ? BYTES_EMPTY : BYTES("@");
    return rcpts_decode(data + FACTS_FIXED, len - FACTS_FIXED, spool_get_u32(data + 20), arena,
                        envelope);
}
