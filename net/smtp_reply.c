/* Replies: the writer of the server side and the parser of the client side. */
#include "net/smtp_reply.h"

#define WRITE_LINE_MAX  512 /* with code and CRLF: RFC 5321 4.5.3.1.5 */
#define READ_OCTETS_MAX 65536

/* What other hosts say is printed, logged and stored: printable ASCII only. */
static char text_clean(char c)
{
    unsigned char u = (unsigned char)c;
    if (u < ' ' || u == 0x7F)
        return ' ';
    return u > 0x7F ? '?' : c;
}

static size_t put_number(char *to, uint16_t value)
{
    char digits[5];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value = (uint16_t)(value / 10);
    } while (value > 0 && count < sizeof digits);
    for (size_t i = 0; i < count; i++)
        to[i] = digits[count - 1 - i];
    return count;
}

/* "250 2.1.5 ", or "250 " without an enhanced code; RFC 2034 4 wants it on every line. */
#define PREFIX_MAX 24
static size_t prefix_format(const struct mail_status *status, bool enhanced, char to[PREFIX_MAX])
{
    size_t at = put_number(to, status->code);
    to[at++] = ' ';
    if (!enhanced || status->enhanced[0] == 0)
        return at;
    for (unsigned i = 0; i < 3; i++) {
        at += put_number(to + at, status->enhanced[i]);
        to[at++] = i < 2 ? '.' : ' ';
    }
    return at;
}

/* How much of TEXT goes on one line of ROOM octets: up to a blank where there is one. */
static size_t fold_at(struct bytes text, size_t room)
{
    if (text.len <= room)
        return text.len;
    for (size_t i = room; i > 0; i--)
        if (text_clean(text.ptr[i]) == ' ')
            return i;
    return room;
}

static struct bytes fold_rest(struct bytes text, size_t at)
{
    bool blank = at < text.len && text_clean(text.ptr[at]) == ' ';
    return bytes_from(text, at + blank);
}

enum err smtp_reply_write(struct buf *out, const struct mail_status *status, bool enhanced)
{
    ASSERT(status->code >= 200 && status->code <= 599);
    char prefix[PREFIX_MAX];
    size_t prefix_len = prefix_format(status, enhanced, prefix);
    ASSERT(prefix_len <= sizeof prefix);
    size_t room = WRITE_LINE_MAX - prefix_len - 2;
    size_t lines = 1;
    struct bytes text = bytes_trim_end(status->text);
    for (struct bytes t = text; t.len > room; lines++)
        t = fold_rest(t, fold_at(t, room));
    char *to = buf_reserve(out, lines * (prefix_len + 2) + text.len);
    if (!to)
        return ERR_LIMIT;
    size_t length = 0;
    while (lines-- > 0) {
        size_t part = fold_at(text, room);
        memcpy(to + length, prefix, prefix_len);
        to[length + 3] = lines > 0 ? '-' : ' ';
        length += prefix_len;
        for (size_t i = 0; i < part; i++)
            to[length++] = text_clean(text.ptr[i]);
        text = fold_rest(text, part);
        to[length++] = '\r';
        to[length++] = '\n';
    }
    buf_added(out, length);
    return ERR_OK;
}

/* 1*3DIGIT without leading zeros, RFC 3463 2. Behind it, or 0. */
static size_t enhanced_number(struct bytes text, size_t at, uint16_t *out)
{
    unsigned value = 0;
    size_t start = at;
    while (at < text.len && at - start < 4 && text.ptr[at] >= '0' && text.ptr[at] <= '9') {
        value = value * 10 + (unsigned)(text.ptr[at] - '0');
        at++;
    }
    size_t digits = at - start;
    if (digits == 0 || digits > 3 || (digits > 1 && text.ptr[start] == '0'))
        return 0;
    *out = (uint16_t)value;
    return at;
}

/* status-code = ("2" / "4" / "5") "." subject "." detail, then a blank or nothing. */
void smtp_reply_enhanced(uint16_t code, struct bytes *text, uint16_t enhanced[3])
{
    uint16_t found[3] = {0};
    size_t at = 0;
    memset(enhanced, 0, 3 * sizeof *enhanced);
    for (unsigned i = 0; i < 3; i++) {
        at = enhanced_number(*text, at, &found[i]);
        bool followed = at < text->len && text->ptr[at] == (i < 2 ? '.' : ' ');
        if (at == 0 || !(followed || (i == 2 && at == text->len)))
            return;
        at += followed;
    }
    if (found[0] != code / 100 || found[0] == 3)
        return;
    memcpy(enhanced, found, sizeof found);
    *text = bytes_from(*text, at);
}

