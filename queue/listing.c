/* Pages from the scheduler, two in turn: while the envelopes of one are read the next is made. */
#include "queue/listing.h"

#include "core/mem.h"

enum { ANSWER_WAIT_MS = 10000 };

struct listing {
    struct sched *sched;
    struct spool *spool;
    struct listing_filter filter;
    bool all;         /* the next page is asked for ahead */
    bool judges_head; /* the filter asks for something in the envelope */
    size_t page_rows;
    struct sched_list *page;  /* being read; NULL: none so far */
    struct sched_list *asked; /* under way */
    struct sched_list *spare;
    size_t at; /* row of PAGE */
    uint64_t cursor;
    bool stopped;
    struct arena own, row; /* filter; envelope of the row */
};

static const char *keep(struct listing *l, const char *pattern)
{
    return pattern ? arena_strdup(&l->own, pattern) : NULL;
}

static void ask(struct listing *l, uint64_t cursor)
{
    struct sched_list *list = l->spare;
    l->spare = NULL;
    if (!list)
        list = sched_list_new(l->sched, SCHED_LIST_MESSAGES, &l->filter.known, cursor);
    list->cursor = cursor;
    sched_list_ask_only(list, l->page_rows);
    l->asked = list;
}

struct listing *listing_new(struct sched *sched, struct spool *spool,
                            const struct listing_filter *filter, uint64_t cursor, size_t wanted)
{
    struct listing *l = MEM_NEW(struct listing);
    l->sched = sched;
    l->spool = spool;
    l->all = wanted == 0 || wanted > SCHED_LIST_ROWS_MAX;
    l->page_rows = l->all ? SCHED_LIST_ROWS_MAX : wanted;
    l->cursor = cursor;
    arena_init(&l->own, 0);
    arena_init(&l->row, 0);
    if (filter) {
        l->filter = *filter;
        l->filter.known.destination = keep(l, filter->known.destination);
        l->filter.known.domain = keep(l, filter->known.domain);
        l->filter.sender = keep(l, filter->sender);
        l->filter.rcpt = keep(l, filter->rcpt);
        l->filter.connector = keep(l, filter->connector);
        l->judges_head = filter->sender || filter->rcpt || filter->connector;
    }
    ask(l, cursor);
    return l;
}

void listing_free(struct listing **listing)
{
    struct listing *l = *listing;
    if (!l)
        return;
    if (l->asked)
        sched_list_abandon(&l->asked);
    sched_list_free(&l->page);
    sched_list_free(&l->spare);
    arena_free(&l->own);
    arena_free(&l->row);
    mem_free(l);
    *listing = NULL;
}

uint64_t listing_cursor(const struct listing *listing)
{
    return listing->cursor;
}

/* The page that was asked for is the one that is read now. */
static bool turn_page(struct listing *l)
{
    uint64_t cursor = l->page ? l->page->cursor : l->cursor;
    l->cursor = cursor; /* what stood behind the last row did not match */
    if (!l->asked)
        ask(l, cursor);
    if (!sched_list_wait(&l->asked, ANSWER_WAIT_MS)) {
        l->stopped = true;
        return false;
    }
    l->spare = l->page;
    l->page = l->asked;
    l->asked = NULL;
    l->at = 0;
    if (l->all && !l->page->end)
        ask(l, l->page->cursor);
    return true;
}

static bool matches(const char *pattern, struct bytes b)
{
    return !pattern || bytes_match_nocase(bytes_of(pattern), b);
}

static bool some_rcpt_matches(const char *pattern, const struct mail_envelope *envelope)
{
    if (!pattern)
        return true;
    for (size_t i = 0; i < envelope->rcpt_count; i++)
        if (matches(pattern, envelope->rcpts[i].address))
            return true;
    return false;
}

static bool head_matches(const struct listing *l, const struct listing_row *row)
{
    return !l->judges_head || (matches(l->filter.sender, row->envelope.sender) &&
                               matches(l->filter.connector, row->meta.connector) &&
                               some_rcpt_matches(l->filter.rcpt, &row->envelope));
}

/* False: it has gone meanwhile, or does not match. */
static bool read_row(struct listing *l, struct listing_row *row, enum listing_result *result)
{
    arena_reset(&l->row);
    enum err err =
        spool_read_head(l->spool, &row->known->ref, &l->row, &row->envelope, &row->meta, &row->why);
    *result = err == ERR_OK ? LISTING_ROW : LISTING_UNREADABLE;
    if (err == ERR_OK)
        return head_matches(l, row);
    row->envelope = (struct mail_envelope){0};
    row->meta = (struct spool_meta){0};
    return err != ERR_NOTFOUND;
}

enum listing_result listing_next(struct listing *l, struct listing_row *row)
{
    enum listing_result result = LISTING_STOPPED;
    while (!l->stopped) {
        if (!l->page || l->at == l->page->row_count) {
            if (l->page && l->page->end) {
                l->cursor = l->page->cursor;
                return LISTING_END;
            }
            if (turn_page(l))
                continue;
            break;
        }
        row->known = &l->page->rows[l->at++];
        l->cursor = row->known->ref.id;
        if (read_row(l, row, &result))
            return result;
    }
    return LISTING_STOPPED;
}
