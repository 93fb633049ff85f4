/* net/smtp_extension.h - every SMTP extension that we know, once: its keyword and what EHLO says of
 * it. The server writes its offer by this table, and the clients read the peer's by it. What an
 * extension adds to MAIL and RCPT stands in net/smtp_params.c; which switch of a connector offers
 * it, in mailrace/connector.c. Pure.
 */
#ifndef NET_SMTP_EXTENSION_H
#define NET_SMTP_EXTENSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

enum smtp_extension { /* bits. LOGIN and PLAIN are arguments of AUTH and nothing without it;
                       * BINARYMIME needs CHUNKING; XLONGADDR (longer addresses and lines) and XORAR
                       * (ORAR= of RCPT) are Exchange's */
                      SMTP_EXTENSION_ESMTP = 1 << 0, /* EHLO itself; no keyword */
                      SMTP_EXTENSION_SIZE = 1 << 1,
                      SMTP_EXTENSION_PIPELINING = 1 << 2,
                      SMTP_EXTENSION_DSN = 1 << 3,
                      SMTP_EXTENSION_ENHANCEDSTATUSCODES = 1 << 4,
                      SMTP_EXTENSION_STARTTLS = 1 << 5,
                      SMTP_EXTENSION_AUTH = 1 << 6,
                      SMTP_EXTENSION_AUTH_LOGIN = 1 << 7,
                      SMTP_EXTENSION_AUTH_PLAIN = 1 << 8,
                      SMTP_EXTENSION_8BITMIME = 1 << 9,
                      SMTP_EXTENSION_BINARYMIME = 1 << 10,
                      SMTP_EXTENSION_CHUNKING = 1 << 11,
                      SMTP_EXTENSION_SMTPUTF8 = 1 << 12,
                      SMTP_EXTENSION_XLONGADDR = 1 << 13,
                      SMTP_EXTENSION_XORAR = 1 << 14,
};

/* What one side offers. All zeros: nothing yet. */
struct smtp_extensions {
    unsigned offered;  /* enum smtp_extension */
    uint64_t size_max; /* the argument of SIZE in octets; 0: none, and no limit (RFC 1870 4) */
    bool host_named;   /* reading: the first line of the reply was read */
};

/* Room for all lines. */
#define SMTP_EXTENSION_LINES_MAX 400

/* The lines of a reply to EHLO behind the first one: "250-KEYWORD[ arguments]CRLF", and the last of
 * them with "250 ". Returns their octets; 0: nothing is offered. */
size_t smtp_extension_write(const struct smtp_extensions *x, char to[SMTP_EXTENSION_LINES_MAX]);
/* Adds what the next LINE of a peer's reply to EHLO says, without its code. The first line names
 * the host, whatever it says (RFC 5321 4.1.1.1); unknown keywords and malformed arguments add
 * nothing. */
void smtp_extension_read(struct smtp_extensions *x, struct bytes line);

/* The keyword of one extension. */
struct bytes smtp_extension_keyword(enum smtp_extension extension);

#endif
