/* The table of a session's states: what each sends, and what it does with its reply. */
#include <stdio.h>

#include "core/clock.h"
#include "net/smtp_params.h"
#include "net/smtp_reply.h"

#include "bench/load_client_private.h"

/* Recipients that await their replies at a time: their lines and replies must not fill both
 * directions' buffers (RFC 2920 3.1). */
enum { RCPTS_MAX = 500 };

static bool offered(const struct load_client *c, enum smtp_extension extension)
{
    return c->peer.offered & extension;
}

static bool pipelines(const struct load_client *c)
{
    return c->shared->settings->pipelining != LOAD_CLIENT_PIPELINING_NEVER &&
           offered(c, SMTP_EXTENSION_PIPELINING);
}

static void say(struct load_client *c, struct bytes line)
{
    load_client_put(c, line);
    load_client_flush(c);
}

/* --- Introductions --- */

static void on_banner(struct load_client *c, const struct mail_status *status)
{
    if (status->code != 220) {
        load_client_fail(c, status, false);
        return;
    }
    load_client_timed(c, LOAD_PHASE_BANNER, c->phase_at_ns);
    load_client_enter(c, LOAD_CLIENT_EHLO);
}

static void on_hello_line(void *owner, struct bytes text)
{
    struct load_client *c = owner;
    smtp_extension_read(&c->peer, text);
}

static void send_ehlo(struct load_client *c)
{
    c->peer = (struct smtp_extensions){0};
    c->parser.on_line = on_hello_line;
    c->phase_at_ns = clock_mono_ns();
    say(c, BYTES("EHLO source.test\r\n"));
}

static void session_keep(struct load_client *c)
{
    struct load_client_shared *shared = c->shared;
    struct tls_session *newest =
        c->encrypted && shared->resume_percent > 0 ? conn_tls_session(c->conn) : NULL;
    if (!newest)
        return;
    tls_session_free(&shared->tls_session);
    shared->tls_session = newest;
}

static void ready(struct load_client *c)
{
    if (c->current) {
        load_client_enter(c, LOAD_CLIENT_MAIL);
        return;
    }
    load_client_enter(c, LOAD_CLIENT_READY);
    c->shared->ops->on_free(c);
}

/* What the session was told to use. */
static unsigned wanted(const struct load_client *c)
{
    const struct load_client_settings *s = c->shared->settings;
    unsigned x = 0;
    if (s->security == LOAD_CLIENT_SECURITY_STARTTLS && !c->encrypted)
        return SMTP_EXTENSION_STARTTLS;
    x |= s->pipelining == LOAD_CLIENT_PIPELINING_MUST ? SMTP_EXTENSION_PIPELINING : 0;
    x |= s->chunking ? SMTP_EXTENSION_CHUNKING : 0;
    x |= s->auth_count > 0 ? SMTP_EXTENSION_AUTH : 0;
    return x;
}

static void on_ehlo(struct load_client *c, const struct mail_status *status)
{
    c->parser.on_line = NULL;
    if (!mail_status_ok(status)) {
        load_client_fail(c, status, false);
        return;
    }
    load_client_timed(c, LOAD_PHASE_EHLO, c->phase_at_ns);
    session_keep(c);
    unsigned missing = wanted(c) & ~c->peer.offered;
    if (missing) {
        struct bytes first = smtp_extension_keyword((enum smtp_extension)(missing & -missing));
        load_client_fail_with(c, BYTES_FMT " is not offered", BYTES_ARG(first));
    } else if (wanted(c) & SMTP_EXTENSION_STARTTLS) {
        load_client_enter(c, LOAD_CLIENT_STARTTLS);
    } else if (c->shared->settings->auth_count > 0) {
        c->auth_at = 0;
        c->phase_at_ns = clock_mono_ns();
        load_client_enter(c, LOAD_CLIENT_AUTH);
    } else {
        ready(c);
    }
}

static void send_starttls(struct load_client *c)
{
    say(c, BYTES("STARTTLS\r\n"));
}

/* What came behind the 220 was not protected, and would be taken for what is. */
static void on_starttls(struct load_client *c, const struct mail_status *status)
{
    if (status->code != 220)
        load_client_fail(c, status, false);
    else if (c->input_left > 0)
        load_client_fail_with(c, "Bytes behind the reply to STARTTLS");
    else
        load_client_start_tls(c);
}

static void send_auth(struct load_client *c)
{
    say(c, c->shared->settings->auth[c->auth_at]);
}

static void on_auth(struct load_client *c, const struct mail_status *status)
{
    if (status->code == 334 && c->auth_at + 1 < c->shared->settings->auth_count) {
        c->auth_at++;
        load_client_enter(c, LOAD_CLIENT_AUTH);
    } else if (status->code == 235) {
        load_client_timed(c, LOAD_PHASE_AUTH, c->phase_at_ns);
        ready(c);
    } else {
        load_client_fail(c, status, false);
    }
}

/* --- What is written of a message --- */

