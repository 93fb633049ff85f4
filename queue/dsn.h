/* queue/dsn.h - the text of a delivery status notification: RFC 3464 in RFC 6522 multipart/report.
 * Pure: bytes from remote servers come out clean of control bytes whatever they held.
 */
#ifndef QUEUE_DSN_H
#define QUEUE_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/mail.h"
#include "queue/spool.h"

struct dsn_facts {
    const char *hostname;   /* Reporting-MTA */
    const char *postmaster; /* From */
    uint64_t id;            /* of this report: Message-ID and boundary */
    const struct spool_message *original;
    int64_t now_ms;
    int64_t retry_until_ms;        /* delayed: Will-Retry-Until */
    const struct mail_rcpt *rcpts; /* those that the report names, with status and kind of report */
    size_t rcpt_count;
    struct bytes remote_mta; /* what gave the answers of those that are REMOTE */
};

#define DSN_FULL_MAX_BYTES (50 * 1024) /* larger originals: header only, unless RET=FULL allows */

/* With brackets; what the report's own header says. */
struct bytes dsn_message_id(const struct dsn_facts *facts, struct arena *arena);
/* Hands the report's text to WRITE in pieces; false from it stops. The original's text comes from
 * the spool. Returns false if either failed. */
bool dsn_write(const struct dsn_facts *facts, struct arena *arena,
               bool (*write)(void *owner, struct bytes piece), void *owner);
/* The envelope of the report: <> to the original's sender, NOTIFY=NEVER (RFC 3461 6.1). */
void dsn_envelope(const struct dsn_facts *facts, struct arena *arena, struct mail_envelope *out);

#endif
