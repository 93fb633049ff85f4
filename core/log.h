/* core/log.h - one event a line: a fixed name, then key=value; the same ids everywhere.
 *
 * Bytes from peers are escaped here, values are cut at 1,024 bytes, and a line is never broken
 *. Once log_start() has run, lines are handed to the log's own thread,
 * so that a blocked pipe never blocks a worker; beyond 4 MiB waiting, lines are dropped and
 * counted. Before it, and in commands, they are written at once. Any thread.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/ipaddr.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_settings {
    enum log_level level;
    enum log_format format;
};

enum log_field_type {
    LOG_FIELD_BYTES,
    LOG_FIELD_U64,
    LOG_FIELD_I64,
    LOG_FIELD_IP,
    LOG_FIELD_ENDPOINT
};
struct log_field {
    const char *key;
    enum log_field_type type;
    union {
        struct bytes bytes;
        uint64_t u64;
        int64_t i64;
        const struct ipaddr *ip;
        const struct endpoint *endpoint;
    };
};

#define LOG_STR(k, cstr)                                                                           \
    ((struct log_field){.key = (k), .type = LOG_FIELD_BYTES, .bytes = bytes_of(cstr)})
#define LOG_BYTES(k, b) ((struct log_field){.key = (k), .type = LOG_FIELD_BYTES, .bytes = (b)})
#define LOG_U64(k, n)   ((struct log_field){.key = (k), .type = LOG_FIELD_U64, .u64 = (n)})
#define LOG_I64(k, n)   ((struct log_field){.key = (k), .type = LOG_FIELD_I64, .i64 = (n)})
#define LOG_IP(k, a)    ((struct log_field){.key = (k), .type = LOG_FIELD_IP, .ip = (a)})
#define LOG_ENDPOINT(k, e)                                                                         \
    ((struct log_field){.key = (k), .type = LOG_FIELD_ENDPOINT, .endpoint = (e)})

void log_configure(const struct log_settings *settings); /* also at reload; any thread */
bool log_enabled(enum log_level level);
void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t count);
/* Whatever the level that was configured. */
void log_event_always(enum log_level level, const char *event, const struct log_field *fields,
                      size_t count);

/* LOG(LOG_INFO, "message_accepted", LOG_U64("id", id), ...): fields are not evaluated when off. */
#define LOG(level, event, ...)                                                                     \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                  \
            log_event((level), (event), log_fields_, sizeof log_fields_ / sizeof *log_fields_);    \
        }                                                                                          \
    } while (0)

/* For what no setting may switch off: why a client was turned away. */
#define LOG_ALWAYS(level, event, ...)                                                              \
    do {                                                                                           \
        const struct log_field log_fields_[] = {__VA_ARGS__};                                      \
        log_event_always((level), (event), log_fields_, sizeof log_fields_ / sizeof *log_fields_); \
    } while (0)

MUST_USE enum err log_start(struct err_detail *why); /* starts the log's thread */
void log_stop(void);                                 /* writes what waits, ends it */
/* Where lines go (default: standard error). Tests. */
void log_redirect(int fd);

#endif
