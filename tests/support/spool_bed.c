/* A spool in a temporary directory, worked step by step. */
#include "spool_bed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/log.h"
#include "queue/spool_private.h"

struct bed *bed_new(void)
{
    /* These tests provoke what is logged as an error. */
    static int nowhere = -1;
    if (nowhere < 0)
        nowhere = open(getenv("SPOOL_BED_LOG") ? getenv("SPOOL_BED_LOG") : "/dev/null",
                       O_WRONLY | O_CLOEXEC);
    log_redirect(nowhere);
    struct bed *b = MEM_NEW(struct bed);
    temp_dir_new(b->dir);
    snprintf(b->path, sizeof b->path, "%s/spool", b->dir);
    b->settings = (struct spool_settings){
        .path = b->path,
        .segment_size_bytes = 64 * 1024,
        .inline_max_bytes = 8 * 1024,
    };
    b->io = io_system;
    b->home = mailbox_new();
    return b;
}

void bed_free(struct bed **bed)
{
    struct bed *b = *bed;
    spool_free(&b->spool);
    mailbox_free(&b->home);
    temp_dir_remove(b->dir);
    mem_free(b);
    *bed = NULL;
}

void bed_answers(struct bed *b)
{
    (void)mailbox_run(b->home);
}

void bed_work(struct bed *b)
{
    while (spool_step(b->spool))
        bed_answers(b);
    bed_answers(b);
}

char bed_octet(unsigned number, size_t at)
{
    return (char)('a' + (number * 7 + at * 13 + at / 256) % 26);
}

void bed_append(struct spool_txn *txn, unsigned number, size_t octets)
{
    char piece[1000];
    for (size_t at = 0; at < octets;) {
        size_t len = octets - at < sizeof piece ? octets - at : sizeof piece;
        for (size_t i = 0; i < len; i++)
            piece[i] = bed_octet(number, at + i);
        /* An error comes back at commit. */
        if (spool_append(txn, bytes_make(piece, len)) != ERR_OK)
            return;
        at += len;
    }
}

void bed_on_done(void *owner, const struct spool_committed *result)
{
    struct bed_message *m = owner;
    ASSERT(!m->answered);
    m->answered = true;
    m->err = result->err;
    m->doubtful = result->doubtful;
    ASSERT(!m->doubtful || m->err != ERR_OK);
    m->ref = result->ref;
}

bool bed_has_orar(unsigned number)
{
    return number >= 100 && number % 7 == 3;
}

static struct spool_txn *begin(struct bed *b, unsigned number)
{
    struct spool_log *log = b->logs > 1 ? b->spool->logs[number % b->logs] : NULL;
    return log ? spool_txn_new(&log->intake, b->home) : spool_begin(b->spool, b->home);
}

void bed_send(struct bed *b, unsigned number, size_t octets)
{
    char sender[32];
    ASSERT(number < BED_MESSAGES_MAX);
    struct mail_rcpt rcpts[2] = {
        {.address = BYTES("first@example.net"), .orcpt = BYTES("rfc822;x"), .notify = 6},
        {.address = BYTES("second@example.net")},
    };
    if (bed_has_orar(number))
        rcpts[1].orar = BED_ORAR;
    snprintf(sender, sizeof sender, "%u@example.com", number);
    struct mail_envelope envelope = {.sender = bytes_of(sender),
                                     .rcpts = rcpts,
                                     .rcpt_count = 2,
                                     .ret = MAIL_RET_HDRS,
                                     .options = b->options};
    struct spool_meta meta = {.received_at_ms = 1000 + number, .connector = BYTES("in")};
    b->messages[number] = (struct bed_message){.options = b->options};
    struct spool_txn *txn = begin(b, number);
    bed_append(txn, number, octets);
    spool_commit(txn, &envelope, &meta, bed_on_done, &b->messages[number]);
}

