/* A server session's state, and what every step may do with it: reply, refuse, forget, close. */
#include "net/smtp_server_private.h"

#include "core/log.h"
#include "net/smtp_reply.h"

#define IN(state) (1u << (state))
/* Where MAIL was accepted, and where it was not. A chunk may be one that is dropped. */
#define OPEN_STATES                                                                                \
    (IN(SERVER_MAIL) | IN(SERVER_RCPT) | IN(SERVER_TEXT) | IN(SERVER_CHUNKS) |                     \
     IN(SERVER_ASK_RCPT) | IN(SERVER_ASK_BEGIN) | IN(SERVER_ASK_END))
#define CLOSED_STATES                                                                              \
    (IN(SERVER_CONNECTED) | IN(SERVER_REFUSED) | IN(SERVER_HELLO) | IN(SERVER_READY) |             \
     IN(SERVER_CHUNKS_FAILED) | IN(SERVER_AUTH) | IN(SERVER_ASK_AUTH) | IN(SERVER_ASK_MAIL) |      \
     IN(SERVER_HANDSHAKE))

void smtp_server_enter(struct smtp_server *s, enum smtp_server_state state)
{
    if (s->state == SERVER_CLOSING)
        return;
    ASSERT(state < SERVER_STATE_COUNT);
    ASSERT(s->open ? !(IN(state) & CLOSED_STATES) : !(IN(state) & OPEN_STATES));
    s->state = state;
    s->since_ms = s->now_ms;
    s->facts.phrase = bytes_of(s->rows[state].phrase);
    LOG(LOG_DEBUG, "smtp_state", LOG_U64("session", s->facts.session_id),
        LOG_BYTES("state", s->facts.phrase));
}

enum smtp_server_want smtp_server_want(const struct smtp_server *s)
{
    return s->rows[s->state].want;
}

const char *smtp_server_state_phrase(const struct smtp_server *s)
{
    return s->rows[s->state].phrase;
}

bool smtp_server_negotiating(const struct smtp_server *s)
{
    return s->state == SERVER_HANDSHAKE;
}

bool smtp_server_committing(const struct smtp_server *s)
{
    return s->state == SERVER_ASK_END;
}

unsigned smtp_server_offered(const struct smtp_server *s)
{
    return s->facts.esmtp ? s->settings.extensions | SMTP_EXTENSION_ESMTP : 0;
}

void smtp_server_forget(struct smtp_server *s)
{
    if (s->open) {
        s->open = false;
        s->ops->on_message_abort(s->owner);
    }
    s->facts.envelope = NULL;
    s->facts.data_notes = 0;
    s->facts.message_octets = 0;
    s->envelope = (struct mail_envelope){0};
    s->rcpt_capacity = 0;
    s->chunked = false;
    s->failed = (struct mail_status){0};
    s->dropped_chunk_octets = 0;
    arena_free(&s->arena);
}

/* ---- replies ---------------------------------------------------------------------------- */

void smtp_server_heard(struct smtp_server *s, struct bytes line)
{
    if (s->ops->on_protocol)
        s->ops->on_protocol(s->owner, '<', line);
}

void smtp_server_said(struct smtp_server *s, size_t before)
{
    if (!s->ops->on_protocol)
        return;
    struct bytes rest = bytes_from(buf_bytes(&s->output), before), line;
    while (rest.len) {
        bytes_split(rest, '\n', &line, &rest);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        s->ops->on_protocol(s->owner, '>', line);
    }
}

void smtp_server_reply(struct smtp_server *s, const struct mail_status *status)
{
    size_t before = buf_len(&s->output);
    bool enhanced = s->settings.extensions & SMTP_EXTENSION_ENHANCEDSTATUSCODES;
    /* A peer that fills a megabyte with answers it does not read is past talking to. */
    if (smtp_reply_write(&s->output, status, enhanced) != ERR_OK)
        smtp_server_enter(s, SERVER_CLOSING);
    smtp_server_said(s, before);
}

void smtp_server_refuse(struct smtp_server *s, const struct mail_status *status)
{
    smtp_server_reply(s, status);
    if (s->ops->on_refused)
        s->ops->on_refused(s->owner, s->current.verb, s->current.argument, status);
}

void smtp_server_refuse_close(struct smtp_server *s, const struct mail_status *status)
{
    smtp_server_refuse(s, status);
    smtp_server_close(s, NULL);
}

void smtp_server_error(struct smtp_server *s, const struct mail_status *status)
{
    if (s->settings.protocol_errors_max != SIZE_MAX &&
        ++s->errors > s->settings.protocol_errors_max)
        smtp_server_refuse_close(s, &MAIL_STATUS(421, 4, 7, 0, "Too many errors"));
    else
        smtp_server_refuse(s, status);
}

void smtp_server_close(struct smtp_server *s, const struct mail_status *status)
{
    if (status)
        smtp_server_reply(s, status);
    smtp_server_forget(s);
    smtp_server_enter(s, SERVER_CLOSING);
}

bool smtp_server_junk(struct smtp_server *s)
{
    if (++s->junk <= SMTP_SERVER_JUNK_MAX || s->settings.protocol_errors_max == SIZE_MAX ||
        ++s->errors <= s->settings.protocol_errors_max)
        return true;
    smtp_server_refuse_close(s, &MAIL_STATUS(421, 4, 7, 0, "Too many errors"));
    return false;
}

/* ---- the owner's answers ---------------------------------------------------------------- */

void smtp_server_say_shutdown(struct smtp_server *s)
{
    smtp_server_close(
        s, &MAIL_STATUS(421, 4, 3, 2, "Service not available, closing transmission channel"));
}

void smtp_server_answered(struct smtp_server *s, const struct mail_status *status)
{
    ASSERT(s->rows[s->state].answered);
    if (status->code == 421) /* RFC 5321 3.8: to any command, and the channel closes */
        smtp_server_close(s, status);
    else
        s->rows[s->state].answered(s, status);
    if (s->shutting_down && smtp_server_want(s) == SMTP_SERVER_WANT_INPUT)
        smtp_server_say_shutdown(s);
}
