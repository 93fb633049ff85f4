/* core/csv_line.h - one line of a CSV log (RFC 4180), whatever its values hold.
 *
 * What is not printable ASCII is written as \xHH, so that no value ends a line or drives a
 * terminal; a value with a comma or a quote in it stands in quotes, and its quotes are doubled.
 * Pure.
 */
#ifndef CORE_CSV_LINE_H
#define CORE_CSV_LINE_H

#include "core/bytes.h"

#define CSV_LINE_SIZE 8192

struct csv_line { /* zero LEN and FIELDS: a new line */
    size_t len;
    unsigned fields;
    char text[CSV_LINE_SIZE];
};

/* The next value: of more than MAX octets, and of more than there is room for, what goes beyond is
 * left away and "..." put in its place. */
void csv_line_add(struct csv_line *line, struct bytes value, size_t max);
/* CR LF; there is always room for it. */
struct bytes csv_line_end(struct csv_line *line);

#endif
