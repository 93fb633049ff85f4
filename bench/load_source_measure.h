/* bench/load_source_measure.h - one measurement, by threads, to its end. */
#ifndef BENCH_LOAD_SOURCE_MEASURE_H
#define BENCH_LOAD_SOURCE_MEASURE_H

#include "bench/load_source_private.h"

/* One measurement with the rate, seconds and messages of S. A line a second to stderr if wanted. A
 * signal ends it before its time, and the process the second time. */
MUST_USE enum err source_measure(struct source *s, struct source_totals *total, bool *interrupted,
                                 struct err_detail *why);

#endif
