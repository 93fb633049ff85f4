/* The table of a client session's states: what each sends, and what it does with its reply. */
#include "net/smtp_client_private.h"

#include <stddef.h>

#include "core/timer.h"

/* One command may go out now: within the window, or alone where the peer does not pipeline. */
static bool window_open(const struct smtp_client *c)
{
    bool pipelining = smtp_client_offered(c, SMTP_EXTENSION_PIPELINING);
    return c->unanswered < (pipelining ? SMTP_CLIENT_WINDOW : 1);
}

static void session_open(struct smtp_client *c)
{
    static const struct mail_status clear =
        MAIL_STATUS_INIT(451, 4, 7, 4, "TLS is required and cannot be had from this host");
    if (c->settings.tls == ROUTE_TLS_ENCRYPT && !c->tls) {
        smtp_client_end(c, &clear, false);
        return;
    }
    smtp_client_enter(c, SMTP_CLIENT_STATE_READY);
    c->open_deadline_ms = TIMER_NEVER;
    c->ops->on_open(c->owner);
}

static void on_banner(struct smtp_client *c, const struct mail_status *status, struct bytes rest)
{
    (void)rest;
    if (status->code == 220)
        smtp_client_enter_answered(c, c->sent.state);
    else
        smtp_client_end(c, status, true);
}

static bool send_alone(struct smtp_client *c, struct buf *out, struct bytes verb, struct bytes arg)
{
    if (c->unanswered > 0)
        return false;
    smtp_client_write_line(out, verb, arg);
    smtp_client_expect(c);
    return false; /* last in its group (RFC 2920 3.1) */
}

static bool send_ehlo(struct smtp_client *c, struct buf *out)
{
    if (c->unanswered == 0)
        c->hop_next = (struct smtp_extensions){0};
    return send_alone(c, out, BYTES("EHLO"), c->settings.helo);
}

static void on_ehlo(struct smtp_client *c, const struct mail_status *status, struct bytes rest)
{
    (void)rest;
    if (status->code == 500 || status->code == 502) {
        smtp_client_enter(c, SMTP_CLIENT_STATE_HELO);
        return;
    }
    if (!mail_status_ok(status)) {
        smtp_client_end(c, status, true);
        return;
    }
    c->hop = c->hop_next;
    if (!c->tls && c->settings.tls != ROUTE_TLS_NEVER &&
        smtp_client_offered(c, SMTP_EXTENSION_STARTTLS)) {
        smtp_client_enter(c, SMTP_CLIENT_STATE_STARTTLS);
        return;
    }
    session_open(c);
}

static bool send_helo(struct smtp_client *c, struct buf *out)
{
    return send_alone(c, out, BYTES("HELO"), c->settings.helo);
}

static void on_helo(struct smtp_client *c, const struct mail_status *status, struct bytes rest)
{
    (void)rest;
    if (mail_status_ok(status))
        session_open(c);
    else
        smtp_client_end(c, status, true);
}

static bool send_starttls(struct smtp_client *c, struct buf *out)
{
    return send_alone(c, out, BYTES("STARTTLS"), BYTES_EMPTY);
}

/* Bytes behind the 220 were not protected by TLS and would be taken for replies that are
 * (response injection): never used, and no handshake either. */
static void on_starttls(struct smtp_client *c, const struct mail_status *status, struct bytes rest)
{
    static const struct mail_status injected =
        MAIL_STATUS_INIT(451, 4, 7, 0, "Bytes behind the reply to STARTTLS");
    if (status->code != 220)
        session_open(c); /* refused: in clear, where that is allowed */
    else if (rest.len > 0)
        smtp_client_end(c, &injected, false);
    else
        smtp_client_enter(c, SMTP_CLIENT_STATE_HANDSHAKE);
}

static void begin(struct smtp_client *c, struct smtp_client_message *m)
{
    ASSERT(c->live < SMTP_CLIENT_SESSION_AHEAD);
    c->live++;
    c->taken++;
    struct smtp_client_transaction *t = smtp_client_sending(c);
    t->message = m;
    t->deadline_ms = c->progress_at_ms + SMTP_CLIENT_MESSAGE_MAX_MS + m->octets;
    t->text_at = 0;
    t->last[0] = t->last[1] = 0;
    t->stuffing = (struct smtp_data_writer){0};
    t->normal_cr = false;
    t->chunked = smtp_client_message_chunked(c, m);
    t->patient = c->rested || m->octets > SMTP_CLIENT_CHUNK_AHEAD;
    t->reset_first = c->reset_needed;
    t->dot_sent = false;
    t->mail_refused = false;
    c->rested = false;
    enum smtp_client_state first = t->reset_first ? SMTP_CLIENT_STATE_RSET : SMTP_CLIENT_STATE_MAIL;
    smtp_client_enter_sent(c, first);
    if (c->live == 1)
        smtp_client_enter_answered(c, first);
}

