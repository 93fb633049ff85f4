/* net/smtp_reply.h - replies: written by the server side, read by the client side. Pure.
 *
 * RFC 5321 4.2; enhanced codes RFC 2034 and 3463. A reply's lines all carry one code and are at
 * most 512 octets; text from anywhere is cleaned of control bytes before it is written.
 */
#ifndef NET_SMTP_REPLY_H
#define NET_SMTP_REPLY_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/mail.h"

/* "250 2.1.0 Sender OK\r\n"; ENHANCED false leaves the enhanced code away (before EHLO, or where
 * ENHANCEDSTATUSCODES is off). Long text is folded into "250-" lines. */
MUST_USE enum err smtp_reply_write(struct buf *out, const struct mail_status *status,
                                   bool enhanced);

#define SMTP_REPLY_TEXT_MAX  1024 /* kept of a reply's text, lines joined by a blank */
#define SMTP_REPLY_LINE_MAX  4096 /* longer lines: malformed */
#define SMTP_REPLY_LINES_MAX 512  /* and at most 64 KiB in all */

/* Reads one reply, fed in any pieces. Zeroed it is ready; so it is after each complete reply. */
struct smtp_reply_parser {
    char text[SMTP_REPLY_TEXT_MAX];
    size_t text_len;
    char line[SMTP_REPLY_LINE_MAX];
    size_t line_len;
    unsigned lines;
    size_t octets;
    uint16_t code;
    uint16_t enhanced[3]; /* of the first line that has one */
    bool complete;
    /* EHLO keywords are asked for line by line: called for each line's text when set. */
    void (*on_line)(void *owner, struct bytes text);
    /* Each whole line as it came, without its CRLF, well-formed or not; for a protocol log. */
    void (*on_raw_line)(void *owner, struct bytes line);
    void *owner; /* of both */
};

/* Takes bytes from IN until one reply is complete; USED says how many. ERR_OK: complete, STATUS
 * is filled (text lives in the parser until the next call); ERR_AGAIN: more is needed;
 * ERR_SYNTAX, ERR_LIMIT: malformed (H-01 to H-03): close the connection. */
MUST_USE enum err smtp_reply_read(struct smtp_reply_parser *p, struct bytes in, size_t *used,
                                  struct mail_status *status);

/* "5.7.1 text": takes a well-formed enhanced code of class CODE/100 off TEXT; else leaves 0.0.0. */
void smtp_reply_enhanced(uint16_t code, struct bytes *text, uint16_t enhanced[3]);

#endif
