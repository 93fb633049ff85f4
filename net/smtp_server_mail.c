#include "smtp_server_private.h"

/* A transaction's memory: room for every recipient allowed, and for a good many refused ones. */
#define TRANSACTION_BYTES_MIN (256 * 1024)
#define RCPT_BYTES            256

#define ENVID_OCTETS_MAX 100 /* RFC 3461 4.4 */
#define AUTH_OCTETS_MAX  500 /* RFC 4954 3 */
#define SIZE_DIGITS_MAX  20  /* RFC 1870 3 */

/* What parameters fill: of MAIL the envelope, of RCPT the recipient. */
struct target {
    struct mail_envelope *envelope;
    struct mail_rcpt *rcpt;
};

/* The take_ functions: ERR_SYNTAX for 501; ERR_NOTFOUND for a value that we do not offer: 555. */

/* SIZE=1*20DIGIT, RFC 1870 3 */
static enum err take_size(struct bytes value, struct target *to)
{
    enum err e = bytes_to_u64(value, UINT64_MAX, &to->envelope->size_declared);
    return e == ERR_OK && value.len <= SIZE_DIGITS_MAX ? ERR_OK : ERR_SYNTAX;
}

/* BODY=7BIT / 8BITMIME, RFC 6152 2; BINARYMIME, RFC 3030 3. Whether this one is offered:
 * body_offered(). */
static enum err take_body(struct bytes value, struct target *to)
{
    if (bytes_equal_nocase(value, BYTES("7BIT")))
        to->envelope->body = MAIL_BODY_7BIT;
    else if (bytes_equal_nocase(value, BYTES("8BITMIME")))
        to->envelope->body = MAIL_BODY_8BITMIME;
    else if (bytes_equal_nocase(value, BYTES("BINARYMIME")))
        to->envelope->body = MAIL_BODY_BINARYMIME;
    else
        return ERR_SYNTAX;
    return ERR_OK;
}

/* RET=FULL / HDRS, RFC 3461 4.3 */
static enum err take_ret(struct bytes value, struct target *to)
{
    if (bytes_equal_nocase(value, BYTES("FULL")))
        to->envelope->ret = MAIL_RET_FULL;
    else if (bytes_equal_nocase(value, BYTES("HDRS")))
        to->envelope->ret = MAIL_RET_HDRS;
    else
        return ERR_SYNTAX;
    return ERR_OK;
}

/* ENVID=xtext, RFC 3461 4.4 */
static enum err take_envid(struct bytes value, struct target *to)
{
    to->envelope->envid = value;
    return value.len && value.len <= ENVID_OCTETS_MAX && smtp_syntax_xtext_valid(value)
               ? ERR_OK
               : ERR_SYNTAX;
}

/* AUTH=xtext, "<>" among it, RFC 4954 5: from anybody, believed by nobody without reason */
static enum err take_auth(struct bytes value, struct target *to)
{
    to->envelope->auth = value;
    return value.len && value.len <= AUTH_OCTETS_MAX && smtp_syntax_xtext_valid(value) ? ERR_OK
                                                                                       : ERR_SYNTAX;
}

static enum err take_smtputf8(struct bytes value, struct target *to)
{
    to->envelope->options |= MAIL_OPTION_SMTPUTF8;
    return value.len ? ERR_SYNTAX : ERR_OK;
}

static enum err take_notify(struct bytes value, struct target *to)
{
    return smtp_syntax_notify(value, &to->rcpt->notify);
}

/* ORAR=, the originator's alternate recipient, Exchange: written like ORCPT */
static enum err take_orar(struct bytes value, struct target *to)
{
    to->rcpt->orar = value;
    return smtp_syntax_orcpt_valid(value) ? ERR_OK : ERR_SYNTAX;
}

static enum err take_orcpt(struct bytes value, struct target *to)
{
    to->rcpt->orcpt = value;
    return smtp_syntax_orcpt_valid(value) ? ERR_OK : ERR_SYNTAX;
}

struct param_row {
    const char *keyword;
    unsigned extension; /* one of them must be offered; 0: EHLO is enough */
    bool valueless;
    enum err (*take)(struct bytes value, struct target *to);
};

