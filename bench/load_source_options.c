/* The options of mailrace-load source, read and checked. */
#include "bench/load_source.h"

#include <getopt.h>
#include <stdio.h>

#include "core/log.h"
#include "core/thread.h"

#include "bench/load.h"

static const char HELP[] =
    "usage: mailrace-load source [OPTION...]\n"
    "\n"
    "Sends messages and prints totals, rate and latencies: in a closed loop, in which each "
    "session\n"
    "sends the next message when the last one was answered; or, with --rate, in an open loop, in\n"
    "which messages are begun at their intended times whatever is answered, and latency counts\n"
    "from the intended time. Its threads then ask for real-time priority; where the generator was\n"
    "itself more than 1 ms late with more than 1 % of the messages it prints no figures and exits\n"
    "1. SIGINT ends a run before its time, with its figures.\n"
    "\n"
    "Latencies: connect; banner; tls, the handshake; ehlo; auth; mail, from MAIL to 354; dot,\n"
    "from the end of the text to 250; quit; and message, the whole of it.\n"
    "\n"
    "Load\n"
    "  --to IP:PORT         default 127.0.0.1:2525\n"
    "  --sessions N         at a time; default 50\n"
    "  --messages N         in all; default 10000, or without end when --seconds is given\n"
    "  --seconds S          nothing more is begun then; with --knee, of a step: default 5\n"
    "  --rate N             open loop: messages a second, evenly spaced, over all sessions, which\n"
    "                       are opened before the clock starts; one that finds none free waits\n"
    "  --poisson            with --rate or --knee: at random times, as from many senders\n"
    "  --knee               searches the highest rate of an open loop that is held: doubled from\n"
    "                       --rate (default 500) on while it is, then halved in between. Prints\n"
    "                       the figures of the best step\n"
    "  --knee-p99 MS        what a rate has to keep to be held; default 100\n"
    "  --threads N          default: one a CPU\n"
    "  --persist            go on after failures until --messages are accepted or the time is "
    "over\n"
    "\n"
    "Messages\n"
    "  --length N           octets of a message, or A-B: evenly from A to B; default 4096\n"
    "  --lengths FILE       lengths by weight: lines SIZE WEIGHT, # begins a comment; SIZE is N,\n"
    "                       A-B (evenly), or <=N (evenly from the end of the line before it to\n"
    "                       N: a histogram). Of lengths no more than 1024 different ones are\n"
    "                       drawn, at the start, and of these each message's\n"
    "  --bodies DIR         instead, each file of a folder is a message. LF becomes CRLF there;\n"
    "                       Message-ID and X-MS-Exchange-* are taken out; NULs, bare CRs, octets\n"
    "                       above 127 and long lines stay, and are counted\n"
    "  --bodies-memory MIB  what these may take; default 1024\n"
    "  --seed N             of lengths and bodies: the same one draws the same again; else one is\n"
    "                       picked. It is printed\n"
    "  --from ADDRESS       default a@src.test\n"
    "  --rcpt ADDRESS       default b@dst.test; with several: b1@dst.test, b2@dst.test, ...\n"
    "  --rcpts N            recipients of a message; default 1\n"
    "\n"
    "Session\n"
    "  --reconnect          a connection for each message; else each session keeps one open\n"
    "  --pipelining         MAIL, RCPT and DATA in one write, and it must be offered; without\n"
    "                       either option it is done where it is offered\n"
    "  --no-pipelining      waits for each reply\n"
    "  --ahead              each session keeps one message ahead in its pipeline (closed loop)\n"
    "  --chunking           BDAT, the whole text as one chunk, in place of DATA\n"
    "  --starttls           TLS by STARTTLS; the peer's certificate is not verified\n"
    "  --tls                TLS from the first octet; likewise\n"
    "  --resume PERCENT     the share of TLS connections that offer to resume a session of an\n"
    "                       earlier one; default 0\n"
    "  --user NAME          logs in by AUTH PLAIN, with the first line of\n"
    "  --password-file FILE\n"
    "  --auth-login         by AUTH LOGIN instead\n"
    "  --sources N[@CIDR]   connections come from so many addresses in turn, spread over CIDR;\n"
    "                       default 127.0.0.0/8\n"
    "\n"
    "Bad clients\n"
    "  --bad PERCENT        adds so many bad sessions to every 100 good ones, at least one. Each\n"
    "                       connects again and again. They are counted apart: refused (4xx,\n"
    "                       5xx, or closed), served (slow or half closed, but whole: 250), and\n"
    "                       accepted (250 to a bare LF, a text that is cut off, or early talk)\n"
    "  --bad-kinds LIST     of slow, bare-lf, early-talk, half-close; default all\n"
    "  --bad-interval MS    between two octets of a slow one, and before it connects again;\n"
    "                       default 1000\n"
    "\n"
    "Output\n"
    "  --journal FILE       adds what became of each message, for mailrace-load audit\n"
    "  --json               one object for programs, and no line a second\n"
    "  --quiet              no line a second, which else goes to standard error\n"
    "  --progress           a line a second in spite of --json\n";

