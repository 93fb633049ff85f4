/* DATA and BDAT: from the command that begins a text to the reply to its end. */
#include <inttypes.h>
#include <stdio.h>

#include "net/smtp_server_private.h"

#define CHUNK_DROP_UNLIMITED (64 * 1024 * 1024) /* of unwanted chunks where no size is set */

/* The first objection stands; the text is read to its end all the same. */
static void fail(struct smtp_server *s, const struct mail_status *status, bool is_error)
{
    if (s->failed.code)
        return;
    s->failed = mail_status_copy(&s->arena, status);
    s->failed_is_error = is_error;
}

/* Text that need not be lines: it came by BDAT, and goes on so (RFC 3030 3). */
static bool is_binary(const struct smtp_server *s)
{
    return s->envelope.body == MAIL_BODY_BINARYMIME;
}

static unsigned stray_notes(const struct smtp_server *s)
{
    if (is_binary(s))
        return 0;
    return s->settings.normalize_bare_linefeed
               ? SMTP_DATA_NUL
               : SMTP_DATA_NUL | SMTP_DATA_BARE_CR | SMTP_DATA_BARE_LF;
}

static void check_text(struct smtp_server *s)
{
    if (s->reader.octets > s->settings.message_size_max)
        fail(s, &SMTP_SERVER_TOO_LARGE, false);
    else if (s->reader.notes & stray_notes(s))
        fail(s, &MAIL_STATUS(550, 5, 5, 2, "Bare CR or LF not allowed"), false);
}

static void take_piece(struct smtp_server *s, struct bytes piece)
{
    struct mail_status status = MAIL_STATUS(451, 4, 3, 0, "Message could not be taken");
    check_text(s);
    if (!piece.len || s->failed.code)
        return;
    if (!s->ops->on_message_text(s->owner, piece, &status)) {
        ASSERT(status.code >= 400); /* a 2xx here would lose the message */
        fail(s, &status, false);
    }
}

/* ---- the beginning ---------------------------------------------------------------------- */

static void ask_begin(struct smtp_server *s)
{
    struct mail_status status =
        MAIL_STATUS(354, 0, 0, 0, "Start mail input; end with <CRLF>.<CRLF>");
    s->reader = (struct smtp_data_reader){.normalize =
                                              s->settings.normalize_bare_linefeed && !is_binary(s)};
    ASSERT(s->envelope.rcpt_count > 0);
    smtp_server_enter(s, SERVER_ASK_BEGIN);
    if (s->ops->on_message_begin(s->owner, &status) == SMTP_SERVER_ANSWERED)
        smtp_server_answered(s, &status);
}

/* Starts the clocks of SERVER_TEXT and SERVER_CHUNK. */
static void receive(struct smtp_server *s, enum smtp_server_state state)
{
    s->text_since_ms = s->text_at_ms = s->now_ms;
    s->text_octets = 0;
    smtp_server_enter(s, state);
}

static void chunk_ended(struct smtp_server *s);

static void start_chunk(struct smtp_server *s)
{
    receive(s, SERVER_CHUNK);
    if (!s->chunk.left)
        chunk_ended(s);
}

void smtp_server_begin_answered(struct smtp_server *s, const struct mail_status *status)
{
    bool go = status->code < 400;
    if (s->chunked) {
        if (!go)
            fail(s, status, false);
        start_chunk(s);
        return;
    }
    smtp_server_reply(s, status);
    if (go) {
        receive(s, SERVER_TEXT);
    } else {
        smtp_server_forget(s);
        smtp_server_enter(s, SERVER_READY);
    }
}

void smtp_server_verb_data(struct smtp_server *s, struct bytes argument)
{
    (void)argument;
    if (is_binary(s)) /* RFC 3030 3 */
        smtp_server_error(s, &MAIL_STATUS(503, 5, 5, 1, "BODY=BINARYMIME needs BDAT"));
    else
        ask_begin(s);
}

/* ---- the end ---------------------------------------------------------------------------- */

void smtp_server_close_after(struct smtp_server *s)
{
    s->close_after = true;
}

/* The message is answered and forgotten: on to STATE, or out. */
static void message_over(struct smtp_server *s, enum smtp_server_state state)
{
    if (s->close_after)
        smtp_server_close(s, NULL);
    else
        smtp_server_enter(s, state);
}

