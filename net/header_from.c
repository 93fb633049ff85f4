/* The addresses of a From field: comments, quotes and groups are seen through. */
#include "net/header_from.h"

#include "core/mail.h"

enum from_place { FROM_TEXT, FROM_QUOTED, FROM_COMMENT };

/* One mailbox while it is read: what stands in angle brackets counts, else everything. */
struct from_scan {
    enum from_place place;
    unsigned depth; /* of comments */
    bool escaped;
    bool in_brackets;
    bool substance; /* more than blanks and comments */
    bool too_long;
    bool closed; /* its end was seen */
    bool plain;  /* quotes and parentheses mean nothing: one of them never closes */
    size_t len;
    char *to;
};

static void keep(struct from_scan *s, char c)
{
    s->substance = true;
    if (s->len == HEADER_FROM_ADDRESS_MAX)
        s->too_long = true;
    else
        s->to[s->len++] = c;
}

/* In a quoted string or a comment, where no sign means anything but its own end. */
static void take_inside(struct from_scan *s, char c)
{
    bool escaped = s->escaped;
    s->escaped = !escaped && c == '\\';
    if (s->place == FROM_QUOTED) {
        keep(s, c);
        if (!escaped && c == '"')
            s->place = FROM_TEXT;
    } else if (!escaped && c == '(') {
        s->depth++;
    } else if (!escaped && c == ')' && --s->depth == 0) {
        s->place = FROM_TEXT;
    }
}

/* What was kept so far was a name, or a route: not the address. */
static void begin_again(struct from_scan *s)
{
    s->len = 0;
    s->too_long = false;
}

static void take_opening(struct from_scan *s, char c)
{
    if (s->plain) {
        s->substance = true;
        return;
    }
    if (c == '"')
        keep(s, c);
    s->depth = 1;
    s->place = c == '"' ? FROM_QUOTED : FROM_COMMENT;
}

/* A second pair of brackets is another mailbox: readers differ in which of them they show. */
static void take_text(struct from_scan *s, char c)
{
    switch (c) {
    case '"':
    case '(':
        take_opening(s, c);
        break;
    case '<':
        begin_again(s);
        s->in_brackets = s->substance = true;
        break;
    case '>':
        s->closed = true;
        break;
    case ':': /* the name of a group, or a source route */
        begin_again(s);
        s->substance = s->in_brackets;
        break;
    case ',': /* within brackets: of a source route */
    case ';':
        s->closed = !s->in_brackets;
        break;
    default:
        if ((unsigned char)c > ' ' && c != 0x7F)
            keep(s, c);
        break;
    }
}

/* Reads to the end of one mailbox; returns the place behind it. A quote or parenthesis that never
 * closes hides nothing: from there on it is read as if it were not there. */
static size_t take_mailbox(struct from_scan *s, struct bytes in)
{
    struct from_scan opened = *s;
    size_t at = 0, opened_at = 0;
    while (!s->closed) {
        if (at == in.len && s->place == FROM_TEXT)
            break;
        if (at == in.len) {
            *s = opened;
            s->plain = true;
            at = opened_at;
        } else if (s->place == FROM_TEXT) {
            struct from_scan before = *s;
            take_text(s, in.ptr[at]);
            if (s->place != FROM_TEXT) {
                opened = before;
                opened_at = at;
            }
            at++;
        } else {
            take_inside(s, in.ptr[at++]);
        }
    }
    return at;
}

/* Readers see "ceo@ours.example)" and think nothing of it: what no domain has in it does not make
 * it another domain. */
static size_t clean_domain(char *address, size_t len)
{
    struct bytes domain = mail_domain(bytes_make(address, len));
    size_t kept = len - domain.len;
    if (domain.len == 0 || domain.ptr[0] == '[')
        return len;
    for (size_t i = 0; i < domain.len; i++) {
        char c = domain.ptr[i], lower = bytes_lower(c);
        if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || strchr("-._", c) ||
            (unsigned char)c >= 0x80)
            address[kept++] = c;
    }
    return kept;
}

bool header_from_next(struct bytes *rest, char to[HEADER_FROM_ADDRESS_MAX], size_t *len)
{
    while (rest->len) {
        struct from_scan s = {.to = to};
        struct bytes field, others;
        bytes_split(*rest, '\0', &field, &others);
        *rest = bytes_from(*rest, field.len ? take_mailbox(&s, field) : 1);
        *len = s.too_long ? 0 : clean_domain(to, s.len);
        if (s.substance)
            return true;
    }
    return false;
}
