/* The text of a message into the output: by DATA, stuffed and with its dot, or by BDAT. */
#include "net/smtp_client_private.h"

#include <stdio.h>

#include "core/clock.h"

#define SLOW_PIECE_BYTES ((size_t)8 * 1024)
#define NOTES_NOT_CLEAN  (SMTP_DATA_BARE_LF | SMTP_DATA_BARE_CR | SMTP_DATA_NUL)

/* Text with notes that admit a bare CR, a bare LF or a NUL: LF becomes CRLF, CR and NUL a blank, as
 * the reader does on the way in; clean text passes unchanged. OUT has room for 2 * IN.len + 1. */
static size_t normalise(struct smtp_client_transaction *t, struct bytes in, char *out)
{
    char *p = out;
    for (size_t i = 0; i < in.len; i++) {
        char ch = in.ptr[i];
        if (t->normal_cr && ch != '\n')
            *p++ = ' ';
        if (ch == '\n') {
            *p++ = '\r';
            *p++ = '\n';
        } else if (ch != '\r') {
            *p++ = ch == '\0' ? ' ' : ch;
        }
        t->normal_cr = ch == '\r';
    }
    return (size_t)(p - out);
}

static void remember_last(struct smtp_client_transaction *t, struct bytes piece)
{
    if (piece.len >= 2) {
        memcpy(t->last, piece.ptr + piece.len - 2, 2);
    } else if (piece.len == 1) {
        t->last[0] = t->last[1];
        t->last[1] = piece.ptr[0];
    }
}

/* No line begins with a dot and every line ends in CRLF: straight from the reader to the output. */
static bool copy_plain(struct smtp_client_transaction *t, size_t len, struct buf *out)
{
    char *to = buf_reserve(out, len);
    ASSERT(to);
    if (!t->message->read(t->message, t->text_at, to, len))
        return false;
    remember_last(t, bytes_make(to, len));
    buf_added(out, len);
    return true;
}

static bool copy_stuffed(struct smtp_client_transaction *t, size_t len, struct buf *out)
{
    char raw[SLOW_PIECE_BYTES];
    char clean[2 * SLOW_PIECE_BYTES + 1];
    if (!t->message->read(t->message, t->text_at, raw, len))
        return false;
    struct bytes piece = {raw, len};
    if ((t->message->notes & NOTES_NOT_CLEAN) != 0)
        piece = bytes_make(clean, normalise(t, piece, clean));
    char *to = buf_reserve(out, 2 * piece.len);
    ASSERT(to);
    remember_last(t, piece);
    buf_added(out, smtp_data_stuff(&t->stuffing, piece, to));
    return true;
}

static void write_dot(struct smtp_client *c, struct smtp_client_transaction *t, struct buf *out)
{
    bool empty = t->message->octets == 0 || t->message->rcpts_accepted == 0;
    bool line_ended = empty || (t->last[0] == '\r' && t->last[1] == '\n' && !t->normal_cr);
    struct bytes end = line_ended ? BYTES(".\r\n") : BYTES("\r\n.\r\n");
    ASSERT(buf_append(out, end) == ERR_OK);
    ASSERT(!t->dot_sent);
    t->dot_sent = true;
    if (t->message->timed)
        t->message->dot_at_ns = clock_mono_ns();
    smtp_client_enter_sent(c, SMTP_CLIENT_STATE_READY);
    smtp_client_enter_answered(c, SMTP_CLIENT_STATE_END);
    c->unanswered++;
    smtp_client_progress(c);
}

static const struct mail_status unreadable =
    MAIL_STATUS_INIT(451, 4, 3, 0, "The message's text could not be read");

bool smtp_client_send_text(struct smtp_client *c, struct buf *out)
{
    if (c->answered.state != SMTP_CLIENT_STATE_TEXT)
        return false; /* no 354 yet */
    struct smtp_client_transaction *t = smtp_client_head(c);
    struct smtp_client_message *m = t->message;
    /* 354 without a recipient: the dot alone (RFC 2920 3.1). */
    uint64_t left = m->rcpts_accepted == 0 ? 0 : m->octets - t->text_at;
    if (left == 0) {
        write_dot(c, t, out);
        return true;
    }
    bool plain = (m->notes & (SMTP_DATA_DOT_LINE | NOTES_NOT_CLEAN)) == 0;
    size_t room = out->max - buf_len(out);
    size_t most = plain ? SMTP_CLIENT_PIECE_BYTES : SLOW_PIECE_BYTES;
    room = plain ? room : room / 4 - 1; /* each octet may become four: LF, CRLF, stuffed */
    most = room < most ? room : most;
    size_t len = left < most ? (size_t)left : most;
    if (!(plain ? copy_plain(t, len, out) : copy_stuffed(t, len, out))) {
        smtp_client_end(c, &unreadable, false);
        return false;
    }
    t->text_at += len;
    smtp_client_progress(c);
    return true;
}

bool smtp_client_message_chunked(const struct smtp_client *c, const struct smtp_client_message *m)
{
    bool as_it_is = (m->notes & NOTES_NOT_CLEAN) == 0 || m->envelope->body == MAIL_BODY_BINARYMIME;
    return as_it_is && c->settings.chunking && smtp_client_offered(c, SMTP_EXTENSION_CHUNKING);
}

/* From here on the peer alone knows whether the message arrived. */
static void chunk_sent(struct smtp_client *c, struct smtp_client_transaction *t)
{
    t->dot_sent = true;
    if (t->message->timed)
        t->message->dot_at_ns = clock_mono_ns();
    c->reset_needed = true; /* until it is known to have been taken */
    smtp_client_enter_sent(c, SMTP_CLIENT_STATE_READY);
    smtp_client_expect(c);
}

void smtp_client_begin_chunk(struct smtp_client *c, struct buf *out)
{
    struct smtp_client_transaction *t = smtp_client_sending(c);
    char size[32];
    int n = snprintf(size, sizeof size, "%llu LAST", (unsigned long long)t->message->octets);
    smtp_client_write_line(out, BYTES("BDAT"), bytes_make(size, (size_t)n));
    smtp_client_enter_sent(c, SMTP_CLIENT_STATE_CHUNK);
    if (t->message->octets == 0)
        chunk_sent(c, t);
}

/* The session of a text that cannot be read ends within the chunk, which the peer then cannot take
 * for whole; but not before the message ahead of it has had its answer. */
bool smtp_client_send_chunk(struct smtp_client *c, struct buf *out)
{
    struct smtp_client_transaction *t = smtp_client_sending(c);
    ASSERT(t->chunked && !t->dot_sent && t->text_at < t->message->octets);
    uint64_t left = t->message->octets - t->text_at;
    size_t room = out->max - buf_len(out);
    size_t most = room < SMTP_CLIENT_PIECE_BYTES ? room : SMTP_CLIENT_PIECE_BYTES;
    size_t len = left < most ? (size_t)left : most;
    if (!copy_plain(t, len, out)) {
        if (c->live == 1)
            smtp_client_end(c, &unreadable, false);
        return false;
    }
    t->text_at += len;
    if (c->unanswered == 0)
        smtp_client_progress(c);
    if (t->text_at == t->message->octets)
        chunk_sent(c, t);
    return true;
}
