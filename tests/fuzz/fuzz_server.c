/* The whole server session: dialogues in any pieces, an owner that answers now or later and as it
 * likes, time that passes, shutdown, TLS. The first octet chooses settings, the second is the
 * seed of all chance, the rest is what the client says. */
#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/clock.h"
#include "net/smtp_server.h"
#include "net/smtp_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(expr)                                                                                 \
    do {                                                                                           \
        if (!(expr))                                                                               \
            abort();                                                                               \
    } while (0)

enum feed { FEED_OCTETS, FEED_LINES, FEED_CHANCE };

enum question { QUESTION_MAIL, QUESTION_RCPT, QUESTION_BEGIN, QUESTION_END, QUESTION_AUTH };

struct owner {
    struct smtp_server *s;
    uint32_t chance;
    bool moody; /* answers by chance; else a yes to everything, at once */
    bool in_op, waiting, open, begun;
    enum question question; /* the last that was asked */
    struct mail_status answer;
    uint64_t text_octets;
    struct buf text, transcript; /* replies, and the text of messages that were taken */
    size_t groups, lfs;          /* replies written, line ends read */
    uint16_t group_code;
};

static uint32_t draw(struct owner *o, uint32_t below)
{
    o->chance = o->chance * 1664525u + 1013904223u;
    return (o->chance >> 16) % below;
}

static void enter_op(struct owner *o)
{
    MUST(!o->in_op && !o->waiting);
    o->in_op = true;
}

/* What an answer that was given means for the transaction. */
static void answered(struct owner *o)
{
    bool ok = mail_status_ok(&o->answer);
    if (o->question == QUESTION_MAIL)
        o->open = ok;
    else if (o->question == QUESTION_BEGIN)
        o->begun = o->answer.code < 400;
    else if (o->question == QUESTION_END && ok)
        o->open = o->begun = false;
}

/* What is answered, and whether now. */
static enum smtp_server_verdict leave_op(struct owner *o, enum question q,
                                         struct mail_status *status)
{
    static const struct mail_status refusals[] = {
        {550, {5, 7, 1}, {"Unable to relay", 15}},
        {451, {4, 3, 0}, {"Later", 5}},
        {421, {4, 4, 2}, {"Away", 4}},
    };
    if (o->moody && draw(o, 6) == 0)
        *status = refusals[draw(o, 3)];
    o->question = q;
    o->answer = *status;
    o->waiting = o->moody && draw(o, 2);
    o->in_op = false;
    if (!o->waiting)
        answered(o);
    return o->waiting ? SMTP_SERVER_LATER : SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict on_mail(void *owner, const struct mail_envelope *envelope,
                                        struct mail_status *status)
{
    struct owner *o = owner;
    enter_op(o);
    MUST(!o->open && envelope->rcpt_count == 0);
    return leave_op(o, QUESTION_MAIL, status);
}

/* It is what RCPT may name. */
static bool address_valid(struct bytes address)
{
    char line[SMTP_SERVER_LONG_ADDRESS_MAX + 8];
    struct smtp_path path;
    struct bytes rest;
    int len = snprintf(line, sizeof line, "TO:<" BYTES_FMT ">", BYTES_ARG(address));
    return smtp_syntax_path(bytes_make(line, (size_t)len), SMTP_PATH_RECIPIENT, true,
                            SMTP_SERVER_LONG_ADDRESS_MAX, &path, &rest) == ERR_OK &&
           rest.len == 0 && bytes_equal(path.address, address);
}

static enum smtp_server_verdict on_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                        struct bytes domain, struct mail_status *status)
{
    struct owner *o = owner;
    enter_op(o);
    MUST(o->open && !o->begun && rcpt->address.len &&
         rcpt->address.len <= SMTP_SERVER_LONG_ADDRESS_MAX);
    MUST(!domain.len || address_valid(rcpt->address));
    MUST(!domain.len || (domain.ptr >= rcpt->address.ptr &&
                         domain.ptr + domain.len <= rcpt->address.ptr + rcpt->address.len));
    return leave_op(o, QUESTION_RCPT, status);
}

static enum smtp_server_verdict on_begin(void *owner, struct mail_status *status)
{
    struct owner *o = owner;
    enter_op(o);
    MUST(o->open && !o->begun && smtp_server_facts(o->s)->envelope->rcpt_count > 0);
    o->text_octets = 0;
    buf_clear(&o->text);
    return leave_op(o, QUESTION_BEGIN, status);
}

static bool on_text(void *owner, struct bytes text, struct mail_status *status)
{
    struct owner *o = owner;
    enter_op(o);
    MUST(o->open && o->begun && text.len);
    o->text_octets += text.len;
    o->in_op = false;
    if (o->moody)
        return draw(o, 100) != 0;
    MUST(buf_append(&o->text, text) == ERR_OK);
    *status = MAIL_STATUS(552, 5, 3, 4, "Enough");
    return o->text_octets < 5000;
}