static void parser_restart(struct smtp_reply_parser *p)
{
    p->text_len = 0;
    p->line_len = 0;
    p->lines = 0;
    p->octets = 0;
    p->code = 0;
    p->complete = false;
    memset(p->enhanced, 0, sizeof p->enhanced);
}

static void text_join(struct smtp_reply_parser *p, struct bytes text)
{
    if (p->text_len > 0 && p->text_len < sizeof p->text && text.len > 0)
        p->text[p->text_len++] = ' ';
    text = bytes_sub(text, 0, sizeof p->text - p->text_len);
    memcpy(p->text + p->text_len, text.ptr, text.len);
    p->text_len += text.len;
}

/* Reply-line = Reply-code [ ("-" / SP) textstring ] CRLF, RFC 5321 4.2. The code of the last line
 * counts: lines that disagree are common enough, and only the last one is the answer. LINE comes
 * without its CRLF and is writable. */
static enum err line_take(struct smtp_reply_parser *p, char *line, size_t len)
{
    if (len < 3 || line[0] < '2' || line[0] > '5' || (len > 3 && line[3] != ' ' && line[3] != '-'))
        return ERR_SYNTAX;
    for (unsigned i = 1; i < 3; i++)
        if (line[i] < '0' || line[i] > '9')
            return ERR_SYNTAX;
    p->code = (uint16_t)((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
    p->complete = len == 3 || line[3] == ' ';
    for (size_t i = 4; i < len; i++)
        line[i] = text_clean(line[i]);
    struct bytes text = len > 4 ? bytes_make(line + 4, len - 4) : BYTES_EMPTY;
    if (p->on_line)
        p->on_line(p->owner, text);
    uint16_t enhanced[3];
    smtp_reply_enhanced(p->code, &text, enhanced);
    if (p->enhanced[0] == 0)
        memcpy(p->enhanced, enhanced, sizeof enhanced);
    text_join(p, bytes_trim_end(text));
    return ERR_OK;
}

/* Moves bytes of IN to the line, up to its LF. */
static enum err line_gather(struct smtp_reply_parser *p, struct bytes in, size_t *used)
{
    size_t lf = bytes_find(in, '\n', *used);
    size_t end = lf == BYTES_NOT_FOUND ? in.len : lf + 1;
    size_t len = end - *used;
    if (len > sizeof p->line - p->line_len || len > READ_OCTETS_MAX - p->octets)
        return ERR_LIMIT;
    memcpy(p->line + p->line_len, in.ptr + *used, len);
    p->line_len += len;
    p->octets += len;
    *used = end;
    if (lf == BYTES_NOT_FOUND)
        return ERR_AGAIN;
    bool crlf = p->line_len >= 2 && p->line[p->line_len - 2] == '\r';
    return crlf ? ERR_OK : ERR_SYNTAX;
}

static void status_fill(struct smtp_reply_parser *p, struct mail_status *status)
{
    *status = (struct mail_status){.code = p->code, .text = bytes_make(p->text, p->text_len)};
    if (p->enhanced[0] == p->code / 100)
        memcpy(status->enhanced, p->enhanced, sizeof p->enhanced);
}

enum err smtp_reply_read(struct smtp_reply_parser *p, struct bytes in, size_t *used,
                         struct mail_status *status)
{
    *used = 0;
    if (p->complete)
        parser_restart(p);
    while (*used < in.len) {
        enum err err = line_gather(p, in, used);
        if (err == ERR_AGAIN)
            return err;
        if (err == ERR_OK && p->on_raw_line)
            p->on_raw_line(p->owner, bytes_make(p->line, p->line_len - 2));
        if (err == ERR_OK) {
            err = ++p->lines > SMTP_REPLY_LINES_MAX ? ERR_LIMIT
                                                    : line_take(p, p->line, p->line_len - 2);
            p->line_len = 0;
        }
        if (err != ERR_OK) {
            parser_restart(p);
            return err;
        }
        if (p->complete) {
            status_fill(p, status);
            return ERR_OK;
        }
    }
    return ERR_AGAIN;
}
