/* A client session from outside: its beginning and end, input, output, time. */
#include "net/smtp_client.h"

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

void smtp_client_lost(struct smtp_client *c, const char *text)
{
    enum smtp_client_state state = smtp_client_doing(c);
    if (state == SMTP_CLIENT_STATE_STARTTLS || state == SMTP_CLIENT_STATE_HANDSHAKE)
        c->tls_failed = true;
    smtp_client_end_with(c, 4, 2, "Connection lost while %s: %s", smtp_client_state_phrase(c),
                         text ? text : "closed");
}

void smtp_client_timeout(struct smtp_client *c)
{
    if (smtp_client_ended(c) || clock_mono_ms() < smtp_client_deadline_ms(c))
        return;
    if (smtp_client_doing(c) == SMTP_CLIENT_STATE_HANDSHAKE)
        c->tls_failed = true;
    smtp_client_end_with(c, 4, 2, "Timeout while %s", smtp_client_state_phrase(c));
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
    c->rows = SMTP_CLIENT_TABLE;
    c->ops = ops;
    c->owner = owner;
    c->parser.owner = c;
    c->parser.on_raw_line = ops->on_protocol ? raw_line : NULL;
    smtp_client_enter_sent(c,
                           settings->force_helo ? SMTP_CLIENT_STATE_HELO : SMTP_CLIENT_STATE_EHLO);
    smtp_client_enter_answered(c, SMTP_CLIENT_STATE_BANNER);
    c->unanswered = 1; /* the banner is the answer to our connecting */
    smtp_client_progress(c);
    c->open_deadline_ms = c->progress_at_ms + SMTP_CLIENT_OPEN_MAX_MS;
    return c;
}

void smtp_client_free(struct smtp_client **cp)
{
    struct smtp_client *c = *cp;
    if (!c)
        return;
    struct mail_status stopping = MAIL_STATUS(451, 4, 3, 2, "Delivery is shutting down");
    smtp_client_fail_all(c, &stopping, false);
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
    if (smtp_client_doing(c) == SMTP_CLIENT_STATE_HANDSHAKE) {
        smtp_client_end_with(c, 7, 0, "Bytes from the peer before the TLS handshake");
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
    while (in.len > 0 && !smtp_client_ended(c)) {
        if (c->unanswered == 0) {
            unsolicited(c, in);
            return;
        }
        struct mail_status status;
        size_t used = 0;
        c->parser.on_line = c->answered.state == SMTP_CLIENT_STATE_EHLO ? hello_line : NULL;
        enum err e = smtp_reply_read(&c->parser, in, &used, &status);
        in = bytes_from(in, used);
        if (e == ERR_AGAIN)
            return;
        if (e != ERR_OK) {
            smtp_client_broken(c, "Malformed reply");
            return;
        }
        ASSERT(c->unanswered > 0 && c->rows[c->answered.state].on_reply);
        c->unanswered--;
        smtp_client_progress(c);
        if (status.code == 421) {
            smtp_client_end(c, &status, true);
            return;
        }
        c->rows[c->answered.state].on_reply(c, &status, in);
    }
}

/* What ROW has put behind the octets BEFORE of OUT, if anything. */
static void show_sent(struct smtp_client *c, const struct smtp_client_row *row,
                      const struct buf *out, size_t before)
{
    struct bytes line = bytes_from(buf_bytes(out), before);
    if (row->shown && line.len > 0)
        c->ops->on_protocol(c->owner, '>', bytes_sub(line, 0, line.len - 2));
}

void smtp_client_fill(struct smtp_client *c, struct buf *out)
{
    ASSERT(out->max > SMTP_CLIENT_COMMAND_MAX);
    while (out->max - buf_len(out) >= SMTP_CLIENT_COMMAND_MAX) {
        const struct smtp_client_row *row = &c->rows[c->sent.state];
        size_t before = buf_len(out);
        bool more = row->send && row->send(c, out);
        if (c->ops->on_protocol)
            show_sent(c, row, out, before);
        if (!more)
            return;
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
    if (smtp_client_ended(c))
        return SMTP_CLIENT_WANT_CLOSE;
    return c->sent.state == SMTP_CLIENT_STATE_HANDSHAKE ? SMTP_CLIENT_WANT_HANDSHAKE
                                                        : SMTP_CLIENT_WANT_IO;
}

/* What was said in clear is void: the peer's keywords too (RFC 3207 4.2). */
void smtp_client_tls_done(struct smtp_client *c, bool ok)
{
    if (c->sent.state != SMTP_CLIENT_STATE_HANDSHAKE)
        return;
    if (!ok) {
        c->tls_failed = true;
        smtp_client_end_with(c, 7, 5, "TLS handshake failed");
        return;
    }
    c->tls = true;
    c->hop = (struct smtp_extensions){0};
    smtp_client_progress(c);
    smtp_client_enter(c, SMTP_CLIENT_STATE_EHLO);
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
    memcpy(&ms, (const char *)&c->settings.timeouts + c->rows[state].timeout, sizeof ms);
    return state == SMTP_CLIENT_STATE_HANDSHAKE && ms > SMTP_CLIENT_HANDSHAKE_MS
               ? SMTP_CLIENT_HANDSHAKE_MS
               : ms;
}

uint64_t smtp_client_deadline_ms(const struct smtp_client *c)
{
    enum smtp_client_state state = smtp_client_doing(c);
    if (state == SMTP_CLIENT_STATE_ENDED)
        return TIMER_NEVER;
    uint64_t bound = c->live > 0 ? c->transactions[c->first].deadline_ms : c->open_deadline_ms;
    if (state == SMTP_CLIENT_STATE_READY)
        return TIMER_NEVER;
    uint64_t due = c->progress_at_ms + timeout_of(c, state);
    return due < bound ? due : bound;
}

bool smtp_client_idle(const struct smtp_client *c)
{
    return c->sent.state == SMTP_CLIENT_STATE_READY && c->unanswered == 0 && c->live == 0;
}
