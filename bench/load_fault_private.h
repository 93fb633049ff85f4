/* bench/load_fault_private.h - a rule, between the files that read, keep and fill it.
 *
 *   load_fault.c        the table, draws and counters
 *   load_fault_rule.c   from the text of a rule to the rule
 *   load_fault_reply.c  what real servers say
 */
#ifndef BENCH_LOAD_FAULT_PRIVATE_H
#define BENCH_LOAD_FAULT_PRIVATE_H

#include "bench/load_fault.h"

enum load_fault_kind {
    LOAD_FAULT_REFUSE,
    LOAD_FAULT_BLACKHOLE,
    LOAD_FAULT_SLOW_BANNER,
    LOAD_FAULT_SLOW_READ,
    LOAD_FAULT_CAP,
    LOAD_FAULT_AFTER,
    LOAD_FAULT_REPLY,
    LOAD_FAULT_DROP,
    LOAD_FAULT_TLS,
    LOAD_FAULT_CLOSE_AFTER_DOT,
};

/* A reply as it is sent: its last line as a status, those before it ready for the wire. */
struct load_fault_said {
    struct mail_status status;
    struct bytes lines_before;
    char *memory; /* of both */
};

#define LOAD_FAULT_PPM 1000000

struct load_fault {
    enum load_fault_kind kind;
    enum smtp_sink_phase phase;
    char *text;                   /* of the rule */
    uint32_t ppm;                 /* strikes so often in LOAD_FAULT_PPM */
    uint64_t number;              /* ms, octets a second, messages or connections */
    struct bytes domain;          /* in TEXT; empty: any */
    struct load_fault_said *said; /* one of them is drawn */
    size_t said_count;
    struct load_fault *next;
    atomic_uint_fast64_t hits;
};

/* NULL, with WHY: RULE is none. */
struct load_fault *load_fault_parse(struct bytes rule, struct err_detail *why);
void load_fault_free(struct load_fault *f);

/* Fills SAID. TEXT: lines between '\n'; in a greeting (CONNECT) they are joined, and the enhanced
 * code is part of the text, as RFC 2034 4 knows none there. */
void load_fault_say(struct load_fault_said *said, enum smtp_sink_phase phase,
                    const struct mail_status *status);
/* What PROVIDER ("any": all of them) says at PHASE because of CAUSE ("4xx", "5xx" or empty: any).
 * How many; 0: none. Adds them to F. */
size_t load_fault_said_by(struct load_fault *f, struct bytes provider, struct bytes cause);
/* Names for messages: "gmail, outlook, ...". */
void load_fault_providers(char *to, size_t size);
bool load_fault_provider_known(struct bytes name);
extern const char LOAD_FAULT_CAUSES[];
bool load_fault_cause_known(struct bytes name);

#endif
