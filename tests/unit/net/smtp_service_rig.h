/* tests/unit/net/smtp_service_rig.h - a session on a real socket, the bare client at its other end,
 * and an owner that answers at once or when the test does. One at a time.
 */
#ifndef TESTS_SMTP_SERVICE_RIG_H
#define TESTS_SMTP_SERVICE_RIG_H

#include "core/clock.h"
#include "net/smtp_service.h"
#include "net/tls.h"

#include "unit.h"

enum question { QUESTION_NONE, QUESTION_MAIL, QUESTION_END };

extern struct service_rig {
    struct loop *loop;
    struct smtp_service *service;
    int client;
    struct smtp_server_settings settings;
    struct tls_context *tls;
    enum question later; /* answered by the test */
    struct mail_status waiting;
    bool abort_in_mail, shutdown_in_mail;
    unsigned mails, commits, aborts, closed, tls_started;
    bool helo_seen_at_close;
    enum err reason;
    uint64_t octets;
    char got[1 << 16]; /* what the client has read */
    size_t got_len;
    bool eof;
} rig;

extern const struct smtp_server_ops service_ops;

/* Settings on a clock that stands still; change them, then service_start(). */
void service_new(void);
void service_start(const struct mail_status *refusal);
void service_done(void);

/* Turns the loop until the client has read LINES lines, or the session has closed; 0: until all is
 * quiet. How many lines it has read since service_forget(). */
unsigned service_turn(unsigned lines);
void service_send(const char *text);
void service_forget(void);
/* Sends, and reads LINES lines; checks that the reply begins with STARTS. */
void service_say(const char *text, unsigned lines, const char *starts);
/* The banner, and the reply to HELO or to EHLO. */
void service_hello(void);
void service_ehlo(void);

#endif
