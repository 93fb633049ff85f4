/* tests/unit/net/smtp_server_rig.h - a server session without a socket, and an owner that writes
 * down all it is told and answers as the test wants: at once or later. */
#ifndef TESTS_SMTP_SERVER_RIG_H
#define TESTS_SMTP_SERVER_RIG_H

#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "net/smtp_server.h"
#include "unit.h"

#define RIG_EXTENSIONS                                                                             \
    (SMTP_SERVER_SIZE | SMTP_SERVER_PIPELINING | SMTP_SERVER_DSN |                                 \
     SMTP_SERVER_ENHANCEDSTATUSCODES | SMTP_SERVER_STARTTLS | SMTP_SERVER_8BITMIME |               \
     SMTP_SERVER_CHUNKING | SMTP_SERVER_SMTPUTF8)

struct rig {
    char protocol[4096];
    size_t protocol_len;
    struct smtp_server *s;
    struct smtp_server_settings settings;
    bool later; /* every question is answered by smtp_server_answer() */
    bool hold;  /* and not by rig_send(): the test does it */
    bool tarpit;
    /* What is answered; code 0: the ordinary success. */
    struct mail_status on_mail, on_rcpt, on_begin, on_text, on_end, on_auth;
    struct mail_status waiting; /* the answer owed */
    unsigned mails, rcpts, begins, ends, commits, aborts, refusals, tls;
    bool open; /* between a MAIL accepted and its end */
    struct arena arena;
    struct mail_envelope envelope; /* of the last message committed */
    unsigned notes;
    uint64_t octets;
    struct bytes last_domain; /* of the last RCPT, in the arena */
    struct buf text;          /* of the last message */
    struct buf refused;       /* "VERB code\n" each, of the first */
    struct buf told;          /* everything about refusals that a log could show */
    unsigned auths;
    char user[600], password[600]; /* of the last AUTH */
};

static inline enum smtp_server_verdict rig_verdict(struct rig *r, const struct mail_status *wanted,
                                                   struct mail_status *status)
{
    if (wanted->code)
        *status = *wanted;
    r->waiting = *status;
    return r->later ? SMTP_SERVER_LATER : SMTP_SERVER_ANSWERED;
}

static inline enum smtp_server_verdict rig_on_mail(void *owner,
                                                   const struct mail_envelope *envelope,
                                                   struct mail_status *status)
{
    struct rig *r = owner;
    (void)envelope;
    CHECK(!r->open);
    r->mails++;
    r->open = r->on_mail.code == 0 || mail_status_ok(&r->on_mail);
    return rig_verdict(r, &r->on_mail, status);
}

static inline enum smtp_server_verdict rig_on_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                                   struct bytes domain, struct mail_status *status)
{
    struct rig *r = owner;
    CHECK(r->open && rcpt->address.len);
    r->rcpts++;
    r->last_domain = arena_bytes(&r->arena, domain);
    return rig_verdict(r, &r->on_rcpt, status);
}

static inline enum smtp_server_verdict rig_on_begin(void *owner, struct mail_status *status)
{
    struct rig *r = owner;
    CHECK(r->open && smtp_server_facts(r->s)->envelope->rcpt_count > 0);
    r->begins++;
    buf_clear(&r->text);
    return rig_verdict(r, &r->on_begin, status);
}

static inline bool rig_on_text(void *owner, struct bytes text, struct mail_status *status)
{
    struct rig *r = owner;
    CHECK(r->open);
    CHECK(buf_append(&r->text, text) == ERR_OK);
    if (r->on_text.code)
        *status = r->on_text;
    return r->on_text.code == 0;
}

static inline enum smtp_server_verdict rig_on_end(void *owner, struct mail_status *status)
{
    struct rig *r = owner;
    const struct smtp_server_facts *facts = smtp_server_facts(r->s);
    CHECK(r->open && facts->envelope->rcpt_count > 0);
    r->ends++;
    r->notes = facts->data_notes;
    r->octets = facts->message_octets;
    if (!r->on_end.code || mail_status_ok(&r->on_end)) {
        mail_envelope_copy(&r->arena, facts->envelope, &r->envelope);
        if (!r->hold) {
            r->commits++;
            r->open = false;
        }
    }
    return rig_verdict(r, &r->on_end, status);
}

