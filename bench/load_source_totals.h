/* bench/load_source_totals.h - what a source has counted, and how it is printed. */
#ifndef BENCH_LOAD_SOURCE_TOTALS_H
#define BENCH_LOAD_SOURCE_TOTALS_H

#include <stdbool.h>
#include <stdio.h>

#include "bench/load_client.h"
#include "bench/load_histogram.h"

/* The generator itself was behind: a message was begun so much later than intended although a
 * session was free. From this share on the figures would be its own, not the relay's. */
enum { SOURCE_LATE_US = 1000, SOURCE_LATE_PERCENT_MAX = 1 };

/* One thread's, or added up. Each number has one writer, by load_count(). */
struct source_counts {
    uint64_t begun, accepted, refused, failed, rcpts_refused;
    uint64_t connections, connections_failed, handshakes, resumed;
    uint64_t waited; /* open loop: begun when a session had become free, after the intended time */
    uint64_t unstarted;      /* open loop: their time came and no session was free until the end */
    uint64_t generator_late; /* open loop: see above */
    struct load_histogram latency;
    struct load_histogram phases[LOAD_PHASES];
};

struct source_totals {
    struct source_counts counts;
    double seconds, cpu_seconds;
    bool open_loop;
    char first_failure[256];
};

/* Any thread, while FROM is written to as well. */
void source_counts_merge(struct source_counts *to, const struct source_counts *from);
/* More than SOURCE_LATE_PERCENT_MAX of what was begun. */
bool source_counts_too_late(const struct source_counts *c);

/* JSON: an object without its closing brace, to which more may be added. */
void source_totals_print(const struct source_totals *t, FILE *to, bool json);
/* Instead of it: why there are no figures. A whole object. */
void source_totals_print_too_late(const struct source_totals *t, FILE *to, bool json);

#endif
