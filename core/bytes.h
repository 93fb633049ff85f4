/* core/bytes.h - text from the wire, a file or the disk: a pointer and a length, borrowed.
 *
 * A struct bytes owns nothing and need not end in NUL. It may hold any byte value.
 * Comparison without case is ASCII only, as in RFC 5321 2.4. Any thread.
 */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/err.h"

struct bytes {
    const char *ptr;
    size_t len;
};

#define BYTES(literal)  ((struct bytes){(literal), sizeof(literal) - 1})
#define BYTES_EMPTY     ((struct bytes){"", 0})
#define BYTES_FMT       "%.*s"
#define BYTES_ARG(b)    (int)(b).len, (b).ptr
#define BYTES_NOT_FOUND SIZE_MAX

static inline struct bytes bytes_make(const char *ptr, size_t len)
{
    return (struct bytes){ptr, len};
}

/* NULL gives empty text. */
static inline struct bytes bytes_of(const char *text)
{
    return text ? (struct bytes){text, strlen(text)} : BYTES_EMPTY;
}

/* From AT to the end, or LEN bytes of it; both are cut to what is there. */
struct bytes bytes_from(struct bytes b, size_t at);
struct bytes bytes_sub(struct bytes b, size_t at, size_t len);

bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_nocase(struct bytes a, struct bytes b);
bool bytes_starts_nocase(struct bytes b, struct bytes prefix);
bool bytes_ends_nocase(struct bytes b, struct bytes suffix);

/* PATTERN with any octets, or none, for each '*' in it. */
bool bytes_match_nocase(struct bytes pattern, struct bytes b);

/* Index of the first C at or after AT, or BYTES_NOT_FOUND. */
size_t bytes_find(struct bytes b, char c, size_t at);
size_t bytes_rfind(struct bytes b, char c);

/* Without blanks and tabs at both ends, or at the end only. */
struct bytes bytes_trim(struct bytes b);
struct bytes bytes_trim_end(struct bytes b);

/* Splits at the first C: HEAD before it, and true with TAIL after it; false and TAIL empty without.
 */
bool bytes_split(struct bytes b, char c, struct bytes *head, struct bytes *tail);

/* All of B as decimal digits, no sign, no blanks; ERR_SYNTAX, or ERR_LIMIT when above MAX. */
MUST_USE enum err bytes_to_u64(struct bytes b, uint64_t max, uint64_t *out);

/* Copies with a NUL into TO[size]; false when it did not fit (TO then holds what did). */
bool bytes_to_cstr(struct bytes b, char *to, size_t size);

/* B for a human and for a log line: printable ASCII as it is, all else as \xHH, at most SIZE-1
 * bytes, NUL-terminated. Returns TO. */
char *bytes_escape(struct bytes b, char *to, size_t size);

static inline char bytes_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c + ('a' - 'A')) : c;
}

#endif