static inline void rig_on_abort(void *owner)
{
    struct rig *r = owner;
    CHECK(r->open);
    r->open = false;
    r->aborts++;
}

static inline void rig_on_refused(void *owner, struct bytes verb, struct bytes argument,
                                  const struct mail_status *status)
{
    struct rig *r = owner;
    r->refusals++;
    CHECK(buf_append(&r->told, verb) == ERR_OK && buf_append(&r->told, argument) == ERR_OK);
    if (verb.len < 100 && buf_len(&r->refused) < 1000)
        CHECK(buf_printf(&r->refused, BYTES_FMT " %u\n", BYTES_ARG(verb), status->code) == ERR_OK);
}

static inline void rig_on_tls(void *owner)
{
    struct rig *r = owner;
    r->tls++;
}

static inline enum smtp_server_verdict rig_on_auth(void *owner, struct bytes user,
                                                   struct bytes password,
                                                   struct mail_status *status)
{
    struct rig *r = owner;
    CHECK(!r->open && !smtp_server_facts(r->s)->user.len);
    r->auths++;
    CHECK(bytes_to_cstr(user, r->user, sizeof r->user));
    CHECK(bytes_to_cstr(password, r->password, sizeof r->password));
    return rig_verdict(r, &r->on_auth, status);
}

/* The beginning of what a protocol log would get, one line each. */
static void rig_on_protocol(void *owner, char direction, struct bytes line)
{
    struct rig *r = owner;
    CHECK(direction == '<' || bytes_find(line, '\n', 0) == BYTES_NOT_FOUND);
    if (r->protocol_len + line.len + 2 > sizeof r->protocol - 1)
        return;
    r->protocol[r->protocol_len++] = direction;
    if (line.len)
        memcpy(r->protocol + r->protocol_len, line.ptr, line.len);
    r->protocol_len += line.len;
    r->protocol[r->protocol_len++] = '\n';
    r->protocol[r->protocol_len] = '\0';
}

static enum smtp_server_verdict rig_on_tarpit(void *owner, const struct mail_status *status)
{
    struct rig *r = owner;
    r->waiting = *status;
    return r->tarpit ? SMTP_SERVER_LATER : SMTP_SERVER_ANSWERED;
}

static const struct smtp_server_ops rig_ops = {
    rig_on_mail,    rig_on_rcpt, rig_on_begin, rig_on_text,     rig_on_end, rig_on_abort,
    rig_on_refused, rig_on_tls,  rig_on_auth,  rig_on_protocol, NULL,       rig_on_tarpit,
};

static inline struct mail_status rig_status(uint16_t code, uint16_t a, uint16_t b, uint16_t c,
                                            const char *text)
{
    return (struct mail_status){code, {a, b, c}, bytes_of(text)};
}

/* An owner and settings; change them, then rig_start(). */
static inline void rig_init(struct rig *r)
{
    *r = (struct rig){.settings = {.fqdn = BYTES("relay.example"),
                                   .banner = BYTES_EMPTY,
                                   .extensions = RIG_EXTENSIONS,
                                   .message_size_max = 1000000,
                                   .rcpts_max = 200,
                                   .protocol_errors_max = 5,
                                   .address_max = 571,
                                   .inactivity_timeout_ms = 300000,
                                   .connection_timeout_ms = 600000}};
    arena_init(&r->arena, 0);
    buf_init(&r->text, 64 * 1024 * 1024);
    buf_init(&r->refused, 4096);
    buf_init(&r->told, 64 * 1024 * 1024);
}

static inline struct bytes rig_output(struct rig *r)
{
    return buf_bytes(smtp_server_output(r->s));
}

