/* The heads of records: see the top of queue/spool_format.h. */
#include "queue/spool_format.h"

#include <string.h>

/* --- Writing; with a NULL buffer it only measures --- */

struct writer {
    uint8_t *to;
    size_t len;
    bool failed;
};

static void write_u8(struct writer *w, uint8_t n)
{
    if (w->to)
        w->to[w->len] = n;
    w->len += 1;
}

static void write_u16(struct writer *w, uint16_t n)
{
    if (w->to)
        spool_put_u16(w->to + w->len, n);
    w->len += 2;
}

static void write_u32(struct writer *w, uint32_t n)
{
    if (w->to)
        spool_put_u32(w->to + w->len, n);
    w->len += 4;
}

static void write_u64(struct writer *w, uint64_t n)
{
    if (w->to)
        spool_put_u64(w->to + w->len, n);
    w->len += 8;
}

static void write_raw(struct writer *w, const void *data, size_t len)
{
    if (w->to && len > 0)
        memcpy(w->to + w->len, data, len);
    w->len += len;
}

static void write_text(struct writer *w, struct bytes text)
{
    if (text.len > SPOOL_TEXT_MAX) {
        w->failed = true;
        return;
    }
    write_u16(w, (uint16_t)text.len);
    write_raw(w, text.ptr, text.len);
}

/* --- Reading: after a failure everything reads as zero or empty --- */

struct reader {
    const uint8_t *from;
    size_t left;
    bool failed;
};

static const uint8_t *read_raw(struct reader *r, size_t len)
{
    static const uint8_t nothing[16];
    if (r->failed || r->left < len) {
        r->failed = true;
        return len <= sizeof nothing ? nothing : NULL;
    }
    const uint8_t *at = r->from;
    r->from += len;
    r->left -= len;
    return at;
}

static uint8_t read_u8_max(struct reader *r, uint8_t max)
{
    uint8_t n = *read_raw(r, 1);
    if (n > max)
        r->failed = true;
    return n;
}

static uint16_t read_u16(struct reader *r)
{
    return spool_get_u16(read_raw(r, 2));
}

static uint32_t read_u32(struct reader *r)
{
    return spool_get_u32(read_raw(r, 4));
}

static uint64_t read_u64(struct reader *r)
{
    return spool_get_u64(read_raw(r, 8));
}

static struct bytes read_text(struct reader *r, size_t max)
{
    size_t len = read_u16(r);
    if (len > max)
        r->failed = true;
    const uint8_t *at = r->failed ? NULL : read_raw(r, len);
    return r->failed ? BYTES_EMPTY : bytes_make((const char *)at, len);
}

static bool read_ended(const struct reader *r)
{
    return !r->failed && r->left == 0;
}

/* --- MESSAGE and BIG --- */

/* Beside the bits of NOTIFY: an orar follows. So that who has none is written as ever. */
enum { NOTIFY_BITS = 15, RCPT_HAS_ORAR = 16 };

uint32_t spool_head_version(const struct mail_envelope *envelope)
{
    if (envelope->options & ~(unsigned)SPOOL_OPTIONS_PLAIN)
        return SPOOL_VERSION_OPTIONS;
    for (size_t i = 0; i < envelope->rcpt_count; i++)
        if (envelope->rcpts[i].orar.len > 0)
            return SPOOL_VERSION_ORAR;
    return SPOOL_VERSION_PLAIN;
}

