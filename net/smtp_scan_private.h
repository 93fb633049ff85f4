/* net/smtp_scan_private.h - character classes and scanners that the grammar's files share.
 *
 * A scanner takes the text and a place in it and returns the place behind what it recognised, or
 * SCAN_FAILED. Whether what follows is allowed there is the caller's question.
 */
#ifndef NET_SMTP_SCAN_PRIVATE_H
#define NET_SMTP_SCAN_PRIVATE_H

#include "net/smtp_syntax.h"

#define SCAN_FAILED SIZE_MAX

#define SMTP_SYNTAX_LABEL_MAX  63
#define SMTP_SYNTAX_DOMAIN_MAX 255

static inline bool scan_is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool scan_is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

/* atext, RFC 5322 3.2.3. */
bool scan_is_atext(unsigned char c);

/* Behind the UTF-8 sequence of two octets or more that begins at AT, its code point in CP. Fails
 * for what is ill-formed (RFC 3629 4: overlong, surrogate, above U+10FFFF) and for what breaks
 * lines or drives terminals: U+0080 to U+009F, U+2028, U+2029. */
size_t scan_utf8(struct bytes text, size_t at, uint32_t *cp);

/* Behind the longest run that could be a domain name; not yet checked. */
size_t scan_domain_run(struct bytes text, size_t at);

/* NAME without the one final dot that a fully qualified name may have. */
struct bytes smtp_syntax_domain_bare(struct bytes name);

#endif
