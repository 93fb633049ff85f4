/* Names and values, looked up both ways. */
#include "core/choice.h"

#include <stdio.h>

const struct choice *choice_find(const struct choice *choices, struct bytes name)
{
    for (; choices->name; choices++)
        if (bytes_equal_nocase(bytes_trim(name), bytes_of(choices->name)))
            return choices;
    return NULL;
}

const char *choice_name(const struct choice *choices, uint32_t value)
{
    for (; choices->name; choices++)
        if (choices->value == value)
            return choices->name;
    return NULL;
}

char *choice_list(const struct choice *choices, const char *quote, char *to, size_t size)
{
    size_t len = 0;
    ASSERT(size > 0);
    to[0] = '\0';
    for (const struct choice *c = choices; c->name && len < size; c++)
        len += (size_t)snprintf(to + len, size - len, "%s%s%s%s", c == choices ? "" : ", ", quote,
                                c->name, quote);
    ASSERT(len < size);
    return to;
}
