/* A message comes in: from the thread that made it durable to the scheduler's. */
#include "core/clock.h"
#include "core/mem.h"
#include "queue/sched.h"
#include "queue/sched_shapes_private.h"

/* A message between its thread and the scheduler's. */
struct submission {
    struct mailbox_item item;
    struct sched *sched;
    struct spool_ref ref;
    int64_t received_at_ms;
    uint64_t octets;
    uint32_t rcpt_count;
    uint16_t flags;
    bool tried; /* OUTCOME was given */
    uint32_t attempts;
    int64_t next_attempt_at_ms;
    bool host_failed; /* all that wait were told that their destination cannot be reached */
    /* One a recipient, in arena: state, status, and as address the domain alone, in lower case.
     * NULL: narrow. */
    struct mail_rcpt *rcpts;
    struct arena arena;
    uint32_t domain_len;
    char domain[]; /* narrow: in lower case */
};

static struct bytes first_domain(const struct mail_envelope *envelope)
{
    return envelope->rcpt_count > 0 ? mail_domain(envelope->rcpts[0].address) : BYTES_EMPTY;
}

static bool one_domain(const struct mail_envelope *envelope, struct bytes domain)
{
    for (size_t i = 1; i < envelope->rcpt_count; i++)
        if (!bytes_equal_nocase(mail_domain(envelope->rcpts[i].address), domain))
            return false;
    return true;
}

static bool all_wait(const struct spool_outcome *outcome)
{
    for (size_t i = 0; outcome && i < outcome->rcpt_count; i++)
        if (outcome->rcpts[i].state != MAIL_RCPT_PENDING)
            return false;
    return true;
}

/* The destination's own failures are not stored: what its messages were told stands for them.
 * 4.4.4 is ours for "no route"; a message that a server itself told 4.4.x waits with the rest
 * once, which does no harm. */
static bool all_host_failed(const struct spool_outcome *outcome)
{
    size_t waiting = 0;
    for (size_t i = 0; i < outcome->rcpt_count; i++) {
        const uint16_t *e = outcome->rcpts[i].status.enhanced;
        if (outcome->rcpts[i].state != MAIL_RCPT_PENDING)
            continue;
        if (e[0] != 4 || e[1] != 4 || e[2] == 4)
            return false;
        waiting++;
    }
    return waiting > 0;
}

static uint16_t flags_of(const struct mail_envelope *envelope, const struct spool_meta *meta)
{
    unsigned flags = 0;
    if (envelope->sender.len == 0 || meta->is_dsn)
        return SCHED_NO_REPORT;
    for (size_t i = 0; i < envelope->rcpt_count; i++)
        if (envelope->rcpts[i].notify & MAIL_NOTIFY_SUCCESS)
            flags |= SCHED_WANTS_SUCCESS;
    return (uint16_t)flags;
}

static void copy_lower(char *to, struct bytes from)
{
    for (size_t i = 0; i < from.len; i++)
        to[i] = bytes_lower(from.ptr[i]);
}

static void copy_rcpts(struct submission *s, const struct mail_envelope *envelope,
                       const struct spool_outcome *outcome)
{
    s->rcpts = ARENA_NEW_ARRAY(&s->arena, struct mail_rcpt, envelope->rcpt_count);
    for (size_t i = 0; i < envelope->rcpt_count; i++) {
        struct bytes domain = mail_domain(envelope->rcpts[i].address);
        char *lower = arena_alloc(&s->arena, domain.len + 1);
        copy_lower(lower, domain);
        s->rcpts[i].address = bytes_make(lower, domain.len);
    }
    for (size_t i = 0; outcome && i < outcome->rcpt_count; i++) {
        const struct mail_rcpt *o = &outcome->rcpts[i];
        if (o->index >= envelope->rcpt_count || o->state > MAIL_RCPT_FAILED)
            continue; /* from the disk: not ours to trust */
        s->rcpts[o->index].status = mail_status_copy(&s->arena, &o->status);
        s->rcpts[o->index].state = o->state;
    }
}

static struct sched_message *make_message(struct submission *s)
{
    struct sched_message *m = sched_message_new(s->sched, &s->ref);
    m->received_at_ms = s->received_at_ms;
    m->octets = s->octets;
    ASSERT(s->rcpt_count > 0);
    m->rcpt_count = s->rcpt_count;
    m->flags = s->flags;
    m->group.attempts = s->attempts;
    if (!s->rcpts) {
        m->domain = sched_domain_get(s->sched, bytes_make(s->domain, s->domain_len));
        return m;
    }
    m->flags |= SCHED_WIDE;
    m->wide = sched_wide_new(s->rcpt_count);
    for (uint32_t i = 0; i < s->rcpt_count; i++) {
        struct sched_rcpt *rcpt = &m->wide->rcpts[i];
        rcpt->domain = sched_domain_get(s->sched, s->rcpts[i].address);
        rcpt->state = s->rcpts[i].state;
        rcpt->group = rcpt->state == MAIL_RCPT_PENDING ? &m->group : NULL;
        if (s->rcpts[i].status.code != 0)
            sched_rcpt_note(rcpt, &s->rcpts[i].status);
    }
    return m;
}

static void schedule(struct sched_message *m, const struct submission *s)
{
    const struct retry_settings *retry = &m->sched->settings.retry;
    uint64_t delay_ms = retry_delay_until(retry, s->next_attempt_at_ms, clock_wall_ms());
    struct sched_restore restore = {s->attempts, s->next_attempt_at_ms};
    if (!sched_message_waits(m))
        sched_message_record(m, NULL, 0);
    else if (s->tried && s->host_failed)
        sched_group_route(&m->group, &restore);
    else if (s->tried && delay_ms > 0)
        sched_group_defer(&m->group, delay_ms);
    else
        sched_group_route(&m->group, NULL);
}

static void on_submitted(struct mailbox_item *item)
{
    struct submission *s = CONTAINER_OF(item, struct submission, item);
    if (s->rcpt_count == 0)
        spool_message_quarantine(s->sched->spool, &s->ref, "a message without recipients");
    else
        schedule(make_message(s), s);
    arena_free(&s->arena);
    mem_free(s);
}

void sched_submit(struct sched *sched, const struct spool_ref *ref,
                  const struct mail_envelope *envelope, const struct spool_meta *meta,
                  const struct spool_outcome *outcome)
{
    struct bytes domain = first_domain(envelope);
    bool narrow = one_domain(envelope, domain) && all_wait(outcome);
    size_t domain_len = narrow ? domain.len : 0;
    struct submission *s = mem_alloc(sizeof *s + domain_len);
    *s = (struct submission){
        .item.run = on_submitted,
        .sched = sched,
        .ref = *ref,
        .received_at_ms = meta->received_at_ms,
        .octets = meta->octets,
        .rcpt_count = (uint32_t)envelope->rcpt_count,
        .flags = flags_of(envelope, meta),
        .domain_len = (uint32_t)domain_len,
    };
    arena_init(&s->arena, 1024);
    copy_lower(s->domain, bytes_sub(domain, 0, domain_len));
    if (outcome) {
        s->tried = outcome->rcpt_count > 0 || outcome->attempts > 0;
        s->attempts = outcome->attempts;
        s->next_attempt_at_ms = outcome->next_attempt_at_ms;
        s->host_failed = all_host_failed(outcome);
        s->flags |= outcome->delay_notified ? SCHED_DELAY_TOLD : 0;
    }
    if (!narrow)
        copy_rcpts(s, envelope, outcome);
    mailbox_send(loop_mailbox(sched->loop), &s->item);
}
