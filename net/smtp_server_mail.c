/* MAIL and RCPT: paths, parameters, and the questions to the owner. */
#include "core/vector.h"
#include "net/smtp_params.h"
#include "net/smtp_server_private.h"

/* A transaction's memory: room for every recipient allowed, and for a good many refused ones. */
#define TRANSACTION_BYTES_MIN (256 * 1024)
#define RCPT_BYTES            352

/* What the parameters were found to be; false: refused, and said so. */
static bool params_valid(struct smtp_server *s, enum err read)
{
    if (read == ERR_NOTFOUND)
        smtp_server_error(s, &MAIL_STATUS(555, 5, 5, 4, "Unsupported parameter"));
    else if (read != ERR_OK)
        smtp_server_error(s, &MAIL_STATUS(501, 5, 5, 4, "Invalid parameter"));
    return read == ERR_OK;
}

/* RFC 6531 3.5: an address beyond ASCII only in a transaction that said SMTPUTF8. */
static bool ascii_or_utf8(struct smtp_server *s, struct bytes address, unsigned options)
{
    for (size_t i = 0; i < address.len && !(options & MAIL_OPTION_SMTPUTF8); i++) {
        if ((unsigned char)address.ptr[i] >= 0x80) {
            smtp_server_error(s, &MAIL_STATUS(553, 5, 6, 7, "Address needs SMTPUTF8"));
            return false;
        }
    }
    return true;
}

/* ---- paths ------------------------------------------------------------------------------ */

/* Room for a path that was completed, until it is kept with its transaction. */
struct path_room {
    char text[SMTP_SERVER_LONG_ADDRESS_MAX];
};

/* PATH, which has no domain, gets ours (Exchange: DefaultDomain). */
static bool complete_path(const struct smtp_server *s, struct smtp_path *path,
                          struct path_room *room)
{
    struct bytes local = path->local_part, domain = s->settings.default_domain;
    size_t len = local.len + 1 + domain.len;
    if (len > s->settings.address_max || len > sizeof room->text)
        return false;
    memcpy(room->text, local.ptr, local.len);
    room->text[local.len] = '@';
    memcpy(room->text + local.len + 1, domain.ptr, domain.len);
    path->address = bytes_make(room->text, len);
    path->domain = bytes_from(path->address, local.len + 1);
    return true;
}

/* False: malformed. */
static bool read_path(const struct smtp_server *s, struct bytes argument, enum smtp_path_kind kind,
                      struct smtp_path *path, struct path_room *room, struct bytes *rest)
{
    bool utf8 = smtp_server_offered(s) & SMTP_EXTENSION_SMTPUTF8;
    bool whole =
        smtp_syntax_path(argument, kind, utf8, s->settings.address_max, path, rest) == ERR_OK;
    if (!s->settings.default_domain.len || (whole && (path->domain.len || !path->address.len)))
        return whole;
    return (whole || smtp_syntax_local_path(argument, kind, utf8, path, rest) == ERR_OK) &&
           complete_path(s, path, room);
}

/* ---- MAIL: "MAIL FROM:" Reverse-path [SP Mail-parameters], RFC 5321 4.1.1.2 -------------- */

static void ask_mail(struct smtp_server *s, const struct mail_envelope *from)
{
    struct mail_status status = MAIL_STATUS(250, 2, 1, 0, "Sender OK");
    mail_envelope_copy(&s->arena, from, &s->envelope);
    s->facts.envelope = &s->envelope;
    smtp_server_enter(s, SERVER_ASK_MAIL);
    if (s->ops->on_mail(s->owner, &s->envelope, &status) == SMTP_SERVER_ANSWERED)
        smtp_server_answered(s, &status);
}

void smtp_server_verb_mail(struct smtp_server *s, struct bytes argument)
{
    struct smtp_path path;
    struct path_room room;
    struct bytes rest;
    struct mail_envelope envelope = {
        .sender = BYTES_EMPTY, .envid = BYTES_EMPTY, .auth = BYTES_EMPTY};
    if (!read_path(s, argument, SMTP_PATH_SENDER, &path, &room, &rest)) {
        smtp_server_error(s, &MAIL_STATUS(501, 5, 1, 7, "Invalid address"));
        return;
    }
    if (!params_valid(s, smtp_params_read_mail(rest, smtp_server_offered(s), &envelope)) ||
        !ascii_or_utf8(s, path.address, envelope.options))
        return;
    if (envelope.size_declared > s->settings.message_size_max) {
        smtp_server_refuse(s, &SMTP_SERVER_TOO_LARGE);
        return;
    }
    envelope.sender = path.address;
    ask_mail(s, &envelope);
}

