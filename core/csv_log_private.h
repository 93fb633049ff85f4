/* core/csv_log_private.h - the files of a CSV log, for its thread alone, and that thread's work. */
#ifndef CORE_CSV_LOG_PRIVATE_H
#define CORE_CSV_LOG_PRIVATE_H

#include <stdbool.h>

#include "core/csv_log.h"

#define CSV_LOG_DAY_SIZE 9 /* "20130822" */
#define CSV_LOG_RETRY_MS 5000
#define CSV_LOG_TELL_MS  10000 /* between two counts of lines that were dropped */
#define CSV_LOG_TIDY_MS  3600000

struct csv_log_files {
    struct csv_log_settings settings;
    int directory;
    int fd; /* of the current file, or -1 */
    uint64_t octets, number;
    char day[CSV_LOG_DAY_SIZE];
};

/* Writes TEXT, whole lines, into the file of now; false with errno, and no file is left open. */
bool csv_log_files_write(struct csv_log_files *f, struct bytes text, int64_t now_ms);
void csv_log_files_close(struct csv_log_files *f);
/* Deletes what is too old, the current file too, for a log in which nothing begins any more. */
void csv_log_files_tidy(struct csv_log_files *f, int64_t now_ms);

/* Takes what has been sent: the thread's turn, or a test's in its place. How much there was. */
size_t csv_log_drain(struct csv_log *log);

#endif
