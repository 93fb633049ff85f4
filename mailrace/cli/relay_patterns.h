/* mailrace/cli/relay_patterns.h - the open-relay patterns: what senders of spam try so that a
 * relay carries mail to strangers, and what must stay open whatever is closed (RFC 5321 4.5.1).
 *
 * Texts are templates: {ours} a domain that is relayed for, {foreign} one that is not, {name} what
 * the relay calls itself, {ip} its address literal. `mailrace relay-test` and the end-to-end tests
 * use the one list.
 */
#ifndef MAILRACE_CLI_RELAY_PATTERNS_H
#define MAILRACE_CLI_RELAY_PATTERNS_H

#include "core/arena.h"
#include "core/bytes.h"

enum relay_pattern_want {
    RELAY_PATTERN_REFUSED,   /* to clients that we do not trust */
    RELAY_PATTERN_MALFORMED, /* to everybody */
    RELAY_PATTERN_ACCEPTED,  /* by everybody */
    RELAY_PATTERN_EITHER,    /* no relaying in either case: as configured */
};

struct relay_pattern {
    const char *id;   /* "O-12", with a letter where one number has several forms */
    const char *what; /* in a few words */
    const char *mail; /* behind "MAIL FROM:" */
    const char *rcpt; /* behind "RCPT TO:" */
    enum relay_pattern_want want;
    /* Lines, LF between two, said before MAIL and before RCPT, whatever is answered; NULL: none. */
    const char *before, *between;
    const char *after_tls; /* such lines too; not NULL: STARTTLS comes first, behind BEFORE */
    const char
        *beside; /* said, behind EHLO, by another session that stays while this one goes on */
};

extern const struct relay_pattern RELAY_PATTERNS[];
extern const size_t RELAY_PATTERN_COUNT;

struct relay_pattern_names {
    const char *ours, *foreign, *name, *ip; /* IP in brackets */
};

/* TEMPLATE with all names put in; any octet may be in it. ERR_NOTFOUND: a placeholder with a name
 * that is NULL. */
MUST_USE enum err relay_pattern_expand(struct arena *arena, const char *template,
                                       const struct relay_pattern_names *names, struct bytes *out);
const char *relay_pattern_want_name(enum relay_pattern_want want);

#endif
