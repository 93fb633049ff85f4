/* tests/support/fake_dns.h - a DNS server on 127.0.0.1 that answers from a table, in a thread of
 * its own.
 *
 * Over UDP, on a port the kernel picks. A name without a row does not exist (NXDOMAIN); a name
 * with rows, but none of the type asked for, has no such record.
 */
#ifndef TESTS_FAKE_DNS_H
#define TESTS_FAKE_DNS_H

#include <stddef.h>
#include <stdint.h>

enum { FAKE_A = 1, FAKE_MX = 15, FAKE_AAAA = 28 };
enum { FAKE_NOERROR = 0, FAKE_FORMERR = 1, FAKE_SERVFAIL = 2, FAKE_NXDOMAIN = 3, FAKE_REFUSED = 5 };

enum fake_dns_fault {
    FAKE_SOUND,
    FAKE_SILENT,        /* the question is swallowed */
    FAKE_GARBAGE,       /* bytes that are no DNS message */
    FAKE_HEADER_ONLY,   /* 12 octets that promise an answer */
    FAKE_COUNT_TOO_BIG, /* ANCOUNT 65535 */
    FAKE_CUT_SHORT,     /* the last octets are missing */
    FAKE_OTHER_NAME,    /* the question came back changed */
    FAKE_OTHER_ID,
};

struct fake_dns_row {
    const char *name;
    uint16_t type;
    int rcode;
    /* Separated by blanks: "10:mx1.test", "192.0.2.1", "2001:db8::1"; "." is the root;
     * "#000a05" is record data in hexadecimal, as it is. NULL: no answer records. */
    const char *records;
    enum fake_dns_fault fault;
};

struct fake_dns;

/* ROWS must stay. NULL if the socket or the thread cannot be had. */
struct fake_dns *fake_dns_start(const struct fake_dns_row *rows, size_t count);
void fake_dns_stop(struct fake_dns **server);
/* "127.0.0.1:<port>", as long as the server runs. */
const char *fake_dns_address(const struct fake_dns *server);
/* How many questions have been answered or swallowed so far. Any thread. */
unsigned fake_dns_questions(const struct fake_dns *server);

#endif