void smtp_server_mail_answered(struct smtp_server *s, const struct mail_status *status)
{
    ASSERT(!s->open && s->envelope.rcpt_count == 0);
    s->open = mail_status_ok(status);
    smtp_server_reply(s, status);
    if (!s->open)
        smtp_server_forget(s);
    smtp_server_enter(s, s->open ? SERVER_MAIL : SERVER_READY);
}

/* ---- RCPT: "RCPT TO:" Forward-path [SP Rcpt-parameters], RFC 5321 4.1.1.3 ---------------- */

/* The place behind the recipients accepted so far; NULL: no more fit in. */
static struct mail_rcpt *rcpt_slot(struct smtp_server *s)
{
    struct mail_envelope *e = &s->envelope;
    size_t limit;
    if (__builtin_mul_overflow(s->settings.rcpts_max, (size_t)RCPT_BYTES, &limit) ||
        __builtin_add_overflow(limit, (size_t)TRANSACTION_BYTES_MIN, &limit))
        limit = SIZE_MAX;
    if (e->rcpt_count >= s->settings.rcpts_max || s->arena.used_bytes >= limit)
        return NULL;
    e->rcpts = vector_reserve_in(&s->arena, e->rcpts, e->rcpt_count, &s->rcpt_capacity,
                                 e->rcpt_count + 1, sizeof *e->rcpts);
    return &e->rcpts[e->rcpt_count];
}

static void ask_rcpt(struct smtp_server *s, const struct mail_rcpt *from, struct bytes domain)
{
    struct mail_status status = MAIL_STATUS(250, 2, 1, 5, "Recipient OK");
    struct mail_rcpt *rcpt = rcpt_slot(s);
    if (!rcpt) {
        smtp_server_refuse(s, &MAIL_STATUS(452, 4, 5, 3, "Too many recipients"));
        return;
    }
    *rcpt = mail_rcpt_copy(&s->arena, from);
    if (domain.len) /* the same place in the copy: it may lack the address's final dot */
        domain.ptr = rcpt->address.ptr + (domain.ptr - from->address.ptr);
    smtp_server_enter(s, SERVER_ASK_RCPT);
    if (s->ops->on_rcpt(s->owner, rcpt, domain, &status) == SMTP_SERVER_ANSWERED)
        smtp_server_answered(s, &status);
}

void smtp_server_rcpt_rewrite(struct smtp_server *s, struct bytes address)
{
    ASSERT(s->state == SERVER_ASK_RCPT);
    s->envelope.rcpts[s->envelope.rcpt_count].address = arena_bytes(&s->arena, address);
}

void smtp_server_verb_rcpt(struct smtp_server *s, struct bytes argument)
{
    struct smtp_path path;
    struct path_room room;
    struct bytes rest;
    struct mail_rcpt rcpt = {.orcpt = BYTES_EMPTY};
    if (!read_path(s, argument, SMTP_PATH_RECIPIENT, &path, &room, &rest)) {
        smtp_server_error(s, &MAIL_STATUS(501, 5, 1, 3, "Invalid address"));
        return;
    }
    if (!params_valid(s, smtp_params_read_rcpt(rest, smtp_server_offered(s), &rcpt)) ||
        !ascii_or_utf8(s, path.address, s->envelope.options))
        return;
    rcpt.address = path.address;
    ask_rcpt(s, &rcpt, path.domain);
}

void smtp_server_rcpt_answered(struct smtp_server *s, const struct mail_status *status)
{
    if (mail_status_ok(status))
        s->envelope.rcpt_count++;
    smtp_server_reply(s, status);
    smtp_server_enter(s, s->envelope.rcpt_count ? SERVER_RCPT : SERVER_MAIL);
}
