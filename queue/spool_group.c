/* A group's records: laid out in one run of bytes, one write, one sync.
 *
 * Order within it: checkpoints, what is carried on, outcomes and dones, messages. All but the new
 * messages is one piece of memory; a message is two (header and head, body with padding).
 */
#include "queue/spool_group_private.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/kill_point.h"
#include "core/mem.h"
#include "core/vector.h"

void spool_group_init(struct spool_group *group, struct spool_log *log, uint64_t wanted)
{
    struct spool_segment *active = log->segments.active;
    uint32_t room = spool_segment_room(active);
    ASSERT(active->state == SPOOL_SEGMENT_ACTIVE && !active->discard);
    *group = (struct spool_group){
        .log = log,
        .segment = active,
        .start = active->end,
        .room = wanted < room ? (uint32_t)wanted : room,
    };
    list_init(&group->txns);
    list_init(&group->updates);
}

void spool_group_free(struct spool_group *group)
{
    mem_free(group->bytes.items);
    mem_free(group->smalls.items);
    mem_free(group->facts.items);
    mem_free(group->dones.items);
}

uint32_t spool_group_cost(enum spool_type type, uint32_t length, uint32_t head_len)
{
    return length + SPOOL_ITEM_BYTES + (type == SPOOL_OUTCOME ? 8 : head_len);
}

uint32_t spool_group_room(const struct spool_group *group)
{
    uint32_t taken = group->cost + group->reserved;
    uint32_t dones = (uint32_t)group->dones.count * SPOOL_SMALL_COST;
    return group->room > taken + dones ? group->room - taken - dones : 0;
}

/* While no other segment is ready messages leave an end of this one to small records: on a full
 * disk nothing but a DONE makes room again. An empty segment may be filled by one message. */
uint64_t spool_group_kept(const struct spool_segments *segments)
{
    const struct spool_segment *s = segments->active;
    return s && s->end > SPOOL_HEADER_BYTES && spool_segments_ready(segments) == 0
               ? s->size / SPOOL_KEPT_PART
               : 0;
}

static uint8_t *bytes_add(struct spool_group_bytes *bytes, size_t len)
{
    size_t at = bytes->count;
    VECTOR_RESERVE(bytes, at + len);
    bytes->count += len;
    return bytes->items + at;
}

static struct spool_small *small_new(struct spool_group *group, enum spool_type type,
                                     uint32_t length)
{
    struct spool_small *s = VECTOR_ADD(&group->smalls);
    *s = (struct spool_small){.type = type, .at = group->bytes.count, .length = length};
    (void)bytes_add(&group->bytes, length);
    group->used += length;
    return s;
}

void spool_group_add(struct spool_group *group, enum spool_type type, uint64_t id,
                     const uint8_t *head, uint32_t head_len)
{
    uint32_t length = spool_record_length(head_len, 0);
    struct spool_small *s = small_new(group, type, length);
    uint8_t *to = group->bytes.items + s->at;
    memset(to, 0, length);
    memcpy(to + SPOOL_RECORD_BYTES, head, head_len);
    s->id = id;
    s->head_len = head_len;
    s->head_hash = spool_hash(head, head_len);
    s->body_hash = spool_hash("", 0);
    group->cost += spool_group_cost(type, length, head_len);
}

void spool_group_add_again(struct spool_group *group, const struct spool_record *record,
                           const uint8_t *bytes, const struct spool_item *item)
{
    struct spool_small *s = small_new(group, record->type, item->length);
    memcpy(group->bytes.items + s->at, bytes, item->length);
    s->id = record->id;
    s->head_len = record->head_len;
    s->body_len = record->body_len;
    s->head_hash = record->head_hash;
    s->body_hash = record->body_hash;
    s->facts_at = group->facts.count;
    s->facts_len = item->payload_len;
    if (item->payload_len > 0)
        memcpy(bytes_add(&group->facts, item->payload_len), item->payload, item->payload_len);
    group->cost += spool_group_cost(record->type, item->length, item->payload_len);
}

/* --- Bytes --- */

