/* A client session against hostile server bytes. The first octet chooses the settings; octets
 * from FA up stand for what else may happen to a session; all others come from the server. */
#include "fuzz_split.h"

#include <stdio.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/timer.h"
#include "net/smtp_client.h"
#include "net/smtp_data.h"

enum { TIME_PASSES = 0xFA, KICKED, QUITS, TLS_FAILS, TLS_STARTS, GOES_AWAY };

#define LETTERS 8
#define RCPTS   4

struct letter {
    struct smtp_client_message message;
    struct mail_envelope envelope;
    struct mail_rcpt rcpts[RCPTS];
    struct bytes text;
    size_t rcpts_told, accepted;
    uint64_t read; /* octets of the text */
    unsigned done;
};

struct world {
    struct letter letters[LETTERS];
    size_t taken;
    bool open, ended, last_cr;
    char line[256]; /* how the line that is going out begins */
    size_t line_len;
    uint64_t chunk; /* octets of it that are still to come */
    bool binary;    /* and may be anything */
    struct smtp_client *client;
    struct buf out;
};

static bool letter_read(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    struct letter *l = CONTAINER_OF(m, struct letter, message);
    MUST_HOLD(at <= m->octets && len <= m->octets - at && !l->done);
    if (l->text.len == 0)
        return false;
    for (size_t i = 0; i < len; i++)
        to[i] = l->text.ptr[(at + i) % l->text.len];
    l->read = at + len;
    return true;
}

static struct smtp_client_message *next_message(void *owner)
{
    struct world *w = owner;
    MUST_HOLD(w->open && !w->ended);
    return w->taken < LETTERS ? &w->letters[w->taken++].message : NULL;
}

static void on_rcpt(void *owner, struct smtp_client_message *m, size_t rcpt,
                    const struct mail_status *status)
{
    (void)owner;
    struct letter *l = CONTAINER_OF(m, struct letter, message);
    MUST_HOLD(!l->done && rcpt == l->rcpts_told && rcpt < l->envelope.rcpt_count);
    MUST_HOLD(status->code >= 200 && (status->code < 300 || status->code >= 400));
    l->rcpts_told++;
    l->accepted += mail_status_ok(status);
}

static void on_message_done(void *owner, struct smtp_client_message *m,
                            const struct mail_status *status, bool ambiguous)
{
    (void)owner;
    struct letter *l = CONTAINER_OF(m, struct letter, message);
    MUST_HOLD(l->done++ == 0);
    MUST_HOLD(l->rcpts_told == l->envelope.rcpt_count);
    MUST_HOLD(m->rcpts_accepted == l->accepted && m->rcpts_answered <= l->rcpts_told);
    MUST_HOLD(!mail_status_ok(status) || (l->accepted > 0 && !ambiguous));
    MUST_HOLD(!ambiguous || status->code < 500);
    MUST_HOLD(!ambiguous || l->read == m->octets);
}

static void on_open(void *owner)
{
    struct world *w = owner;
    MUST_HOLD(!w->open && !w->ended);
    w->open = true;
}

static void on_end(void *owner, const struct mail_status *status)
{
    struct world *w = owner;
    MUST_HOLD(!w->ended && status->code >= 200);
    w->ended = true;
    for (size_t i = 0; i < w->taken; i++)
        MUST_HOLD(w->letters[i].done == 1);
}

/* A command that we make, whole and alone: nothing of a message's text. */
static bool is_command(struct bytes line)
{
    static const char *const verbs[] = {"EHLO me.example",
                                        "HELO me.example",
                                        "STARTTLS",
                                        "RSET",
                                        "MAIL FROM:<",
                                        "RCPT TO:<",
                                        "DATA",
                                        "BDAT ",
                                        "QUIT"};
    for (size_t i = 0; i < line.len; i++)
        MUST_HOLD(line.ptr[i] != '\r' && line.ptr[i] != '\n' && line.ptr[i] != '\0');
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        struct bytes verb = bytes_of(verbs[i]);
        char last = verb.ptr[verb.len - 1];
        bool open = last == '<' || last == ' ';
        if (open ? bytes_starts_nocase(line, verb) : bytes_equal(line, verb))
            return true;
    }
    return false;
}