void smtp_server_end_answered(struct smtp_server *s, const struct mail_status *status)
{
    if (mail_status_ok(status)) {
        s->open = false; /* it is the owner's now: nothing to abort */
        s->junk = 0;
    }
    smtp_server_reply(s, status);
    smtp_server_forget(s); /* RFC 5321 4.1.1.4: whatever the answer, buffers are cleared */
    message_over(s, SERVER_READY);
}

static void say_failed(struct smtp_server *s, struct bytes verb)
{
    s->current = (struct smtp_command){verb, BYTES_EMPTY};
    if (s->failed_is_error)
        smtp_server_error(s, &s->failed);
    else if (s->failed.code == 421)
        smtp_server_refuse_close(s, &s->failed);
    else
        smtp_server_refuse(s, &s->failed);
}

static void message_ended(struct smtp_server *s)
{
    struct mail_status status = MAIL_STATUS(250, 2, 6, 0, "Queued mail for delivery");
    s->facts.data_notes = s->reader.notes;
    s->facts.message_octets = s->reader.octets;
    check_text(s);
    if (s->failed.code) {
        say_failed(s, s->chunked ? BYTES("BDAT") : BYTES("DATA"));
        smtp_server_forget(s);
        message_over(s, SERVER_READY);
        return;
    }
    ASSERT(s->open && s->envelope.rcpt_count > 0);
    smtp_server_enter(s, SERVER_ASK_END);
    if (s->ops->on_message_end(s->owner, &status) == SMTP_SERVER_ANSWERED)
        smtp_server_answered(s, &status);
}

/* ---- DATA: RFC 5321 4.1.1.4 ------------------------------------------------------------- */

/* Commands right behind the end of data are the mark of a smuggled message, unless the client was
 * told that it may (RFC 2920 3.1). A QUIT alone is what careless devices send, and harmless. */
static bool follows_unasked(const struct smtp_server *s)
{
    return s->rest.len && !(smtp_server_offered(s) & SMTP_EXTENSION_PIPELINING) &&
           !bytes_equal_nocase(s->rest, BYTES("QUIT\r\n"));
}

size_t smtp_server_read_text(struct smtp_server *s, struct bytes in)
{
    size_t at = 0;
    bool ended = false;
    while (at < in.len && !ended) {
        size_t used;
        struct bytes piece;
        ended = smtp_data_read(&s->reader, bytes_from(in, at), &used, &piece);
        at += used;
        take_piece(s, piece);
    }
    s->text_octets += at;
    s->text_at_ms = s->now_ms;
    s->rest = bytes_from(in, at);
    if (ended && follows_unasked(s)) {
        s->current = (struct smtp_command){BYTES("DATA"), BYTES_EMPTY};
        smtp_server_refuse_close(s,
                                 &MAIL_STATUS(554, 5, 5, 0, "Client did not wait for the reply"));
    } else if (ended) {
        message_ended(s);
    }
    return at;
}

/* ---- BDAT: RFC 3030 2 ------------------------------------------------------------------- */

/* After a failed chunk the transaction is over, and more chunks may be on their way. */
static enum smtp_server_state state_after_failed(const struct smtp_server *s)
{
    switch (s->chunk.from) {
    case SERVER_HELLO:
    case SERVER_READY:
    case SERVER_CHUNKS_FAILED:
        return s->chunk.from;
    default:
        return s->chunk.last ? SERVER_READY : SERVER_CHUNKS_FAILED;
    }
}

static void chunk_failed(struct smtp_server *s)
{
    uint64_t dropped_octets = s->dropped_chunk_octets;
    say_failed(s, BYTES("BDAT"));
    smtp_server_forget(s);
    s->dropped_chunk_octets = dropped_octets; /* until RSET or a message */
    message_over(s, state_after_failed(s));
}

static void chunk_accepted(struct smtp_server *s)
{
    char text[64];
    snprintf(text, sizeof text, "CHUNK received OK, %" PRIu64 " octets", s->chunk.size);
    struct mail_status status = {250, {2, 6, 0}, bytes_of(text)};
    smtp_server_reply(s, &status);
    smtp_server_enter(s, SERVER_CHUNKS);
}

