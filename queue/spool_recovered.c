/* What a start found, handed over to the scheduler bit by bit, while new mail comes in already.
 *
 * Recovery leaves 12 bytes a message; the rest stands in the footers, which are read again segment
 * by segment. Segments with such a message, or with its outcome, are counted as being read until
 * all have been handed over, so that none of them is used again before.
 */
#include "queue/spool_recovered_private.h"

#include "core/log.h"
#include "core/mem.h"
#include "core/vector.h"
#include "queue/spool.h"

enum { WINDOW_BYTES = 64 * 1024 };

struct spool_recovered {
    struct spool_found_segment *items; /* segments, the earliest last */
    size_t count, capacity;
    size_t at; /* message of the segment */
    uint32_t *held;
    size_t held_count;
    struct spool_index late; /* outcomes that were found after their messages */
    uint8_t *footer;         /* the items of the segment */
    size_t footer_len;
    bool loaded;
    struct arena arena;
    /* What was read last of outcomes: they often stand in the order of their messages. */
    uint32_t window_slot, window_at;
    size_t window_len;
    uint8_t *window;
};

static struct spool_recovered *recovered_of(struct spool_log *log)
{
    if (!log->recovered) {
        log->recovered = MEM_NEW(struct spool_recovered);
        arena_init(&log->recovered->arena, 64 * 1024);
    }
    return log->recovered;
}

void spool_recovered_add(struct spool_log *log, const struct spool_found_segment *found)
{
    struct spool_recovered *r = recovered_of(log);
    if (found->count == 0) {
        mem_free(found->messages);
        return;
    }
    *VECTOR_ADD(r) = *found;
}

void spool_recovered_late(struct spool_log *log, const struct spool_entry *entry)
{
    struct spool_index *late = &recovered_of(log)->late;
    struct spool_entry *e = spool_index_find(late, entry->id);
    if (!e)
        e = spool_index_add(late, entry->id, entry->slot);
    *e = *entry;
}

void spool_recovered_begin(struct spool_log *log)
{
    struct spool_recovered *r = recovered_of(log);
    r->held = MEM_NEW_ARRAY(uint32_t, log->segments.used);
    for (uint32_t i = 0; i < log->segments.used && r->count > 0; i++) {
        struct spool_segment *s = &log->segments.slots[i];
        if (s->live == 0 && s->outcomes_latest == 0)
            continue;
        atomic_fetch_add(&s->readers, 1);
        r->held[r->held_count++] = i;
    }
}

void spool_recovered_free(struct spool_log *log)
{
    struct spool_recovered *r = log->recovered;
    if (!r)
        return;
    for (size_t i = 0; i < r->held_count; i++)
        spool_segment_release(&log->segments.slots[r->held[i]]);
    while (r->count > 0)
        mem_free(r->items[--r->count].messages);
    mem_free(r->items);
    mem_free(r->held);
    mem_free(r->footer);
    mem_free(r->window);
    spool_index_free(&r->late);
    arena_free(&r->arena);
    mem_free(r);
    log->recovered = NULL;
}

/* --- Outcomes --- */

/* LEN bytes at AT of SLOT; NULL: they cannot be read. */
static const uint8_t *window(struct spool_log *log, uint32_t slot, uint32_t at, size_t len)
{
    struct spool_recovered *r = log->recovered;
    const struct spool_segment *s = &log->segments.slots[slot];
    if (at > s->size || len > s->size - at)
        return NULL;
    if (len > WINDOW_BYTES) {
        uint8_t *whole = arena_alloc(&r->arena, len);
        return io_pread_all(log->dir.io, s->fd, whole, len, at) == ERR_OK ? whole : NULL;
    }
    if (!r->window)
        r->window = mem_alloc(WINDOW_BYTES);
    bool there =
        slot == r->window_slot && at >= r->window_at && at - r->window_at + len <= r->window_len;
    if (!there) {
        size_t wanted = s->size - at < WINDOW_BYTES ? s->size - at : WINDOW_BYTES;
        r->window_len = 0;
        if (io_pread_all(log->dir.io, s->fd, r->window, wanted, at) != ERR_OK)
            return NULL;
        r->window_slot = slot;
        r->window_at = at;
        r->window_len = wanted;
    }
    return r->window + (at - r->window_at);
}

/* Without it the message is taken for untouched. */
static bool read_outcome(struct spool_log *log, uint64_t id, uint32_t slot, uint32_t at,
                         const struct spool_message *m, struct spool_outcome *out)
{
    const struct spool_segment *s = &log->segments.slots[slot];
    struct spool_segment_header header = spool_segment_header_of(s);
    struct spool_record record;
    uint64_t generation;
    const uint8_t *data = window(log, slot, at, SPOOL_RECORD_BYTES);
    if (!data || !spool_record_decode(data, SPOOL_RECORD_BYTES, at, s->size, &header, &record) ||
        record.type != SPOOL_OUTCOME || record.id != id)
        return false;
    data = window(log, slot, at, SPOOL_RECORD_BYTES + (size_t)record.head_len);
    if (!data || spool_hash(data + SPOOL_RECORD_BYTES, record.head_len) != record.head_hash)
        return false;
    /* The window may move on before what is told of it has been used. */
    uint8_t *head = arena_alloc(&log->recovered->arena, record.head_len);
    memcpy(head, data + SPOOL_RECORD_BYTES, record.head_len);
    bool ok = spool_outcome_decode(head, record.head_len, &log->recovered->arena, &generation, out);
    for (size_t i = 0; ok && i < out->rcpt_count; i++)
        ok = out->rcpts[i].index < m->envelope.rcpt_count;
    return ok;
}

