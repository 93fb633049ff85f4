#include "net/smtp_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/timer.h"
#include "net/smtp_data.h"
#include "unit.h"

/* A script: what the server sends, and what the client must answer in one fill. Results are
 * gathered in a line: "open", "r0.1=550" (message 0, recipient 1), "d0=250" (message 0, "?" when
 * it may arrive twice), "end=221". */

enum act { INPUT, LOST, WAIT, TLS_OK, TLS_FAILS, QUIT, KICK };

struct step {
    const char *in;
    const char *out;
    enum act act;
    uint64_t wait_ms;
};

struct msg {
    const char *sender, *rcpts; /* RCPTS: separated by blanks */
    const char *text;
    unsigned notes;
    uint64_t octets; /* when not that of the text */
    enum mail_body body;
    enum mail_ret ret;
    const char *envid, *orcpt, *auth;
    uint8_t notify;
    bool smtputf8, unreadable;
};

struct row {
    const char *id;
    struct smtp_client_settings with;
    struct msg msgs[5];
    struct step steps[12];
    const char *log;
    bool whole; /* its meaning needs the reply to come in one piece */
};

struct mail {
    struct smtp_client_message message;
    struct mail_envelope envelope;
    struct mail_rcpt rcpts[8];
    const struct msg *from;
    int number, done;
};

struct world {
    struct mail mails[5];
    size_t next, count;
    char log[4096];
    size_t len;
    struct smtp_client *client;
    bool dead;
};

static void __attribute__((format(printf, 2, 3))) say(struct world *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (w->len > 0 && w->len + 1 < sizeof w->log) {
        w->log[w->len++] = ' ';
    }
    int n = vsnprintf(w->log + w->len, sizeof w->log - w->len, fmt, args);
    va_end(args);
    w->len += n > 0 ? (size_t)n : 0;
}

