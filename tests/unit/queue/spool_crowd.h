/* A spool with several logs, and as many homes as a machine has workers. */
#ifndef TESTS_SPOOL_CROWD_H
#define TESTS_SPOOL_CROWD_H

#include <sys/stat.h>

#include "queue/spool_private.h"
#include "spool_bed.h"

enum { HOMES = 6, EACH = 5, MESSAGES = HOMES * EACH };

/* As many homes as a machine has workers; message NUMBER comes from home NUMBER % HOMES. */
struct crowd {
    struct bed *bed;
    struct faulty_io *disk;
    struct mailbox *homes[HOMES];
};

static inline struct crowd crowd_new(unsigned writers)
{
    struct crowd c = {.bed = bed_new()};
    c.bed->settings.writers = writers;
    c.disk = faulty_io_new(c.bed->path);
    c.bed->io = faulty_io_of(c.disk);
    CHECK(bed_open(c.bed, NULL) == ERR_OK);
    for (size_t i = 0; i < HOMES; i++)
        c.homes[i] = mailbox_new();
    return c;
}

static inline void crowd_free(struct crowd *c)
{
    bed_free(&c->bed);
    faulty_io_free(&c->disk);
    for (size_t i = 0; i < HOMES; i++)
        mailbox_free(&c->homes[i]);
}

static inline void answers_take(struct crowd *c)
{
    for (size_t i = 0; i < HOMES; i++)
        (void)mailbox_run(c->homes[i]);
}

static inline void send_from(struct crowd *c, unsigned number, size_t octets)
{
    struct mailbox *own = c->bed->home;
    c->bed->home = c->homes[number % HOMES];
    bed_send(c->bed, number, octets);
    c->bed->home = own;
}

static inline void send_all(struct crowd *c)
{
    for (unsigned i = 0; i < MESSAGES; i++)
        send_from(c, i, i % 7 == 3 ? 20000 : 700);
    bed_work(c->bed);
    answers_take(c);
}

static inline unsigned log_of(const struct crowd *c, unsigned number)
{
    return spool_log_of(c->bed->messages[number].ref.id);
}

static inline bool there(const struct bed *b, const char *sub)
{
    char path[TEMP_DIR_SIZE * 2];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", b->path, sub);
    return stat(path, &st) == 0;
}

#endif
