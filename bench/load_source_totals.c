#include "load_source_totals.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/err.h"

void source_counts_merge(struct source_counts *to, const struct source_counts *from)
{
    to->begun += from->begun;
    to->accepted += from->accepted;
    to->refused += from->refused;
    to->failed += from->failed;
    to->late += from->late;
    to->unstarted += from->unstarted;
    load_histogram_merge(&to->latency, &from->latency);
    load_histogram_merge(&to->ack, &from->ack);
}

static void print_histogram(const struct load_histogram *h, const char *name, bool json)
{
    static const double percents[] = {50, 90, 99, 99.9};
    static const char *const names[] = {"p50", "p90", "p99", "p99.9"};
    printf(json ? ", \"%s_us\": {" : "%s us:", name);
    for (size_t i = 0; i < ARRAY_SIZE(percents); i++)
        printf(json ? "\"%s\": %" PRIu64 ", " : " %s %" PRIu64, names[i],
               load_histogram_percentile(h, percents[i]));
    printf(json ? "\"max\": %" PRIu64 "}" : " max %" PRIu64 "\n", h->max_us);
}

/* Of the messages whose time came. */
static void print_late(const struct source_counts *c, bool json)
{
    uint64_t due = c->begun + c->unstarted, late = c->late + c->unstarted;
    printf(json ? ", \"late\": %" PRIu64 ", \"late_share\": %.6f, \"unstarted\": %" PRIu64
                : "late %" PRIu64 " (share %.6f), of these never started %" PRIu64 "\n",
           late, due ? (double)late / (double)due : 0, c->unstarted);
}

void source_totals_print(const struct source_totals *t, bool json)
{
    const struct source_counts *c = &t->counts;
    double rate = t->seconds > 0 ? (double)c->accepted / t->seconds : 0;
    printf(json ? "{\"accepted\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"failed\": %" PRIu64
                  ", \"seconds\": %.3f, \"per_second\": %.1f, \"cpu_seconds\": %.3f"
                : "accepted %" PRIu64 ", refused %" PRIu64 ", failed %" PRIu64
                  " in %.3f s: %.1f messages/s, own CPU %.3f s\n",
           c->accepted, c->refused, c->failed, t->seconds, rate, t->cpu_seconds);
    print_histogram(&c->latency, "latency", json);
    print_histogram(&c->ack, "ack", json);
    if (t->open_loop)
        print_late(c, json);
    if (json)
        puts("}");
    else if (t->first_failure)
        printf("first failure: %s\n", t->first_failure);
}
