/* net/smtp_syntax.h - the grammar of RFC 5321 4.1: command lines, paths, parameters. Pure.
 *
 * Nothing here allocates or remembers; results point into the input. Grammar and section stand
 * above each parser in the .c file.
 */
#ifndef NET_SMTP_SYNTAX_H
#define NET_SMTP_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/mail.h"

/* verb [SP argument], trailing blanks dropped (C-010). The line comes without its CRLF. */
struct smtp_command {
    struct bytes verb;
    struct bytes argument;
};
MUST_USE enum err smtp_syntax_command(struct bytes line, struct smtp_command *out);

/* Path = "<" [ A-d-l ":" ] Mailbox ">" and the bracketless form that devices send (seeds: "mail
 * from: a@b"). The route is checked and dropped (RFC 5321 App. C). */
struct smtp_path {
    struct bytes address;    /* between the brackets, without route; empty for <> */
    struct bytes local_part; /* as it came: quotes kept */
    struct bytes domain;     /* empty for <> and <postmaster>; "[192.0.2.1]" for a literal */
    bool literal;
};
enum smtp_path_kind { SMTP_PATH_SENDER, SMTP_PATH_RECIPIENT };
/* Parses PREFIX ("FROM:" or "TO:", any case, blanks after it tolerated) and a path; REST is what
 * follows. ALLOW_UTF8: RFC 6531 mailboxes (valid UTF-8 only). LIMIT: of the address, octets. */
MUST_USE enum err smtp_syntax_path(struct bytes argument, enum smtp_path_kind kind, bool allow_utf8,
                                   size_t limit, struct smtp_path *out, struct bytes *rest);
/* The same for a path that lacks its domain, "FROM:<local-part>": DOMAIN is empty. For
 * callers that complete it with one of theirs. */
MUST_USE enum err smtp_syntax_local_path(struct bytes argument, enum smtp_path_kind kind,
                                         bool allow_utf8, struct smtp_path *out,
                                         struct bytes *rest);
/* esmtp-param = keyword ["=" value]; takes the next one off REST. ERR_NOTFOUND at the end. */
struct smtp_param {
    struct bytes keyword;
    struct bytes value;
    bool has_value;
};
MUST_USE enum err smtp_syntax_param(struct bytes *rest, struct smtp_param *out);

/* What texts of parameters may be. */
bool smtp_syntax_xtext_valid(struct bytes value); /* RFC 3461 4; +00 +0A +0D refused */
bool smtp_syntax_orcpt_valid(struct bytes value); /* RFC 3461 4.2: addr-type ";" xtext, <= 500 */

/* domain / address-literal: RFC 5321 4.1.2; labels <= 63, name <= 255, no empty label. */
bool smtp_syntax_domain_valid(struct bytes name, bool allow_utf8);
bool smtp_syntax_literal_valid(struct bytes text); /* with its brackets */
/* EHLO argument: a domain (underscores tolerated) or a literal. */
bool smtp_syntax_helo_valid(struct bytes text);

#endif