static void refuse_unsent(struct smtp_client *c, struct smtp_client_message *m,
                          const struct mail_status *why)
{
    for (size_t i = 0; i < m->envelope->rcpt_count; i++) {
        const struct mail_status *unfit = smtp_client_rcpt_unfit(m->envelope, i);
        smtp_client_tell_rcpt(c, m, i, unfit ? unfit : why);
    }
    c->ops->on_message_done(c->owner, m, why, false);
}

static bool send_next(struct smtp_client *c, struct buf *out)
{
    (void)out;
    if (c->quitting || (c->settings.messages_max > 0 && c->taken >= c->settings.messages_max)) {
        smtp_client_enter_sent(c, SMTP_CLIENT_STATE_QUIT);
        if (c->unanswered == 0)
            smtp_client_enter_answered(c, SMTP_CLIENT_STATE_QUIT);
        return true;
    }
    if (!window_open(c) || c->asked_none || c->live == SMTP_CLIENT_SESSION_AHEAD)
        return false;
    struct smtp_client_message *m = c->ops->next_message(c->owner);
    if (!m) {
        c->asked_none = true;
        return false;
    }
    m->rcpts_answered = 0;
    m->rcpts_accepted = 0;
    const struct mail_status *unfit = smtp_client_message_unfit(c, m);
    if (unfit) {
        refuse_unsent(c, m, unfit);
    } else {
        if (c->unanswered == 0)
            smtp_client_progress(c);
        begin(c, m);
    }
    return true;
}

static bool send_rset(struct smtp_client *c, struct buf *out)
{
    if (!window_open(c))
        return false;
    smtp_client_write_line(out, BYTES("RSET"), BYTES_EMPTY);
    smtp_client_expect(c);
    c->reset_needed = false;
    smtp_client_enter_sent(c, SMTP_CLIENT_STATE_MAIL);
    return true;
}

static void on_rset(struct smtp_client *c, const struct mail_status *status, struct bytes rest)
{
    (void)rest;
    if (mail_status_ok(status))
        smtp_client_enter_answered(c, SMTP_CLIENT_STATE_MAIL);
    else
        smtp_client_broken(c, "RSET was refused");
}

static bool send_mail(struct smtp_client *c, struct buf *out)
{
    if (!window_open(c))
        return false;
    smtp_client_write_mail(c, smtp_client_sending(c)->message, out);
    smtp_client_expect(c);
    smtp_client_enter_sent(c, SMTP_CLIENT_STATE_RCPT);
    return true;
}

/* Moves the answered cursor over recipients that were never sent. */
static void skip_unfit(struct smtp_client *c)
{
    const struct smtp_client_transaction *t = smtp_client_head(c);
    struct smtp_client_message *m = t->message;
    enum smtp_client_state behind = t->chunked ? SMTP_CLIENT_STATE_END : SMTP_CLIENT_STATE_DATA;
    const struct mail_status *unfit;
    while (c->answered.rcpt < m->envelope->rcpt_count &&
           (unfit = smtp_client_rcpt_unfit(m->envelope, c->answered.rcpt))) {
        smtp_client_tell_rcpt(c, m, c->answered.rcpt, unfit);
        c->answered.rcpt++;
    }
    bool more = c->answered.rcpt < m->envelope->rcpt_count;
    smtp_client_enter_answered(c, more ? SMTP_CLIENT_STATE_RCPT : behind);
}

/* Everything sent is answered and no recipient is left: the rest of the envelope stays
 * unsent. A transaction that the peer had opened is taken back by RSET before the next one. */
