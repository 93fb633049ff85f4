/* A server session from outside: its table of states, input, answers, TLS and time. */
#include "net/smtp_server.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/timer.h"
#include "net/smtp_server_private.h"

#define ARENA_BLOCK_BYTES 1024
#define AUTH_LINE_MAX     ((size_t)SMTP_AUTH_LINE_MAX + 2) /* with its CRLF */

static size_t read_early(struct smtp_server *s, struct bytes in);
static size_t read_line(struct smtp_server *s, struct bytes in);

static const struct smtp_server_row state_rows[SERVER_STATE_COUNT] = {
    [SERVER_CONNECTED] = {"connected", SERVER_TIMEOUT_COMMAND, SMTP_SERVER_WANT_INPUT, read_early,
                          NULL},
    [SERVER_REFUSED] = {"awaiting QUIT", SERVER_TIMEOUT_REFUSED, SMTP_SERVER_WANT_INPUT, read_line,
                        NULL},
    [SERVER_HELLO] = {"awaiting EHLO", SERVER_TIMEOUT_COMMAND, SMTP_SERVER_WANT_INPUT, read_line,
                      NULL},
    [SERVER_READY] = {"awaiting MAIL", SERVER_TIMEOUT_COMMAND, SMTP_SERVER_WANT_INPUT, read_line,
                      NULL},
    [SERVER_MAIL] = {"awaiting RCPT", SERVER_TIMEOUT_COMMAND, SMTP_SERVER_WANT_INPUT, read_line,
                     NULL},
    [SERVER_RCPT] = {"awaiting DATA", SERVER_TIMEOUT_COMMAND, SMTP_SERVER_WANT_INPUT, read_line,
                     NULL},
    [SERVER_TEXT] = {"receiving message text", SERVER_TIMEOUT_TEXT, SMTP_SERVER_WANT_INPUT,
                     smtp_server_read_text, NULL},
    [SERVER_CHUNKS] = {"awaiting BDAT", SERVER_TIMEOUT_COMMAND, SMTP_SERVER_WANT_INPUT, read_line,
                       NULL},
    [SERVER_CHUNK] = {"receiving a chunk", SERVER_TIMEOUT_TEXT, SMTP_SERVER_WANT_INPUT,
                      smtp_server_read_chunk, NULL},
    [SERVER_CHUNKS_FAILED] = {"awaiting RSET after a failed chunk", SERVER_TIMEOUT_COMMAND,
                              SMTP_SERVER_WANT_INPUT, read_line, NULL},
    [SERVER_AUTH] = {"awaiting an AUTH response", SERVER_TIMEOUT_COMMAND, SMTP_SERVER_WANT_INPUT,
                     read_line, NULL},
    [SERVER_ASK_AUTH] = {"checking a password", SERVER_TIMEOUT_NONE, SMTP_SERVER_WANT_ANSWER, NULL,
                         smtp_server_auth_answered},
    [SERVER_ASK_MAIL] = {"deciding about the sender", SERVER_TIMEOUT_NONE, SMTP_SERVER_WANT_ANSWER,
                         NULL, smtp_server_mail_answered},
    [SERVER_ASK_RCPT] = {"deciding about a recipient", SERVER_TIMEOUT_NONE, SMTP_SERVER_WANT_ANSWER,
                         NULL, smtp_server_rcpt_answered},
    [SERVER_ASK_BEGIN] = {"deciding about the message", SERVER_TIMEOUT_NONE,
                          SMTP_SERVER_WANT_ANSWER, NULL, smtp_server_begin_answered},
    [SERVER_ASK_END] = {"committing the message", SERVER_TIMEOUT_NONE, SMTP_SERVER_WANT_ANSWER,
                        NULL, smtp_server_end_answered},
    [SERVER_HANDSHAKE] = {"negotiating TLS", SERVER_TIMEOUT_HANDSHAKE, SMTP_SERVER_WANT_HANDSHAKE,
                          NULL, NULL},
    [SERVER_CLOSING] = {"closing", SERVER_TIMEOUT_NONE, SMTP_SERVER_WANT_CLOSE, NULL, NULL},
};

const struct smtp_server_facts *smtp_server_facts(const struct smtp_server *s)
{
    return &s->facts;
}

void smtp_server_message_size_set(struct smtp_server *s, uint64_t octets_max)
{
    s->settings.message_size_max = octets_max;
}

void smtp_server_rcpts_max_set(struct smtp_server *s, size_t rcpts_max)
{
    s->settings.rcpts_max = rcpts_max;
}

