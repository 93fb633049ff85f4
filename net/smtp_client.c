#include "net/smtp_client.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/timer.h"
#include "net/smtp_client_private.h"

const struct smtp_client_timeouts SMTP_CLIENT_TIMEOUTS_DEFAULT = {
    .banner = 300000,
    .hello = 300000,
    .mail = 300000,
    .rcpt = 300000,
    .data = 120000,
    .text = 180000,
    .end = 600000,
    .quit = 10000,
};

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
    if (c->unanswered++ == 0) {
        smtp_client_progress(c);
    }
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

static bool ended(const struct smtp_client *c)
{
    return c->sent.state == SMTP_CLIENT_STATE_ENDED;
}

/* Where the peer, or the peer's silence, finds us: what it owes, else what we were about to do. */
static enum smtp_client_state doing(const struct smtp_client *c)
{
    return c->unanswered > 0 ? c->answered.state : c->sent.state;
}

const char *smtp_client_state_phrase(const struct smtp_client *c)
{
    return SMTP_CLIENT_TABLE[doing(c)].phrase;
}

void smtp_client_tell_rcpt(struct smtp_client *c, struct smtp_client_message *m, size_t rcpt,
                           const struct mail_status *status)
{
    if (mail_status_ok(status)) {
        m->rcpts_accepted++;
    }
    c->ops->on_rcpt(c->owner, m, rcpt, status);
}

/* What the reply behind the last one of a message belongs to. */
static enum smtp_client_state answered_next(struct smtp_client *c)
{
    if (c->live == 0) {
        return c->sent.state;
    }
    return smtp_client_head(c)->reset_first ? SMTP_CLIENT_STATE_RSET : SMTP_CLIENT_STATE_MAIL;
}

void smtp_client_finish(struct smtp_client *c, const struct mail_status *status, bool ambiguous)
{
    struct smtp_client_transaction *t = smtp_client_head(c);
    struct smtp_client_message *m = t->message;
    t->message = NULL;
    c->first = (c->first + 1) % SMTP_CLIENT_SESSION_AHEAD;
    c->live--;
    if (!ended(c)) {
        if (!t->dot_sent) {
            c->sent = (struct smtp_client_cursor){SMTP_CLIENT_STATE_READY, 0};
        }
        c->answered = (struct smtp_client_cursor){answered_next(c), 0};
    }
    if (c->live > 0) {
        struct smtp_client_transaction *next = smtp_client_head(c);
        next->deadline_ms = clock_mono_ms() + SMTP_CLIENT_MESSAGE_MAX_MS + next->message->octets;
    }
    c->ops->on_message_done(c->owner, m, status, ambiguous);
}

/* The whole text is out, RCPT was answered up to RCPT: may the peer have taken it for somebody? */
static bool may_arrive(const struct smtp_client_transaction *t, size_t rcpt)
{
    const struct smtp_client_message *m = t->message;
    if (!t->dot_sent || t->mail_refused) {
        return false;
    }
    while (rcpt < m->envelope->rcpt_count && smtp_client_rcpt_unfit(m->envelope, rcpt) != NULL) {
        rcpt++;
    }
    return m->rcpts_accepted > 0 || rcpt < m->envelope->rcpt_count;
}

/* The messages still held, oldest first: recipients that were not answered, then the message. */
static void fail_all(struct smtp_client *c, const struct mail_status *status, bool certain)
{
    size_t rcpt = c->answered.rcpt;
    c->sent.state = SMTP_CLIENT_STATE_ENDED;
    c->answered.state = SMTP_CLIENT_STATE_ENDED;
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
    if (ended(c)) {
        return;
    }
    if (!certain && c->ops->on_protocol) {
        c->ops->on_protocol(c->owner, '*', status->text);
    }
    fail_all(c, status, certain);
    c->ops->on_end(c->owner, status);
}

/* Ends with our own words: 451 4.SUBJECT.DETAIL. */
static void __attribute__((format(printf, 4, 5)))
end_with(struct smtp_client *c, uint16_t subject, uint16_t detail, const char *fmt, ...)
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
    end_with(c, 5, 0, "%s while %s", how, smtp_client_state_phrase(c));
}