static const struct param_row mail_params[] = {
    {"SIZE", SMTP_SERVER_SIZE, false, take_size},
    {"BODY", SMTP_SERVER_8BITMIME | SMTP_SERVER_BINARYMIME, false, take_body},
    {"RET", SMTP_SERVER_DSN, false, take_ret},
    {"ENVID", SMTP_SERVER_DSN, false, take_envid},
    {"AUTH", 0, false, take_auth},
    {"SMTPUTF8", SMTP_SERVER_SMTPUTF8, true, take_smtputf8},
};
static const struct param_row rcpt_params[] = {
    {"NOTIFY", SMTP_SERVER_DSN, false, take_notify},
    {"ORCPT", SMTP_SERVER_DSN, false, take_orcpt},
    {"ORAR", SMTP_SERVER_XORAR, false, take_orar},
};

static const struct param_row *param_find(const struct smtp_server *s, struct bytes keyword,
                                          const struct param_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool offered = rows[i].extension == 0
                           ? s->facts.esmtp
                           : smtp_server_offers(s, (enum smtp_server_extension)rows[i].extension);
        if (offered && bytes_equal_nocase(keyword, bytes_of(rows[i].keyword)))
            return &rows[i];
    }
    return NULL;
}

/* All parameters in REST. ERR_SYNTAX: malformed or repeated; ERR_NOTFOUND: unknown. */
static enum err take_params(struct smtp_server *s, struct bytes rest, struct target *to)
{
    const struct param_row *rows = to->rcpt ? rcpt_params : mail_params;
    size_t count = to->rcpt ? ARRAY_SIZE(rcpt_params) : ARRAY_SIZE(mail_params);
    struct smtp_param param;
    unsigned seen = 0;
    enum err e;
    while ((e = smtp_syntax_param(&rest, &param)) == ERR_OK) {
        const struct param_row *row = param_find(s, param.keyword, rows, count);
        if (!row)
            return ERR_NOTFOUND;
        unsigned bit = 1u << (row - rows);
        if ((seen & bit) || param.has_value == row->valueless)
            return ERR_SYNTAX;
        seen |= bit;
        e = row->take(param.value, to);
        if (e != ERR_OK)
            return e;
    }
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* False: refused, and said so. */
static bool params_valid(struct smtp_server *s, struct bytes rest, struct target *to)
{
    enum err e = take_params(s, rest, to);
    if (e == ERR_NOTFOUND)
        smtp_server_error(s, &MAIL_STATUS(555, 5, 5, 4, "Unsupported parameter"));
    else if (e != ERR_OK)
        smtp_server_error(s, &MAIL_STATUS(501, 5, 5, 4, "Invalid parameter"));
    return e == ERR_OK;
}

/* Each value of BODY belongs to one of two extensions. False: refused, and said so. */
static bool body_offered(struct smtp_server *s, const struct mail_envelope *envelope)
{
    enum smtp_server_extension needed =
        envelope->body == MAIL_BODY_BINARYMIME ? SMTP_SERVER_BINARYMIME : SMTP_SERVER_8BITMIME;
    if (envelope->body == MAIL_BODY_7BIT || smtp_server_offers(s, needed))
        return true;
    smtp_server_error(s, &MAIL_STATUS(555, 5, 5, 4, "Unsupported parameter"));
    return false;
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
    bool utf8 = smtp_server_offers(s, SMTP_SERVER_SMTPUTF8);
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
    s->envelope = *from;
    s->envelope.sender = arena_bytes(&s->arena, from->sender);
    if (from->envid.len)
        s->envelope.envid = arena_bytes(&s->arena, from->envid);
    if (from->auth.len)
        s->envelope.auth = arena_bytes(&s->arena, from->auth);
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
    if (!params_valid(s, rest, &(struct target){.envelope = &envelope}) ||
        !body_offered(s, &envelope) || !ascii_or_utf8(s, path.address, envelope.options))
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
    if (e->rcpt_count == s->rcpt_capacity) {
        size_t capacity = s->rcpt_capacity ? s->rcpt_capacity * 2 : 2;
        struct mail_rcpt *rcpts = ARENA_NEW_ARRAY(&s->arena, struct mail_rcpt, capacity);
        if (e->rcpt_count)
            memcpy(rcpts, e->rcpts, e->rcpt_count * sizeof *rcpts);
        e->rcpts = rcpts;
        s->rcpt_capacity = capacity;
    }
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
    *rcpt = *from;
    rcpt->address = arena_bytes(&s->arena, from->address);
    if (from->orcpt.len)
        rcpt->orcpt = arena_bytes(&s->arena, from->orcpt);
    if (from->orar.len)
        rcpt->orar = arena_bytes(&s->arena, from->orar);
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
    if (!params_valid(s, rest, &(struct target){.rcpt = &rcpt}) ||
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
