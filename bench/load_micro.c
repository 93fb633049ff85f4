/* mailrace-load micro: options, repetitions, and what is printed of them. */
#include "bench/load_micro.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/thread.h"

#include "bench/load.h"
#include "bench/load_micro_queue.h"

static const char HELP[] =
    "usage: mailrace-load micro [NAME...] [--seconds S] [--json] [--list]\n"
    "\n"
    "Measures the relay's parts alone: parsers, spool, scheduler, listing, mailbox, TLS. NAME is "
    "one row's or the "
    "word\n"
    "before its hyphen. Each row is measured 5 times; printed are the median and the extremes.\n"
    "The spool lies under TMPDIR (default /var/tmp).\n"
    "\n"
    "  --seconds S  for each row, all repetitions together; 0.01 to 600, default 1\n"
    "  --json       for programs\n"
    "  --list       the rows' names, and what each does\n";

enum { REPETITIONS = 5, ROWS_MAX = 64 };

struct micro_options {
    double seconds;
    bool json, list;
    bool begun; /* the JSON list: something has been printed of it */
    char **names;
    int name_count;
};

static const struct micro_rows *const GROUPS[] = {
    &micro_parse, &micro_mailbox, &micro_spool, &micro_sched, &micro_list, &micro_tls,
};

/* --- Printing --- */

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Sorts VALUES. */
static void print_figure(struct micro_options *o, const char *name, const char *unit,
                         double values[REPETITIONS])
{
    qsort(values, REPETITIONS, sizeof *values, by_value);
    double median = values[REPETITIONS / 2], least = values[0], most = values[REPETITIONS - 1];
    if (o->json)
        printf("%s{\"name\": \"%s\", \"unit\": \"%s\", \"median\": %.6g, \"min\": %.6g, "
               "\"max\": %.6g, \"repetitions\": %d}",
               o->begun ? ",\n " : "[", name, unit, median, least, most, REPETITIONS);
    else
        printf("%-30s %14.6g  (%.6g to %.6g) %s\n", name, median, least, most, unit);
    o->begun = true;
    (void)fflush(stdout);
}

static enum err run_row(struct micro_options *o, const struct micro_row *row,
                        struct err_detail *why)
{
    double values[REPETITIONS], extras[REPETITIONS];
    for (size_t i = 0; i < REPETITIONS; i++) {
        struct micro_figures figures = {0};
        enum err e = row->measure(row, (uint64_t)(o->seconds / REPETITIONS * 1e9), &figures, why);
        if (e != ERR_OK)
            return e;
        values[i] = figures.value;
        extras[i] = figures.extra;
    }
    print_figure(o, row->name, row->unit, values);
    if (row->extra)
        print_figure(o, row->extra, row->extra_unit, extras);
    return ERR_OK;
}

/* --- Which rows --- */

/* "spool" is every row with a name that begins with "spool-". */
static bool name_means(const char *name, const struct micro_row *row)
{
    size_t len = strlen(name);
    return strncmp(row->name, name, len) == 0 && (row->name[len] == '\0' || row->name[len] == '-');
}

static bool wanted(const struct micro_options *o, const struct micro_row *row)
{
    for (int i = 0; i < o->name_count; i++)
        if (name_means(o->names[i], row))
            return true;
    return o->name_count == 0;
}

static size_t choose(const struct micro_options *o, const struct micro_row *chosen[ROWS_MAX])
{
    size_t count = 0;
    for (size_t g = 0; g < ARRAY_SIZE(GROUPS); g++)
        for (size_t i = 0; i < GROUPS[g]->count && count < ROWS_MAX; i++)
            if (wanted(o, &GROUPS[g]->rows[i]))
                chosen[count++] = &GROUPS[g]->rows[i];
    return count;
}

static int check_names(const struct micro_options *o)
{
    for (int i = 0; i < o->name_count; i++) {
        struct micro_options one = {.names = o->names + i, .name_count = 1};
        const struct micro_row *found[ROWS_MAX];
        if (choose(&one, found) == 0)
            return load_usage("micro", "there is no \"%s\"; --list has the names", o->names[i]);
    }
    return LOAD_DONE;
}

static int run_rows(struct micro_options *o)
{
    const struct micro_row *chosen[ROWS_MAX];
    struct err_detail why = {""};
    size_t count = choose(o, chosen);
    for (size_t i = 0; i < count; i++) {
        if (o->list) {
            printf("%-20s %s\n", chosen[i]->name, chosen[i]->about);
        } else if (run_row(o, chosen[i], &why) != ERR_OK) {
            fprintf(stderr, "mailrace-load micro: %s: %s\n", chosen[i]->name, why.text);
            return LOAD_FAILED;
        }
    }
    return LOAD_DONE;
}

static int run(struct micro_options *o)
{
    struct err_detail why = {""};
    int exit_code = run_rows(o);
    if (micro_queue_close(&why) != ERR_OK) {
        fprintf(stderr, "mailrace-load micro: %s\n", why.text);
        exit_code = LOAD_FAILED;
    }
    if (exit_code != LOAD_DONE)
        return exit_code;
    if (o->json && !o->list)
        puts("]");
    return LOAD_DONE;
}

static bool seconds_given(const char *text, double *seconds)
{
    char *end;
    *seconds = strtod(text, &end);
    return end != text && *end == '\0' && *seconds >= 0.01 && *seconds <= 600;
}

int load_micro(int argc, char **argv)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct micro_options o = {.seconds = 1};
    int opt;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(HELP, stdout);
            return LOAD_DONE;
        }
        o.json = o.json || opt == 'j';
        o.list = o.list || opt == 'l';
        if (opt == '?' || (opt == 's' && !seconds_given(optarg, &o.seconds)))
            return load_usage("micro", "an option is wrong");
    }
    o.names = argv + optind;
    o.name_count = argc - optind;
    int exit_code = check_names(&o);
    if (exit_code != LOAD_DONE)
        return exit_code;
    thread_main_init();
    log_configure(&(struct log_settings){.level = LOG_WARNING}); /* not of each message */
    exit_code = run(&o);
    thread_main_exit();
    return exit_code;
}