size_t spool_head_encode(const struct spool_head *head, uint8_t *to)
{
    const struct mail_envelope *e = &head->envelope;
    const struct spool_meta *m = &head->meta;
    struct writer w = {.to = to};
    ASSERT(e->options <= UINT8_MAX);
    if (e->rcpt_count == 0 || e->rcpt_count > SPOOL_RCPTS_MAX)
        return 0;
    write_u64(&w, (uint64_t)m->received_at_ms);
    write_u64(&w, m->session_id);
    write_u64(&w, m->octets);
    write_u32(&w, m->notes);
    write_raw(&w, m->client.octets, sizeof m->client.octets);
    write_u8(&w, m->is_dsn);
    write_u8(&w, (uint8_t)e->body);
    write_u8(&w, (uint8_t)e->ret);
    write_u8(&w, (uint8_t)e->options);
    write_u64(&w, e->size_declared);
    write_text(&w, e->sender);
    write_text(&w, e->envid);
    write_text(&w, e->auth);
    write_text(&w, m->connector);
    write_text(&w, m->message_id);
    write_u32(&w, (uint32_t)e->rcpt_count);
    for (size_t i = 0; i < e->rcpt_count; i++) {
        const struct mail_rcpt *rcpt = &e->rcpts[i];
        write_u8(&w, (rcpt->notify & NOTIFY_BITS) | (rcpt->orar.len > 0 ? RCPT_HAS_ORAR : 0));
        write_text(&w, rcpt->address);
        write_text(&w, rcpt->orcpt);
        if (rcpt->orar.len > 0)
            write_text(&w, rcpt->orar);
    }
    if (head->big) {
        write_u64(&w, head->big_octets);
        write_u64(&w, head->big_hash);
    }
    return w.failed ? 0 : w.len;
}

static void read_rcpts(struct reader *r, struct arena *arena, struct mail_envelope *e)
{
    enum { RCPT_MIN = 5 };
    uint32_t count = read_u32(r);
    /* The count is checked against the bytes that are there before memory is taken for it. */
    if (count == 0 || count > SPOOL_RCPTS_MAX || count > r->left / RCPT_MIN) {
        r->failed = true;
        return;
    }
    e->rcpts = ARENA_NEW_ARRAY(arena, struct mail_rcpt, count);
    e->rcpt_count = count;
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        struct mail_rcpt *rcpt = &e->rcpts[i];
        uint8_t flags = read_u8_max(r, NOTIFY_BITS | RCPT_HAS_ORAR);
        rcpt->notify = flags & NOTIFY_BITS;
        rcpt->address = read_text(r, SPOOL_TEXT_MAX);
        rcpt->orcpt = read_text(r, SPOOL_TEXT_MAX);
        rcpt->orar = BYTES_EMPTY;
        if ((flags & RCPT_HAS_ORAR) == 0)
            continue;
        rcpt->orar = read_text(r, SPOOL_TEXT_MAX);
        if (rcpt->orar.len == 0)
            r->failed = true;
    }
}

bool spool_head_decode(const uint8_t *data, size_t len, bool big, struct arena *arena,
                       struct spool_head *out)
{
    struct reader r = {.from = data, .left = len};
    *out = (struct spool_head){.big = big};
    struct mail_envelope *e = &out->envelope;
    struct spool_meta *m = &out->meta;
    m->received_at_ms = (int64_t)read_u64(&r);
    m->session_id = read_u64(&r);
    m->octets = read_u64(&r);
    m->notes = read_u32(&r);
    memcpy(m->client.octets, read_raw(&r, sizeof m->client.octets), sizeof m->client.octets);
    m->is_dsn = read_u8_max(&r, 1) != 0;
    e->body = (enum mail_body)read_u8_max(&r, MAIL_BODY_BINARYMIME);
    e->ret = (enum mail_ret)read_u8_max(&r, MAIL_RET_HDRS);
    e->options = read_u8_max(&r, UINT8_MAX);
    e->size_declared = read_u64(&r);
    e->sender = read_text(&r, SPOOL_TEXT_MAX);
    e->envid = read_text(&r, SPOOL_TEXT_MAX);
    e->auth = read_text(&r, SPOOL_TEXT_MAX);
    m->connector = read_text(&r, SPOOL_TEXT_MAX);
    m->message_id = read_text(&r, SPOOL_TEXT_MAX);
    read_rcpts(&r, arena, e);
    if (big) {
        out->big_octets = read_u64(&r);
        out->big_hash = read_u64(&r);
        if (out->big_octets != m->octets)
            r.failed = true;
    }
    return read_ended(&r);
}

/* --- OUTCOME --- */