static void finish_smalls(struct spool_group *g, uint32_t *offset)
{
    for (size_t i = 0; i < g->smalls.count; i++) {
        const struct spool_small *s = &g->smalls.items[i];
        struct spool_record record = {
            .type = s->type,
            .head_len = s->head_len,
            .body_len = s->body_len,
            .generation = g->segment->disk_generation,
            .id = s->id,
            .head_hash = s->head_hash,
            .body_hash = s->body_hash,
            .offset = *offset,
            .group = g->start,
        };
        spool_record_encode(&record, g->segment->salt, g->bytes.items + s->at);
        *offset += s->length;
    }
}

/* The pieces in IOV: one or two. */
static size_t finish_txn(struct spool_group *g, struct spool_txn *txn, uint32_t offset,
                         struct iovec *iov)
{
    uint32_t body_len = txn->big_fd >= 0 ? 0 : (uint32_t)txn->body_len;
    struct spool_record record = {
        .type = txn->big_fd >= 0 ? SPOOL_BIG : SPOOL_MESSAGE,
        .head_len = txn->head_len,
        .body_len = body_len,
        .generation = g->segment->disk_generation,
        .id = txn->id,
        .head_hash = txn->head_hash,
        .body_hash = txn->body_hash,
        .offset = offset,
        .group = g->start,
    };
    spool_record_encode(&record, g->segment->salt, txn->head);
    txn->result.ref = (struct spool_ref){txn->id, record.generation, offset, txn->length};
    uint32_t head_bytes = SPOOL_RECORD_BYTES + txn->head_len;
    /* The padding stands behind the head if there is no body, else behind the body. */
    if (body_len == 0)
        head_bytes = txn->length;
    iov[0] = (struct iovec){txn->head, head_bytes};
    if (body_len == 0)
        return 1;
    iov[1] = (struct iovec){txn->body, txn->length - head_bytes};
    return 2;
}

/* What is written, in the order of the records. */
static size_t finish_records(struct spool_group *g, struct iovec *iov)
{
    uint32_t offset = g->start;
    size_t count = 0;
    finish_smalls(g, &offset);
    if (g->bytes.count > 0)
        iov[count++] = (struct iovec){g->bytes.items, g->bytes.count};
    LIST_EACH (txn, &g->txns, struct spool_txn, link) {
        count += finish_txn(g, txn, offset, iov + count);
        offset += txn->length;
    }
    ASSERT(offset == g->start + g->used && offset <= g->segment->size);
    return count;
}

/* A write cut short on a regular file is a disk in trouble: as bad as none. */
static enum err write_piece(struct spool_log *log, int fd, const struct iovec *iov, int count,
                            uint32_t *at)
{
    size_t wanted = 0;
    ssize_t n;
    for (int i = 0; i < count; i++)
        wanted += iov[i].iov_len;
    do
        n = log->dir.io->pwritev(log->dir.io, fd, iov, count, (off_t)*at);
    while (n < 0 && errno == EINTR);
    *at += (uint32_t)wanted;
    if (n < 0)
        return err_from_errno(errno);
    return (size_t)n == wanted ? ERR_OK : ERR_IO;
}

static enum err write_all(struct spool_group *g, const struct iovec *iov, size_t count)
{
    uint32_t at = g->start;
    for (size_t i = 0; i < count;) {
        size_t left = count - i;
        int some = left < IOV_MAX ? (int)left : IOV_MAX;
        enum err err = write_piece(g->log, g->segment->fd, iov + i, some, &at);
        if (err != ERR_OK)
            return err;
        i += (size_t)some;
    }
    return ERR_OK;
}

enum err spool_group_store(struct spool_group *g)
{
    struct spool_log *log = g->log;
    struct iovec *iov = MEM_NEW_ARRAY(struct iovec, 1 + 2 * g->txn_count);
    size_t count = finish_records(g, iov);
    KILL_POINT("spool_group_gathered");
    enum err err = write_all(g, iov, count);
    mem_free(iov);
    if (err != ERR_OK)
        return err;
    KILL_POINT("spool_group_written");
    atomic_fetch_add_explicit(&log->syncs, 1, memory_order_relaxed);
    if (log->dir.io->fdatasync(log->dir.io, g->segment->fd) != 0)
        return err_from_errno(errno);
    return ERR_OK;
}
