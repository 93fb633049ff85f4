/* mailrace explain: which connector takes this client and why, its rights, verdicts, the route. */
#include <getopt.h>
#include <stdio.h>

#include "policy/explain.h"

#include "mailrace/cli/cli.h"

static const char HELP[] =
    "usage: mailrace explain -c FILE --from IP [--to IP:PORT] [--auth USER] [--tls]\n"
    "                        [--sender A] [--rcpt A] [--header-from A] [--json]\n"
    "\n"
    "Which receive connector takes this client and why, every other range that holds\n"
    "it, its identity and rights, the verdict on sender and recipient with the reply\n"
    "and the missing right, and the route the mail would take.\n"
    "Exit: 0 accepted, 1 refused.\n"
    "\n"
    "  -c, --config FILE  the configuration\n"
    "  --from IP          the client's address\n"
    "  --to IP:PORT       the address it connects to; default: the first binding\n"
    "  --auth USER        as this user\n"
    "  --tls              under TLS\n"
    "  --sender ADDRESS   MAIL FROM\n"
    "  --rcpt ADDRESS     RCPT TO\n"
    "  --header-from ADDRESS\n"
    "                     an address in the message's From or Sender field\n"
    "  --json             for programs\n";

struct explain_args {
    const char *file;
    struct explain_query query;
    bool have_from, json, help;
};

static int parse_option(struct explain_args *args, int opt, const char *value)
{
    switch (opt) {
    case 'c':
        args->file = value;
        return CLI_DONE;
    case 'f':
        args->have_from = true;
        if (ipaddr_parse(bytes_of(value), &args->query.from) != ERR_OK)
            return cli_usage("explain", "--from %s: not an IP address", value);
        return CLI_DONE;
    case 't':
        if (endpoint_parse(bytes_of(value), &args->query.to) != ERR_OK)
            return cli_usage("explain", "--to %s: not IP:PORT or [IPv6]:PORT", value);
        return CLI_DONE;
    case 'a':
        args->query.user = value;
        return CLI_DONE;
    case 'T':
        args->query.tls = true;
        return CLI_DONE;
    case 's':
        args->query.sender = value;
        return CLI_DONE;
    case 'r':
        args->query.rcpt = value;
        return CLI_DONE;
    case 'F':
        args->query.header_from = value;
        return CLI_DONE;
    case 'j':
        args->json = true;
        return CLI_DONE;
    case 'h':
        args->help = true;
        return CLI_DONE;
    default:
        return cli_usage("explain", "an option is wrong");
    }
}

int cli_explain(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 't'},
        {"auth", required_argument, NULL, 'a'},
        {"tls", no_argument, NULL, 'T'},
        {"sender", required_argument, NULL, 's'},
        {"rcpt", required_argument, NULL, 'r'},
        {"header-from", required_argument, NULL, 'F'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct explain_args args = {0};
    int opt;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        int bad = parse_option(&args, opt, optarg);
        if (bad)
            return bad;
    }
    if (args.help) {
        fputs(HELP, stdout);
        return CLI_DONE;
    }
    if (!args.file || !args.have_from || optind != argc)
        return cli_usage("explain", "give -c FILE and --from IP");
    struct ruleset *rules = NULL;
    struct conf *conf = cli_load(args.file, true, &rules);
    if (!conf)
        return CLI_FAILED;
    args.query.certificate = conf->tls.certificate;
    bool accepted = explain(rules, &args.query, args.json, stdout);
    ruleset_free(&rules);
    conf_free(&conf);
    return accepted ? CLI_DONE : CLI_FAILED;
}
