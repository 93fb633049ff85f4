/* Finds the addresses of people in a header that streams by. */
#include "net/header_rewrite.h"

enum rewrite_state {
    REWRITE_LINE_START,
    REWRITE_EMPTY_CR, /* a CR at a line start: the empty line if LF follows */
    REWRITE_LINE,
};

static const struct bytes names[] = {
    {"To", 2},
    {"Cc", 2},
    {"From", 4},
    {"Sender", 6},
    {"Reply-To", 8},
    {"Return-Receipt-To", 17},
    {"Disposition-Notification-To", 27},
    {"Resent-From", 11},
    {"Resent-Sender", 13},
};

static bool is_ours(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (bytes_equal_nocase(name, names[i]))
            return true;
    return false;
}

/* --- The body of one field: RFC 5322 3.4, without obsolete blanks within an address --- */

/* The place behind the quoted string that begins at AT. */
static size_t quoted_end(struct bytes in, size_t at)
{
    for (at++; at < in.len; at++)
        if (in.ptr[at] == '\\')
            at++;
        else if (in.ptr[at] == '"')
            return at + 1;
    return BYTES_NOT_FOUND;
}

/* The same of a comment: they nest. */
static size_t comment_end(struct bytes in, size_t at)
{
    size_t depth = 0;
    for (; at < in.len; at++) {
        char c = in.ptr[at];
        if (c == '\\')
            at++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            return at + 1;
    }
    return BYTES_NOT_FOUND;
}

static bool ends_word(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7F || strchr("<>(),;:", c);
}

/* A quote or parenthesis that never closes is a sign like others from there on: PLAIN. Without
 * that every such sign would be followed to the field's end. */
static size_t find_word_end(struct bytes in, size_t at, bool *plain, size_t *sign)
{
    while (at < in.len && !ends_word(in.ptr[at])) {
        size_t quoted = BYTES_NOT_FOUND;
        if (in.ptr[at] == '"' && !*plain) {
            quoted = quoted_end(in, at);
            *plain = quoted == BYTES_NOT_FOUND;
        }
        if (in.ptr[at] == '@')
            *sign = at;
        at = quoted == BYTES_NOT_FOUND ? at + 1 : quoted;
    }
    return at;
}

static void show_addresses(struct header_rewrite *r, struct bytes in, size_t at)
{
    bool plain = false;
    while (at < in.len) {
        size_t start = at, sign = start, end = BYTES_NOT_FOUND;
        if (in.ptr[at] == '(' && !plain) {
            end = comment_end(in, at);
            plain = end == BYTES_NOT_FOUND;
        }
        if (ends_word(in.ptr[at])) {
            at = end == BYTES_NOT_FOUND ? at + 1 : end;
            continue;
        }
        at = find_word_end(in, at, &plain, &sign);
        if (sign > start && sign + 1 < at)
            r->address(r->owner, r->field_at + start, bytes_sub(in, start, at - start));
    }
}

/* --- Lines and fields --- */

static void field_over(struct header_rewrite *r)
{
    if (r->keeping && r->value > 0)
        show_addresses(r, bytes_make(r->field, r->len), r->value);
    r->keeping = false;
}

static void field_begin(struct header_rewrite *r)
{
    r->state = REWRITE_LINE;
    r->keeping = true;
    r->field_at = r->at;
    r->len = r->value = 0;
}

static void field_take(struct header_rewrite *r, char c)
{
    if (r->len == HEADER_REWRITE_FIELD_MAX) {
        r->keeping = false;
        return;
    }
    r->field[r->len++] = c;
    if (r->value > 0)
        return;
    if (c == ':') {
        r->value = r->len;
        r->keeping = is_ours(bytes_trim_end(bytes_make(r->field, r->len - 1)));
    } else if (c == '\n') {
        r->keeping = false; /* no field at all */
    }
}

static void line_begin(struct header_rewrite *r, char c)
{
    if (c == ' ' || c == '\t') {
        r->state = REWRITE_LINE; /* folded: as the line before it */
        return;
    }
    field_over(r);
    if (c == '\n')
        r->ended = true;
    else if (c == '\r')
        r->state = REWRITE_EMPTY_CR;
    else
        field_begin(r);
}

static void take(struct header_rewrite *r, char c)
{
    if (r->state == REWRITE_EMPTY_CR) {
        r->ended = c == '\n';
        r->state = REWRITE_LINE;
    } else if (r->state == REWRITE_LINE_START) {
        line_begin(r, c);
    }
    if (r->keeping)
        field_take(r, c);
    if (c == '\n')
        r->state = REWRITE_LINE_START;
    r->at++;
}

void header_rewrite_feed(struct header_rewrite *r, struct bytes in)
{
    for (size_t i = 0; i < in.len && !r->ended; i++)
        take(r, in.ptr[i]);
}

void header_rewrite_end(struct header_rewrite *r)
{
    field_over(r);
    r->ended = true;
}
