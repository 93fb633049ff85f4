/* The end of a message on the wire, dots, chunks, and notes of what a text holds. */
#include "net/smtp_data.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Text passes in whole blocks, from which only masks are taken; octets are looked at one by one
 * only in blocks where something has to be decided, and at the end of the input. */
#define BLOCK_OCTETS 64

#define LINE_TEXT_MAX 998 /* RFC 5321 4.5.3.1.6, without CRLF */

enum data_state {
    DATA_LINE_START, /* of the message, or behind CRLF */
    DATA_AFTER_LF,   /* behind a bare LF: no line start on the wire, though perhaps to a reader */
    DATA_TEXT,
    DATA_CR,     /* a CR was taken and is not given out yet */
    DATA_DOT,    /* the same with a dot at a line start */
    DATA_DOT_CR, /* and with CR behind it */
    DATA_END,
};

static void note(struct smtp_data_reader *r, unsigned what)
{
    r->notes |= what;
}

static void line_grow(struct smtp_data_reader *r, size_t octets)
{
    r->line_octets += octets;
    if (r->line_octets > LINE_TEXT_MAX)
        note(r, SMTP_DATA_LONG_LINE);
}

/* One bit for each octet of a block. */
struct block_masks {
    uint64_t cr, lf, dot, nul, high;
};

#ifdef __SSE2__
static uint64_t block_equal(const __m128i part[4], char c)
{
    __m128i wanted = _mm_set1_epi8(c);
    uint64_t mask = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned bits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(part[i], wanted));
        mask |= (uint64_t)bits << (16 * i);
    }
    return mask;
}

static struct block_masks block_read(const char *p)
{
    __m128i part[4];
    uint64_t high = 0;
    for (unsigned i = 0; i < 4; i++) {
        part[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * (size_t)i));
        high |= (uint64_t)(unsigned)_mm_movemask_epi8(part[i]) << (16 * i);
    }
    return (struct block_masks){block_equal(part, '\r'), block_equal(part, '\n'),
                                block_equal(part, '.'), block_equal(part, '\0'), high};
}
#else
static struct block_masks block_read(const char *p)
{
    struct block_masks m = {0};
    for (unsigned i = 0; i < BLOCK_OCTETS; i++) {
        unsigned char c = (unsigned char)p[i];
        m.cr |= (uint64_t)(c == '\r') << i;
        m.lf |= (uint64_t)(c == '\n') << i;
        m.dot |= (uint64_t)(c == '.') << i;
        m.nul |= (uint64_t)(c == 0) << i;
        m.high |= (uint64_t)(c >> 7) << i;
    }
    return m;
}
#endif

/* What a pass over one piece knows beside the reader. A CR that is the last octet so far counts as
 * part of the piece, but of no line yet. */
struct data_pass {
    enum data_state state;
    bool unstuff;
};

/* Takes the block at P when every CR has its LF, every LF its CR, and no line in it begins with a
 * dot: true, and the notes and line lengths are those of the single octets. */
static bool block_take(struct smtp_data_reader *r, struct data_pass *pass, const char *p)
{
    struct block_masks m = block_read(p);
    uint64_t behind_cr = m.cr << 1 | (pass->state == DATA_CR);
    uint64_t line_start =
        m.lf << 1 | (pass->state == DATA_LINE_START || pass->state == DATA_AFTER_LF);
    if (behind_cr != m.lf || (line_start & m.dot) != 0)
        return false;
    if (m.nul != 0)
        note(r, SMTP_DATA_NUL);
    if (m.high != 0)
        note(r, SMTP_DATA_8BIT);
    unsigned last_cr = (unsigned)(m.cr >> (BLOCK_OCTETS - 1));
    if (m.lf == 0) {
        line_grow(r, BLOCK_OCTETS - last_cr);
        pass->state = last_cr ? DATA_CR : DATA_TEXT;
        return true;
    }
    unsigned first = (unsigned)__builtin_ctzll(m.lf);
    unsigned last = BLOCK_OCTETS - 1 - (unsigned)__builtin_clzll(m.lf);
    line_grow(r, first > 0 ? first - 1 : 0);
    r->line_octets = BLOCK_OCTETS - 1 - last - last_cr;
    pass->state = DATA_TEXT;
    if (last_cr)
        pass->state = DATA_CR;
    else if (last == BLOCK_OCTETS - 1)
        pass->state = DATA_LINE_START;
    return true;
}