static bool mail_read(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    const struct mail *mail = CONTAINER_OF(m, struct mail, message);
    CHECK(at + len <= m->octets);
    if (mail->from->unreadable) {
        return false;
    }
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

static void mail_make(struct mail *mail, const struct msg *from, int number)
{
    *mail = (struct mail){.from = from, .number = number};
    mail->envelope = (struct mail_envelope){
        .sender = bytes_of(from->sender),
        .envid = bytes_of(from->envid),
        .auth = bytes_of(from->auth),
        .body = from->body,
        .ret = from->ret,
        .smtputf8 = from->smtputf8,
        .rcpts = mail->rcpts,
    };
    struct bytes rest = bytes_of(from->rcpts);
    while (rest.len > 0) {
        struct mail_rcpt *r = &mail->rcpts[mail->envelope.rcpt_count++];
        (void)bytes_split(rest, ' ', &r->address, &rest);
        r->orcpt = bytes_of(from->orcpt);
        r->notify = from->notify;
    }
    mail->message = (struct smtp_client_message){
        .envelope = &mail->envelope,
        .octets = from->octets ? from->octets : strlen(from->text),
        .notes = from->notes,
        .read = mail_read,
    };
}

static void world_start(struct world *w, const struct row *row)
{
    *w = (struct world){0};
    for (; w->count < ARRAY_SIZE(row->msgs) && row->msgs[w->count].sender != NULL; w->count++) {
        mail_make(&w->mails[w->count], &row->msgs[w->count], (int)w->count);
    }
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
        if (!split) {
            smtp_client_input(w->client, in);
        }
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

static void row_run(const struct row *row, bool split)
{
    struct world w;
    struct buf out;
    buf_init(&out, 128 * 1024);
    world_start(&w, row);
    for (size_t i = 0; i < ARRAY_SIZE(row->steps); i++) {
        const struct step *s = &row->steps[i];
        if (s->in == NULL && s->out == NULL && s->act == INPUT) {
            break;
        }
        buf_clear(&out);
        step_run(&w, s, split, &out);
        smtp_client_fill(w.client, &out);
        CHECK_BYTES(buf_bytes(&out), bytes_of(s->out));
    }
    CHECK_STR(w.log, row->log);
    CHECK_U64(smtp_client_want(w.client) == SMTP_CLIENT_WANT_CLOSE, w.dead);
    smtp_client_free(&w.client);
    for (size_t i = 0; i < w.next; i++) {
        CHECK_U64(w.mails[i].done, 1);
    }
    buf_free(&out);
}

#define HELLO                                                                                      \
    {                                                                                              \
        "220 mx\r\n", "EHLO me.example\r\n"                                                        \
    }
#define PIPE(rest)  "250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n", rest
#define PLAIN(rest) "250-mx\r\n250 HELP\r\n", rest
#define ENVELOPE    "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"
#define MAIL1       .msgs = {{"a@x", "b@y", "hi\r\n"}}
#define MAIL2       .msgs = {{"a@x", "b@y", "hi\r\n"}, {"a@x", "c@y", "ho\r\n"}}
#define ACCEPTED    "250 s\r\n250 r\r\n354 go\r\n"

static const struct row ROWS[] = {
    {"one message, pipelined", .msgs = {{"a@x", "b@y", "hi\r\n"}},
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {ACCEPTED, "hi\r\n.\r\n"},
               {"250 ok\r\n", ""},
               {NULL, "QUIT\r\n", QUIT},
               {"221 bye\r\n", ""}},
     .log = "open r0.0=250 d0=250 end=221/0.0.0"},

    /* The whole point of pipelining ahead: each step is one read and one write. */
    {"steady state",
     .msgs = {{"a@x", "b@y", "hi\r\n"}, {"a@x", "c@y d@y", "ho\r\n"}, {"", "e@y", "hu\r\n"}},
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {ACCEPTED,
                "hi\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nRCPT TO:<d@y>\r\nDATA\r\n"},
               {"250 first\r\n250 s\r\n250 r\r\n250 r\r\n354 go\r\n",
                "ho\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<e@y>\r\nDATA\r\n"},
               {"250 second\r\n250 s\r\n250 r\r\n354 go\r\n", "hu\r\n.\r\n"},
               {"250 third\r\n", ""}},
     .log = "open r0.0=250 d0=250 r1.0=250 r1.1=250 d1=250 r2.0=250 d2=250"},
    {"kicked while the last reply is out", MAIL1,
     .steps =
         {HELLO, {PIPE(ENVELOPE)}, {ACCEPTED, "hi\r\n.\r\n"}, {NULL, "", KICK}, {"250 ok\r\n", ""}},
     .log = "open r0.0=250 d0=250"},
    {"lock-step", MAIL2,
     .steps = {HELLO,
               {PLAIN("MAIL FROM:<a@x>\r\n")},
               {"250 s\r\n", "RCPT TO:<b@y>\r\n"},
               {"250 r\r\n", "DATA\r\n"},
               {"354 go\r\n", "hi\r\n.\r\n"},
               {"250 ok\r\n", "MAIL FROM:<a@x>\r\n"},
               {"250 s\r\n", "RCPT TO:<c@y>\r\n"}},
     .log = "open r0.0=250 d0=250"},
    {"messages_max", .with = {.messages_max = 1}, MAIL2,
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {ACCEPTED, "hi\r\n.\r\nQUIT\r\n"},
               {"250 ok\r\n221 bye\r\n", ""}},
     .log = "open r0.0=250 d0=250 end=221/0.0.0"},
    {"messages_max", .with = {.messages_max = 1}, MAIL2,
     .steps = {HELLO,
               {PLAIN("MAIL FROM:<a@x>\r\n")},
               {"250 s\r\n", "RCPT TO:<b@y>\r\n"},
               {"250 r\r\n", "DATA\r\n"},
               {"354 go\r\n", "hi\r\n.\r\n"},
               {"250 ok\r\n", "QUIT\r\n"},
               {"221 bye\r\n", ""}},
     .log = "open r0.0=250 d0=250 end=221/0.0.0"},

    {"C-074", MAIL1,
     .steps = {HELLO, {"502 no\r\n", "HELO me.example\r\n"}, {"250 mx\r\n", "MAIL FROM:<a@x>\r\n"}},
     .log = "open"},
    {"C-074", MAIL1,
     .steps = {HELLO, {"500 what\r\n", "HELO me.example\r\n"}, {"554 away\r\n", ""}},
     .log = "end=554/0.0.0"},
    {"C-074", MAIL1, .steps = {HELLO, {"550 no\r\n", ""}}, .log = "end=550/0.0.0"},
    {"C-075", .with = {.force_helo = true}, MAIL1,
     .steps = {{"220 mx\r\n", "HELO me.example\r\n"}, {"250 mx\r\n", "MAIL FROM:<a@x>\r\n"}},
     .log = "open"},
    {"C-076", MAIL1,
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {"259 no error at all\r\n299 550 x\r\n354 2.0.0\r\n", "hi\r\n.\r\n"},
               {"277 failed\r\n", ""}},
     .log = "open r0.0=299 d0=277"},
    {"C-076", MAIL1, .steps = {HELLO, {PIPE(ENVELOPE)}, {"250 s\r\n577 ok\r\n554 no\r\n", ""}},
     .log = "open r0.0=577 d0=554"},
    {"C-077", MAIL1,
     .steps = {{"220\r\n", "EHLO me.example\r\n"},
               {"250\r\n", "MAIL FROM:<a@x>\r\n"},
               {"250\r\n", "RCPT TO:<b@y>\r\n"},
               {"250\r\n", "DATA\r\n"},
               {"354\r\n", "hi\r\n.\r\n"},
               {"250\r\n", ""}},
     .log = "open r0.0=250 d0=250"},
    {"C-078", MAIL1,
     .steps = {HELLO, {PIPE(ENVELOPE)}, {"250 s\r\n250 r\r\n", ""}, {"451 wait\r\n", ""}},
     .log = "open r0.0=250 d0=451"},
    {"C-078", MAIL1, .steps = {HELLO, {PIPE(ENVELOPE)}, {"250 s\r\n250 r\r\n250 ok\r\n", ""}},
     .log = "open r0.0=250 d0=451 end=451/4.5.0"},
    {"C-079",
     .msgs = {{"a@x", "b@y", "hi\r\n", .ret = MAIL_RET_FULL, .envid = "Qq+2B", .auth = "a@x",
               .orcpt = "rfc822;b@y", .notify = MAIL_NOTIFY_NEVER}},
     .steps = {HELLO, {PIPE(ENVELOPE)}}, .log = "open"},
    {"C-080", MAIL1, .steps = {HELLO, {PIPE(ENVELOPE)}, {NULL, "", LOST}},
     .log = "open r0.0=451 d0=451 end=451/4.4.2"},
    {"C-081", MAIL1,
     .steps = {HELLO,
               {NULL, "", QUIT},
               {PLAIN("QUIT\r\n")},
               {NULL, "", WAIT, 9999},
               {NULL, "", WAIT, 1}},
     .log = "open end=451/4.4.2"},
    {"C-082", MAIL2,
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {ACCEPTED, "hi\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n"},
               {"451 4.3.0 later\r\n" ACCEPTED, "ho\r\n.\r\n"},
               {"550 5.7.1 never\r\n", ""}},
     .log = "open r0.0=250 d0=451 r1.0=250 d1=550"},
    {"C-083",
     .msgs = {{"a@x", "b@y", ".\r\n..\r\na.\r\n.b",
               .notes = SMTP_DATA_DOT_LINE | SMTP_DATA_NO_FINAL_CRLF}},
     .steps = {HELLO, {PIPE(ENVELOPE)}, {ACCEPTED, "..\r\n...\r\na.\r\n..b\r\n.\r\n"}},
     .log = "open r0.0=250"},
    {"C-084",
     .msgs = {{"a@x", "b@y", "a\nb\r.c\n.\rd\r\n.\r\n\r",
               .notes = SMTP_DATA_BARE_LF | SMTP_DATA_BARE_CR}},
     .steps = {HELLO, {PIPE(ENVELOPE)}, {ACCEPTED, "a\r\nb .c\r\n.. d\r\n..\r\n\r\n.\r\n"}},
     .log = "open r0.0=250"},
    {"C-084",
     .msgs = {{"a@x", "b@y", "no end", .notes = SMTP_DATA_NO_FINAL_CRLF}, {"a@x", "b@y", ""}},
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {ACCEPTED, "no end\r\n.\r\n" ENVELOPE},
               {"250 ok\r\n" ACCEPTED, ".\r\n"}},
     .log = "open r0.0=250 d0=250 r1.0=250"},
    {"C-085", .msgs = {{"a@x", "b@y", "\xe9\r\n", .notes = SMTP_DATA_8BIT}},
     .steps = {HELLO,
               {PIPE("MAIL FROM:<a@x> BODY=8BITMIME\r\nRCPT TO:<b@y>\r\nDATA\r\n")},
               {ACCEPTED, "\xe9\r\n.\r\n"}},
     .log = "open r0.0=250"},
    {"C-085", .msgs = {{"a@x", "b@y c@y", "\xe9\r\n", .notes = SMTP_DATA_8BIT}},
     .steps = {HELLO, {PLAIN("")}}, .log = "open r0.0=554 r0.1=554 d0=554"},
    {"C-086", .msgs = {{"a@x", "b@y c@y d@y", "hi\r\n"}},
     .steps =
         {HELLO,
          {PIPE("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nRCPT TO:<d@y>\r\nDATA\r\n")},
          {"250 s\r\n250 r\r\n450 r\r\n550 r\r\n354 go\r\n", "hi\r\n.\r\n"},
          {"250 ok\r\n", ""}},
     .log = "open r0.0=250 r0.1=450 r0.2=550 d0=250"},
    {"C-039", MAIL1,
     .steps = {HELLO, {PIPE(ENVELOPE)}, {"250 s\r\n552 5.5.3 many\r\n554 none\r\n", ""}},
     .log = "open r0.0=452 d0=554"},

    {"C-105", .msgs = {{"a@x", "b@y", "hi\r\n", .octets = 11}, {"a@x", "c@y", "ho\r\n"}},
     .steps = {HELLO,
               {"250-mx\r\n250-PIPELINING\r\n250 SIZE 10\r\n",
                "MAIL FROM:<a@x> SIZE=4\r\nRCPT TO:<c@y>\r\nDATA\r\n"}},
     .log = "open r0.0=552 d0=552"},
    {"C-105", MAIL1,
     .steps = {HELLO,
               {"250-mx\r\n250-PIPELINING\r\n250 SIZE\r\n",
                "MAIL FROM:<a@x> SIZE=4\r\nRCPT TO:<b@y>\r\nDATA\r\n"}},
     .log = "open"},
    {"C-106", MAIL1,
     .steps = {HELLO, {PIPE(ENVELOPE)}, {"452 4.3.1 full\r\n503 x\r\n503 x\r\n", ""}},
     .log = "open r0.0=452 d0=452"},
    {"C-106", MAIL1,
     .steps = {HELLO, {PIPE(ENVELOPE)}, {"552 5.3.4 big\r\n503 x\r\n503 x\r\n", ""}},
     .log = "open r0.0=552 d0=552"},
    {"C-112", MAIL2,
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {"250 354 start\r\n250-550 no\r\n250 no\r\n", ""},
               {"354 250 ok\r\n", "hi\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n"},
               {"250 354\r\n", ""},
               {"250 x\r\n250 x\r\n", ""},
               {"354 \r\n", "ho\r\n.\r\n"}},
     .log = "open r0.0=250 d0=250 r1.0=250"},
    {"C-113", MAIL2,
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {"250 s\r\n550 r\r\n354 go\r\n",
                ".\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n"},
               {"250 delivered to nobody\r\n" ACCEPTED, "ho\r\n.\r\n"},
               {"250 ok\r\n", ""}},
     .log = "open r0.0=550 d0=554 r1.0=250 d1=250"},
    {"C-113", MAIL2, /* a refused DATA leaves the peer's envelope open: RSET goes first */
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {"250 s\r\n550 r\r\n554 none\r\n",
                "RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n"},
               {"250 reset\r\n" ACCEPTED, "ho\r\n.\r\n"},
               {"250 ok\r\n", ""}},
     .log = "open r0.0=550 d0=554 r1.0=250 d1=250"},
    {"C-113", MAIL2,
     .steps = {HELLO,
               {PLAIN("MAIL FROM:<a@x>\r\n")},
               {"250 s\r\n", "RCPT TO:<b@y>\r\n"},
               {"550 r\r\n", "RSET\r\n"},
               {"250 ok\r\n", "MAIL FROM:<a@x>\r\n"}},
     .log = "open r0.0=550 d0=554"},
    {"C-113", .msgs = {{"a@x", "b@y c@y", "hi\r\n"}, {"a@x", "c@y", "ho\r\n"}},
     .steps = {HELLO, {PLAIN("MAIL FROM:<a@x>\r\n")}, {"550 s\r\n", "MAIL FROM:<a@x>\r\n"}},
     .log = "open r0.0=550 r0.1=550 d0=550"},
    {"C-113", MAIL2, /* MAIL refused, yet everything else taken: nobody gets anything */
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {"550 s\r\n250 r\r\n354 go\r\n",
                ".\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n"},
               {"250 ok\r\n", ""}},
     .log = "open r0.0=550 d0=550"},

    {"C-125",
     .msgs = {{"a@x", "b@y", "hi\r\n", .body = MAIL_BODY_8BITMIME},
              {"a@x", "b@y", "hi\r\n", .body = MAIL_BODY_BINARYMIME}},
     .steps = {HELLO, {PLAIN("")}}, .log = "open r0.0=554 d0=554 r1.0=554 d1=554"},
    {"C-147",
     .msgs = {{"a@x", "b@y", "hi\r\n", .ret = MAIL_RET_HDRS, .envid = "Qq+2BZ", .auth = "a@x",
               .orcpt = "rfc822;B+2Bb@Y", .notify = MAIL_NOTIFY_SUCCESS | MAIL_NOTIFY_DELAY},
              {"a@x", "b@y", "hi\r\n", .ret = MAIL_RET_FULL, .notify = MAIL_NOTIFY_NEVER},
              {"a@x", "b@y", "hi\r\n"}},
     .steps = {HELLO,
               {"250-mx\r\n250-DSN\r\n250 PIPELINING\r\n",
                "MAIL FROM:<a@x> RET=HDRS ENVID=Qq+2BZ\r\n"
                "RCPT TO:<b@y> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2Bb@Y\r\nDATA\r\n"},
               {ACCEPTED, "hi\r\n.\r\nMAIL FROM:<a@x> RET=FULL\r\nRCPT TO:<b@y> NOTIFY=NEVER\r\n"
                          "DATA\r\n"},
               {"250 ok\r\n" ACCEPTED, "hi\r\n.\r\n" ENVELOPE}},
     .log = "open r0.0=250 d0=250 r1.0=250"},
    {"C-148",
     .msgs = {{"a@x", "b@y", "hi\r\n", .ret = MAIL_RET_HDRS, .envid = "Qq", .orcpt = "rfc822;b@y",
               .notify = MAIL_NOTIFY_SUCCESS}},
     .steps = {HELLO, {PIPE(ENVELOPE)}}, .log = "open"},
    {"C-155", .msgs = {{"\xc3\xa9@x", "b@y", "hi\r\n", .smtputf8 = true}},
     .steps = {HELLO, {PIPE("")}}, .log = "open r0.0=553 d0=553"},
    {"C-155", .msgs = {{"\xc3\xa9@x", "b@y", "hi\r\n", .smtputf8 = true}},
     .steps = {HELLO,
               {"250-mx\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n",
                "MAIL FROM:<\xc3\xa9@x> SMTPUTF8\r\n"}},
     .log = "open"},
    {"C-155", .msgs = {{"a@x", "\xc3\xa9@y b@y", "hi\r\n"}, {"\xc3\xa9@x", "b@y", "hi\r\n"}},
     .steps = {HELLO, {PIPE(ENVELOPE)}, {ACCEPTED, "hi\r\n.\r\n"}, {"250 ok\r\n", ""}},
     .log = "open r0.0=553 r0.1=250 r1.0=553 d1=553 d0=250"},

    {"H-02", MAIL1, .steps = {{"220-a\r\n250x\r\n", ""}}, .log = "end=451/4.5.0"},
    {"H-02", MAIL1, .steps = {{"25\r\n", ""}}, .log = "end=451/4.5.0"},
    {"H-02", MAIL1, .steps = {{"999 x\r\n", ""}}, .log = "end=451/4.5.0"},
    {"H-02", MAIL1, .steps = {{"220 lf only\n", ""}}, .log = "end=451/4.5.0"},
    {"H-02", MAIL1,
     .steps = {HELLO, {PIPE(ENVELOPE)}, {ACCEPTED, "hi\r\n.\r\n"}, {"250-a\r\n550 b\r\n", ""}},
     .log = "open r0.0=250 d0=550"},
    {"H-02", MAIL1,
     .steps = {HELLO, {PIPE(ENVELOPE)}, {ACCEPTED, "hi\r\n.\r\n"}, {"250-", ""}, {NULL, "", LOST}},
     .log = "open r0.0=250 d0=451? end=451/4.4.2"},
    {"H-02", MAIL1,
     .steps = {HELLO, {PIPE(ENVELOPE)}, {ACCEPTED, "hi\r\n.\r\n"}, {"2500 x\r\n", ""}},
     .log = "open r0.0=250 d0=451? end=451/4.5.0"},
    {"H-04", MAIL1, .steps = {HELLO, {"250-mx\r\n250 X\r\n250 ok\r\n", ""}},
     .log = "open end=451/4.5.0", .whole = true},
    {"H-04", .msgs = {{NULL}}, .steps = {HELLO, {PLAIN("")}, {"2", ""}},
     .log = "open end=451/4.5.0"},
    {"H-04", .msgs = {{NULL}}, .steps = {HELLO, {PLAIN("")}, {"421 4.4.2 idle\r\n", ""}},
     .log = "open end=421/4.4.2", .whole = true},
    {"H-04", MAIL1,
     .steps = {HELLO, {PIPE(ENVELOPE)}, {ACCEPTED, "hi\r\n.\r\n"}, {"250 ok\r\n250 ok\r\n", ""}},
     .log = "open r0.0=250 d0=250 end=451/4.5.0"},
    {"H-05", MAIL1,
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {"250 s\r\n250 r\r\n", ""},
               {NULL, "", WAIT, 119999},
               {NULL, "", WAIT, 1}},
     .log = "open r0.0=250 d0=451 end=451/4.4.2"},
    {"H-06", MAIL1, .steps = {HELLO, {PIPE(ENVELOPE)}, {"354 go\r\n", ""}},
     .log = "open r0.0=451 d0=451 end=451/4.5.0"},
    {"H-06", MAIL1, .steps = {HELLO, {PIPE(ENVELOPE)}, {"250 s\r\n354 r\r\n", ""}},
     .log = "open r0.0=451 d0=451 end=451/4.5.0"},
    {"H-06", MAIL2,
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {ACCEPTED, "hi\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n"},
               {"250 ok\r\n421 4.3.2 going down\r\n", ""}},
     .log = "open r0.0=250 d0=250 r1.0=421 d1=421 end=421/4.3.2"},
    {"H-06", MAIL2,
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {ACCEPTED, "hi\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n"},
               {"421 4.3.2 going down\r\n", ""}},
     .log = "open r0.0=250 d0=421 r1.0=421 d1=421 end=421/4.3.2"},
    {"H-06", MAIL2,
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {ACCEPTED, "hi\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n"},
               {NULL, "", LOST}},
     .log = "open r0.0=250 d0=451? r1.0=451 d1=451 end=451/4.4.2"},
    {"H-06", .msgs = {{"a@x", "b@y c@y", "hi\r\n"}},
     .steps = {HELLO,
               {PIPE("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n")},
               {"250 s\r\n550 no\r\n", ""},
               {NULL, "", LOST}},
     .log = "open r0.0=550 r0.1=451 d0=451 end=451/4.4.2"},
    {"H-06", MAIL1,
     .steps = {HELLO,
               {PIPE(ENVELOPE)},
               {ACCEPTED, "hi\r\n.\r\n"},
               {NULL, "", WAIT, 599999},
               {NULL, "", WAIT, 1}},
     .log = "open r0.0=250 d0=451? end=451/4.4.2"},
    {"H-07", MAIL1,
     .steps = {HELLO,
               {"250-PIPELINING is my name\r\n250-SIZE 99999999999999999999\r\n250-SIZE -1\r\n"
                "250-AUTH=PLAIN\r\n250-LIMITS RCPTMAX=0\r\n250-pipelining\r\n250- \r\n250-\r\n"
                "250 PIPELININGS\r\n",
                ENVELOPE}},
     .log = "open"},
    {"H-07", MAIL1,
     .steps = {HELLO, {"250-PIPELINING 8BITMIME\r\n250 8BITMIMEX\r\n", "MAIL FROM:<a@x>\r\n"}},
     .log = "open"},
    {"H-08", MAIL1, .steps = {{"421 4.7.0 busy\r\n", ""}}, .log = "end=421/4.7.0"},
    {"H-08", MAIL1, .steps = {{"554 go away\r\n", ""}}, .log = "end=554/0.0.0"},
    {"H-08", MAIL1, .steps = {{NULL, "", WAIT, 300000}}, .log = "end=451/4.4.2"},

    {"P-11",
     .msgs = {{"a@x", "b@y\r\nRSET b@y b@y>NOTIFY=NEVER<c@z \"q\"@y", "hi\r\n"},
              {"a@x\nb", "b@y", "hi\r\n"},
              {"a@x", "b@y", "hi\r\n", .envid = "a b"},
              {"a@x", "b@y", "hi\r\n", .orcpt = "rfc822;a\r\nDATA"}},
     .steps = {HELLO,
               {PIPE("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<\"q\"@y>\r\nDATA\r\n")},
               {"250 s\r\n250 r\r\n250 r\r\n354 go\r\n", "hi\r\n.\r\n"},
               {"250 ok\r\n", ""}},
     .log = "open r0.0=553 r0.1=250 r0.2=553 r0.3=250 r1.0=553 d1=553 r2.0=553 d2=553 r3.0=553 "
            "d3=554 d0=250"},
    {"unreadable text", .msgs = {{"a@x", "b@y", "hi\r\n", .unreadable = true}},
     .steps = {HELLO, {PIPE(ENVELOPE)}, {ACCEPTED, ""}},
     .log = "open r0.0=250 d0=451 end=451/4.3.0"},
    {"refused in the middle of the text", .msgs = {{"a@x", "b@y", "hi\r\n", .unreadable = true}},
     .steps = {HELLO,
               {PLAIN("MAIL FROM:<a@x>\r\n")},
               {"250 s\r\n", "RCPT TO:<b@y>\r\n"},
               {"250 r\r\n", "DATA\r\n"},
               {"354 go\r\n552 5.3.4 big\r\n", ""}},
     .log = "open r0.0=250 d0=552 end=552/5.3.4", .whole = true},

    {"STARTTLS", .with = {.tls = SMTP_CLIENT_TLS_MAY}, MAIL1,
     .steps = {HELLO,
               {"250-mx\r\n250 STARTTLS\r\n", "STARTTLS\r\n"},
               {"220 go\r\n", ""},
               {NULL, "EHLO me.example\r\n", TLS_OK},
               {PLAIN("MAIL FROM:<a@x>\r\n")}},
     .log = "open"},
    {"T-03", .with = {.tls = SMTP_CLIENT_TLS_MAY}, MAIL1,
     .steps = {HELLO,
               {"250-mx\r\n250 STARTTLS\r\n", "STARTTLS\r\n"},
               {"220 go\r\n250-x\r\n250 AUTH PLAIN\r\n", ""}},
     .log = "end=451/4.7.0"},
    {"T-03", .with = {.tls = SMTP_CLIENT_TLS_MAY}, MAIL1,
     .steps = {HELLO,
               {"250-mx\r\n250 STARTTLS\r\n", "STARTTLS\r\n"},
               {"220 go\r\n", ""},
               {"250 x\r\n", ""}},
     .log = "end=451/4.7.0"},
    {"T-04", .with = {.tls = SMTP_CLIENT_TLS_MAY},
     .msgs = {{"a@x", "b@y", "hello, world\r\n", .ret = MAIL_RET_FULL}},
     .steps = {HELLO,
               {"250-mx\r\n250-SIZE 10\r\n250-PIPELINING\r\n250-DSN\r\n250 STARTTLS\r\n",
                "STARTTLS\r\n"},
               {"220 go\r\n", ""},
               {NULL, "EHLO me.example\r\n", TLS_OK},
               {PLAIN("MAIL FROM:<a@x>\r\n")}},
     .log = "open"},
    {"T-04", .with = {.tls = SMTP_CLIENT_TLS_ENCRYPT}, MAIL1, /* offered again inside: not taken */
     .steps = {HELLO,
               {"250-mx\r\n250 STARTTLS\r\n", "STARTTLS\r\n"},
               {"220 go\r\n", ""},
               {NULL, "EHLO me.example\r\n", TLS_OK},
               {"250-mx\r\n250 STARTTLS\r\n", "MAIL FROM:<a@x>\r\n"}},
     .log = "open"},
    {"T-07", .with = {.tls = SMTP_CLIENT_TLS_NEVER}, MAIL1,
     .steps = {HELLO, {"250-mx\r\n250 STARTTLS\r\n", "MAIL FROM:<a@x>\r\n"}}, .log = "open"},
    {"T-07", .with = {.tls = SMTP_CLIENT_TLS_ENCRYPT}, MAIL1, .steps = {HELLO, {PLAIN("")}},
     .log = "end=451/4.7.4"},
    {"T-07", .with = {.tls = SMTP_CLIENT_TLS_ENCRYPT}, MAIL1,
     .steps = {HELLO, {"502 no\r\n", "HELO me.example\r\n"}, {"250 mx\r\n", ""}},
     .log = "end=451/4.7.4"},
    {"T-08", .with = {.tls = SMTP_CLIENT_TLS_MAY}, MAIL1,
     .steps = {HELLO,
               {"250-mx\r\n250 STARTTLS\r\n", "STARTTLS\r\n"},
               {"220 go\r\n", ""},
               {NULL, "", WAIT, 29999},
               {NULL, "", WAIT, 1}},
     .log = "end=451/4.4.2"},
    {"T-08", .with = {.tls = SMTP_CLIENT_TLS_MAY}, MAIL1,
     .steps = {HELLO,
               {"250-mx\r\n250 STARTTLS\r\n", "STARTTLS\r\n"},
               {"220 go\r\n", ""},
               {NULL, "", TLS_FAILS}},
     .log = "end=451/4.7.5"},
};

