/* queue/spool_message.h - the plain values that go through the spool's door (queue/spool.h), and
 * that its parts share: what is stored of a message, where it is, what has happened to it.
 */
#ifndef QUEUE_SPOOL_MESSAGE_H
#define QUEUE_SPOOL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/ipaddr.h"
#include "core/mail.h"

struct spool_settings { /* copied */
    const char *path;
    uint64_t segment_size_bytes; /* 32 MiB */
    uint64_t inline_max_bytes;   /* 128 KiB: larger bodies get a file of their own */
    uint64_t min_free_bytes;     /* below: intake stops (452 4.3.1) */
};

/* Where a live message is. A plain value: copy it, keep it as long as the message lives. The spool
 * may write a message again elsewhere; the reference stays good all the same, whatever it is used
 * for (docs/adr/0005). */
struct spool_ref {
    uint64_t id;      /* InternalId: unique in this spool for ever; its top 8 bits: which log */
    uint64_t segment; /* the segment's generation */
    uint32_t offset, length;
};

/* What is stored beside envelope and text. */
struct spool_meta {
    int64_t received_at_ms; /* wall clock */
    uint64_t session_id;
    uint64_t octets; /* of the text, our trace header included */
    unsigned notes;  /* enum smtp_data_note */
    struct ipaddr client;
    struct bytes connector;  /* receive connector */
    struct bytes message_id; /* header, with brackets; may be empty */
    bool is_dsn;             /* our own report: never bounced again */
};

/* What has happened to the recipients so far. */
struct spool_outcome {
    uint32_t attempts;
    int64_t next_attempt_at_ms; /* wall clock */
    bool delay_notified;
    /* INDEX, state and status of all recipients that are no longer untouched. The status' text is
     * cut at 512 octets when stored. */
    const struct mail_rcpt *rcpts;
    size_t rcpt_count;
};

/* What came of a transaction. */
struct spool_committed {
    enum err err; /* ERR_OK: durable. Else 451 or 452: nothing of it is left */
    /* Not ERR_OK, and the disk did not even take a note that the message does not count: the next
     * start may find it. Neither yes nor no would be true: the client gets no answer. */
    bool doubtful;
    struct spool_ref ref;
};
typedef void (*spool_done)(void *owner, const struct spool_committed *result);

/* A message that was read. */
struct spool_log;
struct spool_recent;
struct spool_message {
    struct spool_ref ref;
    struct mail_envelope envelope;
    struct spool_meta meta;
    /* private: where the text is */
    struct spool_log *log;
    int segment_fd;
    uint64_t body_at;
    int big_fd;                  /* -1: inline */
    const char *text;            /* the body, if it came along with the envelope: in the arena */
    struct spool_recent *recent; /* owns envelope and text, if they did not come from the disk */
};

typedef void (*spool_each)(void *owner, const struct spool_message *message,
                           const struct spool_outcome *outcome);

#endif
