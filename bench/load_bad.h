/* bench/load_bad.h - clients that behave badly, beside those that are measured: does the relay stay
 * fair to the good ones, and does it refuse what it must?
 *
 *   slow        a command, or the text, one octet at a time
 *   bare-lf     a text with bare LFs, and behind a false end of it commands (SMTP smuggling)
 *   early-talk  commands, text and all, before the banner, in order and out of it
 *   half-close  its sending side shut down behind the final dot, or within the text
 *
 * Each session connects again and again. Their messages carry no tag, so that an audit knows
 * nothing of them. All sessions share one thread of their own.
 */
#ifndef BENCH_LOAD_BAD_H
#define BENCH_LOAD_BAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/ipaddr.h"

enum load_bad_kind {
    LOAD_BAD_SLOW,
    LOAD_BAD_BARE_LF,
    LOAD_BAD_EARLY_TALK,
    LOAD_BAD_HALF_CLOSE,
    LOAD_BAD_KINDS
};

struct load_bad_settings {
    struct endpoint to;
    unsigned long sessions;
    unsigned kinds;       /* 1 << enum load_bad_kind, or'ed: the sessions take them in turn */
    uint64_t interval_ms; /* between two slow octets, and before another connection */
    const char *from, *rcpt;
};

struct load_bad_counts { /* of connections that were there */
    uint64_t connections;
    uint64_t refused;  /* ended by a 4xx, a 5xx or the connection's end */
    uint64_t served;   /* a 250 to what is slow or half closed, but whole: rightly */
    uint64_t accepted; /* a 250 to what is none of that: a bare LF, a text cut off, early talk */
    uint64_t failed;   /* no connection was made; not in CONNECTIONS */
    uint64_t open;     /* when it was over */
};

struct load_bad_totals {
    unsigned kinds;
    unsigned long sessions;
    struct load_bad_counts counts[LOAD_BAD_KINDS];
};

/* "slow,half-close" */
MUST_USE enum err load_bad_parse_kinds(struct bytes text, unsigned *kinds);

struct load_bad;
MUST_USE enum err load_bad_start(const struct load_bad_settings *settings, struct load_bad **out,
                                 struct err_detail *why);
/* Ends them, whatever they are doing. Accepts NULL. */
void load_bad_stop(struct load_bad **bad, struct load_bad_totals *totals);

/* JSON: a value. */
void load_bad_print(const struct load_bad_totals *t, FILE *to, bool json);

#endif