static void on_protocol(void *owner, char event, struct bytes line)
{
    struct world *w = owner;
    MUST_HOLD(!w->ended);
    MUST_HOLD(event == '>' || event == '<' || event == '*');
    MUST_HOLD(event != '>' || is_command(line));
    MUST_HOLD(event != '<' || bytes_find(line, '\n', 0) == BYTES_NOT_FOUND);
    MUST_HOLD(event != '*' || line.len > 0);
}

#define OPS                                                                                        \
    .next_message = next_message, .on_rcpt = on_rcpt, .on_message_done = on_message_done,          \
    .on_open = on_open, .on_end = on_end

static const struct smtp_client_ops SILENT = {OPS};
static const struct smtp_client_ops TRACED = {OPS, .on_protocol = on_protocol};

static void letter_make(struct letter *l, size_t number)
{
    static const struct {
        struct bytes text;
        unsigned notes;
        uint64_t octets;
    } texts[LETTERS] = {
        {{"hi\r\n", 4}, 0, 4},
        {{".\r\n..\r\n", 7}, SMTP_DATA_DOT_LINE, 7 * 3000},
        {{"a\nb\r.\r\n.\r", 10}, SMTP_DATA_BARE_LF | SMTP_DATA_BARE_CR, 10 * 1700},
        {{"\0\r.\n", 4}, SMTP_DATA_NUL | SMTP_DATA_BARE_CR | SMTP_DATA_BARE_LF, 3},
        {{"0123456789abcd\r\n", 16}, 0, 16 * 20000},
        {{"\xC3\xA9 no end", 9}, SMTP_DATA_8BIT | SMTP_DATA_NO_FINAL_CRLF, 9},
        {{"", 0}, 0, 100}, /* cannot be read */
        {{"x", 1}, SMTP_DATA_NO_FINAL_CRLF, 0},
    };
    static const struct mail_rcpt rcpts[RCPTS] = {
        {.address = {"b@y", 3},
         .notify = MAIL_NOTIFY_FAILURE,
         .orcpt = {"rfc822;b@y", 10},
         .orar = {"rfc822;c@y", 10}},
        {.address = {"c\r\nRSET@y", 9}},
        {.address = {"\"d \\\" <>\"@y", 11}, .notify = MAIL_NOTIFY_NEVER},
        {.address = {"e@y> NOTIFY=NEVER", 17}},
    };
    *l = (struct letter){.text = texts[number].text};
    memcpy(l->rcpts, rcpts, sizeof rcpts);
    l->envelope = (struct mail_envelope){
        .sender = number % 3 == 0 ? BYTES_EMPTY : BYTES("a@x"),
        .ret = MAIL_RET_HDRS,
        .envid = BYTES("Q+2B"),
        .options = number == 5 ? MAIL_OPTION_SMTPUTF8 : 0,
        .body = number == 3 ? MAIL_BODY_BINARYMIME : MAIL_BODY_7BIT,
        .rcpts = l->rcpts,
        .rcpt_count = number == 4 ? 1 : RCPTS,
    };
    l->message = (struct smtp_client_message){
        .envelope = &l->envelope,
        .octets = texts[number].octets,
        .notes = texts[number].notes,
        .read = letter_read,
    };
}

/* No letter's text has such a line: it is a command. */
static void line_out(struct world *w)
{
    unsigned long long octets;
    w->line[w->line_len] = '\0';
    if (strncmp(w->line, "MAIL FROM:", 10) == 0)
        w->binary = strstr(w->line, " BODY=BINARYMIME");
    else if (sscanf(w->line, "BDAT %llu LAST", &octets) == 1)
        w->chunk = octets;
    w->line_len = 0;
}

