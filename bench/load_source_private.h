/* bench/load_source_private.h - what the files of one source share: a measurement, its threads,
 * their sessions and messages. The files build on each other in this order: settings, thread,
 * measure, knee, source.
 */
#ifndef BENCH_LOAD_SOURCE_PRIVATE_H
#define BENCH_LOAD_SOURCE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "bench/load_source.h"
#include "bench/load_source_pace.h"
#include "bench/load_source_text.h"
#include "bench/load_source_totals.h"
#include "core/arena.h"
#include "core/list.h"
#include "core/thread.h"

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
    atomic_uint_fast64_t left;     /* messages not begun yet */
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
    bool pauses;               /* before its next message: this one went wrong */
    struct cds_list_head idle; /* in the thread's, while it waits for a message's time */
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
    struct source_counts counts; /* but for what SHARED has */
    uint64_t last_ns;            /* when its last message had its fate: what follows is QUIT */
    char first_failure[256];
    struct source_pace pace;   /* open loop */
    struct cds_list_head idle; /* sessions; first the one that has waited longest: all take turns */
    bool over;                 /* open loop: no more messages */
};

#endif