size_t spool_outcome_encode(uint64_t generation, const struct spool_outcome *outcome, uint8_t *to)
{
    struct writer w = {.to = to};
    if (outcome->rcpt_count > SPOOL_RCPTS_MAX)
        return 0;
    write_u64(&w, generation);
    write_u32(&w, outcome->attempts);
    write_u64(&w, (uint64_t)outcome->next_attempt_at_ms);
    write_u8(&w, outcome->delay_notified);
    write_u32(&w, (uint32_t)outcome->rcpt_count);
    for (size_t i = 0; i < outcome->rcpt_count; i++) {
        const struct mail_rcpt *o = &outcome->rcpts[i];
        write_u32(&w, o->index);
        write_u8(&w, o->state);
        write_u16(&w, o->status.code);
        for (size_t k = 0; k < ARRAY_SIZE(o->status.enhanced); k++)
            write_u16(&w, o->status.enhanced[k]);
        write_text(&w, bytes_sub(o->status.text, 0, SPOOL_STATUS_TEXT_MAX));
    }
    return w.failed ? 0 : w.len;
}

static void read_rcpt_outcome(struct reader *r, struct mail_rcpt *out)
{
    out->index = read_u32(r);
    out->state = read_u8_max(r, MAIL_RCPT_FAILED);
    out->status.code = read_u16(r);
    for (size_t k = 0; k < ARRAY_SIZE(out->status.enhanced); k++)
        out->status.enhanced[k] = read_u16(r);
    out->status.text = read_text(r, SPOOL_STATUS_TEXT_MAX);
}

bool spool_outcome_decode(const uint8_t *data, size_t len, struct arena *arena,
                          uint64_t *generation, struct spool_outcome *out)
{
    enum { RCPT_OUTCOME_MIN = 15 };
    struct reader r = {.from = data, .left = len};
    *out = (struct spool_outcome){0};
    *generation = read_u64(&r);
    out->attempts = read_u32(&r);
    out->next_attempt_at_ms = (int64_t)read_u64(&r);
    out->delay_notified = read_u8_max(&r, 1) != 0;
    uint32_t count = read_u32(&r);
    if (r.failed || count > SPOOL_RCPTS_MAX || count > r.left / RCPT_OUTCOME_MIN)
        return false;
    struct mail_rcpt *rcpts = ARENA_NEW_ARRAY(arena, struct mail_rcpt, count);
    for (uint32_t i = 0; i < count && !r.failed; i++)
        read_rcpt_outcome(&r, &rcpts[i]);
    out->rcpts = rcpts;
    out->rcpt_count = count;
    return read_ended(&r);
}

/* --- DONE --- */

void spool_done_encode(uint64_t generation, uint32_t count, uint8_t *to)
{
    spool_put_u64(to, generation);
    spool_put_u32(to + 8, count);
}

void spool_done_put(uint8_t *head, uint32_t index, uint64_t id)
{
    spool_put_u64(head + SPOOL_DONE_LENGTH(index), id);
}

bool spool_done_decode(const uint8_t *data, size_t len, uint64_t *generation, uint32_t *count)
{
    if (len < SPOOL_DONE_LENGTH(1))
        return false;
    *generation = spool_get_u64(data);
    *count = spool_get_u32(data + 8);
    return *count >= 1 && *count <= SPOOL_DONE_IDS_MAX && len == SPOOL_DONE_LENGTH(*count);
}

uint64_t spool_done_id(const uint8_t *head, uint32_t index)
{
    return spool_get_u64(head + SPOOL_DONE_LENGTH(index));
}

/* --- CHECKPOINT --- */

void spool_checkpoint_encode(const struct spool_checkpoint *checkpoint, uint8_t *to)
{
    spool_put_u64(to, checkpoint->generation);
    spool_put_u64(to + 8, checkpoint->end);
    to[16] = (uint8_t)checkpoint->kind;
}

bool spool_checkpoint_decode(const uint8_t *data, size_t len, struct spool_checkpoint *out)
{
    if (len != SPOOL_CHECKPOINT_LENGTH || data[16] > SPOOL_CHECKPOINT_VOID)
        return false;
    out->generation = spool_get_u64(data);
    out->end = spool_get_u64(data + 8);
    out->kind = (enum spool_checkpoint_kind)data[16];
    return out->end >= SPOOL_HEADER_BYTES && out->end <= SPOOL_SEGMENT_MAX && out->end % 8 == 0;
}