/* No bare CR, bare LF or NUL ever leaves but in BINARYMIME, whatever the notes admit; across fills
 * too. */
static void out_check(struct world *w)
{
    struct bytes out = buf_bytes(&w->out);
    MUST_HOLD(out.len == 0 || !w->ended || w->taken > 0);
    for (size_t i = 0; i < out.len; i++) {
        char c = out.ptr[i];
        bool chunk = w->chunk > 0;
        MUST_HOLD((chunk && w->binary) || (w->last_cr == (c == '\n') && c != '\0'));
        w->last_cr = c == '\r';
        if (chunk) {
            w->chunk--;
            w->last_cr =
                w->last_cr && w->chunk > 0; /* a command comes next, whatever it ended in */
        } else if (c == '\n') {
            line_out(w);
        } else if (w->line_len < sizeof w->line - 1) {
            w->line[w->line_len++] = c;
        }
    }
}

static void fill_all(struct world *w)
{
    do {
        buf_clear(&w->out);
        smtp_client_fill(w->client, &w->out);
        out_check(w);
    } while (buf_len(&w->out) > 0);
    MUST_HOLD((smtp_client_want(w->client) == SMTP_CLIENT_WANT_CLOSE) == w->ended);
    MUST_HOLD(!smtp_client_idle(w->client) || w->open);
}

static void time_passes(struct world *w)
{
    uint64_t due = smtp_client_deadline_ms(w->client);
    clock_virtual_advance(60000);
    smtp_client_timeout(w->client);
    MUST_HOLD(w->ended || due == TIMER_NEVER || due > clock_mono_ms() ||
              smtp_client_deadline_ms(w->client) > clock_mono_ms());
}

static void event(struct world *w, unsigned what)
{
    switch (what) {
    case TIME_PASSES:
        time_passes(w);
        break;
    case KICKED:
        smtp_client_kick(w->client);
        break;
    case QUITS:
        smtp_client_quit(w->client);
        break;
    case TLS_FAILS:
    case TLS_STARTS:
        smtp_client_tls_done(w->client, what == TLS_STARTS);
        break;
    default:
        smtp_client_lost(w->client, "reset");
        break;
    }
}

static void run(struct world *w, struct bytes in, unsigned settings)
{
    struct smtp_client_settings with = {
        .helo = BYTES("me.example"),
        .force_helo = (settings & 1) != 0,
        .tls = (enum route_tls)(settings / 2 % 3),
        .messages_max = settings / 8 % 4,
        .chunking = (settings & 72) != 72,
    };
    size_t most = (settings & 64) != 0 ? 8192 : 131072;
    w->taken = 0;
    w->open = w->ended = w->last_cr = w->binary = false;
    w->line_len = w->chunk = 0;
    for (size_t i = 0; i < LETTERS; i++)
        letter_make(&w->letters[i], i);
    buf_init(&w->out, most);
    w->client = smtp_client_new(&with, (settings & 32) != 0 ? &TRACED : &SILENT, w);
    for (size_t at = 0; at < in.len;) {
        size_t end = at;
        while (end < in.len && (unsigned char)in.ptr[end] < TIME_PASSES &&
               ((settings & 128) == 0 || end == at))
            end++;
        if (end > at) {
            smtp_client_input(w->client, bytes_sub(in, at, end - at));
            at = end;
        } else {
            event(w, (unsigned char)in.ptr[at++]);
        }
        fill_all(w);
    }
    smtp_client_free(&w->client);
    for (size_t i = 0; i < LETTERS; i++)
        MUST_HOLD(w->letters[i].done == (i < w->taken));
    buf_free(&w->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    if (size > 0) {
        clock_virtual_start(1000, 0);
        run(&w, bytes_make((const char *)data + 1, size - 1), data[0]);
        clock_virtual_end();
    }
    return 0;
}
