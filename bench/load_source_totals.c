/* Adds up what threads have counted, and prints it as text or JSON. */
#include "bench/load_source_totals.h"

#include <inttypes.h>

#include "core/err.h"

void source_counts_merge(struct source_counts *to, const struct source_counts *from)
{
    to->begun += load_counted(&from->begun);
    to->accepted += load_counted(&from->accepted);
    to->refused += load_counted(&from->refused);
    to->failed += load_counted(&from->failed);
    to->rcpts_refused += load_counted(&from->rcpts_refused);
    to->connections += load_counted(&from->connections);
    to->connections_failed += load_counted(&from->connections_failed);
    to->handshakes += load_counted(&from->handshakes);
    to->resumed += load_counted(&from->resumed);
    to->waited += load_counted(&from->waited);
    to->unstarted += load_counted(&from->unstarted);
    to->generator_late += load_counted(&from->generator_late);
    load_histogram_merge(&to->latency, &from->latency);
    for (size_t i = 0; i < LOAD_PHASES; i++)
        load_histogram_merge(&to->phases[i], &from->phases[i]);
}

bool source_counts_too_late(const struct source_counts *c)
{
    return c->generator_late * 100 > c->begun * SOURCE_LATE_PERCENT_MAX;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* --- For programs --- */

static const struct {
    const char *name;
    double percent;
} PERCENTILES[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

static void json_histogram(FILE *to, const char *name, const struct load_histogram *h)
{
    fprintf(to, "\"%s\": {", name);
    for (size_t i = 0; i < ARRAY_SIZE(PERCENTILES); i++)
        fprintf(to, "\"%s\": %" PRIu64 ", ", PERCENTILES[i].name,
                load_histogram_percentile(h, PERCENTILES[i].percent));
    fprintf(to, "\"max\": %" PRIu64 ", \"count\": %" PRIu64 "}", h->max_us, h->total);
}

static void json_open_loop(FILE *to, const struct source_counts *c)
{
    uint64_t due = c->begun + c->unstarted, late = c->waited + c->unstarted;
    fprintf(to,
            ", \"late\": %" PRIu64 ", \"late_share\": %.6f, \"unstarted\": %" PRIu64
            ", \"generator_late\": %" PRIu64 ", \"generator_late_share\": %.6f",
            late, share(late, due), c->unstarted, c->generator_late,
            share(c->generator_late, c->begun));
}

static void json_print(const struct source_totals *t, FILE *to)
{
    const struct source_counts *c = &t->counts;
    fprintf(to,
            "{\"accepted\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"failed\": %" PRIu64
            ", \"rcpts_refused\": %" PRIu64 ", \"seconds\": %.3f, \"per_second\": %.1f"
            ", \"cpu_seconds\": %.3f, \"cpu_us_per_message\": %.2f, ",
            c->accepted, c->refused, c->failed, c->rcpts_refused, t->seconds,
            t->seconds > 0 ? (double)c->accepted / t->seconds : 0, t->cpu_seconds,
            share((uint64_t)(t->cpu_seconds * 1e6), c->accepted));
    json_histogram(to, "latency_us", &c->latency);
    fputs(", ", to);
    json_histogram(to, "ack_us", &c->phases[LOAD_PHASE_DOT]);
    fputs(", \"phases_us\": {", to);
    for (size_t i = 0; i < LOAD_PHASES; i++) {
        fputs(i ? ", " : "", to);
        json_histogram(to, LOAD_PHASE_NAMES[i], &c->phases[i]);
    }
    fprintf(to,
            "}, \"connections\": %" PRIu64 ", \"connections_failed\": %" PRIu64
            ", \"tls_handshakes\": %" PRIu64 ", \"tls_resumed\": %" PRIu64,
            c->connections, c->connections_failed, c->handshakes, c->resumed);
    if (t->open_loop)
        json_open_loop(to, c);
}

/* --- For people --- */

static void text_histogram(FILE *to, const char *name, const struct load_histogram *h)
{
    if (h->total == 0)
        return;
    fprintf(to, "  %-8s %10" PRIu64, name, h->total);
    for (size_t i = 0; i < ARRAY_SIZE(PERCENTILES); i++)
        fprintf(to, " %9.3f",
                (double)load_histogram_percentile(h, PERCENTILES[i].percent) / 1000.0);
    fprintf(to, " %9.3f\n", (double)h->max_us / 1000.0);
}

static void text_open_loop(FILE *to, const struct source_counts *c)
{
    fprintf(to,
            "waited for a session: %" PRIu64 " (share %.6f), of these never started %" PRIu64
            "; begun late by the generator itself: %" PRIu64 " (share %.6f)\n",
            c->waited + c->unstarted, share(c->waited + c->unstarted, c->begun + c->unstarted),
            c->unstarted, c->generator_late, share(c->generator_late, c->begun));
}

static void text_print(const struct source_totals *t, FILE *to)
{
    const struct source_counts *c = &t->counts;
    fprintf(to,
            "accepted %" PRIu64 ", refused %" PRIu64 ", failed %" PRIu64
            " in %.3f s: %.1f messages/s\n  %-8s %10s",
            c->accepted, c->refused, c->failed, t->seconds,
            t->seconds > 0 ? (double)c->accepted / t->seconds : 0, "ms", "count");
    for (size_t i = 0; i < ARRAY_SIZE(PERCENTILES); i++)
        fprintf(to, " %9s", PERCENTILES[i].name);
    fprintf(to, " %9s\n", "max");
    for (size_t i = 0; i < LOAD_PHASES; i++)
        text_histogram(to, LOAD_PHASE_NAMES[i], &c->phases[i]);
    text_histogram(to, "message", &c->latency);
    fprintf(to, "connections %" PRIu64 ", failed %" PRIu64, c->connections, c->connections_failed);
    if (c->handshakes)
        fprintf(to, "; TLS handshakes %" PRIu64 ", resumed %" PRIu64, c->handshakes, c->resumed);
    fprintf(to, "; own CPU %.3f s, %.1f us a message\n", t->cpu_seconds,
            share((uint64_t)(t->cpu_seconds * 1e6), c->accepted));
    if (t->open_loop)
        text_open_loop(to, c);
    if (c->rcpts_refused)
        fprintf(to, "recipients refused of messages that were accepted: %" PRIu64 "\n",
                c->rcpts_refused);
    if (t->first_failure[0])
        fprintf(to, "first failure: %s\n", t->first_failure);
}

void source_totals_print(const struct source_totals *t, FILE *to, bool json)
{
    if (json)
        json_print(t, to);
    else
        text_print(t, to);
}

void source_totals_print_too_late(const struct source_totals *t, FILE *to, bool json)
{
    const struct source_counts *c = &t->counts;
    fprintf(to, json ? "{\"no_result\": \"" : "no result: ");
    fprintf(to,
            "the generator itself began %.2f %% of the messages more than %d ms late although a "
            "session was free (at most %d %%): these would be its figures, not the peer's",
            100 * share(c->generator_late, c->begun), SOURCE_LATE_US / 1000,
            SOURCE_LATE_PERCENT_MAX);
    fprintf(to, json ? "\", \"generator_late_share\": %.6f}\n" : " (share %.6f)\n",
            share(c->generator_late, c->begun));
}
