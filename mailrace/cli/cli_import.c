/* mailrace import: Exchange's commands, or their export, as a configuration. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "config/exchange/exchange_import.h"

#include "mailrace/cli/cli.h"

static const char HELP[] =
    "usage: mailrace import FILE > relay.conf\n"
    "\n"
    "Reads Exchange shell commands from FILE (-: standard input), or the JSON that\n"
    "ConvertTo-Json makes of Get-ReceiveConnector, Get-SendConnector,\n"
    "Get-AcceptedDomain, Get-AddressRewriteEntry and Get-ADPermission, and writes the\n"
    "configuration that they stand for. Understood are New-, Set-, Get- and\n"
    "Remove-ReceiveConnector, -SendConnector, -AcceptedDomain and -AddressRewriteEntry,\n"
    "Add-, Get- and Remove-ADPermission, alone and in pipelines with Where-Object\n"
    "(-eq, -ne, -gt, -lt, -like, -match, -contains, -in, -and, -or, -not), ForEach-Object\n"
    "and foreach. A filter chooses among what the same text has made. FILE may be UTF-8,\n"
    "UTF-16 with its mark, as > writes it in Windows PowerShell, or Windows-1252.\n"
    "What is not taken over is told as FILE:LINE: what and why, and stands in the\n"
    "configuration as a comment.\n"
    "Exit: 0 done, 1 something could not be understood (the rest is written).\n";

/* All of IN, at most one octet more than may be. Freed by mem_free(). */
static char *read_all(FILE *in, size_t *len)
{
    size_t capacity = 64 * 1024, n;
    char *text = mem_alloc(capacity);
    *len = 0;
    while (*len <= EXCHANGE_IMPORT_BYTES_MAX &&
           (n = fread(text + *len, 1, capacity - *len, in)) > 0) {
        *len += n;
        if (*len == capacity)
            text = mem_realloc(text, capacity *= 2);
    }
    return text;
}

static void print_note(void *owner, const struct conf_fault *fault)
{
    (void)owner;
    fprintf(stderr, "%s: %s%s\n", fault->where,
            fault->is_warning ? "" : "not understood: ", fault->text);
}

static int import(FILE *in, const char *name)
{
    size_t len;
    char *text = read_all(in, &len);
    enum err e = ERR_IO;
    if (ferror(in))
        fprintf(stderr, "%s: cannot be read: %s\n", name, strerror(errno));
    else
        e = exchange_import(bytes_make(text, len), name, print_note, NULL, stdout);
    if (e == ERR_LIMIT)
        fprintf(stderr, "%s: more than %u MB: split it\n", name, EXCHANGE_IMPORT_BYTES_MAX >> 20);
    else if (e == ERR_IO && !ferror(in))
        fprintf(stderr, "mailrace import: the configuration cannot be written\n");
    mem_free(text);
    return e == ERR_OK ? CLI_DONE : CLI_FAILED;
}

int cli_import(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
    int opt;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt != 'h')
            return cli_usage("import", "an option is wrong");
        fputs(HELP, stdout);
        return CLI_DONE;
    }
    if (optind + 1 != argc)
        return cli_usage("import", "name one file, or - for standard input");
    const char *file = argv[optind];
    if (strcmp(file, "-") == 0)
        return import(stdin, "standard input");
    FILE *in = fopen(file, "re");
    if (!in) {
        fprintf(stderr, "%s: cannot be opened: %s\n", file, strerror(errno));
        return CLI_FAILED;
    }
    int code = import(in, file);
    fclose(in);
    return code;
}
