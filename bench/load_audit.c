/* mailrace-load audit: was every promise kept? The source's journal against the sink's. */
#include "load.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

#include "load_journal.h"

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
    "Exit 0 if nothing was lost, corrupted or invented, else 1.\n";

enum { NAMED_MAX = 20 }; /* ids that are printed */

struct audit {
    uint64_t acknowledged, delivered, lost, duplicated, corrupted, invented, unknown, unrecorded;
};

static int compare(const void *a, const void *b)
{
    const struct load_record *x = a, *y = b;
    if (x->run != y->run)
        return x->run < y->run ? -1 : 1;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return (int)x->fate - (int)y->fate;
}

static void name_it(const char *what, const struct load_record *r, uint64_t count)
{
    if (count <= NAMED_MAX)
        fprintf(stderr, "%s: run=%016" PRIx64 " seq=%" PRIu64 "\n", what, r->run, r->seq);
}

/* All that is known of one id: COUNTS by fate. */
static void judge(const struct load_record *id, const uint64_t *counts, struct audit *a)
{
    uint64_t arrived = counts[LOAD_ARRIVED];
    bool acknowledged = counts[LOAD_ACKNOWLEDGED] > 0, unknown = counts[LOAD_UNKNOWN] > 0;
    bool forbidden = counts[LOAD_REFUSED] > 0 || counts[LOAD_UNSENT] > 0;
    a->acknowledged += acknowledged;
    a->unknown += unknown;
    a->delivered += arrived > 0;
    a->duplicated += arrived > 1 ? arrived - 1 : 0;
    a->corrupted += counts[LOAD_DAMAGED];
    if (counts[LOAD_DAMAGED])
        name_it("corrupted", id, a->corrupted);
    if (acknowledged && !arrived)
        name_it("lost", id, ++a->lost);
    if (arrived && forbidden && !acknowledged && !unknown)
        name_it("invented", id, ++a->invented);
    if (arrived && !forbidden && !acknowledged && !unknown)
        a->unrecorded++;
}

static void compute(const struct load_records *records, struct audit *a)
{
    const struct load_record *list = records->list;
    for (size_t i = 0, end; i < records->count; i = end) {
        uint64_t counts[LOAD_DAMAGED + 1] = {0};
        for (end = i;
             end < records->count && list[end].run == list[i].run && list[end].seq == list[i].seq;
             end++)
            counts[list[end].fate]++;
        judge(&list[i], counts, a);
    }
}

static void print_audit(const struct audit *a, bool json)
{
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {
        {"acknowledged", a->acknowledged}, {"delivered", a->delivered},   {"lost", a->lost},
        {"duplicated", a->duplicated},     {"corrupted", a->corrupted},   {"invented", a->invented},
        {"unknown", a->unknown},           {"unrecorded", a->unrecorded},
    };
    fputs(json ? "{" : "", stdout);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        printf(json ? "%s\"%s\": %" PRIu64 : "%s%s %" PRIu64, i ? ", " : "", rows[i].name,
               rows[i].count);
    puts(json ? "}" : "");
}

static int audit(const struct load_records *records, bool json)
{
    struct audit a = {0};
    if (records->count)
        qsort(records->list, records->count, sizeof *records->list, compare);
    compute(records, &a);
    print_audit(&a, json);
    return a.lost || a.corrupted || a.invented ? LOAD_FAILED : LOAD_DONE;
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
    mem_free(records.list);
    return exit_code;
}