static void test_rows(void)
{
    size_t found = 0;
    for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++) {
        if (strcmp(ROWS[i].id, unit_test_name()) == 0) {
            char name[64];
            snprintf(name, sizeof name, "%s, row %zu", ROWS[i].id, found++);
            unit_row(name);
            row_run(&ROWS[i], false);
            if (!ROWS[i].whole) {
                row_run(&ROWS[i], true);
            }
        }
    }
    CHECK(found > 0);
}

/* A session with one message list of ROW, in the state that INPUT leaves it in. */
static void start_at(struct world *w, const struct row *row, struct buf *out, const char *const *in)
{
    world_start(w, row);
    for (; *in != NULL; in++) {
        smtp_client_input(w->client, bytes_of(*in));
        smtp_client_fill(w->client, out);
    }
}

static const struct row ONE = {.id = "", MAIL1};
static const char *const TO_ENVELOPE[] = {"220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n", NULL};

/* C-072: no timeout is shorter than RFC 5321 4.5.3.2 says; C-073: each can be set. */
static void test_timeouts(void)
{
    static const struct {
        const char *name, *in;
        struct smtp_client_timeouts set;
        uint64_t standard_ms;
    } rows[] = {
        {"banner", NULL, {.banner = 7}, 300000},     {"hello", "220 mx\r\n", {.hello = 7}, 300000},
        {"mail", "250 mx\r\n", {.mail = 7}, 300000}, {"rcpt", "250 s\r\n", {.rcpt = 7}, 300000},
        {"data", "250 r\r\n", {.data = 7}, 120000},  {"end", "354 go\r\n", {.end = 7}, 600000},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (int set = 0; set < 2; set++) {
            struct row row = ONE;
            struct world w;
            struct buf out;
            unit_row(rows[i].name);
            buf_init(&out, 65536);
            row.with.timeouts = set ? rows[i].set : (struct smtp_client_timeouts){0};
            world_start(&w, &row);
            for (size_t k = 1; k <= i; k++) {
                smtp_client_input(w.client, bytes_of(rows[k].in));
                smtp_client_fill(w.client, &out);
            }
            CHECK_U64(smtp_client_deadline_ms(w.client),
                      clock_mono_ms() + (set ? 7 : rows[i].standard_ms));
            smtp_client_free(&w.client);
            buf_free(&out);
        }
    }
    CHECK_U64(SMTP_CLIENT_TIMEOUTS_DEFAULT.text, 180000);
}