void smtp_client_lost(struct smtp_client *c, const char *text)
{
    enum smtp_client_state state = doing(c);
    if (state == SMTP_CLIENT_STATE_STARTTLS || state == SMTP_CLIENT_STATE_HANDSHAKE) {
        c->tls_failed = true;
    }
    end_with(c, 4, 2, "Connection lost while %s: %s", smtp_client_state_phrase(c),
             text ? text : "closed");
}

void smtp_client_timeout(struct smtp_client *c)
{
    if (ended(c) || clock_mono_ms() < smtp_client_deadline_ms(c)) {
        return;
    }
    if (doing(c) == SMTP_CLIENT_STATE_HANDSHAKE) {
        c->tls_failed = true;
    }
    end_with(c, 4, 2, "Timeout while %s", smtp_client_state_phrase(c));
}

static void timeouts_complete(struct smtp_client_timeouts *t)
{
    const struct smtp_client_timeouts *d = &SMTP_CLIENT_TIMEOUTS_DEFAULT;
    t->banner = t->banner ? t->banner : d->banner;
    t->hello = t->hello ? t->hello : d->hello;
    t->mail = t->mail ? t->mail : d->mail;
    t->rcpt = t->rcpt ? t->rcpt : d->rcpt;
    t->data = t->data ? t->data : d->data;
    t->text = t->text ? t->text : d->text;
    t->end = t->end ? t->end : d->end;
    t->quit = t->quit ? t->quit : d->quit;
}

static void raw_line(void *owner, struct bytes line)
{
    struct smtp_client *c = owner;
    c->ops->on_protocol(c->owner, '<', line);
}

struct smtp_client *smtp_client_new(const struct smtp_client_settings *settings,
                                    const struct smtp_client_ops *ops, void *owner)
{
    struct smtp_client *c = MEM_NEW(struct smtp_client);
    c->settings = *settings;
    timeouts_complete(&c->settings.timeouts);
    c->ops = ops;
    c->owner = owner;
    c->parser.owner = c;
    c->parser.on_raw_line = ops->on_protocol ? raw_line : NULL;
    c->sent.state = settings->force_helo ? SMTP_CLIENT_STATE_HELO : SMTP_CLIENT_STATE_EHLO;
    c->answered.state = SMTP_CLIENT_STATE_BANNER;
    c->unanswered = 1; /* the banner is the answer to our connecting */
    smtp_client_progress(c);
    c->open_deadline_ms = c->progress_at_ms + SMTP_CLIENT_OPEN_MAX_MS;
    return c;
}

void smtp_client_free(struct smtp_client **cp)
{
    struct smtp_client *c = *cp;
    if (c == NULL) {
        return;
    }
    struct mail_status stopping = MAIL_STATUS(451, 4, 3, 2, "Delivery is shutting down");
    fail_all(c, &stopping, false);
    mem_free(c);
    *cp = NULL;
}

/* A reply that no command waits for. A 421 says good-bye at any time, and while text goes out a
 * refusal can only be about that text; anything else means that we no longer know which reply
 * belongs to what. */
static void unsolicited(struct smtp_client *c, struct bytes in)
{
    struct mail_status status;
    size_t used = 0;
    c->parser.on_line = NULL;
    enum err e = smtp_reply_read(&c->parser, in, &used, &status);
    bool about_text =
        c->answered.state == SMTP_CLIENT_STATE_TEXT || c->sent.state == SMTP_CLIENT_STATE_CHUNK;
    if (e == ERR_OK && (status.code == 421 || (about_text && status.code >= 400))) {
        smtp_client_end(c, &status, true);
        return;
    }
    if (doing(c) == SMTP_CLIENT_STATE_HANDSHAKE) {
        end_with(c, 7, 0, "Bytes from the peer before the TLS handshake");
        return;
    }
    smtp_client_broken(c, "Unexpected reply");
}

static void hello_line(void *owner, struct bytes line)
{
    struct smtp_client *c = owner;
    smtp_extension_read(&c->hop_next, line);
}

