/* mailrace/protocol_log.h - what was said in sessions, in the form of Exchange's SMTP receive
 * and send protocol logs: RECVyyyymmdd-n.log for all receive connectors, SENDyyyymmdd-n.log for all
 * send connectors (core/csv_log.h), each with a thread of its own.
 */
#ifndef MAILRACE_PROTOCOL_LOG_H
#define MAILRACE_PROTOCOL_LOG_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/csv_log.h"
#include "core/err.h"
#include "core/ipaddr.h"

struct protocol_log;

enum protocol_log_side { PROTOCOL_LOG_RECEIVE, PROTOCOL_LOG_SEND, PROTOCOL_LOG_SIDES };

struct protocol_log_line {
    struct bytes connector;
    uint64_t session_id;
    uint64_t sequence;
    const struct endpoint *local, *remote; /* NULL: not known */
    char event;                            /* + - > < * */
    struct bytes data, context;
};

struct protocol_log_settings {
    const char *path;
    const char *user;   /* who a new directory belongs to; NULL: us */
    const char *server; /* before the connector's name */
    struct csv_log_limits limits;
};

/* Opens the directory, or makes it (mode 0750): while we may still do so. */
MUST_USE enum err protocol_log_open(const struct protocol_log_settings *settings,
                                    struct protocol_log **out, struct err_detail *why);
/* As the user that will write; starts the threads. */
MUST_USE enum err protocol_log_start(struct protocol_log *log, struct err_detail *why);
/* Any thread. What is not printable ASCII is escaped as \xHH, and long data is cut. */
void protocol_log_write(struct protocol_log *log, enum protocol_log_side side,
                        const struct protocol_log_line *line);
/* Of each side; from now on. */
void protocol_log_limit(struct protocol_log *log, const struct csv_log_limits *limits);
/* When no thread writes any more: all of it reaches the files. */
void protocol_log_stop(struct protocol_log **log);

#endif
