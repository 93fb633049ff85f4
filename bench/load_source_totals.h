/* bench/load_source_totals.h - what a source has counted, and how it is printed. */
#ifndef BENCH_LOAD_SOURCE_TOTALS_H
#define BENCH_LOAD_SOURCE_TOTALS_H

#include <stdbool.h>

#include "load_histogram.h"

struct source_counts { /* one thread's, or added up */
    uint64_t begun, accepted, refused, failed;
    uint64_t late; /* open loop: begun when a session had become free, after the intended time */
    uint64_t unstarted; /* open loop: their time came and no session was free until the end */
    struct load_histogram latency;
    struct load_histogram ack; /* final dot to its reply */
};

struct source_totals {
    struct source_counts counts;
    double seconds, cpu_seconds;
    bool open_loop;
    const char *first_failure;
};

void source_counts_merge(struct source_counts *to, const struct source_counts *from);
void source_totals_print(const struct source_totals *t, bool json);

#endif
