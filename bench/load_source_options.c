#include "load_source.h"

#include <getopt.h>
#include <stdio.h>

#include "core/log.h"
#include "core/thread.h"

static const char HELP[] =
    "usage: mailrace-load source [OPTION...]\n"
    "\n"
    "Sends messages and prints totals, rate and latencies: in a closed loop, or, with --rate, at\n"
    "their intended times whatever is answered (latency then counts from the intended time).\n"
    "\n"
    "  --to IP:PORT      default 127.0.0.1:2525\n"
    "  --sessions N      default 50\n"
    "  --messages N      in all; default 10000, or without end when --seconds is given\n"
    "  --seconds S       nothing more is begun then\n"
    "  --rate N          messages a second, evenly spaced; one that finds no session free waits\n"
    "  --poisson         with --rate: at random times, as from many senders\n"
    "  --length OCTETS   of a message; default 4096\n"
    "  --rcpts N         recipients of a message; default 1\n"
    "  --from ADDRESS    default a@src.test\n"
    "  --rcpt ADDRESS    default b@dst.test; with several: b1@dst.test, b2@dst.test, ...\n"
    "  --threads N       default: one a CPU\n"
    "  --reconnect       a connection for each message\n"
    "  --ahead           each session keeps one message ahead in its pipeline\n"
    "  --persist         go on after failures until --messages are accepted or the time is over\n"
    "  --journal FILE    adds what became of each message, for mailrace-load audit\n"
    "  --json            for programs\n";

enum { MESSAGES_DEFAULT = 10000, MESSAGES_MAX = 1000000000 };

static int take_number(const char *name, const char *text, unsigned long min, unsigned long max,
                       unsigned long *out)
{
    if (load_number(text, min, max, out))
        return LOAD_DONE;
    return load_usage("source", "--%s %s: a number from %lu to %lu is wanted", name, text, min,
                      max);
}

static int take_option(struct source_args *args, int opt, const char *name, const char *value)
{
    switch (opt) {
    case 't':
        if (endpoint_parse(bytes_of(value), &args->to) != ERR_OK)
            return load_usage("source", "--to %s: IP:PORT or [IPv6]:PORT is wanted", value);
        return LOAD_DONE;
    case 's':
        return take_number(name, value, 1, 100000, &args->sessions);
    case 'm':
        return take_number(name, value, 1, MESSAGES_MAX, &args->messages);
    case 'S':
        return take_number(name, value, 1, 10000000, &args->seconds);
    case 'l':
        return take_number(name, value, 256, 1ul << 30, &args->length);
    case 'r':
        return take_number(name, value, 1, 100000, &args->rcpts);
    case 'T':
        return take_number(name, value, 1, 256, &args->threads);
    case 'f':
        args->from = value;
        return LOAD_DONE;
    case 'R':
        args->rcpt = value;
        return LOAD_DONE;
    case 'J':
        args->journal = value;
        return LOAD_DONE;
    case 'n':
        return take_number(name, value, 1, 10000000, &args->rate);
    case 'P':
        args->poisson = true;
        return LOAD_DONE;
    case 'c':
        args->reconnect = true;
        return LOAD_DONE;
    case 'a':
        args->ahead = true;
        return LOAD_DONE;
    case 'p':
        args->persist = true;
        return LOAD_DONE;
    case 'j':
        args->json = true;
        return LOAD_DONE;
    default:
        return load_usage("source", "an option is wrong");
    }
}

int load_source(int argc, char **argv)
{
    static const struct option options[] = {
        {"to", required_argument, NULL, 't'},       {"sessions", required_argument, NULL, 's'},
        {"messages", required_argument, NULL, 'm'}, {"seconds", required_argument, NULL, 'S'},
        {"length", required_argument, NULL, 'l'},   {"rcpts", required_argument, NULL, 'r'},
        {"threads", required_argument, NULL, 'T'},  {"from", required_argument, NULL, 'f'},
        {"rcpt", required_argument, NULL, 'R'},     {"journal", required_argument, NULL, 'J'},
        {"reconnect", no_argument, NULL, 'c'},      {"ahead", no_argument, NULL, 'a'},
        {"persist", no_argument, NULL, 'p'},        {"json", no_argument, NULL, 'j'},
        {"rate", required_argument, NULL, 'n'},     {"poisson", no_argument, NULL, 'P'},
        {"help", no_argument, NULL, 'h'},           {0},
    };
    struct source_args args = {
        .sessions = 50,
        .length = 4096,
        .rcpts = 1,
        .threads = thread_cpu_count(),
        .from = "a@src.test",
        .rcpt = "b@dst.test",
    };
    enum err e = endpoint_parse(BYTES("127.0.0.1:2525"), &args.to);
    ASSERT(e == ERR_OK);
    int opt, at = 0;
    while ((opt = getopt_long(argc, argv, "h", options, &at)) != -1) {
        if (opt == 'h') {
            fputs(HELP, stdout);
            return LOAD_DONE;
        }
        int bad = take_option(&args, opt, options[at].name, optarg);
        if (bad)
            return bad;
    }
    if (optind != argc)
        return load_usage("source", "it takes no argument");
    if (args.rate ? args.ahead : args.poisson)
        return load_usage("source", "--rate goes without --ahead, --poisson only with --rate");
    if (args.messages == 0)
        args.messages = args.seconds ? MESSAGES_MAX : MESSAGES_DEFAULT;
    if (args.persist) /* failures are what it expects */
        log_configure(&(struct log_settings){.level = LOG_ERROR});
    thread_main_init();
    int exit_code = source_run(&args);
    thread_main_exit();
    return exit_code;
}
