/* tests/unit/config/exchange/exchange_rows.h - an import a row: what is pasted, what stands in the
 * configuration, what does not, what is told, and whether it was all understood. Whatever comes
 * out, check takes it.
 */
#ifndef TESTS_EXCHANGE_ROWS_H
#define TESTS_EXCHANGE_ROWS_H

#include "config/exchange/exchange_import.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#define FRAGMENTS 8

struct row {
    const char *name;
    const char *text;
    const char *wanted[FRAGMENTS];
    const char *unwanted[FRAGMENTS];
    const char *told[FRAGMENTS]; /* in the notes and faults */
    bool not_understood;
    bool check_refuses;
};

struct notes {
    char text[16384];
    unsigned faults;
};

static void take_note(void *owner, const struct conf_fault *note)
{
    struct notes *n = owner;
    size_t len = strlen(n->text);
    snprintf(n->text + len, sizeof n->text - len, "%s: %s\n", note->where, note->text);
    n->faults += !note->is_warning;
}

static void check_accepts(const char *config, bool wanted)
{
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    struct notes notes = {.text = "hostname"};
    enum err e = conf_load_text(config, "out.conf", take_note, &notes, &conf, &rules);
    if (!CHECK((e == ERR_OK) == wanted))
        fprintf(stderr, "%s\n%s", config, notes.text);
    if (e == ERR_OK) {
        ruleset_free(&rules);
        conf_free(&conf);
    }
}

static void run_row(const struct row *row)
{
    struct notes notes = {.faults = 0};
    char *out = NULL;
    size_t size = 0;
    unit_row(row->name);
    FILE *to = open_memstream(&out, &size);
    enum err e = exchange_import(bytes_of(row->text), "in.ps1", take_note, &notes, to);
    fclose(to);
    bool ok = CHECK(e == (row->not_understood ? ERR_SYNTAX : ERR_OK));
    CHECK(row->not_understood == (notes.faults > 0));
    for (size_t i = 0; i < FRAGMENTS; i++) {
        if (row->wanted[i])
            ok &= CHECK(strstr(out, row->wanted[i]) != NULL);
        if (row->unwanted[i])
            ok &= CHECK(strstr(out, row->unwanted[i]) == NULL);
        if (row->told[i])
            ok &= CHECK(strstr(notes.text, row->told[i]) != NULL);
    }
    if (!ok)
        fprintf(stderr, "--- %s\n%s--- told\n%s", row->name, out, notes.text);
    check_accepts(out, !row->check_refuses);
    free(out);
}

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_row(&rows[i]);
}

#define CUSTOM(more)                                                                               \
    "New-ReceiveConnector -Name Relay -Usage Custom -Bindings 10.0.0.1:25 -RemoteIPRanges "        \
    "10.0.0.9 " more "\n"
#define GRANT                                                                                      \
    "-User 'NT AUTHORITY\\ANONYMOUS LOGON' -ExtendedRights ms-Exch-SMTP-Accept-Any-Recipient"
#define AR "{ user = \"Anonymous\"; allow = [ \"ms-Exch-SMTP-Accept-Any-Recipient\" ]; }"

#endif
