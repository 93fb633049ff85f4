/* Integers, hashes, and the headers of segments and records. */
#include "queue/spool_format.h"

#include <string.h>
#include <xxhash.h>

#define HEADER_MAGIC 0x4753524dU /* "MRSG" */
#define HEADER_BYTES 64          /* of one copy */

void spool_put_u16(uint8_t *to, uint16_t n)
{
    to[0] = (uint8_t)n;
    to[1] = (uint8_t)(n >> 8);
}

void spool_put_u32(uint8_t *to, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(n >> (8 * i));
}

void spool_put_u64(uint8_t *to, uint64_t n)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(n >> (8 * i));
}

uint16_t spool_get_u16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

uint32_t spool_get_u32(const uint8_t *from)
{
    uint32_t n = 0;
    for (int i = 0; i < 4; i++)
        n |= (uint32_t)from[i] << (8 * i);
    return n;
}

uint64_t spool_get_u64(const uint8_t *from)
{
    return spool_get_u32(from) | (uint64_t)spool_get_u32(from + 4) << 32;
}

uint64_t spool_hash(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

uint64_t spool_hash_salted(const void *data, size_t len, uint64_t salt)
{
    return XXH3_64bits_withSeed(data, len, salt);
}

/* The library's state is its own type: ours only names it. */
struct spool_hasher *spool_hasher_new(void)
{
    XXH3_state_t *state = XXH3_createState();
    ASSERT(state && XXH3_64bits_reset(state) == XXH_OK);
    return (struct spool_hasher *)state;
}

void spool_hasher_add(struct spool_hasher *h, const void *data, size_t len)
{
    ASSERT(XXH3_64bits_update((XXH3_state_t *)h, data, len) == XXH_OK);
}

uint64_t spool_hasher_result(const struct spool_hasher *h)
{
    return XXH3_64bits_digest((const XXH3_state_t *)h);
}

void spool_hasher_free(struct spool_hasher **h)
{
    (void)XXH3_freeState((XXH3_state_t *)*h);
    *h = NULL;
}

void spool_header_encode(const struct spool_segment_header *header, uint8_t *to)
{
    memset(to, 0, SPOOL_HEADER_BYTES);
    spool_put_u32(to, HEADER_MAGIC);
    spool_put_u32(to + 4, header->version);
    spool_put_u64(to + 8, header->generation);
    spool_put_u64(to + 16, header->size);
    spool_put_u64(to + 24, header->salt);
    spool_put_u64(to + 32, header->next_id);
    spool_put_u64(to + 56, spool_hash(to, 56));
    memcpy(to + SPOOL_HEADER_COPY_AT, to, HEADER_BYTES);
}

/* H1 to H4 for one copy. */
static enum err header_copy_decode(const uint8_t *data, uint32_t slot,
                                   struct spool_segment_header *out, uint32_t *version)
{
    if (spool_get_u32(data) != HEADER_MAGIC || spool_get_u64(data + 56) != spool_hash(data, 56))
        return ERR_CORRUPT;
    *version = spool_get_u32(data + 4);
    if (*version > SPOOL_VERSION)
        return ERR_LIMIT;
    out->generation = spool_get_u64(data + 8);
    out->size = spool_get_u64(data + 16);
    out->salt = spool_get_u64(data + 24);
    out->next_id = spool_get_u64(data + 32);
    out->version = *version;
    bool valid = *version >= SPOOL_VERSION_PLAIN && out->generation != 0 &&
                 spool_generation_slot(out->generation) == slot && out->size >= SPOOL_SEGMENT_MIN &&
                 out->size <= SPOOL_SEGMENT_MAX && out->size % SPOOL_HEADER_BYTES == 0 &&
                 spool_get_u64(data + 40) == 0 && spool_get_u64(data + 48) == 0;
    return valid ? ERR_OK : ERR_CORRUPT;
}

enum err spool_header_decode(const uint8_t *data, size_t len, uint32_t slot,
                             struct spool_segment_header *out, uint32_t *version)
{
    static const size_t copies[] = {0, SPOOL_HEADER_COPY_AT};
    enum err err = ERR_CORRUPT;
    *version = 0;
    for (size_t i = 0; i < ARRAY_SIZE(copies) && err == ERR_CORRUPT; i++)
        if (len >= copies[i] + HEADER_BYTES)
            err = header_copy_decode(data + copies[i], slot, out, version);
    return err;
}

uint32_t spool_record_length(uint64_t head_len, uint64_t body_len)
{
    if (head_len > SPOOL_SEGMENT_MAX || body_len > SPOOL_SEGMENT_MAX)
        return 0;
    uint64_t length = (SPOOL_RECORD_BYTES + head_len + body_len + 7) & ~(uint64_t)7;
    return length <= SPOOL_SEGMENT_MAX - SPOOL_HEADER_BYTES ? (uint32_t)length : 0;
}

void spool_record_encode(const struct spool_record *record, uint64_t salt, uint8_t *to)
{
    spool_put_u32(to, SPOOL_RECORD_MAGIC);
    to[4] = (uint8_t)record->type;
    to[5] = to[6] = to[7] = 0;
    spool_put_u32(to + 8, record->head_len);
    spool_put_u32(to + 12, record->body_len);
    spool_put_u64(to + 16, record->generation);
    spool_put_u64(to + 24, record->id);
    spool_put_u64(to + 32, record->head_hash);
    spool_put_u64(to + 40, record->body_hash);
    spool_put_u32(to + 48, record->offset);
    spool_put_u32(to + 52, record->group);
    spool_put_u64(to + 56, spool_hash_salted(to, 56, salt));
}

/* R6 */
static bool shape_valid(const struct spool_record *r)
{
    if (r->head_len == 0)
        return false;
    switch (r->type) {
    case SPOOL_MESSAGE:
        return r->id != 0;
    case SPOOL_BIG:
    case SPOOL_OUTCOME:
        return r->id != 0 && r->body_len == 0;
    case SPOOL_DONE:
    case SPOOL_CHECKPOINT:
        return r->id == 0 && r->body_len == 0;
    }
    return false;
}

bool spool_record_decode(const uint8_t *data, size_t len, uint64_t at, uint64_t size,
                         const struct spool_segment_header *segment, struct spool_record *out)
{
    if (len < SPOOL_RECORD_BYTES || at % 8 != 0 || at < SPOOL_HEADER_BYTES || at > size)
        return false;
    if (spool_get_u32(data) != SPOOL_RECORD_MAGIC ||
        spool_get_u64(data + 16) != segment->generation)
        return false;
    if (data[4] < SPOOL_MESSAGE || data[4] > SPOOL_CHECKPOINT || data[5] || data[6] || data[7])
        return false;
    if (spool_get_u64(data + 56) != spool_hash_salted(data, 56, segment->salt))
        return false;
    *out = (struct spool_record){
        .type = (enum spool_type)data[4],
        .head_len = spool_get_u32(data + 8),
        .body_len = spool_get_u32(data + 12),
        .generation = segment->generation,
        .id = spool_get_u64(data + 24),
        .head_hash = spool_get_u64(data + 32),
        .body_hash = spool_get_u64(data + 40),
        .offset = spool_get_u32(data + 48),
        .group = spool_get_u32(data + 52),
    };
    uint32_t length = spool_record_length(out->head_len, out->body_len);
    return length != 0 && length <= size - at && out->offset == at && out->group % 8 == 0 &&
           out->group >= SPOOL_HEADER_BYTES && out->group <= at && shape_valid(out);
}
