/* Out again: any thread, no lock. One pread brings the envelope and a small body, or none for what
 * was committed just now. */
#include "queue/spool_log_private.h"

#include <errno.h>
#include <fcntl.h>

#include "core/mem.h"
#include "queue/spool.h"

enum {
    VERIFY_BYTES = 64 * 1024,
    READ_BYTES = 16 * 1024, /* one pread brings envelope and small bodies */
    HEAD_BYTES = 1024,      /* one pread brings nearly any envelope */
};

static enum err damaged(struct err_detail *why, const struct spool_ref *ref, const char *what)
{
    return err_set(why, ERR_CORRUPT, "message %llu at %llx+%u: %s", (unsigned long long)ref->id,
                   (unsigned long long)ref->segment, (unsigned)ref->offset, what);
}

/* Record header and head of REF, in ARENA; GOT bytes of the record are there: at first as many as
 * GOT says, then what the head needs. */
static enum err read_head(struct spool_log *log, const struct spool_segment *s,
                          const struct spool_ref *ref, struct arena *arena,
                          struct spool_record *record, size_t *got, struct err_detail *why)
{
    struct spool_segment_header header = {.generation = ref->segment, .salt = s->salt};
    if (ref->length < SPOOL_RECORD_BYTES || ref->offset > s->size ||
        ref->length > s->size - ref->offset)
        return damaged(why, ref, "lies outside its segment");
    size_t len = ref->length < *got ? ref->length : *got;
    uint8_t *data = arena_alloc(arena, len);
    enum err err = io_pread_all(log->dir.io, s->fd, data, len, ref->offset);
    if (err != ERR_OK)
        return err_set(why, err, "message %llu: cannot be read", (unsigned long long)ref->id);
    if (!spool_record_decode(data, len, ref->offset, s->size, &header, record) ||
        record->id != ref->id || record->type > SPOOL_BIG ||
        spool_record_length(record->head_len, record->body_len) != ref->length)
        return damaged(why, ref, "its header is damaged");
    *got = len;
    size_t head_end = SPOOL_RECORD_BYTES + (size_t)record->head_len;
    if (head_end > len) {
        uint8_t *more = arena_alloc(arena, head_end);
        memcpy(more, data, len);
        err = io_pread_all(log->dir.io, s->fd, more + len, head_end - len,
                           (off_t)ref->offset + (off_t)len);
        if (err != ERR_OK)
            return err_set(why, err, "message %llu: cannot be read", (unsigned long long)ref->id);
        data = more;
        *got = head_end;
    }
    record->head = data + SPOOL_RECORD_BYTES;
    record->body = record->head + record->head_len;
    return ERR_OK;
}

static enum err decode_head(const struct spool_record *record, const struct spool_ref *ref,
                            struct arena *arena, struct spool_head *head, struct err_detail *why)
{
    if (spool_hash(record->head, record->head_len) != record->head_hash ||
        !spool_head_decode(record->head, record->head_len, record->type == SPOOL_BIG, arena,
                           head) ||
        (record->type == SPOOL_MESSAGE && head->meta.octets != record->body_len))
        return damaged(why, ref, "its envelope is damaged");
    return ERR_OK;
}

static enum err big_attach(struct spool_log *log, const struct spool_head *head,
                           struct spool_message *out, struct err_detail *why)
{
    char name[SPOOL_NAME_SIZE];
    struct stat st;
    out->big_fd =
        log->dir.io->openat(log->dir.io, log->dir.big_fd, spool_big_name(out->ref.id, name),
                            O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (out->big_fd < 0 || log->dir.io->fstat(log->dir.io, out->big_fd, &st) != 0)
        return err_set_errno(why, errno, "%s/big/%s", log->dir.path, name);
    out->body_at = 0;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != head->big_octets)
        return damaged(why, &out->ref, "its big file has another size");
    return ERR_OK;
}

static enum err decode(struct spool_log *log, struct spool_segment *s, struct arena *arena,
                       struct spool_message *out, struct spool_head *head, struct err_detail *why)
{
    struct spool_record record;
    size_t got = READ_BYTES;
    enum err err = read_head(log, s, &out->ref, arena, &record, &got, why);
    if (err == ERR_OK)
        err = decode_head(&record, &out->ref, arena, head, why);
    if (err != ERR_OK)
        return err;
    out->envelope = head->envelope;
    out->meta = head->meta;
    head->text_hash = record.type == SPOOL_BIG ? head->big_hash : record.body_hash;
    if (record.type == SPOOL_BIG)
        return big_attach(log, head, out, why);
    size_t body_at = SPOOL_RECORD_BYTES + (size_t)record.head_len;
    out->body_at = out->ref.offset + body_at;
    if (got < body_at + record.body_len)
        return ERR_OK;
    if (spool_hash(record.body, record.body_len) != record.body_hash)
        return damaged(why, &out->ref, "its text is damaged");
    out->text = (const char *)record.body;
    return ERR_OK;
}

