/* bench/load_audit.h - what the journals of sources and sinks say together. */
#ifndef BENCH_LOAD_AUDIT_H
#define BENCH_LOAD_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load_histogram.h"
#include "bench/load_journal.h"

struct load_audit {
    uint64_t acknowledged, delivered, lost, duplicated, corrupted, invented, unknown, unrecorded;

    /* From sending to the first whole arrival. Those that arrived before they were sent, by clocks
     * that differ or were set meanwhile, are no latencies: they are counted, and how far the
     * farthest was off. UNTIMED: when they left is not in the journal. */
    struct load_histogram latency;
    uint64_t untimed, early, early_max_us;

    /* The first arrivals of a run in the order of their times, against their numbers (the same
     * microsecond counts as in order). Pairs that arrived the other way round; messages that one
     * with a higher number came before; and the greatest difference to such a number. Sessions of a
     * source send side by side, so that some disorder is no fault. */
    uint64_t inversions, overtaken, distance_max;
};

/* Sorts RECORDS and uses them up. With NAMED the first lost, corrupted and invented ones go to
 * stderr. */
void load_audit_compute(struct load_records *records, bool named, struct load_audit *out);
/* Nothing was lost, corrupted or invented. */
bool load_audit_clean(const struct load_audit *a);
void load_audit_print(const struct load_audit *a, bool json);

#endif
