/* A page of what the scheduler has: one step on its thread, copied out. */
#include "queue/sched_list.h"

#include "core/clock.h"
#include "core/mem.h"
#include "queue/sched_shapes_private.h"

enum {
    STEP_COST = 1024,  /* of a step: messages, or as much of one with many recipients */
    RCPTS_A_COST = 16, /* recipients looked at in the time of one message */
    BATCH = 64,        /* things taken out of the index at once */
    AHEAD = 8,         /* of them fetched into the cache before they are looked at */
    NAMES = 64,        /* destinations of this page, copied once each; a power of two */
    PAGE_BLOCK_BYTES = 128 * 1024,
};

/* One step. */
struct step {
    struct sched_list *list;
    struct arena *arena;
    size_t rows_max, cost;
    int64_t now;
    uint64_t mono;
    struct {
        const struct sched_dest *dest;
        const char *name;
    } names[NAMES];
};

const char *sched_list_status_name(enum sched_list_status status)
{
    static const char *const names[] = {
        [SCHED_LIST_READY] = "ready",       [SCHED_LIST_ACTIVE] = "active",
        [SCHED_LIST_DEFERRED] = "deferred", [SCHED_LIST_UNREACHABLE] = "unreachable",
        [SCHED_LIST_SETTLED] = "settled",
    };
    return names[status];
}

static const char *name_of(struct step *s, const struct sched_dest *dest)
{
    if (!dest)
        return "";
    size_t at = (size_t)((uintptr_t)dest >> 6) & (NAMES - 1);
    if (s->names[at].dest != dest) {
        s->names[at].dest = dest;
        s->names[at].name = arena_strdup(s->arena, dest->key);
    }
    return s->names[at].name;
}

static struct mail_status copy_status(struct step *s, const struct mail_status *status)
{
    return status->code ? mail_status_copy(s->arena, status) : *status;
}

/* --- Parts --- */

static enum sched_list_status status_of(const struct sched_group *group)
{
    if (group->place == SCHED_JOB)
        return SCHED_LIST_ACTIVE;
    if (group->place == SCHED_READY)
        return group->dest->waiting ? SCHED_LIST_UNREACHABLE : SCHED_LIST_READY;
    return group->no_route ? SCHED_LIST_UNREACHABLE : SCHED_LIST_DEFERRED;
}

/* DEST: where GROUP went, or would go. */
static void add_group(struct step *s, struct sched_list_row *row, struct sched_list_group *groups,
                      const struct sched_group *group, const struct sched_dest *dest)
{
    if (group->place == SCHED_NOWHERE)
        return;
    struct sched_list_group *listed = &groups[row->group_count++];
    listed->destination = name_of(s, group->no_route ? NULL : dest);
    listed->next_attempt_at_ms = sched_group_next_at(group, s->now, s->mono);
    listed->attempts = group->attempts;
    listed->status = status_of(group);
    row->statuses |= 1U << listed->status;
    if (group->attempts > row->attempts)
        row->attempts = group->attempts;
    if (row->group_count == 1 || listed->next_attempt_at_ms < row->next_attempt_at_ms)
        row->next_attempt_at_ms = listed->next_attempt_at_ms;
}

static void add_narrow(struct step *s, struct sched_list_row *row, const struct sched_message *m)
{
    struct sched_list_group *group = ARENA_NEW(s->arena, struct sched_list_group);
    row->groups = group;
    add_group(s, row, group, &m->group, m->group.dest ? m->group.dest : m->domain->dest);
}

/* A group that waits for its own time belongs to no destination: its recipients say where it was
 * meant to go. MARK: writes that down in it, and takes it away again. */
static void mark_deferred(const struct sched_message *m, bool mark)
{
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        const struct sched_rcpt *rcpt = &m->wide->rcpts[i];
        if (rcpt->group && rcpt->group->place == SCHED_DEFERRED)
            rcpt->group->dest = mark ? rcpt->domain->dest : NULL;
    }
}

static void add_wide(struct step *s, struct sched_list_row *row, const struct sched_message *m)
{
    size_t count = 1;
    LIST_EACH (e, &m->wide->extras, struct sched_extra, link)
        count++;
    struct sched_list_group *groups = ARENA_NEW_ARRAY(s->arena, struct sched_list_group, count);
    row->groups = groups;
    mark_deferred(m, true);
    add_group(s, row, groups, &m->group, m->group.dest);
    LIST_EACH (e, &m->wide->extras, struct sched_extra, link)
        add_group(s, row, groups, &e->group, e->group.dest);
    mark_deferred(m, false);
    s->cost += (m->rcpt_count + count) / RCPTS_A_COST;
}

/* --- The recipients of one message --- */

static uint32_t group_number(const struct sched_message *m, const struct sched_group *group)
{
    uint32_t number = 0;
    if (group == &m->group)
        return 0;
    if (m->group.place != SCHED_NOWHERE)
        number++;
    LIST_EACH (e, &m->wide->extras, struct sched_extra, link) {
        if (&e->group == group)
            break;
        number += e->group.place != SCHED_NOWHERE;
    }
    return number;
}

