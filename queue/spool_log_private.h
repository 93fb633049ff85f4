/* queue/spool_log_private.h - one log, put together from its parts, and what works on all of it.
 *
 * Each part has a header that says which thread owns it, and knows the parts below it only:
 *
 *   directory   spool_directory_private.h     the directories
 *   segments    spool_slots_private.h         the files, what they hold, and their readers
 *   intake      spool_txn_private.h           messages that come in
 *   index       spool_index_private.h         which messages live, and where
 *   moved       spool_moved_private.h         where those are that were written again
 *   updates     spool_update_private.h        what is said about them afterwards
 *   reclaim     spool_reclaim_private.h       which segment is used next
 *   health      spool_health_private.h        whether messages may come in
 *
 * A group takes from all of them what is to be written (spool_group_private.h); recovery fills
 * them at a start.
 */
#ifndef QUEUE_SPOOL_LOG_PRIVATE_H
#define QUEUE_SPOOL_LOG_PRIVATE_H

#include "core/thread.h"
#include "queue/spool_health_private.h"
#include "queue/spool_index_private.h"
#include "queue/spool_moved_private.h"
#include "queue/spool_reclaim_private.h"
#include "queue/spool_txn_private.h"
#include "queue/spool_update_private.h"

struct spool_done_id {
    uint64_t generation, id;
};

struct spool_log {
    struct spool_directory dir;
    struct spool_segments segments;
    struct spool_intake intake;
    struct spool_index index;
    struct spool_moved moved;
    struct spool_updates updates;
    struct spool_reclaim reclaim;
    struct spool_health health;
    struct spool_recovered *recovered;

    /* Counted by the writer and at a start; any thread reads. */
    _Atomic uint64_t live_messages, quarantined, syncs, groups, records;

    /* The writer's. */
    struct mailbox *mailbox; /* to it */
    struct thread thread;
    struct mailbox_item stop;
    bool started, stopping;
    uint64_t last_group_bytes;
    struct {
        struct spool_done_id *items;
        size_t count, capacity;
    } moved_dones; /* to be written before anything else is said of them */
};

/* --- spool_quarantine.c --- */
/* Copies LEN bytes to quarantine/NAME, synced. Once for a name. */
MUST_USE enum err spool_set_aside(const struct spool_directory *dir, const char *name,
                                  const uint8_t *data, size_t len);
/* Reads what can be read; blocks the disk refuses are zeros. Returns the bytes up to the file's
 * end; UNREADABLE counts refused blocks. */
size_t spool_salvage(const struct spool_directory *dir, int fd, uint8_t *to, size_t len,
                     uint64_t at, size_t *unreadable);
/* The message REF, unreadable as it may be: its record and its big file. */
MUST_USE enum err spool_set_aside_message(struct spool_log *log, const struct spool_ref *ref,
                                          struct bytes reason);

/* --- spool_read.c: any thread --- */
MUST_USE enum err spool_log_read(struct spool_log *log, const struct spool_ref *ref,
                                 struct arena *arena, struct spool_message *out,
                                 struct err_detail *why);
/* As spool_read_head(). */
MUST_USE enum err spool_log_read_head(struct spool_log *log, const struct spool_ref *ref,
                                      struct arena *arena, struct spool_head *out,
                                      struct err_detail *why);
/* As spool_log_read(), without checking a text that did not come along with the envelope. */
MUST_USE enum err spool_read_record(struct spool_log *log, const struct spool_ref *ref,
                                    struct arena *arena, struct spool_message *out,
                                    struct spool_head *head, struct err_detail *why);
/* False: it is not in memory. */
bool spool_log_read_recent(struct spool_log *log, const struct spool_ref *ref, struct arena *arena,
                           struct spool_message *out);

/* --- spool_recover.c --- */
MUST_USE enum err spool_recover(struct spool_log *log, struct err_detail *why);

/* --- spool_ended.c --- */
/* True: the log has been ended, and is to be closed. */
bool spool_ended_try(struct spool_log *log);
/* Removes what is left in a log that ended before, in the directory of FIRST. Its name has been
 * synced. */
void spool_ended_clean(const struct spool_directory *first, const char *name);

/* --- spool_writer.c --- */
MUST_USE enum err spool_writer_start(struct spool_log *log, struct err_detail *why);
/* One group, on the caller's thread; the writer is not started. */
bool spool_writer_step(struct spool_log *log);
void spool_writer_stop(struct spool_log *log);

/* --- spool_open.c --- */
/* FIRST: log 0, which has the others in its directory; NULL for itself. */
MUST_USE enum err spool_log_open(const struct spool_settings *settings, struct io *io,
                                 const struct spool_log *first, unsigned number,
                                 struct spool_log **out, struct err_detail *why);
/* It is to be written to. */
MUST_USE enum err spool_log_prepare(struct spool_log *log, struct err_detail *why);
void spool_log_free(struct spool_log **log);

#endif
