/* core/csv_log.h - a log in files of its own, by the rules of all of Exchange's: CSV in UTC,
 * PREFIXyyyymmdd-n.log, n from 1 each day, under a head of five lines.
 *
 * Lines go to the log's own thread; no other thread waits for the disk. Beyond 4 MiB waiting, and
 * while nothing can be written, they are dropped and counted: a failure is logged once, and the
 * number of lines that are missing once it is over. A file ends when it is full and at midnight.
 * Whenever one begins, the oldest beyond what all may hold are deleted, and then and every hour
 * those that are too old: of this prefix only.
 */
#ifndef CORE_CSV_LOG_H
#define CORE_CSV_LOG_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/io.h"

struct csv_log;

struct csv_log_limits {
    uint64_t file_bytes; /* of one file */
    uint64_t all_bytes;  /* of all of this prefix; UINT64_MAX: no limit */
    uint64_t age_ms;     /* since the last line of a file; UINT64_MAX: no limit */
};

struct csv_log_settings { /* copied; the texts must outlive the log */
    const char *prefix;   /* "RECV": letters */
    const char *type;     /* "SMTP Receive Protocol Log" */
    const char *fields;   /* their names, with commas */
    const char *version;  /* of the program */
    const char *path;     /* of the directory, for our own log */
    struct csv_log_limits limits;
    struct io *io;
};

/* Files will be made in DIRECTORY, an open descriptor, which is taken over also on failure. */
MUST_USE enum err csv_log_new(const struct csv_log_settings *settings, int directory,
                              struct csv_log **out, struct err_detail *why);
/* As the user that will write; starts the thread. ERR_DENIED and others: nothing can be written
 * there. */
MUST_USE enum err csv_log_start(struct csv_log *log, struct err_detail *why);
/* LINE: whole, with its line end (core/csv_line.h). Any thread, once started. */
void csv_log_write(struct csv_log *log, struct bytes line);
/* From now on, for files that begin and for the one that is open. Any thread, once started. */
void csv_log_limit(struct csv_log *log, const struct csv_log_limits *limits);
/* When no thread writes any more: all of it reaches the file. Also of one that was never started.
 */
void csv_log_free(struct csv_log **log);

#endif
