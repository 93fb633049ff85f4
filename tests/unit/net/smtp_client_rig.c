/* Plays the script of a row against a client session. */
#include "smtp_client_rig.h"

#include <stdio.h>
#include <stdlib.h>

void __attribute__((format(printf, 2, 3))) say(struct world *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (w->len > 0 && w->len + 1 < sizeof w->log)
        w->log[w->len++] = ' ';
    int n = vsnprintf(w->log + w->len, sizeof w->log - w->len, fmt, args);
    va_end(args);
    w->len += n > 0 ? (size_t)n : 0;
}

static bool mail_read(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    const struct mail *mail = CONTAINER_OF(m, struct mail, message);
    CHECK(at + len <= m->octets);
    if (mail->from->unreadable)
        return false;
    memcpy(to, mail->from->text + at, len);
    return true;
}

static struct smtp_client_message *next_message(void *owner)
{
    struct world *w = owner;
    return w->next < w->count ? &w->mails[w->next++].message : NULL;
}

static void on_rcpt(void *owner, struct smtp_client_message *m, size_t rcpt,
                    const struct mail_status *status)
{
    const struct mail *mail = CONTAINER_OF(m, struct mail, message);
    CHECK(rcpt < m->envelope->rcpt_count);
    say(owner, "r%d.%zu=%u", mail->number, rcpt, status->code);
}

static void on_message_done(void *owner, struct smtp_client_message *m,
                            const struct mail_status *status, bool ambiguous)
{
    struct mail *mail = CONTAINER_OF(m, struct mail, message);
    CHECK_U64(mail->done++, 0);
    say(owner, "d%d=%u%s", mail->number, status->code, ambiguous ? "?" : "");
}

static void on_open(void *owner)
{
    say(owner, "open");
}

static void on_end(void *owner, const struct mail_status *status)
{
    struct world *w = owner;
    CHECK(!w->dead);
    w->dead = true;
    say(w, "end=%u/%u.%u.%u", status->code, status->enhanced[0], status->enhanced[1],
        status->enhanced[2]);
}

static const struct smtp_client_ops OPS = {
    .next_message = next_message,
    .on_rcpt = on_rcpt,
    .on_message_done = on_message_done,
    .on_open = on_open,
    .on_end = on_end,
};

void mail_make(struct mail *mail, const struct msg *from, int number)
{
    *mail = (struct mail){.from = from, .number = number};
    mail->envelope = (struct mail_envelope){
        .sender = bytes_of(from->sender),
        .envid = bytes_of(from->envid),
        .auth = bytes_of(from->auth),
        .body = from->body,
        .ret = from->ret,
        .options = from->options,
        .rcpts = mail->rcpts,
    };
    struct bytes rest = bytes_of(from->rcpts);
    while (rest.len > 0) {
        struct mail_rcpt *r = &mail->rcpts[mail->envelope.rcpt_count++];
        (void)bytes_split(rest, ' ', &r->address, &rest);
        r->orcpt = bytes_of(from->orcpt);
        r->orar = bytes_of(from->orar);
        r->notify = from->notify;
    }
    mail->message = (struct smtp_client_message){
        .envelope = &mail->envelope,
        .octets = from->octets ? from->octets : strlen(from->text),
        .notes = from->notes,
        .read = mail_read,
    };
}

void world_start(struct world *w, const struct row *row)
{
    *w = (struct world){0};
    for (; w->count < ARRAY_SIZE(row->msgs) && row->msgs[w->count].sender; w->count++)
        mail_make(&w->mails[w->count], &row->msgs[w->count], (int)w->count);
    struct smtp_client_settings settings = row->with;
    settings.helo = BYTES("me.example");
    w->client = smtp_client_new(&settings, &OPS, w);
}

static void step_run(struct world *w, const struct step *s, bool split, struct buf *out)
{
    struct bytes in = bytes_of(s->in);
    switch (s->act) {
    case INPUT:
        for (size_t i = 0; split && i < in.len; i++) {
            smtp_client_input(w->client, bytes_sub(in, i, 1));
            smtp_client_fill(w->client, out);
        }
        if (!split)
            smtp_client_input(w->client, in);
        break;
    case LOST:
        smtp_client_lost(w->client, "connection reset");
        break;
    case WAIT:
        clock_virtual_advance(s->wait_ms);
        smtp_client_timeout(w->client);
        break;
    case TLS_OK:
    case TLS_FAILS:
        CHECK_U64(smtp_client_want(w->client), SMTP_CLIENT_WANT_HANDSHAKE);
        smtp_client_tls_done(w->client, s->act == TLS_OK);
        break;
    case QUIT:
        smtp_client_quit(w->client);
        break;
    case KICK:
        smtp_client_kick(w->client);
        break;
    }
}

void client_row_run(const struct row *row, bool split)
{
    struct world w;
    struct buf out;
    buf_init(&out, 128 * 1024);
    world_start(&w, row);
    for (size_t i = 0; i < ARRAY_SIZE(row->steps); i++) {
        const struct step *s = &row->steps[i];
        if (!s->in && !s->out && s->act == INPUT)
            break;
        buf_clear(&out);
        step_run(&w, s, split, &out);
        smtp_client_fill(w.client, &out);
        CHECK_BYTES(buf_bytes(&out), bytes_of(s->out));
    }
    CHECK_STR(w.log, row->log);
    CHECK_U64(smtp_client_want(w.client) == SMTP_CLIENT_WANT_CLOSE, w.dead);
    smtp_client_free(&w.client);
    for (size_t i = 0; i < w.next; i++)
        CHECK_U64(w.mails[i].done, 1);
    buf_free(&out);
}