enum { MESSAGES_DEFAULT = 10000, MESSAGES_MAX = 1000000000, NUMBER_MAX = 10000000, MIB = 1 << 20 };

enum option_id {
    OPT_TO = 256,
    OPT_SESSIONS,
    OPT_MESSAGES,
    OPT_SECONDS,
    OPT_RATE,
    OPT_POISSON,
    OPT_KNEE,
    OPT_KNEE_P99,
    OPT_THREADS,
    OPT_PERSIST,
    OPT_LENGTH,
    OPT_LENGTHS,
    OPT_BODIES,
    OPT_BODIES_MEMORY,
    OPT_SEED,
    OPT_FROM,
    OPT_RCPT,
    OPT_RCPTS,
    OPT_RECONNECT,
    OPT_PIPELINING,
    OPT_NO_PIPELINING,
    OPT_AHEAD,
    OPT_CHUNKING,
    OPT_STARTTLS,
    OPT_TLS,
    OPT_RESUME,
    OPT_USER,
    OPT_PASSWORD_FILE,
    OPT_AUTH_LOGIN,
    OPT_SOURCES,
    OPT_BAD,
    OPT_BAD_KINDS,
    OPT_BAD_INTERVAL,
    OPT_JOURNAL,
    OPT_JSON,
    OPT_QUIET,
    OPT_PROGRESS,
    OPT_HELP
};

static const struct option OPTIONS[] = {
    {"to", required_argument, NULL, OPT_TO},
    {"sessions", required_argument, NULL, OPT_SESSIONS},
    {"messages", required_argument, NULL, OPT_MESSAGES},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"rate", required_argument, NULL, OPT_RATE},
    {"poisson", no_argument, NULL, OPT_POISSON},
    {"knee", no_argument, NULL, OPT_KNEE},
    {"knee-p99", required_argument, NULL, OPT_KNEE_P99},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"persist", no_argument, NULL, OPT_PERSIST},
    {"length", required_argument, NULL, OPT_LENGTH},
    {"lengths", required_argument, NULL, OPT_LENGTHS},
    {"bodies", required_argument, NULL, OPT_BODIES},
    {"bodies-memory", required_argument, NULL, OPT_BODIES_MEMORY},
    {"seed", required_argument, NULL, OPT_SEED},
    {"from", required_argument, NULL, OPT_FROM},
    {"rcpt", required_argument, NULL, OPT_RCPT},
    {"rcpts", required_argument, NULL, OPT_RCPTS},
    {"reconnect", no_argument, NULL, OPT_RECONNECT},
    {"pipelining", no_argument, NULL, OPT_PIPELINING},
    {"no-pipelining", no_argument, NULL, OPT_NO_PIPELINING},
    {"ahead", no_argument, NULL, OPT_AHEAD},
    {"chunking", no_argument, NULL, OPT_CHUNKING},
    {"starttls", no_argument, NULL, OPT_STARTTLS},
    {"tls", no_argument, NULL, OPT_TLS},
    {"resume", required_argument, NULL, OPT_RESUME},
    {"user", required_argument, NULL, OPT_USER},
    {"password-file", required_argument, NULL, OPT_PASSWORD_FILE},
    {"auth-login", no_argument, NULL, OPT_AUTH_LOGIN},
    {"sources", required_argument, NULL, OPT_SOURCES},
    {"bad", required_argument, NULL, OPT_BAD},
    {"bad-kinds", required_argument, NULL, OPT_BAD_KINDS},
    {"bad-interval", required_argument, NULL, OPT_BAD_INTERVAL},
    {"journal", required_argument, NULL, OPT_JOURNAL},
    {"json", no_argument, NULL, OPT_JSON},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"progress", no_argument, NULL, OPT_PROGRESS},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