struct buf *smtp_server_output(struct smtp_server *s)
{
    return &s->output;
}

static uint64_t later(uint64_t at_ms, uint64_t by_ms)
{
    return at_ms > UINT64_MAX - by_ms ? UINT64_MAX : at_ms + by_ms;
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* ---- life ------------------------------------------------------------------------------- */

static void keep_text(char **at, struct bytes *text)
{
    if (text->len)
        memcpy(*at, text->ptr, text->len);
    text->ptr = *at;
    *at += text->len;
}

/* Settings' text stands right behind the struct: one allocation an idle session. */
static struct smtp_server *new_with_text(const struct smtp_server_settings *settings)
{
    size_t size = settings->fqdn.len + settings->banner.len + settings->default_domain.len;
    struct smtp_server *s = mem_zalloc(sizeof *s + size);
    char *at = (char *)(s + 1);
    s->settings = *settings;
    keep_text(&at, &s->settings.fqdn);
    keep_text(&at, &s->settings.banner);
    keep_text(&at, &s->settings.default_domain);
    return s;
}

struct smtp_server *smtp_server_new(const struct smtp_server_settings *settings,
                                    const struct smtp_server_facts *first_facts,
                                    const struct smtp_server_ops *ops, void *owner)
{
    struct smtp_server *s = new_with_text(settings);
    s->rows = state_rows;
    s->ops = ops;
    s->owner = owner;
    s->now_ms = clock_mono_ms();
    s->ends_at_ms = later(s->now_ms, settings->connection_timeout_ms);
    s->facts.session_id = first_facts->session_id;
    s->facts.client = first_facts->client;
    s->facts.local = first_facts->local;
    s->facts.helo = BYTES_EMPTY;
    arena_init(&s->arena, ARENA_BLOCK_BYTES);
    s->line_max = settings->extensions & SMTP_EXTENSION_XLONGADDR ? SMTP_SERVER_LONG_LINE_MAX
                                                                  : SMTP_SERVER_LINE_MAX;
    s->facts.user = BYTES_EMPTY;
    buf_init(&s->line, s->line_max > AUTH_LINE_MAX ? s->line_max : AUTH_LINE_MAX);
    buf_init(&s->output, SMTP_SERVER_OUTPUT_MAX);
    smtp_server_enter(s, SERVER_CONNECTED);
    return s;
}

/* Whatever it holds may be a password. */
static void free_line(struct smtp_server *s)
{
    if (s->auth_seen && s->line.data)
        explicit_bzero(s->line.data, s->line.capacity);
    buf_free(&s->line);
}

void smtp_server_free(struct smtp_server **server)
{
    struct smtp_server *s = *server;
    if (!s)
        return;
    smtp_server_forget(s);
    smtp_server_auth_forget(s);
    free_line(s);
    buf_free(&s->output);
    mem_free(s->helo);
    mem_free(s->tls);
    mem_free(s);
    *server = NULL;
}

/* ---- the greeting ----------------------------------------------------------------------- */

static void greet_ready(struct smtp_server *s)
{
    char text[512], date[CLOCK_RFC5322_SIZE];
    struct mail_status banner = {.code = 220};
    if (s->settings.banner.len > 3) {
        banner.text = bytes_trim(bytes_from(s->settings.banner, 3));
    } else {
        snprintf(text, sizeof text, BYTES_FMT " ESMTP Mailrace service ready at %s",
                 BYTES_ARG(s->settings.fqdn), clock_rfc5322(clock_wall_ms(), date));
        banner.text = bytes_of(text);
    }
    smtp_server_reply(s, &banner);
    smtp_server_enter(s, SERVER_HELLO);
}

void smtp_server_greet(struct smtp_server *s, const struct mail_status *refusal)
{
    if (s->state != SERVER_CONNECTED)
        return; /* it talked first and was shown the door */
    s->now_ms = clock_mono_ms();
    if (!refusal) {
        greet_ready(s);
        return;
    }
    /* RFC 2034 4: no enhanced code in a greeting */
    struct mail_status plain = {.code = refusal->code, .text = refusal->text};
    smtp_server_reply(s, &plain);
    smtp_server_enter(s, refusal->code == 554 ? SERVER_REFUSED : SERVER_CLOSING);
}

/* ---- input ------------------------------------------------------------------------------ */

size_t smtp_server_input(struct smtp_server *s, struct bytes in)
{
    size_t used = 0;
    s->now_ms = clock_mono_ms();
    while (used < in.len && state_rows[s->state].read)
        used += state_rows[s->state].read(s, bytes_from(in, used));
    s->rest = BYTES_EMPTY;
    return used;
}

/* Bytes before the banner: a program that does not listen (RFC 5321 4.3.1). */
static size_t read_early(struct smtp_server *s, struct bytes in)
{
    s->current = (struct smtp_command){BYTES_EMPTY, BYTES_EMPTY};
    smtp_server_refuse_close(s, &MAIL_STATUS(554, 5, 5, 0, "Client spoke before the greeting"));
    return in.len;
}

static void handle_line(struct smtp_server *s, struct bytes line)
{
    s->current = (struct smtp_command){BYTES_EMPTY, smtp_server_auth_shown(s, line)};
    /* RFC 5321 2.3.8: CRLF ends a line, and neither octet stands anywhere else */
    if (line.len < 2 || line.ptr[line.len - 2] != '\r') {
        smtp_server_heard(s, s->current.argument);
        smtp_server_auth_abandon(s);
        smtp_server_error(s, &MAIL_STATUS(500, 5, 5, 2, "Line does not end in CRLF"));
        return;
    }
    line.len -= 2;
    s->current.argument = smtp_server_auth_shown(s, line);
    if (bytes_find(line, '\r', 0) != BYTES_NOT_FOUND ||
        bytes_find(line, '\0', 0) != BYTES_NOT_FOUND) {
        smtp_server_heard(s, s->current.argument);
        smtp_server_auth_abandon(s);
        smtp_server_error(s, &MAIL_STATUS(501, 5, 5, 2, "CR or NUL within a line"));
    } else if (s->state == SERVER_AUTH) {
        smtp_server_heard(s, s->current.argument);
        smtp_server_auth_response(s, line);
    } else {
        smtp_server_command(s, line);
    }
}

/* A line that is too long is one error, told when its end has come (or has not for too long). */
static void drop_line(struct smtp_server *s, size_t octets, bool ended)
{
    bool auth = s->state == SERVER_AUTH; /* RFC 4954 6 has a code of its own for it */
    const struct mail_status too_long = auth ? MAIL_STATUS(500, 5, 5, 6, "Line too long")
                                             : MAIL_STATUS(500, 5, 5, 2, "Line too long");
    s->current = (struct smtp_command){BYTES_EMPTY, BYTES_EMPTY};
    s->dropped_octets += octets + buf_len(&s->line);
    free_line(s);
    if (ended || s->dropped_octets > SMTP_SERVER_LINE_DROP_MAX)
        smtp_server_heard(s, BYTES("(a line that is too long)"));
    if (s->dropped_octets > SMTP_SERVER_LINE_DROP_MAX) {
        smtp_server_refuse_close(s, &too_long);
    } else if (ended) {
        s->dropped_octets = 0;
        smtp_server_enter(s, s->state);
        smtp_server_auth_abandon(s);
        smtp_server_error(s, &too_long);
    }
}

/* Room for a whole line of AUTH before its first octet: no copy of a secret is left where it grew.
 */
static void keep_line(struct smtp_server *s, struct bytes piece, bool auth)
{
    s->auth_seen = s->auth_seen || auth;
    if (auth)
        ASSERT(buf_reserve(&s->line, AUTH_LINE_MAX - buf_len(&s->line)));
    enum err kept = buf_append(&s->line, piece);
    ASSERT(kept == ERR_OK); /* the limit was looked at by read_line() */
}

static size_t read_line(struct smtp_server *s, struct bytes in)
{
    size_t lf = bytes_find(in, '\n', 0);
    bool ended = lf != BYTES_NOT_FOUND;
    size_t take = ended ? lf + 1 : in.len;
    struct bytes line = bytes_sub(in, 0, take);
    s->rest = bytes_from(in, take);
    bool auth = smtp_server_auth_line_long(s, line);
    if (s->dropped_octets || buf_len(&s->line) + take > (auth ? AUTH_LINE_MAX : s->line_max)) {
        drop_line(s, take, ended);
        return take;
    }
    if (!ended || buf_len(&s->line)) {
        keep_line(s, line, auth);
        line = buf_bytes(&s->line);
    }
    if (ended) {
        smtp_server_enter(s, s->state); /* a whole command: time for the next begins */
        handle_line(s, line);
        s->current = (struct smtp_command){BYTES_EMPTY, BYTES_EMPTY}; /* pointed into the line */
        free_line(s);
    }
    return take;
}

/* ---- the owner's answers ---------------------------------------------------------------- */

void smtp_server_answer(struct smtp_server *s, const struct mail_status *status)
{
    ASSERT(smtp_server_want(s) == SMTP_SERVER_WANT_ANSWER);
    s->now_ms = clock_mono_ms();
    smtp_server_answered(s, status);
}

/* ---- TLS -------------------------------------------------------------------------------- */

void smtp_server_tls_started(struct smtp_server *s, const struct tls_info *info)
{
    ASSERT(smtp_server_want(s) == SMTP_SERVER_WANT_HANDSHAKE);
    s->now_ms = clock_mono_ms();
    s->tls = MEM_NEW(struct tls_info);
    *s->tls = *info;
    s->facts.tls = s->tls;
    /* RFC 3207 4.2: what was said in clear was never said */
    smtp_server_forget(s);
    smtp_server_auth_forget(s);
    mem_free(s->helo);
    s->helo = NULL;
    s->facts.helo = BYTES_EMPTY;
    s->facts.esmtp = false;
    smtp_server_enter(s, SERVER_HELLO);
    if (s->ops->on_tls)
        s->ops->on_tls(s->owner);
    if (s->shutting_down)
        smtp_server_say_shutdown(s);
}

/* CVE-2011-0411: whatever stood behind STARTTLS in clear must never be heard. */
void smtp_server_tls_refused(struct smtp_server *s)
{
    ASSERT(smtp_server_want(s) == SMTP_SERVER_WANT_HANDSHAKE);
    s->now_ms = clock_mono_ms();
    buf_clear(&s->output);
    s->current = (struct smtp_command){BYTES("STARTTLS"), BYTES_EMPTY};
    smtp_server_refuse_close(s, &MAIL_STATUS(554, 5, 5, 0, "Data after STARTTLS"));
}

/* ---- time ------------------------------------------------------------------------------- */

/* When a peer that sends no more than now falls below the minimum data rate. */
static uint64_t rate_deadline(const struct smtp_server *s)
{
    uint64_t rate = s->settings.min_data_rate_bytes_s;
    if (!rate)
        return TIMER_NEVER;
    uint64_t earned_ms = s->text_octets > UINT64_MAX / 1000 ? UINT64_MAX : s->text_octets * 1000;
    earned_ms /= rate;
    if (earned_ms < SMTP_SERVER_RATE_AFTER_MS)
        earned_ms = SMTP_SERVER_RATE_AFTER_MS;
    return later(s->text_since_ms, earned_ms);
}

static uint64_t state_deadline(const struct smtp_server *s)
{
    switch (state_rows[s->state].timeout) {
    case SERVER_TIMEOUT_COMMAND:
        return later(s->since_ms, s->settings.inactivity_timeout_ms);
    case SERVER_TIMEOUT_TEXT:
        return earlier(later(s->text_at_ms, s->settings.inactivity_timeout_ms), rate_deadline(s));
    case SERVER_TIMEOUT_REFUSED:
        return later(s->since_ms, SMTP_SERVER_REFUSED_MS);
    case SERVER_TIMEOUT_HANDSHAKE:
        return later(s->since_ms, SMTP_SERVER_HANDSHAKE_MS);
    case SERVER_TIMEOUT_NONE:
        break;
    }
    return TIMER_NEVER;
}

uint64_t smtp_server_deadline_ms(const struct smtp_server *s)
{
    uint64_t deadline = state_deadline(s);
    return state_rows[s->state].timeout == SERVER_TIMEOUT_NONE ? deadline
                                                               : earlier(deadline, s->ends_at_ms);
}

void smtp_server_timeout(struct smtp_server *s)
{
    s->now_ms = clock_mono_ms();
    if (s->now_ms < smtp_server_deadline_ms(s))
        return;
    s->current = (struct smtp_command){BYTES("timeout"), s->facts.phrase};
    if (s->state == SERVER_HANDSHAKE) /* nothing may be said in clear any more */
        smtp_server_close(s, NULL);
    else if (s->now_ms >= s->ends_at_ms)
        smtp_server_refuse_close(
            s, &MAIL_STATUS(421, 4, 4, 2, "Connection timeout, closing transmission channel"));
    else
        smtp_server_refuse_close(s, &MAIL_STATUS(451, 4, 7, 0, "Timeout waiting for client input"));
}

void smtp_server_shutdown(struct smtp_server *s)
{
    s->now_ms = clock_mono_ms();
    s->shutting_down = true;
    if (smtp_server_want(s) == SMTP_SERVER_WANT_INPUT)
        smtp_server_say_shutdown(s);
    else if (s->state == SERVER_HANDSHAKE)
        smtp_server_close(s, NULL);
}
