#include "config/exchange/exchange_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "config/exchange/exchange_private.h"

#define NOTE_SIZE 768

void exchange_texts_add(struct arena *arena, struct exchange_texts *texts, const char *text)
{
    if (texts->count == texts->capacity) {
        size_t capacity = texts->capacity ? 2 * texts->capacity : 4;
        const char **larger = ARENA_NEW_ARRAY(arena, const char *, capacity);
        if (texts->count)
            memcpy(larger, texts->items, texts->count * sizeof(char *));
        texts->items = larger;
        texts->capacity = capacity;
    }
    texts->items[texts->count++] = text;
}

const char *exchange_where(struct exchange_import *im, unsigned line)
{
    return arena_printf(&im->arena, "%s:%u", im->file, line);
}

bool exchange_same(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

#define PRINTABLE_MAX 200

/* The end of the character that LEN would cut. */
static size_t whole_characters(const char *text, size_t len)
{
    while (len && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

const char *exchange_printable(struct arena *arena, const char *text)
{
    size_t len = strlen(text), kept = len;
    if (len > PRINTABLE_MAX)
        kept = whole_characters(text, PRINTABLE_MAX);
    char *copy = arena_printf(arena, "%.*s%s", (int)kept, text, kept < len ? "..." : "");
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            *c = ' ';
    return copy;
}

/* --- Notes and faults --- */

void exchange_notes_add(struct arena *arena, struct exchange_notes *notes, const char *where,
                        const char *text)
{
    struct exchange_note *note = ARENA_NEW(arena, struct exchange_note);
    *note = (struct exchange_note){where, text, NULL};
    if (notes->last)
        notes->last->next = note;
    else
        notes->first = note;
    notes->last = note;
}

static void tell(struct exchange_import *im, const char *where, const char *text, bool is_warning)
{
    if (im->report)
        im->report(im->owner, &(struct conf_fault){where, "", text, is_warning});
}

static const char *keep_line(struct exchange_import *im, char *text)
{
    size_t len = strlen(text);
    if (len + 1 == NOTE_SIZE)
        text[whole_characters(text, len - 1)] = '\0';
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return arena_strdup(&im->arena, text);
}

void exchange_note(struct exchange_import *im, struct exchange_object *object, const char *where,
                   const char *fmt, ...)
{
    char line[NOTE_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    const char *text = keep_line(im, line);
    if (*text == '-')
        text = arena_printf(&im->arena, "not taken over: %s", text);
    tell(im, where, text, true);
    exchange_notes_add(&im->arena, object ? &object->notes : &im->notes, where, text);
}

void exchange_fault(struct exchange_import *im, const char *where, const char *fmt, ...)
{
    char line[NOTE_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    const char *text = keep_line(im, line);
    im->fault_count++;
    tell(im, where, text, false);
    exchange_notes_add(&im->arena, &im->notes, where,
                       arena_printf(&im->arena, "not understood: %s", text));
}

/* --- The whole --- */

struct judgement {
    struct exchange_import *im;
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
    tell(j->im, j->im->file,
         arena_printf(&j->im->arena, "the configuration needs your hand: %s", text), true);
}

/* What Exchange allowed and we refuse is said at once, not when the relay is to start. */
static void judge(struct exchange_import *im, const char *text, FILE *out)
{
    struct judgement j = {im, out, 0};
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    if (conf_load_text(text, "standard output", take_fault, &j, &conf, &rules) == ERR_OK) {
        ruleset_free(&rules);
        conf_free(&conf);
    }
}

static enum err write_out(struct exchange_import *im, FILE *out)
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
    struct exchange_import im = {.report = report, .owner = owner};
    arena_init(&im.arena, 64 * 1024);
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
