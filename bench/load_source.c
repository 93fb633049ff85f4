/* mailrace-load source: one measurement, or the search of the knee by several. */
#include "bench/load_source.h"

#include <stdio.h>

#include "core/mem.h"

#include "bench/load.h"
#include "bench/load_source_knee.h"
#include "bench/load_source_measure.h"
#include "bench/load_source_settings.h"

static enum err bad_start(const struct source_args *args, struct load_bad **bad,
                          struct err_detail *why)
{
    struct load_bad_settings settings = {
        .to = args->to,
        .sessions = (args->sessions * args->bad_percent + 99) / 100,
        .kinds = args->bad_kinds,
        .interval_ms = args->bad_interval_ms,
        .from = args->from,
        .rcpt = args->rcpt,
    };
    return args->bad_percent ? load_bad_start(&settings, bad, why) : ERR_OK;
}

/* All that was wanted; or, when it was a time that ran out, all that was begun. */
static bool succeeded(const struct source *s, const struct source_counts *c)
{
    if (s->args->persist)
        return s->seconds ? c->accepted > 0 : c->accepted == s->messages;
    return c->accepted > 0 && c->rcpts_refused == 0 &&
           c->accepted == (s->seconds ? c->begun : s->messages);
}

static void print(const struct source *s, const struct source_totals *total,
                  const struct load_bad_totals *bad)
{
    bool json = s->args->json;
    source_totals_print(total, stdout, json);
    if (json) { /* else it was told at the start */
        fputs(", \"sent\": ", stdout);
        load_shape_print(&s->text.shape, stdout, json);
    }
    if (s->args->bad_percent) {
        fputs(json ? ", \"bad\": " : "", stdout);
        load_bad_print(bad, stdout, json);
    }
    if (json)
        puts("}");
}

/* The figures, if they are the peer's. */
static int once(struct source *s)
{
    struct source_totals *total = MEM_NEW(struct source_totals);
    struct load_bad_totals bad_totals;
    struct load_bad *bad = NULL;
    struct err_detail why = {""};
    bool interrupted = false, ok = false;
    s->rate = s->args->rate;
    s->seconds = s->args->seconds;
    s->messages = s->args->messages;
    enum err e = bad_start(s->args, &bad, &why);
    if (e == ERR_OK)
        e = source_measure(s, total, &interrupted, &why);
    load_bad_stop(&bad, &bad_totals);
    if (e != ERR_OK) {
        fprintf(stderr, "mailrace-load source: %s\n", why.text);
    } else if (source_counts_too_late(&total->counts)) {
        source_totals_print_too_late(total, s->args->json ? stdout : stderr, s->args->json);
    } else {
        print(s, total, &bad_totals);
        ok = succeeded(s, &total->counts);
    }
    mem_free(total);
    return ok ? LOAD_DONE : LOAD_FAILED;
}

static int knee(struct source *s)
{
    struct load_bad_totals bad_totals;
    struct load_bad *bad = NULL;
    struct err_detail why = {""};
    s->messages = s->args->messages;
    if (bad_start(s->args, &bad, &why) != ERR_OK) {
        fprintf(stderr, "mailrace-load source: %s\n", why.text);
        return LOAD_FAILED;
    }
    int exit_code = source_knee_run(s);
    load_bad_stop(&bad, &bad_totals);
    return exit_code;
}

/* Before it begins: a run that is ended early has told its seed. */
static void tell_what_is_sent(const struct source *s)
{
    if (s->args->json)
        return;
    fputs("sent: ", stdout);
    load_shape_print(&s->text.shape, stdout, false);
    fflush(stdout);
}

int source_run(const struct source_args *args)
{
    struct source *s = MEM_NEW(struct source);
    struct err_detail why = {""};
    int exit_code = LOAD_FAILED;
    s->args = args;
    if (source_settings_make(s, &why) != ERR_OK) {
        fprintf(stderr, "mailrace-load source: %s\n", why.text);
    } else {
        tell_what_is_sent(s);
        exit_code = args->knee ? knee(s) : once(s);
    }
    source_settings_free(s);
    mem_free(s);
    return exit_code;
}