/* Where it is now, if it has moved; it may move again while we look. */
static struct spool_segment *hold(struct spool_log *log, struct spool_ref *ref)
{
    for (;;) {
        struct spool_segment *s = spool_segment_hold(&log->segments, ref->segment);
        struct spool_ref now;
        if (s || !spool_moved_get(&log->moved, ref->id, &now) || now.segment == ref->segment)
            return s;
        *ref = now;
    }
}

static enum err gone(const struct spool_ref *ref, struct err_detail *why)
{
    return err_set(why, ERR_NOTFOUND, "message %llu: generation %llx is gone",
                   (unsigned long long)ref->id, (unsigned long long)ref->segment);
}

enum err spool_log_read_head(struct spool_log *log, const struct spool_ref *ref,
                             struct arena *arena, struct spool_head *out, struct err_detail *why)
{
    struct spool_ref now = *ref;
    struct spool_record record;
    size_t got = HEAD_BYTES;
    struct spool_segment *s = hold(log, &now);
    if (!s)
        return gone(ref, why);
    enum err err = read_head(log, s, &now, arena, &record, &got, why);
    spool_segment_release(s);
    return err == ERR_OK ? decode_head(&record, &now, arena, out, why) : err;
}

enum err spool_read_record(struct spool_log *log, const struct spool_ref *ref, struct arena *arena,
                           struct spool_message *out, struct spool_head *head,
                           struct err_detail *why)
{
    *out = (struct spool_message){.ref = *ref, .segment_fd = -1, .big_fd = -1};
    struct spool_segment *s = hold(log, &out->ref);
    if (!s)
        return gone(ref, why);
    out->log = log;
    out->segment_fd = s->fd;
    enum err err = decode(log, s, arena, out, head, why);
    if (err != ERR_OK)
        spool_message_close(out);
    return err;
}

/* The text has nothing but its one hash: it is looked at before the first octet goes out. */
static enum err text_verify(const struct spool_message *m, uint64_t hash, struct err_detail *why)
{
    struct spool_hasher *hasher = spool_hasher_new();
    char *buffer = mem_alloc(VERIFY_BYTES);
    enum err err = ERR_OK;
    for (uint64_t at = 0; at < m->meta.octets && err == ERR_OK;) {
        uint64_t left = m->meta.octets - at;
        size_t len = left < VERIFY_BYTES ? (size_t)left : VERIFY_BYTES;
        err = spool_read_text(m, at, buffer, len);
        spool_hasher_add(hasher, buffer, err == ERR_OK ? len : 0);
        at += len;
    }
    const char *what = m->big_fd >= 0 ? "its big file is damaged" : "its text is damaged";
    if (err != ERR_OK)
        err_set(why, err, "message %llu: its text cannot be read", (unsigned long long)m->ref.id);
    else if (spool_hasher_result(hasher) != hash)
        err = damaged(why, &m->ref, what);
    mem_free(buffer);
    spool_hasher_free(&hasher);
    return err;
}

enum err spool_log_read(struct spool_log *log, const struct spool_ref *ref, struct arena *arena,
                        struct spool_message *out, struct err_detail *why)
{
    struct spool_head head = {0};
    enum err err = spool_read_record(log, ref, arena, out, &head, why);
    if (err == ERR_OK && !out->text) {
        err = text_verify(out, head.text_hash, why);
        if (err != ERR_OK)
            spool_message_close(out);
    }
    return err;
}

/* False: not there. It was encoded a moment ago, so that it cannot but be sound. */
bool spool_log_read_recent(struct spool_log *log, const struct spool_ref *ref, struct arena *arena,
                           struct spool_message *out)
{
    struct spool_head head;
    struct spool_recent *r = spool_recent_take(&log->intake.recents, ref->id);
    if (!r)
        return false;
    bool sound =
        spool_head_decode(r->head + SPOOL_RECORD_BYTES, r->head_len, r->big_fd >= 0, arena, &head);
    ASSERT(sound);
    *out = (struct spool_message){
        .ref = *ref,
        .envelope = head.envelope,
        .meta = head.meta,
        .log = log,
        .segment_fd = -1,
        .big_fd = r->big_fd,
        .text = r->body         ? (const char *)r->body
                : r->big_fd < 0 ? ""
                                : NULL,
        .recent = r,
    };
    return true;
}

enum err spool_read_text(const struct spool_message *m, uint64_t at, char *to, size_t len)
{
    if (at > m->meta.octets || len > m->meta.octets - at)
        return ERR_LIMIT;
    if (m->text) {
        memcpy(to, m->text + at, len);
        return ERR_OK;
    }
    int fd = m->big_fd >= 0 ? m->big_fd : m->segment_fd;
    return io_pread_all(m->log->dir.io, fd, to, len, (off_t)(m->body_at + at));
}

void spool_message_close(struct spool_message *m)
{
    if (!m->log)
        return;
    if (m->recent) {
        spool_recent_free(&m->recent);
        m->log = NULL;
        return;
    }
    if (m->big_fd >= 0)
        (void)m->log->dir.io->close(m->log->dir.io, m->big_fd);
    m->big_fd = m->segment_fd = -1;
    spool_segment_release(&m->log->segments.slots[spool_generation_slot(m->ref.segment)]);
    m->log = NULL;
}
