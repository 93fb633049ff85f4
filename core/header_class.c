/* Which of Exchange's three classes a header field's name belongs to. */
#include "core/header_class.h"

/* Every message's every field comes here: most are told by their first letter. */
unsigned header_class_of(struct bytes name)
{
    char first = name.len ? bytes_lower(name.ptr[0]) : '\0';
    if (first == 'r')
        return bytes_equal_nocase(name, BYTES("Received")) ||
                       bytes_starts_nocase(name, BYTES("Resent-"))
                   ? HEADER_CLASS_ROUTING
                   : 0;
    if (first != 'x')
        return 0;
    if (bytes_starts_nocase(name, BYTES("X-MS-Exchange-Organization-")))
        return HEADER_CLASS_ORGANIZATION;
    return bytes_starts_nocase(name, BYTES("X-MS-Exchange-Forest-")) ? HEADER_CLASS_FOREST : 0;
}

bool header_class_strips(unsigned classes, struct bytes name)
{
    return classes & header_class_of(name);
}
