/* tests/unit/net/smtp_client_rig.h - a client session without a network, driven by a script.
 */
#ifndef TESTS_SMTP_CLIENT_RIG_H
#define TESTS_SMTP_CLIENT_RIG_H

#include "core/clock.h"
#include "net/smtp_client.h"
#include "net/smtp_data.h"
#include "unit.h"

/* clang-format off */
#define S(in_, out_)      {.in = (in_), .out = (out_)}
#define DO(act_, out_)    {.act = (act_), .out = (out_)}
#define AFTER(ms, out_)   {.act = WAIT, .wait_ms = (ms), .out = (out_)}
#define M(from, to, ...)  {.sender = (from), .rcpts = (to), .text = __VA_ARGS__}
#define HELLO             S("220 mx\r\n", "EHLO me.example\r\n")
#define PIPE              "250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
#define PLAIN             "250-mx\r\n250 HELP\r\n"
#define ENVELOPE          "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"
#define ACCEPTED          "250 s\r\n250 r\r\n354 go\r\n"
#define MAIL1             .msgs = {M("a@x", "b@y", "hi\r\n")}
#define MAIL2             .msgs = {M("a@x", "b@y", "hi\r\n"), M("a@x", "c@y", "ho\r\n")}
/* clang-format on */

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
    const char *envid, *orcpt, *auth, *orar;
    uint8_t notify;
    unsigned options;
    bool unreadable;
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

void __attribute__((format(printf, 2, 3))) say(struct world *w, const char *fmt, ...);

void mail_make(struct mail *mail, const struct msg *from, int number);

void world_start(struct world *w, const struct row *row);

void client_row_run(const struct row *row, bool split);

#endif
