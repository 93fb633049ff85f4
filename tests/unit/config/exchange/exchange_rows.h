/* tests/unit/config/exchange/exchange_rows.h - an import a row: what is pasted, what stands in the
 * configuration, what does not, what is told, and whether it was all understood. Check takes
 * all that comes out.
 */
#ifndef TESTS_EXCHANGE_ROWS_H
#define TESTS_EXCHANGE_ROWS_H

#include "config/exchange/exchange_import.h"

#include "unit.h"

#define FRAGMENTS 8

struct row {
    const char *name;
    const char *text;
    const char *wanted[FRAGMENTS];
    const char *unwanted[FRAGMENTS];
    const char *told[FRAGMENTS]; /* in the notes and faults */
    bool not_understood;
    bool check_refuses;
};

struct notes {
    char text[16384];
    unsigned faults;
};

void take_note(void *owner, const struct conf_fault *note);

void run_row(const struct row *row);

void run_rows(const struct row *rows, size_t count);

#define CUSTOM(more)                                                                               \
    "New-ReceiveConnector -Name Relay -Usage Custom -Bindings 10.0.0.1:25 -RemoteIPRanges "        \
    "10.0.0.9 " more "\n"
#define GRANT                                                                                      \
    "-User 'NT AUTHORITY\\ANONYMOUS LOGON' -ExtendedRights ms-Exch-SMTP-Accept-Any-Recipient"
#define AR "{ user = \"Anonymous\"; allow = [ \"ms-Exch-SMTP-Accept-Any-Recipient\" ]; }"

#endif
