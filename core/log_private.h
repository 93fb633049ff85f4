/* core/log_private.h - the text of a log line, apart from where lines go. */
#ifndef CORE_LOG_PRIVATE_H
#define CORE_LOG_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/log.h"

#define LOG_VALUE_MAX 1024  /* bytes of a value before escaping */
#define LOG_LINE_MAX  16384 /* fields that do not fit are left out, and the line says so */

struct log_line {
    enum log_format format;
    enum log_level level;
    int64_t wall_ms;
    const char *event;
    const struct log_field *fields;
    size_t count;
};

/* Writes one whole line, line feed included, no NUL; returns its length. */
size_t log_format_line(const struct log_line *line, char to[LOG_LINE_MAX]);

#endif