static struct spool_outcome outcome_of(struct spool_log *log, const struct spool_found *found,
                                       const struct spool_message *m)
{
    struct spool_outcome outcome = {0};
    uint32_t at = found->outcome_at, slot = found->outcome_slot;
    const struct spool_entry *late =
        at == 0 ? spool_index_find(&log->recovered->late, m->ref.id) : NULL;
    if (late) {
        at = late->outcome_at;
        slot = late->outcome_slot;
    }
    if (at != 0 && !read_outcome(log, m->ref.id, slot, at, m, &outcome) &&
        !read_outcome(log, m->ref.id, slot, at, m, &outcome)) {
        LOG(LOG_ERROR, "spool_outcome_unreadable", LOG_STR("path", log->dir.path),
            LOG_U64("id", m->ref.id));
        outcome = (struct spool_outcome){0};
    }
    return outcome;
}

/* --- Messages --- */

/* Without a footer: from the record itself. */
static bool ref_from_record(struct spool_log *log, const struct spool_found_segment *segment,
                            uint32_t at, struct spool_ref *ref)
{
    const struct spool_segment *s = &log->segments.slots[segment->slot];
    struct spool_segment_header header = {.generation = segment->generation, .salt = s->salt};
    struct spool_record record;
    uint8_t data[SPOOL_RECORD_BYTES];
    if (io_pread_all(log->dir.io, s->fd, data, sizeof data, at) != ERR_OK ||
        !spool_record_decode(data, sizeof data, at, s->size, &header, &record))
        return false;
    *ref = (struct spool_ref){record.id, segment->generation, at,
                              spool_record_length(record.head_len, record.body_len)};
    return true;
}

static bool load(struct spool_log *log, const struct spool_found_segment *segment)
{
    struct spool_recovered *r = log->recovered;
    const struct spool_segment *s = &log->segments.slots[segment->slot];
    struct spool_segment_header header = {
        .generation = segment->generation, .salt = s->salt, .size = s->size};
    uint32_t end;
    if (r->loaded || !segment->has_footer)
        return true;
    r->loaded =
        spool_footer_read(log->dir.io, s->fd, &header, &r->footer, &r->footer_len, &end) == ERR_OK;
    return r->loaded;
}

enum depth { ROUTING, WHOLE };

static enum err read_once(struct spool_log *log, const struct spool_ref *ref, enum depth depth,
                          struct spool_message *m, struct err_detail *why)
{
    struct spool_head head;
    struct arena *arena = &log->recovered->arena;
    return depth == WHOLE ? spool_log_read(log, ref, arena, m, why)
                          : spool_read_record(log, ref, arena, m, &head, why);
}

/* Quarantined if it cannot be read. */
static bool read_message(struct spool_log *log, const struct spool_ref *ref, enum depth depth,
                         struct spool_message *m)
{
    struct err_detail why;
    enum err err = read_once(log, ref, depth, m, &why);
    /* A disk may stumble once, and what is set aside is not delivered. */
    if (err != ERR_OK && err != ERR_CORRUPT)
        err = read_once(log, ref, depth, m, &why);
    if (err != ERR_OK)
        spool_update_quarantine(&log->updates, ref, why.text);
    return err == ERR_OK;
}

static void hand_over(struct spool_log *log, const struct spool_found_segment *segment,
                      const struct spool_found *found, enum depth depth, spool_each each,
                      void *owner)
{
    struct spool_recovered *r = log->recovered;
    struct spool_message m = {.segment_fd = -1, .big_fd = -1};
    struct spool_item item = {0};
    size_t at = found->at;
    bool known = segment->has_footer ? spool_item_next(r->footer, r->footer_len, &at, &item)
                                     : ref_from_record(log, segment, found->at, &m.ref);
    if (!known) {
        LOG(LOG_ERROR, "spool_message_unreadable", LOG_STR("path", log->dir.path),
            LOG_U64("generation", segment->generation), LOG_U64("at", found->at));
        return; /* the next start looks again */
    }
    if (segment->has_footer)
        m.ref = (struct spool_ref){item.id, segment->generation, item.offset, item.length};
    struct spool_ref ref = m.ref;
    bool told = depth == ROUTING &&
                spool_facts_decode(item.payload, item.payload_len, &r->arena, &m.envelope, &m.meta);
    if (!told && !read_message(log, &ref, depth, &m))
        return;
    struct spool_outcome outcome = outcome_of(log, found, &m);
    each(owner, &m, &outcome);
    spool_message_close(&m);
}

static void segment_end(struct spool_recovered *r)
{
    mem_free(r->items[--r->count].messages);
    mem_free(r->footer);
    r->footer = NULL;
    r->loaded = false;
    r->at = 0;
}

static bool some(struct spool_log *log, size_t max, enum depth depth, spool_each each, void *owner)
{
    struct spool_recovered *r = log->recovered;
    for (; r && r->count > 0 && max > 0; max--) {
        const struct spool_found_segment *segment = &r->items[r->count - 1];
        if (!load(log, segment)) {
            LOG(LOG_ERROR, "spool_footer_unreadable", LOG_STR("path", log->dir.path),
                LOG_U64("generation", segment->generation), LOG_U64("messages", segment->count));
            segment_end(r); /* the next start looks again */
            continue;
        }
        hand_over(log, segment, &segment->messages[r->at], depth, each, owner);
        arena_reset(&r->arena);
        if (++r->at == segment->count)
            segment_end(r);
    }
    if (r && r->count > 0)
        return true;
    spool_recovered_free(log);
    return false;
}

bool spool_recovered_some(struct spool_log *log, size_t max, spool_each each, void *owner)
{
    return some(log, max, ROUTING, each, owner);
}

void spool_recovered_all(struct spool_log *log, spool_each each, void *owner)
{
    while (some(log, SIZE_MAX, WHOLE, each, owner))
        ;
}
