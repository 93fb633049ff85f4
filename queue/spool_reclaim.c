/* How a segment is used again. When nothing is needed of it any more it retires, and as soon as it
 * is not being read it gets a new header. Segments of which more than a quarter would have to be
 * written again are left alone, unless space is short.
 */
#include "queue/spool_reclaim_private.h"

#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

enum { RETIRING_MS = 50, DOOMED_MS = 5000 };

/* --- Which --- */

bool spool_reclaim_counts(const struct spool_segments *segments,
                          const struct spool_segment *segment, uint64_t generation)
{
    return generation != segment->disk_generation && spool_generation_exists(segments, generation);
}

/* The small records that would have to be written again. */
static uint64_t carried_bytes(const struct spool_segments *segments, const struct spool_segment *s)
{
    uint64_t bytes = s->outcomes ? s->outcome_bytes / s->outcomes * s->outcomes_latest : 0;
    for (size_t i = 0; i < s->abouts.count; i++)
        if (spool_reclaim_counts(segments, s, s->abouts.items[i].generation))
            bytes += s->abouts.items[i].bytes;
    return bytes;
}

static struct spool_segment *pick(struct spool_segments *segments)
{
    struct spool_segment *best = NULL;
    uint64_t best_cost = 0;
    for (uint32_t i = 0; i < segments->used; i++) {
        struct spool_segment *s = &segments->slots[i];
        if (s->state != SPOOL_SEGMENT_SEALED || s->stuck ||
            s->live_bytes >= spool_segment_worth(segments, s))
            continue;
        uint64_t cost = s->live_bytes + carried_bytes(segments, s);
        if (cost >= spool_segment_worth(segments, s))
            continue;
        if (!best || cost < best_cost ||
            (cost == best_cost && s->disk_generation < best->disk_generation)) {
            best = s;
            best_cost = cost;
        }
    }
    return best;
}

bool spool_reclaim_wanted(const struct spool_reclaim *reclaim)
{
    const struct spool_segments *segments = reclaim->segments;
    return segments->something_died && spool_segments_ready(segments) < SPOOL_READY_MIN;
}

/* --- The end of a segment --- */

static void retired(struct spool_segments *segments, struct spool_segment *s)
{
    if (atomic_load(&s->readers) != 0)
        return;
    if (s->discard || s->odd_size)
        spool_segment_remove(segments, s);
    else if (spool_segment_renew(segments, s) != ERR_OK)
        segments->something_died = true;
}

/* From here on it has no new readers. */
static void retire(struct spool_reclaim *reclaim, struct spool_segment *s)
{
    ASSERT(s->state == SPOOL_SEGMENT_SEALED || s->state == SPOOL_SEGMENT_RETIRING);
    ASSERT(s->live == 0);
    s->state = SPOOL_SEGMENT_RETIRING;
    atomic_store(&s->generation, 0);
    reclaim->retiring_at_ms = clock_mono_ms() + RETIRING_MS;
    retired(reclaim->segments, s);
}

static void emptying_end(struct spool_reclaim *reclaim)
{
    mem_free(reclaim->emptying.items);
    reclaim->emptying = (struct spool_emptying){0};
}

void spool_reclaim_free(struct spool_reclaim *reclaim)
{
    emptying_end(reclaim);
}

bool spool_reclaim_quick(struct spool_reclaim *reclaim)
{
    struct spool_segments *segments = reclaim->segments;
    for (uint32_t i = 0; i < segments->used; i++) {
        struct spool_segment *s = &segments->slots[i];
        bool empty =
            s->state == SPOOL_SEGMENT_SEALED && s->live == 0 && carried_bytes(segments, s) == 0;
        if ((!empty && s->state != SPOOL_SEGMENT_RETIRING) || s->discard || s->odd_size ||
            atomic_load(&s->readers) != 0)
            continue;
        if (reclaim->emptying.from == s)
            emptying_end(reclaim);
        retire(reclaim, s);
        if (s->state == SPOOL_SEGMENT_READY)
            return true;
    }
    return false;
}

static bool doomed_retry(struct spool_segments *segments)
{
    bool did = false;
    for (uint32_t i = 0; i < segments->used; i++) {
        struct spool_segment *s = &segments->slots[i];
        if (s->state != SPOOL_SEGMENT_DOOMED || s->unlinked)
            continue;
        spool_segment_remove(segments, s);
        did |= s->state == SPOOL_SEGMENT_NONE;
    }
    return did;
}

