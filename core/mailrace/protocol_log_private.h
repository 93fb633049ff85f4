/* core/mailrace/protocol_log_private.h - the files of the protocol log, for its thread alone. */
#ifndef MAILRACE_PROTOCOL_LOG_PRIVATE_H
#define MAILRACE_PROTOCOL_LOG_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTOCOL_LOG_DAY_SIZE 9 /* "20130822" */

struct protocol_log_files {
    int directory;
    int fd; /* of the current one, or -1 */
    unsigned number;
    uint64_t octets;
    char day[PROTOCOL_LOG_DAY_SIZE];
};

/* Writes TEXT, whole lines, into the file of now; false with errno. */
bool protocol_log_files_write(struct protocol_log_files *f, const char *text, size_t len,
                              int64_t now_ms);
void protocol_log_files_close(struct protocol_log_files *f);

#endif
