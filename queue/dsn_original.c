/* The third part of a report: the message that it is about, or its header. */
#include "queue/dsn_private.h"

#include <stdio.h>

#include "core/header_class.h"
#include "core/header_filter.h"

#define BLOCK 16384

/* The original without what tells of our own network, and of others' (Exchange's header firewall:
 * of an original that goes back, all three classes go, to every sender). Read piece by piece. */
struct original {
    const struct spool_message *message;
    uint64_t at, until; /* of the spool's text */
    struct header_filter filter;
    char *block;
    struct bytes rest; /* of BLOCK */
    bool over, failed;
};

static void original_open(struct original *o, const struct spool_message *m, uint64_t until,
                          char *block)
{
    *o = (struct original){
        .message = m,
        .until = until,
        .filter = {.strips = header_class_strips, .classes = HEADER_CLASS_ALL},
        .block = block,
    };
}

/* The next piece, good until the next call; false at the end, or when it cannot be read. */
static bool original_next(struct original *o, struct bytes *piece)
{
    *piece = BYTES_EMPTY;
    while (piece->len == 0 && !o->over) {
        uint64_t left = o->until - o->at;
        size_t len = left < BLOCK ? (size_t)left : BLOCK;
        if (o->rest.len > 0) {
            *piece = header_filter_next(&o->filter, &o->rest);
        } else if (len > 0) {
            o->over = o->failed = spool_read_text(o->message, o->at, o->block, len) != ERR_OK;
            o->rest = bytes_make(o->block, o->failed ? 0 : len);
            o->at += len;
        } else {
            *piece = header_filter_end(&o->filter);
            o->over = true;
        }
    }
    return piece->len > 0;
}

/* What a first reading finds out about the text, or about its header only. */
struct survey {
    uint64_t octets;
    uint64_t header_octets; /* up to the empty line, which is not counted */
    uint64_t line_octets;
    bool in_header, after_cr, plain_header, plain;
};

/* RFC 5322 2.1.1 and RFC 2045 2.7: what may travel as "7bit". */
static void survey_octet(struct survey *s, unsigned char c)
{
    s->octets++;
    bool bad = c >= 0x80 || c == 0 || (c == '\n') != s->after_cr;
    if (c != '\n' && c != '\r' && ++s->line_octets > 998)
        bad = true;
    if (bad) {
        s->plain = false;
        s->plain_header &= !s->in_header;
    }
    s->after_cr = c == '\r';
    if (c != '\n')
        return;
    if (s->line_octets == 0 && s->in_header)
        s->in_header = false;
    else if (s->in_header)
        s->header_octets = s->octets;
    s->line_octets = 0;
}

/* Reads all of O, or up to the empty line when that is all that is wanted. */
static bool survey_text(struct original *o, bool header_only, struct survey *s)
{
    struct bytes piece;
    *s = (struct survey){.in_header = true, .plain_header = true, .plain = true};
    while ((s->in_header || !header_only) && original_next(o, &piece))
        for (size_t i = 0; i < piece.len; i++)
            survey_octet(s, (unsigned char)piece.ptr[i]);
    s->plain &= !s->after_cr;
    /* A text that ends, or is cut, within its header: the last line counts if nothing else does. */
    if (s->in_header && s->header_octets == 0)
        s->header_octets = s->octets;
    return !o->failed;
}

/* RFC 2045 6.7. CR LF stays a line end; a CR or LF alone, a dot that begins a line and a blank that
 * ends one are written as codes. */
struct quoter {
    struct dsn_out *out;
    size_t col;
    unsigned char blank; /* held back: is it the last of its line? */
    bool after_cr;
};

static void quote_one(struct quoter *q, unsigned char c, bool coded)
{
    char text[4] = {(char)c, 0};
    size_t len = coded ? 3 : 1;
    if (coded)
        snprintf(text, sizeof text, "=%02X", c);
    if (q->col + len > DSN_LINE_WIDTH - 1) {
        dsn_out_text(q->out, "=\r\n");
        q->col = 0;
    }
    dsn_out_bytes(q->out, bytes_make(text, len));
    q->col += len;
}

