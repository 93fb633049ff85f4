/* One message on its way in: text gathers in memory, beyond the inline limit in a file of its
 * own; commit lays the record out so that the writer has nothing left to copy.
 */
#include "queue/spool_txn_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/kill_point.h"
#include "core/mem.h"
#include "queue/spool.h"

enum { BODY_FIRST_BYTES = 8 * 1024, PADDING = 8, PROMISE_MIN = 64 * 1024 };

void spool_intake_init(struct spool_intake *intake, struct spool_segments *segments,
                       struct mailbox *writer, uint64_t inline_max_bytes)
{
    intake->dir = segments->dir;
    intake->segments = segments;
    intake->writer = writer;
    intake->inline_max_bytes = inline_max_bytes;
    intake->recents.io = segments->dir->io;
    spool_orphans_init(&intake->orphans, segments->dir, writer);
    list_init(&intake->txns);
}

struct spool_txn *spool_txn_new(struct spool_intake *intake, struct mailbox *home)
{
    struct spool_txn *txn = MEM_NEW(struct spool_txn);
    txn->intake = intake;
    txn->home = home;
    txn->big_fd = -1;
    txn->id = atomic_fetch_add_explicit(&intake->segments->next_id, 1, memory_order_relaxed);
    arena_init(&txn->arena, 0);
    spool_txn_expect(txn, 0);
    return txn;
}

/* In steps, so that most messages touch the counter that all threads share twice only. */
void spool_txn_expect(struct spool_txn *txn, uint64_t octets)
{
    uint64_t wanted = octets > PROMISE_MIN ? octets : PROMISE_MIN;
    if (wanted <= txn->promised || wanted > SPOOL_PROMISE_MAX)
        return;
    atomic_fetch_add_explicit(&txn->intake->promised_bytes, wanted - txn->promised,
                              memory_order_relaxed);
    txn->promised = wanted;
}

uint64_t spool_txn_id(const struct spool_txn *txn)
{
    return txn->id;
}

struct arena *spool_txn_arena(struct spool_txn *txn)
{
    return &txn->arena;
}

static void txn_free(struct spool_txn *txn)
{
    if (txn->big_fd >= 0)
        (void)txn->intake->dir->io->close(txn->intake->dir->io, txn->big_fd);
    if (txn->hasher)
        spool_hasher_free(&txn->hasher);
    uint64_t promised = atomic_fetch_sub_explicit(&txn->intake->promised_bytes, txn->promised,
                                                  memory_order_relaxed);
    ASSERT(promised >= txn->promised);
    mem_free(txn->head);
    mem_free(txn->body);
    arena_free(&txn->arena);
    mem_free(txn);
}

/* Not written: as in a crash. */
void spool_intake_free(struct spool_intake *intake)
{
    LIST_EACH_SAFE (txn, &intake->txns, struct spool_txn, link)
        txn_free(txn);
    list_init(&intake->txns);
    spool_orphans_free(&intake->orphans);
    spool_recents_clear(&intake->recents);
}

static void big_remove(struct spool_txn *txn)
{
    if (txn->big_fd >= 0)
        spool_orphan_remove(&txn->intake->orphans, txn->id);
}

void spool_abort(struct spool_txn **txn)
{
    if (!*txn)
        return;
    big_remove(*txn);
    KILL_POINT("spool_txn_aborted");
    txn_free(*txn);
    *txn = NULL;
}

