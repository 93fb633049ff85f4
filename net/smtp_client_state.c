/* A client session's two cursors, its messages, and how it ends: what every step builds on. */
#include "net/smtp_client_private.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"

static void enter(struct smtp_client *c, struct smtp_client_cursor *cursor,
                  enum smtp_client_state state)
{
    ASSERT(state < SMTP_CLIENT_STATES);
    ASSERT(cursor->state != SMTP_CLIENT_STATE_ENDED || state == SMTP_CLIENT_STATE_ENDED);
    cursor->state = state;
    if (state <= SMTP_CLIENT_STATE_MAIL)
        cursor->rcpt = 0;
    LOG(LOG_DEBUG, "smtp_client_state", LOG_STR("cursor", cursor == &c->sent ? "sent" : "answered"),
        LOG_STR("state", c->rows[state].phrase), LOG_U64("messages", c->taken));
}

void smtp_client_enter_sent(struct smtp_client *c, enum smtp_client_state state)
{
    enter(c, &c->sent, state);
}

void smtp_client_enter_answered(struct smtp_client *c, enum smtp_client_state state)
{
    enter(c, &c->answered, state);
}

void smtp_client_enter(struct smtp_client *c, enum smtp_client_state state)
{
    smtp_client_enter_sent(c, state);
    smtp_client_enter_answered(c, state);
}

bool smtp_client_offered(const struct smtp_client *c, enum smtp_extension extension)
{
    return c->hop.offered & extension;
}

void smtp_client_progress(struct smtp_client *c)
{
    c->progress_at_ms = clock_mono_ms();
}

void smtp_client_expect(struct smtp_client *c)
{
    if (c->unanswered++ == 0)
        smtp_client_progress(c);
}

struct smtp_client_transaction *smtp_client_head(struct smtp_client *c)
{
    ASSERT(c->live > 0);
    return &c->transactions[c->first];
}

struct smtp_client_transaction *smtp_client_sending(struct smtp_client *c)
{
    ASSERT(c->live > 0);
    return &c->transactions[(c->first + c->live - 1) % SMTP_CLIENT_SESSION_AHEAD];
}

bool smtp_client_ended(const struct smtp_client *c)
{
    return c->sent.state == SMTP_CLIENT_STATE_ENDED;
}

/* Where the peer, or the peer's silence, finds us: what it owes, else what we were about to do. */
enum smtp_client_state smtp_client_doing(const struct smtp_client *c)
{
    return c->unanswered > 0 ? c->answered.state : c->sent.state;
}

const char *smtp_client_state_phrase(const struct smtp_client *c)
{
    return c->rows[smtp_client_doing(c)].phrase;
}

void smtp_client_tell_rcpt(struct smtp_client *c, struct smtp_client_message *m, size_t rcpt,
                           const struct mail_status *status)
{
    if (mail_status_ok(status))
        m->rcpts_accepted++;
    c->ops->on_rcpt(c->owner, m, rcpt, status);
}

/* What the reply behind the last one of a message belongs to. */
static enum smtp_client_state answered_next(struct smtp_client *c)
{
    if (c->live == 0)
        return c->sent.state;
    return smtp_client_head(c)->reset_first ? SMTP_CLIENT_STATE_RSET : SMTP_CLIENT_STATE_MAIL;
}

void smtp_client_finish(struct smtp_client *c, const struct mail_status *status, bool ambiguous)
{
    struct smtp_client_transaction *t = smtp_client_head(c);
    struct smtp_client_message *m = t->message;
    ASSERT(m);
    t->message = NULL;
    c->first = (c->first + 1) % SMTP_CLIENT_SESSION_AHEAD;
    c->live--;
    if (!smtp_client_ended(c)) {
        if (!t->dot_sent)
            smtp_client_enter_sent(c, SMTP_CLIENT_STATE_READY);
        c->answered.rcpt = 0;
        smtp_client_enter_answered(c, answered_next(c));
    }
    if (c->live > 0) {
        struct smtp_client_transaction *next = smtp_client_head(c);
        next->deadline_ms = clock_mono_ms() + SMTP_CLIENT_MESSAGE_MAX_MS + next->message->octets;
    }
    c->ops->on_message_done(c->owner, m, status, ambiguous);
}

/* The whole text is out, RCPT was answered up to RCPT: may the peer have taken it for a recipient?
 */
static bool may_arrive(const struct smtp_client_transaction *t, size_t rcpt)
{
    const struct smtp_client_message *m = t->message;
    if (!t->dot_sent || t->mail_refused)
        return false;
    while (rcpt < m->envelope->rcpt_count && smtp_client_rcpt_unfit(m->envelope, rcpt))
        rcpt++;
    return m->rcpts_accepted > 0 || rcpt < m->envelope->rcpt_count;
}

/* The messages still held, oldest first: recipients that were not answered, then the message. */
void smtp_client_fail_all(struct smtp_client *c, const struct mail_status *status, bool certain)
{
    size_t rcpt = c->answered.rcpt;
    smtp_client_enter(c, SMTP_CLIENT_STATE_ENDED);
    c->unanswered = 0;
    while (c->live > 0) {
        struct smtp_client_transaction *t = smtp_client_head(c);
        struct smtp_client_message *m = t->message;
        const struct mail_status *why = t->mail_refused ? &t->refusal : status;
        bool ambiguous = !certain && may_arrive(t, rcpt);
        for (; rcpt < m->envelope->rcpt_count; rcpt++) {
            const struct mail_status *unfit = smtp_client_rcpt_unfit(m->envelope, rcpt);
            smtp_client_tell_rcpt(c, m, rcpt, unfit ? unfit : why);
        }
        rcpt = 0;
        smtp_client_finish(c, why, ambiguous);
    }
}

void smtp_client_end(struct smtp_client *c, const struct mail_status *status, bool certain)
{
    if (smtp_client_ended(c))
        return;
    if (!certain && c->ops->on_protocol)
        c->ops->on_protocol(c->owner, '*', status->text);
    smtp_client_fail_all(c, status, certain);
    c->ops->on_end(c->owner, status);
}

void smtp_client_end_with(struct smtp_client *c, uint16_t subject, uint16_t detail, const char *fmt,
                          ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(c->end_text, sizeof c->end_text, fmt, args);
    va_end(args);
    struct mail_status status = {451, {4, subject, detail}, bytes_of(c->end_text)};
    smtp_client_end(c, &status, false);
}

void smtp_client_broken(struct smtp_client *c, const char *how)
{
    smtp_client_end_with(c, 5, 0, "%s while %s", how, smtp_client_state_phrase(c));
}
