/* A spool that lives in RAM: what the scheduler calls of queue/spool.h. */
#include "fake_spool.h"

#include <string.h>

#include "core/mem.h"
#include "unit.h"

struct disk disk;

char last_report[6000];

struct spool_txn {
    struct mailbox_item item;
    struct mailbox *home;
    uint64_t id, octets;
    struct arena arena;
    spool_done done;
    void *owner;
    enum err err;
    char head[6000]; /* how the text begins */
};

struct spool_ref keep(const struct mail_envelope *envelope, const struct spool_meta *meta,
                      uint64_t id)
{
    struct kept *k = &disk.kept[id];
    ASSERT(id < KEPT_MAX);
    mail_envelope_copy(&disk.arena, envelope, &k->envelope);
    k->meta = *meta;
    k->meta.message_id = arena_bytes(&disk.arena, meta->message_id);
    k->used = true;
    return (struct spool_ref){.id = id};
}

struct spool_txn *spool_begin(struct spool *spool, struct mailbox *home)
{
    (void)spool;
    struct spool_txn *txn = MEM_NEW(struct spool_txn);
    txn->home = home;
    txn->id = disk.next_id++;
    arena_init(&txn->arena, 0);
    return txn;
}

uint64_t spool_txn_id(const struct spool_txn *txn)
{
    return txn->id;
}

enum err spool_append(struct spool_txn *txn, struct bytes text)
{
    if (txn->octets + text.len < sizeof txn->head)
        memcpy(txn->head + txn->octets, text.ptr, text.len);
    txn->octets += text.len;
    return ERR_OK;
}

static void on_committed(struct mailbox_item *item)
{
    struct spool_txn *txn = CONTAINER_OF(item, struct spool_txn, item);
    struct spool_committed result = {.err = txn->err, .ref = {.id = txn->id}};
    if (txn->err)
        disk.kept[txn->id].used = false;
    txn->done(txn->owner, &result);
    arena_free(&txn->arena);
    mem_free(txn);
}

void spool_commit(struct spool_txn *txn, const struct mail_envelope *envelope,
                  const struct spool_meta *meta, spool_done done, void *owner)
{
    CHECK_U64(meta->octets, txn->octets);
    keep(envelope, meta, txn->id);
    memcpy(last_report, txn->head, sizeof last_report);
    last_report[sizeof last_report - 1] = '\0';
    disk.commits++;
    txn->err = disk.commit_err;
    txn->done = done;
    txn->owner = owner;
    txn->item.run = on_committed;
    mailbox_send(txn->home, &txn->item);
}

void spool_abort(struct spool_txn **txn)
{
    arena_free(&(*txn)->arena);
    mem_free(*txn);
    *txn = NULL;
}

enum err spool_read(struct spool *spool, const struct spool_ref *ref, struct arena *arena,
                    struct spool_message *out, struct err_detail *why)
{
    (void)spool;
    disk.reads++;
    if (disk.read_err)
        return err_set(why, disk.read_err, "the test says so");
    *out = (struct spool_message){.ref = *ref, .meta = disk.kept[ref->id].meta};
    mail_envelope_copy(arena, &disk.kept[ref->id].envelope, &out->envelope);
    return ERR_OK;
}

enum err spool_read_text(const struct spool_message *m, uint64_t at, char *to, size_t len)
{
    (void)m;
    for (size_t i = 0; i < len; i++)
        to[i] = "x\r\n"[(at + i) % 3];
    return ERR_OK;
}

void spool_message_close(struct spool_message *m)
{
    (void)m;
}

void spool_outcome_write(struct spool *spool, const struct spool_ref *ref,
                         const struct spool_outcome *outcome)
{
    struct kept *k = &disk.kept[ref->id];
    (void)spool;
    CHECK(k->used && !k->done && !k->quarantined);
    CHECK(outcome->rcpt_count <= k->envelope.rcpt_count);
    k->outcomes++;
    k->outcome = *outcome;
    for (size_t i = 0; i < outcome->rcpt_count; i++) {
        k->rcpts[i] = outcome->rcpts[i];
        k->rcpts[i].status = mail_status_copy(&disk.arena, &outcome->rcpts[i].status);
    }
    k->outcome.rcpts = k->rcpts;
}

void spool_message_done(struct spool *spool, const struct spool_ref *ref)
{
    struct kept *k = &disk.kept[ref->id];
    (void)spool;
    CHECK(k->used && !k->done && !k->quarantined);
    k->done = true;
    disk.dones++;
}

void spool_message_quarantine(struct spool *spool, const struct spool_ref *ref, const char *why)
{
    struct kept *k = &disk.kept[ref->id];
    (void)spool;
    CHECK(why && k->used && !k->done && !k->quarantined);
    k->quarantined = true;
}
