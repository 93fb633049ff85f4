/* tests/unit/net/smtp_server_rig.h - a server session without a socket, and an owner that writes
 * down all it is told and answers as the test wants: at once or later. */
#ifndef TESTS_SMTP_SERVER_RIG_H
#define TESTS_SMTP_SERVER_RIG_H

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "net/smtp_server.h"
#include "unit.h"

#define RIG_EXTENSIONS                                                                             \
    (SMTP_EXTENSION_SIZE | SMTP_EXTENSION_PIPELINING | SMTP_EXTENSION_DSN |                        \
     SMTP_EXTENSION_ENHANCEDSTATUSCODES | SMTP_EXTENSION_STARTTLS | SMTP_EXTENSION_8BITMIME |      \
     SMTP_EXTENSION_CHUNKING | SMTP_EXTENSION_SMTPUTF8)

struct rig {
    char protocol[4096];
    size_t protocol_len;
    struct smtp_server *s;
    struct smtp_server_settings settings;
    bool later; /* every question is answered by smtp_server_answer() */
    bool hold;  /* and not by rig_send(): the test does it */
    bool tarpit;
    /* What is answered; code 0: the ordinary success. */
    struct mail_status on_mail, on_rcpt, on_begin, on_text, on_end, on_auth;
    struct mail_status waiting; /* the answer owed */
    unsigned mails, rcpts, begins, ends, commits, aborts, refusals, tls;
    bool open; /* between a MAIL accepted and its end */
    struct arena arena;
    struct mail_envelope envelope; /* of the last message committed */
    unsigned notes;
    uint64_t octets;
    struct bytes last_domain; /* of the last RCPT, in the arena */
    struct buf text;          /* of the last message */
    struct buf refused;       /* "VERB code\n" each, of the first */
    struct buf told;          /* everything about refusals that a log could show */
    unsigned auths;
    char user[600], password[600]; /* of the last AUTH */
};

extern const struct smtp_server_ops rig_ops;

struct mail_status rig_status(uint16_t code, uint16_t a, uint16_t b, uint16_t c, const char *text);

/* An owner and settings; change them, then rig_start(). */
void rig_init(struct rig *r);

struct bytes rig_output(struct rig *r);

void rig_start_refused(struct rig *r, const struct mail_status *refusal);

/* Greeted, and the banner is out of the way. */
void rig_start(struct rig *r);

void rig_end(struct rig *r);

void rig_answer(struct rig *r);

/* Feeds IN and answers what is asked; returns what the session would not take. */
size_t rig_send(struct rig *r, struct bytes in);

size_t rig_send_bytewise(struct rig *r, struct bytes in);

/* The output line by line against WANTED: lines split by LF, each the beginning of a reply line;
 * "*" alone: at least one line, whatever it says. Clears the output. */
bool rig_expect(struct rig *r, const char *wanted);

/* One piece of input and what comes back. */
bool rig_say(struct rig *r, const char *send, const char *wanted);

/* One session on a clock that stands still, and its end. */
struct rig *rig_new(void);

void rig_done(struct rig *r);

#define RIG_EHLO "EHLO client.example\r\n"
#define RIG_MAIL "MAIL FROM:<a@b.example>\r\n"
#define RIG_RCPT "RCPT TO:<c@d.example>\r\n"

/* Up to an accepted recipient. */
void rig_to_rcpt(struct rig *r);

void rig_to_data(struct rig *r);

#endif
