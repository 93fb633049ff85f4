/* The table of verbs, what is checked before each, and the short ones. */
#include <stdio.h>

#include "core/mem.h"
#include "net/smtp_server_private.h"

#define IN(state)      (1u << (state))
#define IN_TRANSACTION (IN(SERVER_MAIL) | IN(SERVER_RCPT) | IN(SERVER_CHUNKS))
#define IN_ANY         (IN(SERVER_HELLO) | IN(SERVER_READY) | IN_TRANSACTION)
#define IN_ANY_FAILED  (IN_ANY | IN(SERVER_CHUNKS_FAILED))

enum verb_flag {
    VERB_NO_ARGUMENT = 1,
    VERB_JUNK = 2,      /* brings no mail: too many of them count as errors */
    VERB_CLEAR = 4,     /* allowed before STARTTLS where TLS is required (RFC 3207 4) */
    VERB_UTF8 = 8,      /* looks after octets beyond ASCII itself (RFC 6531) */
    VERB_MODE = 16,     /* what follows it is no command: never with bytes behind it (RFC 2920) */
    VERB_NOT_HERE = 32, /* known, not implemented: 502 */
    VERB_FOREIGN = 64,  /* another protocol, perhaps a browser's: 554 and out */
    VERB_REFUSED = 128, /* even after a 554 banner */
    VERB_AUTH = 256,    /* known only where AUTH is possible: else 502 */
};

static void verb_ehlo(struct smtp_server *s, struct bytes argument);
static void verb_helo(struct smtp_server *s, struct bytes argument);
static void verb_rset(struct smtp_server *s, struct bytes argument);
static void verb_noop(struct smtp_server *s, struct bytes argument);
static void verb_quit(struct smtp_server *s, struct bytes argument);
static void verb_vrfy(struct smtp_server *s, struct bytes argument);
static void verb_help(struct smtp_server *s, struct bytes argument);
static void verb_starttls(struct smtp_server *s, struct bytes argument);

struct verb {
    const char *name;
    void (*run)(struct smtp_server *s, struct bytes argument);
    unsigned states; /* where it is legal; elsewhere 503 with MISPLACED */
    unsigned flags;
    const char *misplaced;
};

/* Those of a running transfer first: the search is from the top. What stands behind AUTH in one
 * piece is its continuation, so that it is no VERB_MODE. */
static const struct verb verbs[] = {
    {"MAIL", smtp_server_verb_mail, IN(SERVER_READY), VERB_UTF8, "Sender already specified"},
    {"RCPT", smtp_server_verb_rcpt, IN(SERVER_MAIL) | IN(SERVER_RCPT), VERB_UTF8,
     "Need MAIL command first"},
    {"DATA", smtp_server_verb_data, IN(SERVER_RCPT), VERB_NO_ARGUMENT | VERB_MODE,
     "Need RCPT command first"},
    /* looks at order and TLS itself: refused or not, its octets have to be read */
    {"BDAT", smtp_server_verb_bdat, IN_ANY_FAILED, VERB_CLEAR, ""},
    {"RSET", verb_rset, IN_ANY_FAILED, VERB_NO_ARGUMENT | VERB_JUNK | VERB_CLEAR, ""},
    {"EHLO", verb_ehlo, IN_ANY_FAILED, VERB_JUNK | VERB_CLEAR, ""},
    {"QUIT", verb_quit, IN_ANY_FAILED, VERB_NO_ARGUMENT | VERB_CLEAR | VERB_REFUSED, ""},
    {"HELO", verb_helo, IN_ANY_FAILED, VERB_JUNK | VERB_CLEAR, ""},
    {"NOOP", verb_noop, IN_ANY_FAILED, VERB_JUNK | VERB_CLEAR, ""},
    {"STARTTLS", verb_starttls, IN(SERVER_READY), VERB_NO_ARGUMENT | VERB_MODE | VERB_CLEAR,
     "Not within a mail transaction"},
    {"VRFY", verb_vrfy, IN_ANY, VERB_JUNK, "Send RSET first"},
    {"HELP", verb_help, IN_ANY, VERB_JUNK | VERB_CLEAR, "Send RSET first"},
    {"AUTH", smtp_server_verb_auth, IN(SERVER_READY), VERB_JUNK | VERB_AUTH,
     "Not within a mail transaction"},
    {"EXPN", NULL, 0, VERB_NOT_HERE, ""},
    {"TURN", NULL, 0, VERB_NOT_HERE, ""},
    {"SEND", NULL, 0, VERB_NOT_HERE, ""},
    {"SOML", NULL, 0, VERB_NOT_HERE, ""},
    {"SAML", NULL, 0, VERB_NOT_HERE, ""},
    {"ETRN", NULL, 0, VERB_NOT_HERE, ""},
    {"GET", NULL, 0, VERB_FOREIGN, ""},
    {"POST", NULL, 0, VERB_FOREIGN, ""},
    {"HEAD", NULL, 0, VERB_FOREIGN, ""},
    {"PUT", NULL, 0, VERB_FOREIGN, ""},
    {"DELETE", NULL, 0, VERB_FOREIGN, ""},
    {"OPTIONS", NULL, 0, VERB_FOREIGN, ""},
    {"CONNECT", NULL, 0, VERB_FOREIGN, ""},
    {"TRACE", NULL, 0, VERB_FOREIGN, ""},
    {"PATCH", NULL, 0, VERB_FOREIGN, ""},
};