static void add_rcpts(struct step *s, struct sched_list_row *row, const struct sched_message *m)
{
    struct sched_list_rcpt *rcpts =
        ARENA_NEW_ARRAY(s->arena, struct sched_list_rcpt, m->rcpt_count);
    row->rcpts = rcpts;
    if (!(m->flags & SCHED_WIDE))
        return; /* all wait, in the one group */
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        const struct sched_rcpt *rcpt = &m->wide->rcpts[i];
        rcpts[i].state = rcpt->state;
        rcpts[i].status = copy_status(s, &rcpt->status);
        rcpts[i].group = rcpt->group ? group_number(m, rcpt->group) : 0;
    }
}

/* --- Messages --- */

static bool within(uint64_t value, uint64_t min, uint64_t max)
{
    return value >= min && (max == 0 || value <= max);
}

static bool domain_matches(struct step *s, const struct sched_message *m, const char *pattern)
{
    if (!(m->flags & SCHED_WIDE))
        return bytes_match_nocase(bytes_of(pattern), bytes_make(m->domain->name, m->domain->len));
    s->cost += m->rcpt_count / RCPTS_A_COST;
    for (uint32_t i = 0; i < m->rcpt_count; i++) {
        const struct sched_domain *domain = m->wide->rcpts[i].domain;
        if (bytes_match_nocase(bytes_of(pattern), bytes_make(domain->name, domain->len)))
            return true;
    }
    return false;
}

/* What can be said before its groups are looked at. */
static bool message_matches(struct step *s, const struct sched_message *m)
{
    const struct sched_list_filter *f = &s->list->filter;
    return !(m->flags & SCHED_DEAD) && m->received_at_ms >= f->received_from_ms &&
           (f->received_until_ms == 0 || m->received_at_ms <= f->received_until_ms) &&
           within(m->octets, f->octets_min, f->octets_max) &&
           (!f->domain || domain_matches(s, m, f->domain));
}

static bool destination_matches(const struct sched_list_row *row, const char *pattern)
{
    for (uint32_t i = 0; i < row->group_count; i++)
        if (bytes_match_nocase(bytes_of(pattern), bytes_of(row->groups[i].destination)))
            return true;
    return false;
}

static bool row_matches(const struct sched_list_row *row, const struct sched_list_filter *f)
{
    return (f->statuses == 0 || (row->statuses & f->statuses)) &&
           within(row->attempts, f->attempts_min, f->attempts_max) &&
           (!f->destination || destination_matches(row, f->destination));
}

static void add_message(struct step *s, const struct sched_message *m)
{
    struct sched_list *list = s->list;
    struct sched_list_row *row = &list->rows[list->row_count];
    if (!message_matches(s, m))
        return;
    *row = (struct sched_list_row){
        .ref = m->ref,
        .received_at_ms = m->received_at_ms,
        .octets = m->octets,
        .rcpt_count = m->rcpt_count,
    };
    if (m->flags & SCHED_WIDE)
        add_wide(s, row, m);
    else
        add_narrow(s, row, m);
    if (row->group_count == 0)
        row->statuses = 1U << SCHED_LIST_SETTLED;
    if (!row_matches(row, &list->filter))
        return;
    if (list->kind == SCHED_LIST_MESSAGE)
        add_rcpts(s, row, m);
    list->row_count++;
}

static void fetch(const struct sched_message *m)
{
    __builtin_prefetch(m);
    __builtin_prefetch((const char *)m + MEM_CACHE_LINE);
}

static void list_messages(struct step *s)
{
    struct sched_list *list = s->list;
    list->rows = ARENA_NEW_ARRAY(s->arena, struct sched_list_row, s->rows_max);
    while (!list->end && list->row_count < s->rows_max && s->cost < STEP_COST) {
        void *batch[BATCH];
        size_t count =
            sched_index_after(&s->list->sched->messages_by_id, list->cursor, batch, BATCH);
        for (size_t i = 0; i < count && i < AHEAD; i++)
            fetch(batch[i]);
        for (size_t i = 0; i < count && list->row_count < s->rows_max; i++) {
            const struct sched_message *m = batch[i];
            if (i + AHEAD < count)
                fetch(batch[i + AHEAD]);
            s->cost++;
            list->cursor = m->ref.id;
            add_message(s, m);
        }
        list->end = count < BATCH && list->row_count < s->rows_max;
    }
}

static void find_message(struct step *s)
{
    struct sched_list *list = s->list;
    const struct sched_message *m = sched_index_find(&list->sched->messages_by_id, list->cursor);
    list->end = true;
    list->rows = ARENA_NEW(s->arena, struct sched_list_row);
    if (m)
        add_message(s, m);
}

/* --- Destinations --- */