/* One octet. False: it cannot go out as it is, and nothing was changed. */
static bool octet_take(struct smtp_data_reader *r, struct data_pass *pass, char c)
{
    bool behind_cr = pass->state == DATA_CR;
    bool line_start = pass->state == DATA_LINE_START;
    if (c == '\n' && behind_cr) {
        r->line_octets = 0;
        pass->state = DATA_LINE_START;
        return true;
    }
    if ((r->normalize && (behind_cr || c == '\n')) || (pass->unstuff && line_start && c == '.'))
        return false;
    if (behind_cr) {
        note(r, SMTP_DATA_BARE_CR);
        line_grow(r, 1);
    }
    if (c == '\r') {
        pass->state = DATA_CR;
        return true;
    }
    if (c == '\n')
        note(r, SMTP_DATA_BARE_LF);
    else if (c == '\0')
        note(r, SMTP_DATA_NUL);
    else if ((unsigned char)c >= 0x80)
        note(r, SMTP_DATA_8BIT);
    else if (c == '.' && (line_start || pass->state == DATA_AFTER_LF))
        note(r, SMTP_DATA_DOT_LINE);
    line_grow(r, 1);
    pass->state = c == '\n' ? DATA_AFTER_LF : DATA_TEXT;
    return true;
}

/* The longest piece at the start of IN that goes out as it is; STOPPED when the octet behind it
 * does not. */
static size_t piece_scan(struct smtp_data_reader *r, struct data_pass *pass, struct bytes in,
                         bool *stopped)
{
    size_t at = 0;
    while (at < in.len) {
        size_t end = in.len;
        if (in.len - at >= BLOCK_OCTETS) {
            end = at + BLOCK_OCTETS;
            if (block_take(r, pass, in.ptr + at)) {
                at = end;
                continue;
            }
        }
        for (; at < end; at++) {
            if (!octet_take(r, pass, in.ptr[at])) {
                *stopped = true;
                return at;
            }
        }
    }
    *stopped = false;
    return at;
}

static void piece_static(struct smtp_data_reader *r, struct bytes text, struct bytes *piece)
{
    *piece = text;
    r->octets += text.len;
}

/* A CR that turned out not to be followed by LF; the octet behind it is still to be taken. */
static void piece_bare_cr(struct smtp_data_reader *r, struct bytes *piece)
{
    note(r, SMTP_DATA_BARE_CR);
    line_grow(r, 1);
    r->state = DATA_TEXT;
    piece_static(r, r->normalize ? BYTES(" ") : BYTES("\r"), piece);
}

/* The text from the start of IN up to what needs a decision. A CR at its end is held back: only the
 * next octet tells what it is. */
static void piece_text(struct smtp_data_reader *r, bool unstuff, struct bytes in, size_t *used,
                       struct bytes *piece)
{
    if (r->normalize && in.ptr[0] == '\n') {
        note(r, SMTP_DATA_BARE_LF);
        r->line_octets = 0;
        r->state = DATA_AFTER_LF;
        *used = 1;
        piece_static(r, BYTES("\r\n"), piece);
        return;
    }
    struct data_pass pass = {(enum data_state)r->state, unstuff};
    bool stopped;
    size_t length = piece_scan(r, &pass, in, &stopped);
    *used = length;
    if (pass.state == DATA_CR) {
        length--;
    } else if (stopped && pass.state == DATA_LINE_START && in.ptr[*used] == '.') {
        *used += 1;
        pass.state = DATA_DOT;
    }
    r->state = pass.state;
    *piece = bytes_sub(in, 0, length);
    r->octets += length;
}

/* Behind a held dot: CR may still make it the end; anything else shows that it was stuffed. */
static bool dot_resolve(struct smtp_data_reader *r, char next, size_t *used, struct bytes *piece)
{
    if (r->state == DATA_DOT && next == '\r') {
        r->state = DATA_DOT_CR;
        *used = 1;
        return false;
    }
    if (r->state == DATA_DOT_CR && next == '\n') {
        r->state = DATA_END;
        *used = 1;
        return true;
    }
    if (r->state == DATA_DOT_CR)
        piece_bare_cr(r, piece);
    else if (next == '.')
        note(r, SMTP_DATA_DOT_LINE);
    r->state = DATA_TEXT;
    return false;
}

