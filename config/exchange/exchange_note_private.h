/* config/exchange/exchange_note_private.h - an import under way, as every part of it sees it: its
 * memory, and what is told to the administrator. A note is reported as a warning and kept for the
 * output, where it stands as a comment; a fault says what was not understood.
 */
#ifndef CONFIG_EXCHANGE_NOTE_PRIVATE_H
#define CONFIG_EXCHANGE_NOTE_PRIVATE_H

#include "config/conf.h"
#include "core/list.h"

struct exchange_note {
    struct cds_list_head link;
    const char *where;
    const char *text;
};

struct exchange_shell;

struct exchange_importer {
    struct arena arena; /* of all texts and objects */
    const char *file;
    conf_report report;
    void *owner;
    size_t fault_count;
    size_t steps;                 /* of loops and filters, which multiply */
    struct cds_list_head notes;   /* struct exchange_note, of no object */
    struct cds_list_head objects; /* exchange_object_private.h */
    size_t object_count;
    struct exchange_shell *shell; /* exchange_variable_private.h; NULL: an export */
};

const char *exchange_where(struct exchange_importer *im, unsigned line);
/* Kept in NOTES, those of an object; NULL: of no object. A text that begins with a parameter
 * ("-Server ...: why") tells what was not taken over, and says so. */
void exchange_note(struct exchange_importer *im, struct cds_list_head *notes, const char *where,
                   const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Not understood. */
void exchange_fault(struct exchange_importer *im, const char *where, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Only kept. */
void exchange_notes_add(struct arena *arena, struct cds_list_head *notes, const char *where,
                        const char *text);
/* Counts N more steps; false after the fault: there are too many. */
bool exchange_step(struct exchange_importer *im, size_t n, const char *where);

#endif
