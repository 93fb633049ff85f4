/* mailrace-load sink: the other end of a benchmark. */
#include "bench/load.h"

#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/rand.h"
#include "core/thread.h"
#include "bench/sink/smtp_sink.h"

#include "bench/load_fault.h"
#include "bench/load_journal.h"

static const char HELP[] =
    "usage: mailrace-load sink [--listen IP:PORT] [--threads N] [OPTION...]\n"
    "\n"
    "Takes every message and keeps none, until SIGINT or SIGTERM; then prints totals.\n"
    "\n"
    "  --listen IP:PORT        default 127.0.0.1:2526; port 0 picks a free one and prints it\n"
    "  --threads N             default: one a CPU\n"
    "  --journal FILE          adds every message of a source, for mailrace-load audit\n"
    "  --tls                   offers STARTTLS with a certificate of its own, made now\n"
    "  --tls-certificate FILE  offers STARTTLS with this one (PEM), and --tls-key FILE\n"
    "  --chunking              offers CHUNKING and BINARYMIME\n"
    "  --fault RULE            something that goes wrong; may be given several times\n"
    "  --faults FILE           a rule a line, # for comments\n"
    "  --seed N                of the draws; without it one is picked and printed\n"
    "  --quiet                 no line a second\n"
    "  --json                  totals for programs\n"
    "\n";

struct sink_args {
    struct endpoint at;
    unsigned long threads;
    const char *journal, *certificate, *key;
    bool quiet, json, tls, chunking, seeded;
    uint64_t seed;
    struct load_faults *faults;
};

/* What all connections share: the observer's owner. */
struct sink_run {
    int journal; /* -1: none */
    struct load_faults *faults;
};

/* --- One connection: a reader for the journal, and its faults --- */

struct sink_session {
    struct load_tag_reader reader;
    int journal;
    struct load_fault_session fault;
};

static void *on_open(void *owner)
{
    const struct sink_run *run = owner;
    struct sink_session *session = MEM_NEW(struct sink_session);
    session->journal = run->journal;
    load_fault_open(run->faults, &session->fault);
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
    if (s->journal >= 0)
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
    struct sink_session *s = session;
    load_fault_close(&s->fault);
    mem_free(s);
}

static void decide(void *session, const struct smtp_sink_question *question,
                   struct smtp_sink_answer *answer)
{
    struct sink_session *s = session;
    load_fault_decide(&s->fault, question, answer);
}

/* --- Running it --- */

