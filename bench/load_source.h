/* bench/load_source.h - what the source is told, and one run of it. */
#ifndef BENCH_LOAD_SOURCE_H
#define BENCH_LOAD_SOURCE_H

#include "bench/load_bad.h"
#include "bench/load_client.h"
#include "bench/load_shape.h"
#include "bench/load_source_addresses.h"

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

/* Sends, prints totals, and returns the program's exit status. */
int source_run(const struct source_args *args);

#endif
