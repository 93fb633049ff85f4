/* queue/dsn_private.h - what the files of the report share: clean output, plain words, and the
 * part that returns the original.
 *
 * All that comes from a peer passes dsn_clean() first: afterwards it is printable ASCII with
 * single blanks, so that no field can be ended, no part forged and no terminal driven by it.
 */
#ifndef QUEUE_DSN_PRIVATE_H
#define QUEUE_DSN_PRIVATE_H

#include "queue/dsn.h"

#define DSN_LINE_WIDTH   76
#define DSN_WORD_MAX     900  /* RFC 5322 2.1.1: 998 in a line, whatever it holds */
#define DSN_REMOTE_MAX   2000 /* of a remote server's text */
#define DSN_HEADER_MAX   (64 * 1024)
#define DSN_RET_FULL_MAX (10 * 1024 * 1024) /* Exchange: ExternalDsnMaxMessageAttachSize */

struct dsn_out {
    bool (*write)(void *owner, struct bytes piece);
    void *owner;
    bool ok;
    size_t len;
    char data[4096];
};

/* queue/dsn_text.c */
void dsn_out_bytes(struct dsn_out *out, struct bytes b);
void dsn_out_text(struct dsn_out *out, const char *text);
void dsn_out_flush(struct dsn_out *out);
/* "NAME: VALUE" CRLF, folded; VALUE is clean. */
void dsn_out_field(struct dsn_out *out, const char *name, struct bytes value);
/* A paragraph, every line after INDENT; TEXT is clean. */
void dsn_out_paragraph(struct dsn_out *out, const char *indent, struct bytes text);
/* Printable ASCII: runs of blanks and control bytes are one blank, other bytes "?". */
struct bytes dsn_clean(struct arena *arena, struct bytes b, size_t max);
/* RFC 3461 4: "+2B" is "+". Not clean. */
struct bytes dsn_xtext_decode(struct arena *arena, struct bytes xtext);
/* Clean; in TYPE "rfc822", or "utf-8" with the ASCII form of RFC 6533 3. */
struct bytes dsn_address(struct arena *arena, struct bytes address, const char **type);

/* queue/dsn_words.c: what a person can make of a status. Static text. */
struct dsn_words {
    const char *reason, *advice;
};
struct dsn_words dsn_words_for(const struct mail_status *status, enum mail_report report);
void dsn_write_words(struct dsn_out *out, const struct dsn_facts *facts, struct arena *arena);

/* queue/dsn_original.c: the third part, its Content-Type first. False: the text cannot be read. */
bool dsn_write_original(struct dsn_out *out, const struct dsn_facts *facts, struct arena *arena);

/* queue/dsn.c */
bool dsn_has_report(const struct dsn_facts *facts, enum mail_report report);

#endif
