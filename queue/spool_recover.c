/* What a start finds: which messages live, where their latest outcome is, and what is damaged.
 *
 * Segments are read from the latest generation to the earliest. What is said about a generation
 * (done, outcome, checkpoint) stands in its own segment or a later one, so that when a segment
 * has been read everything about it is known, and a message takes memory only if it lives.
 */
#include "queue/spool_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"
#include "core/mem.h"

/* Between the highest id seen and the next: transactions that came to nothing left no trace. */
#define ID_LEAP (1U << 20)

struct gap {
    uint64_t from, to;
    bool torn;
};

struct recovery {
    struct spool *spool;
    uint32_t order[SPOOL_SLOTS]; /* slots, latest generation first */
    size_t count;
    uint64_t ends[SPOOL_SLOTS]; /* by checkpoint; 0: none seen */
    bool voids[SPOOL_SLOTS];
    struct spool_index done; /* those that a DONE names */
    struct spool_found *candidates;
    size_t candidate_count, candidate_capacity;
    size_t first;               /* candidate of the segment being read */
    struct spool_ref *outcomes; /* segment, offset, length: of the record; id: the message */
    size_t outcome_count, outcome_capacity;
    struct gap *gaps; /* of the segment being read */
    size_t gap_count, gap_capacity;
    uint64_t id_max;
    uint8_t *buffer;
    size_t buffer_size;
};

/* --- Finding the files --- */

static void whole_file_aside(struct spool *spool, const char *name)
{
    char to[SPOOL_NAME_SIZE];
    struct io *io = spool->io;
    snprintf(to, sizeof to, "%s-%llx", name, (unsigned long long)clock_wall_ms());
    bool ok = io->renameat(io, spool->segments_fd, name, spool->quarantine_fd, to) == 0 &&
              io->fsync(io, spool->quarantine_fd) == 0 && io->fsync(io, spool->segments_fd) == 0;
    KILL_POINT("spool_recover_file_aside");
    atomic_fetch_add_explicit(&spool->quarantined, 1, memory_order_relaxed);
    LOG(LOG_ERROR, "spool_segment_quarantined", LOG_STR("path", spool->path),
        LOG_STR("segment", name), LOG_STR("reason", "its header is damaged"),
        LOG_STR("result", ok ? "moved" : err_name(err_from_errno(errno))));
}

static enum err check_file(struct spool *spool, int fd, const char *name, struct stat *st,
                           struct err_detail *why)
{
    if (spool->io->fstat(spool->io, fd, st) != 0)
        return err_set_errno(why, errno, "%s/segments/%s", spool->path, name);
    if (!S_ISREG(st->st_mode) || st->st_nlink != 1 || st->st_uid != geteuid())
        return err_set(why, ERR_DENIED,
                       "%s/segments/%s is not a plain file of ours with one name: move it away",
                       spool->path, name);
    return ERR_OK;
}

static void segment_adopt(struct recovery *r, uint32_t slot, int fd, const struct stat *st,
                          const struct spool_segment_header *header)
{
    struct spool *spool = r->spool;
    struct spool_segment *s = &spool->slots[slot];
    s->fd = fd;
    s->salt = header->salt;
    s->size = (uint32_t)header->size;
    s->end = SPOOL_HEADER_BYTES;
    s->disk_generation = header->generation;
    s->state = SPOOL_SEGMENT_SEALED;
    s->discard =
        (uint64_t)st->st_size < header->size || header->size != spool->settings.segment_size_bytes;
    atomic_store(&s->generation, header->generation);
    r->order[r->count++] = slot;
    if (spool->slots_used <= slot)
        spool->slots_used = slot + 1;
    if (header->next_id > r->id_max)
        r->id_max = header->next_id;
    uint64_t count = header->generation >> SPOOL_SLOT_BITS;
    if (count > spool->generation_count)
        spool->generation_count = count;
}

