/* core/choice.h - names and what they stand for: the values of a setting, as they are written and
 * shown. A table ends with a row without a name. Any thread; pure.
 */
#ifndef CORE_CHOICE_H
#define CORE_CHOICE_H

#include <stdint.h>

#include "core/bytes.h"

struct choice {
    const char *name;
    uint32_t value;
};

/* Any case, blanks around it; NULL: it is none of them. */
const struct choice *choice_find(const struct choice *choices, struct bytes name);
/* The first name of VALUE; NULL: it has none. */
const char *choice_name(const struct choice *choices, uint32_t value);
/* "A, B, C" with each name between two of QUOTE ("" or "\""). Returns TO. */
char *choice_list(const struct choice *choices, const char *quote, char *to, size_t size);

#endif
