/* mailrace-load spool: what a relay that starts on this spool would find in it. */
#include "bench/load.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/mem.h"
#include "core/thread.h"
#include "queue/spool.h"

#include "bench/load_tag.h"

static const char HELP[] =
    "usage: mailrace-load spool --path DIR [--segment-size OCTETS]\n"
    "\n"
    "Opens the spool of a relay that does not run, recovers it as the relay would, and lists the\n"
    "messages of a source that are queued: RUN SEQ, and whether the text is whole (ok, bad). The\n"
    "last line has the totals. It writes to the spool what recovery writes; use a copy.\n"
    "\n"
    "  --segment-size OCTETS  of a segment that it has to make; default 32 MiB\n";

struct spool_listing {
    uint64_t live, tagged, bad;
};

static void read_all(const struct spool_message *m, struct load_tag_reader *reader, bool *ok)
{
    char piece[16 * 1024];
    for (uint64_t at = 0; *ok && at < m->meta.octets; at += sizeof piece) {
        uint64_t left = m->meta.octets - at;
        size_t len = left < sizeof piece ? (size_t)left : sizeof piece;
        *ok = spool_read_text(m, at, piece, len) == ERR_OK;
        if (*ok)
            load_tag_feed(reader, bytes_make(piece, len));
    }
}

static void list_one(void *owner, const struct spool_message *m,
                     const struct spool_outcome *outcome)
{
    struct spool_listing *l = owner;
    struct load_tag_reader reader = {0};
    bool ok = true;
    (void)outcome;
    read_all(m, &reader, &ok);
    l->live++;
    ok = ok && load_tag_intact(&reader);
    if (reader.state == LOAD_TAG_FOUND) {
        l->tagged++;
        printf("%016" PRIx64 " %" PRIu64 " %s\n", reader.tag.run, reader.tag.seq,
               ok ? "ok" : "bad");
        l->bad += !ok;
    }
}

static int list(const struct spool_settings *settings)
{
    struct spool *spool;
    struct spool_stats stats;
    struct err_detail why;
    struct spool_listing listing = {0};
    if (spool_open(settings, io_system, &spool, &why) != ERR_OK) {
        fprintf(stderr, "mailrace-load spool: %s\n", why.text);
        return LOAD_FAILED;
    }
    spool_each_recovered(spool, list_one, &listing);
    spool_stats_read(spool, &stats);
    printf("queued %" PRIu64 ", of a source %" PRIu64 ", bad %" PRIu64 ", set aside %" PRIu64 "\n",
           listing.live, listing.tagged, listing.bad, stats.quarantined);
    spool_free(&spool);
    return listing.bad ? LOAD_FAILED : LOAD_DONE;
}

int load_spool(int argc, char **argv)
{
    static const struct option options[] = {
        {"path", required_argument, NULL, 'p'},
        {"segment-size", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct spool_settings settings;
    unsigned long size;
    int opt;
    settings = LOAD_SPOOL_SETTINGS;
    settings.path = NULL;
    settings.min_free_bytes = 0;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (opt) {
        case 'p':
            settings.path = optarg;
            break;
        case 's':
            if (!load_number(optarg, 1ul << 16, 1ul << 30, &size))
                return load_usage("spool", "--segment-size %s: 65536 to 1073741824", optarg);
            settings.segment_size_bytes = size;
            break;
        case 'h':
            fputs(HELP, stdout);
            return LOAD_DONE;
        default:
            return load_usage("spool", "an option is wrong");
        }
    }
    if (!settings.path || optind != argc)
        return load_usage("spool", "--path DIR is wanted");
    if (settings.inline_max_bytes > settings.segment_size_bytes / 4)
        settings.inline_max_bytes = settings.segment_size_bytes / 4;
    thread_main_init();
    int exit_code = list(&settings);
    thread_main_exit();
    return exit_code;
}