void smtp_client_input(struct smtp_client *c, struct bytes in)
{
    while (in.len > 0 && !ended(c)) {
        if (c->unanswered == 0) {
            unsolicited(c, in);
            return;
        }
        struct mail_status status;
        size_t used = 0;
        c->parser.on_line = c->answered.state == SMTP_CLIENT_STATE_EHLO ? hello_line : NULL;
        enum err e = smtp_reply_read(&c->parser, in, &used, &status);
        in = bytes_from(in, used);
        if (e == ERR_AGAIN) {
            return;
        }
        if (e != ERR_OK) {
            smtp_client_broken(c, "Malformed reply");
            return;
        }
        c->unanswered--;
        smtp_client_progress(c);
        if (status.code == 421) {
            smtp_client_end(c, &status, true);
            return;
        }
        SMTP_CLIENT_TABLE[c->answered.state].on_reply(c, &status, in);
    }
}

/* What ROW has put behind the octets BEFORE of OUT, if anything. */
static void show_sent(struct smtp_client *c, const struct smtp_client_row *row,
                      const struct buf *out, size_t before)
{
    struct bytes line = bytes_from(buf_bytes(out), before);
    if (row->shown && line.len > 0) {
        c->ops->on_protocol(c->owner, '>', bytes_sub(line, 0, line.len - 2));
    }
}

void smtp_client_fill(struct smtp_client *c, struct buf *out)
{
    ASSERT(out->max > SMTP_CLIENT_COMMAND_MAX);
    while (out->max - buf_len(out) >= SMTP_CLIENT_COMMAND_MAX) {
        const struct smtp_client_row *row = &SMTP_CLIENT_TABLE[c->sent.state];
        size_t before = buf_len(out);
        bool more = row->send != NULL && row->send(c, out);
        if (c->ops->on_protocol) {
            show_sent(c, row, out, before);
        }
        if (!more) {
            return;
        }
    }
}

void smtp_client_kick(struct smtp_client *c)
{
    c->rested = c->rested || (c->asked_none && smtp_client_idle(c));
    c->asked_none = false;
}

void smtp_client_quit(struct smtp_client *c)
{
    c->quitting = true;
}

enum smtp_client_want smtp_client_want(const struct smtp_client *c)
{
    if (ended(c)) {
        return SMTP_CLIENT_WANT_CLOSE;
    }
    return c->sent.state == SMTP_CLIENT_STATE_HANDSHAKE ? SMTP_CLIENT_WANT_HANDSHAKE
                                                        : SMTP_CLIENT_WANT_IO;
}

/* What was said in clear is void: the peer's keywords too (RFC 3207 4.2). */
void smtp_client_tls_done(struct smtp_client *c, bool ok)
{
    if (c->sent.state != SMTP_CLIENT_STATE_HANDSHAKE) {
        return;
    }
    if (!ok) {
        c->tls_failed = true;
        end_with(c, 7, 5, "TLS handshake failed");
        return;
    }
    c->tls = true;
    c->hop = (struct smtp_extensions){0};
    smtp_client_progress(c);
    c->sent.state = SMTP_CLIENT_STATE_EHLO;
    c->answered.state = SMTP_CLIENT_STATE_EHLO;
}

bool smtp_client_tls_failed(const struct smtp_client *c)
{
    return c->tls_failed;
}

bool smtp_client_dsn_offered(const struct smtp_client *c)
{
    return smtp_client_offered(c, SMTP_EXTENSION_DSN);
}

static uint64_t timeout_of(const struct smtp_client *c, enum smtp_client_state state)
{
    uint64_t ms;
    memcpy(&ms, (const char *)&c->settings.timeouts + SMTP_CLIENT_TABLE[state].timeout, sizeof ms);
    return state == SMTP_CLIENT_STATE_HANDSHAKE && ms > SMTP_CLIENT_HANDSHAKE_MS
               ? SMTP_CLIENT_HANDSHAKE_MS
               : ms;
}

uint64_t smtp_client_deadline_ms(const struct smtp_client *c)
{
    enum smtp_client_state state = doing(c);
    if (state == SMTP_CLIENT_STATE_ENDED) {
        return TIMER_NEVER;
    }
    uint64_t bound = c->live > 0 ? c->transactions[c->first].deadline_ms : c->open_deadline_ms;
    if (state == SMTP_CLIENT_STATE_READY) {
        return TIMER_NEVER;
    }
    uint64_t due = c->progress_at_ms + timeout_of(c, state);
    return due < bound ? due : bound;
}

bool smtp_client_idle(const struct smtp_client *c)
{
    return c->sent.state == SMTP_CLIENT_STATE_READY && c->unanswered == 0 && c->live == 0;
}