static void print_totals(const struct smtp_sink_counts *c, const struct sink_args *args)
{
    if (args->json)
        printf("{\"connections\": %" PRIu64 ", \"handshakes\": %" PRIu64 ", \"messages\": %" PRIu64
               ", \"octets\": %" PRIu64,
               c->connections, c->handshakes, c->messages, c->octets);
    else
        printf("taken: %" PRIu64 " messages, %" PRIu64 " octets, on %" PRIu64
               " connections, %" PRIu64 " of them encrypted\n",
               c->messages, c->octets, c->connections, c->handshakes);
    if (load_faults_count(args->faults))
        load_faults_print(args->faults, args->json);
    if (args->json)
        puts("}");
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

static int failed(const struct err_detail *why)
{
    fprintf(stderr, "mailrace-load sink: %s\n", why->text);
    return LOAD_FAILED;
}

static void announce(const struct smtp_sink *sink, const struct sink_args *args)
{
    char at[ENDPOINT_TEXT_SIZE];
    struct endpoint listening = smtp_sink_address(sink);
    if (!args->json)
        printf("listening on %s\n", endpoint_format(&listening, at));
    if (!args->json && load_faults_count(args->faults))
        printf("seed %" PRIu64 "\n", args->seed);
    fflush(stdout);
}

static int serve(const struct sink_args *args, const struct smtp_sink_observer *observer,
                 struct tls_context *tls)
{
    struct err_detail why = {"no signalfd"};
    struct smtp_sink *sink = NULL;
    struct smtp_sink_counts counts;
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    int signals = signalfd(-1, &wanted, SFD_CLOEXEC);
    const struct smtp_sink_settings settings = {
        .at = args->at,
        .threads = (unsigned)args->threads,
        .observer = observer,
        .tls = tls,
        .chunking = args->chunking,
    };
    if (signals < 0 || smtp_sink_start_with(&settings, &sink, &why) != ERR_OK)
        return failed(&why);
    announce(sink, args);
    watch(sink, signals, args->quiet || args->json);
    smtp_sink_read(sink, &counts);
    print_totals(&counts, args);
    smtp_sink_stop(&sink);
    close(signals);
    return LOAD_DONE;
}

static enum err make_tls(const struct sink_args *args, struct tls_context **tls,
                         struct err_detail *why)
{
    const struct tls_settings settings = {.certificate = args->certificate, .key = args->key};
    if (args->certificate)
        return tls_context_server(&settings, tls, why);
    return args->tls ? tls_context_self_signed("sink.example", tls, why) : ERR_OK;
}

/* An observer costs: none without a journal and faults. */
static int run(const struct sink_args *args)
{
    struct err_detail why;
    struct tls_context *tls = NULL;
    struct sink_run run = {.journal = -1, .faults = args->faults};
    struct smtp_sink_observer observer = {
        .owner = &run,
        .on_open = on_open,
        .on_begin = on_begin,
        .on_text = on_text,
        .on_end = on_end,
        .on_close = on_close,
        .decide = load_faults_count(args->faults) ? decide : NULL,
    };
    enum err e = make_tls(args, &tls, &why);
    if (e == ERR_OK && args->journal)
        e = load_journal_open(args->journal, &run.journal, &why);
    int exit_code = e != ERR_OK
                        ? failed(&why)
                        : serve(args, args->journal || observer.decide ? &observer : NULL, tls);
    if (run.journal >= 0)
        close(run.journal);
    tls_context_unref(&tls);
    return exit_code;
}

/* --- Options --- */

static int take_value(struct sink_args *args, int opt, const char *value)
{
    struct err_detail why = {""};
    switch (opt) {
    case 'l':
        if (endpoint_parse(bytes_of(value), &args->at) != ERR_OK)
            return load_usage("sink", "--listen takes IP:PORT or [IPv6]:PORT");
        return LOAD_DONE;
    case 't':
        if (!load_number(value, 1, 256, &args->threads))
            return load_usage("sink", "--threads %s: 1 to 256", value);
        return LOAD_DONE;
    case 'f':
        if (load_faults_add(args->faults, bytes_of(value), &why) != ERR_OK)
            return load_usage("sink", "%s", why.text);
        return LOAD_DONE;
    case 'F':
        if (load_faults_read(args->faults, value, &why) != ERR_OK)
            return load_usage("sink", "%s", why.text);
        return LOAD_DONE;
    case 's':
        args->seeded = true;
        if (bytes_to_u64(bytes_of(value), UINT64_MAX, &args->seed) != ERR_OK)
            return load_usage("sink", "--seed %s: a number is wanted", value);
        return LOAD_DONE;
    default:
        return load_usage("sink", "an option is wrong");
    }
}

static int take_option(struct sink_args *args, int opt, const char *value)
{
    switch (opt) {
    case 'J':
        args->journal = value;
        break;
    case 'C':
        args->certificate = value;
        break;
    case 'K':
        args->key = value;
        break;
    case 'T':
        args->tls = true;
        break;
    case 'B':
        args->chunking = true;
        break;
    case 'q':
        args->quiet = true;
        break;
    case 'j':
        args->json = true;
        break;
    default:
        return take_value(args, opt, value);
    }
    return LOAD_DONE;
}

static int check(const struct sink_args *args)
{
    if (!args->certificate != !args->key)
        return load_usage("sink", "--tls-certificate and --tls-key go together");
    if (load_faults_want_tls(args->faults) && !args->tls && !args->certificate)
        return load_usage("sink", "a fault is about STARTTLS, which only --tls offers");
    return LOAD_DONE;
}

static int parse_and_run(struct sink_args *args, int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"threads", required_argument, NULL, 't'},
        {"journal", required_argument, NULL, 'J'},
        {"tls", no_argument, NULL, 'T'},
        {"chunking", no_argument, NULL, 'B'},
        {"tls-certificate", required_argument, NULL, 'C'},
        {"tls-key", required_argument, NULL, 'K'},
        {"fault", required_argument, NULL, 'f'},
        {"faults", required_argument, NULL, 'F'},
        {"seed", required_argument, NULL, 's'},
        {"quiet", no_argument, NULL, 'q'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int opt, result = LOAD_DONE;
    while (result == LOAD_DONE && (opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(HELP, stdout);
            fputs(LOAD_FAULTS_HELP, stdout);
            return LOAD_DONE;
        }
        result = take_option(args, opt, optarg);
    }
    if (result == LOAD_DONE && optind != argc)
        result = load_usage("sink", "\"%s\" is no option", argv[optind]);
    if (result == LOAD_DONE)
        result = check(args);
    if (result != LOAD_DONE)
        return result;
    if (!args->seeded)
        args->seed = rand_below(1000000000); /* short enough to be typed again */
    load_faults_seed(args->faults, args->seed);
    return run(args);
}

int load_sink(int argc, char **argv)
{
    struct sink_args args = {.threads = thread_cpu_count(), .faults = load_faults_new()};
    enum err e = endpoint_parse(BYTES("127.0.0.1:2526"), &args.at);
    ASSERT(e == ERR_OK);
    thread_main_init();
    int result = parse_and_run(&args, argc, argv);
    thread_main_exit();
    load_faults_free(&args.faults);
    return result;
}