static enum smtp_server_verdict on_end(void *owner, struct mail_status *status)
{
    struct owner *o = owner;
    const struct smtp_server_facts *facts = smtp_server_facts(o->s);
    enter_op(o);
    MUST(o->open && o->begun && facts->envelope->rcpt_count > 0);
    MUST(facts->message_octets == o->text_octets);
    MUST(buf_append(&o->transcript, buf_bytes(&o->text)) == ERR_OK);
    return leave_op(o, QUESTION_END, status);
}

static void on_abort(void *owner)
{
    struct owner *o = owner;
    MUST(!o->in_op && o->open);
    o->open = o->begun = false;
}

static void on_refused(void *owner, struct bytes verb, struct bytes argument,
                       const struct mail_status *status)
{
    struct owner *o = owner;
    enter_op(o);
    MUST(status->code >= 400 && verb.len + argument.len <= 4096);
    o->in_op = false;
}

static void on_tls(void *owner)
{
    struct owner *o = owner;
    enter_op(o);
    MUST(!o->open && !smtp_server_facts(o->s)->helo.len);
    o->in_op = false;
}

/* Nobody is asked about twice, nor about a name that could do harm. */
static enum smtp_server_verdict on_auth(void *owner, struct bytes user, struct bytes password,
                                        struct mail_status *status)
{
    struct owner *o = owner;
    enter_op(o);
    MUST(!o->open && !smtp_server_facts(o->s)->user.len && user.len <= 255 && password.len <= 511);
    MUST((user.len == 0) == (password.len == 0));
    for (size_t i = 0; i < user.len; i++)
        MUST((unsigned char)user.ptr[i] >= ' ' && user.ptr[i] != 0x7f);
    for (size_t i = 0; i < password.len; i++)
        MUST((unsigned char)password.ptr[i] >= ' ' && password.ptr[i] != 0x7f);
    if (!user.len || password.len % 2)
        *status = MAIL_STATUS(535, 5, 7, 3, "Authentication unsuccessful");
    return leave_op(o, QUESTION_AUTH, status);
}

static const struct smtp_server_ops ops = {on_mail,    on_rcpt, on_begin, on_text, on_end, on_abort,
                                           on_refused, on_tls,  on_auth,  NULL,    NULL,   NULL};

/* RFC 5321 4.2: code, "-" or blank, text, CRLF, 512 octets, one code a reply. */
static void check_reply_line(struct owner *o, struct bytes line)
{
    MUST(line.len >= 5 && line.len <= 512 && line.ptr[line.len - 2] == '\r');
    MUST(line.ptr[0] >= '2' && line.ptr[0] <= '5' && (line.ptr[3] == ' ' || line.ptr[3] == '-'));
    uint64_t code;
    MUST(bytes_to_u64(bytes_sub(line, 0, 3), 599, &code) == ERR_OK);
    MUST(!o->group_code || o->group_code == code);
    o->group_code = line.ptr[3] == '-' ? (uint16_t)code : 0;
    o->groups += line.ptr[3] == ' ';
    for (size_t i = 0; i + 2 < line.len; i++)
        MUST((unsigned char)line.ptr[i] >= ' ' && (unsigned char)line.ptr[i] < 0x7f);
}

static void take_output(struct owner *o)
{
    struct bytes out = buf_bytes(smtp_server_output(o->s));
    MUST(buf_append(&o->transcript, out) == ERR_OK);
    while (out.len) {
        size_t lf = bytes_find(out, '\n', 0);
        MUST(lf != BYTES_NOT_FOUND);
        check_reply_line(o, bytes_sub(out, 0, lf + 1));
        out = bytes_from(out, lf + 1);
    }
    buf_clear(smtp_server_output(o->s));
    /* One reply a line at most, and beside them the banner and the word at parting. */
    MUST(o->groups <= o->lfs + 3);
}

static void answer(struct owner *o)
{
    struct mail_status status = o->answer;
    MUST(smtp_server_want(o->s) == SMTP_SERVER_WANT_ANSWER);
    o->waiting = false;
    answered(o);
    smtp_server_answer(o->s, &status);
}

/* Something other than input, now and then. */
static void happen(struct owner *o)
{
    uint32_t what = draw(o, 200);
    if (what < 4) {
        clock_virtual_advance(100000);
        smtp_server_timeout(o->s);
    } else if (what == 4) {
        smtp_server_shutdown(o->s);
    }
    (void)smtp_server_deadline_ms(o->s);
}

