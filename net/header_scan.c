/* Reads a header as it streams by, one octet after the other, and counts what was asked for. */
#include "net/header_scan.h"

enum scan_state {
    SCAN_LINE_START,
    SCAN_EMPTY_CR, /* a CR at a line start: the empty line if LF follows */
    SCAN_NAME,
    SCAN_NAME_BLANK, /* blanks before the colon: obsolete, and seen (RFC 5322 4.5) */
    SCAN_VALUE,      /* of a field that is not asked about */
    SCAN_RECEIVED,
    SCAN_MESSAGE_ID,
    SCAN_FROM,
    SCAN_ENDED,
};

/* The search for "by" and our name in a Received field, a step for each octet. */
enum by_match {
    BY_BLANK, /* between words */
    BY_OTHER_WORD,
    BY_B,
    BY_BY,
    BY_BY_BLANK,
    BY_NAME, /* and how many octets of the name have matched beyond the first */
    BY_FOUND = SIZE_MAX,
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
    return is_blank(c) || c == '\r' || c == '\n';
}

/* Comments are not told apart: an unbalanced parenthesis from some host's greeting must not hide
 * the rest of the field, and "by" inside a comment is followed by ")" rather than by a blank. */
static void received_match(struct header_scan *s, char c)
{
    struct bytes name = s->local_name;
    char lower = bytes_lower(c);
    if (s->match == BY_FOUND)
        return;
    if (s->match >= BY_NAME) {
        size_t matched = s->match - BY_NAME + 1;
        if (matched == name.len && (is_space(c) || c == ';')) {
            s->local_hops++;
            s->match = BY_FOUND;
        } else if (matched < name.len && lower == bytes_lower(name.ptr[matched])) {
            s->match++;
        } else {
            s->match = is_space(c) ? BY_BLANK : BY_OTHER_WORD;
        }
    } else if (is_space(c)) {
        s->match = s->match == BY_BY || s->match == BY_BY_BLANK ? BY_BY_BLANK : BY_BLANK;
    } else if (s->match == BY_BY_BLANK && name.len > 0 && lower == bytes_lower(name.ptr[0])) {
        s->match = BY_NAME;
    } else if (s->match == BY_BLANK && lower == 'b') {
        s->match = BY_B;
    } else {
        s->match = s->match == BY_B && lower == 'y' ? BY_BY : BY_OTHER_WORD;
    }
}

static void message_id_done(struct header_scan *s)
{
    s->state = SCAN_VALUE;
    s->field = SCAN_VALUE;
}

/* Keeps the first word of the field, or all between "<" and ">"; what is folded is joined. */
static void message_id_keep(struct header_scan *s, char c)
{
    bool bracketed = s->id_len > 0 && s->message_id[0] == '<';
    if (is_space(c)) {
        if (s->id_len > 0 && !bracketed)
            message_id_done(s);
        return;
    }
    if (s->id_len == sizeof s->message_id - 1) {
        message_id_done(s);
        return;
    }
    s->message_id[s->id_len++] = c > ' ' && c < 0x7F ? c : '?';
    s->message_id[s->id_len] = '\0';
    if (bracketed && c == '>')
        message_id_done(s);
}

static void from_keep(struct header_scan *s, struct bytes text)
{
    size_t room = s->from_max - s->from_len;
    s->from_cut = s->from_cut || text.len > room;
    text = bytes_sub(text, 0, room);
    if (text.len > 0)
        memcpy(s->from + s->from_len, text.ptr, text.len);
    s->from_len += text.len;
}

static void from_begin(struct header_scan *s)
{
    if (!s->from)
        return;
    s->state = SCAN_FROM;
    if (s->from_len > 0)
        from_keep(s, BYTES("\0"));
}

static void scan_end(struct header_scan *s)
{
    s->octets -= s->line_octets;
    s->line_octets = 0;
    s->state = SCAN_ENDED;
    s->ended = true;
}

static bool is_exchange_field(struct bytes name)
{
    return bytes_starts_nocase(name, BYTES("X-MS-Exchange-Organization-")) ||
           bytes_starts_nocase(name, BYTES("X-MS-Exchange-Forest-"));
}