static void give_up_if_unwanted(struct smtp_client *c)
{
    static const struct mail_status none =
        MAIL_STATUS_INIT(554, 5, 5, 1, "No recipient was accepted");
    struct smtp_client_transaction *t = smtp_client_head(c);
    struct smtp_client_message *m = t->message;
    bool all_sent =
        c->sent.state == SMTP_CLIENT_STATE_DATA || c->sent.state == SMTP_CLIENT_STATE_BDAT;
    bool all_refused = all_sent && m->rcpts_accepted == 0;
    bool unsent = c->sent.state == SMTP_CLIENT_STATE_RCPT || all_sent;
    if (c->unanswered > 0 || !unsent || !(t->mail_refused || all_refused))
        return;
    for (; c->answered.rcpt < m->envelope->rcpt_count; c->answered.rcpt++) {
        const struct mail_status *unfit = smtp_client_rcpt_unfit(m->envelope, c->answered.rcpt);
        smtp_client_tell_rcpt(c, m, c->answered.rcpt, unfit ? unfit : &t->refusal);
    }
    c->reset_needed = !t->mail_refused;
    smtp_client_finish(c, t->mail_refused ? &t->refusal : &none, false);
}

static void on_mail(struct smtp_client *c, const struct mail_status *status, struct bytes rest)
{
    (void)rest;
    struct smtp_client_transaction *t = smtp_client_head(c);
    if (status->code >= 300 && status->code < 400) {
        smtp_client_broken(c, "Senseless reply");
        return;
    }
    if (!mail_status_ok(status)) {
        t->mail_refused = true;
        t->refusal = *status;
        size_t len =
            status->text.len < sizeof t->refusal_text ? status->text.len : sizeof t->refusal_text;
        memcpy(t->refusal_text, status->text.ptr, len);
        t->refusal.text = bytes_make(t->refusal_text, len);
    }
    skip_unfit(c);
    give_up_if_unwanted(c);
}

static bool send_rcpt(struct smtp_client *c, struct buf *out)
{
    struct smtp_client_transaction *t = smtp_client_sending(c);
    const struct mail_envelope *e = t->message->envelope;
    ASSERT(c->sent.rcpt < e->rcpt_count);
    if (t->mail_refused || !window_open(c))
        return false;
    if (!smtp_client_rcpt_unfit(e, c->sent.rcpt)) {
        smtp_client_write_rcpt(c, &e->rcpts[c->sent.rcpt], out);
        smtp_client_expect(c);
    }
    if (++c->sent.rcpt == e->rcpt_count)
        smtp_client_enter_sent(c, t->chunked ? SMTP_CLIENT_STATE_BDAT : SMTP_CLIENT_STATE_DATA);
    return true;
}

static void on_rcpt(struct smtp_client *c, const struct mail_status *status, struct bytes rest)
{
    (void)rest;
    struct smtp_client_transaction *t = smtp_client_head(c);
    struct mail_status verdict = *status;
    if (status->code >= 300 && status->code < 400) {
        smtp_client_broken(c, "Senseless reply");
        return;
    }
    if (verdict.code == 552) { /* too many recipients: RFC 5321 4.5.3.1.10 */
        verdict.code = 452;
        verdict.enhanced[0] = verdict.enhanced[0] == 5 ? 4 : verdict.enhanced[0];
    }
    ASSERT(c->answered.rcpt < t->message->envelope->rcpt_count);
    t->message->rcpts_answered++;
    smtp_client_tell_rcpt(c, t->message, c->answered.rcpt,
                          t->mail_refused ? &t->refusal : &verdict);
    c->answered.rcpt++;
    skip_unfit(c);
    give_up_if_unwanted(c);
}

/* No recipient is known to be left for the text: the peer is not even asked. */
static bool unwanted(const struct smtp_client *c, const struct smtp_client_transaction *t)
{
    return t->mail_refused || (c->unanswered == 0 && t->message->rcpts_accepted == 0);
}

static bool send_data(struct smtp_client *c, struct buf *out)
{
    const struct smtp_client_transaction *t = smtp_client_sending(c);
    if (unwanted(c, t) || !window_open(c))
        return false;
    smtp_client_write_line(out, BYTES("DATA"), BYTES_EMPTY);
    smtp_client_expect(c);
    smtp_client_enter_sent(c, SMTP_CLIENT_STATE_TEXT);
    return true;
}

static void on_data(struct smtp_client *c, const struct mail_status *status, struct bytes rest)
{
    (void)rest;
    struct smtp_client_transaction *t = smtp_client_head(c);
    if (status->code == 354) {
        smtp_client_enter_answered(c, SMTP_CLIENT_STATE_TEXT);
    } else if (status->code < 400) {
        smtp_client_broken(c, "Senseless reply");
    } else {
        c->reset_needed = true;
        smtp_client_finish(c, t->mail_refused ? &t->refusal : status, false);
    }
}

