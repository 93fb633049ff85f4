/* mailrace-load sink: the other end of a benchmark. */
#include "load.h"

#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/thread.h"
#include "net/smtp_sink.h"

#include "load_journal.h"

static const char HELP[] =
    "usage: mailrace-load sink [--listen IP:PORT] [--threads N] [OPTION...]\n"
    "\n"
    "Takes every message and keeps none, until SIGINT or SIGTERM; then prints totals.\n"
    "\n"
    "  --listen IP:PORT  default 127.0.0.1:2526; port 0 picks a free one and prints it\n"
    "  --threads N       default: one a CPU\n"
    "  --journal FILE    adds every message of a source, for mailrace-load audit\n"
    "  --quiet           no line a second\n"
    "  --json            totals for programs\n";

struct sink_args {
    struct endpoint at;
    unsigned long threads;
    const char *journal;
    bool quiet, json;
};

/* --- The journal: one reader a connection --- */

struct sink_session {
    struct load_tag_reader reader;
    int journal;
};

static void *on_open(void *owner)
{
    struct sink_session *session = MEM_NEW(struct sink_session);
    session->journal = *(const int *)owner;
    return session;
}

static void on_begin(void *session)
{
    struct sink_session *s = session;
    s->reader = (struct load_tag_reader){0};
}

static void on_text(void *session, struct bytes text)
{
    struct sink_session *s = session;
    load_tag_feed(&s->reader, text);
}

static void on_end(void *session)
{
    struct sink_session *s = session;
    if (s->reader.state == LOAD_TAG_FOUND)
        load_journal_note(s->journal, load_tag_intact(&s->reader) ? LOAD_ARRIVED : LOAD_DAMAGED,
                          &s->reader.tag);
}

static void on_close(void *session)
{
    mem_free(session);
}

/* --- Running it --- */

static void print_totals(const struct smtp_sink_counts *c, bool json)
{
    if (json)
        printf("{\"connections\": %" PRIu64 ", \"messages\": %" PRIu64 ", \"octets\": %" PRIu64
               "}\n",
               c->connections, c->messages, c->octets);
    else
        printf("taken: %" PRIu64 " messages, %" PRIu64 " octets, on %" PRIu64 " connections\n",
               c->messages, c->octets, c->connections);
}

static void watch(const struct smtp_sink *sink, int signals, bool quiet)
{
    struct smtp_sink_counts now, before = {0};
    struct pollfd p = {.fd = signals, .events = POLLIN};
    while (poll(&p, 1, quiet ? -1 : 1000) == 0) {
        smtp_sink_read(sink, &now);
        printf("%" PRIu64 " messages/s, %" PRIu64 " in all\n", now.messages - before.messages,
               now.messages);
        fflush(stdout);
        before = now;
    }
}

static int serve(const struct sink_args *args, const struct smtp_sink_observer *observer)
{
    struct err_detail why = {""};
    struct smtp_sink *sink = NULL;
    struct smtp_sink_counts counts;
    char at[ENDPOINT_TEXT_SIZE];
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    int signals = signalfd(-1, &wanted, SFD_CLOEXEC);
    if (signals < 0 || smtp_sink_start_observed(&args->at, (unsigned)args->threads, observer, &sink,
                                                &why) != ERR_OK) {
        fprintf(stderr, "mailrace-load sink: %s\n", signals < 0 ? "no signalfd" : why.text);
        return LOAD_FAILED;
    }
    struct endpoint listening = smtp_sink_address(sink);
    if (!args->json)
        printf("listening on %s\n", endpoint_format(&listening, at));
    fflush(stdout);
    watch(sink, signals, args->quiet || args->json);
    smtp_sink_read(sink, &counts);
    print_totals(&counts, args->json);
    smtp_sink_stop(&sink);
    close(signals);
    return LOAD_DONE;
}

static int serve_with_journal(const struct sink_args *args)
{
    struct err_detail why;
    int journal;
    if (load_journal_open(args->journal, &journal, &why) != ERR_OK) {
        fprintf(stderr, "mailrace-load sink: %s\n", why.text);
        return LOAD_FAILED;
    }
    struct smtp_sink_observer observer = {
        .owner = &journal,
        .on_open = on_open,
        .on_begin = on_begin,
        .on_text = on_text,
        .on_end = on_end,
        .on_close = on_close,
    };
    int exit_code = serve(args, &observer);
    close(journal);
    return exit_code;
}

int load_sink(int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"threads", required_argument, NULL, 't'},
        {"journal", required_argument, NULL, 'J'},
        {"quiet", no_argument, NULL, 'q'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct sink_args args = {.threads = thread_cpu_count()};
    enum err e = endpoint_parse(BYTES("127.0.0.1:2526"), &args.at);
    int opt;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (opt) {
        case 'l':
            e = endpoint_parse(bytes_of(optarg), &args.at);
            break;
        case 't':
            if (!load_number(optarg, 1, 256, &args.threads))
                return load_usage("sink", "--threads %s: 1 to 256", optarg);
            break;
        case 'J':
            args.journal = optarg;
            break;
        case 'q':
            args.quiet = true;
            break;
        case 'j':
            args.json = true;
            break;
        case 'h':
            fputs(HELP, stdout);
            return LOAD_DONE;
        default:
            return load_usage("sink", "an option is wrong");
        }
    }
    if (e != ERR_OK || optind != argc)
        return load_usage("sink", "--listen takes IP:PORT or [IPv6]:PORT");
    thread_main_init();
    int exit_code = args.journal ? serve_with_journal(&args) : serve(&args, NULL);
    thread_main_exit();
    return exit_code;
}
