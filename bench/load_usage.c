/* What every command of mailrace-load says of wrong usage. */
#include <stdarg.h>
#include <stdio.h>

#include "bench/load.h"
#include "core/bytes.h"

int load_usage(const char *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "mailrace-load %s: ", command);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, " (see mailrace-load %s --help)\n", command);
    va_end(args);
    return LOAD_USAGE;
}

bool load_number(const char *text, unsigned long min, unsigned long max, unsigned long *out)
{
    uint64_t number;
    if (bytes_to_u64(bytes_of(text), max, &number) != ERR_OK || number < min)
        return false;
    *out = (unsigned long)number;
    return true;
}
