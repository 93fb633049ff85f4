/* What a start reads but the records: the footer of a segment, and names in the spool's directory.
 *
 * The first octet chooses: 0 a trailer as it is, 1 with magic, generation and hash mended; 2 items
 * as they are, 3 with types, places and lengths mended; 4 facts of a message; 5 a name. Whatever is
 * accepted comes out of the encoder again octet by octet and keeps its promises to the reader.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "queue/spool_format.h"

enum { TRAILER_MAGIC = 0x5849524d };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* --- The trailer --- */

static void try_trailer(const uint8_t *data, size_t size, bool mended)
{
    struct spool_segment_header segment = {
        .generation = 7U << SPOOL_SLOT_BITS, .size = SPOOL_SEGMENT_MIN, .salt = 0x5a17};
    uint8_t bytes[SPOOL_TRAILER_BYTES], again[SPOOL_TRAILER_BYTES];
    struct spool_trailer trailer;
    if (size < sizeof bytes)
        return;
    memcpy(bytes, data, sizeof bytes);
    if (mended) {
        spool_put_u32(bytes, TRAILER_MAGIC);
        spool_put_u64(bytes + 8, segment.generation);
        spool_put_u64(bytes + 56, spool_hash_salted(bytes, 56, segment.salt));
    }
    if (!spool_trailer_decode(bytes, &segment, &trailer))
        return;
    must(trailer.generation == segment.generation && trailer.end >= SPOOL_HEADER_BYTES);
    must(trailer.end + trailer.items_len + SPOOL_TRAILER_BYTES <= segment.size);
    spool_trailer_encode(&trailer, segment.salt, again);
    must(memcmp(again, bytes, sizeof again) == 0);
}

/* --- Items --- */

/* A type that there is, one behind the other, not longer than what is there. */
static uint32_t items_mend(uint8_t *items, size_t len)
{
    static const uint32_t IDS[] = {0, 1, 1, 1, 0, 0}; /* those that want an id */
    uint32_t end = SPOOL_HEADER_BYTES;
    for (size_t at = 0; len - at >= SPOOL_ITEM_BYTES;) {
        uint8_t *item = items + at;
        uint32_t type = 1 + spool_get_u32(item) % 5, room = (uint32_t)(len - at - SPOOL_ITEM_BYTES);
        uint32_t length = SPOOL_RECORD_BYTES + spool_get_u32(item + 8) % 64 * 8;
        uint32_t payload = spool_get_u32(item + 12) % 64;
        if (type == SPOOL_OUTCOME)
            payload = 8;
        if (type == SPOOL_CHECKPOINT)
            payload = SPOOL_CHECKPOINT_LENGTH;
        if (type == SPOOL_DONE) {
            payload = (uint32_t)SPOOL_DONE_LENGTH(1 + payload % 3);
            if (payload <= room)
                spool_put_u32(item + SPOOL_ITEM_BYTES + 8, (payload - 12) / 8);
        }
        spool_put_u32(item, type);
        spool_put_u32(item + 4, end);
        spool_put_u32(item + 8, length);
        spool_put_u32(item + 12, payload < room ? payload : room);
        spool_put_u64(item + 16, IDS[type] ? spool_get_u64(item + 16) | 1 : 0);
        end += length;
        at += SPOOL_ITEM_BYTES + spool_get_u32(item + 12);
    }
    return end;
}

static void facts_of_item(const struct spool_item *item)
{
    struct mail_envelope envelope;
    struct spool_meta meta;
    struct arena arena;
    arena_init(&arena, 0);
    if (item->type <= SPOOL_BIG)
        (void)spool_facts_decode(item->payload, item->payload_len, &arena, &envelope, &meta);
    arena_free(&arena);
}

