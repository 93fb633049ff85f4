#include "load_histogram.h"

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
    h->counts[bucket_of(us)]++;
    h->total++;
    h->sum_us += us;
    if (us > h->max_us)
        h->max_us = us;
}

void load_histogram_merge(struct load_histogram *to, const struct load_histogram *from)
{
    for (unsigned i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++)
        to->counts[i] += from->counts[i];
    to->total += from->total;
    to->sum_us += from->sum_us;
    if (from->max_us > to->max_us)
        to->max_us = from->max_us;
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