/* The name is complete: which field is it? */
static void field_begin(struct header_scan *s)
{
    struct bytes name = bytes_make(s->name, s->name_len);
    s->line_octets = 0;
    s->state = SCAN_VALUE;
    s->exchange_fields =
        s->exchange_fields || is_exchange_field(bytes_sub(name, 0, sizeof s->name));
    if (s->name_len > sizeof s->name)
        name = BYTES_EMPTY;
    if (bytes_equal_nocase(name, BYTES("Received"))) {
        s->received++;
        s->match = BY_BLANK;
        s->state = SCAN_RECEIVED;
    } else if (bytes_equal_nocase(name, BYTES("Message-ID"))) {
        s->state = s->has_message_id ? SCAN_VALUE : SCAN_MESSAGE_ID;
        s->has_message_id = true;
    } else if (bytes_equal_nocase(name, BYTES("Date"))) {
        s->has_date = true;
    } else if (bytes_equal_nocase(name, BYTES("From"))) {
        from_begin(s);
        s->has_from = true;
    } else if (bytes_equal_nocase(name, BYTES("Sender"))) {
        from_begin(s);
    }
    s->field = s->state;
}

/* field-name = 1*(%d33-57 / %d59-126), RFC 5322 3.6.8 */
static void name_take(struct header_scan *s, char c)
{
    if (c == ':' && s->name_len > 0) {
        field_begin(s);
    } else if (is_blank(c)) {
        s->state = SCAN_NAME_BLANK;
    } else if (c > ' ' && c < 0x7F && c != ':' && s->state == SCAN_NAME) {
        if (s->name_len < sizeof s->name)
            s->name[s->name_len] = c;
        s->name_len++;
    } else {
        scan_end(s);
    }
}

static void line_begin(struct header_scan *s, char c)
{
    if (c == '\r') {
        s->state = SCAN_EMPTY_CR;
    } else if (is_blank(c) && s->field != SCAN_LINE_START) {
        s->line_octets = 0;
        s->state = s->field;
    } else if (c == '\n' || is_blank(c)) {
        scan_end(s);
    } else {
        s->name_len = 0;
        s->state = SCAN_NAME;
        name_take(s, c);
    }
}

/* An octet of a line that may still turn out to be no part of the header. */
static void line_take(struct header_scan *s, char c)
{
    s->octets++;
    s->line_octets++;
    if (s->state == SCAN_LINE_START)
        line_begin(s, c);
    else if (s->state == SCAN_EMPTY_CR)
        scan_end(s);
    else
        name_take(s, c);
}

/* Takes what of PIECE from AT belongs to the value, with its LF; returns the place behind it. */
static size_t value_take(struct header_scan *s, struct bytes piece, size_t at)
{
    size_t lf = bytes_find(piece, '\n', at);
    size_t end = lf == BYTES_NOT_FOUND ? piece.len : lf + 1;
    s->octets += end - at;
    if (s->state == SCAN_FROM)
        from_keep(s, bytes_sub(piece, at, end - at));
    for (; at < end && s->state == SCAN_RECEIVED; at++)
        received_match(s, piece.ptr[at]);
    for (; at < end && s->state == SCAN_MESSAGE_ID; at++)
        message_id_keep(s, piece.ptr[at]);
    if (lf != BYTES_NOT_FOUND)
        s->state = SCAN_LINE_START;
    return end;
}

static void scan_feed(struct header_scan *scan, struct bytes piece)
{
    size_t at = 0;
    while (at < piece.len && !scan->ended) {
        switch ((enum scan_state)scan->state) {
        case SCAN_VALUE:
        case SCAN_RECEIVED:
        case SCAN_MESSAGE_ID:
        case SCAN_FROM:
            at = value_take(scan, piece, at);
            break;
        case SCAN_LINE_START:
        case SCAN_EMPTY_CR:
        case SCAN_NAME:
        case SCAN_NAME_BLANK:
            line_take(scan, piece.ptr[at++]);
            break;
        case SCAN_ENDED:
            return;
        }
    }
}

/* Behind the octet that showed the header to be over nothing is looked at: it is the body's. */
static void strict_feed(struct header_scan *s, struct bytes piece)
{
    for (size_t i = 0; i < piece.len && !s->ended; i++) {
        char c = piece.ptr[i];
        unsigned state = s->state;
        scan_feed(s, bytes_sub(piece, i, 1));
        bool alone = (c == '\n') != (s->before == '\r');
        bool empty_line = state == SCAN_LINE_START || state == SCAN_EMPTY_CR;
        if (!s->ended || empty_line)
            s->stray = s->stray || c == '\0' || alone;
        s->before = c;
    }
}

void header_scan_feed(struct header_scan *scan, struct bytes piece)
{
    if (scan->strict)
        strict_feed(scan, piece);
    else
        scan_feed(scan, piece);
}
