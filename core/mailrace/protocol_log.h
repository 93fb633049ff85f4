/* core/mailrace/protocol_log.h - what was said in sessions, in the form of Exchange's SMTP receive
 * protocol log: RECVyyyymmdd-n.log, CSV in UTC, one set of files for all connectors.
 *
 * Lines go to the log's own thread; beyond 4 MiB waiting they are dropped, counted, and the count
 * goes to the main log. A file is closed at 10 MB and at midnight; older than 30 days, or beyond
 * 250 MB in all, the oldest of this name are deleted.
 */
#ifndef MAILRACE_PROTOCOL_LOG_H
#define MAILRACE_PROTOCOL_LOG_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/ipaddr.h"

struct protocol_log;

struct protocol_log_line {
    struct bytes connector;
    uint64_t session_id;
    uint64_t sequence;
    const struct endpoint *local, *remote;
    char event; /* + - > < * */
    struct bytes data, context;
};

/* Opens the directory PATH, or makes it (mode 0750, USER's; NULL: our own): while we may still do
 * so. SERVER stands before the connector's name. */
MUST_USE enum err protocol_log_open(const char *path, const char *user, const char *server,
                                    struct protocol_log **out, struct err_detail *why);
/* As whoever will write; starts the thread. */
MUST_USE enum err protocol_log_start(struct protocol_log *log, struct err_detail *why);
/* Any thread. What is not printable ASCII is escaped as \xHH, and long data is cut. */
void protocol_log_write(struct protocol_log *log, const struct protocol_log_line *line);
/* When nobody writes any more: all of it reaches the file. */
void protocol_log_stop(struct protocol_log **log);

#endif
