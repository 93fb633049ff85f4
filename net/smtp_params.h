/* net/smtp_params.h - the parameters of MAIL and RCPT: each is read and written in one place. Pure.
 *
 * One row a parameter (the tables are in the .c file): its keyword, the extension that brings it,
 * how its value gets into the envelope and out of it, and what happens where the next hop does not
 * offer that extension: the message goes on without the parameter, or it does not go at all. The
 * server, the client and the load generator use the same rows.
 *
 * RFC 5321 4.1.2, 1870, 3030, 3461, 4954 5, 6152, 6531; Exchange's ORAR.
 */
#ifndef NET_SMTP_PARAMS_H
#define NET_SMTP_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/mail.h"
#include "net/smtp_extension.h"

/* All parameters in REST, what stands behind the path. OFFERED: enum smtp_extension. ERR_SYNTAX:
 * malformed or repeated (501); ERR_NOTFOUND: a parameter, or a value, that is unknown or not
 * offered (555). Texts point into REST. On failure TO may be partly filled. */
MUST_USE enum err smtp_params_read_mail(struct bytes rest, unsigned offered,
                                        struct mail_envelope *to);
MUST_USE enum err smtp_params_read_rcpt(struct bytes rest, unsigned offered, struct mail_rcpt *to);

/* A message as MAIL announces it. */
struct smtp_params_mail {
    const struct mail_envelope *envelope;
    uint64_t octets; /* of its text */
    unsigned notes;  /* enum smtp_data_note of it */
};

/* An envid, orcpt or orar that may be sent has at most so many octets, an address too. */
#define SMTP_PARAMS_TEXT_MAX 2000
/* Room for all parameters of a command but for their texts. */
#define SMTP_PARAMS_ROOM 200

/* Each parameter that is set and OFFERED, with a blank before it; returns the end. */
char *smtp_params_write_mail(const struct smtp_params_mail *mail, unsigned offered, char *to);
char *smtp_params_write_rcpt(const struct mail_rcpt *rcpt, unsigned offered, char *to);
/* May the texts be written: is each one word of a line, and not too long? */
bool smtp_params_mail_sound(const struct mail_envelope *envelope);
bool smtp_params_rcpt_sound(const struct mail_rcpt *rcpt);

/* Why the message cannot go to a next hop that offers HOP; NULL: it can, perhaps without some of
 * its parameters. */
const struct mail_status *smtp_params_unfit(const struct smtp_params_mail *mail,
                                            const struct smtp_extensions *hop);

#endif
