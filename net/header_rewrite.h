/* net/header_rewrite.h - where in a message's header the addresses of people stand, as it streams
 * by.
 *
 * To, Cc, From, Sender, Reply-To, Return-Receipt-To, Disposition-Notification-To, Resent-From and
 * Resent-Sender, up to the first empty line: never in a MIME part. Every word with an '@' is an
 * address, in angle brackets or bare; what stands in quotes or comments is text. Pure.
 */
#ifndef NET_HEADER_REWRITE_H
#define NET_HEADER_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

/* The addresses of a field that is longer are not shown. */
#define HEADER_REWRITE_FIELD_MAX ((size_t)64 * 1024)

/* Zeroed with ADDRESS, OWNER and FIELD set: ready. */
struct header_rewrite {
    /* Each address in order: local part "@" domain, AT this place of the text. */
    void (*address)(void *owner, uint64_t at, struct bytes address);
    void *owner;
    char *field; /* HEADER_REWRITE_FIELD_MAX octets, the owner's */
    bool ended;  /* the empty line has been seen: what follows need not be fed */
    /* its own */
    unsigned state;
    uint64_t at;       /* of the octet that comes next */
    uint64_t field_at; /* where FIELD begins */
    size_t len;        /* of FIELD */
    size_t value;      /* where the field's body begins, behind the colon; 0: not seen yet */
    bool keeping;      /* the field may be one of ours */
};

/* Calls ADDRESS for all fields that are known to be over. */
void header_rewrite_feed(struct header_rewrite *r, struct bytes in);
/* The text is over. */
void header_rewrite_end(struct header_rewrite *r);

#endif