/* C-115: 1,000 recipients never have more replies under way than 64 KiB can hold. */
static void test_window(void)
{
    enum { RCPTS = 1000 };
    static struct mail_rcpt rcpts[RCPTS];
    struct mail_envelope envelope = {.sender = BYTES("a@x"), .rcpts = rcpts, .rcpt_count = RCPTS};
    struct world w;
    struct buf out;
    buf_init(&out, 128 * 1024);
    for (size_t i = 0; i < RCPTS; i++) {
        rcpts[i].address = BYTES("somebody@example.com");
    }
    start_at(&w, &(struct row){.id = ""}, &out, TO_ENVELOPE);
    mail_make(&w.mails[0], &ONE.msgs[0], 0);
    w.mails[0].message.envelope = &envelope;
    w.count = 1;
    w.next = 0;
    smtp_client_kick(w.client);
    size_t answered = 0, most = 0, written = 0;
    while (answered < RCPTS + 1) {
        buf_clear(&out);
        smtp_client_fill(w.client, &out);
        struct bytes sent = buf_bytes(&out);
        for (size_t at = 0; (at = bytes_find(sent, '\n', at)) != BYTES_NOT_FOUND; at++) {
            written++;
        }
        most = written - answered > most ? written - answered : most;
        if (!CHECK(written > answered)) {
            break;
        }
        smtp_client_input(w.client, BYTES("250 2.1.5 fine\r\n"));
        answered++;
        w.len = 0;
    }
    CHECK(most > 1 && most * 512 <= 64 * 1024);
    CHECK_U64(w.mails[0].message.rcpts_accepted, RCPTS);
    smtp_client_free(&w.client);
    buf_free(&out);
}

