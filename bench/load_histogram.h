/* bench/load_histogram.h - latencies in microseconds, counted in buckets of under 2 % width: 64 for
 * every doubling. Fixed memory, one writer; histograms of several threads are added up.
 * Another thread may copy or add up one that is written to: it sees each count a little late.
 */
#ifndef BENCH_LOAD_HISTOGRAM_H
#define BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define LOAD_HISTOGRAM_BUCKETS (64 * 40)

struct load_histogram {
    uint64_t counts[LOAD_HISTOGRAM_BUCKETS];
    uint64_t total, max_us, sum_us;
};

/* Adds to a number that other threads read by load_counted(); it has one writer. */
static inline void load_count(uint64_t *number, uint64_t more)
{
    __atomic_store_n(number, *number + more, __ATOMIC_RELAXED);
}
static inline uint64_t load_counted(const uint64_t *number)
{
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

void load_histogram_add(struct load_histogram *h, uint64_t us);
void load_histogram_merge(struct load_histogram *to, const struct load_histogram *from);
/* What came after EARLIER, an earlier copy of H, was made; its max_us is that of a bucket. */
void load_histogram_since(const struct load_histogram *h, const struct load_histogram *earlier,
                          struct load_histogram *to);
/* The value below which PERCENT of all lie (upper edge of its bucket); 0 when empty. */
uint64_t load_histogram_percentile(const struct load_histogram *h, double percent);

#endif
