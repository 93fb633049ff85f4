/* core/header_class.h - the three classes of header fields that Exchange's header firewall knows.
 *
 * What may bring in, see or get back which of them is decided elsewhere (policy/header_firewall.h;
 * a report never returns any). Pure.
 */
#ifndef CORE_HEADER_CLASS_H
#define CORE_HEADER_CLASS_H

#include <stdbool.h>

#include "core/bytes.h"

enum header_class {                                /* as bits */
                    HEADER_CLASS_ORGANIZATION = 1, /* X-MS-Exchange-Organization-* */
                    HEADER_CLASS_FOREST = 2,       /* X-MS-Exchange-Forest-* */
                    HEADER_CLASS_ROUTING = 4,      /* Received, Resent-* */
                    HEADER_CLASS_ALL = 7,
};

/* The class of the field NAME (no blanks, no colon; what begins a long name is enough of it), or 0.
 */
unsigned header_class_of(struct bytes name);
/* Does a field of this NAME go, when CLASSES go? For core/header_filter.h. */
bool header_class_strips(unsigned classes, struct bytes name);

#endif
