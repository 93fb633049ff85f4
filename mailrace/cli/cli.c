/* What the commands share: usage errors, and the configuration with its faults. */
#include "mailrace/cli/cli.h"

#include <stdio.h>

int cli_usage(const char *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "mailrace %s: ", command);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, " (see mailrace %s --help)\n", command);
    va_end(args);
    return CLI_USAGE;
}

static void print_fault(void *owner, const struct conf_fault *fault)
{
    const bool *quiet_warnings = owner;
    if (fault->is_warning && *quiet_warnings)
        return;
    fprintf(stderr, "%s: %s%s%s%s\n", fault->where, fault->is_warning ? "warning: " : "",
            fault->key, *fault->key ? ": " : "", fault->text);
}

struct conf *cli_load(const char *file, bool quiet_warnings, struct ruleset **rules)
{
    struct conf *conf = NULL;
    if (conf_load(file, print_fault, &quiet_warnings, &conf, rules) != ERR_OK)
        return NULL;
    return conf;
}
