/* The program: one table of subcommands. */
#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "core/kill_point.h"

#include "mailrace/cli/cli.h"

static const struct {
    const char *name, *does;
    int (*run)(int argc, char **argv);
} COMMANDS[] = {
    {"run", "the relay, in the foreground; SIGHUP reloads, SIGTERM drains", cli_run},
    {"check", "read the configuration and print every fault in it", cli_check},
    {"explain", "which connector takes a client, what it may do, and where its mail goes",
     cli_explain},
    {"relay-test", "try the open-relay patterns against a running relay", cli_relay_test},
    {"user", "who may log on: add, passwd, remove, list", cli_user},
    {"demo", "a relay on 127.0.0.1:2525 with a sink behind it; no configuration, no root",
     cli_demo},
    {"import", "Exchange shell commands or their JSON export as a configuration", cli_import},
};

static void print_help(FILE *to)
{
    fputs("usage: mailrace COMMAND [OPTION...]\n\n", to);
    for (size_t i = 0; i < ARRAY_SIZE(COMMANDS); i++)
        fprintf(to, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].does);
    fputs("\n`mailrace COMMAND --help` tells more. Exit: 0 done, 1 refused or failed, 2 usage,\n"
          "3 no relay answers.\n",
          to);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return CLI_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("mailrace " MAILRACE_VERSION);
        return CLI_DONE;
    }
#ifdef MAILRACE_KILL_POINTS
    if (strcmp(argv[1], "--kill-points") == 0) {
        kill_point_list();
        return CLI_DONE;
    }
#endif
    for (size_t i = 0; i < ARRAY_SIZE(COMMANDS); i++)
        if (strcmp(argv[1], COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc - 1, argv + 1);
    fprintf(stderr, "mailrace: there is no command \"%s\"; see mailrace --help\n", argv[1]);
    return CLI_USAGE;
}
