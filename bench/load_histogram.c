/* From a latency to its bucket and back; sums, and percentiles. */
#include "bench/load_histogram.h"

/* Values below 64 have a bucket each; above, the top 7 bits choose it. */
static unsigned bucket_of(uint64_t us)
{
    if (us < 64)
        return (unsigned)us;
    unsigned top = 63u - (unsigned)__builtin_clzll(us);
    unsigned shift = top - 6;
    unsigned bucket = (shift + 1) * 64 + (unsigned)((us >> shift) & 63);
    return bucket < LOAD_HISTOGRAM_BUCKETS ? bucket : LOAD_HISTOGRAM_BUCKETS - 1;
}

static uint64_t upper_edge(unsigned bucket)
{
    if (bucket < 64)
        return bucket;
    unsigned shift = bucket / 64 - 1;
    return ((64ull + bucket % 64 + 1) << shift) - 1;
}

void load_histogram_add(struct load_histogram *h, uint64_t us)
{
    load_count(&h->counts[bucket_of(us)], 1);
    load_count(&h->total, 1);
    load_count(&h->sum_us, us);
    if (us > h->max_us)
        load_count(&h->max_us, us - h->max_us);
}

/* The total is counted again: of one that is written to, the parts may not add up. */
void load_histogram_merge(struct load_histogram *to, const struct load_histogram *from)
{
    uint64_t max_us = load_counted(&from->max_us);
    for (unsigned i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++) {
        uint64_t count = load_counted(&from->counts[i]);
        to->counts[i] += count;
        to->total += count;
    }
    to->sum_us += load_counted(&from->sum_us);
    if (max_us > to->max_us)
        to->max_us = max_us;
}

void load_histogram_since(const struct load_histogram *h, const struct load_histogram *earlier,
                          struct load_histogram *to)
{
    *to = (struct load_histogram){0};
    for (unsigned i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++) {
        to->counts[i] = h->counts[i] - earlier->counts[i];
        to->total += to->counts[i];
        if (to->counts[i] > 0)
            to->max_us = upper_edge(i) < h->max_us ? upper_edge(i) : h->max_us;
    }
    to->sum_us = h->sum_us - earlier->sum_us;
}

uint64_t load_histogram_percentile(const struct load_histogram *h, double percent)
{
    uint64_t wanted = (uint64_t)((double)h->total * percent / 100.0 + 0.5), seen = 0;
    for (unsigned i = 0; i < LOAD_HISTOGRAM_BUCKETS && h->total; i++) {
        seen += h->counts[i];
        if (seen >= wanted && seen > 0)
            return upper_edge(i) < h->max_us ? upper_edge(i) : h->max_us;
    }
    return h->max_us;
}
