/* A server session without a socket, and the owner that answers it. */
#include "smtp_server_rig.h"

#include <stdio.h>
#include <stdlib.h>

static enum smtp_server_verdict rig_verdict(struct rig *r, const struct mail_status *wanted,
                                            struct mail_status *status)
{
    if (wanted->code)
        *status = *wanted;
    r->waiting = *status;
    return r->later ? SMTP_SERVER_LATER : SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict rig_on_mail(void *owner, const struct mail_envelope *envelope,
                                            struct mail_status *status)
{
    struct rig *r = owner;
    (void)envelope;
    CHECK(!r->open);
    r->mails++;
    r->open = r->on_mail.code == 0 || mail_status_ok(&r->on_mail);
    return rig_verdict(r, &r->on_mail, status);
}

static enum smtp_server_verdict rig_on_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                            struct bytes domain, struct mail_status *status)
{
    struct rig *r = owner;
    CHECK(r->open && rcpt->address.len);
    r->rcpts++;
    r->last_domain = arena_bytes(&r->arena, domain);
    return rig_verdict(r, &r->on_rcpt, status);
}

static enum smtp_server_verdict rig_on_begin(void *owner, struct mail_status *status)
{
    struct rig *r = owner;
    CHECK(r->open && smtp_server_facts(r->s)->envelope->rcpt_count > 0);
    r->begins++;
    buf_clear(&r->text);
    return rig_verdict(r, &r->on_begin, status);
}

static bool rig_on_text(void *owner, struct bytes text, struct mail_status *status)
{
    struct rig *r = owner;
    CHECK(r->open);
    CHECK(buf_append(&r->text, text) == ERR_OK);
    if (r->on_text.code)
        *status = r->on_text;
    return r->on_text.code == 0;
}

static enum smtp_server_verdict rig_on_end(void *owner, struct mail_status *status)
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

static void rig_on_abort(void *owner)
{
    struct rig *r = owner;
    CHECK(r->open);
    r->open = false;
    r->aborts++;
}

static void rig_on_refused(void *owner, struct bytes verb, struct bytes argument,
                           const struct mail_status *status)
{
    struct rig *r = owner;
    r->refusals++;
    CHECK(buf_append(&r->told, verb) == ERR_OK && buf_append(&r->told, argument) == ERR_OK);
    if (verb.len < 100 && buf_len(&r->refused) < 1000)
        CHECK(buf_printf(&r->refused, BYTES_FMT " %u\n", BYTES_ARG(verb), status->code) == ERR_OK);
}

static void rig_on_tls(void *owner)
{
    struct rig *r = owner;
    r->tls++;
}

static enum smtp_server_verdict rig_on_auth(void *owner, struct bytes user, struct bytes password,
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

const struct smtp_server_ops rig_ops = {
    rig_on_mail,    rig_on_rcpt, rig_on_begin, rig_on_text,     rig_on_end, rig_on_abort,
    rig_on_refused, rig_on_tls,  rig_on_auth,  rig_on_protocol, NULL,       rig_on_tarpit,
};

struct mail_status rig_status(uint16_t code, uint16_t a, uint16_t b, uint16_t c, const char *text)
{
    return (struct mail_status){code, {a, b, c}, bytes_of(text)};
}

void rig_init(struct rig *r)
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

struct bytes rig_output(struct rig *r)
{
    return buf_bytes(smtp_server_output(r->s));
}

void rig_start_refused(struct rig *r, const struct mail_status *refusal)
{
    struct smtp_server_facts facts = {.session_id = 7};
    CHECK(endpoint_parse(BYTES("192.0.2.1:4711"), &facts.client) == ERR_OK);
    CHECK(endpoint_parse(BYTES("192.0.2.10:25"), &facts.local) == ERR_OK);
    r->s = smtp_server_new(&r->settings, &facts, &rig_ops, r);
    smtp_server_greet(r->s, refusal);
}

void rig_start(struct rig *r)
{
    rig_start_refused(r, NULL);
    buf_clear(smtp_server_output(r->s));
}

void rig_end(struct rig *r)
{
    smtp_server_free(&r->s);
    CHECK(!r->open); /* every transaction that was opened was committed or aborted */
    arena_free(&r->arena);
    buf_free(&r->text);
    buf_free(&r->refused);
    buf_free(&r->told);
}

void rig_answer(struct rig *r)
{
    struct mail_status status = r->waiting;
    smtp_server_answer(r->s, &status);
}

size_t rig_send(struct rig *r, struct bytes in)
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

size_t rig_send_bytewise(struct rig *r, struct bytes in)
{
    size_t left = 0;
    for (size_t i = 0; i < in.len; i++)
        left += rig_send(r, bytes_sub(in, i, 1));
    return left;
}

bool rig_expect(struct rig *r, const char *wanted)
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

bool rig_say(struct rig *r, const char *send, const char *wanted)
{
    rig_send(r, bytes_of(send));
    return rig_expect(r, wanted);
}

struct rig *rig_new(void)
{
    static struct rig rig;
    clock_virtual_start(1000, 1700000000000);
    rig_init(&rig);
    return &rig;
}

void rig_done(struct rig *r)
{
    rig_end(r);
    clock_virtual_end();
}

void rig_to_rcpt(struct rig *r)
{
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL, "250 2.1.0");
    rig_say(r, RIG_RCPT, "250 2.1.5");
}

void rig_to_data(struct rig *r)
{
    rig_to_rcpt(r);
    rig_say(r, "DATA\r\n", "354 ");
}
