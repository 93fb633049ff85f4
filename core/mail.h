/* core/mail.h - the words that the session, the spool and delivery share about one mail.
 *
 * Plain shapes: all text is borrowed from the arena of the transaction or of the record that was
 * read back; to keep an envelope is to keep its arena.
 */
#ifndef CORE_MAIL_H
#define CORE_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/ipaddr.h"

#define MAIL_HOST_SIZE 256 /* of a host's name, with its NUL */

/* A mail result: data, never an error code. CODE is the SMTP reply code (RFC 5321 4.2); ENHANCED
 * the class, subject and detail of RFC 3463, or 0.0.0 for none; TEXT what follows, without code. */
struct mail_status {
    uint16_t code;
    uint16_t enhanced[3];
    struct bytes text;
};

/* _INIT initialises a static object; MAIL_STATUS is a value. */
#define MAIL_STATUS_INIT(code, c, s, d, literal)                                                   \
    {                                                                                              \
        (code), {(c), (s), (d)},                                                                   \
        {                                                                                          \
            (literal), sizeof(literal) - 1                                                         \
        }                                                                                          \
    }
#define MAIL_STATUS(code, c, s, d, literal)                                                        \
    ((struct mail_status)MAIL_STATUS_INIT(code, c, s, d, literal))

static inline bool mail_status_ok(const struct mail_status *s)
{
    return s->code >= 200 && s->code < 300;
}
static inline bool mail_status_permanent(const struct mail_status *s)
{
    return s->code >= 500;
}

enum mail_body { MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME }; /* RFC 6152, 3030 */
enum mail_ret { MAIL_RET_NONE, MAIL_RET_FULL, MAIL_RET_HDRS };               /* RFC 3461 4.3 */

/* RFC 3461 4.1; 0: the parameter was not given. */
enum mail_notify {
    MAIL_NOTIFY_NEVER = 1,
    MAIL_NOTIFY_SUCCESS = 2,
    MAIL_NOTIFY_FAILURE = 4,
    MAIL_NOTIFY_DELAY = 8,
};

/* What a message asks for by a parameter of MAIL without a value, a bit each. The mask travels as
 * it is from the session through the spool, where it fills one byte, to the next hop: a bit keeps
 * its meaning for ever, and there are eight. */
enum mail_option {
    MAIL_OPTION_SMTPUTF8 = 1, /* RFC 6531 */
};

enum mail_rcpt_state { MAIL_RCPT_PENDING, MAIL_RCPT_DELIVERED, MAIL_RCPT_FAILED };

/* Which report to the sender names a recipient: the actions of RFC 3464 2.3.3 that we report. */
enum mail_report {
    MAIL_REPORT_NONE,
    MAIL_REPORT_FAILED,
    MAIL_REPORT_DELAYED,
    MAIL_REPORT_RELAYED,
};

/* A recipient, from RCPT to its report. Each place has the part that it needs: an envelope what
 * RCPT said, an outcome record INDEX and where the recipient stands. */
struct mail_rcpt {
    struct bytes address; /* local@domain, no brackets, no source route; "postmaster" alone too */
    struct bytes orcpt;   /* as on the wire, xtext kept: "rfc822;a+2Bb@c"; empty: not given */
    struct bytes orar;    /* Exchange's ORAR=, an alternate recipient, written like orcpt */
    uint8_t notify;       /* enum mail_notify */

    uint8_t state;             /* enum mail_rcpt_state */
    uint8_t report;            /* enum mail_report: the one that is due, or is being made */
    bool remote;               /* STATUS is what the next hop said, not what we say */
    uint32_t index;            /* among the envelope's recipients */
    struct mail_status status; /* what it was told last; code 0: nothing was tried yet */
};

struct mail_envelope {
    struct bytes sender; /* empty: <> */
    struct bytes envid;  /* xtext kept; empty: not given */
    struct bytes auth;   /* AUTH= of MAIL, xtext kept; empty: not given (RFC 4954 5) */
    enum mail_body body;
    enum mail_ret ret;
    unsigned options;       /* enum mail_option */
    uint64_t size_declared; /* SIZE= of MAIL, 0: not given (RFC 1870) */
    struct mail_rcpt *rcpts;
    size_t rcpt_count;
};

/* One attempt to hand a message to the next hop: for which recipients, and what came of it. */
struct mail_attempt {
    const uint32_t *rcpts; /* indexes among the envelope's recipients */
    size_t rcpt_count;
    /* The answers, one for each of RCPTS; NULL: nothing was tried. */
    struct mail_status *results;
    struct endpoint peer;      /* what gave the last answer */
    char host[MAIL_HOST_SIZE]; /* its name; "": none answered */
    bool host_failed;          /* the destination, not the message, failed: 4.4.x for all */
    bool ambiguous;            /* the final dot went out and no reply came back */
    bool dsn_passed;           /* the next hop offers DSN: it reports success (RFC 3461 5.2) */
};

/* The part after the last '@' that is not in quotes, or empty. */
struct bytes mail_domain(struct bytes address);
struct bytes mail_local_part(struct bytes address);

/* Deep copies in ARENA: of what RCPT said, and of what the envelope says, without where its
 * recipients stand. */
struct mail_rcpt mail_rcpt_copy(struct arena *arena, const struct mail_rcpt *from);
void mail_envelope_copy(struct arena *arena, const struct mail_envelope *from,
                        struct mail_envelope *to);
struct mail_status mail_status_copy(struct arena *arena, const struct mail_status *from);
/* "550 5.7.1 Unable to relay" (no enhanced code: "550 text"), NUL-terminated. Returns TO. */
char *mail_status_format(const struct mail_status *s, char *to, size_t size);

#endif
