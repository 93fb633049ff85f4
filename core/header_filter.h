/* core/header_filter.h - a message's text with some header fields left out, as it streams by.
 *
 * Fields that the owner's STRIPS names go with all their folded lines; everything else passes byte
 * for byte, in pieces of the input where possible. Up to the first empty line, whatever lies
 * between: a line that is no field ends the header for some readers and not for others, and what
 * must not come in comes in by neither. Holds no more than the start of one line. Pure.
 */
#ifndef CORE_HEADER_FILTER_H
#define CORE_HEADER_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"

/* Longer than any name of a class: a line that begins with one and goes on for longer without a
 * colon is taken for such a field. */
#define HEADER_FILTER_HEAD_MAX 128

/* Zeroed with STRIPS and CLASSES set: ready. CLASSES 0: everything passes untouched. */
struct header_filter {
    /* Does the field NAME go? At most HEADER_FILTER_HEAD_MAX octets of a name are shown. */
    bool (*strips)(unsigned classes, struct bytes name);
    unsigned classes;
    bool stripped; /* something went */
    bool ended;    /* the empty line has been seen: what follows need not be fed */
    /* the filter's own */
    unsigned state;
    bool dropping;   /* of the field that the next line may continue */
    size_t name_len; /* of the name in HEAD, without blanks before the colon */
    size_t head_len;
    char head[HEADER_FILTER_HEAD_MAX]; /* how this line begins, until its fate is known */
};

/* Takes IN from its front and returns the next piece of what remains of the text; it may be empty,
 * and points into IN or into FILTER, until the next call. Call again while IN is not empty. */
struct bytes header_filter_next(struct header_filter *filter, struct bytes *in);
/* The text is over: what is still held back. */
struct bytes header_filter_end(struct header_filter *filter);

#endif