static struct bytes line_format(char *to, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
static struct bytes line_format(char *to, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(to, size, fmt, args);
    va_end(args);
    ASSERT(len >= 0 && (size_t)len < size);
    return bytes_make(to, (size_t)len);
}

static void put_envelope(struct load_client *c, struct load_client_message *m);

/* The text, and behind it what goes ahead of its reply. */
static void put_text(struct load_client *c)
{
    const struct load_client_settings *s = c->shared->settings;
    struct load_client_message *m = c->current, *next;
    m->text_put = true;
    if (s->chunking)
        load_client_put(c, line_format(m->bdat, sizeof m->bdat, "BDAT %llu LAST\r\n",
                                       (unsigned long long)m->octets));
    for (size_t i = 0; i < m->piece_count; i++)
        load_client_put(c, m->pieces[i]);
    if (!s->chunking)
        load_client_put(c, BYTES(".\r\n"));
    load_client_put_end(c);
    next = s->ahead && pipelines(c) ? c->shared->ops->next(c) : NULL;
    if (next) {
        load_client_take(c, next);
        put_envelope(c, next);
    }
}

/* The next recipients, and behind the last one what need not wait for their replies. A text goes
 * with them only if no other message's envelope follows it, since they might all be refused. */
static void put_rcpts(struct load_client *c, struct load_client_message *m)
{
    const struct load_client_settings *s = c->shared->settings;
    size_t left = s->rcpt_count - m->rcpts_sent, max = pipelines(c) ? RCPTS_MAX : 1;
    const struct bytes *first = &s->rcpts[m->rcpts_sent];
    m->rcpts_sent += left < max ? left : max;
    const struct bytes *last = &s->rcpts[m->rcpts_sent - 1];
    load_client_put(c, bytes_make(first->ptr, (size_t)(last->ptr + last->len - first->ptr)));
    if (!pipelines(c) || m->rcpts_sent < s->rcpt_count)
        return;
    if (!s->chunking) {
        load_client_put(c, BYTES("DATA\r\n"));
        m->data_sent = true;
    } else if (!s->ahead) {
        put_text(c);
        m->data_sent = true;
    }
}

static void put_envelope(struct load_client *c, struct load_client_message *m)
{
    static const struct mail_envelope nothing_said;
    const struct smtp_params_mail mail = {&nothing_said, m->octets, m->notes};
    char *end = smtp_params_write_mail(&mail, c->peer.offered, m->parameters);
    *end++ = '\r';
    *end++ = '\n';
    m->mail_at_ns = clock_mono_ns();
    load_client_put(c, c->shared->settings->mail);
    load_client_put(c, bytes_make(m->parameters, (size_t)(end - m->parameters)));
    if (pipelines(c))
        put_rcpts(c, m);
}

/* --- A message's states --- */

/* Keeps the first word against the current message. */
static void keep_refusal(struct load_client *c, const struct mail_status *status)
{
    if (c->refusal.code)
        return;
    c->refusal = *status;
    struct bytes text = bytes_sub(status->text, 0, sizeof c->refusal_text);
    memcpy(c->refusal_text, text.ptr, text.len);
    c->refusal.text = bytes_make(c->refusal_text, text.len);
}

/* The current message has been answered; on to what comes behind it. */
static void finish(struct load_client *c, enum load_fate fate, const struct mail_status *status)
{
    struct load_client_message *m = c->current;
    ASSERT(m && m->rcpts_accepted <= m->rcpts_answered && m->rcpts_answered <= m->rcpts_sent);
    struct load_client_result result = {
        .fate = fate,
        .rcpts_refused = m->mail_refused ? 0 : m->rcpts_answered - m->rcpts_accepted,
        .status = c->refusal.code ? &c->refusal : status,
    };
    c->current = c->ahead;
    c->ahead = NULL;
    c->shared->ops->on_done(c, m, &result);
    c->refusal.code = 0;
    if (c->current)
        load_client_enter(c, LOAD_CLIENT_MAIL);
    else if (c->shared->settings->reconnect)
        load_client_enter(c, LOAD_CLIENT_QUIT);
    else
        ready(c);
}

static void refuse(struct load_client *c, const struct mail_status *status, bool reset)
{
    c->reset_needed = reset;
    finish(c, LOAD_REFUSED, status);
}

static void send_rset(struct load_client *c)
{
    say(c, BYTES("RSET\r\n"));
}

static void on_rset(struct load_client *c, const struct mail_status *status)
{
    c->reset_needed = false;
    if (mail_status_ok(status))
        load_client_enter(c, LOAD_CLIENT_MAIL);
    else
        load_client_fail(c, status, false);
}

static void send_mail(struct load_client *c)
{
    if (c->current->mail_at_ns)
        return; /* it went ahead */
    put_envelope(c, c->current);
    load_client_flush(c);
}

static void on_mail(struct load_client *c, const struct mail_status *status)
{
    struct load_client_message *m = c->current;
    if (!mail_status_ok(status)) {
        m->mail_refused = true;
        keep_refusal(c, status);
    }
    if (m->mail_refused && m->rcpts_sent == 0)
        refuse(c, status, false);
    else
        load_client_enter(c, LOAD_CLIENT_RCPT);
}

static void send_rcpt(struct load_client *c)
{
    if (c->current->rcpts_answered < c->current->rcpts_sent)
        return;
    put_rcpts(c, c->current);
    load_client_flush(c);
}

/* All that was sent is answered, and there is more to say. */
static void after_rcpts(struct load_client *c, const struct mail_status *status)
{
    struct load_client_message *m = c->current;
    const struct load_client_settings *s = c->shared->settings;
    bool unwanted = m->mail_refused || m->rcpts_accepted == 0;
    if (!m->mail_refused && m->rcpts_sent < s->rcpt_count) {
        load_client_enter(c, LOAD_CLIENT_RCPT);
    } else if (unwanted && !m->data_sent) {
        refuse(c, status, !m->mail_refused);
    } else if (s->chunking) {
        if (!unwanted)
            load_client_timed(c, LOAD_PHASE_MAIL, m->mail_at_ns);
        load_client_enter(c, LOAD_CLIENT_END);
    } else {
        load_client_enter(c, LOAD_CLIENT_DATA);
    }
}

static void on_rcpt(struct load_client *c, const struct mail_status *status)
{
    struct load_client_message *m = c->current;
    m->rcpts_answered++;
    if (mail_status_ok(status))
        m->rcpts_accepted++;
    else
        keep_refusal(c, status);
    if (m->rcpts_answered == m->rcpts_sent)
        after_rcpts(c, status);
}

static void send_data(struct load_client *c)
{
    if (!c->current->data_sent)
        say(c, BYTES("DATA\r\n"));
    c->current->data_sent = true;
}

static void on_data(struct load_client *c, const struct mail_status *status)
{
    struct load_client_message *m = c->current;
    if (status->code == 354) {
        load_client_timed(c, LOAD_PHASE_MAIL, m->mail_at_ns);
        load_client_enter(c, LOAD_CLIENT_END);
    } else {
        keep_refusal(c, status);
        refuse(c, status, !m->mail_refused);
    }
}

/* A peer that wants the text although no recipient was accepted is sent none of it (RFC 2920 3.1).
 */
static void send_end(struct load_client *c)
{
    struct load_client_message *m = c->current;
    if (m->text_put)
        return;
    if (m->mail_refused || m->rcpts_accepted == 0)
        load_client_put(c, BYTES(".\r\n"));
    else
        put_text(c);
    load_client_flush(c);
}

static void on_end(struct load_client *c, const struct mail_status *status)
{
    struct load_client_message *m = c->current;
    if (mail_status_ok(status) && !m->mail_refused && m->rcpts_accepted > 0) {
        load_client_timed(c, LOAD_PHASE_DOT, m->end_at_ns);
        finish(c, LOAD_ACKNOWLEDGED, status);
        return;
    }
    keep_refusal(c, status);
    refuse(c, status, c->shared->settings->chunking); /* RFC 3030 4.2: a failed BDAT wants it */
}

static void send_quit(struct load_client *c)
{
    c->phase_at_ns = clock_mono_ns();
    say(c, BYTES("QUIT\r\n"));
}

static void on_quit(struct load_client *c, const struct mail_status *status)
{
    (void)status;
    load_client_timed(c, LOAD_PHASE_QUIT, c->phase_at_ns);
    load_client_close(c);
}

/* RFC 5321 4.5.3.2. */
const struct load_client_row LOAD_CLIENT_TABLE[LOAD_CLIENT_STATES] = {
    [LOAD_CLIENT_NONE] = {"not connected", 0, NULL, NULL},
    [LOAD_CLIENT_CONNECT] = {"connecting", 30, NULL, NULL},
    [LOAD_CLIENT_BANNER] = {"waiting for the greeting", 300, NULL, on_banner},
    [LOAD_CLIENT_HANDSHAKE] = {"shaking hands for TLS", 300, NULL, NULL},
    [LOAD_CLIENT_EHLO] = {"introducing itself", 300, send_ehlo, on_ehlo},
    [LOAD_CLIENT_STARTTLS] = {"asking for TLS", 300, send_starttls, on_starttls},
    [LOAD_CLIENT_AUTH] = {"logging in", 300, send_auth, on_auth},
    [LOAD_CLIENT_READY] = {"open without work", 0, NULL, NULL},
    [LOAD_CLIENT_RSET] = {"taking back the last envelope", 300, send_rset, on_rset},
    [LOAD_CLIENT_MAIL] = {"naming the sender", 300, send_mail, on_mail},
    [LOAD_CLIENT_RCPT] = {"naming the recipients", 300, send_rcpt, on_rcpt},
    [LOAD_CLIENT_DATA] = {"asking to send the text", 120, send_data, on_data},
    [LOAD_CLIENT_END] = {"waiting for the reply to the whole message", 600, send_end, on_end},
    [LOAD_CLIENT_QUIT] = {"saying good-bye", 10, send_quit, on_quit},
    [LOAD_CLIENT_CLOSING] = {"closing", 0, NULL, NULL},
};
