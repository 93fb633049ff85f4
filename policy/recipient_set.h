/* policy/recipient_set.h - the recipients of an authoritative domain: a file with an address or a
 * local part a line, read into a set.
 *
 * A local part alone stands for every domain that the file is given to. Blank lines and what
 * follows a # at a line's start or after a blank are nothing. Both parts compare as ASCII without
 * case, as Exchange's do. A set never changes once built; look-ups allocate nothing.
 */
#ifndef POLICY_RECIPIENT_SET_H
#define POLICY_RECIPIENT_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/err.h"

#define RECIPIENT_SET_TEXT_MAX ((size_t)512 << 20)

struct recipient_set;

/* WHERE is "file:line". */
typedef void (*recipient_report)(void *owner, const char *where, const char *text);
/* Reports what is wrong (the first faults, when there are many); ERR_SYNTAX, and *OUT is NULL, if
 * anything was; ERR_LIMIT for a text beyond RECIPIENT_SET_TEXT_MAX. Copies. */
MUST_USE enum err recipient_set_parse(struct bytes text, const char *file, recipient_report report,
                                      void *owner, struct recipient_set **out);
/* Counted: one more holder, one less; NULL is allowed. Any thread. */
struct recipient_set *recipient_set_ref(struct recipient_set *set);
void recipient_set_unref(struct recipient_set **set);

size_t recipient_set_count(const struct recipient_set *set);
/* Does LOCAL@DOMAIN exist? Any thread. */
bool recipient_set_has(const struct recipient_set *set, struct bytes local, struct bytes domain);

#endif