static void chunk_ended(struct smtp_server *s)
{
    if (s->failed.code) {
        chunk_failed(s);
    } else if (s->chunk.last) {
        struct bytes piece;
        smtp_bdat_end(&s->reader, &piece);
        take_piece(s, piece);
        message_ended(s);
    } else {
        chunk_accepted(s);
    }
}

size_t smtp_server_read_chunk(struct smtp_server *s, struct bytes in)
{
    if (in.len > s->chunk.left)
        in.len = (size_t)s->chunk.left;
    for (size_t at = 0, used; at < in.len && !s->failed.code; at += used) {
        struct bytes piece;
        smtp_bdat_read(&s->reader, bytes_from(in, at), &used, &piece);
        take_piece(s, piece);
    }
    ASSERT(s->chunk.left <= s->chunk.size);
    s->chunk.left -= in.len;
    s->text_octets += in.len;
    s->text_at_ms = s->now_ms;
    if (!s->chunk.left)
        chunk_ended(s);
    return in.len;
}

/* How much may still be dropped to keep in step with a client; beyond, the session ends. */
static uint64_t drop_budget(const struct smtp_server *s)
{
    uint64_t max = s->settings.message_size_max;
    uint64_t budget = CHUNK_DROP_UNLIMITED;
    if (max != UINT64_MAX && __builtin_add_overflow(max, SMTP_SERVER_CHUNK_DROP_MAX, &budget))
        budget = UINT64_MAX;
    return budget > s->dropped_chunk_octets ? budget - s->dropped_chunk_octets : 0;
}

/* The octets belong to the command: they are read, then it is refused. */
static void drop_chunk(struct smtp_server *s, const struct mail_status *status, bool is_error)
{
    if (s->chunk.size > drop_budget(s)) {
        smtp_server_refuse_close(s, status);
        return;
    }
    s->dropped_chunk_octets += s->chunk.size;
    fail(s, status, is_error);
    start_chunk(s);
}

/* True: nothing stands against the chunk; else it is being dropped. */
static bool chunk_welcome(struct smtp_server *s)
{
    uint64_t received = s->chunked ? s->reader.octets : 0;
    if (s->state == SERVER_HELLO) {
        drop_chunk(s, &MAIL_STATUS(503, 5, 5, 2, "Send hello first"), true);
    } else if (s->settings.require_tls && !s->facts.tls) {
        drop_chunk(s, &MAIL_STATUS(530, 5, 7, 0, "Must issue a STARTTLS command first"), true);
    } else if (!(smtp_server_offered(s) & SMTP_EXTENSION_CHUNKING)) {
        drop_chunk(s, &MAIL_STATUS(502, 5, 5, 1, "Command not implemented"), true);
    } else if (s->state == SERVER_CHUNKS_FAILED) {
        /* RFC 3030 2: what was in the pipe is no further error, unless there is no end to it */
        if (smtp_server_junk(s))
            drop_chunk(s, &MAIL_STATUS(503, 5, 5, 1, "Send RSET first"), false);
    } else if (s->state != SERVER_RCPT && s->state != SERVER_CHUNKS) {
        drop_chunk(s, &MAIL_STATUS(503, 5, 5, 1, "Need RCPT command first"), true);
    } else if (s->chunk.size > s->settings.message_size_max - received) {
        drop_chunk(s, &SMTP_SERVER_TOO_LARGE, false);
    } else {
        return true;
    }
    return false;
}

/* Its size cannot be told, so neither where the next command stands: the message is over. */
static void chunk_malformed(struct smtp_server *s)
{
    smtp_server_error(s, &MAIL_STATUS(501, 5, 5, 4, "Invalid chunk size"));
    if (!s->open)
        return;
    smtp_server_forget(s);
    smtp_server_enter(s, SERVER_CHUNKS_FAILED);
}

/* bdat-cmd = "BDAT" SP chunk-size [SP end-marker] */
void smtp_server_verb_bdat(struct smtp_server *s, struct bytes argument)
{
    if (smtp_bdat_argument(argument, &s->chunk.size, &s->chunk.last) != ERR_OK) {
        chunk_malformed(s);
        return;
    }
    s->chunk.left = s->chunk.size;
    s->chunk.from = s->state;
    if (!chunk_welcome(s))
        return;
    if (s->chunked) {
        start_chunk(s);
    } else {
        s->chunked = true;
        ask_begin(s);
    }
}