static const struct verb *verb_find(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (bytes_equal_nocase(name, bytes_of(verbs[i].name)))
            return &verbs[i];
    return NULL;
}

/* A header field or a request line where a greeting belongs: a browser made to talk to us. */
static bool looks_foreign(const struct smtp_server *s, const struct verb *verb, struct bytes word,
                          struct bytes line)
{
    if (verb)
        return verb->flags & VERB_FOREIGN;
    return s->state == SERVER_HELLO &&
           (bytes_ends_nocase(word, BYTES(":")) || bytes_ends_nocase(line, BYTES(" HTTP/1.1")) ||
            bytes_ends_nocase(line, BYTES(" HTTP/1.0")) ||
            bytes_ends_nocase(line, BYTES(" HTTP/2.0")));
}

static bool has_high_octet(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return true;
    return false;
}

static void say_out_of_order(struct smtp_server *s, const struct verb *verb)
{
    struct mail_status status = MAIL_STATUS(503, 5, 5, 1, "");
    status.text = bytes_of(verb->misplaced);
    if (s->state == SERVER_HELLO)
        status = MAIL_STATUS(503, 5, 5, 2, "Send hello first");
    else if (s->state == SERVER_CHUNKS_FAILED)
        status.text = BYTES("Send RSET first");
    smtp_server_error(s, &status);
}

static bool verb_here(const struct smtp_server *s, const struct verb *verb)
{
    return !(verb->flags & VERB_NOT_HERE) &&
           (!(verb->flags & VERB_AUTH) || smtp_server_auth_possible(s));
}

/* What can be said about a known verb before anything is done. True: it may run. */
static bool verb_allowed(struct smtp_server *s, const struct verb *verb, struct bytes argument)
{
    if (s->state == SERVER_REFUSED && !(verb->flags & VERB_REFUSED)) {
        smtp_server_error(s, &MAIL_STATUS(503, 5, 5, 1, "No mail service here: send QUIT"));
    } else if (!verb_here(s, verb)) {
        smtp_server_error(s, &MAIL_STATUS(502, 5, 5, 1, "Command not implemented"));
    } else if ((verb->flags & VERB_MODE) && s->rest.len) {
        /* It is not waiting for 354 or 220: what comes could be text, and must not be obeyed */
        smtp_server_refuse_close(s,
                                 &MAIL_STATUS(554, 5, 5, 0, "Client did not wait for the reply"));
    } else if (s->settings.require_tls && !s->facts.tls && !(verb->flags & VERB_CLEAR)) {
        if (smtp_server_junk(s))
            smtp_server_refuse(s,
                               &MAIL_STATUS(530, 5, 7, 0, "Must issue a STARTTLS command first"));
    } else if ((verb->flags & VERB_NO_ARGUMENT) && argument.len) {
        smtp_server_error(s, &MAIL_STATUS(501, 5, 5, 4, "No argument allowed"));
    } else if (!(verb->flags & VERB_UTF8) && has_high_octet(argument)) {
        smtp_server_error(s, &MAIL_STATUS(501, 5, 5, 4, "Only ASCII allowed"));
    } else if (s->state != SERVER_REFUSED && !(verb->states & IN(s->state))) {
        say_out_of_order(s, verb);
    } else {
        return !(verb->flags & VERB_JUNK) || smtp_server_junk(s);
    }
    return false;
}