static enum err segment_open(struct recovery *r, uint32_t slot, const char *name,
                             struct err_detail *why)
{
    struct spool *spool = r->spool;
    struct spool_segment_header header;
    struct stat st;
    uint8_t block[SPOOL_HEADER_BYTES];
    size_t unreadable;
    uint32_t version;
    int fd = spool->io->openat(spool->io, spool->segments_fd, name,
                               O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(why, errno, "%s/segments/%s cannot be opened", spool->path, name);
    enum err err = check_file(spool, fd, name, &st, why);
    if (err == ERR_OK) {
        size_t len = spool_salvage(spool, fd, block, sizeof block, 0, &unreadable);
        err = spool_header_decode(block, len, slot, &header, &version);
        if (err == ERR_OK) {
            segment_adopt(r, slot, fd, &st, &header);
            return ERR_OK;
        }
        if (err == ERR_LIMIT)
            err_set(why, err,
                    "%s/segments/%s has format version %u, this program knows %u: start the newer "
                    "program, or give this one another path",
                    spool->path, name, (unsigned)version, (unsigned)SPOOL_VERSION);
    }
    (void)spool->io->close(spool->io, fd);
    return err;
}

/* The slot, if NAME is exactly what we call a file with PREFIX. */
static bool parse_name(const char *name, const char *prefix, uint32_t *slot)
{
    char again[SPOOL_NAME_SIZE];
    size_t len = strlen(prefix);
    if (strncmp(name, prefix, len) != 0)
        return false;
    *slot = (uint32_t)strtoul(name + len, NULL, 16) & (SPOOL_SLOTS - 1);
    snprintf(again, sizeof again, "%s%03x", prefix, (unsigned)*slot);
    return strcmp(name, again) == 0;
}

/* Everything is looked at before anything is changed: a newer version is left as it is. */
static enum err find_segments(struct recovery *r, struct err_detail *why)
{
    struct spool *spool = r->spool;
    enum err err = ERR_OK;
    uint32_t slot;
    char **names = spool->io->list(spool->io, spool->segments_fd);
    if (!names)
        return err_set_errno(why, errno, "%s/segments cannot be listed", spool->path);
    bool *damaged = MEM_NEW_ARRAY(bool, SPOOL_SLOTS);
    for (char **name = names; *name && err == ERR_OK; name++) {
        if (!parse_name(*name, "seg-", &slot))
            continue;
        err = segment_open(r, slot, *name, why);
        damaged[slot] = err == ERR_CORRUPT;
        if (err == ERR_CORRUPT)
            err = ERR_OK;
    }
    for (char **name = names; *name && err == ERR_OK; name++) {
        if (parse_name(*name, "seg-", &slot)) {
            if (damaged[slot])
                whole_file_aside(spool, *name);
        } else if (parse_name(*name, "new-", &slot)) {
            (void)spool->io->unlinkat(spool->io, spool->segments_fd, *name, 0);
        } else {
            LOG(LOG_WARNING, "spool_unknown_file", LOG_STR("path", spool->path),
                LOG_STR("name", *name));
        }
    }
    mem_free(damaged);
    io_list_free(&names);
    return err;
}

static void sort_latest_first(struct recovery *r)
{
    for (size_t i = 1; i < r->count; i++) {
        uint32_t slot = r->order[i];
        size_t k = i;
        for (; k > 0 && r->spool->slots[r->order[k - 1]].disk_generation <
                            r->spool->slots[slot].disk_generation;
             k--)
            r->order[k] = r->order[k - 1];
        r->order[k] = slot;
    }
}

/* --- Records --- */

static void saw_id(struct recovery *r, uint64_t id)
{
    if (id >= r->id_max)
        r->id_max = id + 1;
}

static void on_message(struct recovery *r, const struct spool_record *record)
{
    if (r->candidate_count == r->candidate_capacity) {
        r->candidate_capacity = r->candidate_capacity * 2 + 1024;
        r->candidates = mem_realloc(r->candidates, r->candidate_capacity * sizeof *r->candidates);
    }
    struct spool_found *found = &r->candidates[r->candidate_count++];
    *found = (struct spool_found){
        .ref = {record->id, record->generation, record->offset,
                spool_record_length(record->head_len, record->body_len)},
        /* Until the outcomes are matched: which kind it is. */
        .outcome.offset = record->type == SPOOL_BIG,
    };
    saw_id(r, record->id);
}

static void on_outcome(struct recovery *r, const struct spool_record *record, uint32_t length)
{
    if (r->outcome_count == r->outcome_capacity) {
        r->outcome_capacity = r->outcome_capacity * 2 + 256;
        r->outcomes = mem_realloc(r->outcomes, r->outcome_capacity * sizeof *r->outcomes);
    }
    r->outcomes[r->outcome_count++] =
        (struct spool_ref){record->id, record->generation, record->offset, length};
    saw_id(r, record->id);
}

static void on_done(struct recovery *r, const struct spool_record *record)
{
    uint64_t generation;
    uint32_t count;
    if (!spool_done_decode(record->head, record->head_len, &generation, &count))
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = spool_done_id(record->head, i);
        if (id == 0)
            continue;
        (void)spool_index_add(&r->done, id, spool_generation_slot(generation));
        saw_id(r, id);
    }
}