static void quote_blank(struct quoter *q, bool last)
{
    if (q->blank)
        quote_one(q, q->blank, last);
    q->blank = 0;
}

static void quote_octet(struct quoter *q, unsigned char c)
{
    if (q->after_cr && c == '\n') {
        quote_blank(q, true);
        dsn_out_text(q->out, "\r\n");
        q->col = 0;
        q->after_cr = false;
        return;
    }
    if (q->after_cr) {
        quote_blank(q, false);
        quote_one(q, '\r', true);
    }
    q->after_cr = c == '\r';
    if (q->after_cr)
        return;
    quote_blank(q, false);
    if (c == ' ' || c == '\t') {
        q->blank = c;
        return;
    }
    bool soft_break = q->col >= DSN_LINE_WIDTH - 1;
    bool begins = q->col == 0 || soft_break;
    quote_one(q, c, c < ' ' || c >= 0x7f || c == '=' || (begins && c == '.'));
}

static void quote_end(struct quoter *q)
{
    quote_blank(q, true);
    if (q->after_cr)
        quote_one(q, '\r', true);
}

/* The first OCTETS of O, which the survey has seen. */
static bool copy_text(struct dsn_out *out, struct original *o, uint64_t octets, bool quote)
{
    struct quoter q = {.out = out};
    struct bytes piece;
    while (octets > 0 && original_next(o, &piece)) {
        piece = bytes_sub(piece, 0, octets < piece.len ? (size_t)octets : piece.len);
        octets -= piece.len;
        for (size_t i = 0; quote && i < piece.len; i++)
            quote_octet(&q, (unsigned char)piece.ptr[i]);
        if (!quote)
            dsn_out_bytes(out, piece);
    }
    quote_end(&q);
    return !o->failed;
}

/* RFC 3461 4.3: RET is about failures; other reports return the header. So do all about a binary
 * message: its text has no place in a report that is made of lines (RFC 3030 3). */
static bool want_full(const struct dsn_facts *facts)
{
    const struct spool_message *m = facts->original;
    if (!dsn_has_report(facts, MAIL_REPORT_FAILED) || m->envelope.ret == MAIL_RET_HDRS ||
        m->envelope.body == MAIL_BODY_BINARYMIME)
        return false;
    uint64_t most = m->envelope.ret == MAIL_RET_FULL ? DSN_RET_FULL_MAX : DSN_FULL_MAX_BYTES;
    return m->meta.octets <= most;
}

bool dsn_write_original(struct dsn_out *out, const struct dsn_facts *facts, struct arena *arena)
{
    const struct spool_message *m = facts->original;
    char *block = arena_alloc(arena, BLOCK);
    struct original o;
    struct survey s;
    bool full = want_full(facts);
    uint64_t until = m->meta.octets;
    if (!full && until > DSN_HEADER_MAX)
        until = DSN_HEADER_MAX;
    original_open(&o, m, until, block);
    if (!survey_text(&o, !full, &s))
        return false;
    original_open(&o, m, until, block); /* what is copied is what was surveyed, to the octet */
    /* message/rfc822 takes no encoding that would make it 7-bit (RFC 2046 5.2.1). */
    full = full && s.plain;
    if (full) {
        dsn_out_text(out, "Content-Type: message/rfc822\r\n\r\n");
        return copy_text(out, &o, s.octets, false);
    }
    if (s.header_octets > DSN_HEADER_MAX)
        s.header_octets = DSN_HEADER_MAX;
    dsn_out_text(out, "Content-Type: text/rfc822-headers\r\n");
    if (!s.plain_header)
        dsn_out_text(out, "Content-Transfer-Encoding: quoted-printable\r\n");
    dsn_out_text(out, "\r\n");
    return copy_text(out, &o, s.header_octets, !s.plain_header);
}
