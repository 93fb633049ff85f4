/* What all checks share: how they tell of a fault, and what a name must be. */
#include "policy/ruleset_check_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define FAULT_TEXT_SIZE 1200
#define NAME_MAX_OCTETS 64

static void deliver(struct ruleset_check *check, const char *where, bool warning, const char *text)
{
    struct ruleset_fault fault = {ruleset_text(where), text, warning};
    if (!warning)
        check->faulty = true;
    if (check->report)
        check->report(check->owner, &fault);
}

void ruleset_fault(struct ruleset_check *check, const char *where, const char *fmt, ...)
{
    char text[FAULT_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    deliver(check, where, false, text);
}

void ruleset_warn(struct ruleset_check *check, const char *where, const char *fmt, ...)
{
    char text[FAULT_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    deliver(check, where, true, text);
}

static int name_compare(const void *left, const void *right)
{
    const struct ruleset_name *a = left, *b = right;
    int by_name = strcasecmp(a->name, b->name);
    if (by_name != 0)
        return by_name;
    return a->order < b->order ? -1 : a->order > b->order;
}

void ruleset_check_duplicates(struct ruleset_check *check, const char *kind,
                              struct ruleset_name *names, size_t count)
{
    qsort(names, count, sizeof *names, name_compare);
    for (size_t i = 1; i < count; i++)
        if (names[i].name[0] && strcasecmp(names[i].name, names[i - 1].name) == 0)
            ruleset_fault(check, names[i].origin, "%s \"%.64s\": the name is taken, at %s", kind,
                          names[i].name, ruleset_text(names[i - 1].origin));
}

void ruleset_check_names(struct ruleset_check *check, const char *kind, struct ruleset_name *names,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        names[i].name = ruleset_text(names[i].name);
        size_t length = strlen(names[i].name);
        if (length == 0)
            ruleset_fault(check, names[i].origin, "a %s needs a name", kind);
        else if (length > NAME_MAX_OCTETS)
            ruleset_fault(check, names[i].origin, "%s \"%.64s...\": a name has at most %d octets",
                          kind, names[i].name, NAME_MAX_OCTETS);
    }
    ruleset_check_duplicates(check, kind, names, count);
}
