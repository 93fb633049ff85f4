/* The search of the knee: one measurement a rate, and what came out. */
#include "bench/load_source_knee.h"

#include <time.h>

#include "core/mem.h"

#include "bench/load.h"
#include "bench/load_knee.h"
#include "bench/load_source_measure.h"

enum { STEPS_MAX = 64, FIRST_RATE = 500, STEP_SECONDS = 5, UNACCEPTED_PERCENT_MAX = 1 };

struct knee_step {
    unsigned long rate;
    double per_second, p99_ms, generator_late_share;
    const char *failed; /* NULL: it held */
};

struct knee_search {
    struct load_knee knee;
    struct knee_step steps[STEPS_MAX];
    size_t count;
    struct source_totals *best, *last;
    const char *limit; /* why the lowest that failed did */
};

static const char *why_failed(const struct source_totals *t, unsigned long p99_ms)
{
    const struct source_counts *c = &t->counts;
    uint64_t due = c->begun + c->unstarted;
    if (source_counts_too_late(c))
        return "generator late";
    if ((due - c->accepted) * 100 > due * UNACCEPTED_PERCENT_MAX)
        return "not accepted";
    return load_histogram_percentile(&c->latency, 99) > p99_ms * 1000 ? "p99" : NULL;
}

static struct knee_step judge(const struct source *s, const struct source_totals *t)
{
    const struct source_counts *c = &t->counts;
    return (struct knee_step){
        .rate = s->rate,
        .per_second = t->seconds > 0 ? (double)c->accepted / t->seconds : 0,
        .p99_ms = (double)load_histogram_percentile(&c->latency, 99) / 1000,
        .generator_late_share = c->begun ? (double)c->generator_late / (double)c->begun : 0,
        .failed = why_failed(t, s->args->knee_p99_ms),
    };
}

static void note_step(struct knee_search *k, const struct knee_step *step)
{
    struct source_totals *last = k->last;
    k->steps[k->count++] = *step;
    if (step->failed) {
        k->limit = step->failed;
    } else {
        k->last = k->best;
        k->best = last;
    }
    load_knee_note(&k->knee, !step->failed);
}

static void print_step(const struct knee_step *step)
{
    fprintf(stderr, "%8lu/s wanted: %10.1f/s, p99 %9.3f ms, generator late %.3f %%: %s\n",
            step->rate, step->per_second, step->p99_ms, step->generator_late_share * 100,
            step->failed ? step->failed : "held");
}

/* What the last rate left behind is not the next one's. */
static void rest(void)
{
    struct timespec second = {.tv_sec = 1};
    (void)nanosleep(&second, NULL);
}

static enum err search(struct source *s, struct knee_search *k, struct err_detail *why)
{
    bool interrupted = false;
    load_knee_start(&k->knee, s->args->rate ? s->args->rate : FIRST_RATE);
    while (k->knee.rate && k->count < STEPS_MAX && !interrupted) {
        s->rate = k->knee.rate;
        *k->last = (struct source_totals){0};
        enum err e = source_measure(s, k->last, &interrupted, why);
        if (e != ERR_OK)
            return e;
        if (interrupted)
            break;
        struct knee_step step = judge(s, k->last);
        note_step(k, &step);
        if (!s->args->quiet && !s->args->json)
            print_step(&step);
        if (k->knee.rate)
            rest();
    }
    return ERR_OK;
}

static void print_json(const struct knee_search *k)
{
    if (k->knee.low)
        source_totals_print(k->best, stdout, true);
    printf("%s\"knee\": {\"rate\": %lu, \"limited_by\": ", k->knee.low ? ", " : "{", k->knee.low);
    printf(k->limit ? "\"%s\", \"steps\": [" : "null, \"steps\": [", k->limit);
    for (size_t i = 0; i < k->count; i++) {
        const struct knee_step *step = &k->steps[i];
        printf("%s{\"rate\": %lu, \"per_second\": %.1f, \"p99_ms\": %.3f, "
               "\"generator_late_share\": %.6f, \"held\": %s}",
               i ? ", " : "", step->rate, step->per_second, step->p99_ms,
               step->generator_late_share, step->failed ? "false" : "true");
    }
    puts("]}}");
}

static void print_text(const struct knee_search *k, unsigned long p99_ms)
{
    if (!k->knee.low) {
        printf("no rate held a p99 of %lu ms: %s\n", p99_ms, k->limit ? k->limit : "interrupted");
        return;
    }
    source_totals_print(k->best, stdout, false);
    printf("knee: %lu messages/s are held with a p99 of at most %lu ms", k->knee.low, p99_ms);
    if (k->knee.high)
        printf("; %lu are not: %s", k->knee.high, k->limit);
    putchar('\n');
}

int source_knee_run(struct source *s)
{
    struct knee_search *k = MEM_NEW(struct knee_search);
    struct err_detail why = {""};
    k->best = MEM_NEW(struct source_totals);
    k->last = MEM_NEW(struct source_totals);
    s->seconds = s->args->seconds ? s->args->seconds : STEP_SECONDS;
    enum err e = search(s, k, &why);
    bool found = e == ERR_OK && k->knee.low > 0;
    if (e != ERR_OK)
        fprintf(stderr, "mailrace-load source: %s\n", why.text);
    else if (s->args->json)
        print_json(k);
    else
        print_text(k, s->args->knee_p99_ms);
    mem_free(k->best);
    mem_free(k->last);
    mem_free(k);
    return found ? LOAD_DONE : LOAD_FAILED;
}