static void on_checkpoint(struct recovery *r, const struct spool_record *record)
{
    struct spool_checkpoint c;
    if (!spool_checkpoint_decode(record->head, record->head_len, &c) ||
        c.generation >= record->generation)
        return;
    uint32_t slot = spool_generation_slot(c.generation);
    if (r->ends[slot] == 0 || c.end < r->ends[slot])
        r->ends[slot] = c.end;
    r->voids[slot] |= c.kind == SPOOL_CHECKPOINT_VOID;
}

static void on_record(struct recovery *r, const struct spool_record *record)
{
    if (record->type == SPOOL_MESSAGE || record->type == SPOOL_BIG) {
        on_message(r, record);
        return;
    }
    /* All small records begin with the generation they are about. */
    uint64_t generation = spool_get_u64(record->head);
    if (!spool_generation_exists(r->spool, generation) || generation > record->generation)
        return;
    uint32_t length = spool_record_length(record->head_len, 0);
    spool_segment_note(&r->spool->slots[spool_generation_slot(record->generation)], generation,
                       record->offset, length);
    if (record->type == SPOOL_OUTCOME)
        on_outcome(r, record, length);
    else if (record->type == SPOOL_DONE)
        on_done(r, record);
    else
        on_checkpoint(r, record);
}

/* --- One segment --- */

static void gap_aside(struct recovery *r, struct spool_segment *s, uint64_t from, uint64_t to,
                      bool torn)
{
    char name[SPOOL_NAME_SIZE];
    snprintf(name, sizeof name, "%016llx-%08llx", (unsigned long long)s->disk_generation,
             (unsigned long long)from);
    LOG(torn ? LOG_WARNING : LOG_ERROR, torn ? "spool_group_torn" : "spool_segment_damaged",
        LOG_STR("path", r->spool->path), LOG_STR("quarantine", name),
        LOG_U64("bytes", to > from ? to - from : 0));
    /* A torn group was never acknowledged: nothing is lost, nobody is alarmed. */
    if (!torn) {
        atomic_fetch_add_explicit(&r->spool->quarantined, 1, memory_order_relaxed);
        s->discard = true;
    }
    if (spool_set_aside(r->spool, name, r->buffer + from, (size_t)(to - from)) != ERR_OK)
        s->discard = true; /* at least nobody writes over it while others of it live */
}

/* The checkpoint says the segment went on to END, and nothing more is to be found. */
static void check_end(struct recovery *r, struct spool_segment *s, uint64_t at, uint64_t len,
                      uint64_t end)
{
    if (end == 0) {
        s->end = (uint32_t)at;
        return;
    }
    s->end = (uint32_t)end;
    if (at < end)
        gap_aside(r, s, at < len ? at : len, end < len ? end : len, false);
}

static void gap_note(struct recovery *r, const struct spool_walk *walk)
{
    if (r->gap_count == r->gap_capacity) {
        r->gap_capacity = r->gap_capacity * 2 + 16;
        r->gaps = mem_realloc(r->gaps, r->gap_capacity * sizeof *r->gaps);
    }
    r->gaps[r->gap_count++] = (struct gap){walk->gap_from, walk->gap_to, walk->gap_torn};
}