/* Feeds one piece until the session takes no more of it. False: it has ended. */
static bool feed_piece(struct owner *o, struct bytes piece)
{
    static const struct tls_info tls = {.version = "TLSv1.3", .cipher = "X"};
    do {
        size_t used = smtp_server_input(o->s, piece);
        MUST(used <= piece.len);
        for (size_t i = 0; i < used; i++)
            o->lfs += piece.ptr[i] == '\n';
        piece = bytes_from(piece, used);
        take_output(o);
        switch (smtp_server_want(o->s)) {
        case SMTP_SERVER_WANT_INPUT:
            MUST(!o->waiting && !piece.len);
            break;
        case SMTP_SERVER_WANT_ANSWER:
            MUST(o->waiting);
            if (o->moody && draw(o, 50) == 0)
                return false; /* the client has gone */
            answer(o);
            break;
        case SMTP_SERVER_WANT_HANDSHAKE:
            if (piece.len)
                smtp_server_tls_refused(o->s);
            else
                smtp_server_tls_started(o->s, &tls);
            break;
        case SMTP_SERVER_WANT_CLOSE:
            return false;
        }
        if (o->moody)
            happen(o);
        take_output(o);
    } while (piece.len || smtp_server_want(o->s) == SMTP_SERVER_WANT_ANSWER);
    return smtp_server_want(o->s) != SMTP_SERVER_WANT_CLOSE;
}

static size_t piece_length(struct owner *o, struct bytes in, enum feed feed)
{
    size_t lf = bytes_find(in, '\n', 0);
    if (feed == FEED_OCTETS)
        return 1;
    if (feed == FEED_LINES || draw(o, 2))
        return lf == BYTES_NOT_FOUND ? in.len : lf + 1;
    return 1 + draw(o, in.len < 600 ? (uint32_t)in.len : 600);
}

static void run(struct owner *o, unsigned choice, struct bytes in, enum feed feed)
{
    struct smtp_server_settings settings = {
        .fqdn = BYTES("relay.example"),
        .banner = choice & 1 ? BYTES("220 here") : BYTES_EMPTY,
        .default_domain = choice & 128 ? BYTES("ours.example") : BYTES_EMPTY,
        .extensions = (choice & 2 ? 0xffu : 0xffu & ~(unsigned)SMTP_EXTENSION_PIPELINING) |
                      SMTP_EXTENSION_AUTH_PLAIN | SMTP_EXTENSION_AUTH_LOGIN |
                      (choice & 4 ? SMTP_EXTENSION_XLONGADDR : 0) |
                      (choice & 2 ? SMTP_EXTENSION_XORAR : 0) |
                      (choice & 4 ? SMTP_EXTENSION_BINARYMIME : 0),
        .message_size_max = choice & 4 ? 3000 : UINT64_MAX,
        .rcpts_max = 20,
        .protocol_errors_max = choice & 8 ? 5 : SIZE_MAX,
        .address_max = choice & 4 ? SMTP_SERVER_LONG_ADDRESS_MAX : SMTP_SERVER_ADDRESS_MAX,
        .inactivity_timeout_ms = 300000,
        .connection_timeout_ms = 600000,
        .min_data_rate_bytes_s = choice & 16 ? 500 : 0,
        .logon_failures_max = choice & 8 ? 3 : 0,
        .auth_require_tls = choice & 1,
        .require_tls = choice & 32,
        .require_ehlo_domain = choice & 64,
        .normalize_bare_linefeed = choice & 128,
    };
    struct smtp_server_facts facts = {.session_id = 1};
    clock_virtual_start(1000000, 1700000000000);
    buf_init(&o->transcript, 64 << 20);
    buf_init(&o->text, 64 << 20);
    o->moody = feed == FEED_CHANCE;
    o->s = smtp_server_new(&settings, &facts, &ops, o);
    smtp_server_greet(o->s, NULL);
    take_output(o);
    for (bool going = true; going && in.len;) {
        size_t len = piece_length(o, in, feed);
        going = feed_piece(o, bytes_sub(in, 0, len));
        in = bytes_from(in, len);
    }
    take_output(o);
    smtp_server_free(&o->s);
    buf_free(&o->text);
    MUST(!o->open && !o->s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct bytes in = bytes_make((const char *)data + 2, size - 2);
    struct owner octets = {0}, lines = {0}, any = {.chance = data[1]};
    run(&octets, data[0], in, FEED_OCTETS);
    run(&lines, data[0], in, FEED_LINES);
    run(&any, data[0], in, FEED_CHANCE);
    /* Whatever the pieces, the session says the same and hands on the same text. */
    MUST(bytes_equal(buf_bytes(&octets.transcript), buf_bytes(&lines.transcript)));
    buf_free(&octets.transcript);
    buf_free(&lines.transcript);
    buf_free(&any.transcript);
    return 0;
}