static void try_items(const uint8_t *data, size_t size, bool mended)
{
    uint8_t *items = mem_zalloc(size + 1), *again = mem_zalloc(size + 1);
    struct spool_item item;
    uint32_t end = size >= 4 ? spool_get_u32(data) : 0;
    size_t at = 0, from = 0;
    uint64_t next = SPOOL_HEADER_BYTES;
    bool contiguous = true;
    memcpy(items, data, size);
    if (mended)
        end = items_mend(items, size);
    while (spool_item_next(items, size, &at, &item)) {
        must(at > from && at <= size && at - from == SPOOL_ITEM_BYTES + item.payload_len);
        must(item.payload == items + from + SPOOL_ITEM_BYTES);
        spool_item_encode(&item, again + from);
        must(memcmp(items + from, again + from, at - from) == 0);
        contiguous &= item.offset == next && item.length >= SPOOL_RECORD_BYTES;
        next += item.length;
        facts_of_item(&item);
        from = at;
    }
    must(at == from);
    if (end >= SPOOL_HEADER_BYTES && spool_items_valid(items, size, end))
        must(at == size && contiguous && next == end);
    mem_free(items);
    mem_free(again);
}

/* --- Facts --- */

static bool is_plain(struct bytes domain)
{
    for (size_t i = 0; i < domain.len; i++)
        if (!isalnum((unsigned char)domain.ptr[i]))
            return false;
    return true;
}

static void try_facts(const uint8_t *data, size_t size)
{
    struct mail_envelope envelope;
    struct spool_meta meta;
    struct arena arena;
    bool plain = true;
    arena_init(&arena, 0);
    if (spool_facts_decode(data, size, &arena, &envelope, &meta)) {
        must(envelope.rcpt_count > 0 && envelope.rcpt_count <= size / 2);
        for (size_t i = 0; i < envelope.rcpt_count; i++) {
            struct bytes address = envelope.rcpts[i].address;
            must(address.len == 0 || (address.len > 1 && address.ptr[0] == '@'));
            plain &= is_plain(bytes_from(address, address.len > 0));
        }
        size_t len = plain ? spool_facts_encode(&envelope, &meta, NULL) : 0;
        must(!plain || len == (size <= SPOOL_FACTS_MAX ? size : 0));
        if (len > 0) {
            uint8_t *again = mem_zalloc(len);
            must(spool_facts_encode(&envelope, &meta, again) == len);
            must(memcmp(again, data, len) == 0);
            mem_free(again);
        }
    }
    arena_free(&arena);
}

/* --- Names --- */

static void try_name(const uint8_t *data, size_t size)
{
    char name[SPOOL_NAME_SIZE * 2] = "", again[SPOOL_NAME_SIZE];
    unsigned number;
    uint64_t id;
    uint32_t slot;
    memcpy(name, data, size < sizeof name ? size : sizeof name - 1);
    unsigned kinds = 0;
    if (spool_log_name_parse(name, &number)) {
        must(strcmp(spool_log_name(number, again), name) == 0);
        kinds++;
    }
    if (spool_ended_name_parse(name, &id)) {
        must(strcmp(spool_ended_name(id, again), name) == 0);
        must(spool_log_of(id) > 0 && spool_log_of(id) < SPOOL_LOGS);
        kinds++;
    }
    if (spool_segment_name_parse(name, "seg-", &slot)) {
        must(slot < SPOOL_SLOTS && strcmp(spool_segment_name(slot, again), name) == 0);
        kinds++;
    }
    if (spool_segment_name_parse(name, "new-", &slot)) {
        must(slot < SPOOL_SLOTS);
        kinds++;
    }
    if (spool_big_name_parse(name, &id)) {
        must(strcmp(spool_big_name(id, again), name) == 0);
        kinds++;
    }
    must(kinds <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > SPOOL_SEGMENT_MIN)
        return 0;
    unsigned kind = *data++ % 6;
    size--;
    if (kind <= 1)
        try_trailer(data, size, kind == 1);
    else if (kind <= 3)
        try_items(data, size, kind == 3);
    else if (kind == 4)
        try_facts(data, size);
    else
        try_name(data, size);
    return 0;
}
