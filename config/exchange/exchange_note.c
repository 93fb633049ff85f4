/* What an import tells the administrator: notes and faults. */
#include "config/exchange/exchange_note_private.h"

#include <stdio.h>

#include "config/exchange/exchange_text_private.h"

#define NOTE_SIZE 768
#define STEPS_MAX 1000000

const char *exchange_where(struct exchange_importer *im, unsigned line)
{
    return arena_printf(&im->arena, "%s:%u", im->file, line);
}

void exchange_notes_add(struct arena *arena, struct cds_list_head *notes, const char *where,
                        const char *text)
{
    struct exchange_note *note = ARENA_NEW(arena, struct exchange_note);
    note->where = where;
    note->text = text;
    list_add(notes, &note->link);
}

static void tell(struct exchange_importer *im, const char *where, const char *text, bool is_warning)
{
    if (im->report)
        im->report(im->owner, &(struct conf_fault){where, "", text, is_warning, NULL});
}

static const char *PRINTF_LIKE(2, 0)
    format_line(struct exchange_importer *im, const char *fmt, va_list args)
{
    char line[NOTE_SIZE];
    vsnprintf(line, sizeof line, fmt, args);
    size_t len = strlen(line);
    if (len + 1 == NOTE_SIZE)
        line[exchange_whole_characters(line, len - 1)] = '\0';
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return arena_strdup(&im->arena, line);
}

void exchange_note(struct exchange_importer *im, struct cds_list_head *notes, const char *where,
                   const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = format_line(im, fmt, args);
    va_end(args);
    if (*text == '-')
        text = arena_printf(&im->arena, "not taken over: %s", text);
    tell(im, where, text, true);
    exchange_notes_add(&im->arena, notes ? notes : &im->notes, where, text);
}

void exchange_fault(struct exchange_importer *im, const char *where, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = format_line(im, fmt, args);
    va_end(args);
    im->fault_count++;
    tell(im, where, text, false);
    exchange_notes_add(&im->arena, &im->notes, where,
                       arena_printf(&im->arena, "not understood: %s", text));
}

bool exchange_step(struct exchange_importer *im, size_t n, const char *where)
{
    bool before = im->steps <= STEPS_MAX;
    im->steps += n;
    if (im->steps > STEPS_MAX && before)
        exchange_fault(im, where, "loops and filters take more than %d steps: split the file",
                       STEPS_MAX);
    return im->steps <= STEPS_MAX;
}