/* A group is begun when the one before is synced: only in the LAST can anything be torn. */
static void gaps_aside(struct recovery *r, struct spool_segment *s, uint64_t last)
{
    for (size_t i = 0; i < r->gap_count; i++) {
        const struct gap *gap = &r->gaps[i];
        gap_aside(r, s, gap->from, gap->to, gap->torn && last <= gap->from);
    }
    r->gap_count = 0;
}

static void walk_segment(struct recovery *r, struct spool_segment *s, uint64_t len, uint64_t end)
{
    struct spool_walk walk;
    uint64_t last_group = 0;
    struct spool_segment_header header = {
        .generation = s->disk_generation, .salt = s->salt, .size = s->size};
    spool_walk_start(&walk, r->buffer, end && end < len ? end : len, &header);
    for (enum spool_walk_event e; (e = spool_walk_next(&walk)) != SPOOL_WALK_END;) {
        if (e == SPOOL_WALK_RECORD) {
            last_group = walk.record.group;
            on_record(r, &walk.record);
        } else {
            gap_note(r, &walk);
        }
    }
    gaps_aside(r, s, last_group);
    check_end(r, s, walk.at, len, end);
    spool_walk_free(&walk);
}

static void keep_live(struct recovery *r, struct spool_segment *s, uint32_t slot)
{
    size_t kept = r->first;
    for (size_t i = r->first; i < r->candidate_count; i++) {
        struct spool_found *found = &r->candidates[i];
        if (spool_index_find(&r->done, found->ref.id, slot) ||
            spool_index_find(&r->spool->index, found->ref.id, slot))
            continue;
        spool_index_add(&r->spool->index, found->ref.id, slot)->big = found->outcome.offset != 0;
        s->live++;
        r->candidates[kept++] = *found;
    }
    r->first = r->candidate_count = kept;
}

static void seal(struct recovery *r, struct spool_segment *s, uint64_t end)
{
    struct spool *spool = r->spool;
    if (end != 0)
        return;
    /* What a killed process wrote and never synced is now taken for written: so let it be. */
    if (spool->io->fdatasync(spool->io, s->fd) != 0) {
        LOG(LOG_ERROR, "spool_segment_sync_failed", LOG_STR("path", spool->path),
            LOG_U64("generation", s->disk_generation),
            LOG_STR("error", err_name(err_from_errno(errno))));
        s->poisoned = s->discard = true;
    }
    if (s->end > SPOOL_HEADER_BYTES) {
        struct spool_checkpoint c = {s->disk_generation, s->end, SPOOL_CHECKPOINT_SEALED};
        spool_checkpoint_queue(spool, &c);
    }
}

static void read_segment(struct recovery *r, uint32_t slot)
{
    struct spool_segment *s = &r->spool->slots[slot];
    uint64_t end = r->ends[slot];
    size_t unreadable;
    if (end > s->size)
        end = s->size;
    if (r->buffer_size < s->size) {
        mem_free(r->buffer);
        r->buffer = mem_alloc(s->size);
        r->buffer_size = s->size;
    }
    uint64_t len = spool_salvage(r->spool, s->fd, r->buffer, s->size, 0, &unreadable);
    if (unreadable > 0)
        LOG(LOG_ERROR, "spool_segment_unreadable", LOG_STR("path", r->spool->path),
            LOG_U64("generation", s->disk_generation), LOG_U64("blocks", unreadable));
    s->poisoned |= r->voids[slot];
    s->discard |= r->voids[slot] || unreadable > 0;
    walk_segment(r, s, len, end);
    KILL_POINT("spool_recover_read");
    keep_live(r, s, slot);
    seal(r, s, end);
    r->spool->something_died |= s->live == 0;
}

/* --- Putting it together --- */

static int compare_found(const void *a, const void *b)
{
    const struct spool_ref *x = &((const struct spool_found *)a)->ref;
    const struct spool_ref *y = &((const struct spool_found *)b)->ref;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->segment < y->segment ? -1 : x->segment > y->segment;
}

