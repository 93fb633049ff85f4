/* bench/load_bad_private.h - what a bad session says, and who runs it. */
#ifndef BENCH_LOAD_BAD_PRIVATE_H
#define BENCH_LOAD_BAD_PRIVATE_H

#include "core/arena.h"
#include "core/loop.h"
#include "core/thread.h"

#include "bench/load_bad.h"

/* The reply that is awaited. */
enum load_bad_state {
    LOAD_BAD_PAUSED, /* not connected: the timer runs */
    LOAD_BAD_CONNECTING,
    LOAD_BAD_BANNER,
    LOAD_BAD_HELLO,
    LOAD_BAD_MAIL,
    LOAD_BAD_RCPT,
    LOAD_BAD_DATA,
    LOAD_BAD_TEXT,
};

struct load_bad_session {
    struct load_bad *bad;
    struct loop_watch watch;
    struct timer timer;
    enum load_bad_kind kind;
    enum load_bad_state state;
    unsigned turn;    /* connections so far: each takes the kind's next script */
    struct bytes out; /* not sent yet */
    size_t line_octets;
    char line[4]; /* of a reply: code and what follows */
};

struct load_bad {
    struct load_bad_settings settings;
    struct loop *loop;
    struct thread thread;
    struct arena arena;
    struct bytes commands[LOAD_BAD_TEXT]; /* by the state that awaits their reply */
    struct load_bad_session *sessions;
    struct load_bad_counts counts[LOAD_BAD_KINDS];
};

void load_bad_session_prepare(struct load_bad_session *s, struct load_bad *bad,
                              unsigned long number);
/* Counts it as open if it is connected. */
void load_bad_session_stop(struct load_bad_session *s);

#endif