/* RFC 3030 2. Its reply counts from the last octet on: until then a refusal cuts it short. */
static bool send_bdat(struct smtp_client *c, struct buf *out)
{
    const struct smtp_client_transaction *t = smtp_client_sending(c);
    if (unwanted(c, t) || (t->patient && c->unanswered > 0) || !window_open(c))
        return false;
    smtp_client_begin_chunk(c, out);
    return true;
}

static void on_end(struct smtp_client *c, const struct mail_status *status, struct bytes rest)
{
    (void)rest;
    static const struct mail_status none =
        MAIL_STATUS_INIT(554, 5, 5, 1, "No recipient was accepted");
    struct smtp_client_transaction *t = smtp_client_head(c);
    if (status->code >= 300 && status->code < 400) {
        smtp_client_broken(c, "Senseless reply");
        return;
    }
    if (t->chunked && c->live == 1) /* else the next one has begun, by RSET */
        c->reset_needed = !mail_status_ok(status);
    if (t->message->rcpts_accepted == 0)
        status = t->mail_refused ? &t->refusal : &none;
    smtp_client_finish(c, status, false);
}

static bool send_quit(struct smtp_client *c, struct buf *out)
{
    if (c->quit_sent || !window_open(c))
        return false;
    smtp_client_write_line(out, BYTES("QUIT"), BYTES_EMPTY);
    smtp_client_expect(c);
    c->quit_sent = true;
    return false;
}

static void on_quit(struct smtp_client *c, const struct mail_status *status, struct bytes rest)
{
    (void)rest;
    smtp_client_end(c, status, true);
}

#define TIMEOUT(member) offsetof(struct smtp_client_timeouts, member)

const struct smtp_client_row SMTP_CLIENT_TABLE[SMTP_CLIENT_STATES] = {
    [SMTP_CLIENT_STATE_BANNER] = {"waiting for the greeting", TIMEOUT(banner), NULL, on_banner,
                                  false},
    [SMTP_CLIENT_STATE_EHLO] = {"introducing ourselves by EHLO", TIMEOUT(hello), send_ehlo, on_ehlo,
                                true},
    [SMTP_CLIENT_STATE_HELO] = {"introducing ourselves by HELO", TIMEOUT(hello), send_helo, on_helo,
                                true},
    [SMTP_CLIENT_STATE_STARTTLS] = {"asking for TLS", TIMEOUT(hello), send_starttls, on_starttls,
                                    true},
    [SMTP_CLIENT_STATE_HANDSHAKE] = {"shaking hands for TLS", TIMEOUT(hello), NULL, NULL, false},
    [SMTP_CLIENT_STATE_READY] = {"open without work", TIMEOUT(mail), send_next, NULL, false},
    [SMTP_CLIENT_STATE_RSET] = {"taking back the last envelope", TIMEOUT(mail), send_rset, on_rset,
                                true},
    [SMTP_CLIENT_STATE_MAIL] = {"naming the sender", TIMEOUT(mail), send_mail, on_mail, true},
    [SMTP_CLIENT_STATE_RCPT] = {"naming the recipients", TIMEOUT(rcpt), send_rcpt, on_rcpt, true},
    [SMTP_CLIENT_STATE_DATA] = {"asking to send the text", TIMEOUT(data), send_data, on_data, true},
    [SMTP_CLIENT_STATE_TEXT] = {"sending the text", TIMEOUT(text), smtp_client_send_text, NULL,
                                false},
    [SMTP_CLIENT_STATE_BDAT] = {"announcing the text", TIMEOUT(data), send_bdat, NULL, true},
    [SMTP_CLIENT_STATE_CHUNK] = {"sending the text", TIMEOUT(text), smtp_client_send_chunk, NULL,
                                 false},
    [SMTP_CLIENT_STATE_END] = {"waiting for the reply to the whole message (it may arrive twice)",
                               TIMEOUT(end), NULL, on_end, false},
    [SMTP_CLIENT_STATE_QUIT] = {"saying good-bye", TIMEOUT(quit), send_quit, on_quit, true},
    [SMTP_CLIENT_STATE_ENDED] = {"ended", TIMEOUT(quit), NULL, NULL, false},
};
