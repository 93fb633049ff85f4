/* mailrace/cli/cli.h - the subcommands. Exit: 0 done, 1 refused or failed, 2 usage,
 * 3 no relay answers. */
#ifndef MAILRACE_CLI_CLI_H
#define MAILRACE_CLI_CLI_H

#include <stdbool.h>

#include "config/conf.h"

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_NO_RELAY = 3 };

int cli_run(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_demo(int argc, char **argv);
int cli_user(int argc, char **argv);
int cli_import(int argc, char **argv);
int cli_relay_test(int argc, char **argv);

/* Loads FILE; faults and warnings go to standard error, one a line. NULL after a fault. */
struct conf *cli_load(const char *file, bool quiet_warnings, struct ruleset **rules);
/* "mailrace COMMAND: what (see mailrace COMMAND --help)"; returns CLI_USAGE. */
int cli_usage(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Runs a relay until a signal ends it. ON_SECOND may be NULL. */
struct relay;
int cli_serve(struct conf *conf, struct ruleset *rules, void (*on_started)(struct relay *, void *),
              void (*on_second)(struct relay *, void *), void *owner);

#endif
