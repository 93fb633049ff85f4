/* Leaves header fields out of a text that comes in pieces. */
#include "core/header_filter.h"

enum filter_state {
    FILTER_LINE_START,
    FILTER_EMPTY_CR, /* a CR at a line start: the empty line if LF follows */
    FILTER_NAME,
    FILTER_NAME_BLANK, /* blanks before the colon: obsolete, and read by many (RFC 5322 4.5) */
    FILTER_LINE,       /* the fate of the line is known: DROPPING */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line is no field, or one that stays. */
static void line_pass(struct header_filter *f)
{
    f->state = FILTER_LINE;
    f->dropping = false;
}

static void field_decide(struct header_filter *f)
{
    f->state = FILTER_LINE;
    f->dropping = f->strips(f->classes, bytes_make(f->head, f->name_len));
    f->stripped = f->stripped || f->dropping;
}

static void line_begin(struct header_filter *f, char c)
{
    if (is_blank(c)) {
        f->state = FILTER_LINE; /* folded: as the field before it */
    } else if (c == '\r') {
        f->state = FILTER_EMPTY_CR;
    } else if (c == '\n') {
        f->ended = true;
    } else if (c == ':') {
        line_pass(f);
    } else {
        f->state = FILTER_NAME;
        f->name_len = 1;
    }
}

/* An octet of a line that may still be left out. */
static void head_take(struct header_filter *f, char c)
{
    f->head[f->head_len++] = c;
    switch ((enum filter_state)f->state) {
    case FILTER_LINE_START:
        line_begin(f, c);
        return;
    case FILTER_EMPTY_CR:
        if (c == '\n')
            f->ended = true;
        else
            line_pass(f);
        return;
    case FILTER_NAME:
    case FILTER_NAME_BLANK:
    case FILTER_LINE:
        break;
    }
    if (c == ':')
        field_decide(f);
    else if (c == '\n' || (f->state == FILTER_NAME_BLANK && !is_blank(c)))
        line_pass(f);
    else if (is_blank(c))
        f->state = FILTER_NAME_BLANK;
    else
        f->name_len++;
    if (f->state != FILTER_LINE && f->head_len == sizeof f->head)
        field_decide(f);
}

/* Reads the head of the line that begins at AT, or goes on there: true once its fate is known. */
static bool head_read(struct header_filter *f, struct bytes in, size_t at)
{
    for (; at < in.len && f->state != FILTER_LINE && !f->ended; at++)
        head_take(f, in.ptr[at]);
    return f->state == FILTER_LINE || f->ended;
}

/* The place behind the line that goes on at AT; its LF may lie in a later input. */
static size_t line_end(struct header_filter *f, struct bytes in, size_t at)
{
    size_t lf = bytes_find(in, '\n', at);
    if (lf == BYTES_NOT_FOUND)
        return in.len;
    f->state = FILTER_LINE_START;
    f->head_len = 0;
    return lf + 1;
}

static struct bytes give(struct bytes *in, size_t from, size_t to)
{
    struct bytes piece = bytes_sub(*in, from, to - from);
    *in = bytes_from(*in, to);
    return piece;
}

struct bytes header_filter_next(struct header_filter *f, struct bytes *in)
{
    size_t start = 0, at = 0;
    if (f->classes == 0)
        return give(in, 0, in->len);
    while (at < in->len && !f->ended) {
        size_t held = f->state == FILTER_LINE ? 0 : f->head_len;
        bool known = head_read(f, *in, at);
        if (!known)
            return bytes_sub(give(in, start, in->len), 0, at - start);
        if (held > 0 && (f->ended || !f->dropping))
            return bytes_make(f->head, held); /* its rest is all of IN, from its front */
        if (f->ended)
            break;
        if (f->dropping && at > start)
            return give(in, start, at);
        at = line_end(f, *in, at);
        start = f->dropping ? at : start;
    }
    return give(in, start, in->len);
}

struct bytes header_filter_end(struct header_filter *f)
{
    bool held = f->classes && f->state != FILTER_LINE && !f->ended;
    struct bytes rest = bytes_make(f->head, held ? f->head_len : 0);
    f->ended = true;
    return rest;
}
