/* AUTH (RFC 4954): the exchange up to a name and a password, which the owner is asked about. What
 * a client says here is never shown, and is wiped as soon as it has been used. */
#include "core/mem.h"
#include "net/smtp_server_private.h"

#define AUTH_EXTENSIONS ((unsigned)(SMTP_EXTENSION_AUTH_PLAIN | SMTP_EXTENSION_AUTH_LOGIN))

static const struct mail_status malformed = MAIL_STATUS_INIT(501, 5, 5, 2, "Malformed response");

bool smtp_server_auth_possible(const struct smtp_server *s)
{
    return s->ops->on_auth && (s->settings.extensions & AUTH_EXTENSIONS);
}

bool smtp_server_auth_offered(const struct smtp_server *s)
{
    bool needs_tls = s->settings.auth_require_tls || s->settings.require_tls;
    return smtp_server_auth_possible(s) && s->facts.esmtp && !s->facts.user.len &&
           (!needs_tls || s->facts.tls);
}

/* ---- what may be shown ------------------------------------------------------------------- */

/* The first octets of the line may have come in another piece. */
bool smtp_server_auth_line_long(const struct smtp_server *s, struct bytes in)
{
    static const char start[] = "AUTH ";
    struct bytes before = buf_bytes(&s->line);
    if (s->state == SERVER_AUTH)
        return true;
    if (s->state != SERVER_READY || !smtp_server_auth_offered(s))
        return false;
    for (size_t i = 0; i < sizeof start - 1; i++) {
        if (i >= before.len && i - before.len >= in.len)
            return false;
        char c = i < before.len ? before.ptr[i] : in.ptr[i - before.len];
        if (bytes_lower(c) != bytes_lower(start[i]))
            return false;
    }
    return true;
}

/* A client that goes on with AUTH although it was refused says its secrets where commands belong.
 */
struct bytes smtp_server_auth_shown(const struct smtp_server *s, struct bytes line)
{
    bool secret =
        s->auth_seen || s->state == SERVER_AUTH || bytes_starts_nocase(line, BYTES("AUTH"));
    return secret && line.len ? BYTES("(hidden)") : line;
}

/* ---- the exchange ------------------------------------------------------------------------ */

static void forget_name(struct smtp_server *s)
{
    if (s->user)
        explicit_bzero(s->user, s->user_len);
    mem_free(s->user);
    s->user = NULL;
    s->user_len = 0;
}

static void keep_name(struct smtp_server *s, struct bytes user)
{
    forget_name(s);
    s->user = mem_alloc(user.len + 1);
    s->user_len = user.len;
    if (user.len)
        memcpy(s->user, user.ptr, user.len);
}

void smtp_server_auth_abandon(struct smtp_server *s)
{
    if (s->state != SERVER_AUTH)
        return;
    forget_name(s);
    s->mechanism = SMTP_AUTH_NONE;
    smtp_server_enter(s, SERVER_READY);
}

void smtp_server_auth_forget(struct smtp_server *s)
{
    forget_name(s);
    s->facts.user = BYTES_EMPTY;
}

/* TEXT is base64 already, or empty. */
static void challenge(struct smtp_server *s, struct bytes text)
{
    size_t before = buf_len(&s->output);
    smtp_server_enter(s, SERVER_AUTH);
    if (buf_printf(&s->output, "334 " BYTES_FMT "\r\n", BYTES_ARG(text)) != ERR_OK)
        smtp_server_enter(s, SERVER_CLOSING);
    smtp_server_said(s, before);
}

/* Credentials that cannot exist go through the same steps and take the same time. */
static void ask(struct smtp_server *s, const struct smtp_auth_credentials *said, bool usable)
{
    struct mail_status status = MAIL_STATUS(235, 2, 7, 0, "Authentication successful");
    struct smtp_auth_credentials c = {BYTES_EMPTY, BYTES_EMPTY};
    if (usable) {
        c = *said;
        keep_name(s, c.user);
        c.user = bytes_make(s->user, s->user_len);
    } else {
        forget_name(s);
    }
    s->mechanism = SMTP_AUTH_NONE;
    smtp_server_enter(s, SERVER_ASK_AUTH);
    if (s->ops->on_auth(s->owner, c.user, c.password, &status) == SMTP_SERVER_ANSWERED)
        smtp_server_answered(s, &status);
}

static void say_malformed(struct smtp_server *s)
{
    smtp_server_auth_abandon(s);
    smtp_server_error(s, &malformed);
}

static void take_plain(struct smtp_server *s, struct bytes message)
{
    struct smtp_auth_credentials c;
    enum err e = smtp_auth_plain(message, &c);
    if (e == ERR_SYNTAX)
        say_malformed(s);
    else
        ask(s, &c, e == ERR_OK);
}

/* A name, then a password, each a response of its own. */
static void take_login(struct smtp_server *s, struct bytes text)
{
    if (!s->login_has_user) {
        s->login_has_user = true;
        keep_name(s, text.len <= SMTP_AUTH_USER_MAX ? text : BYTES_EMPTY);
        challenge(s, BYTES("UGFzc3dvcmQ6")); /* "Password:" */
        return;
    }
    char user[SMTP_AUTH_USER_MAX];
    struct smtp_auth_credentials c = {{user, s->user_len}, text};
    if (s->user_len)
        memcpy(user, s->user, s->user_len);
    ask(s, &c, smtp_auth_usable(&c));
}

