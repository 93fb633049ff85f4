/* The names in the spool's directory, and back. A name counts only if it is exactly what would be
 * written.
 */
#include "queue/spool_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *spool_log_name(unsigned number, char to[SPOOL_NAME_SIZE])
{
    snprintf(to, SPOOL_NAME_SIZE, "log-%u", number);
    return to;
}

bool spool_log_name_parse(const char *name, unsigned *number)
{
    char again[SPOOL_NAME_SIZE];
    if (strncmp(name, "log-", 4) != 0)
        return false;
    *number = (unsigned)strtoul(name + 4, NULL, 10);
    return strcmp(name, spool_log_name(*number, again)) == 0;
}

char *spool_ended_name(uint64_t next_id, char to[SPOOL_NAME_SIZE])
{
    snprintf(to, SPOOL_NAME_SIZE, "ended-%016llx", (unsigned long long)next_id);
    return to;
}

bool spool_ended_name_parse(const char *name, uint64_t *next_id)
{
    char again[SPOOL_NAME_SIZE];
    if (strncmp(name, "ended-", 6) != 0)
        return false;
    *next_id = strtoull(name + 6, NULL, 16);
    unsigned number = spool_log_of(*next_id);
    return number > 0 && number < SPOOL_LOGS &&
           strcmp(name, spool_ended_name(*next_id, again)) == 0;
}

char *spool_segment_name(uint32_t slot, char to[SPOOL_NAME_SIZE])
{
    snprintf(to, SPOOL_NAME_SIZE, "seg-%03x", (unsigned)slot);
    return to;
}

bool spool_segment_name_parse(const char *name, const char *prefix, uint32_t *slot)
{
    char again[SPOOL_NAME_SIZE];
    size_t len = strlen(prefix);
    if (strncmp(name, prefix, len) != 0)
        return false;
    *slot = (uint32_t)strtoul(name + len, NULL, 16) & (SPOOL_SLOTS - 1);
    snprintf(again, sizeof again, "%s%03x", prefix, (unsigned)*slot);
    return strcmp(name, again) == 0;
}

char *spool_big_name(uint64_t id, char to[SPOOL_NAME_SIZE])
{
    snprintf(to, SPOOL_NAME_SIZE, "%016llx", (unsigned long long)id);
    return to;
}

bool spool_big_name_parse(const char *name, uint64_t *id)
{
    char again[SPOOL_NAME_SIZE];
    *id = strtoull(name, NULL, 16);
    return strcmp(name, spool_big_name(*id, again)) == 0;
}
