/* The door: read, played on objects, written, and held against what check says. */
#include "config/exchange/exchange_import.h"

#include <stdlib.h>

#include "config/exchange/exchange_emit_private.h"
#include "config/exchange/exchange_encoding_private.h"
#include "config/exchange/exchange_json_private.h"
#include "config/exchange/exchange_shell_private.h"

struct judgement {
    struct exchange_importer *im;
    FILE *out;
    unsigned faults;
};

static void take_fault(void *owner, const struct conf_fault *fault)
{
    struct judgement *j = owner;
    if (fault->is_warning)
        return;
    if (j->faults++ == 0)
        fputs("\n# `mailrace check` still refuses this:\n", j->out);
    const char *text = exchange_printable(
        &j->im->arena, arena_printf(&j->im->arena, "%s: %s%s%s", fault->where, fault->key,
                                    *fault->key ? ": " : "", fault->text));
    fprintf(j->out, "#   %s\n", text);
    exchange_note(j->im, NULL, j->im->file, "the configuration needs your hand: %s", text);
}

/* What Exchange allowed and we refuse is said at once, not when the relay is to start. */
static void judge(struct exchange_importer *im, const char *text, FILE *out)
{
    struct judgement j = {im, out, 0};
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    if (conf_load_text(text, "standard output", take_fault, &j, &conf, &rules) == ERR_OK) {
        ruleset_free(&rules);
        conf_free(&conf);
    }
}

static enum err write_out(struct exchange_importer *im, FILE *out)
{
    char *text = NULL;
    size_t size = 0;
    FILE *in_memory = open_memstream(&text, &size);
    if (!in_memory)
        return ERR_IO;
    exchange_emit(im, in_memory);
    enum err e = fclose(in_memory) == 0 ? ERR_OK : ERR_IO;
    if (e == ERR_OK) {
        fwrite(text, 1, size, out);
        judge(im, text, out);
        e = fflush(out) == 0 && !ferror(out) ? ERR_OK : ERR_IO;
    }
    free(text); /* open_memstream's own */
    return e;
}

enum err exchange_import(struct bytes text, const char *file, conf_report report, void *owner,
                         FILE *out)
{
    if (text.len > EXCHANGE_IMPORT_BYTES_MAX)
        return ERR_LIMIT;
    struct exchange_importer im = {.report = report, .owner = owner};
    arena_init(&im.arena, 64 * 1024);
    list_init(&im.notes);
    list_init(&im.objects);
    im.file = exchange_printable(&im.arena, file);
    struct bytes decoded = exchange_decode(&im.arena, text);
    if (exchange_json_looks_like(decoded))
        exchange_json_read(&im, decoded);
    else
        exchange_shell_read(&im, decoded);
    enum err e = write_out(&im, out);
    if (e == ERR_OK && im.fault_count)
        e = ERR_SYNTAX;
    arena_free(&im.arena);
    return e;
}