static void cr_resolve(struct smtp_data_reader *r, char next, size_t *used, struct bytes *piece)
{
    if (next != '\n') {
        piece_bare_cr(r, piece);
        return;
    }
    r->line_octets = 0;
    r->state = DATA_LINE_START;
    *used = 1;
    piece_static(r, BYTES("\r\n"), piece);
}

bool smtp_data_read(struct smtp_data_reader *r, struct bytes in, size_t *used, struct bytes *piece)
{
    *used = 0;
    *piece = BYTES_EMPTY;
    if (r->state == DATA_END)
        return true;
    while (*used < in.len && piece->len == 0) {
        size_t taken = 0;
        struct bytes rest = bytes_from(in, *used);
        bool end = false;
        if (r->state == DATA_DOT || r->state == DATA_DOT_CR)
            end = dot_resolve(r, rest.ptr[0], &taken, piece);
        else if (r->state == DATA_CR)
            cr_resolve(r, rest.ptr[0], &taken, piece);
        else
            piece_text(r, true, rest, &taken, piece);
        *used += taken;
        if (end)
            return true;
    }
    return false;
}

void smtp_bdat_read(struct smtp_data_reader *r, struct bytes in, size_t *used, struct bytes *piece)
{
    *used = 0;
    *piece = BYTES_EMPTY;
    if (in.len == 0)
        return;
    if (r->state == DATA_CR)
        cr_resolve(r, in.ptr[0], used, piece);
    else
        piece_text(r, false, in, used, piece);
}

void smtp_bdat_end(struct smtp_data_reader *r, struct bytes *piece)
{
    *piece = BYTES_EMPTY;
    if (r->state == DATA_CR)
        piece_bare_cr(r, piece);
    bool ended = r->state == DATA_LINE_START || (r->state == DATA_AFTER_LF && r->normalize);
    if (!ended)
        note(r, SMTP_DATA_NO_FINAL_CRLF);
    r->state = DATA_END;
}

enum stuff_state { STUFF_LINE_START, STUFF_TEXT, STUFF_CR, STUFF_AFTER_LF };

static unsigned stuff_state_behind(unsigned before, struct bytes text)
{
    char last = text.ptr[text.len - 1];
    if (last == '\r')
        return STUFF_CR;
    if (last != '\n')
        return STUFF_TEXT;
    bool cr = text.len >= 2 ? text.ptr[text.len - 2] == '\r' : before == STUFF_CR;
    return cr ? STUFF_LINE_START : STUFF_AFTER_LF;
}

/* Stuffs behind any LF: text with a bare one is not stored, but if it ever came here it must not
 * be the end of this message to a laxer server. */
size_t smtp_data_stuff(struct smtp_data_writer *w, struct bytes in, char *out)
{
    if (in.len == 0)
        return 0;
    size_t length = 0;
    size_t copied = 0;
    size_t line = 0;
    bool line_start = w->state == STUFF_LINE_START || w->state == STUFF_AFTER_LF;
    while (line < in.len) {
        if (line_start && in.ptr[line] == '.') {
            memcpy(out + length, in.ptr + copied, line - copied);
            length += line - copied;
            out[length++] = '.';
            copied = line;
        }
        size_t lf = bytes_find(in, '\n', line);
        line = lf == BYTES_NOT_FOUND ? in.len : lf + 1;
        line_start = true;
    }
    memcpy(out + length, in.ptr + copied, in.len - copied);
    length += in.len - copied;
    w->state = stuff_state_behind(w->state, in);
    return length;
}

/* chunk-size = 1*DIGIT, RFC 3030 2; leading zeros are digits too, within reason. */
#define BDAT_DIGITS_MAX 20

enum err smtp_bdat_argument(struct bytes argument, uint64_t *size, bool *last)
{
    size_t at = 0;
    uint64_t value = 0;
    while (at < argument.len && argument.ptr[at] >= '0' && argument.ptr[at] <= '9') {
        uint64_t digit = (uint64_t)(argument.ptr[at] - '0');
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return ERR_SYNTAX;
        at++;
    }
    struct bytes word = bytes_trim(bytes_from(argument, at));
    bool blank = at < argument.len && (argument.ptr[at] == ' ' || argument.ptr[at] == '\t');
    bool is_last = blank && bytes_equal_nocase(word, BYTES("LAST"));
    if (at == 0 || at > BDAT_DIGITS_MAX || (word.len > 0 && !is_last))
        return ERR_SYNTAX;
    *size = value;
    *last = is_last;
    return ERR_OK;
}