/* Options with a number: where it goes, and its range. */
static bool number_place(struct source_args *a, int opt, unsigned long **to, unsigned long range[2])
{
    range[0] = 1;
    range[1] = NUMBER_MAX;
    switch (opt) {
    case OPT_SESSIONS:
        range[1] = 100000;
        *to = &a->sessions;
        return true;
    case OPT_MESSAGES:
        range[1] = MESSAGES_MAX;
        *to = &a->messages;
        return true;
    case OPT_RCPTS:
        range[1] = 100000;
        *to = &a->rcpts;
        return true;
    case OPT_THREADS:
        range[1] = 256;
        *to = &a->threads;
        return true;
    case OPT_RESUME:
        range[0] = 0;
        range[1] = 100;
        *to = &a->resume_percent;
        return true;
    case OPT_BAD:
        range[1] = 1000;
        *to = &a->bad_percent;
        return true;
    case OPT_SECONDS:
        *to = &a->seconds;
        return true;
    case OPT_RATE:
        *to = &a->rate;
        return true;
    case OPT_KNEE_P99:
        *to = &a->knee_p99_ms;
        return true;
    case OPT_BAD_INTERVAL:
        *to = &a->bad_interval_ms;
        return true;
    default:
        return false;
    }
}

static bool text_place(struct source_args *a, int opt, const char ***to)
{
    switch (opt) {
    case OPT_FROM:
        *to = &a->from;
        return true;
    case OPT_RCPT:
        *to = &a->rcpt;
        return true;
    case OPT_JOURNAL:
        *to = &a->journal;
        return true;
    case OPT_USER:
        *to = &a->user;
        return true;
    case OPT_PASSWORD_FILE:
        *to = &a->password_file;
        return true;
    case OPT_LENGTH:
        *to = &a->shape.length;
        return true;
    case OPT_LENGTHS:
        *to = &a->shape.lengths;
        return true;
    case OPT_BODIES:
        *to = &a->shape.bodies;
        return true;
    default:
        return false;
    }
}

static bool *flag_place(struct source_args *a, int opt)
{
    switch (opt) {
    case OPT_POISSON:
        return &a->poisson;
    case OPT_KNEE:
        return &a->knee;
    case OPT_PERSIST:
        return &a->persist;
    case OPT_RECONNECT:
        return &a->reconnect;
    case OPT_AHEAD:
        return &a->ahead;
    case OPT_CHUNKING:
        return &a->chunking;
    case OPT_AUTH_LOGIN:
        return &a->auth_login;
    case OPT_JSON:
        return &a->json;
    case OPT_QUIET:
        return &a->quiet;
    default:
        return opt == OPT_PROGRESS ? &a->progress : NULL;
    }
}

static int take_number(const char *name, const char *text, const unsigned long range[2],
                       unsigned long *out)
{
    if (load_number(text, range[0], range[1], out))
        return LOAD_DONE;
    return load_usage("source", "--%s %s: a number from %lu to %lu is wanted", name, text, range[0],
                      range[1]);
}

static int take_other(struct source_args *args, int opt, const char *value)
{
    unsigned long mib;
    switch (opt) {
    case OPT_TO:
        if (endpoint_parse(bytes_of(value), &args->to) != ERR_OK)
            return load_usage("source", "--to %s: IP:PORT or [IPv6]:PORT is wanted", value);
        return LOAD_DONE;
    case OPT_PIPELINING:
        args->pipelining = LOAD_CLIENT_PIPELINING_MUST;
        return LOAD_DONE;
    case OPT_NO_PIPELINING:
        args->pipelining = LOAD_CLIENT_PIPELINING_NEVER;
        return LOAD_DONE;
    case OPT_STARTTLS:
        args->security = LOAD_CLIENT_SECURITY_STARTTLS;
        return LOAD_DONE;
    case OPT_TLS:
        args->security = LOAD_CLIENT_SECURITY_IMPLICIT;
        return LOAD_DONE;
    case OPT_SOURCES:
        if (source_addresses_parse(bytes_of(value), &args->addresses) != ERR_OK)
            return load_usage("source",
                              "--sources %s: N or N@IPv4/PREFIX is wanted, /8 to /30, "
                              "N no more than there are",
                              value);
        return LOAD_DONE;
    case OPT_BAD_KINDS:
        if (load_bad_parse_kinds(bytes_of(value), &args->bad_kinds) != ERR_OK)
            return load_usage("source", "--bad-kinds %s: there is no such kind", value);
        return LOAD_DONE;
    case OPT_BODIES_MEMORY:
        if (!load_number(value, 1, 1 << 20, &mib))
            return load_usage("source", "--bodies-memory %s: MiB are wanted", value);
        args->shape.bodies_octets_max = (uint64_t)mib * MIB;
        return LOAD_DONE;
    case OPT_SEED:
        args->seeded = true;
        if (bytes_to_u64(bytes_of(value), UINT64_MAX, &args->shape.seed) != ERR_OK)
            return load_usage("source", "--seed %s: a number is wanted", value);
        return LOAD_DONE;
    default:
        return load_usage("source", "an option is wrong");
    }
}

