/* bench/load_histogram.h - latencies in microseconds, counted in buckets of under 2 % width: 64 for
 * every doubling. Fixed memory, one writer; histograms of several threads are added up.
 */
#ifndef BENCH_LOAD_HISTOGRAM_H
#define BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define LOAD_HISTOGRAM_BUCKETS (64 * 40)

struct load_histogram {
    uint64_t counts[LOAD_HISTOGRAM_BUCKETS];
    uint64_t total, max_us, sum_us;
};

void load_histogram_add(struct load_histogram *h, uint64_t us);
void load_histogram_merge(struct load_histogram *to, const struct load_histogram *from);
/* The value below which PERCENT of all lie (upper edge of its bucket); 0 when empty. */
uint64_t load_histogram_percentile(const struct load_histogram *h, double percent);

#endif
