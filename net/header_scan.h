/* net/header_scan.h - reads a message's header as it streams by and counts what a relay must know.
 *
 * Never holds more than one field name and the Message-ID; knows nothing of bodies or MIME.
 * Hops are counted on the header as it came (RFC 5321 6.3). Pure.
 */
#ifndef NET_HEADER_SCAN_H
#define NET_HEADER_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"

#define HEADER_SCAN_NAME_MAX       64
#define HEADER_SCAN_MESSAGE_ID_MAX 256

/* Zeroed with local_name set: ready. With FROM set to FROM_MAX octets too, the values of all From
 * and Sender fields are kept there, a NUL between two: what readers see as the sender (RFC 5322
 * 3.6.2). */
struct header_scan {
    struct bytes local_name; /* our FQDN: a Received that is "by" it counts as a local hop */
    size_t octets;           /* of the header so far, its final empty line excluded */
    unsigned received;       /* Received fields */
    unsigned local_hops;
    bool has_date, has_message_id, has_from;
    bool exchange_fields; /* X-MS-Exchange-Organization-* or -Forest-* */
    bool ended;           /* the empty line, or a line that is no header, has been seen */
    bool strict;          /* the owner's: STRAY is wanted, of text that was not checked */
    bool stray;           /* a bare CR, a bare LF or a NUL stands in the header */
    char message_id[HEADER_SCAN_MESSAGE_ID_MAX]; /* with its angle brackets; NUL-terminated */
    char *from;
    size_t from_max, from_len;
    bool from_cut; /* there was more */
    /* the scanner's own */
    unsigned state;
    char name[HEADER_SCAN_NAME_MAX];
    size_t name_len;    /* of this field's name, kept or not */
    size_t line_octets; /* of this line, as long as it may still be no header */
    size_t match;       /* how far "by <local_name>" has been found */
    size_t id_len;      /* of message_id */
    unsigned field;     /* the state that a folded line goes back to; 0: no field yet */
    char before;        /* STRICT: the octet before */
};

/* Fed in any pieces; ignores everything once ended. */
void header_scan_feed(struct header_scan *scan, struct bytes piece);

#endif