static int take_option(struct source_args *args, int opt, const char *name, const char *value)
{
    unsigned long *number, range[2];
    const char **text;
    bool *flag = flag_place(args, opt);
    if (number_place(args, opt, &number, range))
        return take_number(name, value, range, number);
    if (text_place(args, opt, &text))
        *text = value;
    else if (flag)
        *flag = true;
    else
        return take_other(args, opt, value);
    return LOAD_DONE;
}

/* Options that do not go together. */
static int check(const struct source_args *a)
{
    bool open = a->rate || a->knee;
    if (open ? a->ahead : a->poisson)
        return load_usage("source", "--rate goes without --ahead, --poisson only with --rate");
    if (a->ahead && (a->pipelining == LOAD_CLIENT_PIPELINING_NEVER || a->reconnect))
        return load_usage("source", "--ahead needs pipelining, on connections that stay open");
    if (a->knee && (a->messages || a->persist))
        return load_usage("source", "--knee goes without --messages and --persist");
    if (!a->user != !a->password_file || (a->auth_login && !a->user))
        return load_usage("source", "--user, --password-file go together, --auth-login with both");
    if (a->resume_percent && a->security == LOAD_CLIENT_SECURITY_NONE)
        return load_usage("source", "--resume needs --starttls or --tls");
    if (!a->shape.length + !a->shape.lengths + !a->shape.bodies < 2)
        return load_usage("source", "--length, --lengths or --bodies: one of them");
    if (a->addresses.count && !ipaddr_is_v4(&a->to.addr))
        return load_usage("source", "--sources are IPv4 addresses, --to is not");
    return LOAD_DONE;
}

static void complete(struct source_args *a)
{
    if (!a->shape.length)
        a->shape.length = "4096";
    if (a->messages == 0)
        a->messages = a->seconds || a->knee ? MESSAGES_MAX : MESSAGES_DEFAULT;
    if (a->threads > a->sessions)
        a->threads = a->sessions;
    a->progress = a->progress || (!a->json && !a->quiet && !a->knee);
    if (a->persist) /* failures are what it expects */
        log_configure(&(struct log_settings){.level = LOG_ERROR});
}

int load_source(int argc, char **argv)
{
    struct source_args args = {
        .sessions = 50,
        .rcpts = 1,
        .threads = thread_cpu_count(),
        .from = "a@src.test",
        .rcpt = "b@dst.test",
        .knee_p99_ms = 100,
        .shape = {.bodies_octets_max = (uint64_t)1024 * MIB},
        .bad_kinds = (1u << LOAD_BAD_KINDS) - 1,
        .bad_interval_ms = 1000,
    };
    enum err e = endpoint_parse(BYTES("127.0.0.1:2525"), &args.to);
    ASSERT(e == ERR_OK);
    int opt, at = 0;
    while ((opt = getopt_long(argc, argv, "h", OPTIONS, &at)) != -1) {
        if (opt == 'h' || opt == OPT_HELP) {
            fputs(HELP, stdout);
            return LOAD_DONE;
        }
        int bad = take_option(&args, opt, OPTIONS[at].name, optarg);
        if (bad)
            return bad;
    }
    if (optind != argc)
        return load_usage("source", "it takes no argument");
    int bad = check(&args);
    if (bad)
        return bad;
    complete(&args);
    thread_main_init();
    int exit_code = source_run(&args);
    thread_main_exit();
    return exit_code;
}