static bool retiring_retry(struct spool_reclaim *reclaim, uint64_t now_ms)
{
    bool did = false;
    struct spool_segments *segments = reclaim->segments;
    reclaim->retiring_at_ms = UINT64_MAX;
    for (uint32_t i = 0; i < segments->used; i++) {
        struct spool_segment *s = &segments->slots[i];
        if (s->state != SPOOL_SEGMENT_RETIRING)
            continue;
        retired(segments, s);
        if (s->state == SPOOL_SEGMENT_RETIRING)
            reclaim->retiring_at_ms = now_ms + RETIRING_MS;
        else
            did = true;
    }
    return did;
}

bool spool_reclaim_retry(struct spool_reclaim *reclaim)
{
    uint64_t now_ms = clock_mono_ms();
    bool did = false;
    if (now_ms >= reclaim->retiring_at_ms)
        did = retiring_retry(reclaim, now_ms);
    if (now_ms >= reclaim->doomed_at_ms) {
        reclaim->doomed_at_ms = now_ms + DOOMED_MS;
        did |= doomed_retry(reclaim->segments);
    }
    return did;
}

/* --- The one that is emptied --- */

bool spool_reclaim_begin(struct spool_reclaim *reclaim)
{
    struct spool_segments *segments = reclaim->segments;
    struct spool_emptying *e = &reclaim->emptying;
    ASSERT(!e->from);
    for (struct spool_segment *s; (s = pick(segments));) {
        if (spool_items_load(segments, s, &e->items, &e->items_len)) {
            e->from = s;
            return true;
        }
        LOG(LOG_ERROR, "spool_reclaim_unreadable", LOG_STR("path", segments->dir->path),
            LOG_U64("generation", s->disk_generation), LOG_U64("offset", s->size),
            LOG_STR("error", err_name(ERR_CORRUPT)));
        s->stuck = true;
    }
    return false;
}

void spool_reclaim_carried(struct spool_reclaim *reclaim)
{
    struct spool_emptying *e = &reclaim->emptying;
    ASSERT(e->from && e->next >= e->at && e->next <= e->items_len);
    KILL_POINT("spool_reclaim_ends");
    e->at = e->next;
    if (e->at < e->items_len)
        return;
    struct spool_segment *from = e->from;
    from->stuck = e->failed || from->live > 0;
    bool empty = !from->stuck;
    emptying_end(reclaim);
    if (empty)
        retire(reclaim, from);
}

/* --- The next one --- */

static struct spool_segment *oldest_ready(struct spool_segments *segments)
{
    struct spool_segment *oldest = NULL;
    for (uint32_t i = 0; i < segments->used; i++) {
        struct spool_segment *s = &segments->slots[i];
        if (s->state == SPOOL_SEGMENT_READY &&
            (!oldest || s->disk_generation < oldest->disk_generation))
            oldest = s;
    }
    return oldest;
}

/* As long as there is no other the active segment stays: what is left of it is room for outcomes,
 * and on a full disk only outcomes make room. */
enum err spool_reclaim_rotate(struct spool_reclaim *reclaim)
{
    struct spool_segments *segments = reclaim->segments;
    if (segments->active && segments->active->end == SPOOL_HEADER_BYTES &&
        segments->active->version < segments->version)
        return spool_segment_raise(segments, segments->active);
    struct spool_segment *next = oldest_ready(segments);
    enum err err = ERR_OK;
    if (!next && spool_reclaim_quick(reclaim))
        next = oldest_ready(segments);
    if (!next) {
        err = spool_segment_create(segments, UINT64_MAX);
        next = oldest_ready(segments);
    }
    if (!next && segments->active && segments->active->live == 0) {
        spool_segment_seal(segments);
        if (spool_reclaim_quick(reclaim))
            next = oldest_ready(segments);
    }
    if (!next)
        return err;
    err = spool_segment_raise(segments, next);
    if (err != ERR_OK)
        return err;
    if (segments->active)
        spool_segment_seal(segments);
    next->state = SPOOL_SEGMENT_ACTIVE;
    segments->active = next;
    KILL_POINT("spool_segment_activated");
    segments->something_died = true; /* there is room now for what reclaim carries */
    spool_segments_count(segments);
    return ERR_OK;
}