/* Of AUTH only the mechanism; of an unknown line what handle_line() left to see of it, which is
 * nothing once secrets are about. */
static void show_command(struct smtp_server *s, const struct verb *verb, struct bytes line,
                         const struct smtp_command *command)
{
    struct bytes mechanism, secret;
    if (verb && (verb->flags & VERB_AUTH)) {
        s->auth_seen = true;
        bytes_split(command->argument, ' ', &mechanism, &secret);
        s->current = (struct smtp_command){command->verb, smtp_auth_mechanism_shown(mechanism)};
    } else if (verb || s->current.argument.ptr == line.ptr) {
        s->current = *command;
    }
}

/* SHOWN: what handle_line() left to see of LINE. */
static void hear(struct smtp_server *s, const struct verb *verb, struct bytes line,
                 struct bytes shown)
{
    char text[64];
    if (!s->ops->on_protocol)
        return;
    if (verb && (verb->flags & VERB_AUTH)) {
        snprintf(text, sizeof text, "AUTH " BYTES_FMT, BYTES_ARG(s->current.argument));
        smtp_server_heard(s, bytes_of(text));
    } else {
        smtp_server_heard(s, verb ? line : shown);
    }
}

void smtp_server_command(struct smtp_server *s, struct bytes line)
{
    struct smtp_command command = {BYTES_EMPTY, BYTES_EMPTY};
    const struct verb *verb = NULL;
    struct bytes shown = s->current.argument;
    if (smtp_syntax_command(line, &command) == ERR_OK) {
        verb = verb_find(command.verb);
        show_command(s, verb, line, &command);
    }
    hear(s, verb, line, shown);
    if (looks_foreign(s, verb, command.verb, line))
        smtp_server_refuse_close(s, &MAIL_STATUS(554, 5, 5, 0, "This is an SMTP service"));
    else if (!verb)
        smtp_server_error(s, &MAIL_STATUS(500, 5, 3, 3, "Unrecognized command"));
    else if (verb_allowed(s, verb, command.argument))
        verb->run(s, command.argument);
}

/* ---- EHLO and HELO: RFC 5321 4.1.1.1 ---------------------------------------------------- */

/* False: refused, and said so. A bare one is welcome unless configured otherwise. */
static bool hello_valid(struct smtp_server *s, struct bytes name)
{
    const struct mail_status invalid = MAIL_STATUS(501, 5, 5, 4, "Invalid domain name");
    if (name.len ? smtp_syntax_helo_valid(name) : !s->settings.require_ehlo_domain)
        return true;
    if (name.len)
        smtp_server_error(s, &invalid);
    else
        smtp_server_refuse_close(s, &invalid);
    return false;
}

static void hello_keep(struct smtp_server *s, struct bytes name, bool esmtp)
{
    smtp_server_forget(s); /* RFC 5321 4.1.4: like RSET */
    mem_free(s->helo);
    s->helo = NULL;
    if (name.len) {
        s->helo = mem_alloc(name.len);
        memcpy(s->helo, name.ptr, name.len);
    }
    s->facts.helo = s->helo ? bytes_make(s->helo, name.len) : BYTES_EMPTY;
    s->facts.esmtp = esmtp;
    smtp_server_enter(s, SERVER_READY);
}