static uint64_t text_read_at;

static bool text_read(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    CHECK_U64(at, text_read_at);
    CHECK(at + len <= m->octets);
    for (size_t i = 0; i < len; i++) {
        to[i] = "0123456789abcd\r\n"[(at + i) % 16];
    }
    text_read_at = at + len;
    return true;
}

/* A text larger than the output goes out in pieces, each piece once. */
static void test_large_text(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 128 * 1024);
    world_start(&w, &ONE);
    w.mails[0].message.octets = 16 * 100000;
    w.mails[0].message.read = text_read;
    text_read_at = 0;
    for (size_t i = 0; TO_ENVELOPE[i] != NULL; i++) {
        smtp_client_input(w.client, bytes_of(TO_ENVELOPE[i]));
        smtp_client_fill(w.client, &out);
    }
    smtp_client_input(w.client, bytes_of(ACCEPTED));
    uint64_t total = 0;
    char last[5] = "";
    unsigned fills = 0;
    do {
        buf_clear(&out);
        smtp_client_fill(w.client, &out);
        total += buf_len(&out);
        fills++;
        if (buf_len(&out) >= 5) {
            memcpy(last, buf_bytes(&out).ptr + buf_len(&out) - 5, 5);
        }
    } while (buf_len(&out) > 0);
    CHECK_U64(total, 16 * 100000 + 3);
    CHECK(fills < 20);
    CHECK(memcmp(last, "\r\n.\r\n", 5) == 0);
    smtp_client_input(w.client, BYTES("250 ok\r\n"));
    CHECK_STR(w.log, "open r0.0=250 d0=250");
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* H-01: replies without end, and bytes that trickle in inside each timeout. */
static void test_flood(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 65536);
    start_at(&w, &ONE, &out, (const char *const[]){"220 mx\r\n", NULL});
    for (size_t i = 0; i < 1000 && !w.dead; i++) {
        smtp_client_input(w.client, BYTES("250-KEYWORD\r\n"));
    }
    CHECK_STR(w.log, "end=451/4.5.0");
    smtp_client_free(&w.client);

    start_at(&w, &ONE, &out, TO_ENVELOPE);
    for (size_t i = 0; i < 100 && !w.dead; i++) {
        smtp_client_input(w.client, BYTES("250 "
                                          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    }
    CHECK_STR(w.log, "open r0.0=451 d0=451 end=451/4.5.0");
    smtp_client_free(&w.client);

    start_at(&w, &ONE, &out, TO_ENVELOPE);
    for (unsigned i = 0; i < 3 && !w.dead; i++) {
        smtp_client_input(w.client, BYTES("2"));
        clock_virtual_advance(240000);
        smtp_client_timeout(w.client);
    }
    CHECK(w.dead);
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* H-01: a peer may not hold a message for ever by answering each command just in time. */
static void test_total_deadline(void)
{
    struct world w;
    struct buf out;
    struct row row = {.id = "", .msgs = {{"a@x", "b@y c@y d@y e@y f@y g@y h@y i@y", "hi\r\n"}}};
    buf_init(&out, 65536);
    row.with.timeouts.rcpt = 20 * 60 * 1000;
    start_at(&w, &row, &out, TO_ENVELOPE);
    smtp_client_input(w.client, BYTES("250 s\r\n"));
    unsigned replies = 0;
    for (; replies < 8 && !w.dead; replies++) {
        clock_virtual_advance(19 * 60 * 1000);
        smtp_client_timeout(w.client);
        smtp_client_input(w.client, BYTES("250 r\r\n"));
    }
    CHECK(w.dead);
    CHECK_U64(replies, 4);
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* H-02: bytes that are no text never come out of a reply. */
static void test_reply_text(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 65536);
    start_at(&w, &ONE, &out, TO_ENVELOPE);
    smtp_client_input(w.client, bytes_make("25\0 x\r\n", 7));
    CHECK_STR(w.log, "open r0.0=451 d0=451 end=451/4.5.0");
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* T-07: whatever a peer says instead of 220, mail that needs TLS never goes in clear. */
static void test_stripping(void)
{
    static const unsigned codes[] = {221, 250, 334, 354, 454, 451, 500, 501, 502, 503, 530, 554};
    static const char *const to_starttls[] = {"220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", NULL};
    struct buf out;
    buf_init(&out, 65536);
    for (size_t i = 0; i < 2 * ARRAY_SIZE(codes); i++) {
        struct world w;
        struct row row = ONE;
        char reply[32];
        snprintf(reply, sizeof reply, "%u x\r\n", codes[i / 2]);
        unit_row(reply);
        bool may = i % 2 == 0;
        row.with.tls = may ? SMTP_CLIENT_TLS_MAY : SMTP_CLIENT_TLS_ENCRYPT;
        start_at(&w, &row, &out, to_starttls);
        buf_clear(&out);
        smtp_client_input(w.client, bytes_of(reply));
        smtp_client_fill(w.client, &out);
        CHECK_BYTES(buf_bytes(&out), may ? BYTES("MAIL FROM:<a@x>\r\n") : BYTES_EMPTY);
        CHECK_STR(w.log, may ? "open" : "end=451/4.7.4");
        smtp_client_free(&w.client);

        world_start(&w, &row);
        buf_clear(&out);
        smtp_client_input(w.client, bytes_of(reply));
        smtp_client_fill(w.client, &out);
        CHECK_U64(buf_len(&out), 0);
        CHECK(w.dead);
        smtp_client_free(&w.client);
    }
    buf_free(&out);
}

/* Freed in the middle of two messages: each gets its verdict, the one with its dot out in doubt. */
static void test_free(void)
{
    struct world w;
    struct buf out;
    buf_init(&out, 65536);
    start_at(&w, &(struct row){.id = "", MAIL2}, &out, TO_ENVELOPE);
    smtp_client_input(w.client, bytes_of(ACCEPTED));
    smtp_client_fill(w.client, &out);
    CHECK(strstr(smtp_client_state_phrase(w.client), "may arrive twice") != NULL);
    CHECK(!smtp_client_idle(w.client));
    smtp_client_free(&w.client);
    CHECK_STR(w.log, "open r0.0=250 d0=451? r1.0=451 d1=451");
    CHECK(w.client == NULL);
    smtp_client_free(&w.client);
    buf_free(&out);
}

/* What is known of a session: idle, TLS gone wrong, DSN taken on. */
static void test_facts(void)
{
    struct world w;
    struct buf out;
    struct row row = {.id = "", .with = {.tls = SMTP_CLIENT_TLS_MAY}};
    buf_init(&out, 65536);
    start_at(&w, &row, &out, (const char *const[]){"220 x\r\n", "250-x\r\n250 DSN\r\n", NULL});
    CHECK(smtp_client_idle(w.client));
    CHECK(smtp_client_dsn_offered(w.client));
    CHECK_U64(smtp_client_deadline_ms(w.client), TIMER_NEVER);
    smtp_client_free(&w.client);

    start_at(&w, &row, &out, (const char *const[]){"220 x\r\n", "250-x\r\n250 STARTTLS\r\n", NULL});
    CHECK(!smtp_client_idle(w.client));
    smtp_client_lost(w.client, "reset");
    CHECK(smtp_client_tls_failed(w.client));
    smtp_client_free(&w.client);
    buf_free(&out);
}

static void row_test(void)
{
    clock_virtual_start(1000000, 0);
    test_rows();
    clock_virtual_end();
}

#define VIRTUAL(name)                                                                              \
    static void name##_at_rest(void)                                                               \
    {                                                                                              \
        clock_virtual_start(1000000, 0);                                                           \
        name();                                                                                    \
        clock_virtual_end();                                                                       \
    }
VIRTUAL(test_timeouts)
VIRTUAL(test_flood)
VIRTUAL(test_total_deadline)

UNIT_MAIN("net/smtp_client", {"one message, pipelined", row_test}, {"steady state", row_test},
          {"kicked while the last reply is out", row_test}, {"lock-step", row_test},
          {"messages_max", row_test}, {"C-039", row_test}, {"C-072 C-073", test_timeouts_at_rest},
          {"C-074", row_test}, {"C-075", row_test}, {"C-076", row_test}, {"C-077", row_test},
          {"C-078", row_test}, {"C-079", row_test}, {"C-080", row_test}, {"C-081", row_test},
          {"C-082", row_test}, {"C-083", row_test}, {"C-084", row_test}, {"C-085", row_test},
          {"C-086", row_test}, {"C-105", row_test}, {"C-106", row_test}, {"C-112", row_test},
          {"C-113", row_test}, {"C-115", test_window}, {"C-125", row_test}, {"C-147", row_test},
          {"C-148", row_test}, {"C-155", row_test}, {"H-01 flood", test_flood_at_rest},
          {"H-01 total deadline", test_total_deadline_at_rest}, {"H-02", row_test},
          {"H-02 text", test_reply_text}, {"H-04", row_test}, {"H-05", row_test},
          {"H-06", row_test}, {"H-07", row_test}, {"H-08", row_test}, {"P-11", row_test},
          {"unreadable text", row_test}, {"refused in the middle of the text", row_test},
          {"large text", test_large_text}, {"STARTTLS", row_test}, {"T-03", row_test},
          {"T-04", row_test}, {"T-07", row_test}, {"T-07 codes", test_stripping},
          {"T-08", row_test}, {"free", test_free}, {"facts", test_facts})
