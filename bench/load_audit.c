/* mailrace-load audit: was every promise kept? The source's journal against the sink's. */
#include "bench/load.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/mem.h"

#include "bench/load_audit.h"

static const char HELP[] =
    "usage: mailrace-load audit --source FILE --sink FILE [--json]\n"
    "\n"
    "Compares the journal of a source with that of a sink. Both may be given several times.\n"
    "\n"
    "  acknowledged  messages that the relay answered 250\n"
    "  delivered     messages that arrived, every octet as sent, each counted once\n"
    "  lost          acknowledged, and never arrived like that\n"
    "  duplicated    arrivals beyond the first\n"
    "  corrupted     arrivals with other octets than were sent\n"
    "  invented      arrived though refused, or never wholly sent\n"
    "  unknown       the answer was not seen; some of them may have arrived\n"
    "  unrecorded    arrived, and the source's journal does not know them\n"
    "\n"
    "And of the first arrival of each: the latency from when it was sent, and the order within\n"
    "its run: pairs that arrived the other way round than they are numbered, messages that a\n"
    "later one overtook, and by how many numbers at most.\n"
    "\n"
    "Exit 0 if nothing was lost, corrupted or invented, else 1.\n";

static void print_counts(const struct load_audit *a, bool json)
{
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {
        {"acknowledged", a->acknowledged}, {"delivered", a->delivered},   {"lost", a->lost},
        {"duplicated", a->duplicated},     {"corrupted", a->corrupted},   {"invented", a->invented},
        {"unknown", a->unknown},           {"unrecorded", a->unrecorded},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        printf(json ? "%s\"%s\": %" PRIu64 : "%s%s %" PRIu64, i ? ", " : "", rows[i].name,
               rows[i].count);
}

static void print_latency(const struct load_audit *a, bool json)
{
    static const struct {
        const char *name;
        double percent;
    } rows[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};
    const struct load_histogram *h = &a->latency;
    printf(json ? ", \"latency_us\": {\"messages\": %" PRIu64
                : "\nlatency us, %" PRIu64 " messages:",
           h->total);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        printf(json ? ", \"%s\": %" PRIu64 : " %s %" PRIu64, rows[i].name,
               load_histogram_percentile(h, rows[i].percent));
    printf(json ? ", \"max\": %" PRIu64 ", \"untimed\": %" PRIu64 ", \"early\": %" PRIu64
                  ", \"early_max\": %" PRIu64 "}"
                : " max %" PRIu64 "; untimed %" PRIu64 ", arrived before sent %" PRIu64
                  " (by up to %" PRIu64 " us)",
           h->max_us, a->untimed, a->early, a->early_max_us);
}

static void print_order(const struct load_audit *a, bool json)
{
    printf(json ? ", \"order\": {\"inversions\": %" PRIu64 ", \"overtaken\": %" PRIu64
                  ", \"distance_max\": %" PRIu64 "}"
                : "\norder: inversions %" PRIu64 ", overtaken %" PRIu64 ", by up to %" PRIu64,
           a->inversions, a->overtaken, a->distance_max);
}

void load_audit_print(const struct load_audit *a, bool json)
{
    fputs(json ? "{" : "", stdout);
    print_counts(a, json);
    print_latency(a, json);
    print_order(a, json);
    puts(json ? "}" : "");
}

static int audit(struct load_records *records, bool json)
{
    struct load_audit a;
    load_audit_compute(records, true, &a);
    load_audit_print(&a, json);
    return load_audit_clean(&a) ? LOAD_DONE : LOAD_FAILED;
}

int load_audit(int argc, char **argv)
{
    static const struct option options[] = {
        {"source", required_argument, NULL, 's'},
        {"sink", required_argument, NULL, 'k'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct load_records records = {0};
    struct err_detail why = {""};
    enum err e = ERR_OK;
    bool json = false, source = false, sink = false, help = false, wrong = false;
    int opt;
    while (e == ERR_OK && (opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        json |= opt == 'j';
        help |= opt == 'h';
        source |= opt == 's';
        sink |= opt == 'k';
        wrong |= opt == '?';
        if (opt == 's' || opt == 'k')
            e = load_journal_read(optarg, &records, &why);
    }
    int exit_code;
    if (help) {
        fputs(HELP, stdout);
        exit_code = LOAD_DONE;
    } else if (wrong || (e == ERR_OK && (!source || !sink || optind != argc))) {
        exit_code = load_usage("audit", "--source FILE and --sink FILE are wanted");
    } else if (e != ERR_OK) {
        fprintf(stderr, "mailrace-load audit: %s\n", why.text);
        exit_code = LOAD_FAILED;
    } else {
        exit_code = audit(&records, json);
    }
    mem_free(records.items);
    return exit_code;
}