static void verb_helo(struct smtp_server *s, struct bytes argument)
{
    char client[IPADDR_TEXT_SIZE], text[400];
    if (!hello_valid(s, argument))
        return;
    hello_keep(s, argument, false);
    snprintf(text, sizeof text, BYTES_FMT " Hello [%s]", BYTES_ARG(s->settings.fqdn),
             ipaddr_format(&s->facts.client.addr, client));
    smtp_server_reply(s, &(struct mail_status){.code = 250, .text = bytes_of(text)});
}

/* What the reply to EHLO says. */
static struct smtp_extensions hello_extensions(const struct smtp_server *s)
{
    uint64_t size_max = s->settings.message_size_max;
    struct smtp_extensions x = {.offered = smtp_server_offered(s)};
    if (!s->settings.size_without_value && size_max != UINT64_MAX)
        x.size_max = size_max;
    if (s->facts.tls)
        x.offered &= ~(unsigned)SMTP_EXTENSION_STARTTLS;
    if (smtp_server_auth_offered(s))
        x.offered |= SMTP_EXTENSION_AUTH;
    return x;
}

static void verb_ehlo(struct smtp_server *s, struct bytes argument)
{
    char client[IPADDR_TEXT_SIZE], lines[SMTP_EXTENSION_LINES_MAX];
    if (!hello_valid(s, argument))
        return;
    hello_keep(s, argument, true);
    const struct smtp_extensions x = hello_extensions(s);
    size_t len = smtp_extension_write(&x, lines), before = buf_len(&s->output);
    struct bytes fqdn = bytes_sub(s->settings.fqdn, 0, 255);
    if (buf_printf(&s->output, "250%c" BYTES_FMT " Hello [%s]\r\n", len ? '-' : ' ',
                   BYTES_ARG(fqdn), ipaddr_format(&s->facts.client.addr, client)) != ERR_OK ||
        buf_append(&s->output, bytes_make(lines, len)) != ERR_OK)
        smtp_server_enter(s, SERVER_CLOSING);
    smtp_server_said(s, before);
}

/* ---- the short ones --------------------------------------------------------------------- */

static void verb_rset(struct smtp_server *s, struct bytes argument)
{
    (void)argument;
    smtp_server_forget(s);
    smtp_server_enter(s, s->state == SERVER_HELLO ? SERVER_HELLO : SERVER_READY);
    smtp_server_reply(s, &MAIL_STATUS(250, 2, 0, 0, "Resetting"));
}

static void verb_noop(struct smtp_server *s, struct bytes argument)
{
    (void)argument;
    smtp_server_reply(s, &MAIL_STATUS(250, 2, 0, 0, "OK"));
}

static void verb_quit(struct smtp_server *s, struct bytes argument)
{
    (void)argument;
    smtp_server_close(s, &MAIL_STATUS(221, 2, 0, 0, "Service closing transmission channel"));
}

static void verb_vrfy(struct smtp_server *s, struct bytes argument)
{
    if (argument.len)
        smtp_server_reply(s, &MAIL_STATUS(252, 2, 1, 5, "Cannot VRFY user"));
    else
        smtp_server_error(s, &MAIL_STATUS(501, 5, 5, 4, "Argument needed"));
}

static void verb_help(struct smtp_server *s, struct bytes argument)
{
    (void)argument;
    smtp_server_reply(
        s,
        &MAIL_STATUS(214, 2, 0, 0, "Commands: HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT"));
}

/* RFC 3207 4. Only in SERVER_READY, so never within a transaction. */
static void verb_starttls(struct smtp_server *s, struct bytes argument)
{
    (void)argument;
    if (!(s->settings.extensions & SMTP_EXTENSION_STARTTLS)) {
        smtp_server_error(s, &MAIL_STATUS(502, 5, 5, 1, "Command not implemented"));
    } else if (s->facts.tls) {
        smtp_server_error(s, &MAIL_STATUS(503, 5, 5, 1, "TLS is already active"));
    } else {
        struct mail_status status = MAIL_STATUS(220, 2, 0, 0, "SMTP server ready");
        if (s->ops->on_starttls)
            s->ops->on_starttls(s->owner, &status);
        smtp_server_reply(s, &status);
        if (status.code == 220)
            smtp_server_enter(s, SERVER_HANDSHAKE);
    }
}
