/* mailrace check: reads and checks everything, prints all faults, starts nothing. */
#include <getopt.h>
#include <stdio.h>

#include "mailrace/cli/cli.h"

static const char HELP[] =
    "usage: mailrace check -c FILE\n"
    "       mailrace check --reference\n"
    "\n"
    "Reads FILE and checks everything in it. Prints every fault as\n"
    "FILE:LINE: key: what is wrong and what is allowed. Exit: 0 sound, 1 faults.\n"
    "\n"
    "  -c, --config FILE  the configuration\n"
    "  --reference        print the reference of all keys (Markdown) and exit\n";

static void print_note(void *owner, const struct ruleset_fault *note)
{
    (void)owner;
    printf("%s: note: %s\n", note->where, note->text);
}

int cli_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"reference", no_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *file = NULL;
    int opt;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            file = optarg;
            break;
        case 'r':
            conf_write_reference(stdout);
            return CLI_DONE;
        case 'h':
            fputs(HELP, stdout);
            return CLI_DONE;
        default:
            return cli_usage("check", "an option is wrong");
        }
    }
    if (!file || optind != argc)
        return cli_usage("check", "name one configuration file with -c");
    struct ruleset *rules = NULL;
    struct conf *conf = cli_load(file, false, &rules);
    if (!conf)
        return CLI_FAILED;
    ruleset_notes(&conf->rules, print_note, NULL);
    printf("%s: sound: %zu receive connectors, %zu send connectors, %zu accepted domains\n", file,
           conf->rules.receive_count, conf->rules.send_count, conf->rules.domain_count);
    ruleset_free(&rules);
    conf_free(&conf);
    return CLI_DONE;
}