static void take_decoded(struct smtp_server *s, struct bytes text)
{
    if (s->mechanism == SMTP_AUTH_PLAIN)
        take_plain(s, text);
    else
        take_login(s, text);
}

static void take_response(struct smtp_server *s, struct bytes line)
{
    char decoded[SMTP_AUTH_DECODED_MAX(SMTP_AUTH_LINE_MAX)];
    size_t len = 0;
    if (line.len <= SMTP_AUTH_LINE_MAX && smtp_auth_decode(line, decoded, &len) == ERR_OK)
        take_decoded(s, bytes_make(decoded, len));
    else
        say_malformed(s);
    explicit_bzero(decoded, SMTP_AUTH_DECODED_MAX(line.len < SMTP_AUTH_LINE_MAX
                                                      ? line.len
                                                      : (size_t)SMTP_AUTH_LINE_MAX));
}

void smtp_server_auth_response(struct smtp_server *s, struct bytes line)
{
    s->current = (struct smtp_command){
        BYTES("AUTH"), s->mechanism == SMTP_AUTH_PLAIN ? BYTES("PLAIN") : BYTES("LOGIN")};
    if (!bytes_equal(line, BYTES("*"))) {
        take_response(s, line);
        return;
    }
    smtp_server_auth_abandon(s);
    smtp_server_refuse(s, &MAIL_STATUS(501, 5, 7, 0, "Authentication cancelled"));
}

/* ---- AUTH SP mechanism [SP initial-response], RFC 4954 4 --------------------------------- */

/* The mechanism, if it is offered here. */
static enum smtp_auth_mechanism mechanism_find(const struct smtp_server *s, struct bytes name)
{
    enum smtp_auth_mechanism m = smtp_auth_mechanism_parse(name);
    unsigned bit = m == SMTP_AUTH_PLAIN   ? SMTP_EXTENSION_AUTH_PLAIN
                   : m == SMTP_AUTH_LOGIN ? SMTP_EXTENSION_AUTH_LOGIN
                                          : 0;
    return s->settings.extensions & bit ? m : SMTP_AUTH_NONE;
}

static void begin(struct smtp_server *s, enum smtp_auth_mechanism mechanism, struct bytes initial)
{
    s->mechanism = mechanism;
    s->login_has_user = false;
    if (initial.len == 0) {
        challenge(s, mechanism == SMTP_AUTH_LOGIN ? BYTES("VXNlcm5hbWU6") : BYTES_EMPTY);
        return;
    }
    smtp_server_enter(s, SERVER_AUTH);
    take_response(s, bytes_equal(initial, BYTES("=")) ? BYTES_EMPTY : initial);
}

static const struct mail_status unknown =
    MAIL_STATUS_INIT(504, 5, 7, 4, "Unrecognized authentication type");

static void say_unknown(struct smtp_server *s, bool is_error)
{
    if (is_error)
        smtp_server_error(s, &unknown);
    else
        smtp_server_refuse(s, &unknown);
}

/* The command points into its line, which does not outlast it; what is shown of it is static. */
static void refuse_mechanism(struct smtp_server *s, struct bytes name, bool is_error)
{
    s->current = (struct smtp_command){BYTES("AUTH"), smtp_auth_mechanism_shown(name)};
    if (!s->ops->on_tarpit || s->ops->on_tarpit(s->owner, &unknown) == SMTP_SERVER_ANSWERED) {
        say_unknown(s, is_error);
        return;
    }
    s->refused_mechanism = s->current.argument;
    s->refused_is_error = is_error;
    smtp_server_enter(s, SERVER_ASK_AUTH);
}

void smtp_server_verb_auth(struct smtp_server *s, struct bytes argument)
{
    struct bytes name, initial;
    bytes_split(argument, ' ', &name, &initial);
    enum smtp_auth_mechanism mechanism = mechanism_find(s, name);
    if (s->facts.user.len)
        smtp_server_error(s, &MAIL_STATUS(503, 5, 5, 1, "Already authenticated"));
    else if (!s->facts.esmtp)
        smtp_server_error(s, &MAIL_STATUS(503, 5, 5, 1, "Send EHLO first"));
    else if (name.len == 0)
        smtp_server_error(s, &MAIL_STATUS(501, 5, 5, 4, "Argument needed"));
    else if (s->settings.auth_require_tls && !s->facts.tls)
        refuse_mechanism(s, name, false);
    else if (mechanism == SMTP_AUTH_NONE)
        refuse_mechanism(s, name, true);
    else
        begin(s, mechanism, initial);
}

void smtp_server_auth_answered(struct smtp_server *s, const struct mail_status *status)
{
    if (s->refused_mechanism.len) {
        s->current = (struct smtp_command){BYTES("AUTH"), s->refused_mechanism};
        s->refused_mechanism = BYTES_EMPTY;
        smtp_server_enter(s, SERVER_READY);
        say_unknown(s, s->refused_is_error);
        return;
    }
    bool ok = mail_status_ok(status) && s->user;
    s->current = (struct smtp_command){BYTES("AUTH"), BYTES_EMPTY};
    if (ok)
        s->facts.user = bytes_make(s->user, s->user_len);
    else
        forget_name(s);
    smtp_server_enter(s, SERVER_READY);
    smtp_server_reply(s, status);
    if (status->code != 535 || ++s->logon_failures != s->settings.logon_failures_max)
        return;
    /* The reply belongs to the attempt, this one to the connection (RFC 5321 3.8). */
    smtp_server_refuse_close(
        s, &MAIL_STATUS(421, 4, 7, 0, "Too many failed logons, closing transmission channel"));
}