static enum err big_open(struct spool_txn *txn)
{
    char name[SPOOL_NAME_SIZE];
    struct io *io = txn->intake->dir->io;
    if (txn->big_fd >= 0)
        return ERR_OK;
    txn->big_fd = io->openat(io, txn->intake->dir->big_fd, spool_big_name(txn->id, name),
                             O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (txn->big_fd < 0)
        return err_from_errno(errno);
    txn->hasher = spool_hasher_new();
    KILL_POINT("spool_big_created");
    return ERR_OK;
}

/* What has gathered and PIECE behind it, in one write. */
static enum err big_write(struct spool_txn *txn, struct bytes piece)
{
    enum err err = big_open(txn);
    if (err != ERR_OK)
        return err;
    struct iovec iov[] = {{txn->body, txn->body_len}, {(char *)(uintptr_t)piece.ptr, piece.len}};
    uint64_t at = txn->octets - txn->body_len;
    if (txn->body_len > 0)
        spool_hasher_add(txn->hasher, txn->body, txn->body_len);
    if (piece.len > 0)
        spool_hasher_add(txn->hasher, piece.ptr, piece.len);
    err = io_pwrite_all(txn->intake->dir->io, txn->big_fd, iov, 2, (off_t)at);
    KILL_POINT("spool_big_written");
    txn->octets += piece.len;
    txn->body_len = 0;
    return err;
}

static void body_add(struct spool_txn *txn, struct bytes text)
{
    size_t needed = txn->body_len + text.len + PADDING;
    if (needed > txn->body_capacity) {
        size_t capacity = txn->body_capacity ? txn->body_capacity * 2 : BODY_FIRST_BYTES;
        txn->body_capacity = capacity > needed ? capacity : needed;
        txn->body = mem_realloc(txn->body, txn->body_capacity);
    }
    memcpy(txn->body + txn->body_len, text.ptr, text.len);
    txn->body_len += text.len;
    txn->octets += text.len;
}

enum err spool_append(struct spool_txn *txn, struct bytes text)
{
    if (txn->failed != ERR_OK || text.len == 0)
        return txn->failed;
    KILL_POINT("spool_txn_appends");
    if (text.len <= txn->intake->inline_max_bytes - txn->body_len)
        body_add(txn, text);
    else
        txn->failed = big_write(txn, text);
    if (txn->octets > txn->promised)
        spool_txn_expect(txn, txn->octets + txn->octets / 2);
    return txn->failed;
}

/* --- Commit --- */

/* Most of it leaves at once. */
static void keep_recent(struct spool_txn *txn)
{
    bool big = txn->big_fd >= 0;
    struct spool_recent recent = {
        .id = txn->id,
        .head = txn->head,
        .body = big ? NULL : txn->body,
        .body_capacity = txn->body_capacity,
        .head_len = txn->head_len,
        .big_fd = txn->big_fd,
    };
    if (!spool_recent_put(&txn->intake->recents, &recent))
        return;
    txn->head = NULL;
    if (!big)
        txn->body = NULL;
    txn->big_fd = -1;
}

static void run_done(struct mailbox_item *item)
{
    struct spool_txn *txn = CONTAINER_OF(item, struct spool_txn, item);
    KILL_POINT("spool_txn_told");
    if (txn->result.err == ERR_OK)
        keep_recent(txn);
    txn->done(txn->owner, &txn->result);
    txn_free(txn);
}

void spool_txn_complete(struct spool_txn *txn, enum err err)
{
    if (err != ERR_OK) {
        big_remove(txn);
        KILL_POINT("spool_txn_refused");
        txn->result.ref = (struct spool_ref){0};
    }
    txn->result.err = err;
    txn->item.run = run_done;
    mailbox_send(txn->home, &txn->item);
}

void spool_txns_fail(struct cds_list_head *txns, enum err err, bool doubtful)
{
    LIST_EACH_SAFE (txn, txns, struct spool_txn, link) {
        list_remove(&txn->link);
        txn->result.doubtful = doubtful;
        spool_txn_complete(txn, err);
    }
}

static void on_commit(struct mailbox_item *item)
{
    struct spool_txn *txn = CONTAINER_OF(item, struct spool_txn, item);
    struct spool_intake *intake = txn->intake;
    /* So that the disk works on all of a group at once, and each sync waits for little. */
    if (txn->big_fd >= 0)
        intake->dir->io->write_begin(intake->dir->io, txn->big_fd);
    if (txn->version > intake->segments->version)
        intake->segments->version = txn->version;
    list_add(&intake->txns, &txn->link);
}

static enum err encode(struct spool_txn *txn, const struct mail_envelope *envelope,
                       const struct spool_meta *meta)
{
    struct spool_head head = {.envelope = *envelope, .meta = *meta, .big = txn->big_fd >= 0};
    head.meta.octets = txn->octets;
    if (head.big) {
        head.big_octets = txn->octets;
        head.big_hash = spool_hasher_result(txn->hasher);
    }
    size_t head_len = spool_head_encode(&head, NULL);
    size_t body_len = head.big ? 0 : txn->body_len;
    uint32_t length = head_len ? spool_record_length(head_len, body_len) : 0;
    /* Room is left for a checkpoint or two beside it in an empty segment. */
    if (length == 0 || length > txn->intake->segments->size_bytes - 2 * SPOOL_HEADER_BYTES)
        return ERR_LIMIT;
    size_t facts_len = spool_facts_encode(envelope, meta, NULL);
    txn->head = mem_alloc(SPOOL_RECORD_BYTES + head_len + PADDING + facts_len);
    txn->facts = txn->head + SPOOL_RECORD_BYTES + head_len + PADDING;
    txn->facts_len = (uint32_t)facts_len;
    spool_facts_encode(envelope, &head.meta, txn->facts);
    spool_head_encode(&head, txn->head + SPOOL_RECORD_BYTES);
    memset(txn->head + SPOOL_RECORD_BYTES + head_len, 0, PADDING);
    if (body_len > 0)
        memset(txn->body + body_len, 0, PADDING);
    txn->head_len = (uint32_t)head_len;
    txn->length = length;
    txn->version = spool_head_version(envelope);
    txn->head_hash = spool_hash(txn->head + SPOOL_RECORD_BYTES, head_len);
    txn->body_hash = spool_hash(body_len ? (const char *)txn->body : "", body_len);
    return ERR_OK;
}

void spool_commit(struct spool_txn *txn, const struct mail_envelope *envelope,
                  const struct spool_meta *meta, spool_done done, void *owner)
{
    txn->done = done;
    txn->owner = owner;
    if (txn->failed == ERR_OK && txn->big_fd >= 0 && txn->body_len > 0)
        txn->failed = big_write(txn, BYTES_EMPTY);
    if (txn->failed == ERR_OK)
        txn->failed = encode(txn, envelope, meta);
    if (txn->failed != ERR_OK) {
        spool_txn_complete(txn, txn->failed);
        return;
    }
    KILL_POINT("spool_txn_encoded");
    txn->item.run = on_commit;
    mailbox_send(txn->intake->writer, &txn->item);
}
