#include "queue/dsn_private.h"

#include <stdio.h>

#define BLOCK 16384

/* What a first reading finds out about the text, or about its header only. */
struct survey {
    uint64_t header_octets; /* up to the empty line, which is not counted */
    uint64_t line_octets;
    bool in_header, after_cr, plain_header, plain;
};

/* RFC 5322 2.1.1 and RFC 2045 2.7: what may travel as "7bit". */
static void survey_octet(struct survey *s, unsigned char c, uint64_t at)
{
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
        s->header_octets = at + 1;
    s->line_octets = 0;
}

/* Reads UNTIL octets, or up to the empty line when that is all that is wanted. */
static bool survey_text(const struct spool_message *m, uint64_t until, bool header_only,
                        struct survey *s, char *block)
{
    *s = (struct survey){.in_header = true, .plain_header = true, .plain = true};
    for (uint64_t at = 0; at < until && (s->in_header || !header_only);) {
        size_t len = until - at < BLOCK ? (size_t)(until - at) : BLOCK;
        if (spool_read_text(m, at, block, len))
            return false;
        for (size_t i = 0; i < len; i++)
            survey_octet(s, (unsigned char)block[i], at + i);
        at += len;
    }
    s->plain &= !s->after_cr;
    /* A text that ends, or is cut, within its header: the last line counts if nothing else does. */
    if (s->in_header && s->header_octets == 0)
        s->header_octets = until;
    return true;
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

static bool copy_text(struct dsn_out *out, const struct spool_message *m, uint64_t octets,
                      bool quote, char *block)
{
    struct quoter q = {.out = out};
    for (uint64_t at = 0; at < octets;) {
        size_t len = octets - at < BLOCK ? (size_t)(octets - at) : BLOCK;
        if (spool_read_text(m, at, block, len))
            return false;
        for (size_t i = 0; quote && i < len; i++)
            quote_octet(&q, (unsigned char)block[i]);
        if (!quote)
            dsn_out_bytes(out, bytes_make(block, len));
        at += len;
    }
    quote_end(&q);
    return true;
}

/* RFC 3461 4.3: RET is about failures; other reports return the header. */
static bool want_full(const struct dsn_facts *facts)
{
    const struct spool_message *m = facts->original;
    if (!dsn_has_action(facts, DSN_FAILED) || m->envelope.ret == MAIL_RET_HDRS)
        return false;
    uint64_t most = m->envelope.ret == MAIL_RET_FULL ? DSN_RET_FULL_MAX : DSN_FULL_MAX_BYTES;
    return m->meta.octets <= most;
}

bool dsn_write_original(struct dsn_out *out, const struct dsn_facts *facts, struct arena *arena)
{
    const struct spool_message *m = facts->original;
    char *block = arena_alloc(arena, BLOCK);
    struct survey s;
    bool full = want_full(facts);
    uint64_t until = m->meta.octets;
    if (!full && until > DSN_HEADER_MAX)
        until = DSN_HEADER_MAX;
    if (!survey_text(m, until, !full, &s, block))
        return false;
    /* message/rfc822 takes no encoding that would make it 7-bit (RFC 2046 5.2.1). */
    full = full && s.plain;
    if (full) {
        dsn_out_text(out, "Content-Type: message/rfc822\r\n\r\n");
        return copy_text(out, m, m->meta.octets, false, block);
    }
    if (s.header_octets > DSN_HEADER_MAX)
        s.header_octets = DSN_HEADER_MAX;
    dsn_out_text(out, "Content-Type: text/rfc822-headers\r\n");
    if (!s.plain_header)
        dsn_out_text(out, "Content-Transfer-Encoding: quoted-printable\r\n");
    dsn_out_text(out, "\r\n");
    return copy_text(out, m, s.header_octets, !s.plain_header, block);
}
