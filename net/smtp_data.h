/* net/smtp_data.h - where a message ends on the wire, and how it is put there. Pure.
 *
 * DATA ends at CR LF "." CR LF (or "." CR LF as the first line) and nowhere else (RFC 5321
 * 4.1.1.4); a bare CR, a bare LF or a NUL is remembered, for BDAT chunks too, across every seam.
 * No input is ever taken for a command here.
 */
#ifndef NET_SMTP_DATA_H
#define NET_SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

/* What was seen, as bits. */
enum smtp_data_note {
    SMTP_DATA_BARE_LF = 1,
    SMTP_DATA_BARE_CR = 2,
    SMTP_DATA_NUL = 4,
    SMTP_DATA_8BIT = 8,
    SMTP_DATA_DOT_LINE = 16,      /* some line begins with a dot: must be stuffed when sent */
    SMTP_DATA_LONG_LINE = 32,     /* over 998 octets (RFC 5321 4.5.3.1.6) */
    SMTP_DATA_NO_FINAL_CRLF = 64, /* BDAT only */
};

/* Zeroed: ready for a new message. NORMALIZE: LF becomes CRLF, stray CR a blank. */
struct smtp_data_reader {
    unsigned state;
    unsigned notes;
    bool normalize;
    size_t line_octets;
    uint64_t octets; /* of the message, unstuffed */
};

/* DATA. Takes bytes from IN; gives at most one piece of unstuffed text in PIECE (may be empty,
 * points into IN or to static bytes) and sets USED. True: end of data was reached, IN+USED is
 * after its final LF. Call again while USED < IN.len; a CR held back from before may come out
 * first, with USED 0. Clean text of any length is one piece; a CR at its end waits for what
 * follows. */
bool smtp_data_read(struct smtp_data_reader *r, struct bytes in, size_t *used, struct bytes *piece);

/* BDAT. IN is message text as it is; same notes; same pieces. smtp_bdat_end() after LAST: gives
 * the bytes still held back (a CR at the very end) and sets SMTP_DATA_NO_FINAL_CRLF. */
void smtp_bdat_read(struct smtp_data_reader *r, struct bytes in, size_t *used, struct bytes *piece);
void smtp_bdat_end(struct smtp_data_reader *r, struct bytes *piece);

/* The other direction: dot-stuffing as DATA wants it. Zeroed: at the start of a line. */
struct smtp_data_writer {
    unsigned state;
};
/* Writes the stuffed form of IN to OUT (room for 2 * IN.len); returns the length. */
size_t smtp_data_stuff(struct smtp_data_writer *w, struct bytes in, char *out);
/* BDAT's argument: chunk-size [SP "LAST"] (RFC 3030 2). ERR_SYNTAX: 501. */
MUST_USE enum err smtp_bdat_argument(struct bytes argument, uint64_t *size, bool *last);

#endif