static int compare_outcomes(const void *a, const void *b)
{
    const struct spool_ref *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Both are sorted by id; the last outcome of an id is the latest. */
static void match_outcomes(struct recovery *r)
{
    struct spool *spool = r->spool;
    size_t k = 0;
    if (r->outcome_count > 0)
        qsort(r->outcomes, r->outcome_count, sizeof *r->outcomes, compare_outcomes);
    for (size_t i = 0; i < r->candidate_count; i++) {
        struct spool_found *found = &r->candidates[i];
        found->outcome = (struct spool_ref){0};
        while (k < r->outcome_count && r->outcomes[k].id < found->ref.id)
            k++;
        for (; k < r->outcome_count && r->outcomes[k].id == found->ref.id; k++)
            found->outcome = r->outcomes[k];
        if (found->outcome.length == 0)
            continue;
        struct spool_entry *e = spool_index_find(&spool->index, found->ref.id,
                                                 spool_generation_slot(found->ref.segment));
        e->has_outcome = true;
        e->outcome_slot = (uint16_t)spool_generation_slot(found->outcome.segment);
    }
}

static const struct spool_found *found_by_id(const struct recovery *r, uint64_t id)
{
    size_t from = 0, to = r->candidate_count;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (r->candidates[mid].ref.id < id)
            from = mid + 1;
        else
            to = mid;
    }
    return from < r->candidate_count && r->candidates[from].ref.id == id ? &r->candidates[from]
                                                                         : NULL;
}

/* A body without a record belongs to a transaction that came to nothing. */
static enum err remove_leftovers(struct recovery *r, struct err_detail *why)
{
    struct spool *spool = r->spool;
    char again[SPOOL_NAME_SIZE];
    char **names = spool->io->list(spool->io, spool->big_fd);
    if (!names)
        return err_set_errno(why, errno, "%s/big cannot be listed", spool->path);
    for (char **name = names; *name; name++) {
        uint64_t id = strtoull(*name, NULL, 16);
        if (strcmp(*name, spool_big_name(id, again)) != 0) {
            LOG(LOG_WARNING, "spool_unknown_file", LOG_STR("path", spool->path),
                LOG_STR("name", *name));
            continue;
        }
        saw_id(r, id);
        KILL_POINT("spool_recover_leftover");
        const struct spool_found *found = found_by_id(r, id);
        const struct spool_entry *e =
            found ? spool_index_find(&spool->index, id, spool_generation_slot(found->ref.segment))
                  : NULL;
        if (!e || !e->big)
            (void)spool->io->unlinkat(spool->io, spool->big_fd, *name, 0);
    }
    io_list_free(&names);
    return ERR_OK;
}

/* The same id twice is nobody's doing but a bug's or an intruder's: the earlier one stays. */
static void quarantine_twins(struct recovery *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->candidate_count; i++) {
        if (kept > 0 && r->candidates[kept - 1].ref.id == r->candidates[i].ref.id)
            spool_message_quarantine(r->spool, &r->candidates[i].ref, "its id is in use");
        else
            r->candidates[kept++] = r->candidates[i];
    }
    r->candidate_count = kept;
}

enum err spool_recover(struct spool *spool, struct err_detail *why)
{
    struct recovery *r = MEM_NEW(struct recovery);
    r->spool = spool;
    r->id_max = 1;
    enum err err = find_segments(r, why);
    KILL_POINT("spool_recover_found");
    if (err == ERR_OK) {
        sort_latest_first(r);
        for (size_t i = 0; i < r->count; i++)
            read_segment(r, r->order[i]);
        if (r->candidate_count > 0)
            qsort(r->candidates, r->candidate_count, sizeof *r->candidates, compare_found);
        KILL_POINT("spool_recover_all_read");
        quarantine_twins(r);
        if (r->candidate_count > 0)
            match_outcomes(r);
        err = remove_leftovers(r, why);
    }
    KILL_POINT("spool_recover_ends");
    atomic_store(&spool->next_id, r->count > 0 ? r->id_max + ID_LEAP : r->id_max);
    atomic_store(&spool->live_messages, spool->index.count);
    spool->found = r->candidates;
    spool->found_count = r->candidate_count;
    spool_index_free(&r->done);
    mem_free(r->outcomes);
    mem_free(r->gaps);
    mem_free(r->buffer);
    mem_free(r);
    return err;
}