bool bed_text_right(const struct spool_message *m, unsigned number)
{
    size_t octets = (size_t)m->meta.octets;
    char *text = mem_alloc(octets + 1);
    bool right = spool_read_text(m, 0, text, octets) == ERR_OK;
    for (size_t at = 0; right && at < octets; at++)
        right = text[at] == bed_octet(number, at);
    mem_free(text);
    return right;
}

bool bed_envelope_right(const struct spool_message *m, unsigned number)
{
    const struct mail_envelope *e = &m->envelope;
    return e->rcpt_count == 2 && m->meta.received_at_ms == 1000 + (int64_t)number &&
           e->ret == MAIL_RET_HDRS && e->rcpts[0].notify == 6 &&
           bytes_equal(m->meta.connector, BYTES("in")) &&
           bytes_equal(e->rcpts[0].orcpt, BYTES("rfc822;x")) && e->rcpts[0].orar.len == 0 &&
           bytes_equal(e->rcpts[1].orar, bed_has_orar(number) ? BED_ORAR : BYTES_EMPTY) &&
           bytes_equal(e->rcpts[0].address, BYTES("first@example.net")) &&
           bytes_equal(e->rcpts[1].address, BYTES("second@example.net"));
}

unsigned bed_number(const struct spool_message *m)
{
    struct bytes local = mail_local_part(m->envelope.sender);
    uint64_t number;
    if (bytes_to_u64(local, BED_MESSAGES_MAX - 1, &number) != ERR_OK)
        return BED_MESSAGES_MAX;
    return (unsigned)number;
}

void bed_on_recovered(void *owner, const struct spool_message *m,
                      const struct spool_outcome *outcome)
{
    struct bed *b = owner;
    unsigned number = bed_number(m);
    b->found++;
    if (number == BED_MESSAGES_MAX || !bed_envelope_right(m, number) ||
        m->envelope.options != b->messages[number].options || !bed_text_right(m, number) ||
        b->messages[number].found) {
        b->damaged++;
        return;
    }
    b->messages[number].found = true;
    b->messages[number].ref = m->ref;
    b->messages[number].attempts = outcome->attempts;
}

static enum err log_open(struct bed *b, unsigned number, struct err_detail *why)
{
    struct spool_log **log = &b->spool->logs[number];
    enum err err = spool_log_open(&b->settings, b->io, b->spool->logs[0], number, log, why);
    return err == ERR_OK ? spool_log_prepare(*log, why) : err;
}

enum err bed_open(struct bed *b, struct err_detail *why)
{
    enum err err = spool_open(&b->settings, b->io, &b->spool, why);
    for (unsigned i = 1; i < b->logs && !b->logs_made && err == ERR_OK; i++)
        err = log_open(b, i, why);
    if (err == ERR_OK)
        b->logs_made = true;
    else
        spool_free(&b->spool);
    return err;
}

void bed_recover(struct bed *b)
{
    b->found = b->damaged = 0;
    for (size_t i = 0; i < BED_MESSAGES_MAX; i++)
        b->messages[i].found = false;
    spool_each_recovered(b->spool, bed_on_recovered, b);
}

bool bed_restart(struct bed *b)
{
    struct err_detail why = {""};
    spool_free(&b->spool);
    if (!CHECK(bed_open(b, &why) == ERR_OK)) {
        fprintf(stderr, "%s\n", why.text);
        return false;
    }
    bed_recover(b);
    return true;
}

void bed_outcome(struct bed *b, unsigned number, uint32_t attempts)
{
    struct mail_rcpt rcpt = {
        .index = 1, .state = MAIL_RCPT_PENDING, .status = MAIL_STATUS(450, 4, 2, 1, "later")};
    struct spool_outcome outcome = {
        .attempts = attempts, .next_attempt_at_ms = 5000, .rcpts = &rcpt, .rcpt_count = 1};
    spool_outcome_write(b->spool, &b->messages[number].ref, &outcome);
}
