/* bench/load_source.h - private to the source: its options, and what does the work. */
#ifndef BENCH_LOAD_SOURCE_H
#define BENCH_LOAD_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/arena.h"
#include "core/thread.h"

#include "load.h"
#include "load_bad.h"
#include "load_source_addresses.h"
#include "load_source_pace.h"
#include "load_source_text.h"
#include "load_source_totals.h"

struct source_args {
    struct endpoint to;
    unsigned long sessions, messages, rcpts, threads;
    unsigned long seconds; /* 0: no end */
    unsigned long rate;    /* messages a second; 0: closed loop */
    const char *from, *rcpt, *journal, *user, *password_file;
    bool reconnect, ahead, persist, poisson, json, quiet, progress, auth_login;
    enum load_client_pipelining pipelining;
    enum load_client_security security;
    bool chunking;
    unsigned long resume_percent;
    struct source_addresses addresses;
    bool knee;
    unsigned long knee_p99_ms;
    struct load_shape_settings shape;
    bool seeded; /* the seed was given */
    unsigned long bad_percent;
    unsigned bad_kinds;
    unsigned long bad_interval_ms;
};

/* All that the threads of one measurement share. */
struct source {
    const struct source_args *args;
    struct arena arena; /* of the settings' lines */
    struct load_client_settings client;
    struct tls_context *tls;
    struct source_text text;
    uint64_t run;
    int journal; /* -1: none */
    unsigned long rate, seconds, messages;
    pthread_barrier_t warm; /* open loop: the clock starts when all sessions are open */
    uint64_t start_ns;
    double start_cpu_seconds;
    atomic_uint_fast64_t until_ns; /* then nothing more is begun */
    atomic_uint_fast64_t left;     /* messages that nobody has begun */
    atomic_uint_fast64_t next_seq; /* a message that is tried again is another one */
    atomic_uint running;           /* threads */
    int ended;                     /* eventfd: a thread has ended */
};

struct source_message {
    struct load_client_message wire;
    struct load_tag tag;
    bool busy;
    uint64_t started_ns; /* open loop: when it was meant to start */
    char top[LOAD_TEXT_TOP_BYTES];
};

struct source_thread;

struct source_session {
    struct load_client client;
    struct source_thread *thread;
    struct source_message messages[2]; /* the other one is ahead */
    struct timer pause;
    bool pauses; /* before its next message: this one went wrong */
    struct source_session *next_idle;
    uint64_t next_address;
};

struct source_thread {
    struct source *source;
    struct loop *loop;
    struct load_client_shared shared;
    struct source_session *sessions;
    unsigned long first, count; /* of its sessions */
    unsigned long under_way;    /* sessions */
    unsigned long cold;         /* open loop: sessions that are not open yet, before the start */
    struct thread thread;
    struct source_counts counts; /* but for what HOME has */
    uint64_t last_ns;            /* when its last message had its fate: what follows is QUIT */
    char first_failure[256];
    struct source_pace pace;     /* open loop; and the sessions that wait for a message's time, */
    struct source_session *idle; /* first the one that has waited longest: all take their turn */
    struct source_session **idle_end;
    bool over; /* open loop: no more messages */
};

/* Sends, prints totals, and returns the program's exit status. */
int source_run(const struct source_args *args);

/* --- load_source_thread.c --- */

MUST_USE enum err source_thread_prepare(struct source_thread *t, struct source *s,
                                        unsigned long number, struct err_detail *why);
void source_thread_free(struct source_thread *t);
void source_thread_run(void *arg);
/* Adds what it has counted. Any thread, while it runs. */
void source_thread_add(const struct source_thread *t, struct source_counts *to);
double source_cpu_seconds(void);

/* --- load_source_settings.c --- */

/* Makes S from its arguments: what is said, and what it is said with. */
MUST_USE enum err source_settings_make(struct source *s, struct err_detail *why);
void source_settings_free(struct source *s);

/* --- load_source_measure.c --- */

/* One measurement with the rate, seconds and messages of S. A line a second to stderr if wanted. A
 * signal ends it before its time, and the process the second time. */
MUST_USE enum err source_measure(struct source *s, struct source_totals *total, bool *interrupted,
                                 struct err_detail *why);

/* --- load_source_knee.c --- */

/* Searches the knee and prints it; the program's exit status. */
int source_knee_run(struct source *s);

#endif
