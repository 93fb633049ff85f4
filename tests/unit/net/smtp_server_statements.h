/* tests/unit/net/smtp_server_statements.h - statements of an RFC about a server, one named test
 * each: a dialogue, or a function where that does not do. A dialogue is held three times: with
 * answers at once, with answers that come later, and octet by octet.
 */
#ifndef TESTS_SMTP_SERVER_STATEMENTS_H
#define TESTS_SMTP_SERVER_STATEMENTS_H

#include "smtp_server_rig.h"

#define STEPS_MAX 12

struct step {
    const char *send, *reply; /* beginnings of the reply's lines, split by LF */
};

struct row {
    const char *name;
    void (*run)(struct rig *r); /* NULL: the steps */
    struct step steps[STEPS_MAX];
    const char *message; /* committed last; NULL: any or none */
    unsigned commits, aborts;
    bool closed;
    bool one_block; /* where the pieces end is the point: not octet by octet */
};

#define EHLO                                                                                       \
    {                                                                                              \
        RIG_EHLO, "*"                                                                              \
    }
#define MAIL                                                                                       \
    {                                                                                              \
        RIG_MAIL, "250 2.1.0"                                                                      \
    }
#define RCPT                                                                                       \
    {                                                                                              \
        RIG_RCPT, "250 2.1.5"                                                                      \
    }
#define TO_MAIL EHLO, MAIL
#define TO_RCPT TO_MAIL, RCPT
#define TO_DATA                                                                                    \
    TO_RCPT,                                                                                       \
    {                                                                                              \
        "DATA\r\n", "354 "                                                                         \
    }

char *repeat(char c, size_t count);

void say_long(struct rig *r, const char *before, char fill, size_t count, const char *after,
              const char *reply);

/* Runs the row that bears the name of the test. */
void statement_run(const struct row *rows, size_t count);

#endif
