/* net/smtp_auth.h - what the AUTH command carries: base64, and the SASL mechanisms PLAIN and LOGIN.
 *
 * Everything here comes from a peer that has not said who it is. Pure: nothing is remembered,
 * allocated or logged; who hands secrets in wipes them. RFC 4954, 4648 4, 4616.
 */
#ifndef NET_SMTP_AUTH_H
#define NET_SMTP_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/err.h"

/* RFC 4954 4: of an AUTH command or a response, in front of its CRLF. */
#define SMTP_AUTH_LINE_MAX     12288
#define SMTP_AUTH_USER_MAX     255 /* octets of a name or a password that can be right at all */
#define SMTP_AUTH_PASSWORD_MAX 511

enum smtp_auth_mechanism { SMTP_AUTH_NONE, SMTP_AUTH_PLAIN, SMTP_AUTH_LOGIN };
/* "PLAIN", "login"; SMTP_AUTH_NONE for any other. */
enum smtp_auth_mechanism smtp_auth_mechanism_parse(struct bytes name);
/* NAME where it is that of a mechanism that people know; else, as it may be a misplaced secret,
 * "(hidden)". For the log. */
struct bytes smtp_auth_mechanism_shown(struct bytes name);

/* How much smtp_auth_decode() may write for N octets. */
#define SMTP_AUTH_DECODED_MAX(n) (((n) + 3) / 4 * 3)
/* Strict base64: whole groups of four, "=" at the end only, no blank, the unused bits zero.
 * ERR_SYNTAX; TO may hold a part of the text then, and is to be wiped all the same. */
MUST_USE enum err smtp_auth_decode(struct bytes text, char *to, size_t *len);
/* Writes 4 * ceil(len / 3) octets to TO, no NUL; returns how many. */
size_t smtp_auth_encode(struct bytes text, char *to);

struct smtp_auth_credentials {
    struct bytes user, password; /* within what was parsed */
};
/* message = [authzid] NUL authcid NUL passwd, RFC 4616 2. ERR_SYNTAX: not of this form, or no user
 * is named. ERR_DENIED: of this form, but nothing that could be right: on behalf of another, or
 * smtp_auth_usable() is false. */
MUST_USE enum err smtp_auth_plain(struct bytes message, struct smtp_auth_credentials *out);
/* Neither empty, nor too long, nor with a control octet (which no table, log or program behind us
 * is ever to see). */
bool smtp_auth_usable(const struct smtp_auth_credentials *credentials);

#endif