static unsigned dest_statuses(const struct sched_dest *dest)
{
    unsigned statuses = dest->jobs > 0 ? 1U << SCHED_LIST_ACTIVE : 0;
    if (dest->waiting)
        return statuses | 1U << SCHED_LIST_UNREACHABLE;
    return statuses | (dest->queued > 0 ? 1U << SCHED_LIST_READY : 0);
}

static void add_dest(struct step *s, const struct sched_dest *dest)
{
    struct sched_list *list = s->list;
    const struct sched_list_filter *f = &list->filter;
    unsigned statuses = dest_statuses(dest);
    if ((f->statuses && !(statuses & f->statuses)) ||
        (f->destination && !bytes_match_nocase(bytes_of(f->destination), bytes_of(dest->key))))
        return;
    struct sched_list_dest *row = &list->dests[list->row_count++];
    *row = (struct sched_list_dest){
        .destination = arena_strdup(s->arena, dest->key),
        .ready = dest->queued,
        .active = dest->jobs,
        .statuses = statuses,
        .failures = dest->failures,
    };
    if (!dest->waiting)
        return;
    row->failed_at_ms = dest->failed_at_ms;
    row->next_attempt_at_ms = dest->next_attempt_at_ms;
    row->last = copy_status(s, &dest->last);
}

static void list_destinations(struct step *s)
{
    struct sched_list *list = s->list;
    list->dests = ARENA_NEW_ARRAY(s->arena, struct sched_list_dest, s->rows_max);
    while (!list->end && list->row_count < s->rows_max && s->cost < STEP_COST) {
        void *batch[BATCH];
        size_t count = sched_index_after(&list->sched->dests_by_serial, list->cursor, batch, BATCH);
        for (size_t i = 0; i < count && list->row_count < s->rows_max; i++) {
            const struct sched_dest *dest = batch[i];
            s->cost++;
            list->cursor = dest->serial;
            add_dest(s, dest);
        }
        list->end = count < BATCH && list->row_count < s->rows_max;
    }
}

/* --- The task --- */

static void run(struct task *task)
{
    struct sched_list *list = CONTAINER_OF(task, struct sched_list, task);
    struct step s = {
        .list = list,
        .arena = &list->page,
        .rows_max = list->rows_max,
        .now = clock_wall_ms(),
        .mono = clock_mono_ms(),
    };
    if (list->kind == SCHED_LIST_MESSAGES)
        list_messages(&s);
    else if (list->kind == SCHED_LIST_MESSAGE)
        find_message(&s);
    else
        list_destinations(&s);
    task_answer(task);
}

static void on_answered(struct task *task)
{
    struct sched_list *list = CONTAINER_OF(task, struct sched_list, task);
    list->answered(list->owner, list);
}

static void release(struct task *task)
{
    struct sched_list *list = CONTAINER_OF(task, struct sched_list, task);
    sched_list_free(&list);
}

struct sched_list *sched_list_new(struct sched *sched, enum sched_list_kind kind,
                                  const struct sched_list_filter *filter, uint64_t cursor)
{
    struct sched_list *list = MEM_NEW(struct sched_list);
    list->task.run = run;
    list->task.answered = on_answered;
    list->task.release = release;
    list->sched = sched;
    list->kind = kind;
    list->cursor = cursor;
    arena_init(&list->own, 0);
    arena_init(&list->page, PAGE_BLOCK_BYTES);
    if (!filter)
        return list;
    list->filter = *filter;
    if (filter->destination)
        list->filter.destination = arena_strdup(&list->own, filter->destination);
    if (filter->domain)
        list->filter.domain = arena_strdup(&list->own, filter->domain);
    return list;
}

void sched_list_free(struct sched_list **list)
{
    if (!*list)
        return;
    arena_free(&(*list)->page);
    arena_free(&(*list)->own);
    mem_free(*list);
    *list = NULL;
}

static void ask(struct sched_list *list, size_t rows, struct mailbox *home)
{
    ASSERT(rows > 0 && !list->end);
    list->rows_max = rows < SCHED_LIST_ROWS_MAX ? rows : SCHED_LIST_ROWS_MAX;
    list->row_count = 0;
    list->rows = NULL;
    list->dests = NULL;
    arena_reset(&list->page);
    task_ask(&list->task, loop_mailbox(list->sched->loop), home);
}

void sched_list_ask(struct sched_list *list, size_t rows, struct mailbox *home,
                    void (*answered)(void *owner, struct sched_list *list), void *owner)
{
    ASSERT(home && answered);
    list->answered = answered;
    list->owner = owner;
    ask(list, rows, home);
}

void sched_list_ask_only(struct sched_list *list, size_t rows)
{
    ask(list, rows, NULL);
}

bool sched_list_wait(struct sched_list **list, unsigned wait_ms)
{
    if (task_wait(&(*list)->task, wait_ms))
        return true;
    *list = NULL;
    return false;
}

void sched_list_abandon(struct sched_list **list)
{
    task_abandon(&(*list)->task);
    *list = NULL;
}
