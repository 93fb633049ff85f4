/* bench/load_source.h - private to the source: its options, and what does the work. */
#ifndef BENCH_LOAD_SOURCE_H
#define BENCH_LOAD_SOURCE_H

#include "core/ipaddr.h"

#include "load.h"

struct source_args {
    struct endpoint to;
    unsigned long sessions, messages, length, rcpts, threads, seconds; /* seconds 0: no end */
    unsigned long rate; /* messages a second; 0: closed loop */
    const char *from, *rcpt, *journal;
    bool reconnect, ahead, persist, poisson, json;
};

/* Sends, prints totals, and returns the program's exit status. */
int source_run(const struct source_args *args);

#endif
