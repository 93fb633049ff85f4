/* Runs the rows of import tests. */
#include "exchange_rows.h"

#include <stdio.h>
#include <stdlib.h>

void take_note(void *owner, const struct conf_fault *note)
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

void run_row(const struct row *row)
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
            ok &= CHECK(strstr(out, row->wanted[i]));
        if (row->unwanted[i])
            ok &= CHECK(!strstr(out, row->unwanted[i]));
        if (row->told[i])
            ok &= CHECK(strstr(notes.text, row->told[i]));
    }
    if (!ok)
        fprintf(stderr, "--- %s\n%s--- told\n%s", row->name, out, notes.text);
    check_accepts(out, !row->check_refuses);
    free(out);
}

void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_row(&rows[i]);
}
