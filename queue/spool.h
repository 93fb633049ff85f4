/* queue/spool.h - the only door to the disk: a message is committed here before 250 is said, read
 * back for delivery, and forgotten when every recipient is settled.
 *
 * Append-only segments, preallocated and recycled (queue/spool_format.h has the bytes). The
 * writer thread gathers everything handed over to it, writes once, syncs once and then completes
 * the whole group. A failed write or sync poisons its segment for ever and fails the whole group:
 * the same sync is never tried twice. Every file operation goes through core/io.h.
 *
 * Promises: durable before ERR_OK; an aborted or failed transaction leaves nothing that recovery
 * could take for a message; when in doubt nothing is taken in.
 */
#ifndef QUEUE_SPOOL_H
#define QUEUE_SPOOL_H

#include "core/arena.h"
#include "core/io.h"
#include "core/mailbox.h"
#include "queue/spool_message.h"

struct spool;

/* Opens or creates, takes the lock, and recovers: reads footers, and of segments without one every
 * record; sets malformed records aside (spool_quarantined). Refuses a directory that is not ours,
 * world-writable, a symbolic link, or locked; names it in WHY. Bodies in big files without a record
 * are removed. Further logs, which 0.1.0 could make, are opened too: they take no new messages and
 * drain, and a start that finds one empty ends it. */
MUST_USE enum err spool_open(const struct spool_settings *settings, struct io *io,
                             struct spool **out, struct err_detail *why);
/* Live messages found by spool_open(), log by log about in the order they came; OUTCOME has the
 * latest state. Each once, from one thread, also after spool_start() while others come in; before
 * spool_stop(). Until the last is handed over their segments are not used again. Memory is valid
 * during the call.
 *
 * At most MAX of them, or none. False: that was the last. For scheduling, and no more: of the
 * envelope whether there is a sender, and of the recipients "@domain" and notify; of meta
 * received_at_ms, octets and is_dsn; no text. */
bool spool_recovered_next(struct spool *spool, size_t max, spool_each each, void *owner);
/* All that are left, read and checked to the last octet. */
void spool_each_recovered(struct spool *spool, spool_each each, void *owner);
/* Starts the writer. In the simulation spool_step() is called instead. */
MUST_USE enum err spool_start(struct spool *spool, struct err_detail *why);
/* One group: takes what is queued, writes, syncs, completes. False if there was nothing. */
bool spool_step(struct spool *spool);
/* Completes what is queued, seals the segment under way, and ends the writer. */
void spool_stop(struct spool *spool);
void spool_free(struct spool **spool);

/* --- In: one transaction, on one thread (a worker, or the scheduler for a DSN) --- */

struct spool_txn;
/* HOME: where the completion runs. */
struct spool_txn *spool_begin(struct spool *spool, struct mailbox *home);
uint64_t spool_txn_id(const struct spool_txn *txn);
/* OCTETS are announced (SIZE=): spool_accepts() keeps room for them. */
void spool_txn_expect(struct spool_txn *txn, uint64_t octets);
struct arena *spool_txn_arena(struct spool_txn *txn); /* for what must live until completion */
/* Copies. Beyond inline_max it goes to a file (written here, synced by the writer). */
MUST_USE enum err spool_append(struct spool_txn *txn, struct bytes text);

/* ENVELOPE and META are encoded before it returns. DONE comes exactly once, on HOME; TXN is gone
 * when DONE returns. */
void spool_commit(struct spool_txn *txn, const struct mail_envelope *envelope,
                  const struct spool_meta *meta, spool_done done, void *owner);
void spool_abort(struct spool_txn **txn);

/* May WANT more octets be taken in? That, and what open transactions were promised (what they
 * expect or have appended), half as much again, must fit above min_free. One cheap look; false
 * fills STATUS with 452 or 451. Any thread. */
bool spool_accepts(const struct spool *spool, uint64_t want, struct mail_status *status);
/* In place of settings->min_free_bytes, from now on. Any thread. */
void spool_min_free_set(struct spool *spool, uint64_t bytes);

/* --- Out: any thread --- */

/* Envelope and meta into ARENA; the text has been checked when it returns. ERR_CORRUPT: the record
 * fails its checks; ERR_NOTFOUND: the message has gone. Must be closed. */
MUST_USE enum err spool_read(struct spool *spool, const struct spool_ref *ref, struct arena *arena,
                             struct spool_message *out, struct err_detail *why);
/* Envelope and meta alone, into ARENA, checked by the checksum that they have of their own: the
 * text is neither read nor checked, and a big file not looked for. Errors as above; nothing to
 * close. For listings: about a microsecond where the page cache has the record. */
MUST_USE enum err spool_read_head(struct spool *spool, const struct spool_ref *ref,
                                  struct arena *arena, struct mail_envelope *envelope,
                                  struct spool_meta *meta, struct err_detail *why);
/* As spool_read(), but what was committed a moment ago and has not been read yet comes from memory:
 * for the first delivery. */
MUST_USE enum err spool_read_recent(struct spool *spool, const struct spool_ref *ref,
                                    struct arena *arena, struct spool_message *out,
                                    struct err_detail *why);
MUST_USE enum err spool_read_text(const struct spool_message *m, uint64_t at, char *to, size_t len);
void spool_message_close(struct spool_message *m);

/* --- Settling: the scheduler's thread; ride in the next group, no waiting --- */

/* Some recipients remain: the latest outcome replaces earlier ones. */
void spool_outcome_write(struct spool *spool, const struct spool_ref *ref,
                         const struct spool_outcome *outcome);
/* Every recipient is settled: the message is forgotten, REF is void. */
void spool_message_done(struct spool *spool, const struct spool_ref *ref);
/* A message that cannot be read: copied to quarantine/, reported, forgotten. */
void spool_message_quarantine(struct spool *spool, const struct spool_ref *ref, const char *why);

struct spool_stats {
    uint64_t live_messages, segments, segments_free, segments_poisoned, quarantined;
    uint64_t syncs, groups, records;
    bool healthy;
};
void spool_stats_read(const struct spool *spool, struct spool_stats *out); /* any thread */

#endif
