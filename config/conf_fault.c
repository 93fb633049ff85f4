/* Faults and warnings on their way to the caller. */
#include <stdarg.h>
#include <stdio.h>

#include "config/conf_private.h"

enum { TEXT_SIZE = 1024 };

static void report(struct conf_reading *r, bool is_warning, const char *where, const char *key,
                   const char *text)
{
    if (!is_warning) {
        r->faulty = true;
        r->faults++;
    }
    if (r->report)
        r->report(r->owner, &(struct conf_fault){where, key, text, is_warning, NULL});
}

void conf_fault(struct conf_reading *r, const char *where, const char *key, const char *fmt, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    report(r, false, where, key, text);
}

void conf_warn(struct conf_reading *r, const char *where, const char *key, const char *fmt, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    report(r, true, where, key, text);
}
