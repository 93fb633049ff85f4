/* mailrace-load: its commands. */
#include "bench/load.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *does;
    int (*run)(int argc, char **argv);
} COMMANDS[] = {
    {"source", "sends messages, in a closed or an open loop, and prints rates and latencies",
     load_source},
    {"sink", "takes every message and keeps none", load_sink},
    {"audit", "compares their journals: was anything lost, damaged or invented?", load_audit},
    {"queue", "fills a spool with messages that wait for delivery", load_queue},
    {"spool", "lists the source's messages that are queued in the spool of a relay", load_spool},
    {"files", "makes, syncs and closes one file a message: what such a queue costs here",
     load_files},
    {"tree", "looks clients up among a million ranges while the rules are replaced", load_tree},
    {"micro", "measures the relay's parts alone: parsers, spool, mailbox, TLS", load_micro},
};

static void print_help(FILE *to)
{
    fputs("usage: mailrace-load COMMAND [OPTION...]\n\n", to);
    for (size_t i = 0; i < ARRAY_SIZE(COMMANDS); i++)
        fprintf(to, "  %-7s %s\n", COMMANDS[i].name, COMMANDS[i].does);
    fputs("\n`mailrace-load COMMAND --help` tells more. Exit: 0 done, 1 failed, 2 usage.\n", to);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return LOAD_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return LOAD_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("mailrace-load " MAILRACE_VERSION);
        return LOAD_DONE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(COMMANDS); i++)
        if (strcmp(argv[1], COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc - 1, argv + 1);
    fprintf(stderr, "mailrace-load: there is no command \"%s\"; see mailrace-load --help\n",
            argv[1]);
    return LOAD_USAGE;
}