static inline void rig_start_refused(struct rig *r, const struct mail_status *refusal)
{
    struct smtp_server_facts facts = {.session_id = 7};
    CHECK(endpoint_parse(BYTES("192.0.2.1:4711"), &facts.client) == ERR_OK);
    CHECK(endpoint_parse(BYTES("192.0.2.10:25"), &facts.local) == ERR_OK);
    r->s = smtp_server_new(&r->settings, &facts, &rig_ops, r);
    smtp_server_greet(r->s, refusal);
}

/* Greeted, and the banner is out of the way. */
static inline void rig_start(struct rig *r)
{
    rig_start_refused(r, NULL);
    buf_clear(smtp_server_output(r->s));
}

static inline void rig_end(struct rig *r)
{
    smtp_server_free(&r->s);
    CHECK(!r->open); /* every transaction that was opened was committed or aborted */
    arena_free(&r->arena);
    buf_free(&r->text);
    buf_free(&r->refused);
    buf_free(&r->told);
}

static inline void rig_answer(struct rig *r)
{
    struct mail_status status = r->waiting;
    smtp_server_answer(r->s, &status);
}

/* Feeds IN and answers what is asked; returns what the session would not take. */
static inline size_t rig_send(struct rig *r, struct bytes in)
{
    while (in.len) {
        size_t used = smtp_server_input(r->s, in);
        in = bytes_from(in, used);
        bool asked = smtp_server_want(r->s) == SMTP_SERVER_WANT_ANSWER;
        if (r->hold || (!asked && in.len))
            break;
        while (smtp_server_want(r->s) == SMTP_SERVER_WANT_ANSWER)
            rig_answer(r);
    }
    return in.len;
}

static inline size_t rig_send_bytewise(struct rig *r, struct bytes in)
{
    size_t left = 0;
    for (size_t i = 0; i < in.len; i++)
        left += rig_send(r, bytes_sub(in, i, 1));
    return left;
}

/* The output line by line against WANTED: lines split by LF, each the beginning of a reply line;
 * "*" alone: at least one line, whatever it says. Clears the output. */
static inline bool rig_expect(struct rig *r, const char *wanted)
{
    struct bytes out = rig_output(r), want = bytes_of(wanted);
    bool ok = true, any = bytes_equal(want, BYTES("*"));
    while (ok && !any && (out.len || want.len)) {
        struct bytes line, start;
        ok = out.len && bytes_split(out, '\n', &line, &out) && want.len;
        bytes_split(want, '\n', &start, &want);
        ok = ok && bytes_starts_nocase(line, start);
    }
    ok = any ? out.len > 0 : ok;
    if (!ok)
        unit_check_bytes(rig_output(r), bytes_of(wanted), "reply", __FILE__, __LINE__);
    buf_clear(smtp_server_output(r->s));
    return ok;
}

/* One piece of input and what comes back. */
static inline bool rig_say(struct rig *r, const char *send, const char *wanted)
{
    rig_send(r, bytes_of(send));
    return rig_expect(r, wanted);
}

/* One session on a clock that stands still, and its end. */
static inline struct rig *rig_new(void)
{
    static struct rig rig;
    clock_virtual_start(1000, 1700000000000);
    rig_init(&rig);
    return &rig;
}

static inline void rig_done(struct rig *r)
{
    rig_end(r);
    clock_virtual_end();
}

#define RIG_EHLO "EHLO client.example\r\n"
#define RIG_MAIL "MAIL FROM:<a@b.example>\r\n"
#define RIG_RCPT "RCPT TO:<c@d.example>\r\n"

/* Up to an accepted recipient. */
static inline void rig_to_rcpt(struct rig *r)
{
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL, "250 2.1.0");
    rig_say(r, RIG_RCPT, "250 2.1.5");
}

static inline void rig_to_data(struct rig *r)
{
    rig_to_rcpt(r);
    rig_say(r, "DATA\r\n", "354 ");
}

#endif
